//! The test bench: a server that answers by a script and remembers what it was asked, and a client of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use bytes::Bytes;
use huntbook::clock::SharedClock;
use huntbook::http::{Http, HttpOptions};
use huntbook::model::Secret;
use huntbook::tenant::{Client, ClientOptions, EndpointOverrides, HuntingApi};
use serde_json::{Value, json};
use tokio::task::JoinSet;

pub(crate) use crate::eager::EagerClock;

pub(crate) const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub(crate) const APP: &str = "99999999-8888-7777-6666-555555555555";
pub(crate) const SECRET: &str = "s3cret~value+with/signs";
pub(crate) const DEVICE: &str = "aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11";
pub(crate) const ACTION: &str = "5e1ec7ed-0000-4000-8000-00000000ac71";

/// A request the server has seen.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Decoded, in order.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// How many with this method and path came before.
    pub(crate) nth: usize,
}

impl Seen {
    /// `GET /path`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    delay: Duration,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, body.to_string()).header("content-type", "application/json")
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) const fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

struct Desk {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
}

/// A server on loopback.
pub(crate) struct Server {
    pub(crate) url: String,
    desk: Arc<Desk>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let desk = Arc::new(Desk { script: Box::new(script), seen: Mutex::default() });
        let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&desk));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, desk, _tasks: tasks }
    }

    /// A server that issues tokens, and answers everything else by the script.
    pub(crate) async fn tenant(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(move |seen| {
            if seen.path.ends_with("/oauth2/v2.0/token") {
                return issue(seen, TENANT, 3599);
            }
            assert!(seen.header("authorization").is_some_and(|text| text.starts_with("Bearer ")));
            script(seen)
        })
        .await
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.desk.seen.lock().unwrap().clone()
    }

    /// All requests but those for tokens.
    pub(crate) fn calls(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| !seen.path.ends_with("/token")).collect()
    }

    /// Number of token requests.
    pub(crate) fn token_requests(&self) -> usize {
        self.seen().len() - self.calls().len()
    }

    /// A client of this server, and its clock.
    pub(crate) fn client(&self) -> (Client, EagerClock) {
        self.client_with(HuntingApi::Graph)
    }

    pub(crate) fn client_with(&self, hunting: HuntingApi) -> (Client, EagerClock) {
        let clock = EagerClock::default();
        (client(&self.url, hunting, Arc::new(clock.clone())), clock)
    }
}

pub(crate) fn client(url: &str, hunting: HuntingApi, clock: SharedClock) -> Client {
    let at = || Some(url.to_owned());
    let options = ClientOptions {
        endpoints: EndpointOverrides { login: at(), graph: at(), mde: at(), xdr: at() },
        hunting,
        ..ClientOptions::with_secret("contoso", TENANT.parse().unwrap(), APP, Secret::new(SECRET.to_owned()))
    };
    Client::open(options, door(Arc::clone(&clock)), clock).unwrap()
}

/// The HTTP door with a fixed seed.
pub(crate) fn door(clock: SharedClock) -> Http {
    Http::open(HttpOptions { seed: Some(7), ..HttpOptions::default() }, clock).unwrap()
}

/// A token of the tenant `tid`; each is another one.
pub(crate) fn issue(seen: &Seen, tid: &str, expires_in: i64) -> Reply {
    let part = |value: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({"alg": "none"}));
    let claims = part(json!({"tid": tid, "appid": APP, "aud": "x", "roles": ["B", "A"], "n": seen.nth}));
    let token = format!("{head}.{claims}.{}", seen.nth);
    let body = json!({"token_type": "Bearer", "expires_in": expires_in, "access_token": token});
    Reply::json(200, &body)
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 16 << 20).await.unwrap();
    let query = head.uri.query().unwrap_or_default();
    let mut seen = Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: head.headers,
        body,
        nth: 0,
    };
    {
        let mut log = desk.seen.lock().unwrap();
        seen.nth = log.iter().filter(|other| other.line() == seen.line()).count();
        log.push(seen.clone());
    }
    let reply = (desk.script)(&seen);
    tokio::time::sleep(reply.delay).await;
    let mut response = (StatusCode::from_u16(reply.status).unwrap(), reply.body).into_response();
    for (name, value) in reply.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// Everything an error shows, its causes and its `Debug` included.
pub(crate) fn everything(error: &(dyn std::error::Error + 'static)) -> String {
    format!("{} {error:?}", huntbook::diag::Chain(error))
}
