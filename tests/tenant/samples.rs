//! Every body of the API pages that belongs to an operation of ours is understood.
//!
//! `tests/fixtures/api` holds our own, of the same names and shapes. The documented ones are not part
//! of this repository; where they are (the variable `HUNTBOOK_API_SAMPLES`, or beside the repository)
//! they run too.

use std::fs;
use std::path::{Path, PathBuf};

use huntbook::http::{Open, Retry};
use huntbook::model::{
    AlertCategory, AlertSeverity, AlertStatus, Classification, Determination, MergeReason, Wanted,
};
use huntbook::rows::Flow;
use huntbook::tenant::{
    AccountAt, AlertPatch, Audience, HuntLimits, HuntQuery, HuntingApi, IncidentPatch, IncidentQuery,
    Indicator, IndicatorAction, IndicatorType, IndicatorValue, IsolationType, MailRemedy, MailTarget,
    NewAlert, Operation, ScanType, Tenant, TenantError,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bench::{DEVICE, Reply, Server};

/// A folder of bodies.
struct Folder(PathBuf);

impl Folder {
    fn read(&self, name: &str) -> Value {
        let path = self.0.join(format!("{name}.json"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap()
    }

    /// The elements of a list.
    fn items(&self, name: &str) -> Vec<Value> {
        self.read(name)["value"].as_array().unwrap().clone()
    }

    /// A tenant that answers everything with a body.
    async fn tenant(&self, status: u16, name: &str) -> Server {
        answering(status, self.read(name)).await
    }
}

async fn answering(status: u16, body: Value) -> Server {
    Server::tenant(move |_| Reply::json(status, &body)).await
}

fn query(days: Option<i64>) -> HuntQuery {
    HuntQuery { query: "T".to_owned(), timespan: days.map(|days| SignedDuration::from_hours(24 * days)) }
}

async fn hunt(tenant: &dyn Tenant, query: &HuntQuery) -> Result<u64, TenantError> {
    let limits = HuntLimits::default();
    tenant.hunt(query, &Wanted::All, &limits, &mut |_| Flow::Continue).await.map(|answer| answer.rows)
}

async fn cases(folder: &Folder) {
    for name in ["graph-incidents-list", "graph-incidents-list-expand-alerts"] {
        let server = folder.tenant(200, name).await;
        let page = server.client().0.incidents(&IncidentQuery::default()).await.unwrap();
        assert!(!page.incidents.is_empty() && page.quarantined.is_empty(), "{name}: {page:?}");
        for incident in &page.incidents {
            assert!(incident.created_date_time.is_some() && !incident.custom_tags.is_empty(), "{name}");
            assert!(incident.comments.iter().all(|comment| comment.created_by.is_some()), "{name}");
            let known = incident.determination.as_ref().unwrap();
            assert!(matches!(known, huntbook::model::Term::Known(_)), "{name}: {known:?}");
        }
    }
    let server = folder.tenant(200, "graph-incident-update-response").await;
    server.client().0.incident(&"1".parse().unwrap()).await.unwrap();
    let mut alerts = folder.items("graph-alerts-v2-list");
    alerts.push(folder.read("graph-alert-update-response"));
    for body in alerts {
        let count = body["evidence"].as_array().unwrap().len();
        let server = answering(200, body).await;
        let alert = server.client().0.alert(&"1".parse().unwrap()).await.unwrap();
        assert_eq!(alert.evidence.len(), count);
        assert!(count == 0 || !alert.devices.is_empty());
    }
    let server = folder.tenant(200, "graph-alert-comment-response").await;
    let comment = Operation::CommentAlert { alert: "1".parse().unwrap(), comment: "x".to_owned() };
    server.client().0.apply(&comment, &Open).await.unwrap();
}

async fn hunts(folder: &Folder) {
    for name in [
        "graph-hunting-response",
        "graph-hunting-response-legacy-casing",
        "xdr-hunting-run-response",
        "mde-hunting-response",
    ] {
        let server = folder.tenant(200, name).await;
        assert_eq!(hunt(&server.client().0, &query(None)).await.unwrap(), 2, "{name}");
    }
    for (status, name) in
        [(504, "graph-hunting-error-504"), (400, "graph-hunting-error-400-semantic.CONSTRUCTED")]
    {
        let server = folder.tenant(status, name).await;
        let error = hunt(&server.client().0, &query(None)).await.unwrap_err();
        let refused = error.refused().unwrap();
        assert!(refused.fault.is_some() && refused.detail.id.is_some(), "{name}: {error}");
        assert_eq!(error.retry(), Retry::Never, "{name}");
    }
}

async fn refusals(folder: &Folder) {
    for (status, name, code) in [
        (429, "graph-error-429-observed", "TooManyRequests"),
        (429, "graph-error-429-throttling-doc", "TooManyRequests"),
        (429, "mde-hunting-429-per-minute", "429"),
        (429, "mde-hunting-429-per-hour", "429"),
        (400, "xdr-error-invalid-request-body", "InvalidRequestBody"),
        (404, "xdr-error-resource-not-found", "ResourceNotFound"),
        (400, "graph-error-generic", ""),
    ] {
        let server = folder.tenant(status, name).await;
        let error = server.client().0.machine(&DEVICE.parse().unwrap()).await.unwrap_err();
        let detail = &error.refused().unwrap().detail;
        assert!(
            !detail.code.is_empty() && !detail.message.is_empty() && detail.id.is_some(),
            "{name}: {error}"
        );
        assert!(code.is_empty() || detail.code == code, "{name}: {detail:?}");
        assert_eq!(error.retry() == Retry::Never, status != 429, "{name}");
    }
}

async fn devices(folder: &Folder) {
    let server = folder.tenant(200, "mde-machineaction-isolate").await;
    let action = server.client().0.machine_action(&crate::bench::ACTION.parse().unwrap()).await.unwrap();
    assert!(action.last_update_date_time_utc.is_some());
    for name in ["mde-machineactions-list", "mde-machineactions-list-filtered-top2"] {
        let server = folder.tenant(200, name).await;
        let tenant = server.client().0;
        let found = tenant.machine_actions(&DEVICE.parse().unwrap(), Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!(found.len(), folder.items(name).len(), "{name}");
        assert!(found.iter().all(|action| action.last_update_date_time_utc.is_some()), "{name}");
    }
    for name in ["mde-machines-list", "mde-machines-list-high-risk"] {
        for body in folder.items(name) {
            let id = body["id"].as_str().unwrap().parse().unwrap();
            let server = answering(200, body).await;
            let machine = server.client().0.machine(&id).await.unwrap();
            assert!(machine.last_seen.is_some() && machine.machine_tags.len() == 2, "{name}");
        }
    }
    let server = folder.tenant(200, "mde-indicator").await;
    server.client().0.apply(&indicator(), &Open).await.unwrap();
}

async fn tokens(folder: &Folder) {
    for name in ["oauth-token-response-client-credentials", "oauth-token-response-ext-expires-in"] {
        let body = folder.read(name);
        let server = Server::start(move |_| Reply::json(200, &body)).await;
        // The tokens are cut short, so they say nothing; they are tokens all the same.
        let facts = server.client().0.token_facts(Audience::Graph).await.unwrap();
        assert_eq!(facts.tenant_id, None, "{name}");
    }
    for name in ["oauth-error-invalid-scope", "oauth-error-with-error-uri"] {
        let body = folder.read(name);
        let server = Server::start(move |_| Reply::json(400, &body)).await;
        let error = server.client().0.token_facts(Audience::Graph).await.unwrap_err();
        let TenantError::SignIn { refused, .. } = error else { panic!("{name}: {error:?}") };
        assert_eq!((refused.error.as_str(), refused.aadsts), ("invalid_scope", Some(70_011)), "{name}");
        assert!(refused.correlation_id.is_some() && refused.hint.is_some(), "{name}");
    }
}

fn indicator() -> Operation {
    Operation::AddIndicator(Indicator {
        indicator_value: IndicatorValue::parse(IndicatorType::IpAddress, "203.0.113.9").unwrap(),
        indicator_type: IndicatorType::IpAddress,
        action: IndicatorAction::Block,
        title: "T".to_owned(),
        description: "D".to_owned(),
        severity: None,
        recommended_actions: Some("R".to_owned()),
        expiration_time: Some(Timestamp::UNIX_EPOCH),
        generate_alert: false,
        rbac_group_names: vec!["G".to_owned()],
    })
}

/// The keys of a body, sorted.
fn keys(body: &Value) -> Vec<String> {
    let mut keys: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
    keys.sort_unstable();
    keys
}

/// What we send, by the name of the documented request; and the keys in which the two may differ.
#[expect(clippy::too_many_lines, reason = "a table")]
async fn requests(folder: &Folder) {
    let device = || DEVICE.parse().unwrap();
    let comment = || "x".to_owned();
    let tags = IncidentPatch {
        classification: Some(Classification::TruePositive),
        determination: Some(Determination::Malware),
        tags_add: vec!["x".to_owned()],
        ..IncidentPatch::default()
    };
    let alert = AlertPatch {
        status: Some(AlertStatus::InProgress),
        classification: Some(Classification::TruePositive),
        determination: Some(Determination::Malware),
        assigned_to: Some("dana@contoso.example".to_owned()),
    };
    let isolation_type = IsolationType::Full;
    let user = || "dana@contoso.example".parse().unwrap();
    let operations = [
        (
            "mde-isolate-request",
            Operation::IsolateDevice { device: device(), isolation_type, comment: comment() },
        ),
        (
            "mde-runantivirusscan-request",
            Operation::RunAntivirusScan { device: device(), scan_type: ScanType::Full, comment: comment() },
        ),
        ("mde-machine-tag-request", Operation::TagDevice { device: device(), tag: comment() }),
        ("mde-indicator-submit-request", indicator()),
        (
            "graph-incident-update-request",
            Operation::UpdateIncident { incident: "1".parse().unwrap(), patch: tags },
        ),
        (
            "graph-alert-update-request",
            Operation::UpdateAlert { alert: "1".parse().unwrap(), patch: alert.clone() },
        ),
        (
            "graph-alert-comment-request",
            Operation::CommentAlert { alert: "1".parse().unwrap(), comment: comment() },
        ),
        (
            "graph-user-disable-request.CONSTRUCTED",
            Operation::DisableUser { user: user(), at: AccountAt::Entra },
        ),
        ("graph-riskyusers-confirmcompromised-request", Operation::MarkUserAsCompromised { user: user() }),
        ("graph-riskyusers-dismiss-request", Operation::DismissUserRisk { user: user() }),
        (
            "graph-analyzedemail-remediate-request",
            Operation::RemediateEmail {
                remedy: MailRemedy::SoftDelete,
                mail: MailTarget {
                    network_message_id: "73ca4154-58d8-43d0-a890-08dc18c52e6d".parse().unwrap(),
                    recipient_email_address: "dana@contoso.example".parse().unwrap(),
                },
                comment: comment(),
            },
        ),
        (
            "graph-merge-incidents-request",
            Operation::MergeIncidents {
                incidents: vec!["1".parse().unwrap(), "2".parse().unwrap()],
                comment: comment(),
                reasons: vec![MergeReason::SameActor],
            },
        ),
        (
            "mde-alerts-batchupdate-request",
            Operation::UpdateAlerts {
                alerts: vec!["1".parse().unwrap()],
                patch: alert.clone(),
                comment: Some(comment()),
            },
        ),
        (
            "mde-createalertbyreference-request",
            Operation::CreateAlert(Box::new(NewAlert {
                machine_id: device(),
                event_time: Timestamp::UNIX_EPOCH,
                report_id: "1".to_owned(),
                severity: AlertSeverity::Low,
                title: comment(),
                description: comment(),
                recommended_action: comment(),
                category: AlertCategory::Exploit,
            })),
        ),
    ];
    for (name, operation) in operations {
        let server = Server::tenant(|seen| {
            if seen.method == "GET" {
                Reply::json(200, &json!({"id": seen.path.rsplit('/').next()}))
            } else {
                Reply::new(500, "")
            }
        })
        .await;
        assert!(server.client().0.apply(&operation, &Open).await.is_err());
        let sent = server.calls().iter().find(|call| call.method != "GET").unwrap().json();
        let differ = ["application", "generateAlert", "severity"].map(str::to_owned);
        let without =
            |body: &Value| keys(body).into_iter().filter(|key| !differ.contains(key)).collect::<Vec<_>>();
        assert_eq!(without(&sent), without(&folder.read(name)), "{name}");
    }
    for (name, api, days) in [
        ("graph-hunting-request", HuntingApi::Graph, None),
        ("graph-hunting-request-timespan", HuntingApi::Graph, Some(90)),
        ("xdr-hunting-run-request", HuntingApi::Xdr, None),
    ] {
        let server = Server::tenant(|_| Reply::new(400, "")).await;
        assert!(hunt(&server.client_with(api).0, &query(days)).await.is_err());
        assert_eq!(keys(&server.calls().first().unwrap().json()), keys(&folder.read(name)), "{name}");
    }
}

async fn everything(folder: &Folder) {
    cases(folder).await;
    hunts(folder).await;
    refusals(folder).await;
    devices(folder).await;
    tokens(folder).await;
    requests(folder).await;
}

#[tokio::test]
async fn our_own_bodies_are_understood() {
    everything(&Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/api"))).await;
}

#[tokio::test]
async fn the_documented_bodies_are_understood() {
    let told = std::env::var_os("HUNTBOOK_API_SAMPLES").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/api-samples");
    let folder = told.unwrap_or_else(beside);
    if folder.is_dir() {
        everything(&Folder(folder)).await;
    } else {
        say_skipped(&folder);
    }
}

#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn say_skipped(folder: &Path) {
    println!("skipped: no documented bodies in {}", folder.display());
}
