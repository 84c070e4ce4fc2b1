//! Where a playbook's items come from: a hunting query, the incident queue, alerts or a feed.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::parameter::ParameterValue;
use crate::model::DurationText;
use crate::model::{AlertSeverity, AlertStatus, IncidentStatus};

/// A hunting query and how often it runs.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hunt {
    /// The query, in KQL. It is sent as it stands, but for `@NAME`, which stands for one of the `parameters`.
    #[schemars(
        length(min = 1),
        example = &"DeviceProcessEvents\n| where FileName =~ \"psexec.exe\"\n| project Timestamp, DeviceId, DeviceName, ProcessCommandLine\n"
    )]
    pub query: String,
    /// What `@NAME` in the query stands for: a text, a number, `true` or `false`, several of a kind,
    /// `{datetime: ...}`, `{timespan: ...}`, or the entries of a list, `"{{lists.NAME}}"`. It becomes one literal, in
    /// which nothing is more than a value. A list has an entry when the query is sent, or the run fails; it knows no
    /// case, so `in~` fits it better than `in`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ParameterValue>",
        extend("propertyNames" = parameter_names()),
        example = serde_json::json!({"devices": "{{lists.crownJewels}}", "ports": [22, 3389], "since": {"timespan": "7d"}}))]
    pub parameters: IndexMap<String, ParameterValue>,
    /// How often the query runs. Use this or the top-level `schedule`.
    #[schemars(example = &"1h")]
    pub query_frequency: Option<DurationText>,
    /// How far back the query looks, at most 30 days. Longer than the cadence, so that late events are
    /// not missed; `identity` keeps repeats out.
    #[schemars(example = &"2h")]
    pub query_period: Option<DurationText>,
    /// How the number of rows is compared with `triggerThreshold`; `gt` by default.
    #[serde(default)]
    pub trigger_operator: TriggerOperator,
    /// The number of rows it is compared with; 0 by default.
    #[serde(default)]
    #[schemars(range(max = 100_000))]
    pub trigger_threshold: u64,
    /// The columns that make a row the same row next time. A row already seen is not acted on again.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)), extend("uniqueItems" = true), example = ["DeviceId", "SHA1"])]
    pub identity: Vec<String>,
    /// The columns of the answer and their types. Needed only where the query does not make them plain
    /// (`bag_unpack`, `pivot`): conditions and texts may then name these columns and no others. Elsewhere
    /// they must be what the query gives.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ColumnType>")]
    pub columns: IndexMap<String, ColumnType>,
    /// What the columns mean, as in Microsoft Sentinel rules.
    #[serde(default)]
    pub entity_mappings: Vec<EntityMapping>,
}

/// What a parameter may be called.
fn parameter_names() -> serde_json::Value {
    serde_json::json!({
        "pattern": "^[A-Za-z_][A-Za-z0-9_]*$",
        "patternErrorMessage": "a name of a parameter: letters, digits and `_`, first no digit",
    })
}

/// How a number of rows is compared with the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TriggerOperator {
    /// More rows than the threshold.
    #[default]
    Gt,
    /// At least as many.
    Ge,
    /// Fewer.
    Lt,
    /// At most as many.
    Le,
    /// Exactly as many.
    Eq,
    /// Any other number.
    Ne,
}

impl TriggerOperator {
    /// Whether a number of rows meets the threshold.
    #[must_use]
    pub const fn holds(self, rows: u64, threshold: u64) -> bool {
        match self {
            Self::Gt => rows > threshold,
            Self::Ge => rows >= threshold,
            Self::Lt => rows < threshold,
            Self::Le => rows <= threshold,
            Self::Eq => rows == threshold,
            Self::Ne => rows != threshold,
        }
    }
}

/// The type of a column, in KQL's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Text.
    String,
    /// A 64-bit integer.
    Long,
    /// A 32-bit integer.
    Int,
    /// A floating point number.
    Real,
    /// The same as `real`.
    Double,
    /// A decimal number.
    Decimal,
    /// True or false.
    Bool,
    /// A date and time.
    DateTime,
    /// A length of time.
    TimeSpan,
    /// A GUID.
    Guid,
    /// An array, an object, or anything.
    Dynamic,
}

impl ColumnType {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Long => "long",
            Self::Int => "int",
            Self::Real => "real",
            Self::Double => "double",
            Self::Decimal => "decimal",
            Self::Bool => "bool",
            Self::DateTime => "datetime",
            Self::TimeSpan => "timespan",
            Self::Guid => "guid",
            Self::Dynamic => "dynamic",
        }
    }
}

/// Which entity some columns describe.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntityMapping {
    /// Kind of entity.
    pub entity_type: EntityType,
    /// Its identifiers and the columns they come from.
    #[schemars(length(min = 1))]
    pub field_mappings: Vec<FieldMapping>,
}

/// One identifier of an entity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldMapping {
    /// The identifier, in Microsoft Sentinel's words: `HostName`, `FullName`, `Address`, ...
    #[schemars(length(min = 1), example = &"HostName")]
    pub identifier: String,
    /// The column it comes from.
    #[schemars(length(min = 1), example = &"DeviceName")]
    pub column_name: String,
}

/// Kinds of entities, as Microsoft Sentinel spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(clippy::upper_case_acronyms, reason = "the service's own spelling")]
pub enum EntityType {
    /// A user or service account.
    Account,
    /// A device.
    Host,
    /// An IP address.
    IP,
    /// A URL.
    URL,
    /// A file.
    File,
    /// The hash of a file.
    FileHash,
    /// A process.
    Process,
    /// A cloud application.
    CloudApplication,
    /// A domain name.
    DNS,
    /// An Azure resource.
    AzureResource,
    /// A registry key.
    RegistryKey,
    /// A registry value.
    RegistryValue,
    /// A security group.
    SecurityGroup,
    /// A mailbox.
    Mailbox,
    /// A cluster of mails.
    MailCluster,
    /// A mail.
    MailMessage,
    /// A submitted mail.
    SubmissionMail,
    /// Malware.
    Malware,
}

/// Rows of a CSV or JSON document that somebody else keeps. It is read whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["url"]}, {"required": ["file"]}]))]
pub struct Feed {
    /// Its address: `https`, on a public host unless the settings allow others. Redirects are not followed.
    #[schemars(length(min = 1), example = &"https://feeds.contoso.example/c2.csv")]
    pub url: Option<String>,
    /// A file of the settings' folder of feeds.
    #[schemars(length(min = 1), example = &"c2.csv")]
    pub file: Option<String>,
    /// How it is written.
    pub format: FeedFormat,
    /// The columns that are read, with their types. Others are left aside.
    #[schemars(with = "BTreeMap<String, ColumnType>", extend("minProperties" = 1),
        example = serde_json::json!({"Domain": "string", "Score": "long", "Seen": "datetime"}))]
    pub columns: IndexMap<String, ColumnType>,
    /// What stands between the values of a line of CSV; `,` by default.
    #[schemars(length(min = 1, max = 1), example = &";")]
    pub delimiter: Option<String>,
    /// Whether the first line of CSV names the columns; `true` by default. Otherwise they are in the order of
    /// `columns`.
    pub header: Option<bool>,
    /// Where the array of rows is in the JSON document, as a JSON pointer; the whole document by default.
    #[schemars(length(min = 1), example = &"/data")]
    pub rows_at: Option<String>,
    /// What its SHA-256 has to be: 64 hexadecimal digits, or the address or the file of a text that begins with them.
    #[schemars(length(min = 1), example = &"https://feeds.contoso.example/c2.csv.sha256")]
    pub sha256: Option<String>,
    /// Most bytes; 8 MiB by default, 64 MiB at most.
    #[schemars(range(min = 1, max = 67_108_864))]
    pub max_bytes: Option<u64>,
    /// Most rows; 100000 by default.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_rows: Option<u32>,
    /// Longest time to fetch it; a minute by default, ten at most.
    #[schemars(example = &"30s")]
    pub timeout: Option<DurationText>,
    /// The columns that make a row the same row next time; all when left out. A row already seen is not acted on
    /// again.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)), extend("uniqueItems" = true), example = ["Domain"])]
    pub identity: Vec<String>,
}

/// How a feed is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FeedFormat {
    /// Lines of values; lines that begin with `#` are left aside.
    Csv,
    /// An array of objects.
    Json,
    /// One object on each line.
    JsonLines,
}

/// Incidents of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Incidents {
    /// Which incidents; when left out, all that change, from those of the last day on.
    #[serde(default)]
    pub filter: IncidentFilter,
    /// Whether alerts and their evidence are fetched too. Needed by conditions on `incident.alerts`.
    #[serde(default)]
    pub expand_alerts: bool,
    /// How far before what it knows each poll looks, because a change can become visible late; `1h` by default.
    /// Once a day it looks a whole day back, or as far as `updatedWithin` says.
    #[schemars(example = &"1h")]
    pub look_back: Option<DurationText>,
}

/// Which incidents are looked at. Each line narrows; values within a line are alternatives.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IncidentFilter {
    /// Their status.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub status: Vec<IncidentStatus>,
    /// Their severity.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub severity: Vec<AlertSeverity>,
    /// Changed within this time before the run. When left out, what changed while huntbook was away is read too.
    #[schemars(example = &"1h")]
    pub updated_within: Option<DurationText>,
    /// Products that raised one of their alerts, as Microsoft Graph spells them.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)), example = ["microsoftDefenderForEndpoint"])]
    pub service_source: Vec<String>,
    /// Owner: `none`, `any`, or a sign-in name.
    #[schemars(length(min = 1), example = &"none")]
    pub assigned_to: Option<String>,
    /// Tags people and playbooks set.
    #[serde(default)]
    pub tags: TagFilter,
}

/// Which tags an incident must or must not have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TagFilter {
    /// It has at least one of these.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub any: Vec<String>,
    /// It has none of these.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub none: Vec<String>,
}

/// Alerts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alerts {
    /// Which alerts; when left out, all that change, from those of the last day on.
    #[serde(default)]
    pub filter: AlertFilter,
    /// How far before what it knows each poll looks, because a change can become visible late; `1h` by default.
    /// Once a day it looks a whole day back, or as far as `updatedWithin` says.
    #[schemars(example = &"1h")]
    pub look_back: Option<DurationText>,
}

/// Which alerts are looked at. Each line narrows; values within a line are alternatives.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlertFilter {
    /// Their status.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub status: Vec<AlertStatus>,
    /// Their severity.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub severity: Vec<AlertSeverity>,
    /// Changed within this time before the run. When left out, what changed while huntbook was away is read too.
    #[schemars(example = &"1h")]
    pub updated_within: Option<DurationText>,
    /// Products that raised them, as Microsoft Graph spells them.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)), example = ["microsoftDefenderForEndpoint"])]
    pub service_source: Vec<String>,
    /// Technologies that detected, as Microsoft Graph spells them. The API cannot filter by them: huntbook does.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)), example = ["customDetection"])]
    pub detection_source: Vec<String>,
    /// Categories. The API cannot filter by them: huntbook does.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)), example = ["Execution"])]
    pub category: Vec<String>,
    /// Owner: `none`, `any`, or a sign-in name.
    #[schemars(length(min = 1), example = &"none")]
    pub assigned_to: Option<String>,
}
