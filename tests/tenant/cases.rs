//! Incidents and alerts: filters, pages, merges.

use huntbook::http::{Applied, Open, Retry};
use huntbook::model::{
    AlertCategory, AlertSeverity, AlertStatus, Classification, Determination, IncidentStatus, MergeReason,
    Term,
};
use huntbook::tenant::{
    AlertPatch, IncidentPatch, IncidentQuery, NewAlert, Operation, Receipt, RemoteState, Tenant as _,
    TenantError,
};
use serde_json::{Value, json};

use crate::bench::{Reply, Server};

fn incident(id: usize) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.security.incident",
        "id": id.to_string(), "displayName": format!("Incident {id}"), "status": "active", "severity": "high",
        "classification": "unknown", "determination": null, "customTags": ["old"], "systemTags": [],
        "createdDateTime": "2026-01-10T11:00:00.1234567Z", "lastUpdateDateTime": "2026-01-10T11:30:00Z",
        "comments": [], "assignedTo": null, "redirectIncidentId": null,
    })
}

fn ids(page: &huntbook::tenant::IncidentPage) -> Vec<&str> {
    page.incidents.iter().map(|incident| incident.id.as_str()).collect()
}

/// Pages of two; page `n` links to page `n + 1`, the last links nowhere.
fn page(seen: &crate::bench::Seen, pages: usize) -> Reply {
    let number: usize = seen.query("$skiptoken").map_or(0, |token| token.parse().unwrap());
    let host = seen.header("host").unwrap();
    let mut body = json!({"value": [incident(number * 2), incident(number * 2 + 1)]});
    if number + 1 < pages {
        let link = format!("http://{host}/v1.0/security/incidents?$skiptoken={}", number + 1);
        body.as_object_mut().unwrap().insert("@odata.nextLink".to_owned(), link.into());
    }
    Reply::json(200, &body)
}

#[tokio::test]
async fn the_service_filters_and_all_pages_are_read() {
    let server = Server::tenant(|seen| page(seen, 3)).await;
    let (tenant, _clock) = server.client();
    let query = IncidentQuery {
        status: vec![IncidentStatus::Active, IncidentStatus::InProgress],
        severity: vec![AlertSeverity::High],
        updated_after: Some("2026-01-10T11:00:00Z".parse().unwrap()),
        expand_alerts: true,
        ..IncidentQuery::default()
    };
    let found = tenant.incidents(&query).await.unwrap();
    assert_eq!(ids(&found), ["0", "1", "2", "3", "4", "5"]);
    assert!(!found.truncated && found.quarantined.is_empty());
    let calls = server.calls();
    let first = calls.first().unwrap();
    assert_eq!(first.line(), "GET /v1.0/security/incidents");
    assert_eq!(
        first.query("$filter"),
        Some(
            "(status eq 'active' or status eq 'inProgress') and severity eq 'high' and \
             lastUpdateDateTime ge 2026-01-10T11:00:00Z"
        )
    );
    assert_eq!((first.query("$expand"), first.query("$top")), (Some("alerts"), Some("50")));
    for call in &calls {
        assert_eq!(call.header("prefer"), Some("include-unknown-enum-members"));
    }
}

#[tokio::test]
async fn limits_cut_the_list_and_say_so() {
    let server = Server::tenant(|seen| page(seen, 3)).await;
    let (tenant, _clock) = server.client();
    let limited =
        |incidents_max, pages_max| IncidentQuery { incidents_max, pages_max, ..IncidentQuery::default() };
    let found = tenant.incidents(&limited(3, 99)).await.unwrap();
    assert_eq!((ids(&found).len(), found.truncated), (3, true));
    let found = tenant.incidents(&limited(99, 2)).await.unwrap();
    assert_eq!((ids(&found).len(), found.truncated), (4, true));
    let found = tenant.incidents(&limited(6, 3)).await.unwrap();
    assert_eq!((ids(&found).len(), found.truncated), (6, false));
}

#[tokio::test]
async fn the_token_does_not_follow_a_link_to_another_host() {
    let other = Server::start(|_| Reply::new(200, "{}")).await;
    for link in [other.url.clone(), "https://graph.contoso.example/x".to_owned(), "not a link".to_owned()] {
        let server = Server::tenant(move |_| {
            Reply::json(200, &json!({"value": [incident(1)], "@odata.nextLink": link}))
        })
        .await;
        let (tenant, _clock) = server.client();
        let error = tenant.incidents(&IncidentQuery::default()).await.unwrap_err();
        assert!(matches!(error, TenantError::Paging { .. }), "{error:?}");
        assert_eq!(error.retry(), Retry::Never);
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn a_list_that_goes_in_circles_ends() {
    let server = Server::tenant(|seen| {
        let host = seen.header("host").unwrap();
        let next = if seen.query("x") == Some("1") { 2 } else { 1 };
        let link = format!("http://{host}/v1.0/security/incidents?x={next}");
        Reply::json(200, &json!({"value": [], "@odata.nextLink": link}))
    })
    .await;
    let (tenant, _clock) = server.client();
    let error = tenant.incidents(&IncidentQuery::default()).await.unwrap_err();
    assert!(error.to_string().contains("circles"), "{error}");
    assert_eq!(server.calls().len(), 3);
}

#[tokio::test]
async fn a_page_that_fails_fails_the_list() {
    let server =
        Server::tenant(
            |seen| {
                if seen.query("$skiptoken").is_none() { page(seen, 2) } else { Reply::new(400, "") }
            },
        )
        .await;
    let (tenant, _clock) = server.client();
    assert!(tenant.incidents(&IncidentQuery::default()).await.is_err());

    for body in [
        r#"{"value": [{"id": "1""#,
        "{}",
        "null",
        r#"{"value": {}}"#,
        r#"{"value": [1 2]}"#,
        r#"{"value": [], "value": []}"#,
    ] {
        let server = Server::tenant(move |_| Reply::new(200, body)).await;
        let (tenant, _clock) = server.client();
        let error = tenant.incidents(&IncidentQuery::default()).await.unwrap_err();
        assert!(matches!(error, TenantError::Shape { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn one_bad_incident_does_not_hide_the_others_and_doubles_count_once() {
    let server = Server::tenant(|_| {
        let body = format!(
            r#"{{"value": [{}, {{"id": "../users"}}, {{"id": "8", "displayName": "\ud800 \u202e"}}, 7,
                {{"id": "9", "alerts": [{{"id": 5}}]}}, {}, {}]}}"#,
            incident(1),
            incident(1),
            incident(2)
        );
        Reply::new(200, body)
    })
    .await;
    let (tenant, _clock) = server.client();
    let found = tenant.incidents(&IncidentQuery::default()).await.unwrap();
    assert_eq!(ids(&found), ["1", "2"]);
    assert_eq!(found.quarantined.len(), 4);
    assert!(found.quarantined.iter().any(|bad| bad.raw.contains("../users") && !bad.reason.is_empty()));
}

#[tokio::test]
async fn row_24_what_is_no_json_in_one_incident_does_not_hide_the_others() {
    for bad in [
        r#"{"id": "8", "score": NaN}"#,
        r#"{"id": 1e400}"#,
        r#"{"id": "8", "score": nul}"#,
        r#"{"id": "8", "displayName": "\ud800"}"#,
        "{\"id\": \"8\", \"displayName\": \"\u{1}\"}",
        "Infinity",
        "-",
    ] {
        let body = format!(r#"{{"value": [{}, {bad}, {}], "@odata.count": 3}}"#, incident(1), incident(2));
        check_one_bad(body.into_bytes()).await;
    }
    let [first, second] = [1, 2].map(|id| incident(id).to_string());
    let pieces: [&[u8]; 5] = [
        br#"{"value": ["#,
        first.as_bytes(),
        b", {\"id\": \"8\", \"displayName\": \"\xff\"}, ",
        second.as_bytes(),
        b"]}",
    ];
    check_one_bad(pieces.concat()).await;
}

/// The page has an incident before and one after the bad one.
async fn check_one_bad(body: Vec<u8>) {
    let shown = String::from_utf8_lossy(&body).into_owned();
    let server = Server::tenant(move |_| Reply::new(200, body.clone())).await;
    let (tenant, _clock) = server.client();
    let found = tenant.incidents(&IncidentQuery::default()).await.expect(&shown);
    assert_eq!((ids(&found), found.quarantined.len()), (vec!["1", "2"], 1), "{shown}");
}

#[tokio::test]
async fn row_56_words_of_every_api_and_of_the_future_are_read() {
    let server = Server::tenant(|_| {
        let mut odd = incident(1);
        let members = json!({
            "id": 29, "redirectIncidentId": 30, "status": "InProgress", "severity": "Galactic",
            "classification": "TruePositive", "determination": "CompromisedUser", "newMember": {"a": 1},
            "comments": [
                {"comment": "a", "createdBy": "dana@contoso.example", "createdTime": "2026-01-10T10:00:00.29Z"},
                {"comment": "b", "createdByDisplayName": "Dana", "createdDateTime": "2026-01-10T10:00:00"}
            ],
            "alerts": [{
                "id": "da1_-2", "incidentId": "29", "title": null, "status": "new", "severity": "low",
                "serviceSource": "microsoftSecurityForAI", "evidence": [
                    {"@odata.type": "#microsoft.graph.security.deviceEvidence", "mdeDeviceId": "aa", "tags": ["t"],
                     "deviceDnsName": "web01.contoso.example"},
                    {"@odata.type": "#microsoft.graph.security.userEvidence",
                     "userAccount": {"accountName": "dana", "userPrincipalName": "dana@contoso.example"}},
                    {"@odata.type": "#microsoft.graph.security.teapotEvidence", "handle": [1.5e300]}
                ]
            }]
        });
        odd.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        Reply::json(200, &json!({"value": [odd]}))
    })
    .await;
    let (tenant, _clock) = server.client();
    let page = tenant.incidents(&IncidentQuery::default()).await.unwrap();
    let found = page.incidents.first().unwrap();
    assert_eq!(found.redirect_incident_id.as_ref().unwrap().as_str(), "30");
    assert!(found.status == IncidentStatus::InProgress);
    assert_eq!(found.severity, Term::Other("Galactic".into()));
    assert_eq!(found.determination, Some(Term::Known(Determination::CompromisedAccount)));
    let authors: Vec<_> = found.comments.iter().map(|c| c.created_by.as_deref().unwrap()).collect();
    assert_eq!(authors, ["dana@contoso.example", "Dana"]);
    assert!(found.comments.iter().all(|comment| comment.created_date_time.is_some()));
    let alert = found.alerts.first().unwrap();
    assert_eq!(alert.service_source.as_deref(), Some("microsoftSecurityForAI"));
    assert_eq!((alert.devices.len(), alert.users.len(), alert.evidence.len()), (1, 1, 3));
    assert_eq!(alert.devices.first().unwrap().tags, ["t"]);
}

fn patch(patch: IncidentPatch) -> Operation {
    Operation::UpdateIncident { incident: "29".parse().unwrap(), patch }
}

#[tokio::test]
async fn an_incident_is_updated_in_the_apis_words() {
    let server = Server::tenant(|_| Reply::json(200, &incident(29))).await;
    let (tenant, _clock) = server.client();
    let receipt = tenant
        .apply(
            &patch(IncidentPatch {
                status: Some(IncidentStatus::Resolved),
                classification: Some(Classification::InformationalExpectedActivity),
                determination: Some(Determination::SecurityTesting),
                assigned_to: Some("dana@contoso.example".to_owned()),
                ..IncidentPatch::default()
            }),
            &Open,
        )
        .await
        .unwrap();
    assert_eq!(receipt, Receipt { remote_id: None, state: RemoteState::Done });
    let calls = server.calls();
    let [read, call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(read.line(), "GET /v1.0/security/incidents/29");
    assert_eq!(call.line(), "PATCH /v1.0/security/incidents/29");
    assert_eq!(
        call.json(),
        json!({
            "status": "resolved", "classification": "informationalExpectedActivity",
            "determination": "securityTesting", "assignedTo": "dana@contoso.example",
        })
    );
}

#[tokio::test]
async fn a_refused_determination_is_spelled_the_other_way_once() {
    let change = patch(IncidentPatch {
        determination: Some(Determination::CompromisedAccount),
        ..IncidentPatch::default()
    });
    let server = Server::tenant(|seen| {
        if seen.method == "PATCH" && seen.nth == 0 {
            Reply::new(400, "")
        } else {
            Reply::json(200, &incident(29))
        }
    })
    .await;
    let (tenant, _clock) = server.client();
    tenant.apply(&change, &Open).await.unwrap();
    let calls = server.calls();
    let patches = calls.iter().filter(|call| call.method == "PATCH");
    let words: Vec<_> = patches.map(|call| call.json()["determination"].clone()).collect();
    assert_eq!(words, ["compromisedAccount", "compromisedUser"]);

    let server = Server::tenant(|seen| match seen.method.as_str() {
        "GET" => Reply::json(200, &incident(29)),
        _ => Reply::json(400, &json!({"error": {"code": "BadRequest", "message": "no"}})),
    })
    .await;
    let (tenant, _clock) = server.client();
    let error = tenant.apply(&change, &Open).await.unwrap_err();
    assert_eq!((error.applied(), server.calls().len()), (Applied::No, 3));
}

#[tokio::test]
async fn tags_are_read_merged_written_and_checked() {
    let server = Server::tenant(|seen| {
        let mut body = incident(29);
        if seen.method == "PATCH" {
            body["customTags"] = seen.json()["customTags"].clone();
        } else {
            body["customTags"] = json!(["keep", "OLD"]);
        }
        Reply::json(200, &body)
    })
    .await;
    let (tenant, _clock) = server.client();
    let change = patch(IncidentPatch {
        tags_add: vec!["triaged".to_owned()],
        tags_remove: vec!["old".to_owned()],
        ..IncidentPatch::default()
    });
    assert_eq!(tenant.apply(&change, &Open).await.unwrap().state, RemoteState::Done);
    let calls = server.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls.last().unwrap().json(), json!({"customTags": ["keep", "triaged"]}));

    let there = patch(IncidentPatch { tags_add: vec!["KEEP".to_owned()], ..IncidentPatch::default() });
    assert_eq!(tenant.apply(&there, &Open).await.unwrap().state, RemoteState::AlreadyInForce);
    assert_eq!(server.calls().len(), 3);
}

/// Incident 29, merged into 30, which somebody has resolved.
async fn merged() -> Server {
    Server::tenant(|seen| {
        let mut body = incident(if seen.path.contains("/30") { 30 } else { 29 });
        if seen.path.contains("/30") {
            body["status"] = "resolved".into();
            body["classification"] = "truePositive".into();
        } else {
            body["status"] = "redirected".into();
            body["redirectIncidentId"] = "30".into();
        }
        Reply::json(200, &body)
    })
    .await
}

#[tokio::test]
async fn what_was_merged_away_is_written_where_it_went() {
    let server = merged().await;
    let (tenant, _clock) = server.client();
    let status = |status| patch(IncidentPatch { status: Some(status), ..IncidentPatch::default() });
    tenant.apply(&status(IncidentStatus::InProgress), &Open).await.unwrap();
    let comment = Operation::CommentIncident { incident: "29".parse().unwrap(), comment: "x".to_owned() };
    tenant.apply(&comment, &Open).await.unwrap();
    let written: Vec<_> =
        server.calls().iter().filter(|c| c.method != "GET").map(crate::bench::Seen::line).collect();
    assert_eq!(written, ["PATCH /v1.0/security/incidents/30", "POST /v1.0/security/incidents/30/comments"]);
    let receipt = tenant.apply(&status(IncidentStatus::Resolved), &Open).await.unwrap();
    assert_eq!(receipt.state, RemoteState::AlreadyInForce);

    let circle = Server::tenant(|seen| {
        let there = if seen.path.contains("/30") { ("30", "29") } else { ("29", "30") };
        Reply::json(200, &json!({"id": there.0, "redirectIncidentId": there.1}))
    })
    .await;
    let (tenant, _clock) = circle.client();
    let error = tenant.apply(&status(IncidentStatus::Resolved), &Open).await.unwrap_err();
    assert_eq!((error.applied(), error.retry()), (Applied::No, Retry::Never), "{error:?}");
}

#[tokio::test]
async fn incidents_are_merged_once() {
    let server = Server::tenant(|seen| match seen.method.as_str() {
        "GET" => Reply::json(200, &json!({"id": seen.path.rsplit('/').next()})),
        _ => Reply::json(200, &json!({"targetIncidentId": "29"})),
    })
    .await;
    let (tenant, _clock) = server.client();
    let ids = |ids: [&str; 2]| ids.map(|id| id.parse().unwrap()).to_vec();
    let reasons = vec![MergeReason::SameCampaign, MergeReason::SameActor];
    let merge =
        Operation::MergeIncidents { incidents: ids(["29", "31"]), comment: "why".to_owned(), reasons };
    tenant.apply(&merge, &Open).await.unwrap();
    let calls = server.calls();
    let call = calls.last().unwrap();
    assert_eq!(call.line(), "POST /v1.0/security/incidents/microsoft.graph.security.mergeIncidents");
    let body = json!({
        "incidentIds": ["29", "31"], "incidentComment": "why", "mergeReasons": "sameCampaign, sameActor",
    });
    assert_eq!(call.json(), body);

    let server = merged().await;
    let (tenant, _clock) = server.client();
    let merge = Operation::MergeIncidents {
        incidents: ids(["29", "30"]),
        comment: "why".to_owned(),
        reasons: vec![],
    };
    assert_eq!(tenant.apply(&merge, &Open).await.unwrap().state, RemoteState::AlreadyInForce);
}

#[tokio::test]
async fn alerts_are_changed_together_and_raised_about_events() {
    let server =
        Server::tenant(|seen| if seen.nth == 0 { Reply::new(400, "") } else { Reply::new(200, "") }).await;
    let (tenant, _clock) = server.client();
    let patch = AlertPatch {
        status: Some(AlertStatus::Resolved),
        classification: Some(Classification::FalsePositive),
        determination: Some(Determination::NotMalicious),
        assigned_to: None,
    };
    let alerts = vec!["da1_-2".parse().unwrap(), "da1_-3".parse().unwrap()];
    let operation = Operation::UpdateAlerts { alerts, patch, comment: Some("why".to_owned()) };
    tenant.apply(&operation, &Open).await.unwrap();
    let calls = server.calls();
    assert!(calls.iter().all(|call| call.line() == "POST /api/alerts/batchUpdate"));
    let body = |determination: &str| {
        json!({"alertIds": ["da1_-2", "da1_-3"], "status": "Resolved", "classification": "FalsePositive",
            "determination": determination, "comment": "why"})
    };
    let sent: Vec<_> = calls.iter().map(crate::bench::Seen::json).collect();
    assert_eq!(sent, [body("Clean"), body("NotMalicious")]);

    let server = Server::tenant(|_| Reply::json(200, &json!({"id": "da1_1"}))).await;
    let (tenant, _clock) = server.client();
    let alert = NewAlert {
        machine_id: crate::bench::DEVICE.parse().unwrap(),
        event_time: "2026-01-10T11:00:00.12Z".parse().unwrap(),
        report_id: "20776".to_owned(),
        severity: AlertSeverity::Low,
        title: "example".to_owned(),
        description: "example alert".to_owned(),
        recommended_action: "nothing".to_owned(),
        category: AlertCategory::Exploit,
    };
    tenant.apply(&Operation::CreateAlert(Box::new(alert)), &Open).await.unwrap();
    let calls = server.calls();
    assert_eq!(calls.first().unwrap().line(), "POST /api/alerts/CreateAlertByReference");
    let body = json!({
        "machineId": crate::bench::DEVICE, "severity": "Low", "title": "example", "description": "example alert",
        "recommendedAction": "nothing", "eventTime": "2026-01-10T11:00:00.1200000Z", "reportId": "20776",
        "category": "Exploit",
    });
    assert_eq!(calls.first().unwrap().json(), body);
}

#[tokio::test]
async fn a_tag_somebody_overwrote_is_written_again_and_then_reported() {
    let change = patch(IncidentPatch {
        status: Some(IncidentStatus::Resolved),
        tags_add: vec!["triaged".to_owned()],
        ..IncidentPatch::default()
    });
    // Whatever is written, the incident keeps the tags it has.
    let server = Server::tenant(|_| Reply::json(200, &incident(29))).await;
    let (tenant, _clock) = server.client();
    let error = tenant.apply(&change, &Open).await.unwrap_err();
    assert!(matches!(error, TenantError::Overwritten { .. }), "{error:?}");
    let patches: Vec<_> =
        server.calls().iter().filter(|c| c.method == "PATCH").map(crate::bench::Seen::json).collect();
    assert_eq!(patches.len(), 3);
    assert_eq!(patches.first(), Some(&json!({"status": "resolved", "customTags": ["old", "triaged"]})));
    assert_eq!(patches.last(), Some(&json!({"customTags": ["old", "triaged"]})));
}

#[tokio::test]
async fn an_update_that_stops_half_way_may_have_been_applied() {
    let change = patch(IncidentPatch { tags_add: vec!["triaged".to_owned()], ..IncidentPatch::default() });
    // The first write is overwritten; then the app loses its permission.
    let server = Server::tenant(|seen| match (seen.method.as_str(), seen.nth) {
        ("GET", 1..) => Reply::new(403, ""),
        _ => Reply::json(200, &incident(29)),
    })
    .await;
    let (tenant, _clock) = server.client();
    let error = tenant.apply(&change, &Open).await.unwrap_err();
    assert!(matches!(error, TenantError::Unfinished { .. }), "{error:?}");
    assert_eq!((error.retry(), error.applied()), (Retry::Never, Applied::Unknown));

    // One that is reported each time proves that nothing was written.
    let server = Server::tenant(|seen| match seen.method.as_str() {
        "PATCH" => Reply::new(409, ""),
        _ => Reply::json(200, &incident(29)),
    })
    .await;
    let (tenant, _clock) = server.client();
    let error = tenant.apply(&change, &Open).await.unwrap_err();
    assert_eq!((error.refused().map(|refused| refused.status), error.applied()), (Some(409), Applied::No));

    // A conflict the service reports itself is merged again.
    let server = Server::tenant(|seen| match (seen.method.as_str(), seen.nth) {
        ("PATCH", 0) => Reply::new(412, ""),
        ("PATCH", _) => {
            let mut body = incident(29);
            body["customTags"] = seen.json()["customTags"].clone();
            Reply::json(200, &body)
        }
        _ => Reply::json(200, &incident(29)),
    })
    .await;
    let (tenant, _clock) = server.client();
    assert_eq!(tenant.apply(&change, &Open).await.unwrap().state, RemoteState::Done);
    assert_eq!(server.calls().len(), 4);
}

#[tokio::test]
async fn the_second_spelling_may_have_been_applied_when_its_answer_is_lost() {
    let change =
        patch(IncidentPatch { determination: Some(Determination::NotMalicious), ..IncidentPatch::default() });
    let server = Server::tenant(|seen| match (seen.method.as_str(), seen.nth) {
        ("GET", _) => Reply::json(200, &incident(29)),
        (_, 0) => Reply::new(400, ""),
        _ => Reply::new(500, ""),
    })
    .await;
    let (tenant, _clock) = server.client();
    assert_eq!(tenant.apply(&change, &Open).await.unwrap_err().applied(), Applied::Unknown);
}

#[tokio::test]
async fn a_comment_is_posted_and_not_repeated_when_its_fate_is_unknown() {
    let operation = Operation::CommentIncident {
        incident: "29".parse().unwrap(),
        comment: "seen {{x}} \"y\"".to_owned(),
    };
    let server = Server::tenant(|seen| match seen.method.as_str() {
        "GET" => Reply::json(200, &incident(29)),
        _ => Reply::json(200, &json!({"value": []})),
    })
    .await;
    let (tenant, _clock) = server.client();
    tenant.apply(&operation, &Open).await.unwrap();
    let calls = server.calls();
    let call = calls.last().unwrap();
    assert_eq!(call.line(), "POST /v1.0/security/incidents/29/comments");
    assert_eq!(
        call.json(),
        json!({"@odata.type": "microsoft.graph.security.alertComment", "comment": "seen {{x}} \"y\""})
    );

    let server = Server::tenant(|seen| match seen.method.as_str() {
        "GET" => Reply::json(200, &incident(29)),
        _ => Reply::new(500, ""),
    })
    .await;
    let (tenant, _clock) = server.client();
    let error = tenant.apply(&operation, &Open).await.unwrap_err();
    assert_eq!((error.applied(), server.calls().len()), (Applied::Unknown, 2));
}

#[tokio::test]
async fn an_alert_is_read_and_updated() {
    let alert = json!({"id": "da1_-2", "title": "T", "status": "inProgress", "severity": "medium"});
    let server = Server::tenant(move |_| Reply::json(200, &alert)).await;
    let (tenant, _clock) = server.client();
    let id = "da1_-2".parse().unwrap();
    let found = tenant.alert(&id).await.unwrap();
    assert!(found.status == AlertStatus::InProgress);
    let change = AlertPatch { status: Some(AlertStatus::Resolved), ..AlertPatch::default() };
    tenant.apply(&Operation::UpdateAlert { alert: id, patch: change }, &Open).await.unwrap();
    let lines: Vec<_> = server.calls().iter().map(crate::bench::Seen::line).collect();
    assert_eq!(lines, ["GET /v1.0/security/alerts_v2/da1_-2", "PATCH /v1.0/security/alerts_v2/da1_-2"]);
    assert_eq!(server.calls().last().unwrap().json(), json!({"status": "resolved"}));
}

#[tokio::test]
async fn one_incident_is_read_and_a_missing_one_is_404() {
    let server = Server::tenant(|seen| match seen.path.rsplit('/').next() {
        Some("29") => Reply::json(200, &incident(29)),
        _ => Reply::json(404, &json!({"error": {"code": "NotFound", "message": "no such incident"}})),
    })
    .await;
    let (tenant, _clock) = server.client();
    assert_eq!(tenant.incident(&"29".parse().unwrap()).await.unwrap().display_name, "Incident 29");
    let error = tenant.incident(&"30".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "`incident` was refused with status 404 (NotFound: no such incident)");
    assert_eq!(error.retry(), Retry::Never);
}
