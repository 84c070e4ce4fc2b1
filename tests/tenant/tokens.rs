//! Tokens: how often they are asked for, and what becomes of those that are not good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use huntbook::http::{Applied, Open, Retry};
use huntbook::model::Secret;
use huntbook::settings::SecretRef;
use huntbook::tenant::{
    Audience, Client, ClientOptions, Credential, EndpointOverrides, HuntingApi, IdentityHost, IsolationType,
    ManagedIdentity, Operation, Tenant as _, TenantError,
};
use jiff::SignedDuration;
use serde_json::json;
use tokio::task::JoinSet;

use crate::bench::{
    APP, DEVICE, EagerClock, Reply, SECRET, Seen, Server, TENANT, client, door, everything, issue,
};
use crate::nobody::nobody;

fn is_token(seen: &Seen) -> bool {
    seen.path.ends_with("/token")
}

fn machine() -> Reply {
    Reply::json(200, &json!({"id": DEVICE, "machineTags": null}))
}

fn revoke() -> Operation {
    Operation::RevokeSessions { user: "dana@contoso.example".parse().unwrap() }
}

fn isolate() -> Operation {
    let device = DEVICE.parse().unwrap();
    Operation::IsolateDevice { device, comment: "test".to_owned(), isolation_type: IsolationType::Full }
}

#[tokio::test]
async fn a_token_is_asked_for_in_the_documented_form() {
    let server = Server::tenant(|_| machine()).await;
    let (tenant, clock) = server.client();
    let facts = tenant.token_facts(Audience::Mde).await.unwrap();
    assert_eq!(facts.tenant_id.as_deref(), Some(TENANT));
    assert_eq!(facts.app_id.as_deref(), Some(APP));
    assert_eq!(facts.roles, ["A", "B"]);
    assert_eq!(
        facts.expires_at,
        huntbook::clock::Clock::now(&clock).checked_add(SignedDuration::from_secs(3599)).unwrap()
    );
    let seen = server.seen();
    let request = seen.first().unwrap();
    assert_eq!(request.line(), format!("POST /{TENANT}/oauth2/v2.0/token"));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    let form = request.form();
    let expected = [
        ("client_id", APP),
        ("client_secret", SECRET),
        ("grant_type", "client_credentials"),
        ("scope", "https://api.securitycenter.microsoft.com/.default"),
    ];
    assert_eq!(form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn row_57_many_callers_share_one_token_request() {
    let server = Server::start(|seen| {
        if is_token(seen) { issue(seen, TENANT, 3599).after(Duration::from_millis(50)) } else { machine() }
    })
    .await;
    let (tenant, _clock) = server.client();
    let tenant = Arc::new(tenant);
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let tenant = Arc::clone(&tenant);
        tasks.spawn(async move { tenant.machine(&DEVICE.parse().unwrap()).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.len(), 20);
    assert_eq!((server.token_requests(), server.calls().len()), (1, 20));
    // Another API wants another token.
    tenant.token_facts(Audience::Graph).await.unwrap();
    assert_eq!(server.token_requests(), 2);
}

#[tokio::test]
async fn row_10_a_token_is_replaced_ahead_of_its_end() {
    let server = Server::tenant(|_| machine()).await;
    let (tenant, clock) = server.client();
    tenant.token_facts(Audience::Mde).await.unwrap();
    // A tenth of an hour is more than five minutes.
    clock.advance(SignedDuration::from_secs(3599 - 361));
    tenant.token_facts(Audience::Mde).await.unwrap();
    assert_eq!(server.token_requests(), 1);
    clock.advance(SignedDuration::from_secs(3));
    tenant.token_facts(Audience::Mde).await.unwrap();
    assert_eq!(server.token_requests(), 2);
}

#[tokio::test]
async fn a_secret_is_read_whenever_a_token_is_wanted() {
    let server = Server::tenant(|_| machine()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let clock = EagerClock::default();
    let options = ClientOptions {
        endpoints: EndpointOverrides::under(&server.url),
        credential: Credential::ClientSecret {
            client_id: APP.to_owned(),
            secret: Arc::new(SecretRef::File(file.clone())),
        },
        ..ClientOptions::with_secret("contoso", TENANT.parse().unwrap(), APP, Secret::new(SECRET.to_owned()))
    };
    let tenant = Client::open(options, door(Arc::new(clock.clone())), Arc::new(clock.clone())).unwrap();
    let error = tenant.token_facts(Audience::Mde).await.unwrap_err();
    assert!(everything(&error).contains("the client secret cannot be fetched"), "{error}");
    assert_eq!((error.applied(), error.retry()), (Applied::No, Retry::Never));
    std::fs::write(&file, "the first").unwrap();
    let first = tenant.token_facts(Audience::Mde).await.unwrap();
    // Gone for a while: the token at hand stays in use, and nobody is asked with nothing.
    std::fs::remove_file(&file).unwrap();
    clock.advance(SignedDuration::from_secs(3300));
    assert_eq!(tenant.token_facts(Audience::Mde).await.unwrap(), first);
    assert_eq!(server.token_requests(), 1);
    std::fs::write(&file, "the second").unwrap();
    clock.advance(SignedDuration::from_secs(31));
    assert_ne!(tenant.token_facts(Audience::Mde).await.unwrap(), first);
    let secrets: Vec<String> =
        server.seen().iter().map(|seen| seen.form()["client_secret"].clone()).collect();
    assert_eq!(secrets, ["the first", "the second"]);
}

#[tokio::test]
async fn a_failed_replacement_leaves_the_old_token_in_use_until_its_end() {
    let server = Server::start(|seen| match (is_token(seen), seen.nth) {
        (true, 0) => issue(seen, TENANT, 3599),
        (true, _) => Reply::json(400, &json!({"error": "invalid_client", "error_codes": [7_000_222]})),
        (false, _) => machine(),
    })
    .await;
    let (tenant, clock) = server.client();
    let device = DEVICE.parse().unwrap();
    tenant.machine(&device).await.unwrap();
    clock.advance(SignedDuration::from_secs(3400));
    tenant.machine(&device).await.unwrap();
    // Not asked again at once.
    tenant.machine(&device).await.unwrap();
    assert_eq!(server.token_requests(), 2);
    clock.advance(SignedDuration::from_secs(31));
    tenant.machine(&device).await.unwrap();
    assert_eq!(server.token_requests(), 3);
    clock.advance(SignedDuration::from_secs(200));
    let error = tenant.machine(&device).await.unwrap_err();
    assert!(error.to_string().contains("the client secret has expired"), "{error}");
}

#[tokio::test]
async fn row_09_a_rejected_token_is_replaced_once_and_the_call_repeated_once() {
    let server = Server::tenant(|seen| if seen.nth == 0 { Reply::new(401, "") } else { machine() }).await;
    let (tenant, _clock) = server.client();
    tenant.machine(&DEVICE.parse().unwrap()).await.unwrap();
    assert_eq!((server.token_requests(), server.calls().len()), (2, 2));
    let calls = server.calls();
    let tokens: Vec<_> = calls.iter().map(|seen| seen.header("authorization").unwrap()).collect();
    assert_ne!(tokens.first(), tokens.last());

    let server = Server::tenant(|_| {
        Reply::new(401, "")
            .header("www-authenticate", r#"Bearer error="invalid_token", error_description="too old""#)
    })
    .await;
    let (tenant, _clock) = server.client();
    let error = tenant.apply(&revoke(), &Open).await.unwrap_err();
    assert_eq!((server.token_requests(), server.calls().len()), (2, 2));
    assert_eq!((error.retry(), error.applied()), (Retry::Never, Applied::No));
    assert_eq!(error.to_string(), "`revokeSessions` was refused with status 401 (invalid_token: too old)");
}

#[tokio::test]
async fn row_09_an_api_that_accepts_no_token_twice_in_a_row_is_left_alone_for_a_while() {
    let refuses = Arc::new(AtomicBool::new(true));
    let seen_by = Arc::clone(&refuses);
    let server = Server::tenant(move |seen| {
        let lists = seen.path.contains("machineactions");
        if lists || !seen_by.load(Ordering::SeqCst) { machine() } else { Reply::new(401, "") }
    })
    .await;
    let (tenant, clock) = server.client();
    let device = DEVICE.parse().unwrap();
    for calls in [2, 4] {
        tenant.machine(&device).await.unwrap_err();
        assert_eq!(server.calls().len(), calls);
    }
    let error = tenant.machine(&device).await.unwrap_err();
    assert_eq!((error.retry(), error.applied()), (Retry::Backoff, Applied::No));
    let said = "Defender for Endpoint of tenant `contoso` accepts no token of ours; it is asked again at \
                2026-01-10T12:05:00Z (`machine` was refused with status 401)";
    assert_eq!(error.to_string(), said);
    let error = tenant.token_facts(Audience::Mde).await.unwrap_err();
    assert!(matches!(error, TenantError::Rejected { .. }), "{error}");
    assert_eq!((server.calls().len(), server.token_requests()), (4, 3), "nothing was asked");
    assert!(tenant.token_facts(Audience::Graph).await.is_ok(), "another API is another matter");
    let error = tenant.apply(&isolate(), &Open).await.unwrap_err();
    assert_eq!((error.applied(), error.retry()), (Applied::No, Retry::Backoff));

    clock.advance(SignedDuration::from_mins(5));
    assert!(tenant.rejected(Audience::Mde).is_some(), "nothing says that it accepts one");
    tenant.machine(&device).await.unwrap_err();
    tenant.machine(&device).await.unwrap_err();
    assert_eq!(server.calls().len(), 6, "one more call is enough");
    refuses.store(false, Ordering::SeqCst);
    clock.advance(SignedDuration::from_mins(5));
    tenant.machine(&device).await.unwrap();
    assert_eq!(tenant.rejected(Audience::Mde), None);
}

#[tokio::test]
async fn one_call_that_is_rejected_again_and_again_keeps_no_other_from_being_made() {
    let server =
        Server::tenant(|seen| if seen.method == "POST" { Reply::new(401, "") } else { machine() }).await;
    let (tenant, _clock) = server.client();
    for _call in 0..3 {
        tenant.apply(&isolate(), &Open).await.unwrap_err();
        tenant.machine(&DEVICE.parse().unwrap()).await.unwrap();
    }
    assert_eq!(server.calls().iter().filter(|seen| seen.method == "POST").count(), 6);
}

#[tokio::test]
async fn callers_that_meet_the_same_rejected_token_ask_for_one_new_one() {
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&accepted);
    let server = Server::start(move |seen| {
        if is_token(seen) {
            return issue(seen, TENANT, 3599).after(Duration::from_millis(30));
        }
        // The first token's last part is 0.
        if seen.header("authorization").unwrap().ends_with(".0") {
            return Reply::new(401, "");
        }
        counter.fetch_add(1, Ordering::SeqCst);
        machine()
    })
    .await;
    let (tenant, _clock) = server.client();
    let tenant = Arc::new(tenant);
    let mut tasks = JoinSet::new();
    for _ in 0..10 {
        let tenant = Arc::clone(&tenant);
        tasks.spawn(async move { tenant.machine(&DEVICE.parse().unwrap()).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.len(), 10);
    assert_eq!((server.token_requests(), accepted.load(Ordering::SeqCst)), (2, 10));
}

#[tokio::test]
async fn nothing_is_asked_with_a_token_of_another_tenant() {
    const OTHER: &str = "22222222-2222-3333-4444-555555555555";
    let server = Server::start(|seen| match (is_token(seen), seen.nth) {
        (true, 0 | 1) => issue(seen, OTHER, 3599),
        (true, _) => issue(seen, TENANT, 3599),
        (false, _) => machine(),
    })
    .await;
    let (tenant, _clock) = server.client();
    let device = DEVICE.parse().unwrap();
    let error = tenant.apply(&revoke(), &Open).await.unwrap_err();
    assert!(matches!(error, TenantError::WrongTenant { .. }), "{error:?}");
    assert_eq!((error.applied(), server.calls().len()), (Applied::No, 0));
    assert!(matches!(tenant.machine(&device).await, Err(TenantError::WrongTenant { .. })));
    assert!(server.calls().is_empty());
    // It is not kept until its end.
    tenant.machine(&device).await.unwrap();
    assert_eq!(server.token_requests(), 3);

    // With a token that does not say nothing is changed.
    let server = Server::start(|_| {
        Reply::json(200, &json!({"access_token": "opaque", "expires_in": "3599", "token_type": "Bearer"}))
    })
    .await;
    let (tenant, _clock) = server.client();
    assert!(matches!(tenant.apply(&revoke(), &Open).await, Err(TenantError::WrongTenant { .. })));
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn a_refusal_says_what_to_do_and_not_the_secret() {
    let server = Server::start(|seen| {
        let echo = seen.form()["client_secret"].clone();
        Reply::json(
            401,
            &json!({
                "error": "invalid_client",
                "error_description": format!("AADSTS7000215: Invalid client secret '{echo}'.\r\nTrace ID: x"),
                "error_codes": [7_000_215],
                "correlation_id": "c0ffee00-0000-4000-8000-000000000000",
            }),
        )
    })
    .await;
    let (tenant, _clock) = server.client();
    let error = tenant.machine(&DEVICE.parse().unwrap()).await.unwrap_err();
    let TenantError::SignIn { refused, .. } = &error else { panic!("{error:?}") };
    assert_eq!(refused.aadsts, Some(7_000_215));
    assert!(refused.description.contains("'(secret)'") && !refused.description.contains('\n'));
    assert_eq!(
        error.to_string(),
        "no token for Defender for Endpoint of tenant `contoso`: invalid_client, AADSTS7000215: the client \
         secret is wrong; use the secret's value, not its id [correlation c0ffee00-0000-4000-8000-000000000000]"
    );
    assert!(!everything(&error).contains(SECRET));
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(server.token_requests(), 1);
}

#[tokio::test]
async fn a_busy_authority_is_not_a_wrong_secret() {
    let server = Server::start(|seen| {
        if seen.nth == 0 {
            Reply::json(400, &json!({"error": "temporarily_unavailable", "error_codes": [90_033]}))
        } else {
            Reply::new(503, "<html>")
        }
    })
    .await;
    let (tenant, _clock) = server.client();
    for _ in 0..2 {
        let error = tenant.token_facts(Audience::Graph).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Backoff, "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_a_token_is_not_shown() {
    for body in [
        r#"{"access_token":{"a":"s3cret-token"},"expires_in":1}"#,
        r#"{"access_token":"s3cret-token"}"#,
        "<html>",
    ] {
        let server = Server::start(move |_| Reply::new(200, body)).await;
        let (tenant, _clock) = server.client();
        let error = tenant.token_facts(Audience::Graph).await.unwrap_err();
        assert!(matches!(error, TenantError::NotAToken { .. }), "{error:?}");
        assert!(!everything(&error).contains("s3cret-token"), "{}", everything(&error));
    }
}

#[tokio::test]
async fn an_authority_that_is_away_is_a_failed_connection() {
    let clock = EagerClock::default();
    let (_nobody, url) = nobody();
    let tenant = client(&url, HuntingApi::Graph, Arc::new(clock));
    let error = tenant.apply(&revoke(), &Open).await.unwrap_err();
    assert_eq!((error.retry(), error.applied()), (Retry::Backoff, Applied::No));
    assert!(!everything(&error).contains(SECRET));
    assert!(!format!("{tenant:?}").contains(SECRET));
}

#[tokio::test]
async fn row_34_a_clock_that_is_wrong_is_named_by_the_services_own() {
    let server = Server::start(|_| {
        let refusal = json!({"error": "invalid_client", "error_codes": [700_024]});
        Reply::json(401, &refusal).header("date", "Sat, 10 Jan 2026 11:30:00 GMT")
    })
    .await;
    let (tenant, _clock) = server.client();
    let error = tenant.machine(&DEVICE.parse().unwrap()).await.unwrap_err();
    let TenantError::SignIn { refused, .. } = &error else { panic!("{error:?}") };
    assert_eq!(refused.clock_ahead, Some(SignedDuration::from_mins(30)));
}

#[tokio::test]
async fn an_identitys_token_that_the_platform_has_kept_is_not_taken_for_a_new_one() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/metadata/identity/oauth2/token" => {
            let kept = Seen { nth: 0, ..seen.clone() };
            issue(&kept, TENANT, 3599)
        }
        _ => {
            Reply::json(403, &json!({"error": {"code": "Forbidden", "message": "Missing application roles"}}))
        }
    })
    .await;
    let clock = EagerClock::default();
    let endpoint = format!("{}/metadata/identity/oauth2/token", server.url);
    let identity = ManagedIdentity { host: IdentityHost::Vm { endpoint }, which: None };
    let options = ClientOptions {
        endpoints: EndpointOverrides::under(&server.url),
        credential: Credential::Managed(identity),
        ..ClientOptions::with_secret("contoso", TENANT.parse().unwrap(), APP, Secret::new(SECRET.to_owned()))
    };
    let tenant = Client::open(options, door(Arc::new(clock.clone())), Arc::new(clock.clone())).unwrap();
    tenant.token_facts(Audience::Mde).await.unwrap();
    // Old enough for a permission to have been granted since: it is asked for again, and comes as it was.
    clock.advance(SignedDuration::from_mins(6));
    let error = tenant.machine(&DEVICE.parse().unwrap()).await.unwrap_err();
    assert!(matches!(&error, TenantError::Refused(refused) if refused.status == 403), "{error}");
    let seen = server.seen();
    let to = |path: &str| seen.iter().filter(|call| call.path.contains(path)).count();
    assert_eq!(
        (to("/metadata/"), to("/machines/")),
        (2, 1),
        "the call is not sent again with the same token"
    );
}
