//! Everything that goes to the simulated tenant passes here: it is remembered, and answered in a hostile way if that is
//! wanted: with what was sent.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING,
};
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Who repeats what it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Repeats {
    #[default]
    Nobody,
    /// The authority, and whoever stands for one.
    Authority,
    /// The services, the receivers of messages and the mail server.
    Services,
}

#[derive(Debug, Default)]
struct Seen {
    /// Requests as they came.
    bytes: Vec<u8>,
    /// What was issued: by the name in the answer.
    issued: Vec<(String, String)>,
    repeats: Repeats,
}

/// The way to a simulated tenant, and a mail server.
pub(crate) struct Tap {
    pub(crate) url: String,
    pub(crate) mail_port: u16,
    seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

#[derive(Clone)]
struct Way {
    to: String,
    http: reqwest::Client,
    seen: Arc<Mutex<Seen>>,
}

impl Tap {
    pub(crate) async fn open(to: &str) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_gzip();
        let way = Way { to: to.to_owned(), http: http.build().unwrap(), seen: Arc::clone(&seen) };
        let (listener, mail) =
            (TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await);
        let (listener, mail) = (listener.unwrap(), mail.unwrap());
        let (url, mail_port) =
            (format!("http://{}", listener.local_addr().unwrap()), mail.local_addr().unwrap().port());
        let mut tasks = JoinSet::new();
        let app = Router::new().fallback(pass).with_state(way);
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        let of_mail = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = mail.accept().await {
                open.spawn(receive(stream, Arc::clone(&of_mail)));
            }
        });
        Self { url, mail_port, seen, _tasks: tasks }
    }

    pub(crate) fn repeats(&self, who: Repeats) {
        self.seen.lock().unwrap().repeats = who;
    }

    /// What was sent so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen.lock().unwrap().bytes.clone()
    }

    /// What was issued so far under a name.
    pub(crate) fn issued(&self, name: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.issued.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }
}

/// Where the page's OpenID provider is.
pub(crate) const OPEN_ID: &str = "/open-id";

/// The names under which secrets are issued.
const ISSUED: [&str; 4] = ["access_token", "refresh_token", "device_code", "value"];

async fn pass(State(way): State<Way>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 16 << 20).await.unwrap();
    let repeats = {
        let mut seen = way.seen.lock().unwrap();
        seen.bytes
            .extend_from_slice(format!("{} {}\n{:?}\n", parts.method, parts.uri, parts.headers).as_bytes());
        for value in parts.headers.values() {
            seen.bytes.extend_from_slice(value.as_bytes());
        }
        seen.bytes.extend_from_slice(&body);
        seen.repeats
    };
    if let Some(answer) = provider(&parts).or_else(|| hostile(repeats, &parts, &body)) {
        return answer;
    }
    let mut headers = parts.headers.clone();
    for name in [ACCEPT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let sent = way.http.request(parts.method, format!("{}{}", way.to, parts.uri)).headers(headers).body(body);
    let answer = sent.send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    let ours =
        answer.headers().iter().filter(|(name, _)| **name != CONTENT_LENGTH && **name != TRANSFER_ENCODING);
    for (name, value) in ours {
        response = response.header(name, value);
    }
    let bytes = answer.bytes().await.unwrap();
    if let Ok(told) = serde_json::from_slice::<Value>(&bytes) {
        let found =
            ISSUED.iter().filter_map(|name| Some(((*name).to_owned(), told[*name].as_str()?.to_owned())));
        way.seen.lock().unwrap().issued.extend(found);
    }
    response.body(Body::from(bytes)).unwrap()
}

/// What the page's provider says of itself. What it is asked for beside that it repeats.
fn provider(parts: &Parts) -> Option<Response> {
    let rest = parts.uri.path().strip_prefix(OPEN_ID)?;
    let host = parts.headers.get(HOST)?.to_str().ok()?;
    let issuer = format!("http://{host}{OPEN_ID}");
    let told = match rest {
        "/.well-known/openid-configuration" => json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
        }),
        "/keys" => json!({"keys": []}),
        _ => return None,
    };
    Some(
        Response::builder()
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(told.to_string()))
            .unwrap(),
    )
}

/// An answer that holds all that was sent.
fn hostile(repeats: Repeats, parts: &Parts, body: &Bytes) -> Option<Response> {
    let path = parts.uri.path();
    let is_authority = ["/token", "/devicecode", "/msi/token"].iter().any(|end| path.ends_with(end));
    let of = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let all = || {
        let form: Vec<String> =
            url::form_urlencoded::parse(body).map(|(name, value)| format!("{name}={value}")).collect();
        format!(
            "{} {} {} {} {}",
            parts.uri,
            of("x-identity-header"),
            form.join(" "),
            of("webhook-signature"),
            parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default(),
        )
    };
    let (status, body) = match repeats {
        _ if path.starts_with(OPEN_ID) => {
            (401, json!({"error": "invalid_client", "error_description": all()}))
        }
        Repeats::Authority if is_authority => {
            (401, json!({"error": "invalid_client", "error_description": format!("no way in for {}", all())}))
        }
        Repeats::Services if !is_authority => {
            (403, json!({"error": {"code": "Forbidden", "message": format!("not with {}", all())}}))
        }
        _ => return None,
    };
    Some(Response::builder().status(status).body(Body::from(body.to_string())).unwrap())
}

/// A proxy that lets nobody through, and repeats what it was sent.
pub(crate) struct Barrier {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<u8>>>,
    _tasks: JoinSet<()>,
}

impl Barrier {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (mut tasks, all) = (JoinSet::new(), Arc::clone(&asked));
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(refuse(stream, Arc::clone(&all)));
            }
        });
        Self { url, asked, _tasks: tasks }
    }

    /// What it was sent.
    pub(crate) fn asked(&self) -> Vec<u8> {
        self.asked.lock().unwrap().clone()
    }
}

async fn refuse(stream: TcpStream, asked: Arc<Mutex<Vec<u8>>>) {
    let mut stream = BufReader::new(stream);
    let mut said = String::new();
    loop {
        let mut line = String::new();
        if !matches!(stream.read_line(&mut line).await, Ok(length) if 0 < length) || line == "\r\n" {
            break;
        }
        said.push_str(&line);
    }
    asked.lock().unwrap().extend_from_slice(said.as_bytes());
    let repeated = said.replace("\r\n", " ").replace('"', "");
    let answer = format!(
        "HTTP/1.1 407 not with {repeated}\r\nproxy-authenticate: Basic realm=\"{repeated}\"\r\ncontent-length: 0\r\n\r\n"
    );
    // Who does not listen may be gone.
    drop(stream.write_all(answer.as_bytes()).await);
}

/// A mail server that takes every login, or repeats it.
async fn receive(stream: TcpStream, seen: Arc<Mutex<Seen>>) {
    let mut stream = BufReader::new(stream);
    let mut answer = "220 mail.contoso.example\r\n".to_owned();
    let mut in_mail = false;
    loop {
        if !answer.is_empty() && stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        let mut line = String::new();
        if !matches!(stream.read_line(&mut line).await, Ok(length) if 0 < length) {
            return;
        }
        let repeats = {
            let mut seen = seen.lock().unwrap();
            seen.bytes.extend_from_slice(line.as_bytes());
            seen.repeats
        };
        if in_mail {
            in_mail = line != ".\r\n";
            answer = if in_mail { String::new() } else { "250 taken\r\n".to_owned() };
            continue;
        }
        let word = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        answer = match word.as_str() {
            "EHLO" => "250-mail.contoso.example\r\n250 AUTH PLAIN\r\n".to_owned(),
            "AUTH" if repeats == Repeats::Services => format!("535 5.7.8 who is {}\r\n", line.trim()),
            "AUTH" => "235 welcome\r\n".to_owned(),
            "DATA" => {
                in_mail = true;
                "354 go on\r\n".to_owned()
            }
            "QUIT" => "221 bye\r\n".to_owned(),
            _ => "250 fine\r\n".to_owned(),
        };
    }
}
