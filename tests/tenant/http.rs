//! The HTTP door.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use huntbook::http::{Address, Applied, Http, HttpError, Limits, Open, Repeat, Request, Retry};
use huntbook::model::Secret;
use jiff::SignedDuration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::bench::{EagerClock, Reply, Server, door, everything};
use crate::nobody::nobody;

fn setup() -> (Http, EagerClock) {
    let clock = EagerClock::default();
    (door(Arc::new(clock.clone())), clock)
}

fn get(url: &str) -> Request {
    Request::get(Address::parse(url).unwrap())
}

/// What is written to a connection, by its number, and the pause after each piece.
type Pieces = fn(usize) -> Vec<(&'static str, Duration)>;

/// A server that writes bytes of its own choice to each connection, by number, once the head of a
/// request has arrived; then it closes.
struct Raw {
    url: String,
    connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Raw {
    async fn start(pieces: Pieces) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _peer) = listener.accept().await.unwrap();
                let number = counter.fetch_add(1, Ordering::SeqCst);
                open.spawn(async move { drop(serve(stream, pieces(number)).await) });
            }
        });
        Self { url, connections, _tasks: tasks }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Gives the connection back if it still stands.
async fn serve(mut stream: TcpStream, pieces: Vec<(&'static str, Duration)>) -> Option<TcpStream> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read_buf(&mut head).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
    for (piece, pause) in pieces {
        stream.write_all(piece.as_bytes()).await.ok()?;
        tokio::time::sleep(pause).await;
    }
    Some(stream)
}

const NOW: Duration = Duration::ZERO;
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

#[tokio::test]
async fn row_15_throttling_is_waited_out_as_long_as_the_answer_says() {
    let server = Server::start(|seen| match seen.nth {
        0 => Reply::new(429, "").header("retry-after", "23"),
        1 => Reply::new(429, "").header("retry-after", "Sat, 10 Jan 2026 12:02:00 GMT"),
        2 => Reply::new(429, r#"{"error":{"message":"You can run queries again in 9 minutes."}}"#),
        3 => Reply::new(429, "no hint"),
        _ => Reply::new(200, "done"),
    })
    .await;
    let (http, clock) = setup();
    let answer = http.send(&get(&server.url), Repeat::Safe, &Limits::default()).await.unwrap();
    assert_eq!(answer.body, "done");
    let waits = clock.waits();
    let seconds: Vec<f64> = waits.iter().map(SignedDuration::as_secs_f64).collect();
    assert_eq!(seconds.len(), 4);
    let within = |index: usize, least: f64, most: f64| {
        let wait = seconds[index];
        assert!((least..=most).contains(&wait), "{index}: {seconds:?}");
    };
    within(0, 23.0, 25.3);
    // The date counts from when it was read, after the first wait.
    within(1, 94.0, 107.0);
    within(2, 540.0, 594.0);
    within(3, 0.0, 16.0);
}

#[tokio::test]
async fn row_18_a_server_error_is_repeated_for_reads_and_never_for_writes() {
    for status in [500, 502, 503] {
        let server = Server::start(move |seen| Reply::new(if seen.nth < 2 { status } else { 200 }, "")).await;
        let (http, clock) = setup();
        assert!(http.send(&get(&server.url), Repeat::Safe, &Limits::default()).await.is_ok());
        assert_eq!(clock.waits().len(), 2);

        let server = Server::start(move |_| Reply::new(status, "").header("retry-after", "1")).await;
        let (http, clock) = setup();
        let post = Request::post(Address::parse(&server.url).unwrap());
        let error = http.send(&post, Repeat::Unsafe, &Limits::default()).await.unwrap_err();
        assert_eq!(error.applied(), Applied::Unknown);
        assert_eq!(error.retry(), Retry::After(SignedDuration::from_secs(1)));
        assert_eq!((server.seen().len(), clock.waits().len()), (1, 0));
    }
}

#[tokio::test]
async fn a_throttled_write_is_repeated_because_it_was_not_applied() {
    let server = Server::start(|seen| Reply::new(if seen.nth == 0 { 429 } else { 201 }, "")).await;
    let (http, _clock) = setup();
    let post = Request::post(Address::parse(&server.url).unwrap());
    assert_eq!(http.send(&post, Repeat::Unsafe, &Limits::default()).await.unwrap().status, 201);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn patience_has_an_end() {
    let server = Server::start(|_| Reply::new(503, "")).await;
    let (http, _clock) = setup();
    let error = http.send(&get(&server.url), Repeat::Safe, &Limits::default()).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().status, 503);
    assert_eq!(server.seen().len(), 5);

    let server = Server::start(|_| Reply::new(429, "").header("retry-after", "7200")).await;
    let (http, clock) = setup();
    let error = http.send(&get(&server.url), Repeat::Safe, &Limits::default()).await.unwrap_err();
    assert_eq!(error.retry(), Retry::After(SignedDuration::from_hours(2)));
    assert_eq!((server.seen().len(), clock.waits().len()), (1, 0));
}

#[tokio::test]
async fn a_heavy_call_that_timed_out_at_the_gateway_is_repeated_once() {
    let server = Server::start(|_| Reply::new(504, "")).await;
    let (http, _clock) = setup();
    assert!(http.send(&get(&server.url), Repeat::Safe, &Limits::default()).await.is_err());
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::start(|_| Reply::new(200, "")).await;
    let to = other.url.clone();
    let server = Server::start(move |_| Reply::new(302, "").header("location", to.clone())).await;
    let (http, _clock) = setup();
    let error = http.send(&get(&server.url), Repeat::Safe, &Limits::default()).await.unwrap_err();
    assert_eq!((error.refusal().unwrap().status, error.retry()), (302, Retry::Never));
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn row_22_a_body_that_ends_early_is_an_error() {
    let cases: [Pieces; 2] = [
        |_| vec![("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"value\":[]}", NOW)],
        |_| vec![("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nc\r\n{\"value\":[]}\r\n", NOW)],
    ];
    for pieces in cases {
        let server = Raw::start(pieces).await;
        let (http, _clock) = setup();
        let error = http.send(&get(&server.url), Repeat::Never, &Limits::default()).await.unwrap_err();
        assert!(matches!(error, HttpError::Cut { .. }), "{error:?}");
        let mut chunks = http.stream_through(&Open, &get(&server.url), &Limits::default()).await.unwrap();
        let error = loop {
            match chunks.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the end was believed"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, HttpError::Cut { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_repeated_for_reads_only() {
    let pieces: Pieces = |number| if number == 0 { vec![] } else { vec![(OK, NOW)] };
    let server = Raw::start(pieces).await;
    let (http, _clock) = setup();
    assert!(http.send(&get(&server.url), Repeat::Safe, &Limits::default()).await.is_ok());
    assert_eq!(server.connections(), 2);

    let server = Raw::start(pieces).await;
    let post = Request::post(Address::parse(&server.url).unwrap());
    let error = http.send(&post, Repeat::Unsafe, &Limits::default()).await.unwrap_err();
    assert!(matches!(error, HttpError::Lost { .. }), "{error:?}");
    assert_eq!((error.applied(), server.connections()), (Applied::Unknown, 1));
}

#[tokio::test]
async fn row_19_nothing_listening_proves_that_nothing_was_applied() {
    let (_nobody, url) = nobody();
    let (http, clock) = setup();
    let post = Request::post(Address::parse(&url).unwrap());
    let error = http.send(&post, Repeat::Unsafe, &Limits::default()).await.unwrap_err();
    assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
    assert_eq!((error.applied(), error.retry()), (Applied::No, Retry::Backoff));
    assert_eq!(clock.waits().len(), 4);
}

#[tokio::test]
async fn row_21_a_slow_answer_is_cut_off_in_head_and_body() {
    const SLOW: Duration = Duration::from_secs(20);
    let cases: [Pieces; 3] = [
        |_| vec![("", SLOW)],
        |_| vec![("HTTP/1.1 200 OK\r\nx-a: ", SLOW), ("1\r\n", SLOW)],
        |_| vec![("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\na", SLOW), ("b", SLOW)],
    ];
    let limits = Limits { time_max: Duration::from_millis(300), ..Limits::default() };
    for pieces in cases {
        let server = Raw::start(pieces).await;
        let (http, _clock) = setup();
        let error = http.send(&get(&server.url), Repeat::Unsafe, &limits).await.unwrap_err();
        assert!(matches!(error, HttpError::Late { .. }), "{error:?}");
        assert_eq!(error.applied(), Applied::Unknown);
    }
}

#[tokio::test]
async fn a_large_answer_is_refused_whatever_it_announces() {
    static ZEROS: &[u8] = include_bytes!("../fixtures/http/two-mebibytes-of-zeros.gz");
    let limits = Limits { bytes_max: 1 << 20, ..Limits::default() };
    let (http, _clock) = setup();

    let announced = Server::start(|_| Reply::new(200, vec![0; 2 << 20])).await;
    let packed = Server::start(|_| Reply::new(200, ZEROS).header("content-encoding", "gzip")).await;
    for server in [&announced, &packed] {
        let error = http.send(&get(&server.url), Repeat::Safe, &limits).await.unwrap_err();
        assert!(matches!(error, HttpError::Large { limit: 1_048_576, .. }), "{error:?}");
        assert_eq!(server.seen().len(), 1);
    }
    let whole = http.send(&get(&packed.url), Repeat::Safe, &Limits::default()).await.unwrap();
    assert_eq!(whole.body.len(), 2 << 20);
}

/// Writes a compressed answer that never ends to whoever asks; returns its address, and how much it got rid of when
/// nobody wants more.
async fn endless(first: &'static [u8], piece: &'static [u8]) -> (String, JoinSet<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (stream, _peer) = listener.accept().await.unwrap();
        let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n";
        let mut stream = serve(stream, vec![(head, NOW)]).await.unwrap();
        stream.write_all(first).await.unwrap();
        let many = piece.repeat(1024);
        let mut written = 0;
        while stream.write_all(&many).await.is_ok() {
            written += many.len();
        }
        written
    });
    (url, tasks)
}

/// What begins a stream of gzip.
const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff";
/// A stored block of no bytes, not the last.
const EMPTY_BLOCK: &[u8] = b"\0\0\0\xff\xff";
/// A whole stream of no bytes.
const EMPTY_STREAM: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0";

#[tokio::test]
async fn a_stream_that_decompresses_to_nothing_is_cut_off_by_its_size_on_the_wire() {
    let limits = Limits { bytes_max: 1 << 20, ..Limits::default() };
    let (http, _clock) = setup();
    for (first, piece) in [(GZIP, EMPTY_BLOCK), (b"", EMPTY_STREAM)] {
        let (url, mut tasks) = endless(first, piece).await;
        let error = http.send(&get(&url), Repeat::Safe, &limits).await.unwrap_err();
        assert!(matches!(error, HttpError::Padded { limit: 1_048_576, .. }), "{error:?}");
        assert_eq!((error.retry(), error.applied()), (Retry::Never, Applied::Unknown));
        let shown = error.to_string();
        assert!(shown.ends_with("is larger than 1048576 bytes on the wire, compressed"), "{shown}");
        let written = tasks.join_next().await.unwrap().unwrap();
        assert!(written >= 1 << 20, "the limit, and what the sockets hold beyond it: {written}");
    }

    let announced = [GZIP.to_vec(), EMPTY_BLOCK.repeat(300_000)].concat();
    let server =
        Server::start(move |_| Reply::new(200, announced.clone()).header("content-encoding", "gzip")).await;
    let error = http.send(&get(&server.url), Repeat::Safe, &limits).await.unwrap_err();
    assert!(matches!(error, HttpError::Padded { .. }), "{error:?}");
}

#[tokio::test]
async fn a_compressed_answer_is_read_to_its_end_and_not_beyond_it() {
    const HI: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\xcb\xc8\x04\0\xac\x2a\x93\xd8\x02\0\0\0";
    let (http, _clock) = setup();
    let answer = async |bytes: Vec<u8>| {
        let server =
            Server::start(move |_| Reply::new(200, bytes.clone()).header("content-encoding", "GZip")).await;
        let answer = http.send(&get(&server.url), Repeat::Never, &Limits::default()).await;
        assert_eq!(server.seen()[0].header("accept-encoding"), Some("gzip"));
        answer.map(|answer| answer.body)
    };
    assert_eq!(answer(HI.to_vec()).await.unwrap(), "hi");
    assert_eq!(answer([HI, EMPTY_STREAM, HI].concat()).await.unwrap(), "hihi");
    // An answer without a body says how it would be compressed.
    assert_eq!(answer(Vec::new()).await.unwrap(), "");
    let chunked = Raw::start(|_| {
        vec![(
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            NOW,
        )]
    })
    .await;
    let ended =
        Raw::start(|_| vec![("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n", NOW)])
            .await;
    for empty in [chunked, ended] {
        let answer = http.send(&get(&empty.url), Repeat::Never, &Limits::default()).await;
        assert_eq!(answer.unwrap().body, "", "nothing is no half of anything");
    }
    let wrong_sum = [&HI[..HI.len() - 5], b"\0\x02\0\0\0"].concat();
    for broken in [&HI[..HI.len() - 1], &HI[..5], &wrong_sum, b"plain", &[HI, b"more"].concat()] {
        let error = answer(broken.to_vec()).await.unwrap_err();
        assert!(matches!(error, HttpError::Cut { .. }), "{broken:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_write_takes_a_connection_of_its_own() {
    let server = Server::start(|_| Reply::new(200, "")).await;
    let raw =
        Raw::start(|_| vec![("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Duration::from_secs(5))])
            .await;
    let (http, _clock) = setup();
    let post = Request::post(Address::parse(&raw.url).unwrap());
    for _ in 0..3 {
        assert!(http.send(&post, Repeat::Unsafe, &Limits::default()).await.is_ok());
    }
    assert_eq!(raw.connections(), 3);
    // An empty POST says so: some servers insist (411).
    let post = Request::post(Address::parse(&server.url).unwrap());
    assert!(http.send(&post, Repeat::Unsafe, &Limits::default()).await.is_ok());
    assert_eq!(server.seen().first().unwrap().header("content-length"), Some("0"));
}

#[tokio::test]
async fn no_error_shows_a_secret() {
    let (http, _clock) = setup();
    let (_nobody, away) = nobody();
    let server = Server::start(|_| Reply::new(400, "bad")).await;
    for url in [format!("{away}/s3cret/path?sig=s3cret"), format!("{}/s3cret?sig=s3cret", server.url)] {
        let address = Address::secret(&Secret::new(url)).unwrap();
        let request = Request::post(address)
            .bearer(&Secret::new("s3cret".to_owned()))
            .unwrap()
            .header("x-signature", "s3cret")
            .unwrap()
            .body("text/plain", "s3cret");
        let error = http.send(&request, Repeat::Never, &Limits::default()).await.unwrap_err();
        let shown = everything(&error);
        assert!(shown.contains("POST http://127.0.0.1:") && !shown.contains("s3cret"), "{shown}");
    }
}

#[tokio::test]
async fn the_server_learns_who_asks() {
    let server = Server::start(|_| Reply::new(200, "")).await;
    let (http, _clock) = setup();
    let answer = http.send(&get(&server.url), Repeat::Safe, &Limits::default()).await.unwrap();
    assert!(answer.header("date").is_some());
    let seen = server.seen();
    let agent = seen.first().unwrap().header("user-agent").unwrap();
    assert!(agent.starts_with("huntbook/"), "{agent}");
}
