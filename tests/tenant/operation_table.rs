//! The table of everything huntbook asks of a tenant, made by asking it of the simulated one. `UPDATE=1` writes it.

#![expect(clippy::disallowed_methods, reason = "the switch that writes the file is an environment variable")]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use huntbook::http::Open;
use huntbook::model::{MachineActionId, Wanted};
use huntbook::rows::Flow;
use huntbook::tenant::permission::{ALERTS, DEVICES, INCIDENTS, Permission, USERS};
use huntbook::tenant::{
    ActionKind, Commented, Group, HuntLimits, HuntQuery, HuntingApi, IncidentQuery, IndicatorLeft, Operation,
    Tenant as _, TenantError,
};
use jiff::SignedDuration;

use crate::simulated::{DEVICE, USER, World, domains, live_response, operations};

const FILE: &str = "src/OPERATIONS.md";

const HEAD: &str = "\
# Operations

Everything huntbook asks of a tenant: which call makes it, the requests as the simulated tenant has them, the test
that makes them, the roles of which one is enough, and how often the service allows it. `UPDATE=1 cargo test --test
tenant operation_table` writes this page from a run against the simulated tenant. What becomes of refusals is tested
for each kind of call in `tests/tenant/matrix.rs`.

| operation | client | requests | test | roles | limit |
|---|---|---|---|---|---|
";

/// A line of the table.
struct Line<'a> {
    operation: &'a str,
    /// What counts the calls, if it is not the operation itself.
    counted: &'static str,
    client: &'a str,
    test: &'a str,
    permission: Permission,
}

impl Line<'_> {
    fn write(&self, requests: &[String], out: &mut String) {
        let Line { operation, counted, client, test, permission } = self;
        let tests = [
            include_str!("simulated.rs"),
            include_str!("operation_table.rs"),
            include_str!("../schema_pull.rs"),
        ];
        let named = format!("fn {test}(");
        assert!(tests.iter().any(|text| text.contains(&named)), "there is no test {test} for {operation}");
        assert!(!requests.is_empty(), "{operation} asks nothing");
        let group = Group::of(permission.audience, counted, permission.least());
        let roles: Vec<String> = permission.roles.iter().map(|role| format!("`{role}`")).collect();
        let requests: Vec<String> = requests.iter().map(|request| format!("`{request}`")).collect();
        writeln!(
            out,
            "| {operation} | `{client}` | {} | `{test}` | {}: {} | {} ({}) |",
            requests.join("<br>"),
            permission.audience,
            roles.join(" or "),
            group.quota,
            group.name,
        )
        .unwrap();
    }
}

/// The requests from the n-th on, but for tokens, each once, with names in place of ids.
fn requests(world: &World, from: usize) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let all = world.sim.requests().into_iter().skip(from);
    let apis = all.filter(|request| !request.path.ends_with("/token"));
    let lines = apis.map(|request| {
        let parts = request.path.split('/').map(|part| match part.split_once('(') {
            Some((function, _arguments)) => format!("{function}(…)"),
            None if is_id(part) => "{id}".to_owned(),
            None => part.to_owned(),
        });
        format!("{} {}", request.method, parts.collect::<Vec<_>>().join("/"))
    });
    lines.filter(|line| seen.insert(line.clone())).collect()
}

/// Whether a segment names one of many: words of an API have no digits but for the version.
fn is_id(part: &str) -> bool {
    let is_version = matches!(part, "v1.0" | "v2.0" | "alerts_v2");
    !is_version && (part.contains('@') || part.bytes().any(|byte| byte.is_ascii_digit()))
}

async fn hunted(world: &World) -> Result<(), TenantError> {
    let query = HuntQuery { query: "DeviceEvents".to_owned(), timespan: None };
    world.tenant.hunt(&query, &Wanted::All, &HuntLimits::default(), &mut |_| Flow::Continue).await.map(drop)
}

/// An action that has ended, to ask after.
async fn ended(world: &World, operation: &Operation) -> MachineActionId {
    let id = world.tenant.apply(operation, &Open).await.unwrap().remote_id.unwrap();
    world.clock.advance(SignedDuration::from_mins(1));
    id
}

/// What budgets call an operation, where they name it.
fn counted_as(operation: &str) -> &'static str {
    match operation {
        "run a hunting query" => "runHuntingQuery",
        "address of a package" => "package",
        "result of a live response" => "liveResult",
        "device" => "machine",
        "response action" => "machineAction",
        "response actions of a device" | "marked response actions" => "machineActions",
        "addIndicator, many of a run" => "importIndicators",
        "indicators in force" | "indicators of others" | "what is left of an indicator" => "indicators",
        _ => "",
    }
}

fn collect() -> Operation {
    let device = DEVICE.parse().unwrap();
    Operation::CollectInvestigationPackage { device, comment: "why".to_owned() }
}

const HERE: &str = "the_table_of_operations_is_what_is_asked_of_the_simulated_tenant";

/// Writes the lines of incidents and alerts.
async fn cases(world: &World, line: &mut impl FnMut(&str, (&str, &str), Permission, (&World, usize))) {
    let at = || world.sim.requests().len();
    let from = at();
    world.tenant.incidents(&IncidentQuery::default()).await.unwrap();
    let listed = "incidents_are_filtered_there_and_read_over_all_pages";
    line("incidents", ("Tenant::incidents", listed), INCIDENTS, (world, from));
    let from = at();
    world.tenant.incident(&"4101".parse().unwrap()).await.unwrap();
    line("incident", ("Tenant::incident", "every_operation_has_its_effect_once"), INCIDENTS, (world, from));
    let from = at();
    world.tenant.alert(&"da4101a001_1".parse().unwrap()).await.unwrap();
    line("alert", ("Tenant::alert", listed), ALERTS, (world, from));
    let here = HERE;
    let from = at();
    let on = Commented::Incident("4101".parse().unwrap());
    assert!(world.tenant.comments(&on).await.unwrap().are_all);
    line("comments at an incident", ("Tenant::comments", here), INCIDENTS, (world, from));
    let from = at();
    let on = Commented::Alert("da4101a001_1".parse().unwrap());
    assert!(world.tenant.comments(&on).await.unwrap().are_all);
    line("comments at an alert", ("Tenant::comments", here), ALERTS, (world, from));
}

/// Writes the lines of indicators.
async fn indicators(world: &World, line: &mut impl FnMut(&str, (&str, &str), Permission, (&World, usize))) {
    let at = || world.sim.requests().len();
    let many = domains(&["a.example", "b.example"]).wanted;
    let from = at();
    let came = world.tenant.add_indicators(&many, &Open).await.unwrap();
    assert!(came.len() == 2 && came.iter().all(Result::is_ok), "{came:?}");
    let may = ActionKind::AddIndicator.permission();
    line("addIndicator, many of a run", ("Tenant::add_indicators", HERE), may, (world, from));
    let from = at();
    assert_eq!(world.tenant.shows(&many).await.unwrap(), [true, true]);
    assert_eq!(world.tenant.shows(&domains(&["c.example"]).wanted).await.unwrap(), [false]);
    line("indicators in force", ("Tenant::shows", HERE), may, (world, from));
    let from = at();
    assert_eq!(world.tenant.others_have(&many).await.unwrap(), [None, None]);
    line("indicators of others", ("Tenant::others_have", HERE), may, (world, from));
    let from = at();
    let added = (many[0].indicator_type, &many[0].indicator_value);
    let left = world.tenant.left_of(added, Some(many[0].action)).await.unwrap();
    assert_eq!(left, IndicatorLeft::Ours);
    line("what is left of an indicator", ("Tenant::left_of", HERE), may, (world, from));
}

/// Writes the lines of what is only read.
async fn reads(out: &mut String) {
    let seen = "a_device_and_the_tokens_are_known";
    let world = World::start(|_| {}).await;
    let device = DEVICE.parse().unwrap();
    let mut line =
        |operation: &str, (client, test): (&str, &str), permission, (world, from): (&World, usize)| {
            let line = Line { operation, counted: counted_as(operation), client, test, permission };
            line.write(&requests(world, from), out);
        };
    for api in [HuntingApi::Graph, HuntingApi::Xdr] {
        let world = World::start_with(api, |_| {}).await;
        // Whatever comes of it: it was asked.
        drop(hunted(&world).await);
        let named = ("Tenant::hunt", "a_hunt_goes_to_the_endpoint_that_is_set");
        line("run a hunting query", named, api.permission(), (&world, 0));
    }
    let at = || world.sim.requests().len();
    let from = at();
    drop(world.tenant.hunt_schema().await);
    let told = "what_the_tenant_tells_is_what_queries_are_checked_against";
    line("hunting tables", ("Tenant::hunt_schema", told), HuntingApi::Graph.permission(), (&world, from));
    cases(&world, &mut line).await;
    let here = HERE;
    let from = at();
    let user = world.tenant.user(&USER.parse().unwrap()).await.unwrap();
    assert_eq!(user.user_principal_name.as_deref(), Some(USER));
    line("user", ("Tenant::user", here), USERS, (&world, from));
    let from = at();
    assert!(world.tenant.sessions_valid_from(&USER.parse().unwrap()).await.unwrap().is_some());
    line("sessions of a user", ("Tenant::sessions_valid_from", here), USERS, (&world, from));
    let from = at();
    world.tenant.machine(&device).await.unwrap();
    line("device", ("Tenant::machine", seen), DEVICES, (&world, from));
    let followed = "an_isolation_is_pending_then_done_and_not_added_twice";
    let id = ended(&world, &collect()).await;
    let from = at();
    world.tenant.machine_action(&id).await.unwrap();
    line("response action", ("Tenant::machine_action", followed), DEVICES, (&world, from));
    let from = at();
    world.tenant.machine_actions(&device, jiff::Timestamp::UNIX_EPOCH).await.unwrap();
    line("response actions of a device", ("Tenant::machine_actions", followed), DEVICES, (&world, from));
    let from = at();
    assert_eq!(world.tenant.marked_actions("[hb:", jiff::Timestamp::UNIX_EPOCH).await.unwrap(), []);
    line("marked response actions", ("Tenant::marked_actions", here), DEVICES, (&world, from));
    let from = at();
    world.tenant.package(&id).await.unwrap().unwrap();
    let named = ("Tenant::package", "a_package_is_there_when_it_is_gathered");
    line("address of a package", named, DEVICES, (&world, from));
    let id = ended(&world, &live_response()).await;
    let from = at();
    world.tenant.live_result(&id, 1).await.unwrap().unwrap();
    let named = ("Tenant::live_result", "one_session_runs_on_a_device_and_leaves_what_its_scripts_say");
    line("result of a live response", named, DEVICES, (&world, from));
    indicators(&world, &mut line).await;
}

#[tokio::test]
async fn the_table_of_operations_is_what_is_asked_of_the_simulated_tenant() {
    let mut table = HEAD.to_owned();
    for (operation, _effect) in operations() {
        let world = World::start(|_| {}).await;
        world.tenant.apply(&operation, &Open).await.unwrap();
        let kind: ActionKind = operation.kind();
        let line = Line {
            operation: kind.as_str(),
            counted: kind.as_str(),
            client: "Tenant::apply",
            test: "every_operation_has_its_effect_once",
            permission: kind.permission(),
        };
        line.write(&requests(&world, 0), &mut table);
    }
    reads(&mut table).await;
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        std::fs::write(&path, table).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == table,
        "{FILE} is out of date; run `UPDATE=1 cargo test --test tenant operation_table`"
    );
}
