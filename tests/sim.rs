//! The simulated tenant over real connections: what a client sees, and what the log says happened.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test helpers; what is missing fails the test"
)]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use huntbook::clock::{Clock as _, ManualClock, SharedClock, SystemClock};
use huntbook::model::Secret;
use huntbook::sim::{
    Apply, BODY_BYTES_MAX, CannedHunter, Duplicates, Fault, GeneratedHunter, HuntColumn, HuntFault,
    HuntTable, Reach, RetryAfterAs, Sim, SimApp, SimMachine, SimOptions, Verdict,
};
use jiff::SignedDuration;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const DEVICE: &str = "1a5c0e7b94d2f3861a5c0e7b94d2f3861a5c0e7b";
const LINUX: &str = "4d8f31aec70526b94d8f31aec70526b94d8f31ae";
const GRAPH: &str = "https://graph.microsoft.com";
const MDE: &str = "https://api.securitycenter.microsoft.com";
const XDR: &str = "https://api.security.microsoft.com";

/// A tenant, its clock, and a client with tokens for every API.
struct World {
    sim: Sim,
    clock: ManualClock,
    http: reqwest::Client,
    tokens: BTreeMap<&'static str, String>,
}

/// An answer taken apart.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("the body is JSON")
    }

    #[track_caller]
    fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    #[track_caller]
    fn refused(self, status: u16, code: &str) -> String {
        let body = self.expect(status);
        assert_eq!(body["error"]["code"], code, "{body}");
        body["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}

fn options() -> SimOptions {
    let table = HuntTable::new(
        vec![HuntColumn::new("DeviceId", "String"), HuntColumn::new("ReportId", "Int64")],
        vec![json!({"DeviceId": DEVICE, "ReportId": 9_007_199_254_740_993_i64}).as_object().unwrap().clone()],
    );
    let canned = CannedHunter::new()
        .when("DeviceProcessEvents", Ok(table))
        .when("SlowEvents", Err(HuntFault::TooSlow))
        .when("evaluate", Err(HuntFault::Unsupported("`evaluate`".to_owned())));
    let mut options = SimOptions::sample().unwrap();
    // Not the shipped data: that may change without a test noticing.
    options.data = serde_json::from_str(include_str!("fixtures/sim.json")).unwrap();
    options.hunter = Arc::new(GeneratedHunter::before(Arc::new(canned)));
    options
}

impl World {
    async fn open(options: SimOptions) -> Self {
        let clock = ManualClock::new("2026-11-20T12:00:00Z".parse().unwrap());
        let shared: SharedClock = Arc::new(clock.clone());
        let sim = Sim::start(options, shared).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut world = Self { sim, clock, http, tokens: BTreeMap::new() };
        for resource in [GRAPH, MDE, XDR] {
            let token = world.token(&[("scope", &format!("{resource}/.default"))]).await.expect(200);
            world.tokens.insert(resource, token["access_token"].as_str().unwrap().to_owned());
        }
        world
    }

    async fn sample() -> Self {
        Self::open(options()).await
    }

    /// Asks for a token; `change` replaces fields of a right request, and an empty value leaves one out.
    async fn token(&self, change: &[(&str, &str)]) -> Answer {
        let tenant =
            change.iter().find(|(key, _)| *key == "tenant").map_or(SimOptions::TENANT_ID, |(_, v)| v);
        let mut form = BTreeMap::from([
            ("grant_type", "client_credentials"),
            ("client_id", SimApp::CLIENT_ID),
            ("client_secret", SimApp::SECRET),
            ("scope", "https://graph.microsoft.com/.default"),
        ]);
        form.extend(change.iter().copied().filter(|(key, _)| *key != "tenant"));
        form.retain(|_, value| !value.is_empty());
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.sim.endpoints().login);
        self.send(self.http.post(url).form(&form)).await.unwrap()
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, text: response.text().await? })
    }

    fn request(&self, resource: &str, method: Method, path: &str) -> reqwest::RequestBuilder {
        let base = match resource {
            GRAPH => format!("{}/v1.0", self.sim.endpoints().graph),
            MDE => format!("{}/api", self.sim.endpoints().mde),
            _ => format!("{}/api", self.sim.endpoints().xdr),
        };
        self.http.request(method, format!("{base}{path}")).bearer_auth(&self.tokens[resource])
    }

    async fn get(&self, resource: &str, path: &str) -> Answer {
        self.send(self.request(resource, Method::GET, path)).await.unwrap()
    }

    async fn post(&self, resource: &str, path: &str, body: Value) -> Answer {
        self.send(self.request(resource, Method::POST, path).json(&body)).await.unwrap()
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(GRAPH, Method::PATCH, path).json(&body)).await.unwrap()
    }

    async fn isolate(&self, device: &str) -> Answer {
        let body = json!({"Comment": "run 7", "IsolationType": "Full"});
        self.post(MDE, &format!("/machines/{device}/isolate"), body).await
    }

    fn effects(&self) -> Vec<String> {
        self.sim.effects().into_iter().map(|entry| format!("{} {}", entry.effect, entry.target)).collect()
    }

    fn hook(&self, sink: &str) -> String {
        format!("{}/{sink}/soc", self.sim.endpoints().hooks)
    }
}

/// Pulls the claims out of a token without checking it.
fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let body = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_says_who_for_whom_and_what() {
    let world = World::sample().await;
    let answer = world.token(&[]).await.expect(200);
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 3599);
    let claims = claims(answer["access_token"].as_str().unwrap());
    assert_eq!(claims["aud"], GRAPH);
    assert_eq!(claims["tid"], SimOptions::TENANT_ID);
    assert_eq!(claims["appid"], SimApp::CLIENT_ID);
    assert_eq!(claims["exp"].as_i64().unwrap() - world.clock.now().as_second(), 3599);
    let roles = claims["roles"].as_array().unwrap();
    assert!(roles.contains(&json!("ThreatHunting.Read.All")) && !roles.contains(&json!("Machine.Isolate")));
    world.token(&[("tenant", "contoso.example")]).await.expect(200);
    let older = "https://securitycenter.onmicrosoft.com/windowsatpservice/.default";
    world.token(&[("scope", older)]).await.expect(200);
}

#[tokio::test]
async fn a_token_verifies_against_the_published_key() {
    let world = World::sample().await;
    let url = format!("{}/contoso.example/v2.0/.well-known/openid-configuration", world.sim.url());
    let discovery = world.send(world.http.get(url)).await.unwrap().expect(200);
    let keys = world.send(world.http.get(discovery["jwks_uri"].as_str().unwrap())).await.unwrap().expect(200);
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys).unwrap();
    let header = jsonwebtoken::decode_header(&world.tokens[GRAPH]).unwrap();
    let key = set.find(&header.kid.unwrap()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    rules.set_audience(&[GRAPH]);
    rules.set_issuer(&[discovery["issuer"].as_str().unwrap()]);
    rules.validate_exp = false;
    let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
    jsonwebtoken::decode::<Value>(&world.tokens[GRAPH], &key, &rules).unwrap();
}

#[tokio::test]
async fn the_token_endpoint_refuses_in_its_own_words() {
    let world = World::sample().await;
    let cases: &[(&str, &str, u16, &str, i64)] = &[
        ("client_secret", "wrong", 401, "invalid_client", 7_000_215),
        ("client_secret", "", 401, "invalid_client", 7_000_218),
        ("client_id", "00000000-0000-0000-0000-000000000009", 400, "unauthorized_client", 700_016),
        ("client_id", "", 400, "invalid_request", 900_144),
        ("tenant", "fabrikam.example", 400, "invalid_request", 90002),
        ("scope", "https://graph.microsoft.com/User.Read", 400, "invalid_scope", 70011),
        ("scope", "https://foo.example/.default", 400, "invalid_resource", 500_011),
        ("scope", "", 400, "invalid_request", 900_144),
        ("resource", "https://graph.microsoft.com", 400, "invalid_request", 901_002),
        ("grant_type", "password", 400, "unsupported_grant_type", 70003),
    ];
    for (field, value, status, error, code) in cases {
        let body = world.token(&[(field, value)]).await.expect(*status);
        assert_eq!(body["error"], *error, "{field}={value}");
        assert_eq!(body["error_codes"], json!([code]), "{field}={value}");
        let text = body["error_description"].as_str().unwrap();
        assert!(text.starts_with(&format!("AADSTS{code}: ")), "{text}");
        assert!(!text.contains(SimApp::SECRET) && body["correlation_id"].is_string());
    }
}

#[tokio::test]
async fn a_client_may_authenticate_with_a_basic_header() {
    let world = World::sample().await;
    let encoded: String = url::form_urlencoded::byte_serialize(SimApp::SECRET.as_bytes()).collect();
    let url = format!("{}/contoso.example/oauth2/v2.0/token", world.sim.url());
    let form = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
    let request = world.http.post(url).basic_auth(SimApp::CLIENT_ID, Some(encoded)).form(&form);
    world.send(request).await.unwrap().expect(200);
}

#[tokio::test]
async fn a_call_needs_a_token_of_the_right_kind_that_lives() {
    let world = World::sample().await;
    let url = format!("{}/api/machines", world.sim.endpoints().mde);
    let ask = async |token: &str| world.send(world.http.get(&url).bearer_auth(token)).await.unwrap();
    ask(&world.tokens[MDE]).await.expect(200);
    world.send(world.http.get(&url)).await.unwrap().refused(401, "Unauthorized");
    ask("a.b.c").await.refused(401, "Unauthorized");
    assert!(ask(&world.tokens[GRAPH]).await.refused(401, "Unauthorized").contains("audience"));
    // The last letters are the signature.
    let token = &world.tokens[MDE];
    let (head, signature) = token.rsplit_once('.').unwrap();
    let forged: String = signature.chars().rev().collect();
    ask(&format!("{head}.{forged}")).await.refused(401, "Unauthorized");

    world.clock.advance(SignedDuration::from_secs(3598));
    ask(token).await.expect(200);
    world.clock.advance(SignedDuration::from_secs(1));
    let answer = ask(token).await;
    assert!(answer.headers.contains_key("www-authenticate"));
    assert!(answer.refused(401, "Unauthorized").contains("expired"));
}

#[tokio::test]
async fn a_token_of_another_tenant_opens_nothing() {
    let world = World::sample().await;
    let mut other = options();
    other.identity.tenant_id = "99999999-9999-4999-8999-999999999999".parse().unwrap();
    let other = Sim::start(other, Arc::new(world.clock.clone())).await.unwrap();
    let url = format!("{}/api/machines", other.endpoints().mde);
    let answer = world.send(world.http.get(url).bearer_auth(&world.tokens[MDE])).await.unwrap();
    assert!(answer.refused(401, "Unauthorized").contains("tenant"));
}

#[tokio::test]
async fn every_operation_needs_its_role() {
    let mut options = options();
    options.apps[0].roles.clear();
    let world = World::open(options).await;
    for path in ["/security/incidents", "/security/alerts_v2/x", "/users/x"] {
        world.get(GRAPH, path).await.refused(403, "Forbidden");
    }
    for path in ["/machines", "/machineactions", "/indicators"] {
        world.get(MDE, path).await.refused(403, "Forbidden");
    }
    world.isolate(DEVICE).await.refused(403, "Forbidden");
    let query = json!({"Query": "DeviceProcessEvents"});
    world.post(GRAPH, "/security/runHuntingQuery", query.clone()).await.refused(403, "Forbidden");
    world.post(XDR, "/advancedhunting/run", query.clone()).await.refused(403, "Forbidden");
    world.post(GRAPH, "/users/x/revokeSignInSessions", json!({})).await.refused(403, "Forbidden");
    world.patch("/users/x", json!({"accountEnabled": false})).await.refused(403, "Forbidden");
    world.patch("/security/incidents/4101", json!({"status": "resolved"})).await.refused(403, "Forbidden");
    assert!(world.effects().is_empty());
}

#[tokio::test]
async fn hunting_answers_with_schema_and_rows() {
    let world = World::sample().await;
    let query = json!({"Query": "DeviceProcessEvents | take 1", "Timespan": "PT2H"});
    for path in [
        "/security/runHuntingQuery",
        "/security/microsoft.graph.security.runHuntingQuery",
        "//security/runHuntingQuery",
    ] {
        let body = world.post(GRAPH, path, query.clone()).await.expect(200);
        assert_eq!(body["schema"][1], json!({"name": "ReportId", "type": "Int64"}));
        assert_eq!(body["results"][0]["ReportId"], 9_007_199_254_740_993_i64);
    }
    let body =
        world.post(XDR, "/advancedhunting/run", json!({"Query": "DeviceProcessEvents"})).await.expect(200);
    assert_eq!(body["Schema"][0], json!({"Name": "DeviceId", "Type": "String"}));
    assert_eq!(body["Results"][0]["DeviceId"], DEVICE);
    assert!(body["Stats"]["resource_usage"]["cpu"]["total cpu"].is_string());
    world.post(MDE, "/advancedqueries/run", json!({"Query": "DeviceProcessEvents"})).await.expect(200);
    let requests = world.sim.requests();
    let note = requests.iter().find_map(|entry| entry.note.clone()).unwrap();
    assert_eq!(note, "DeviceProcessEvents | take 1");
}

#[tokio::test]
async fn hunting_refuses_as_the_service_does() {
    let world = World::sample().await;
    let hunt = async |body: Value| world.post(GRAPH, "/security/runHuntingQuery", body).await;
    let text = hunt(json!({"Query": "NoSuchTable | take 1"})).await.refused(400, "BadRequest");
    assert!(text.ends_with("Fix semantic errors in your query."), "{text}");
    assert_eq!(hunt(json!({"Query": "SlowEvents"})).await.refused(504, "UnknownError"), "");
    hunt(json!({"Query": "evaluate pivot(x)"})).await.refused(501, "NotImplemented");
    hunt(json!({"Query": "  "})).await.refused(400, "BadRequest");
    hunt(json!({"Query": "DeviceProcessEvents", "Timespan": "a month"})).await.refused(400, "BadRequest");
    hunt(json!([])).await.refused(400, "InvalidRequestBody");
}

#[tokio::test]
async fn queries_beyond_the_quota_are_told_when_to_come_again() {
    let world = World::open(SimOptions { hunts_per_minute: Some(2), ..options() }).await;
    let hunt =
        async || world.post(MDE, "/advancedqueries/run", json!({"Query": "DeviceProcessEvents"})).await;
    hunt().await.expect(200);
    world.clock.advance(SignedDuration::from_secs(20));
    hunt().await.expect(200);
    let refused = hunt().await;
    assert_eq!(refused.headers["retry-after"], "41");
    let text = refused.refused(429, "TooManyRequests");
    assert_eq!(text, "API calls quota exceeded! maximum allowed 2 per 00:01:00");
    world.clock.advance(SignedDuration::from_secs(41));
    hunt().await.expect(200);
}

#[tokio::test]
async fn generated_rows_come_whole() {
    let world = World::sample().await;
    let query = json!({"Query": "DeviceProcessEvents\n// generated rows\n| take 10000"});
    let answer = world.post(GRAPH, "/security/runHuntingQuery", query).await;
    assert_eq!(answer.headers["content-length"], answer.text.len().to_string());
    assert_eq!(answer.expect(200)["results"].as_array().unwrap().len(), 10_000);
}

#[tokio::test]
async fn an_isolation_goes_from_pending_to_succeeded() {
    let world = World::sample().await;
    let action = world.isolate(DEVICE).await.expect(201);
    assert_eq!((&action["type"], &action["status"]), (&json!("Isolate"), &json!("Pending")));
    assert_eq!((&action["scope"], &action["requestorComment"]), (&json!("Full"), &json!("run 7")));
    let path = format!("/machineactions/{}", action["id"].as_str().unwrap());
    let status = async || world.get(MDE, &path).await.expect(200)["status"].clone();
    assert_eq!(status().await, "Pending");
    assert_eq!(world.sim.state()["machines"][DEVICE]["isolation"], Value::Null);
    world.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(status().await, "InProgress");
    world.clock.advance(SignedDuration::from_secs(2));
    assert_eq!(status().await, "Succeeded");
    assert_eq!(world.sim.state()["machines"][DEVICE]["isolation"], "Full");
    let release = json!({"Comment": "clean"});
    world.post(MDE, &format!("/machines/{DEVICE}/unisolate"), release).await.expect(201);
    world.clock.advance(SignedDuration::from_secs(3));
    assert_eq!(world.sim.state()["machines"][DEVICE]["isolation"], Value::Null);
    assert_eq!(world.effects(), [format!("isolate {DEVICE}"), format!("unisolate {DEVICE}")]);
    assert_eq!(world.sim.effects()[0].comment.as_deref(), Some("run 7"));
    assert_eq!(world.sim.effects()[0].action.as_deref(), action["id"].as_str());
}

#[tokio::test]
async fn a_duplicate_is_refused_returned_or_queued() {
    let world = World::sample().await;
    world.isolate(DEVICE).await.expect(201);
    let text = world.isolate(DEVICE).await.refused(400, "ActiveRequestAlreadyExists");
    assert_eq!(text, "Action is already in progress");
    world.clock.advance(SignedDuration::from_secs(3));
    // The first is done: the next is another action, although the device is isolated.
    world.isolate(DEVICE).await.expect(201);
    assert_eq!(world.effects().len(), 2);

    let world = World::open(SimOptions { duplicates: Duplicates::Returned, ..options() }).await;
    let first = world.isolate(DEVICE).await.expect(201);
    assert_eq!(world.isolate(DEVICE).await.expect(201)["id"], first["id"]);
    assert_eq!(world.effects().len(), 1);

    let world = World::open(SimOptions { duplicates: Duplicates::Queued, ..options() }).await;
    let first = world.isolate(DEVICE).await.expect(201);
    assert_ne!(world.isolate(DEVICE).await.expect(201)["id"], first["id"]);
    assert_eq!(world.effects().len(), 2);
}

#[tokio::test]
async fn actions_are_checked_before_they_are_taken() {
    let world = World::sample().await;
    let act = async |path: &str, body: Value| world.post(MDE, &format!("/machines/{path}"), body).await;
    let isolate = format!("{DEVICE}/isolate");
    let full = json!({"Comment": "c", "IsolationType": "Full"});
    act(&isolate, json!({"IsolationType": "Full"})).await.refused(400, "MissingRequiredParameter");
    act(&isolate, json!({"comment": "c", "IsolationType": "Full"}))
        .await
        .refused(400, "MissingRequiredParameter");
    act(&isolate, json!({"Comment": "c"})).await.refused(400, "MissingRequiredParameter");
    act(&isolate, json!({"Comment": "c", "IsolationType": "Half"})).await.refused(400, "InvalidInput");
    act(&isolate, json!("text")).await.refused(400, "InvalidRequestBody");
    act(&format!("{}/isolate", "0".repeat(40)), full).await.refused(404, "ResourceNotFound");
    act(&format!("{DEVICE}/dance"), json!({"Comment": "c"})).await.refused(404, "ResourceNotFound");
    let selective = json!({"Comment": "c", "IsolationType": "Selective"});
    act(&format!("{LINUX}/isolate"), selective).await.refused(400, "OsPlatformNotSupported");
    let scan = json!({"Comment": "c", "ScanType": "Quick"});
    act(&format!("{LINUX}/runAntiVirusScan"), scan.clone()).await.refused(400, "OsPlatformNotSupported");
    let file = json!({"Comment": "c", "Sha1": "zz"});
    act(&format!("{DEVICE}/StopAndQuarantineFile"), file).await.refused(400, "InvalidHashValue");
    assert!(world.effects().is_empty());
    act(&format!("{DEVICE}/RUNANTIVIRUSSCAN"), scan).await.expect(201);
    assert_eq!(world.effects(), [format!("runAntiVirusScan {DEVICE}")]);
}

#[tokio::test]
async fn devices_out_of_reach_stay_pending_and_failing_ones_fail() {
    let mut options = options();
    let device = |digit: &str, reach| SimMachine {
        id: digit.repeat(40),
        computer_dns_name: format!("{digit}.contoso.example"),
        reach,
        ..SimMachine::default()
    };
    options.token_life = SignedDuration::from_hours(72);
    options.data.machines.extend([device("a", Reach::Offline), device("b", Reach::Failing)]);
    let world = World::open(options).await;
    for digit in ["a", "b"] {
        world.isolate(&digit.repeat(40)).await.expect(201);
    }
    world.clock.advance(SignedDuration::from_hours(48));
    // Newest first.
    let list = world.get(MDE, "/machineactions").await.expect(200);
    assert_eq!(list["value"][0]["status"], "Failed");
    assert_eq!(list["value"][1]["status"], "Pending");
    let id = list["value"][1]["id"].as_str().unwrap();
    let cancel = format!("/machineactions/{id}/cancel");
    let body = world.post(MDE, &cancel, json!({"Comment": "enough"})).await.expect(200);
    assert_eq!((&body["status"], &body["cancellationComment"]), (&json!("Cancelled"), &json!("enough")));
    world.post(MDE, &cancel, json!({"Comment": "again"})).await.refused(400, "BadRequest");
}

#[tokio::test]
async fn machine_actions_are_filtered() {
    let world = World::sample().await;
    world.isolate(DEVICE).await.expect(201);
    world.isolate(LINUX).await.expect(201);
    let count = async |filter: &str| {
        let request = world.request(MDE, Method::GET, "/machineactions").query(&[("$filter", filter)]);
        world.send(request).await.unwrap().expect(200)["value"].as_array().unwrap().len()
    };
    let one = format!(
        "machineId eq '{DEVICE}' and type eq 'Isolate' and (status eq 'Pending' or status eq 'InProgress')"
    );
    assert_eq!(count(&one).await, 1);
    assert_eq!(count("status eq 'Succeeded'").await, 0);
    assert_eq!(count("creationDateTimeUtc ge 2026-11-20T12:00:00Z").await, 2);
    world.get(MDE, "/machineactions?$filter=colour%20eq%20'red'").await.refused(400, "ODataError");
    world.get(MDE, "/machineactions?$fitler=x").await.refused(400, "ODataError");
}

#[tokio::test]
async fn machines_are_listed_found_and_tagged() {
    let world = World::sample().await;
    let all = world.get(MDE, "/machines").await.expect(200);
    assert_eq!(all["value"].as_array().unwrap().len(), 4);
    assert!(all["value"][0].get("reach").is_none());
    let filter = "/machines?$filter=osPlatform%20eq%20'Linux'";
    assert_eq!(world.get(MDE, filter).await.expect(200)["value"][0]["id"], LINUX);
    let machine = world.get(MDE, "/machines/WKS-014.contoso.example").await.expect(200);
    assert_eq!(machine["id"], DEVICE);
    assert_eq!(machine["lastSeen"], "2026-11-20T11:40:00.0000000Z");
    let tags = format!("/machines/{DEVICE}/tags");
    let tag = async |action: &str| world.post(MDE, &tags, json!({"Value": "hunted", "Action": action})).await;
    assert_eq!(tag("Add").await.expect(200)["machineTags"], json!(["hunted"]));
    assert_eq!(tag("Add").await.expect(200)["machineTags"], json!(["hunted"]));
    assert_eq!(tag("Remove").await.expect(200)["machineTags"], json!([]));
    tag("Paint").await.refused(400, "InvalidInput");
    world.get(MDE, "/machines/nobody").await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn an_indicator_is_one_for_each_value() {
    let world = World::sample().await;
    let indicator = |title: &str| {
        json!({"indicatorValue": "203.0.113.9", "indicatorType": "IpAddress", "action": "Block",
               "title": title, "description": "d", "severity": "High", "rbacGroupNames": ["a"]})
    };
    let first = world.post(MDE, "/indicators", indicator("one")).await.expect(200);
    let second = world.post(MDE, "/indicators", indicator("two")).await.expect(200);
    assert_eq!((&first["id"], &second["title"]), (&second["id"], &json!("two")));
    let list = world.get(MDE, "/indicators?$filter=indicatorValue%20eq%20'203.0.113.9'").await.expect(200);
    assert_eq!(list["value"].as_array().unwrap().len(), 1);
    let mut audit = indicator("x");
    audit["action"] = json!("Audit");
    world.post(MDE, "/indicators", audit).await.refused(400, "BadRequest");
    let path = format!("/indicators/{}", first["id"].as_str().unwrap());
    let delete = async || world.send(world.request(MDE, Method::DELETE, &path)).await.unwrap();
    delete().await.expect(204);
    delete().await.refused(404, "ResourceNotFound");
    let effects = ["putIndicator 203.0.113.9", "putIndicator 203.0.113.9", "deleteIndicator 203.0.113.9"];
    assert_eq!(world.effects(), effects);
}

#[tokio::test]
async fn incidents_come_newest_first_in_pages() {
    let world = World::open(SimOptions { page_size: 2, ..options() }).await;
    let mut path = "/security/incidents?$count=true".to_owned();
    let mut ids = Vec::new();
    loop {
        let page = world.get(GRAPH, &path).await.expect(200);
        assert_eq!(page["@odata.count"], 3);
        ids.extend(page["value"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["@odata.nextLink"].as_str() else { break };
        let base = format!("{}/v1.0", world.sim.endpoints().graph);
        path = next.strip_prefix(&base).expect("the next page is on the same server").to_owned();
    }
    assert_eq!(ids, ["4101", "4102", "4103"]);
}

#[tokio::test]
async fn incidents_are_filtered_and_expanded() {
    let world = World::sample().await;
    let list = async |query: &[(&str, &str)]| {
        let request = world.request(GRAPH, Method::GET, "/security/incidents").query(query);
        world.send(request).await.unwrap()
    };
    let filter = "(status eq 'active' or status eq 'inProgress') and severity eq 'high' and lastUpdateDateTime ge 2026-11-20T11:00:00Z";
    let body = list(&[("$filter", filter), ("$expand", "alerts")]).await.expect(200);
    let found = body["value"].as_array().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["alerts"][0]["evidence"][0]["mdeDeviceId"], DEVICE);
    assert_eq!(found[0]["alerts"][0]["@odata.type"], "#microsoft.graph.security.alert");
    assert_eq!(found[0]["lastUpdateDateTime"], "2026-11-20T11:25:00.0000000Z");
    assert!(found[0].get("comments").is_some());
    list(&[("$filter", "displayName eq 'x'")]).await.refused(400, "BadRequest");
    list(&[("$expand", "owners")]).await.refused(400, "BadRequest");
    list(&[("$top", "-1")]).await.refused(400, "BadRequest");
    world.get(GRAPH, "/security/incidents/1").await.refused(404, "NotFound");
    let alerts =
        world.get(GRAPH, "/security/alerts_v2?$filter=serviceSource%20eq%20'azureAdIdentityProtection'");
    assert_eq!(alerts.await.expect(200)["value"][0]["id"], "da4102a001_1");
}

#[tokio::test]
async fn new_words_are_shown_to_those_who_can_take_them() {
    let mut options = options();
    options.data.alerts[0].service_source = "microsoftSentinel".to_owned();
    options.data.alerts[0].detection_source = "scheduledAlerts".to_owned();
    let world = World::open(options).await;
    let path = "/security/alerts_v2/da4101a001_1";
    let plain = world.get(GRAPH, path).await.expect(200);
    let request = world.request(GRAPH, Method::GET, path).header("prefer", "include-unknown-enum-members");
    let told = world.send(request).await.unwrap().expect(200);
    for (name, word) in [("serviceSource", "microsoftSentinel"), ("detectionSource", "scheduledAlerts")] {
        assert_eq!((&plain[name], &told[name]), (&json!("unknownFutureValue"), &json!(word)));
    }
}

#[tokio::test]
async fn an_answer_carries_the_tenants_time() {
    let world = World::sample().await;
    assert_eq!(world.get(MDE, "/machines").await.headers["date"], "Fri, 20 Nov 2026 12:00:00 GMT");
}

#[tokio::test]
async fn a_changed_incident_is_seen_changed() {
    let world = World::sample().await;
    world.clock.advance(SignedDuration::from_mins(1));
    let body = json!({"status": "Resolved", "classification": "TruePositive", "determination": "malware",
                      "assignedTo": "soc@contoso.example", "customTags": ["triaged"]});
    let changed = world.patch("/security/incidents/4102", body).await.expect(200);
    assert_eq!(changed["classification"], "truePositive");
    let seen = world.get(GRAPH, "/security/incidents/4102").await.expect(200);
    assert_eq!((&seen["status"], &seen["customTags"]), (&json!("resolved"), &json!(["triaged"])));
    assert_eq!(seen["lastUpdateDateTime"], "2026-11-20T12:01:00.0000000Z");
    // Tags are replaced, not added.
    let body = json!({"customTags": ["other"]});
    assert_eq!(
        world.patch("/security/incidents/4102", body).await.expect(200)["customTags"],
        json!(["other"])
    );
    let first = world.get(GRAPH, "/security/incidents").await.expect(200)["value"][0]["id"].clone();
    assert_eq!(first, "4102");
    assert_eq!(world.effects(), ["updateIncident 4102", "updateIncident 4102"]);
}

#[tokio::test]
async fn a_change_that_does_not_fit_changes_nothing() {
    let world = World::sample().await;
    for body in [
        json!({"status": "redirected"}),
        json!({"status": "done"}),
        json!({"severity": 3}),
        json!({"determination": "compromisedUser"}),
        json!({"classification": "falsePositive", "determination": "malware"}),
        json!({"customTags": "x"}),
        json!({"comment": "not here"}),
        json!({"systemTags": ["x"]}),
    ] {
        world.patch("/security/incidents/4101", body).await.refused(400, "BadRequest");
    }
    world.patch("/security/incidents/7", json!({"status": "resolved"})).await.refused(404, "NotFound");
    assert!(world.effects().is_empty());
}

#[tokio::test]
async fn comments_answer_with_the_whole_list() {
    let world = World::sample().await;
    let comment =
        |text: &str| json!({"@odata.type": "microsoft.graph.security.alertComment", "comment": text});
    let path = "/security/incidents/4101/comments";
    world.post(GRAPH, path, comment("one")).await.expect(200);
    let list = world.post(GRAPH, path, comment("two")).await.expect(200);
    let texts: Vec<_> = list["value"].as_array().unwrap().iter().map(|c| c["comment"].clone()).collect();
    assert_eq!(texts, ["one", "two"]);
    world.post(GRAPH, path, comment("")).await.refused(400, "BadRequest");
    world.post(GRAPH, "/security/alerts_v2/da4101a001_1/comments", comment("three")).await.expect(200);
    assert_eq!(
        world.effects(),
        ["commentIncident 4101", "commentIncident 4101", "commentAlert da4101a001_1"]
    );
}

#[tokio::test]
async fn an_alert_is_updated() {
    let world = World::sample().await;
    let body = json!({"status": "resolved", "classification": "informationalExpectedActivity",
                      "determination": "securityTesting"});
    let alert = world.patch("/security/alerts_v2/da4101a001_1", body).await.expect(200);
    assert_eq!(
        (&alert["status"], &alert["resolvedDateTime"]),
        (&json!("resolved"), &json!("2026-11-20T12:00:00.0000000Z"))
    );
    assert_eq!(world.effects(), ["updateAlert da4101a001_1"]);
}

#[tokio::test]
async fn users_are_disabled_and_signed_out() {
    let world = World::sample().await;
    let user = "0f3a6c1e-1111-4d2b-9a40-6f1c0de10001";
    world.patch("/users/maja.berg@contoso.example", json!({"accountEnabled": false})).await.expect(204);
    let body = world.post(GRAPH, &format!("/users/{user}/revokeSignInSessions"), json!({})).await.expect(200);
    assert_eq!(body["value"], true);
    let seen = world.get(GRAPH, &format!("/users/{user}?$select=accountEnabled")).await.expect(200);
    assert_eq!(seen["accountEnabled"], false);
    assert_eq!(world.sim.state()["users"][user]["sessionsRevoked"], 1);
    world
        .patch("/users/admin.t0@contoso.example", json!({"accountEnabled": false}))
        .await
        .refused(403, "Authorization_RequestDenied");
    world
        .patch(&format!("/users/{user}"), json!({"accountEnabled": "false"}))
        .await
        .refused(400, "Request_BadRequest");
    world
        .patch("/users/nobody@contoso.example", json!({"accountEnabled": false}))
        .await
        .refused(404, "Request_ResourceNotFound");
    assert_eq!(world.effects(), [format!("disableUser {user}"), format!("revokeSessions {user}")]);
}

fn isolate_fault() -> Fault {
    Fault { times: Some(1), ..Fault::on("POST /api/machines/*/isolate") }
}

#[tokio::test]
async fn a_status_fault_says_when_to_come_again() {
    let world = World::sample().await;
    let fault = Fault { status: Some(429), retry_after: Some(7), ..isolate_fault() };
    let date = Fault { retry_after_as: RetryAfterAs::Date, ..fault.clone() };
    let body = Fault { retry_after_as: RetryAfterAs::Body, ..fault.clone() };
    world.sim.set_faults(vec![fault, date, body]).unwrap();
    let answer = world.isolate(DEVICE).await;
    assert_eq!(answer.headers["retry-after"], "7");
    answer.refused(429, "TooManyRequests");
    let answer = world.isolate(DEVICE).await;
    assert_eq!(answer.headers["retry-after"], "Fri, 20 Nov 2026 12:00:07 GMT");
    let answer = world.isolate(DEVICE).await;
    assert!(!answer.headers.contains_key("retry-after"));
    assert!(answer.refused(429, "TooManyRequests").contains("00:00:07"));
    assert!(world.effects().is_empty());
    world.isolate(DEVICE).await.expect(201);
    let log = world.sim.requests();
    let faults: Vec<_> = log.iter().rev().take(2).map(|entry| (entry.status, entry.fault.clone())).collect();
    assert_eq!(faults, [(Some(201), None), (Some(429), Some("status 429".to_owned()))]);
}

#[tokio::test]
async fn a_lost_answer_may_hide_an_effect() {
    let world = World::sample().await;
    let lost = Fault { status: Some(500), ..isolate_fault() };
    let applied = Fault { apply: Apply::Before, ..lost.clone() };
    world.sim.set_faults(vec![lost, applied]).unwrap();
    world.isolate(DEVICE).await.refused(500, "InternalServerError");
    assert!(world.effects().is_empty());
    world.isolate(DEVICE).await.refused(500, "InternalServerError");
    assert_eq!(world.effects().len(), 1);
    world.isolate(DEVICE).await.refused(400, "ActiveRequestAlreadyExists");
}

#[tokio::test]
async fn a_late_request_takes_effect_after_its_answer() {
    let world = World::sample().await;
    let late = Fault { status: Some(504), apply: Apply::After, delay_ms: 10_000, ..isolate_fault() };
    world.sim.set_faults(vec![late]).unwrap();
    world.isolate(DEVICE).await.refused(504, "UnknownError");
    assert!(world.effects().is_empty());
    let deadline = SystemClock.now() + SignedDuration::from_mins(1);
    while world.effects().is_empty() && SystemClock.now() < deadline {
        SystemClock.sleep(SignedDuration::from_millis(20)).await;
    }
    assert_eq!(world.effects(), [format!("isolate {DEVICE}")]);
    world.isolate(DEVICE).await.refused(400, "ActiveRequestAlreadyExists");
}

#[tokio::test]
async fn a_reset_gives_no_answer() {
    let world = World::sample().await;
    let lost = Fault { reset: true, ..isolate_fault() };
    world.sim.set_faults(vec![lost.clone(), Fault { apply: Apply::Before, ..lost }]).unwrap();
    let send = async || {
        let body = json!({"Comment": "c", "IsolationType": "Full"});
        let request = world.request(MDE, Method::POST, &format!("/machines/{DEVICE}/isolate")).json(&body);
        world.send(request).await
    };
    assert!(send().await.unwrap_err().is_request());
    assert!(world.effects().is_empty());
    assert!(send().await.unwrap_err().is_request());
    assert_eq!(world.effects().len(), 1);
    let log = world.sim.requests();
    assert_eq!(log.last().unwrap().status, None);
    assert_eq!(log.last().unwrap().fault.as_deref(), Some("reset, applied"));
    world.get(MDE, "/machines").await.expect(200);
}

#[tokio::test]
async fn a_cut_body_is_shorter_than_it_says() {
    let world = World::sample().await;
    world
        .sim
        .set_faults(vec![Fault { truncate: Some(100), times: Some(2), ..Fault::on("GET /api/machines") }])
        .unwrap();
    let mut response = world.request(MDE, Method::GET, "/machines").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(100 < response.content_length().unwrap());
    let mut received = 0;
    let error = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => received += chunk.len(),
            Ok(None) => unreachable!("the body must not end in order"),
            Err(error) => break error,
        }
    };
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert_eq!(received, 100);
    // A change whose answer is cut has happened.
    world.sim.set_faults(vec![Fault { truncate: Some(0), ..isolate_fault() }]).unwrap();
    let body = json!({"Comment": "c", "IsolationType": "Full"});
    let request = world.request(MDE, Method::POST, &format!("/machines/{DEVICE}/isolate")).json(&body);
    world.send(request).await.unwrap_err();
    assert_eq!(world.effects().len(), 1);
}

#[tokio::test]
async fn a_slow_answer_is_late_and_its_effect_is_not() {
    let world = World::sample().await;
    world.sim.set_faults(vec![Fault { delay_ms: 60_000, ..isolate_fault() }]).unwrap();
    let body = json!({"Comment": "c", "IsolationType": "Full"});
    let request = world.request(MDE, Method::POST, &format!("/machines/{DEVICE}/isolate")).json(&body);
    let is_done = async {
        while world.effects().is_empty() {
            SystemClock.sleep(SignedDuration::from_millis(20)).await;
        }
    };
    tokio::select! {
        answer = world.send(request) => panic!("it was to be late: {:?}", answer.map(|answer| answer.status)),
        () = is_done => {}
    }
    assert_eq!(world.effects().len(), 1);
    // The request itself is logged once the server has noticed that nobody waits.
    world.sim.stop().await;
}

#[tokio::test]
async fn a_fault_may_bring_its_own_body_and_come_by_http() {
    let world = World::sample().await;
    let url = format!("{}/_sim/faults", world.sim.url());
    let script = json!([
        {"match": "GET /graph/v1.0/security/incidents", "status": 502, "body": "<html>bad gateway</html>", "times": 1},
        {"match": "GET /graph/v1.0/security/incidents", "status": 200, "body": {"value": [{"id": 7}]}, "after": 1},
    ]);
    world.send(world.http.post(&url).json(&script)).await.unwrap().expect(204);
    let answer = world.get(GRAPH, "/security/incidents").await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (502, "<html>bad gateway</html>"));
    assert_eq!(
        world.get(GRAPH, "/security/incidents").await.expect(200)["value"].as_array().unwrap().len(),
        3
    );
    assert_eq!(world.get(GRAPH, "/security/incidents").await.expect(200)["value"][0]["id"], 7);
    let wrong =
        world.send(world.http.post(&url).json(&json!({"match": "GET /x", "stauts": 1}))).await.unwrap();
    assert_eq!(wrong.status, 400);
    assert!(wrong.text.contains("stauts"), "{}", wrong.text);
    assert_eq!(world.send(world.http.get(&url)).await.unwrap().expect(200).as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn sinks_take_what_the_services_take() {
    let world = World::sample().await;
    let post = async |sink: &str, body: Value| {
        world.send(world.http.post(world.hook(sink)).json(&body)).await.unwrap()
    };
    let card = json!({"type": "message", "attachments": [{
        "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null,
        "content": {"type": "AdaptiveCard", "version": "1.5", "body": []}}]});
    let answer = post("teams", card).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (202, ""));
    assert_eq!(post("teams", json!({"text": "old card"})).await.status, 400);
    let answer = post("slack", json!({"text": "hello"})).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "ok"));
    let answer = world.send(world.http.post(world.hook("slack")).body("text=hello")).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (400, "invalid_payload"));
    assert_eq!(post("webhook", json!({"type": "run.finished"})).await.status, 200);
    assert_eq!(post("pager", json!({})).await.status, 404);
    let seen: Vec<_> = world.sim.messages().into_iter().map(|m| (m.sink, m.verdict)).collect();
    let expected = [
        ("teams", Verdict::Taken),
        ("teams", Verdict::Malformed),
        ("slack", Verdict::Taken),
        ("slack", Verdict::Malformed),
        ("webhook", Verdict::Taken),
    ];
    assert_eq!(seen, expected.map(|(sink, verdict)| (sink.to_owned(), verdict)));
}

/// Signs a message as the Standard Webhooks page does.
fn signature(key: &[u8], id: &str, time: i64, body: &str) -> String {
    use base64::Engine as _;
    use hmac::{KeyInit as _, Mac as _};
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{id}.{time}.{body}").as_bytes());
    format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn a_webhook_with_a_secret_checks_signatures() {
    let mut options = options();
    // Base64 of the key below.
    let secret = Secret::new("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz".to_owned());
    options.hook_secrets.insert("soc".to_owned(), secret);
    let world = World::open(options).await;
    let key = b"012345678901234567890123";
    let now = world.clock.now().as_second();
    let body = r#"{"type":"run.finished"}"#;
    let send = async |time: i64, signature: Option<String>| {
        let mut request = world.http.post(world.hook("webhook")).header("webhook-id", "m1").body(body);
        request = request.header("webhook-timestamp", time);
        if let Some(signature) = signature {
            request = request.header("webhook-signature", signature);
        }
        let status = world.send(request).await.unwrap().status.as_u16();
        (status, world.sim.messages().last().unwrap().verdict)
    };
    assert_eq!(send(now, None).await, (401, Verdict::Unsigned));
    assert_eq!(send(now, Some(signature(key, "m1", now, body))).await, (200, Verdict::Signed));
    let rotated = format!("v1,AAAA {}", signature(key, "m1", now, body));
    assert_eq!(send(now, Some(rotated)).await, (200, Verdict::Signed));
    assert_eq!(send(now, Some(signature(key, "m2", now, body))).await, (401, Verdict::Forged));
    assert_eq!(send(now - 301, Some(signature(key, "m1", now - 301, body))).await, (401, Verdict::Stale));
}

/// A sink that a test can read while the server writes.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_tells_everything_and_no_secret() {
    let sink = Shared::default();
    let mut options = options();
    options.log_to = Some(Box::new(sink.clone()));
    let world = World::open(options).await;
    world.isolate(DEVICE).await.expect(201);
    world
        .send(world.http.post(world.hook("slack")).bearer_auth("s3cr3t").json(&json!({"text": "x"})))
        .await
        .unwrap();
    let url = format!("{}/_sim/log", world.sim.url());
    let served = world.send(world.http.get(url)).await.unwrap().text;
    let written = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    assert_eq!(served, written);
    let kinds: Vec<_> = served
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["request", "request", "request", "effect", "request", "message", "request"]);
    let call = world.sim.requests().into_iter().find(|entry| entry.path.ends_with("isolate")).unwrap();
    assert_eq!(
        (call.method.as_str(), call.status, call.app.as_deref()),
        ("POST", Some(201), Some(SimApp::CLIENT_ID))
    );
    assert_eq!(call.seq, world.sim.effects()[0].seq);
    assert!(0 < call.bytes);
    for secret in [SimApp::SECRET, "s3cr3t", &world.tokens[MDE]] {
        assert!(!served.contains(secret));
    }
}

#[tokio::test]
async fn hostile_requests_are_refused_and_change_nothing() {
    let world = World::sample().await;
    let big = "x".repeat(BODY_BYTES_MAX + 1);
    let request = world.request(MDE, Method::POST, &format!("/machines/{DEVICE}/isolate")).body(big);
    // The server may stop reading before the client stops writing.
    if let Ok(answer) = world.send(request).await {
        assert_eq!(answer.status, 413);
    }
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let request = world.request(GRAPH, Method::POST, "/security/runHuntingQuery").body(nested);
    world.send(request).await.unwrap().refused(400, "InvalidRequestBody");
    let deep = format!("/security/incidents?$filter={}", "(".repeat(5000));
    world.get(GRAPH, &deep).await.refused(400, "BadRequest");
    for path in ["/machines/..%2F..%2Fusers/isolate", "/machines/%00%ff/isolate", "/machines/%", "/%2e%2e/x"]
    {
        let answer = world.post(MDE, path, json!({"Comment": "c", "IsolationType": "Full"})).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let script = world.http.post(format!("{}/_sim/faults", world.sim.url())).body("{");
    assert_eq!(world.send(script).await.unwrap().status, 400);
    assert!(world.effects().is_empty());
    world.get(MDE, "/machines").await.expect(200);
}

#[tokio::test]
async fn a_stopped_tenant_does_not_answer() {
    let world = World::sample().await;
    let url = world.sim.url().to_owned();
    world.sim.stop().await;
    assert!(world.http.get(&url).send().await.unwrap_err().is_connect());

    let world = World::sample().await;
    let url = world.sim.url().to_owned();
    drop(world.sim);
    // The connection of the client is cut; a new one is refused as soon as the server's task is gone.
    assert!(world.http.get(&url).send().await.is_err());
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let world = World::sample().await;
    let port = url::Url::parse(world.sim.url()).unwrap().port().unwrap();
    let clock: SharedClock = Arc::new(world.clock.clone());
    let error = Sim::start(SimOptions { port, ..options() }, clock).await.unwrap_err();
    assert_eq!(error.to_string(), format!("opening port {port} on the loopback address"));
}
