//! Embeds the engine: one playbook compiled from a string, one run, its report.
//!
//! The tenant is the simulated one, so the example needs nothing and changes nothing. For a real tenant
//! leave `endpoints` out and give the client your app's id and secret.
//!
//! Run it with `cargo run --example embed_engine`.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use huntbook::action::Approvers;
use huntbook::clock::{SharedClock, SystemClock};
use huntbook::diag::{Format, Sink, render};
use huntbook::engine::{Engine, Order, Ran, Report, Undoing};
use huntbook::expr::Language;
use huntbook::guard::Ceilings;
use huntbook::http::{Http, HttpOptions};
use huntbook::kql::Schema;
use huntbook::model::{Lists, Secret};
use huntbook::plan::{Exclusions, Queries, World, compile};
use huntbook::sim::{Sim, SimApp, SimOptions};
use huntbook::store::{Effects, Store, Trigger};
use huntbook::tenant::{Client, ClientOptions, EndpointOverrides, Tenant};

/// Finds encoded PowerShell that Office started, and scans the devices.
const PLAYBOOK: &str = r#"
schema: 1
id: 3a0f6a52-3f0b-4d8e-9a55-5d2f6f1f9c10
name: Office starts encoded PowerShell
mode: enforce
severity: Medium

hunt:
  query: |
    DeviceProcessEvents
    | where FileName =~ "powershell.exe" and InitiatingProcessFileName in~ ("winword.exe", "excel.exe")
    | project Timestamp, ReportId, DeviceId, DeviceName, ProcessCommandLine
  queryPeriod: 24h
  identity: [DeviceId]
  columns:
    Timestamp: datetime
    ReportId: long
    DeviceId: string
    DeviceName: string
    ProcessCommandLine: string

where: row.ProcessCommandLine.icontains(" -enc")
guards:
  maxActions: {perRun: 5, perDay: 20}

actions:
  - id: scan
    runAntivirusScan: {device: "{{row.DeviceId}}", scanType: quick, comment: "{{playbook.name}}, run {{run.id}}"}
"#;

/// The tenant's name inside this program.
const TENANT: &str = "contoso";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let clock: SharedClock = Arc::new(SystemClock);

    // Somebody to talk to: a server that speaks the tenant's HTTP.
    let options = SimOptions::story(clock.now())?;
    let tenant_id = options.identity.tenant_id.clone();
    let sim = Sim::start(options, Arc::clone(&clock)).await?;

    // The real client, pointed at it.
    let secret = Secret::new(SimApp::SECRET.to_owned());
    let options = ClientOptions {
        endpoints: EndpointOverrides::under(sim.url()),
        ..ClientOptions::with_secret(TENANT, tenant_id, SimApp::CLIENT_ID, secret)
    };
    let http = Http::open(HttpOptions::default(), Arc::clone(&clock))?;
    let client = Client::open(options, http, Arc::clone(&clock))?;

    // The meaning of the playbook in a world without lists and channels. All problems come at once.
    let world = World {
        language: Language::new(),
        lists: Lists::default(),
        channels: BTreeSet::new(),
        chats: BTreeMap::new(),
        alerts: None,
        tenants: BTreeMap::from([(TENANT.to_owned(), BTreeSet::new())]),
        ceilings: Ceilings::default().on_a_stage(),
        exclusions: Exclusions::default(),
        queries: Queries::Checked(Schema::defender()),
        approvers: Approvers::default(),
    };
    let mut problems = Sink::new();
    let plan = compile("office.yaml", PLAYBOOK.as_bytes(), &world, &mut problems);
    let Some(plan) = plan else { bail!("{}", render(&problems.into_sorted(), Format::Text)) };

    // The journal lives in a file; nothing is sent before its intent is written there.
    let folder = tempfile::tempdir().context("a place for the journal")?;
    let store = Store::open(&folder.path().join("journal.db"), Arc::clone(&clock)).await?;
    let tenants = BTreeMap::from([(TENANT.to_owned(), Arc::new(client) as Arc<dyn Tenant>)]);
    let engine = Engine {
        store,
        clock,
        tenants,
        feeds: Arc::new(huntbook::feed::Shelf::default()),
        alerts: None,
        page: None,
        undoing: Undoing::default(),
    };

    let order = Order {
        plan: Arc::new(plan),
        lists: Arc::new(Lists::default()),
        tenant: TENANT.to_owned(),
        trigger: Trigger::Manual,
        by: None,
        slot: None,
        effects: Effects::Apply,
    };
    // Twice: what has been seen is not acted upon again.
    for run in ["first", "second"] {
        match engine.run(&order).await? {
            Ran::Report(report) => print(run, &report),
            Ran::SlotTaken => bail!("only runs of a schedule have a slot"),
        }
    }

    println!("the tenant's own log of what was done to it:");
    for effect in sim.effects() {
        println!("  {} on {}", effect.effect, effect.target);
    }
    sim.stop().await;
    Ok(())
}

/// Prints what a run did.
fn print(run: &str, report: &Report) {
    let counts = &report.counts;
    println!(
        "{run} run: {} ({} rows hunted, {} matched, {} acted on)",
        report.state.as_str(),
        counts.hunted,
        counts.matched,
        counts.acted
    );
    for item in &report.items {
        println!("  {}: {}", item.key, item.outcome.as_str());
        for step in &item.steps {
            println!("    {} on {}", step.action, step.target);
        }
    }
}
