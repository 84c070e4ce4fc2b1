//! Devices, indicators and users: exact requests, duplicates, refusals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use huntbook::http::{Applied, Gate, Open, Retry};
use huntbook::model::{AlertSeverity, MachineActionId, MergeReason, Term};
use huntbook::tenant::{
    AccountAt, ActionKind, ActionStatus, DeviceValue, HuntingApi, IdentityProvider, Impact, IncidentPatch,
    Indicator, IndicatorAction, IndicatorSet, IndicatorType, IndicatorValue, IsolationType, LiveCommand,
    MailRemedy, MailTarget, MasteredAccount, Operation, Receipt, RemoteState, ScanType, Tenant as _,
    TenantError,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bench::{ACTION, APP, DEVICE, EagerClock, Reply, Server, client};
use crate::simulated::reconcile;

const OBJECT: &str = "0f3a6c1e-1111-4d2b-9a40-6f1c0de10001";
const IDENTITY: &str = "6d0f1c52-0000-4be3-8d0f-9a550d5c2f01";
const MAIL: &str = "73ca4154-58d8-43d0-a890-08dc18c52e6d";

fn mastered() -> MasteredAccount {
    let (identity, account) = (IDENTITY.parse().unwrap(), "jon".parse().unwrap());
    MasteredAccount { identity, account, provider: IdentityProvider::ActiveDirectory }
}

fn remediate(remedy: MailRemedy) -> Operation {
    let mail = MailTarget {
        network_message_id: MAIL.parse().unwrap(),
        recipient_email_address: "Dana@contoso.example".parse().unwrap(),
    };
    Operation::RemediateEmail { remedy, mail, comment: "why".to_owned() }
}

fn isolate() -> Operation {
    Operation::IsolateDevice {
        device: DEVICE.parse().unwrap(),
        isolation_type: IsolationType::Selective,
        comment: "why".to_owned(),
    }
}

fn indicator() -> Indicator {
    Indicator {
        indicator_value: IndicatorValue::parse(IndicatorType::IpAddress, "203.0.113.7").unwrap(),
        indicator_type: IndicatorType::IpAddress,
        action: IndicatorAction::Block,
        title: "T".to_owned(),
        description: "D".to_owned(),
        severity: Some(AlertSeverity::High),
        recommended_actions: None,
        expiration_time: Some("2026-02-01T00:00:00Z".parse().unwrap()),
        generate_alert: true,
        rbac_group_names: vec![],
    }
}

fn action(machine: &str, status: &str) -> Value {
    json!({
        "id": ACTION, "type": "Isolate", "scope": "Selective", "requestor": "app", "requestorComment": "why",
        "status": status, "machineId": machine, "computerDnsName": "web01",
        "creationDateTimeUtc": "2026-01-10T11:00:00.1234567Z", "lastUpdateTimeUtc": "2026-01-10T11:01:00Z",
        "relatedFileInfo": null,
    })
}

/// Applies an operation to a server that answers it; checks the one request made.
async fn check(operation: Operation, answer: (u16, Value), line: &str, body: Value, state: RemoteState) {
    let (status, reply) = answer;
    let server =
        Server::tenant(
            move |_| {
                if reply.is_null() { Reply::new(status, "") } else { Reply::json(status, &reply) }
            },
        )
        .await;
    let (tenant, _clock) = server.client();
    let receipt = tenant.apply(&operation, &Open).await.unwrap();
    assert_eq!(receipt.state, state, "{operation}");
    let calls = server.calls();
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(call.line(), line);
    let sent = if call.body.is_empty() { Value::Null } else { call.json() };
    assert_eq!(sent, body, "{operation}");
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[tokio::test]
async fn every_operation_sends_the_documented_request() {
    use RemoteState::{Done, Pending};
    let device = || DEVICE.parse().unwrap();
    let machines = |tail: &str| format!("POST /api/machines/{DEVICE}/{tail}");
    let queued = || (201, action(DEVICE, "Pending"));
    let machine = || (200, json!({"id": DEVICE, "machineTags": ["x"]}));
    let user = || "dana@contoso.example".parse().unwrap();

    check(
        isolate(),
        queued(),
        &machines("isolate"),
        json!({"Comment": "why", "IsolationType": "Selective"}),
        Pending,
    )
    .await;
    let release = Operation::ReleaseDevice { device: device(), comment: "why".to_owned() };
    check(release, queued(), &machines("unisolate"), json!({"Comment": "why"}), Pending).await;
    let scan = Operation::RunAntivirusScan {
        device: device(),
        scan_type: ScanType::Quick,
        comment: "why".to_owned(),
    };
    let done = (201, action(DEVICE, "Succeeded"));
    check(scan, done, &machines("runAntiVirusScan"), json!({"Comment": "why", "ScanType": "Quick"}), Done)
        .await;
    let plain = json!({"Comment": "why"});
    let comment = || "why".to_owned();
    let sha1 = "3395856ce81f2b7382dee72602f798b642f14140";
    let all = [
        (
            Operation::RestrictAppExecution { device: device(), comment: comment() },
            "restrictCodeExecution",
            plain.clone(),
        ),
        (
            Operation::RemoveAppRestriction { device: device(), comment: comment() },
            "unrestrictCodeExecution",
            plain.clone(),
        ),
        (
            Operation::CollectInvestigationPackage { device: device(), comment: comment() },
            "collectInvestigationPackage",
            plain.clone(),
        ),
        (
            Operation::StopAndQuarantineFile {
                device: device(),
                sha1: sha1.parse().unwrap(),
                comment: comment(),
            },
            "StopAndQuarantineFile",
            json!({"Comment": "why", "Sha1": sha1}),
        ),
        (Operation::OffboardDevice { device: device(), comment: comment() }, "offboard", plain.clone()),
    ];
    for (operation, tail, body) in all.into_iter().chain([live()]) {
        check(operation, queued(), &machines(tail), body, Pending).await;
    }
    let investigation = (201, json!({"id": "63004", "state": "Running", "machineId": DEVICE}));
    let investigate = Operation::InitiateInvestigation { device: device(), comment: comment() };
    check(investigate, investigation, &machines("startInvestigation"), plain, Done).await;
    let value = Operation::SetDeviceValue { device: device(), value: DeviceValue::High };
    check(value, machine(), &machines("setDeviceValue"), json!({"DeviceValue": "High"}), Done).await;
    let tag = Operation::TagDevice { device: device(), tag: "x".to_owned() };
    check(tag, machine(), &machines("tags"), json!({"Value": "x", "Action": "Add"}), Done).await;
    let untag = Operation::UntagDevice { device: device(), tag: "x".to_owned() };
    check(untag, machine(), &machines("tags"), json!({"Value": "x", "Action": "Remove"}), Done).await;
    let body = json!({
        "indicatorValue": "203.0.113.7", "indicatorType": "IpAddress", "action": "Block", "title": "T",
        "description": "D", "generateAlert": true, "severity": "High", "expirationTime": "2026-02-01T00:00:00Z",
    });
    check(
        Operation::AddIndicator(indicator()),
        (200, json!({"id": "1"})),
        "POST /api/indicators",
        body,
        Done,
    )
    .await;
    let compromised = Operation::MarkUserAsCompromised { user: OBJECT.parse().unwrap() };
    let line = "POST /v1.0/identityProtection/riskyUsers/confirmCompromised";
    check(compromised, (204, Value::Null), line, json!({"userIds": [OBJECT]}), Done).await;
    let dismiss = Operation::DismissUserRisk { user: OBJECT.parse().unwrap() };
    let line = "POST /v1.0/identityProtection/riskyUsers/dismiss";
    check(dismiss, (204, Value::Null), line, json!({"userIds": [OBJECT]}), Done).await;
    let body = json!({
        "displayName": "why", "description": "why", "severity": "medium", "action": "softDelete",
        "remediateSendersCopy": false,
        "analyzedEmails": [{"networkMessageId": MAIL, "recipientEmailAddress": "dana@contoso.example"}],
    });
    let line = "POST /beta/security/collaboration/analyzedEmails/remediate";
    check(remediate(MailRemedy::SoftDelete), (202, Value::Null), line, body, Pending).await;
    let revoke = || Operation::RevokeSessions { user: user() };
    let line = "POST /v1.0/users/dana@contoso.example/revokeSignInSessions";
    check(revoke(), (204, Value::Null), line, Value::Null, Done).await;
    check(revoke(), (200, json!({"value": true})), line, Value::Null, Done).await;
}

/// A user as the directory shows it, and what switching them off comes to; with what was sent.
async fn switched_off(user: Value, at: AccountAt) -> (Result<Receipt, TenantError>, Vec<String>) {
    let server =
        Server::tenant(move |seen| match (seen.method.as_str(), seen.path.contains("identityAccounts")) {
            ("GET", false) => Reply::json(200, &user),
            ("GET", true) => {
                Reply::json(200, &json!({"id": IDENTITY, "onPremisesSecurityIdentifier": "S-1-5-21-1"}))
            }
            _ => Reply::new(204, ""),
        })
        .await;
    let (tenant, _clock) = server.client();
    let disable = Operation::DisableUser { user: OBJECT.parse().unwrap(), at };
    let answer = tenant.apply(&disable, &Open).await;
    let sent = |seen: &crate::bench::Seen| {
        let body = if seen.body.is_empty() { String::new() } else { format!(" {}", seen.json()) };
        format!("{}{body}", seen.line())
    };
    (answer, server.calls().iter().filter(|seen| seen.method != "GET").map(sent).collect())
}

#[tokio::test]
async fn an_account_is_switched_off_where_it_holds() {
    let user = |enabled: bool, synced: bool| {
        json!({"id": OBJECT, "accountEnabled": enabled, "onPremisesSyncEnabled": synced,
            "onPremisesSecurityIdentifier": "S-1-5-21-1"})
    };
    let patch = format!("PATCH /v1.0/users/{OBJECT} {}", json!({"accountEnabled": false}));
    let (answer, sent) = switched_off(user(true, false), AccountAt::Entra).await;
    assert_eq!((answer.unwrap().state, sent), (RemoteState::Done, vec![patch.clone()]));
    let (answer, sent) = switched_off(user(false, true), AccountAt::Entra).await;
    assert_eq!((answer.unwrap().state, sent), (RemoteState::AlreadyInForce, vec![]));
    // The next synchronisation would undo it.
    let (answer, sent) = switched_off(user(true, true), AccountAt::Entra).await;
    let error = answer.unwrap_err();
    assert!(matches!(error, TenantError::Synchronized { .. }) && sent.is_empty(), "{error:?}");
    assert_eq!((error.applied(), error.retry()), (Applied::No, Retry::Never));
    let (answer, sent) = switched_off(user(true, true), AccountAt::EntraUntilSync).await;
    assert_eq!((answer.unwrap().state, sent), (RemoteState::Done, vec![patch]));
    let (answer, sent) = switched_off(user(true, true), AccountAt::Mastered(mastered())).await;
    let body = json!({"accountId": "jon", "action": "disable", "identityProvider": "activeDirectory"});
    let invoke = format!("POST /v1.0/security/identities/identityAccounts/{IDENTITY}/invokeAction {body}");
    assert_eq!((answer.unwrap().state, sent), (RemoteState::Done, vec![invoke]));
    // The identity is somebody else's: guards have looked at another user.
    let other = json!({"id": OBJECT, "onPremisesSecurityIdentifier": "S-1-5-21-2"});
    let (answer, sent) = switched_off(other, AccountAt::Mastered(mastered())).await;
    let error = answer.unwrap_err();
    assert_eq!((error.applied(), sent.len()), (Applied::No, 0), "{error:?}");
}

#[tokio::test]
async fn risk_is_told_of_an_object_id() {
    let server = Server::tenant(|seen| match seen.method.as_str() {
        "GET" => Reply::json(200, &json!({"id": OBJECT, "userPrincipalName": "dana@contoso.example"})),
        _ => Reply::new(204, ""),
    })
    .await;
    let (tenant, _clock) = server.client();
    let operation = Operation::MarkUserAsCompromised { user: "dana@contoso.example".parse().unwrap() };
    tenant.apply(&operation, &Open).await.unwrap();
    assert_eq!(server.calls().last().unwrap().json(), json!({"userIds": [OBJECT]}));
}

#[tokio::test]
async fn an_accepted_action_has_an_id_and_can_be_asked_after() {
    let server = Server::tenant(|seen| match seen.method.as_str() {
        "POST" => Reply::json(201, &action(DEVICE, "Pending")),
        _ => Reply::json(200, &action(DEVICE, "TimedOut")),
    })
    .await;
    let (tenant, _clock) = server.client();
    let receipt = tenant.apply(&isolate(), &Open).await.unwrap();
    let id = receipt.remote_id.unwrap();
    let found = tenant.machine_action(&id).await.unwrap();
    assert_eq!(found.status, Term::Known(ActionStatus::TimeOut));
    assert_eq!((found.kind.as_str(), found.requestor_comment.as_deref()), ("Isolate", Some("why")));
    assert!(found.last_update_date_time_utc.is_some());
    assert_eq!(server.calls().last().unwrap().line(), format!("GET /api/machineactions/{ACTION}"));
}

/// What `isolate` comes to when it is refused as under way and these are the device's actions.
async fn under_way(refusal: Value, actions: Value) -> Result<Receipt, TenantError> {
    under_way_of(isolate(), refusal, actions).await
}

/// The same for another action.
async fn under_way_of(operation: Operation, refusal: Value, actions: Value) -> Result<Receipt, TenantError> {
    let server = Server::tenant(move |seen| match seen.method.as_str() {
        "POST" => Reply::json(400, &refusal),
        _ => Reply::json(200, &json!({"value": actions})),
    })
    .await;
    let (tenant, _clock) = server.client();
    tenant.apply(&operation, &Open).await
}

#[tokio::test]
async fn row_13_the_same_action_stands_for_ours_if_it_is_there() {
    let bodies = [
        json!({"error": {"code": "BadRequest", "message": "Action is already in progress", "target": "t"}}),
        json!({"error": {"code": "ActiveRequestAlreadyExists", "message": "…", "target": "t"}}),
    ];
    let one = |kind: &str, status: &str, at: &str| {
        let mut one = action(DEVICE, status);
        one["type"] = kind.into();
        one["creationDateTimeUtc"] = at.into();
        one
    };
    let isolated = one("Isolate", "InProgress", "2026-01-10T11:00:00Z");
    let released = one("Unisolate", "Pending", "2026-01-10T11:30:00Z");
    for body in bodies {
        let receipt = under_way(body.clone(), json!([isolated])).await.unwrap();
        let theirs: Option<MachineActionId> = Some(ACTION.parse().unwrap());
        assert_eq!(receipt, Receipt { remote_id: theirs.clone(), state: RemoteState::UnderWay });
        let over = one("Isolate", "Succeeded", "2026-01-10T11:00:00Z");
        let receipt = under_way(body.clone(), json!([over])).await.unwrap();
        assert_eq!(receipt, Receipt { remote_id: theirs, state: RemoteState::AlreadyInForce });
        // A release that came to nothing has changed nothing.
        for vain in ["Failed", "TimeOut", "Cancelled"] {
            let later = one("Unisolate", vain, "2026-01-10T11:30:00Z");
            let receipt = under_way(body.clone(), json!([later, isolated])).await.unwrap();
            assert_eq!(receipt.state, RemoteState::UnderWay, "{vain}");
        }
        // What goes half of the way is not what is asked for.
        let (device, comment) = (DEVICE.parse().unwrap(), "why".to_owned());
        let full = Operation::IsolateDevice { device, isolation_type: IsolationType::Full, comment };
        let mut whole = isolated.clone();
        whole["scope"] = "Full".into();
        under_way_of(full.clone(), body.clone(), json!([isolated])).await.unwrap_err();
        under_way_of(full, body.clone(), json!([whole])).await.unwrap();
        under_way(body.clone(), json!([whole])).await.unwrap();
        // The list is of another device: it says nothing about this one.
        let mut elsewhere = isolated.clone();
        elsewhere["machineId"] = "f".repeat(40).into();
        under_way(body.clone(), json!([elsewhere])).await.unwrap_err();
        // What is under way is the release, another action, or nothing that can be found or read: not isolated.
        for others in [json!([isolated, released]), json!([released]), json!([]), json!([{"id": 1}])] {
            let error = under_way(body.clone(), others).await.unwrap_err();
            assert_eq!((error.refused().unwrap().status, error.applied()), (400, Applied::No));
        }
    }
    let failed = one("Isolate", "Failed", "2026-01-10T11:00:00Z");
    let scan = one("RunAntiVirusScan", "InProgress", "2026-01-10T11:30:00Z");
    let body = json!({"error": {"code": "ActiveRequestAlreadyExists", "message": "…", "target": "t"}});
    under_way(body, json!([failed, scan])).await.unwrap_err();
}

/// A live response session, its route and its body.
fn live() -> (Operation, &'static str, Value) {
    let commands = vec![
        LiveCommand::PutFile { name: "tool.exe".to_owned() },
        LiveCommand::RunScript { name: "minidump.ps1".to_owned(), args: Some("Office".to_owned()) },
        LiveCommand::RunScript { name: "plain.ps1".to_owned(), args: None },
        LiveCommand::GetFile { path: "C:\\windows\\TEMP\\o.zip".to_owned() },
    ];
    let param = |key: &str, value: &str| json!({"key": key, "value": value});
    let body = json!({"Comment": "why", "Commands": [
        {"type": "PutFile", "params": [param("FileName", "tool.exe")]},
        {"type": "RunScript", "params": [param("ScriptName", "minidump.ps1"), param("Args", "Office")]},
        {"type": "RunScript", "params": [param("ScriptName", "plain.ps1")]},
        {"type": "GetFile", "params": [param("Path", "C:\\windows\\TEMP\\o.zip")]},
    ]});
    let device = DEVICE.parse().unwrap();
    (Operation::RunLiveResponse { device, commands, comment: "why".to_owned() }, "runliveresponse", body)
}

#[tokio::test]
async fn a_session_of_somebody_else_does_not_stand_for_ours() {
    let server = Server::tenant(|seen| {
        if seen.method == "POST" {
            let busy = json!({"error": {"code": "ActiveRequestAlreadyExists", "message": "busy"}});
            return Reply::json(400, &busy);
        }
        let mut one = action(DEVICE, "Pending");
        one["type"] = "LiveResponse".into();
        Reply::json(200, &json!({"value": [one]}))
    })
    .await;
    let (tenant, _clock) = server.client();
    let error = tenant.apply(&live().0, &Open).await.unwrap_err();
    assert_eq!((error.refused().unwrap().status, error.applied()), (400, Applied::No));
}

/// Stops the file whose SHA-1 is forty of one digit.
fn quarantine(digit: &str) -> Operation {
    Operation::StopAndQuarantineFile {
        device: DEVICE.parse().unwrap(),
        sha1: digit.repeat(40).parse().unwrap(),
        comment: "why".to_owned(),
    }
}

#[tokio::test]
async fn another_file_under_way_is_not_ours() {
    for (theirs, found) in [("A", true), ("b", false)] {
        let server = Server::tenant(move |seen| {
            if seen.method == "POST" {
                let busy =
                    json!({"error": {"code": "BadRequest", "message": "Action is already in progress"}});
                return Reply::json(400, &busy);
            }
            let mut one = action(DEVICE, "Pending");
            one["type"] = "StopAndQuarantineFile".into();
            one["relatedFileInfo"] =
                json!({"fileIdentifier": theirs.repeat(40), "fileIdentifierType": "Sha1"});
            Reply::json(200, &json!({"value": [one]}))
        })
        .await;
        let (tenant, _clock) = server.client();
        let receipt = tenant.apply(&quarantine("a"), &Open).await;
        assert_eq!(receipt.is_ok(), found, "{receipt:?}");
    }
}

#[tokio::test]
async fn the_link_to_a_package_is_there_once_it_is_made_and_is_never_shown() {
    let link = "https://packages.example/safedownload/p.zip?token=canary-token";
    for (status, body, expect) in [
        (200, json!({"value": format!("\"{link}\"")}), Some(link)),
        (200, json!({"value": link}), Some(link)),
        (404, json!({"error": {"code": "ResourceNotFound", "message": "not yet"}}), None),
    ] {
        let server = Server::tenant(move |_| Reply::json(status, &body)).await;
        let (tenant, _clock) = server.client();
        let found = tenant.package(&ACTION.parse().unwrap()).await.unwrap();
        assert_eq!(found.as_ref().map(huntbook::model::Secret::expose), expect);
        assert!(!format!("{found:?}").contains("canary"));
        assert_eq!(server.calls()[0].line(), format!("GET /api/machineactions/{ACTION}/getPackageUri"));
    }
}

#[tokio::test]
async fn an_unsupported_action_is_refused_for_good() {
    let server = Server::tenant(|_| {
        Reply::json(
            400,
            &json!({"error": {"code": "OsPlatformNotSupported", "message": "no", "target": "t-1"}}),
        )
    })
    .await;
    let (tenant, _clock) = server.client();
    let error = tenant.apply(&isolate(), &Open).await.unwrap_err();
    assert_eq!((error.retry(), error.applied()), (Retry::Never, Applied::No));
    assert_eq!(
        error.to_string(),
        "`isolateDevice` was refused with status 400 (OsPlatformNotSupported: no) [request t-1]"
    );
}

#[tokio::test]
async fn row_60_an_answer_about_another_device_is_an_alarm() {
    let other = "bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22";
    let server = Server::tenant(move |_| Reply::json(201, &action(other, "Pending"))).await;
    let (tenant, _clock) = server.client();
    let error = tenant.apply(&isolate(), &Open).await.unwrap_err();
    assert!(matches!(error, TenantError::OtherTarget { .. }), "{error:?}");
    assert_eq!(error.applied(), Applied::Unknown);
}

#[tokio::test]
async fn row_17_a_stumbling_service_leaves_the_fate_of_an_action_open() {
    for status in [500, 502, 503, 504] {
        let server = Server::tenant(move |_| Reply::new(status, "<html>oops</html>")).await;
        let (tenant, _clock) = server.client();
        let error = tenant.apply(&isolate(), &Open).await.unwrap_err();
        assert_eq!((error.applied(), server.calls().len()), (Applied::Unknown, 1), "{status}");
    }
    // What can be done twice is.
    let server = Server::tenant(|seen| Reply::new(if seen.nth < 2 { 502 } else { 204 }, "")).await;
    let (tenant, _clock) = server.client();
    tenant.apply(&tag(), &Open).await.unwrap();
    assert_eq!(server.calls().len(), 3);
}

fn tag() -> Operation {
    Operation::TagDevice { device: DEVICE.parse().unwrap(), tag: "x".to_owned() }
}

#[tokio::test]
async fn what_can_hurt_is_never_sent_again_in_doubt() {
    let user = || "dana@contoso.example".parse().unwrap();
    let all = [
        isolate(),
        Operation::ReleaseDevice { device: DEVICE.parse().unwrap(), comment: "why".to_owned() },
        Operation::RestrictAppExecution { device: DEVICE.parse().unwrap(), comment: "why".to_owned() },
        Operation::RemoveAppRestriction { device: DEVICE.parse().unwrap(), comment: "why".to_owned() },
        Operation::InitiateInvestigation { device: DEVICE.parse().unwrap(), comment: "why".to_owned() },
        quarantine("a"),
        live().0,
        Operation::OffboardDevice { device: DEVICE.parse().unwrap(), comment: "why".to_owned() },
        Operation::AddIndicator(indicator()),
        Operation::RemoveIndicator {
            indicator_type: IndicatorType::IpAddress,
            value: indicator().indicator_value,
            added: None,
        },
        Operation::ReconcileIndicators(Box::new(set(vec![indicator()]))),
        Operation::DisableUser { user: user(), at: AccountAt::EntraUntilSync },
        Operation::EnableUser { user: user(), at: AccountAt::Entra },
        Operation::RevokeSessions { user: user() },
        Operation::MarkUserAsCompromised { user: user() },
        Operation::DismissUserRisk { user: user() },
        Operation::ForceUserPasswordReset { user: user(), account: mastered() },
        remediate(MailRemedy::SoftDelete),
        remediate(MailRemedy::HardDelete),
        remediate(MailRemedy::MoveToJunk),
        remediate(MailRemedy::MoveToInbox),
        remediate(MailRemedy::MoveToDeletedItems),
        Operation::MergeIncidents {
            incidents: vec!["1".parse().unwrap(), "2".parse().unwrap()],
            comment: "why".to_owned(),
            reasons: vec![MergeReason::SameActor],
        },
    ];
    let kinds: Vec<ActionKind> = all.iter().map(Operation::kind).collect();
    let hurts = |kind: &ActionKind| kind.impact() == Impact::Disruptive;
    assert_eq!(kinds, ActionKind::ALL.iter().copied().filter(hurts).collect::<Vec<_>>());
    for operation in all {
        let takes_away = matches!(operation, Operation::RemoveIndicator { .. });
        let known = json!({"id": OBJECT, "userPrincipalName": "dana@contoso.example", "securityIdentifier": "S-1",
            "cloudSecurityIdentifier": "S-1"});
        let server = Server::tenant(move |seen| match seen.method.as_str() {
            "GET" if seen.path.contains("/incidents/") => {
                Reply::json(200, &json!({"id": seen.path.rsplit('/').next()}))
            }
            // What is there is read first.
            "GET" if seen.path.contains("/indicators") && takes_away => Reply::json(
                200,
                &json!({"value": [{"id": "7", "indicatorValue": "203.0.113.7", "indicatorType": "IpAddress"}]}),
            ),
            "GET" if seen.path.contains("/indicators") => Reply::json(200, &json!({"value": []})),
            "GET" => Reply::json(200, &known),
            _ => Reply::new(503, "busy").header("retry-after", "1"),
        })
        .await;
        let (tenant, _clock) = server.client();
        let error = tenant.apply(&operation, &Open).await.unwrap_err();
        let sent = server.calls().iter().filter(|seen| seen.method != "GET").count();
        assert_eq!((error.applied(), sent), (Applied::Unknown, 1), "{operation}");
    }
}

/// A set of these.
fn set(wanted: Vec<Indicator>) -> IndicatorSet {
    IndicatorSet {
        name: "bad".to_owned(),
        wanted,
        removed_max: 50,
        removed_percent_max: 25,
        added_max: 15_000,
    }
}

/// Five hundred and one addresses that are wanted.
fn many() -> IndicatorSet {
    let value = |n: usize| format!("203.0.{}.{}", 100 + n / 250, 1 + n % 250);
    let one = |n| {
        let indicator_value = IndicatorValue::parse(IndicatorType::IpAddress, &value(n)).unwrap();
        Indicator { indicator_value, ..indicator() }
    };
    set((0..501).map(one).collect())
}

#[tokio::test]
async fn a_set_is_written_in_batches_and_each_indicator_has_its_own_outcome() {
    let server = Server::tenant(|seen| {
        if seen.method == "GET" {
            return Reply::json(200, &json!({"value": []}));
        }
        let wanted = seen.json();
        let outcome = |one: &Value| {
            let bad = one["indicatorValue"] == "203.0.100.1";
            json!({"id": (!bad).then_some("1"), "indicator": one["indicatorValue"], "isFailed": bad, "failureReason": bad.then_some("not allowed")})
        };
        let all: Vec<Value> = wanted["Indicators"].as_array().unwrap().iter().map(outcome).collect();
        Reply::json(200, &json!({"value": all}))
    })
    .await;
    let (tenant, _clock) = server.client();
    let done = reconcile(&tenant, &many(), &Open).await.unwrap();
    assert_eq!(
        done.to_string(),
        "500 written, 0 removed, 0 as they were, 1 refused (203.0.100.1: not allowed)"
    );
    let calls = server.calls();
    let sizes: Vec<_> = calls
        .iter()
        .filter(|call| call.method == "POST")
        .map(|call| call.json()["Indicators"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [500, 1]);
    assert!(calls.iter().all(|call| call.method == "GET" || call.line() == "POST /api/indicators/import"));
}

#[tokio::test]
async fn what_stops_a_set_half_way_is_told_and_what_was_never_begun_is_nothing() {
    // The second batch is held back: what was written is said, and what was not.
    let server = Server::tenant(|_| Reply::json(200, &json!({"value": []}))).await;
    let (tenant, _clock) = server.client();
    let done = reconcile(&tenant, &many(), &Once::default()).await.unwrap();
    assert_eq!((done.added, done.refused.len()), (500, 1));
    assert_eq!(done.refused[0].1, "no more");
    // The first one is: nothing was done.
    let once = Once::default();
    once.pass().await.unwrap();
    let error = reconcile(&tenant, &many(), &once).await.unwrap_err();
    assert_eq!((error.applied(), error.withheld()), (Applied::No, Some("no more")));
    // Nobody can say what there is: nothing was done either.
    let server = Server::tenant(|_| Reply::new(503, "busy")).await;
    let (tenant, _clock) = server.client();
    let all = Operation::ReconcileIndicators(Box::new(many()));
    assert_eq!(tenant.apply(&all, &Open).await.unwrap_err().applied(), Applied::No);
}

/// Indicators of the set that the tenant has, by their numbers.
fn owned(numbers: std::ops::RangeInclusive<u32>) -> Vec<Value> {
    let one = |n: u32| {
        json!({"id": n.to_string(), "indicatorValue": format!("203.0.113.{n}"), "indicatorType": "IpAddress",
            "action": "Block", "title": format!("{}T", IndicatorSet::mark("bad")), "createdBy": APP})
    };
    numbers.map(one).collect()
}

/// The calls of the tenant's budget that were counted, by their groups.
fn counted(tenant: &dyn huntbook::tenant::Tenant) -> Vec<(String, usize)> {
    let rooms = tenant.headroom().into_iter();
    rooms.map(|room| (room.group, room.windows.first().map_or(0, |window| window.calls))).collect()
}

#[tokio::test]
async fn a_removal_that_was_done_in_part_is_told_as_that_and_each_method_is_counted_for_itself() {
    // The batch is refused for one that is gone; of the rest, the third may not be removed.
    let server = Server::tenant(|seen| match seen.line().as_str() {
        "POST /api/indicators/BatchDelete" => Reply::new(404, "{}"),
        "POST /api/indicators/import" => {
            Reply::json(200, &json!({"value": [{"id": "9", "indicator": "203.0.113.7", "isFailed": false}]}))
        }
        "DELETE /api/indicators/3" => Reply::new(403, "{}"),
        line if line.starts_with("DELETE") => Reply::new(204, ""),
        _ => Reply::json(200, &json!({"value": owned(1..=4)})),
    })
    .await;
    let (tenant, _clock) = server.client();
    let wanted = IndicatorSet { removed_percent_max: 100, ..set(vec![indicator()]) };
    let done = reconcile(&tenant, &wanted, &Open).await.unwrap();
    assert_eq!((done.added, done.removed, done.refused.len()), (1, 2, 2), "{done}");
    assert!(done.to_string().contains("2 refused (203.0.113.3: "), "{done}");
    let counted = counted(&tenant);
    for (group, calls) in
        [("indicator import", 1), ("indicator deletion, many at once", 1), ("removeIndicator", 3)]
    {
        assert!(counted.contains(&(group.to_owned(), calls)), "{group}: {counted:?}");
    }
}

#[tokio::test]
async fn each_of_many_indicators_has_what_the_answer_says_of_it() {
    let server = Server::tenant(|_| {
        let one =
            |value: &str, failed| json!({"indicator": value, "isFailed": failed, "failureReason": "no room"});
        Reply::json(200, &json!({"value": [one("203.0.113.2", true), one("203.0.113.1", false)]}))
    })
    .await;
    let (tenant, _clock) = server.client();
    let one = |n: u32| {
        let indicator_value =
            IndicatorValue::parse(IndicatorType::IpAddress, &format!("203.0.113.{n}")).unwrap();
        Indicator { indicator_value, ..indicator() }
    };
    let came = tenant.add_indicators(&[one(1), one(2), one(3)], &Open).await.unwrap();
    let came: Vec<_> = came.into_iter().map(|one| one.map_err(|error| error.applied())).collect();
    let done = Receipt { remote_id: None, state: RemoteState::Done };
    assert_eq!(came, [Ok(done), Err(Applied::No), Err(Applied::Unknown)]);
    assert_eq!(server.calls()[0].line(), "POST /api/indicators/import");
}

#[tokio::test]
async fn all_indicators_of_a_value_are_removed_or_what_is_left_is_in_doubt() {
    // One for each of two device groups, and one of another kind.
    let there = || {
        let mut all = owned(7..=7);
        all.extend(owned(7..=7));
        all.extend(owned(7..=7));
        (all[1]["id"], all[2]["id"]) = (json!("8"), json!("9"));
        all[2]["indicatorType"] = json!("Url");
        json!({"value": all})
    };
    let remove = Operation::RemoveIndicator {
        indicator_type: IndicatorType::IpAddress,
        value: indicator().indicator_value,
        added: None,
    };
    let server = Server::tenant(move |seen| match seen.method.as_str() {
        "GET" => Reply::json(200, &there()),
        _ => Reply::new(204, ""),
    })
    .await;
    let receipt = server.client().0.apply(&remove, &Open).await.unwrap();
    assert_eq!(receipt.state, RemoteState::Done);
    let calls = server.calls();
    assert_eq!(calls.last().unwrap().line(), "POST /api/indicators/BatchDelete");
    assert_eq!((calls.len(), calls[1].json()), (2, json!({"IndicatorIds": ["7", "8"]})));

    let server = Server::tenant(move |seen| match seen.line().as_str() {
        line if line.starts_with("GET") => Reply::json(200, &there()),
        "POST /api/indicators/BatchDelete" => Reply::new(404, "{}"),
        "DELETE /api/indicators/7" => Reply::new(204, ""),
        _ => Reply::new(403, "{}"),
    })
    .await;
    let error = server.client().0.apply(&remove, &Open).await.unwrap_err();
    assert_eq!(error.applied(), Applied::Unknown, "{error}");
}

/// Lets one request through.
#[derive(Debug, Default)]
struct Once(AtomicBool);

#[async_trait]
impl Gate for Once {
    async fn pass(&self) -> Result<(), String> {
        if self.0.swap(true, Ordering::SeqCst) { Err("no more".to_owned()) } else { Ok(()) }
    }

    fn until(&self) -> Option<Timestamp> {
        None
    }
}

#[tokio::test]
async fn the_gate_is_asked_before_each_sending() {
    for (first, applied) in [(429, Applied::No), (503, Applied::Unknown)] {
        let server = Server::tenant(move |_| Reply::new(first, "")).await;
        let (tenant, _clock) = server.client();
        let error = tenant.apply(&tag(), &Once::default()).await.unwrap_err();
        assert_eq!((error.applied(), server.calls().len()), (applied, 1), "{error:?}");
        assert_eq!(error.withheld(), (applied == Applied::No).then_some("no more"));
    }
}

/// Lets everything through, and takes it back when the connection stands.
#[derive(Debug)]
struct SecondThoughts;

#[async_trait]
impl Gate for SecondThoughts {
    async fn pass(&self) -> Result<(), String> {
        Ok(())
    }

    async fn still(&self) -> Result<(), String> {
        Err("it is late by now".to_owned())
    }

    fn until(&self) -> Option<Timestamp> {
        None
    }
}

#[tokio::test]
async fn row_38_what_is_late_when_the_connection_stands_does_not_leave() {
    let server = Server::tenant(|_| Reply::json(201, &json!({}))).await;
    let (tenant, _clock) = server.client();
    for operation in [isolate(), tag()] {
        let error = tenant.apply(&operation, &SecondThoughts).await.unwrap_err();
        assert_eq!(
            (error.withheld(), error.applied()),
            (Some("it is late by now"), Applied::No),
            "{error:?}"
        );
    }
    assert!(server.calls().is_empty(), "a head without its body is no request");
    tenant.apply(&isolate(), &Open).await.unwrap_err();
    assert_eq!(server.calls().len(), 1, "the same call with its body is one");
}

#[tokio::test]
async fn a_refused_repeat_does_not_prove_that_the_first_attempt_was_not_applied() {
    for last in [400, 401, 403] {
        let server =
            Server::tenant(move |seen| Reply::new(if seen.nth == 0 { 502 } else { last }, "{}")).await;
        let (tenant, _clock) = server.client();
        let error = tenant.apply(&tag(), &Open).await.unwrap_err();
        assert_eq!((error.applied(), server.calls().len()), (Applied::Unknown, 2), "{last}");
    }
    let server = Server::tenant(|seen| Reply::new(if seen.nth == 0 { 429 } else { 403 }, "{}")).await;
    let (tenant, _clock) = server.client();
    assert_eq!(tenant.apply(&tag(), &Open).await.unwrap_err().applied(), Applied::No);
}

#[tokio::test]
async fn what_fails_before_a_change_is_sent_has_not_changed_anything() {
    // No token: the authority stumbles for as long as patience lasts.
    let server = Server::start(|_| Reply::new(503, "busy")).await;
    let (tenant, _clock) = server.client();
    let error = tenant.apply(&isolate(), &Open).await.unwrap_err();
    assert_eq!((error.applied(), server.calls().len()), (Applied::No, 0), "{error:?}");
    let unreachable = client("http://127.0.0.1:9", HuntingApi::Graph, Arc::new(EagerClock::default()));
    let error = unreachable.apply(&isolate(), &Open).await.unwrap_err();
    assert_eq!(error.applied(), Applied::No, "{error:?}");
    // The tags to merge with cannot be read.
    let server = Server::tenant(|_| Reply::new(503, "busy")).await;
    let (tenant, _clock) = server.client();
    let tags = IncidentPatch { tags_add: vec!["triaged".to_owned()], ..IncidentPatch::default() };
    let update = Operation::UpdateIncident { incident: "924565".parse().unwrap(), patch: tags };
    let error = tenant.apply(&update, &Open).await.unwrap_err();
    assert_eq!((error.applied(), error.retry()), (Applied::No, Retry::Backoff), "{error:?}");
    assert!(server.calls().iter().all(|seen| seen.method == "GET"));
}

#[tokio::test]
async fn an_answer_about_another_device_or_user_is_no_answer() {
    let server = Server::tenant(|seen| {
        if seen.path.contains("machines") {
            Reply::json(200, &json!({"id": "bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22"}))
        } else {
            Reply::json(200, &json!({"id": "x", "userPrincipalName": "eve@contoso.example"}))
        }
    })
    .await;
    let (tenant, _clock) = server.client();
    let error = tenant.machine(&DEVICE.parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, TenantError::OtherTarget { .. }), "{error:?}");
    let error = tenant.user(&"dana@contoso.example".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, TenantError::OtherTarget { .. }), "{error:?}");
    tenant.user(&"EVE@contoso.example".parse().unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_throttled_action_waits_for_its_turn() {
    let server = Server::tenant(|seen| match seen.nth {
        0 => Reply::json(
            429,
            &json!({"error": {"code": "429", "message": "API calls quota exceeded! maximum allowed 45 per 00:01:00"}}),
        ),
        _ => Reply::json(201, &action(DEVICE, "Pending")),
    })
    .await;
    let (tenant, clock) = server.client();
    tenant.apply(&isolate(), &Open).await.unwrap();
    let waits = clock.waits();
    let [wait] = waits.as_slice() else { panic!("{waits:?}") };
    assert!((60..=66).contains(&wait.as_secs()), "{wait:?}");
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let table = [
        (isolate(), "the app lacks the permission `Machine.Isolate`"),
        (
            Operation::AddIndicator(indicator()),
            "the app lacks the permission `Ti.ReadWrite` or `Ti.ReadWrite.All`",
        ),
        (
            Operation::RevokeSessions { user: "dana@contoso.example".parse().unwrap() },
            "the app lacks the permission `User.RevokeSessions.All` or `User.ReadWrite.All`",
        ),
    ];
    for (operation, text) in table {
        let server = Server::tenant(|_| {
            Reply::json(
                403,
                &json!({"error": {"code": "Forbidden", "message": "\u{1b}[31mno\u{202e}", "target": "t"}}),
            )
        })
        .await;
        let (tenant, _clock) = server.client();
        let error = tenant.apply(&operation, &Open).await.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert!(error.to_string().contains(r"\u{1b}[31mno\u{202e}"), "{error}");
        assert_eq!((error.retry(), error.applied(), server.calls().len()), (Retry::Never, Applied::No, 1));
    }
}

#[tokio::test]
async fn the_actions_of_a_device_are_listed_over_all_pages() {
    let server = Server::tenant(|seen| {
        let mut body = json!({"value": [action(DEVICE, "Pending")]});
        if seen.query("$skip").is_none() {
            let link = format!("http://{}/api/machineactions?$skip=1", seen.header("host").unwrap());
            body["@odata.nextLink"] = link.into();
        }
        Reply::json(200, &body)
    })
    .await;
    let (tenant, clock) = server.client();
    let since = huntbook::clock::Clock::now(&clock).checked_sub(SignedDuration::from_hours(1)).unwrap();
    let found = tenant.machine_actions(&DEVICE.parse().unwrap(), since).await.unwrap();
    assert_eq!(found.len(), 2);
    let calls = server.calls();
    assert_eq!(
        calls.first().unwrap().query("$filter").map(str::to_owned),
        Some(format!("machineId eq '{DEVICE}' and creationDateTimeUtc ge 2026-01-10T11:00:00Z"))
    );

    // "None is under way" must be true: what cannot be read fails the list.
    let server = Server::tenant(|_| Reply::json(200, &json!({"value": [{"id": ACTION}]}))).await;
    let (tenant, _clock) = server.client();
    assert!(tenant.machine_actions(&DEVICE.parse().unwrap(), since).await.is_err());
}

#[tokio::test]
async fn a_device_is_read_and_a_missing_one_is_404() {
    let server = Server::tenant(|seen| {
        if seen.path.ends_with(DEVICE) {
            let body = json!({
                "id": DEVICE, "computerDnsName": "web01.contoso.example", "riskScore": "High", "rbacGroupId": 140,
                "machineTags": ["tier0"], "lastSeen": "2026-01-10T10:00:00.036052313Z", "osBuild": 19042,
            });
            return Reply::json(200, &body);
        }
        let message = "Machine was not found";
        Reply::json(404, &json!({"error": {"code": "ResourceNotFound", "message": message, "target": "t"}}))
    })
    .await;
    let (tenant, _clock) = server.client();
    let found = tenant.machine(&DEVICE.parse().unwrap()).await.unwrap();
    assert_eq!(
        (found.machine_tags.as_slice(), found.risk_score.as_deref()),
        (&["tier0".to_owned()][..], Some("High"))
    );
    let other = "bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22".parse().unwrap();
    let error = tenant.machine(&other).await.unwrap_err();
    assert_eq!(error.refused().unwrap().status, 404);
}
