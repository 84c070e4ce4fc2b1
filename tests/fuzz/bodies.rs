//! What a tenant answers.

use std::io;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use bytes::Bytes;
use http::{Request, Response};
use huntbook::http::{Http, HttpOptions, Open, Pieces, Wire};
use huntbook::model::{Row, Secret, Wanted};
use huntbook::rows::{Answer, DecodeError, Decoder, Flow, Limits};
use huntbook::tenant::{
    AlertQuery, Client, ClientOptions, HuntLimits, HuntQuery, IncidentQuery, Indicator, IndicatorAction,
    IndicatorType, IndicatorValue, IsolationType, Operation, Tenant as _, TenantError,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::eager::EagerClock;
use crate::reader::assert_harmless;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const DEVICE: &str = "aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11";
const ACTION: &str = "5e1ec7ed-0000-4000-8000-00000000ac71";
/// Statuses an answer comes with, by its length.
const STATUSES: [u16; 8] = [200, 200, 200, 400, 403, 404, 429, 500];
/// Pages and items one list may take here.
const MAX: usize = 6;

/// Gives the bytes as the answer to every call there is, and to a hunting query in pieces. Each ends with a value or an
/// error that is fit to be shown; a hunting answer says the same however it is cut.
pub(crate) fn check(body: &[u8]) {
    check_rows(body);
    let status = STATUSES[body.len() % STATUSES.len()];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(ask(status, Bytes::copy_from_slice(body)));
}

fn check_rows(body: &[u8]) {
    let whole = decode(body.chunks(body.len().max(1)));
    let cut = decode(body.chunks(body.len() % 7 + 1));
    assert_eq!(cut, whole, "cut otherwise");
    let (Ok(answer), rows) = whole else { return };
    assert_eq!(answer.rows, rows.len() as u64);
    // Whoever parses all of it at once finds as many.
    let Ok(Value::Object(all)) = serde_json::from_slice::<Value>(body) else { return };
    let mut results = all.iter().filter(|(name, _value)| name.eq_ignore_ascii_case("results"));
    if let (Some((_name, Value::Array(listed))), None) = (results.next(), results.next()) {
        let doubled = body.windows(9).filter(|text| text.eq_ignore_ascii_case(b"\"results\"")).count() != 1;
        assert!(doubled || answer.rows + answer.quarantined == listed.len() as u64, "{answer:?}");
    }
}

fn decode<'b>(chunks: impl Iterator<Item = &'b [u8]>) -> (Result<Answer, DecodeError>, Vec<Row>) {
    let mut decoder =
        Decoder::new(Wanted::All, Limits { row_bytes_max: 4096, depth_max: 8, ..Limits::default() });
    let mut rows = Vec::new();
    for chunk in chunks {
        let fed = decoder.feed(chunk, &mut |row| {
            rows.push(row.to_row());
            Flow::Continue
        });
        if let Err(error) = fed {
            return (Err(error), rows);
        }
    }
    (decoder.finish(), rows)
}

/// A wire on which tokens are issued, and everything else has one answer.
#[derive(Debug)]
struct Same {
    status: u16,
    body: Bytes,
    asked: Mutex<u32>,
}

#[async_trait]
impl Wire for Same {
    async fn carry(&self, request: Request<Bytes>) -> io::Result<Response<Pieces>> {
        let (status, body) = if request.uri().path().ends_with("/token") {
            (200, Bytes::from(token().to_string()))
        } else {
            *self.asked.lock().expect("nobody panics with it") += 1;
            (self.status, self.body.clone())
        };
        let answer = Response::builder().status(status).header("content-type", "application/json");
        Ok(answer.body(vec![Ok(body)]).expect("an answer"))
    }
}

fn token() -> Value {
    let part = |value: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = part(json!({"tid": TENANT, "appid": TENANT, "aud": "x", "roles": []}));
    let token = format!("{}.{claims}.x", part(json!({"alg": "none"})));
    json!({"token_type": "Bearer", "expires_in": 3599, "access_token": token})
}

async fn ask(status: u16, body: Bytes) {
    let clock = Arc::new(EagerClock::default());
    let wire = Arc::new(Same { status, body, asked: Mutex::default() });
    let options = HttpOptions { seed: Some(7), wire: Some(Arc::clone(&wire) as _), ..HttpOptions::default() };
    let http = Http::open(options, clock.clone()).expect("a door");
    let secret = Secret::new("s3cret".to_owned());
    let options = ClientOptions::with_secret("contoso", TENANT.parse().expect("an id"), TENANT, secret);
    let client = Client::open(options, http, clock).expect("a client");
    for (call, error) in errors(&client).await {
        assert_harmless(call, &huntbook::diag::Chain(&error).to_string());
    }
    assert!(*wire.asked.lock().expect("nobody panics with it") < 500, "it asks for ever");
}

/// Makes every call, and keeps how each failed.
async fn errors(client: &Client) -> Vec<(&'static str, TenantError)> {
    let (device, action) = (DEVICE.parse().expect("an id"), ACTION.parse().expect("an id"));
    let query = HuntQuery { query: "T".to_owned(), timespan: None };
    let hunted = client.hunt(&query, &Wanted::All, &HuntLimits::default(), &mut |_row| Flow::Continue).await;
    let incidents = IncidentQuery { incidents_max: MAX, pages_max: MAX, ..IncidentQuery::default() };
    let since = AlertQuery {
        updated_after: Some("2026-01-10T11:00:00Z".parse().expect("a time")),
        alerts_max: MAX,
        pages_max: MAX,
        ..AlertQuery::default()
    };
    let isolation = Operation::IsolateDevice {
        device: DEVICE.parse().expect("an id"),
        isolation_type: IsolationType::Full,
        comment: "x".to_owned(),
    };
    let named = [
        ("hunt", hunted.err()),
        ("schema", client.hunt_schema().await.err()),
        ("incidents", client.incidents(&incidents).await.err()),
        ("alerts", client.alerts(&since).await.err()),
        ("incident", client.incident(&"1".parse().expect("an id")).await.err()),
        ("final incident", client.final_incident(&"1".parse().expect("an id")).await.err()),
        ("alert", client.alert(&"1".parse().expect("an id")).await.err()),
        ("machine", client.machine(&device).await.err()),
        ("machine action", client.machine_action(&action).await.err()),
        ("machine actions", client.machine_actions(&device, Timestamp::UNIX_EPOCH).await.err()),
        ("package", client.package(&action).await.err()),
        ("user", client.user(&TENANT.parse().expect("an id")).await.err()),
        ("indicators", client.shows(&[indicator()]).await.err()),
        ("in force", client.in_force(&isolation).await.err()),
        ("isolate", client.apply(&isolation, &Open).await.err()),
        ("add indicators", client.add_indicators(&[indicator()], &Open).await.err()),
    ];
    named.into_iter().filter_map(|(call, error)| Some((call, error?))).collect()
}

fn indicator() -> Indicator {
    Indicator {
        indicator_value: IndicatorValue::parse(IndicatorType::DomainName, "evil.example").expect("a domain"),
        indicator_type: IndicatorType::DomainName,
        action: IndicatorAction::Block,
        title: "x".to_owned(),
        description: "x".to_owned(),
        severity: None,
        recommended_actions: None,
        expiration_time: None,
        generate_alert: false,
        rbac_group_names: Vec::new(),
    }
}
