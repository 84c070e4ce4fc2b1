//! What is said about a file that somebody wrote, in a world with a few lists, channels and tenants.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use huntbook::action::Approvers;
use huntbook::diag::{Diagnostic, Sink};
use huntbook::expr::Language;
use huntbook::guard::Ceilings;
use huntbook::kql::Schema;
use huntbook::model::List;
use huntbook::plan::{self, Exclusions, Queries, SourceFile, World};
use huntbook::rehearsal::{self, Naming, Sources};
use huntbook::{playbook, settings};

/// What the playbooks here may refer to.
pub(crate) static WORLD: LazyLock<World> = LazyLock::new(|| World {
    language: Language::new(),
    lists: [
        List::new("packagers", ["host1"]),
        List::new("crownJewels", ["dc01"]),
        List::new("nobody", [""; 0]),
    ]
    .into_iter()
    .collect(),
    channels: ["soc", "soc-teams", "soc-slack"].map(str::to_owned).into(),
    chats: [
        ("soc-teams", [].as_slice()),
        ("soc-slack", &["ProcessCommandLine", "alerts.evidence"]),
        ("alerts-teams", &[]),
    ]
    .map(|(name, told)| (name.to_owned(), told.iter().map(ToString::to_string).collect()))
    .into(),
    alerts: Some("alerts-teams".to_owned()),
    tenants: BTreeMap::from([("contoso".to_owned(), BTreeSet::from(["production".to_owned()]))]),
    ceilings: Ceilings::default(),
    exclusions: Exclusions::default(),
    queries: Queries::Checked(Schema::defender()),
    approvers: Approvers::default(),
});

/// Everything that is said about a file of a kind.
pub(crate) fn problems(kind: &str, name: &str, bytes: &[u8]) -> Vec<Diagnostic> {
    let mut sink = Sink::new();
    let accepted = match kind {
        "playbook" => plan::compile(name, bytes, &WORLD, &mut sink).is_some(),
        "settings" => settings::parse(name, bytes, &mut sink).is_some(),
        "test" => return tests_problems(name, bytes),
        _ => playbook::list::parse(name, bytes, &mut sink).is_some(),
    };
    assert_eq!(accepted, sink.errors() == 0, "{name}: accepted exactly if there is no error");
    sink.into_sorted()
}

/// The playbook that the bad tests are for.
const TESTED: &str = "schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: Tested
severity: Low
hunt: {query: DeviceEvents, queryPeriod: 1h, identity: [DeviceId]}
actions:
  - {id: isolate, isolateDevice: {device: \"{{row.DeviceId}}\", comment: x}}
notify:
  - {channel: soc-teams, title: x}
";

/// Everything that is said about a file of tests.
fn tests_problems(name: &str, bytes: &[u8]) -> Vec<Diagnostic> {
    let read = |path: &Path| match path.to_str() {
        Some("broken.ndjson") => Ok(b"{\"DeviceId\": \"a\"}\n{\"DeviceId\": \n".to_vec()),
        Some("machines.json") => Ok(b"[{\"id\": \"x\", \"computerDnsNme\": \"y\"}]".to_vec()),
        _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
    };
    let file = |name: &str, bytes: &[u8]| SourceFile { name: name.to_owned(), bytes: bytes.to_vec() };
    let suite = rehearsal::load(&Sources {
        playbooks: vec![file("tested.yaml", TESTED.as_bytes())],
        tests: vec![file(name, bytes)],
        world: WORLD.clone(),
        naming: Naming::Settings,
        sinks: BTreeMap::new(),
        read: &read,
    });
    suite.diagnostics
}
