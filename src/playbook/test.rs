//! Tests of a playbook as written: what is given, what is expected, and when.
//!
//! They stand in `NAME.test.yaml` beside the playbook, or in the playbook itself under `tests`. The types
//! make the JSON schema, as those of playbooks do; what the words mean is for `rehearsal`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::expect::Expect;
use crate::diag::Sink;
use crate::model::{DurationText, InstantText};
use crate::yaml::{self, Tree};

/// Tests of one playbook: what it is given, and what it must do.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("patternProperties" = {"^x-": {"description": "Free for your own use; huntbook does not read it."}}))]
pub struct TestFile {
    /// The playbook's file, counted from the folder of this file.
    #[schemars(length(min = 1), example = &"psexec-fanout.yaml")]
    pub playbook: String,
    /// When the tests begin that do not say.
    pub clock: Option<InstantText>,
    /// What every test is given; a test's own `given` goes before, key by key.
    #[serde(default)]
    pub given: Given,
    /// The tests.
    #[schemars(length(min = 1))]
    pub tests: Vec<Test>,
}

/// One test: a tenant as given, one run or several, and what is expected of them.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["expect"]}, {"required": ["steps"]}]))]
pub struct Test {
    /// What it shows, in a sentence.
    #[schemars(length(min = 1, max = 200), example = &"isolates the noisy host, skips the domain controller")]
    pub name: String,
    /// When the first run begins; `2026-01-10T12:00:00Z` by default. Time stands still but for steps and
    /// waits.
    pub clock: Option<InstantText>,
    /// What the tenant holds and how it behaves.
    #[serde(default)]
    pub given: Given,
    /// What one run does.
    pub expect: Option<Expect>,
    /// Several runs, one after another on a virtual clock, and what each does. The journal is kept from one
    /// to the next.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub steps: Vec<Step>,
}

/// One run of several.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// When, counted from the first moment of the test.
    #[schemars(example = &"25h")]
    pub at: DurationText,
    /// What has become different by then.
    #[serde(default)]
    pub given: StepGiven,
    /// What the run does.
    pub expect: Expect,
}

/// What the tenant holds and how it behaves.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Given {
    /// Tables that the query runs over: NDJSON files counted from the folder of this file, or the rows.
    /// A time such as `-35m` counts from the beginning of the test.
    #[schemars(example = serde_json::json!({"DeviceFileEvents": "fixtures/psexec.ndjson"}))]
    pub tables: Option<BTreeMap<String, Fixture>>,
    /// What `externaldata` and a `feed` find, by address or name of the file: files counted from the folder of this file, or the text itself.
    #[schemars(example = serde_json::json!({"https://feeds.contoso.example/bad.csv": "fixtures/bad.csv"}))]
    pub documents: Option<BTreeMap<String, Document>>,
    /// The rows of watchlists that the schema folder declares: files or the rows.
    #[schemars(example = serde_json::json!({"vip": [{"Upn": "ana@contoso.example"}]}))]
    pub watchlists: Option<BTreeMap<String, Fixture>>,
    /// The answer to the playbook's query, in place of running it: a file with an answer as the API gives
    /// it or as `record` writes it, or the rows.
    #[schemars(example = &"fixtures/psexec_two_hosts.json")]
    pub hunt: Option<Fixture>,
    /// Devices: a file (JSON array or NDJSON) or the items, with the fields of the API.
    #[schemars(example = &"fixtures/machines.json")]
    pub machines: Option<Fixture>,
    /// Users: a file or the items.
    pub users: Option<Fixture>,
    /// Incidents: a file or the items.
    pub incidents: Option<Fixture>,
    /// Alerts, each with its `incidentId`: a file or the items.
    pub alerts: Option<Fixture>,
    /// Lists in place of those of the same names in the lists folder.
    #[schemars(example = serde_json::json!({"packagers": ["sccm01.contoso.example"]}))]
    pub lists: Option<BTreeMap<String, Vec<String>>>,
    /// What people say when they are asked, by the `id` of the action. What is said `after` a while, and what
    /// follows from it, belongs to the next step of the test; after the last step nothing more is waited for but
    /// that. Without an answer an action waits, and expires when a later step is after its time.
    #[schemars(example = serde_json::json!({"isolate": {"decision": "approve", "by": "soc-lead"}}))]
    pub approvals: Option<BTreeMap<String, TestAnswer>>,
    /// Requests that go wrong. The first that fits a request and is not used up hits it.
    pub faults: Option<Vec<TestFault>>,
}

/// What people say about an action.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TestAnswer {
    /// Yes or no.
    pub decision: TestDecision,
    /// Who says it: names of approvers. Each says the same, until it is decided.
    pub by: TestNames,
    /// How long after the request; at once by default.
    #[schemars(example = &"10m")]
    pub after: Option<DurationText>,
    /// Why, for a no.
    #[schemars(length(min = 1))]
    pub reason: Option<String>,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TestDecision {
    /// Yes.
    Approve,
    /// No.
    Deny,
}

/// One name or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TestNames {
    /// One.
    One(#[schemars(length(min = 1))] String),
    /// Several.
    Many(#[schemars(length(min = 1), inner(length(min = 1)))] Vec<String>),
}

impl TestNames {
    /// The names.
    #[must_use]
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

/// What has become different by a step; what is left out stays.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepGiven {
    /// Tables that replace those of the same names.
    pub tables: Option<BTreeMap<String, Fixture>>,
    /// The answer to the playbook's query from now on.
    pub hunt: Option<Fixture>,
    /// Requests that go wrong from now on; `[]` ends all faults.
    pub faults: Option<Vec<TestFault>>,
}

/// Items: a file, or written out.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Fixture {
    /// A file, counted from the folder of this file.
    File(#[schemars(length(min = 1))] String),
    /// The items.
    Items(Vec<Map<String, Value>>),
}

/// A document: a file, or its text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Document {
    /// A file, counted from the folder of this file.
    File(#[schemars(length(min = 1))] String),
    /// The text.
    Text(DocumentText),
}

/// The text of a document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentText {
    /// What stands at the address.
    pub text: String,
}

/// A request that goes wrong.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TestFault {
    /// Method and path. `*` stands for any text within a segment, `**` for any segments; the path may leave
    /// out its beginning.
    #[serde(rename = "match")]
    #[schemars(extend(
        "pattern" = r"^\s*\S+\s+/\S*\s*$",
        "patternErrorMessage" = "a method and a path such as `POST /api/machines/*/isolate`"
    ), example = &"POST /api/machines/*/isolate")]
    pub on: String,
    /// The status answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 200, max = 599), example = 429)]
    pub status: Option<u16>,
    /// Seconds after which the caller may come again; the virtual clock moves on by the wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 86_400), example = 7)]
    pub retry_after: Option<u32>,
    /// Sends only this many bytes of the answer, then ends the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncate: Option<u64>,
    /// Ends the connection without an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<bool>,
    /// The body answered: a text as it is, anything else as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// How many requests it hits; every one by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub times: Option<u32>,
    /// How many requests that fit pass before it hits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
    /// Whether the tenant acts on the request before the fault hits; `not` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apply: Option<TestApply>,
}

/// Whether the tenant acts although the answer tells of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TestApply {
    /// The request is lost.
    Not,
    /// The answer is lost.
    Before,
}

/// Tests and where each of their parts stands in the file.
#[derive(Debug, Clone)]
pub struct TestDocument {
    /// The file, node by node.
    pub tree: Tree,
    /// What it says.
    pub file: TestFile,
}

/// Reads a file of tests. Reports every problem of shape; returns the tests only if there was none.
pub fn parse(name: &str, bytes: &[u8], sink: &mut Sink) -> Option<TestDocument> {
    static CHECKER: LazyLock<yaml::Checker> = LazyLock::new(|| yaml::Checker::new(schema()));
    let before = sink.errors();
    let tree = yaml::parse(name, bytes, sink)?;
    let file = CHECKER.decode(&tree, sink)?;
    (sink.errors() == before).then_some(TestDocument { tree, file })
}

/// The JSON schema of a file of tests.
#[must_use]
pub fn schema() -> Value {
    let generator =
        schemars::generate::SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let schema = generator.into_generator().into_root_schema_for::<TestFile>();
    yaml::schema::tidy(schema.to_value(), "huntbook playbook tests")
}

impl Given {
    /// These things, and those of `shared` that are not among them.
    #[must_use]
    pub fn over(self, shared: &Self) -> Self {
        let Self { tables, hunt, machines, users, incidents, alerts, lists, approvals, faults, .. } = self;
        // A test that says how the query is answered does not want the shared way beside it.
        let answered = tables.is_some() || hunt.is_some();
        let (tables, hunt) =
            if answered { (tables, hunt) } else { (shared.tables.clone(), shared.hunt.clone()) };
        Self {
            tables,
            documents: self.documents.or_else(|| shared.documents.clone()),
            watchlists: self.watchlists.or_else(|| shared.watchlists.clone()),
            hunt,
            machines: machines.or_else(|| shared.machines.clone()),
            users: users.or_else(|| shared.users.clone()),
            incidents: incidents.or_else(|| shared.incidents.clone()),
            alerts: alerts.or_else(|| shared.alerts.clone()),
            lists: lists.or_else(|| shared.lists.clone()),
            approvals: approvals.or_else(|| shared.approvals.clone()),
            faults: faults.or_else(|| shared.faults.clone()),
        }
    }
}
