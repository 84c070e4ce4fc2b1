//! Parameters of actions on indicators.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::AlertSeverity;
use crate::model::DurationText;

/// Parameters of `addIndicator`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddIndicator {
    /// The hash, address, domain or URL, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.SHA256}}")]
    pub indicator_value: String,
    /// What kind of value it is.
    pub indicator_type: IndicatorKind,
    /// What happens when it is met.
    pub action: IndicatorEffect,
    /// Title in the portal, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}}")]
    pub title: String,
    /// Description in the portal, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"Seen on {{row.DeviceName}} by {{playbook.name}}, run {{run.id}}")]
    pub description: String,
    /// Severity of the alerts it raises.
    pub severity: Option<AlertSeverity>,
    /// How long it is in force; for ever when left out.
    #[schemars(example = &"30d")]
    pub expires_in: Option<DurationText>,
    /// What analysts should do, a text with `{{...}}`.
    #[schemars(length(min = 1))]
    pub recommended_actions: Option<String>,
    /// Names of the device groups it is in force for; all when left out.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub rbac_group_names: Vec<String>,
    /// Whether meeting it raises an alert. `audit` needs it.
    #[serde(default)]
    pub generate_alert: bool,
}

/// Parameters of `removeIndicator`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoveIndicator {
    /// The hash, address, domain or URL, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.SHA256}}")]
    pub indicator_value: String,
    /// What kind of value it is.
    pub indicator_type: IndicatorKind,
}

/// Parameters of `reconcileIndicators`. The indicators of a set are those that the same app made and whose title
/// begins with `[huntbook:LIST]`; all others are left as they are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["list"]}, {"required": ["column"]}]))]
pub struct ReconcileIndicators {
    /// Name of the list that says which values there are to be. An empty one changes nothing.
    #[schemars(length(min = 1), example = &"badDomains")]
    pub list: Option<String>,
    /// Column of the playbook's `feed` that says so, over all rows that match. The feed is then the only item of a
    /// run, `feed` in texts. If no row matches, nothing is changed.
    #[schemars(length(min = 1), example = &"Domain")]
    pub column: Option<String>,
    /// Name of the set, with `column`; under another name it is another set.
    #[schemars(extend(
        "pattern" = "^[A-Za-z][A-Za-z0-9_.-]{0,63}$",
        "patternErrorMessage" = "a name: letters, digits, `_`, `.` and `-`, first a letter, at most 64"
    ), example = &"c2Domains")]
    pub set: Option<String>,
    /// What kind of values they are.
    pub indicator_type: IndicatorKind,
    /// What happens when one is met.
    pub action: IndicatorEffect,
    /// Title in the portal, a text with `{{...}}`; `[huntbook:LIST]` is put before it.
    #[schemars(length(min = 1), example = &"{{playbook.name}}")]
    pub title: String,
    /// Description in the portal, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}}, run {{run.id}}")]
    pub description: String,
    /// Severity of the alerts they raise.
    pub severity: Option<AlertSeverity>,
    /// How long they are in force; for ever when left out. They are written anew when half of it is over.
    #[schemars(example = &"30d")]
    pub expires_in: Option<DurationText>,
    /// Whether meeting one raises an alert. `audit` needs it.
    #[serde(default)]
    pub generate_alert: bool,
    /// Most that are removed at a time; 50 by default. With more to remove nothing is changed.
    #[schemars(range(max = 15_000))]
    pub max_removed: Option<u32>,
    /// The same in percent of those that the set has; 25 by default.
    #[schemars(range(max = 100))]
    pub max_removed_percent: Option<u8>,
    /// Most that come into force anew at a time; 500 by default. With more to add nothing is changed.
    #[schemars(range(max = 15_000))]
    pub max_added: Option<u32>,
}

/// What kind of value an indicator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum IndicatorKind {
    /// SHA-1 of a file.
    FileSha1,
    /// SHA-256 of a file.
    FileSha256,
    /// MD5 of a file; avoid it where another hash is known.
    FileMd5,
    /// Thumbprint of a certificate.
    CertificateThumbprint,
    /// A single public address.
    IpAddress,
    /// A domain name.
    DomainName,
    /// An absolute URL.
    Url,
}

/// What happens when an indicator is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum IndicatorEffect {
    /// It is let through.
    Allowed,
    /// It is let through and alerted on; needs `generateAlert: true`.
    Audit,
    /// The user is warned and may go on.
    Warn,
    /// It is stopped.
    Block,
    /// The file is stopped and put in quarantine; for files only.
    BlockAndRemediate,
}
