//! What becomes of a call when a service refuses it: each status against each kind of call, each text of the hunting
//! API, and each code of the Defender APIs, through the real client and the simulated tenant.

use std::sync::Arc;

use huntbook::channel::{Channel, ChannelOptions, Message};
use huntbook::http::{Applied, Open, Retry};
use huntbook::model::{
    AlertSeverity, Classification, Determination, IncidentStatus, PlaybookId, Secret, Wanted,
};
use huntbook::rows::Flow;
use huntbook::sim::{CannedHunter, Fault, HuntTable, Pattern, SimApp, SimOptions};
use huntbook::tenant::{
    HuntFault, HuntLimits, HuntQuery, IncidentPatch, Indicator, IndicatorAction, IndicatorType,
    IndicatorValue, Operation, RemoteState, Tenant, TenantError,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::bench::{client, door};
use crate::nobody::nobody;
use crate::simulated::{DEVICE, World, isolate};

/// A kind of call.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Get,
    Hunt,
    IncidentPatch,
    MachineAction,
    Indicator,
    Notify,
}

use Kind::{Get, Hunt, IncidentPatch as Patch, Indicator as AddIndicator, MachineAction, Notify};

const KINDS: [Kind; 6] = [Get, Hunt, Patch, MachineAction, AddIndicator, Notify];

impl Kind {
    /// The request it makes.
    fn request(self) -> &'static str {
        match self {
            Get => "GET /mde/api/machines/*",
            Hunt => "POST /v1.0/security/runHuntingQuery",
            Patch => "PATCH /v1.0/security/incidents/*",
            MachineAction => "POST /mde/api/machines/*/isolate",
            AddIndicator => "POST /mde/api/indicators",
            Notify => "POST /hooks/webhook/*",
        }
    }
}

fn hunting(options: &mut SimOptions) {
    options.hunter = Arc::new(CannedHunter::new().when("DeviceEvents", Ok(HuntTable::new(vec![], vec![]))));
}

async fn hunt(tenant: &dyn Tenant) -> Result<(), TenantError> {
    let query = HuntQuery { query: "DeviceEvents".to_owned(), timespan: None };
    tenant.hunt(&query, &Wanted::All, &HuntLimits::default(), &mut |_| Flow::Continue).await.map(drop)
}

fn indicator() -> Operation {
    Operation::AddIndicator(Indicator {
        indicator_value: IndicatorValue::parse(IndicatorType::IpAddress, "203.0.113.7").unwrap(),
        indicator_type: IndicatorType::IpAddress,
        action: IndicatorAction::Block,
        title: "T".to_owned(),
        description: "D".to_owned(),
        severity: None,
        recommended_actions: None,
        expiration_time: None,
        generate_alert: true,
        rbac_group_names: vec![],
    })
}

fn patch() -> Operation {
    let patch = IncidentPatch { status: Some(IncidentStatus::Resolved), ..IncidentPatch::default() };
    Operation::UpdateIncident { incident: "4101".parse().unwrap(), patch }
}

fn message() -> Message {
    Message {
        id: "0193c9a2-7b1e-5000-8000-000000000001".to_owned(),
        severity: AlertSeverity::High,
        title: "T".to_owned(),
        text: String::new(),
        facts: vec![],
        playbook: "P".to_owned(),
        run: "0193c9a2-7b1e-7000-8000-000000000001".to_owned(),
        tenant: "contoso".to_owned(),
        at: "2026-01-10T12:00:00Z".parse().unwrap(),
    }
}

/// What a failure means: it will not pass, it may (and was left to later), or nobody knows whether it was applied.
fn told(error: &TenantError) -> &'static str {
    match (error.applied(), error.retry()) {
        (Applied::Unknown, _) => "in doubt",
        (Applied::No, Retry::Never) => "refused",
        (Applied::No, Retry::After(_) | Retry::Backoff) => "later",
    }
}

/// Makes a call of the kind; says what came of it.
async fn call(tenant: &dyn Tenant, kind: Kind, hooks: &str) -> &'static str {
    let done = match kind {
        Get => tenant.machine(&DEVICE.parse().unwrap()).await.map(drop),
        Hunt => hunt(tenant).await,
        Patch => tenant.apply(&patch(), &Open).await.map(drop),
        MachineAction => tenant.apply(&isolate(), &Open).await.map(drop),
        AddIndicator => tenant.apply(&indicator(), &Open).await.map(drop),
        Notify => return notify(hooks).await,
    };
    match done {
        Ok(()) => "done",
        // Nothing that only reads can be in doubt.
        Err(error) if matches!(kind, Get | Hunt) && told(&error) == "in doubt" => "later",
        Err(error) => told(&error),
    }
}

/// One delivery; the outbox makes the repeats, of a message that keeps its id.
async fn notify(hooks: &str) -> &'static str {
    let clock: huntbook::clock::SharedClock = Arc::new(crate::bench::EagerClock::default());
    let url = Arc::new(Secret::new(format!("{hooks}/webhook/soc")));
    let options = ChannelOptions::Webhook { url, secrets: vec![] };
    let channel = Channel::open("soc", &options, door(Arc::clone(&clock)), clock).unwrap();
    match channel.send(&message()).await.map_err(|error| error.retry()) {
        Ok(_) => "done",
        Err(Retry::Never) => "refused",
        Err(Retry::After(_) | Retry::Backoff) => "later",
    }
}

/// Lets each kind of call meet the fault once; checks how often it was sent, and what came of it. What is applied is
/// applied once.
async fn check(fault: Fault, wanted: [(usize, &'static str); 6]) {
    let mut found = Vec::new();
    for kind in KINDS {
        let once = Fault { on: kind.request().to_owned(), times: Some(1), ..fault.clone() };
        let world = World::start(|options| {
            hunting(options);
            options.faults = vec![once];
        })
        .await;
        let came = call(&world.tenant, kind, &world.sim.endpoints().hooks).await;
        let pattern = Pattern::parse(kind.request()).unwrap();
        let requests = world.sim.requests();
        let sent = requests.iter().filter(|request| pattern.is_for(&request.method, &request.path)).count();
        found.push((sent, came));
        let applied = usize::from(came == "done" && matches!(kind, Patch | MachineAction | AddIndicator));
        assert_eq!(world.effects().len(), applied, "{kind:?} {fault:?}");
    }
    assert_eq!(found, wanted, "{fault:?}");
}

fn status(status: u16) -> Fault {
    Fault { status: Some(status), ..Fault::on("* /**") }
}

/// Refused for good by everybody.
const REFUSED: [(usize, &str); 6] = [(1, "refused"); 6];

/// A webhook that does not let us in, or fails: the outbox tries again by its schedule, which ends.
const LATER: (usize, &str) = (1, "later");

#[tokio::test]
async fn status_network_error_before_sending() {
    // Nobody listens there.
    let (_nobody, url) = nobody();
    assert_eq!(notify(&url).await, "later");
    // No token either, so it is its request that is repeated; a call's own is in `http`'s tests.
    for kind in [Get, Hunt, Patch, MachineAction, AddIndicator] {
        let clock = crate::bench::EagerClock::default();
        let tenant = client(&url, huntbook::tenant::HuntingApi::Graph, Arc::new(clock.clone()));
        assert_eq!(call(&tenant, kind, "").await, "later", "{kind:?}");
        assert_eq!(clock.waits().len(), 4, "{kind:?}");
    }
}

#[tokio::test]
async fn status_network_error_after_sending() {
    let reset = Fault { reset: true, ..Fault::on("* /**") };
    let doubt = (1, "in doubt");
    check(reset, [(2, "done"), (2, "done"), (2, "done"), doubt, doubt, LATER]).await;
}

#[tokio::test]
async fn status_400() {
    check(status(400), REFUSED).await;
}

#[tokio::test]
async fn status_400_of_a_determination_tries_the_other_spelling_once() {
    let world = World::start(|options| {
        options.faults = vec![Fault { on: Patch.request().to_owned(), ..status(400) }];
    })
    .await;
    let patch = IncidentPatch {
        classification: Some(Classification::TruePositive),
        determination: Some(Determination::CompromisedAccount),
        ..IncidentPatch::default()
    };
    let update = Operation::UpdateIncident { incident: "4101".parse().unwrap(), patch };
    assert_eq!(told(&world.tenant.apply(&update, &Open).await.unwrap_err()), "refused");
    assert_eq!((sent(&world, Patch), world.effects().len()), (2, 0));
}

#[tokio::test]
async fn status_400_of_an_action_under_way_is_looked_up() {
    let world = World::start(|_| {}).await;
    let first = world.tenant.apply(&isolate(), &Open).await.unwrap();
    let second = world.tenant.apply(&isolate(), &Open).await.unwrap();
    assert_eq!((second.remote_id, second.state), (first.remote_id, RemoteState::UnderWay));
    assert_eq!(world.effects().len(), 1);
}

#[tokio::test]
async fn status_401() {
    let again = (2, "done");
    check(status(401), [again, again, again, again, again, LATER]).await;
}

#[tokio::test]
async fn row_11_403() {
    check(status(403), [REFUSED[0], REFUSED[0], REFUSED[0], REFUSED[0], REFUSED[0], LATER]).await;
    // The permission is named.
    let world = World::start(|options| {
        options.apps = vec![SimApp::sample().without("Machine.Isolate")];
    })
    .await;
    let error = world.tenant.apply(&isolate(), &Open).await.unwrap_err();
    assert!(error.to_string().contains("`Machine.Isolate`"), "{error}");
    // What is granted is seen when the token is not quite new any more.
    world.sim.set_apps(vec![SimApp::sample()]);
    world.tenant.apply(&isolate(), &Open).await.unwrap_err();
    world.clock.advance(SignedDuration::from_mins(6));
    world.tenant.apply(&isolate(), &Open).await.unwrap();
    assert_eq!(world.effects().len(), 1);
}

#[tokio::test]
async fn row_12_404() {
    check(status(404), [REFUSED[0], REFUSED[0], REFUSED[0], REFUSED[0], REFUSED[0], LATER]).await;
}

#[tokio::test]
async fn row_14_409_and_412() {
    for code in [409, 412] {
        let (again, refused) = ((2, "done"), (1, "later"));
        // What must not happen twice is left to the next run.
        check(status(code), [again, again, again, refused, refused, (1, "refused")]).await;
    }
}

#[tokio::test]
async fn status_410() {
    check(status(410), REFUSED).await;
}

#[tokio::test]
async fn status_414() {
    // A query goes in a body, so no address is too long; if one is, nothing is repeated.
    check(status(414), REFUSED).await;
}

#[tokio::test]
async fn row_16_429() {
    let again = (2, "done");
    check(Fault { retry_after: Some(7), ..status(429) }, [again, again, again, again, again, LATER]).await;
    check(status(429), [again, again, again, again, again, LATER]).await;
}

#[tokio::test]
async fn status_500_502_and_503() {
    let (again, doubt) = ((2, "done"), (1, "in doubt"));
    for code in [500, 502, 503] {
        check(status(code), [again, again, again, doubt, doubt, LATER]).await;
    }
}

#[tokio::test]
async fn status_504() {
    let (again, doubt) = ((2, "done"), (1, "in doubt"));
    check(status(504), [again, again, again, doubt, doubt, LATER]).await;
    // Too heavy twice is too heavy.
    let world = World::start(|options| {
        hunting(options);
        options.faults = vec![Fault { on: Hunt.request().to_owned(), ..status(504) }];
    })
    .await;
    let error = hunt(&world.tenant).await.unwrap_err();
    assert_eq!(error.refused().unwrap().fault, Some(HuntFault::Time));
    assert_eq!(sent(&world, Hunt), 2);
}

#[tokio::test]
async fn status_of_the_statuses_that_are_locked_or_out_of_bandwidth() {
    for (code, action) in [(423, (2, "done")), (509, (1, "in doubt"))] {
        let again = (2, "done");
        check(status(code), [again, again, again, action, action, LATER]).await;
    }
}

#[tokio::test]
async fn status_of_the_other_documented_statuses() {
    for code in [402, 405, 406, 411, 413, 415, 416, 422] {
        let world = World::start(|options| {
            options.faults = vec![Fault { on: Get.request().to_owned(), ..status(code) }];
        })
        .await;
        assert_eq!((call(&world.tenant, Get, "").await, sent(&world, Get)), ("refused", 1), "{code}");
    }
    for code in [501, 507] {
        let world = World::start(|options| {
            options.faults = vec![Fault { on: Get.request().to_owned(), ..status(code) }];
        })
        .await;
        assert_eq!(sent(&world, Get), 0);
        let error = world.tenant.machine(&DEVICE.parse().unwrap()).await.unwrap_err();
        assert_eq!((error.retry(), sent(&world, Get)), (Retry::Never, 1), "{code}");
    }
}

/// How often a kind of call was sent.
fn sent(world: &World, kind: Kind) -> usize {
    let pattern = Pattern::parse(kind.request()).unwrap();
    let requests = world.sim.requests();
    requests.iter().filter(|request| pattern.is_for(&request.method, &request.path)).count()
}

/// Lets a hunt meet a refusal so many times; gives what came of it, and the world.
async fn hunting_text(
    (code, text): (u16, &str),
    times: Option<u32>,
    playbook: Option<PlaybookId>,
) -> (Result<(), TenantError>, World) {
    let name = if code == 504 { "UnknownError" } else { "BadRequest" };
    let body = json!({"error": {"code": name, "message": text, "innerError": {"request-id": "r-1"}}});
    let fault = Fault { on: Hunt.request().to_owned(), times, body: Some(body), ..status(code) };
    let world = World::start(|options| {
        hunting(options);
        options.faults = vec![fault];
    })
    .await;
    let came = match playbook {
        None => hunt(&world.tenant).await,
        Some(playbook) => hunt(&*world.tenant.on_behalf_of(playbook)).await,
    };
    (came, world)
}

/// A text that is about the query: it is not repeated, and told apart.
async fn permanent(text: &str, fault: HuntFault) {
    let (came, world) = hunting_text((400, text), None, None).await;
    let error = came.unwrap_err();
    assert_eq!((error.refused().unwrap().fault, error.retry()), (Some(fault), Retry::Never), "{text}");
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!(sent(&world, Hunt), 1, "{text}");
}

#[tokio::test]
async fn text_exceeded_the_timeout_period() {
    permanent("Query exceeded the timeout period.", HuntFault::Time).await;
}

#[tokio::test]
async fn text_result_size() {
    permanent("Result size limit exceeded.", HuntFault::Size).await;
    permanent("Query execution has exceeded the allowed result size.", HuntFault::Size).await;
}

#[tokio::test]
async fn text_semantic_and_syntax_errors() {
    permanent("'where' operator: Fix semantic errors in your query.", HuntFault::Query).await;
    permanent("Failed to resolve table or column expression named 'X'", HuntFault::Query).await;
    permanent("Fix syntax errors in your query.", HuntFault::Query).await;
}

#[tokio::test]
async fn text_an_unexpected_error_is_repeated_twice() {
    let text = "An unexpected error occurred during query execution. Please try again in a few minutes.";
    let (came, world) = hunting_text((400, text), Some(2), None).await;
    came.unwrap();
    assert_eq!(sent(&world, Hunt), 3);
    let (came, world) = hunting_text((400, text), None, None).await;
    assert_eq!(came.unwrap_err().refused().unwrap().fault, Some(HuntFault::Service));
    assert_eq!(sent(&world, Hunt), 3);
}

#[tokio::test]
async fn text_504_without_a_message() {
    let (came, world) = hunting_text((504, ""), None, None).await;
    let error = came.unwrap_err();
    assert_eq!((error.refused().unwrap().fault, error.retry()), (Some(HuntFault::Time), Retry::Never));
    assert_eq!(sent(&world, Hunt), 2);
    let (came, world) = hunting_text((504, ""), Some(1), None).await;
    came.unwrap();
    assert_eq!(sent(&world, Hunt), 2);
}

#[tokio::test]
async fn text_processing_resources_close_hunting_for_all_of_the_tenant() {
    let text = "You have used up the processing resources allocated to this tenant. You can run queries again in 9 minutes.";
    let (came, world) = hunting_text((429, text), Some(1), None).await;
    came.unwrap();
    assert_eq!(sent(&world, Hunt), 2);
    assert!(world.clock.waits().iter().any(|wait| 540 <= wait.as_secs()), "{:?}", world.clock.waits());

    // More than a run waits for: all that hunt in the tenant hear it without being sent, until it is over.
    let text = text.replace("9 minutes", "40 minutes");
    let (came, world) = hunting_text((429, &text), Some(1), None).await;
    assert_eq!(came.unwrap_err().refused().unwrap().fault, Some(HuntFault::Quota));
    let other = world.tenant.on_behalf_of(PlaybookId(uuid::Uuid::from_u128(2)));
    let error = hunt(&*other).await.unwrap_err();
    assert!(error.to_string().contains("(hunting) is used up until 2026-01-10T12:40:00Z"), "{error}");
    assert_eq!((error.retry(), sent(&world, Hunt)), (Retry::Backoff, 1));
    let rooms = world.tenant.headroom();
    let why = rooms.iter().find_map(|room| room.why.as_deref());
    assert_eq!(why, Some("the computing time for queries is used up"));
    world.clock.advance(SignedDuration::from_mins(40));
    hunt(&*other).await.unwrap();
}

#[tokio::test]
async fn text_excessive_resource_consumption_cools_the_playbook_down() {
    let heavy = PlaybookId(uuid::Uuid::from_u128(1));
    let text = "Query stopped due to excessive resource consumption.";
    let (came, world) = hunting_text((400, text), Some(1), Some(heavy)).await;
    let error = came.unwrap_err();
    assert_eq!((error.refused().unwrap().fault, sent(&world, Hunt)), (Some(HuntFault::Quota), 1));
    let cooling = |world: &World| {
        world.tenant.headroom().iter().any(|room| room.cooling.contains_key(&heavy.to_string()))
    };
    assert!(cooling(&world));
    // Others hunt meanwhile, and do not wait.
    let waits = world.clock.waits().len();
    hunt(&*world.tenant.on_behalf_of(PlaybookId(uuid::Uuid::from_u128(2)))).await.unwrap();
    assert_eq!((world.clock.waits().len(), sent(&world, Hunt)), (waits, 2));
    // Its own next query comes after the cycle.
    world.clock.advance(SignedDuration::from_mins(10));
    hunt(&*world.tenant.on_behalf_of(heavy)).await.unwrap();
    let waited: i64 = world.clock.waits().iter().map(SignedDuration::as_secs).sum();
    assert_eq!((waited, cooling(&world)), (300, false));
}

#[tokio::test]
async fn code_table_of_the_defender_apis() {
    let table = [
        (400, "BadRequest", 1, Retry::Never),
        (400, "ODataError", 1, Retry::Never),
        (400, "InvalidInput", 1, Retry::Never),
        (400, "InvalidRequestBody", 1, Retry::Never),
        (400, "InvalidHashValue", 1, Retry::Never),
        (400, "InvalidDomainName", 1, Retry::Never),
        (400, "InvalidIpAddress", 1, Retry::Never),
        (400, "InvalidUrl", 1, Retry::Never),
        (400, "MaximumBatchSizeExceeded", 1, Retry::Never),
        (400, "MissingRequiredParameter", 1, Retry::Never),
        (400, "OsPlatformNotSupported", 1, Retry::Never),
        (400, "ClientVersionNotSupported", 1, Retry::Never),
        (401, "Unauthorized", 2, Retry::Never),
        (403, "Forbidden", 1, Retry::Never),
        (403, "DisabledFeature", 1, Retry::Never),
        (403, "DisallowedOperation", 1, Retry::Never),
        (404, "NotFound", 1, Retry::Never),
        (404, "ResourceNotFound", 1, Retry::Never),
        (429, "TooManyRequests", 5, Retry::Backoff),
        (429, "429", 5, Retry::Backoff),
        (500, "InternalServerError", 5, Retry::Backoff),
    ];
    for (code, name, times, retry) in table {
        let body = json!({"error": {"code": name, "message": "m", "target": "t-1"}});
        let fault = Fault { on: Get.request().to_owned(), body: Some(body), ..status(code) };
        let world = World::start(|options| options.faults = vec![fault]).await;
        let error = world.tenant.machine(&DEVICE.parse().unwrap()).await.unwrap_err();
        let detail = &error.refused().unwrap().detail;
        assert_eq!((detail.code.as_str(), detail.id.as_deref()), (name, Some("t-1")));
        assert_eq!((sent(&world, Get), error.retry()), (times, retry), "{code} {name}");
    }
}

#[tokio::test]
async fn envelopes_of_every_service_are_read_and_whatever_comes_is_no_panic() {
    let graph = |inner: &str| json!({"error": {"code": "Forbidden", "message": "m", inner: {"code": "Deep", "request-id": "r-9"}}});
    let table: [(Value, &str, &str, Option<&str>); 6] = [
        (json!({"error": {"code": "C", "message": "m", "target": "t-1"}}), "C", "m", Some("t-1")),
        (graph("innerError"), "Deep", "m", Some("r-9")),
        (graph("innererror"), "Deep", "m", Some("r-9")),
        (json!({"error": "invalid_client", "error_description": "m"}), "invalid_client", "m", None),
        (json!("<html><body>Bad Gateway</body></html>"), "", "<html><body>Bad Gateway</body></html>", None),
        (json!(""), "", "", None),
    ];
    for (body, code, message, id) in table {
        let fault = Fault { on: Get.request().to_owned(), body: Some(body.clone()), ..status(400) };
        let world = World::start(|options| options.faults = vec![fault]).await;
        let error = world.tenant.machine(&DEVICE.parse().unwrap()).await.unwrap_err();
        let detail = &error.refused().unwrap().detail;
        assert_eq!((detail.code.as_str(), detail.message.as_str()), (code, message), "{body}");
        assert!(id.is_none() || detail.id.as_deref() == id, "{body}: {detail:?}");
    }
}
