//! The real client against the simulated tenant: both speak the same HTTP, and the tenant's log says
//! what the client's calls came to.

#![expect(clippy::unwrap_used, reason = "test helpers; what is missing fails the test")]

use std::sync::Arc;

use huntbook::clock::{Clock as _, SharedClock, SystemClock};
use huntbook::http::{Http, HttpOptions, Open};
use huntbook::model::{
    AlertSeverity, AlertStatus, Classification, Determination, DeviceId, IncidentStatus, Secret, Wanted,
};
use huntbook::rows::Flow;
use huntbook::sim::{Apply, Fault, Sim, SimApp, SimOptions};
use huntbook::tenant::{
    AccountAt, ActionStatus, AlertPatch, Audience, Client, ClientOptions, EndpointOverrides, HuntLimits,
    HuntQuery, HuntingApi, IncidentPatch, IncidentQuery, Indicator, IndicatorAction, IndicatorType,
    IndicatorValue, IsolationType, Operation, RemoteState, ScanType, Tenant as _,
};
use jiff::SignedDuration;

const DEVICE: &str = "1a5c0e7b94d2f3861a5c0e7b94d2f3861a5c0e7b";
const USER: &str = "0f3a6c1e-1111-4d2b-9a40-6f1c0de10001";

async fn open(options: SimOptions, hunting: HuntingApi) -> (Sim, Client) {
    let clock: SharedClock = Arc::new(SystemClock);
    let tenant_id = options.identity.tenant_id.clone();
    let sim = Sim::start(options, Arc::clone(&clock)).await.unwrap();
    let secret = Secret::new(SimApp::SECRET.to_owned());
    let options = ClientOptions {
        endpoints: EndpointOverrides::under(sim.url()),
        hunting,
        ..ClientOptions::with_secret("contoso", tenant_id, SimApp::CLIENT_ID, secret)
    };
    let http = Http::open(HttpOptions::default(), Arc::clone(&clock)).unwrap();
    (sim, Client::open(options, http, clock).unwrap())
}

fn options() -> SimOptions {
    let mut options = SimOptions::sample().unwrap();
    // Not the shipped data: that may change without a test noticing.
    options.data = serde_json::from_str(include_str!("fixtures/sim.json")).unwrap();
    options
}

async fn sample() -> (Sim, Client) {
    open(options(), HuntingApi::Graph).await
}

fn device() -> DeviceId {
    DEVICE.parse().unwrap()
}

fn isolate() -> Operation {
    Operation::IsolateDevice {
        device: device(),
        isolation_type: IsolationType::Full,
        comment: "run 7".to_owned(),
    }
}

fn effects(sim: &Sim) -> Vec<String> {
    sim.effects().into_iter().map(|entry| format!("{} {}", entry.effect, entry.target)).collect()
}

fn indicator() -> Indicator {
    Indicator {
        indicator_value: IndicatorValue::parse(IndicatorType::IpAddress, "203.0.113.9").unwrap(),
        indicator_type: IndicatorType::IpAddress,
        action: IndicatorAction::Block,
        title: "Seen in a hunt".to_owned(),
        description: "Address of a command server".to_owned(),
        severity: Some(AlertSeverity::High),
        recommended_actions: None,
        expiration_time: SystemClock.now().checked_add(SignedDuration::from_hours(24)).ok(),
        generate_alert: true,
        rbac_group_names: Vec::new(),
    }
}

fn operations() -> Vec<Operation> {
    let patch = IncidentPatch {
        status: Some(IncidentStatus::Resolved),
        classification: Some(Classification::InformationalExpectedActivity),
        determination: Some(Determination::ConfirmedActivity),
        assigned_to: Some("soc@contoso.example".to_owned()),
        tags_add: vec!["hunted".to_owned()],
        tags_remove: vec!["new".to_owned()],
        seen: None,
    };
    let alert = AlertPatch {
        status: Some(AlertStatus::Resolved),
        classification: Some(Classification::FalsePositive),
        determination: Some(Determination::NotMalicious),
        assigned_to: None,
    };
    let (comment, tag) = ("run 7".to_owned(), "hunted".to_owned());
    vec![
        isolate(),
        Operation::RunAntivirusScan {
            device: device(),
            scan_type: ScanType::Quick,
            comment: comment.clone(),
        },
        Operation::TagDevice { device: device(), tag: tag.clone() },
        Operation::UntagDevice { device: device(), tag },
        Operation::AddIndicator(indicator()),
        Operation::DisableUser { user: USER.parse().unwrap(), at: AccountAt::Entra },
        Operation::RevokeSessions { user: USER.parse().unwrap() },
        Operation::UpdateIncident { incident: "4101".parse().unwrap(), patch },
        Operation::CommentIncident { incident: "4101".parse().unwrap(), comment },
        Operation::UpdateAlert { alert: "da4101a001_1".parse().unwrap(), patch: alert },
    ]
}

#[tokio::test]
async fn every_operation_takes_effect_once() {
    let (sim, client) = sample().await;
    for operation in operations() {
        let receipt = client.apply(&operation, &Open).await.unwrap();
        assert_ne!(receipt.state, RemoteState::AlreadyInForce, "{operation}");
    }
    let expected = [
        format!("isolate {DEVICE}"),
        format!("runAntiVirusScan {DEVICE}"),
        format!("addTag {DEVICE}"),
        format!("removeTag {DEVICE}"),
        "putIndicator 203.0.113.9".to_owned(),
        format!("disableUser {USER}"),
        format!("revokeSessions {USER}"),
        "updateIncident 4101".to_owned(),
        "commentIncident 4101".to_owned(),
        "updateAlert da4101a001_1".to_owned(),
    ];
    assert_eq!(effects(&sim), expected);
    let incident = client.incident(&"4101".parse().unwrap()).await.unwrap();
    assert_eq!(incident.custom_tags, ["keep", "hunted"]);
    assert!(incident.status == IncidentStatus::Resolved);
    assert_eq!(incident.comments.len(), 1);
    let alert = client.alert(&"da4101a001_1".parse().unwrap()).await.unwrap();
    assert!(alert.status == AlertStatus::Resolved);
}

#[tokio::test]
async fn an_action_is_followed_and_a_second_one_is_not_added() {
    let mut slow = options();
    slow.timing.pending = SignedDuration::from_hours(1);
    let (sim, client) = open(slow, HuntingApi::Graph).await;
    let receipt = client.apply(&isolate(), &Open).await.unwrap();
    assert_eq!(receipt.state, RemoteState::Pending);
    let action = client.machine_action(receipt.remote_id.as_ref().unwrap()).await.unwrap();
    assert!(action.status == ActionStatus::Pending);
    let since = SystemClock.now().checked_sub(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(client.machine_actions(&device(), since).await.unwrap().len(), 1);
    let second = client.apply(&isolate(), &Open).await.unwrap();
    assert_eq!((second.remote_id, second.state), (receipt.remote_id, RemoteState::UnderWay));
    assert_eq!(effects(&sim).len(), 1);
    assert_eq!(client.machine(&device()).await.unwrap().id, device());
}

#[tokio::test]
async fn incidents_are_read_over_all_pages() {
    let mut options = options();
    options.page_size = 1;
    let (sim, client) = open(options, HuntingApi::Graph).await;
    let query = IncidentQuery {
        status: vec![IncidentStatus::Active, IncidentStatus::InProgress],
        expand_alerts: true,
        ..IncidentQuery::default()
    };
    let page = client.incidents(&query).await.unwrap();
    let ids: Vec<_> = page.incidents.iter().map(|incident| incident.id.as_str()).collect();
    assert_eq!(ids, ["4101", "4102"]);
    let alert = page.incidents.first().and_then(|incident| incident.alerts.first()).unwrap();
    let device = alert.devices.first().unwrap();
    assert_eq!(device.mde_device_id.as_deref(), Some(DEVICE));
    assert_eq!(alert.users.first().unwrap().azure_ad_user_id.as_deref(), Some(USER));
    assert!(page.quarantined.is_empty());
    assert!(1 < sim.requests().iter().filter(|entry| entry.path.ends_with("/incidents")).count());
}

async fn rows(client: &Client, query: &str) -> u64 {
    let query = HuntQuery { query: query.to_owned(), timespan: Some(SignedDuration::from_hours(2)) };
    let mut count = 0;
    let on_row = &mut |_: &huntbook::model::RowView<'_>| {
        count += 1;
        Flow::Continue
    };
    let answer = client.hunt(&query, &Wanted::All, &HuntLimits::default(), on_row).await.unwrap();
    assert_eq!((answer.rows, answer.quarantined, answer.columns.len()), (count, 0, 14));
    count
}

#[tokio::test]
async fn a_hunt_streams_its_rows_over_both_addresses() {
    for hunting in [HuntingApi::Graph, HuntingApi::Xdr, HuntingApi::Mde] {
        let (_sim, client) = open(options(), hunting).await;
        assert_eq!(rows(&client, "DeviceProcessEvents\n// generated rows\n| take 2500").await, 2500);
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_change_made_once() {
    let (sim, client) = sample().await;
    let refused = Fault { status: Some(401), times: Some(1), ..Fault::on("POST /api/machines/*/isolate") };
    sim.set_faults(vec![refused]).unwrap();
    client.apply(&isolate(), &Open).await.unwrap();
    assert_eq!(effects(&sim), [format!("isolate {DEVICE}")]);
    let tokens = sim.requests().iter().filter(|entry| entry.path.ends_with("/token")).count();
    assert_eq!(tokens, 2);
    let facts = client.token_facts(Audience::Mde).await.unwrap();
    assert!(facts.roles.iter().any(|role| role == "Machine.Isolate"));
}

#[tokio::test]
async fn a_lost_answer_is_not_sent_again() {
    for (apply, expected) in [(Apply::Not, 0), (Apply::Before, 1)] {
        let (sim, client) = sample().await;
        let lost = Fault { reset: true, apply, ..Fault::on("POST /api/machines/*/isolate") };
        sim.set_faults(vec![lost]).unwrap();
        let error = client.apply(&isolate(), &Open).await.unwrap_err();
        assert_eq!(error.applied(), huntbook::http::Applied::Unknown, "{error}");
        assert_eq!(effects(&sim).len(), expected);
        let tries = sim.requests().iter().filter(|entry| entry.path.ends_with("/isolate")).count();
        assert_eq!(tries, 1);
    }
}

#[tokio::test]
async fn a_cut_answer_is_no_answer() {
    let (sim, client) = sample().await;
    sim.set_faults(vec![Fault { truncate: Some(5000), ..Fault::on("POST /security/runHuntingQuery") }])
        .unwrap();
    let query =
        HuntQuery { query: "DeviceProcessEvents\n// generated rows\n| take 100".to_owned(), timespan: None };
    let on_row = &mut |_: &huntbook::model::RowView<'_>| Flow::Continue;
    client.hunt(&query, &Wanted::All, &HuntLimits::default(), on_row).await.unwrap_err();
}
