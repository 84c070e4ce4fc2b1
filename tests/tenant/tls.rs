//! TLS, HTTP/2 and the proxy.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use huntbook::http::{Address, Applied, Http, HttpError, HttpOptions, Limits, Repeat, Request};
use huntbook::model::Secret;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};

use crate::bench::{EagerClock, everything};

/// A server with a certificate from an authority of its own.
struct Tls {
    port: String,
    authority: Vec<u8>,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
    _folder: tempfile::TempDir,
}

impl Tls {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = certificates(folder.path());
        let mut child = Command::new("node")
            .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/node/https.mjs"))
            .args([folder.path().join("server.pem"), folder.path().join("server.key")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("node does not start ({error}): run `bash tests/setup`"));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("the server ended at once"));
        Self { port, authority, lines, _child: child, _folder: folder }
    }

    fn get(&self, path: &str) -> Request {
        Request::get(Address::parse(&format!("https://localhost:{}/{path}", self.port)).unwrap())
    }

    async fn line(&mut self) -> String {
        self.lines.next_line().await.unwrap().unwrap()
    }
}

/// Makes an authority and a certificate for this machine; returns the authority's.
fn certificates(folder: &Path) -> Vec<u8> {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&key, &authority).unwrap();
    std::fs::write(folder.join("server.pem"), server.pem()).unwrap();
    std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    authority.pem().into_bytes()
}

fn open(options: HttpOptions) -> Result<Http, HttpError> {
    Http::open(options, Arc::new(EagerClock::default()))
}

#[tokio::test]
async fn a_trusted_server_is_spoken_to_in_http_2() {
    let mut server = Tls::start().await;
    let http = open(HttpOptions { extra_ca: server.authority.clone(), ..HttpOptions::default() }).unwrap();
    for repeat in [Repeat::Safe, Repeat::Unsafe] {
        let answer = http.send(&server.get("x"), repeat, &Limits::default()).await.unwrap();
        assert_eq!(answer.body, "2.0");
        assert_eq!(server.line().await, "GET /x 2.0");
    }
    let error = http.send(&server.get("cut"), Repeat::Never, &Limits::default()).await.unwrap_err();
    assert!(matches!(error, HttpError::Cut { .. }), "{error:?}");
    assert_eq!(server.line().await, "GET /cut 2.0");
}

#[tokio::test]
async fn row_20_the_library_repeats_nothing_behind_our_back() {
    let mut server = Tls::start().await;
    let http = open(HttpOptions { extra_ca: server.authority.clone(), ..HttpOptions::default() }).unwrap();
    for repeat in [Repeat::Never, Repeat::Unsafe] {
        let error = http.send(&server.get("refused"), repeat, &Limits::default()).await.unwrap_err();
        assert!(matches!(error, HttpError::Lost { .. }), "{error:?}");
        assert_eq!(server.line().await, "GET /refused 2.0");
    }
    http.send(&server.get("after"), Repeat::Safe, &Limits::default()).await.unwrap();
    assert_eq!(server.line().await, "GET /after 2.0");
}

#[tokio::test]
async fn an_unknown_authority_is_refused_before_anything_is_sent() {
    let server = Tls::start().await;
    let other = tempfile::tempdir().unwrap();
    for extra_ca in [Vec::new(), certificates(other.path())] {
        let http = open(HttpOptions { extra_ca, ..HttpOptions::default() }).unwrap();
        let error = http.send(&server.get("x"), Repeat::Unsafe, &Limits::default()).await.unwrap_err();
        assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
        assert_eq!(error.applied(), Applied::No);
        assert!(everything(&error).contains("certificate"), "{}", everything(&error));
    }
}

#[tokio::test]
async fn options_that_cannot_be_used_are_refused_at_once() {
    for extra_ca in ["not a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let options = HttpOptions { extra_ca: extra_ca.into(), ..HttpOptions::default() };
        let opened = open(options).map(|http| {
            // A certificate that is PEM and nothing else shows when the first client is made.
            (http, Request::get(Address::parse("https://localhost:1").unwrap()))
        });
        let error = match opened {
            Ok((http, request)) => http.send(&request, Repeat::Never, &Limits::default()).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(matches!(error, HttpError::Options { .. }), "{error:?}");
    }
    let proxy = Some(Secret::new("http://s3cret:s3cret@[".to_owned()));
    let error = open(HttpOptions { proxy, ..HttpOptions::default() }).unwrap_err();
    assert!(!everything(&error).contains("s3cret"), "{}", everything(&error));
}

#[tokio::test]
async fn the_proxy_is_for_other_machines_only_and_its_password_is_not_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let proxy = Some(Secret::new(format!("http://dana:s3cret@127.0.0.1:{port}")));
    let http = open(HttpOptions { proxy, ..HttpOptions::default() }).unwrap();
    let request = Request::get(Address::parse("https://graph.contoso.example/x").unwrap());
    let limits = Limits::default();
    let asked = async {
        let (mut stream, _peer) = listener.accept().await.unwrap();
        let mut head = vec![0; 1024];
        let read = stream.read(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        String::from_utf8_lossy(&head[..read]).into_owned()
    };
    let (sent, asked) = tokio::join!(http.send(&request, Repeat::Never, &limits), asked);
    assert!(asked.starts_with("CONNECT graph.contoso.example:443 "), "{asked}");
    let error = sent.unwrap_err();
    assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
    let shown = format!("{} {http:?}", everything(&error));
    assert!(!shown.contains("s3cret"), "{shown}");

    let server = crate::bench::Server::start(|_| crate::bench::Reply::new(200, "direct")).await;
    let request = Request::get(Address::parse(&server.url).unwrap());
    assert_eq!(http.send(&request, Repeat::Safe, &limits).await.unwrap().body, "direct");
}
