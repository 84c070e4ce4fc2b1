//! Teams, Slack and webhooks against a receiver on this machine; signatures are checked by a library of
//! the receivers' side.

#![expect(clippy::expect_used, reason = "test helpers; a failure fails the test")]

#[path = "channel/python.rs"]
mod python;
#[path = "channel/sink.rs"]
mod sink;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use huntbook::channel::{Channel, ChannelError, ChannelOptions, Message, Retry};
use huntbook::clock::{SharedClock, SystemClock};
use huntbook::diag::Chain;
use huntbook::http::{Http, HttpOptions};
use huntbook::model::{AlertSeverity, Secret, SharedSource};
use jiff::SignedDuration;
use serde_json::{Value, json};
use sink::{Answer, Received, Sink};
use tokio::io::AsyncWriteExt as _;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn teams(url: &str) -> Channel {
    channel(&ChannelOptions::Teams { url: Arc::new(Secret::new(url.to_owned())) })
}

fn slack(url: &str) -> Channel {
    channel(&ChannelOptions::Slack { url: Arc::new(Secret::new(url.to_owned())) })
}

fn webhook(url: &str) -> Channel {
    let secrets: Vec<SharedSource> = vec![Arc::new(Secret::new(SECRET.to_owned()))];
    channel(&ChannelOptions::Webhook { url: Arc::new(Secret::new(url.to_owned())), secrets })
}

fn channel(options: &ChannelOptions) -> Channel {
    let clock: SharedClock = Arc::new(SystemClock);
    let http = Http::open(HttpOptions::default(), Arc::clone(&clock)).expect("a door");
    Channel::open("soc", options, http, clock).expect("a channel")
}

fn message() -> Message {
    Message {
        id: "0193c9a2-7b1e-5000-8000-000000000001".to_owned(),
        severity: AlertSeverity::High,
        title: "PsExec fan-out: 2 contained".to_owned(),
        text: "ws-017 wrote 42 files\nws-018 wrote 11 files".to_owned(),
        facts: vec![("Devices".to_owned(), "ws-017, ws-018".to_owned())],
        playbook: "PsExec fan-out".to_owned(),
        run: "0193c9a2-7b1e-7000-8000-000000000001".to_owned(),
        tenant: "contoso".to_owned(),
        at: "2026-01-10T12:00:00Z".parse().expect("a time"),
    }
}

/// One received request.
fn only(sink: &Sink) -> Received {
    let mut received = sink.take();
    assert_eq!(received.len(), 1, "{received:?}");
    received.remove(0)
}

#[tokio::test]
async fn teams_gets_an_adaptive_card() {
    let sink = Sink::start(Answer::new(202, "")).await;
    let url = sink.url("/workflows/0a/triggers/manual/paths/invoke?api-version=2016-06-01&sig=a%2Fb%2Bc");
    teams(&url).send(&message()).await.expect("it is taken");
    let received = only(&sink);
    assert_eq!(
        received.uri,
        "/workflows/0a/triggers/manual/paths/invoke?api-version=2016-06-01&sig=a%2Fb%2Bc"
    );
    assert_eq!(received.header("content-type"), "application/json");
    insta::assert_json_snapshot!(received.json());
}

#[tokio::test]
async fn slack_gets_blocks_and_a_fallback_text() {
    let sink = Sink::start(Answer::new(200, "ok")).await;
    slack(&sink.url("/services/T0/B0/x")).send(&message()).await.expect("it is taken");
    insta::assert_json_snapshot!(only(&sink).json());
}

#[tokio::test]
async fn a_webhook_is_signed_as_its_receivers_library_expects() {
    let sink = Sink::start(Answer::new(204, "")).await;
    let channel = webhook(&sink.url("/hook"));
    channel.send(&message()).await.expect("it is taken");
    let received = only(&sink);
    assert_eq!(received.header("webhook-id"), "0193c9a2-7b1e-5000-8000-000000000001");
    let verified = verify(&received).await.expect("the signature is right");
    assert_eq!(
        verified,
        json!({
            "type": "huntbook.notification",
            "timestamp": "2026-01-10T12:00:00Z",
            "data": {
                "playbook": "PsExec fan-out",
                "run": "0193c9a2-7b1e-7000-8000-000000000001",
                "tenant": "contoso",
                "severity": "high",
                "title": "PsExec fan-out: 2 contained",
                "facts": [{"name": "Devices", "value": "ws-017, ws-018"}],
            },
            "text": "PsExec fan-out: 2 contained\nws-017 wrote 42 files\nws-018 wrote 11 files",
        })
    );
    let forged = Received { body: received.body.slice(1..), ..received.clone() };
    assert_eq!(verify(&forged).await, None);
    channel.send(&message()).await.expect("it is taken");
    assert_eq!(only(&sink).header("webhook-id"), received.header("webhook-id"));
}

/// What the receivers' library reads; `None` if it refuses.
async fn verify(received: &Received) -> Option<Value> {
    let headers: serde_json::Map<_, _> =
        received.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let body = base64::engine::general_purpose::STANDARD.encode(&received.body);
    try_ask("verify_webhook.py", &json!({"secret": SECRET, "headers": headers, "body": body})).await
}

/// Gives a script one JSON value and reads one back; `None` if it fails.
async fn try_ask(name: &str, question: &Value) -> Option<Value> {
    let mut child = python::script(name).stderr(std::process::Stdio::null()).spawn().expect("python starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(question.to_string().as_bytes()).await.expect("a pipe");
    drop(input);
    let output = child.wait_with_output().await.expect("it ends");
    output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// Gives a script one JSON value and reads a list back.
async fn ask(name: &str, question: &Value) -> Vec<Value> {
    let answer = try_ask(name, question).await.expect("the script succeeds");
    answer.as_array().expect("a list").clone()
}

/// Sends to each kind and returns the errors.
async fn errors(answer: Answer) -> [(&'static str, ChannelError); 3] {
    let sink = Sink::start(answer).await;
    let url = sink.url("/services/canary?sig=canary");
    let failed = |sent: Result<_, ChannelError>| sent.expect_err("it is not taken");
    [
        ("teams", failed(teams(&url).send(&message()).await)),
        ("slack", failed(slack(&url).send(&message()).await)),
        ("webhook", failed(webhook(&url).send(&message()).await)),
    ]
}

#[track_caller]
fn assert_each(errors: &[(&'static str, ChannelError)], retry: Retry, expect: &str) {
    for (kind, error) in errors {
        let shown = Chain(error).to_string();
        assert_eq!(error.retry(), retry, "{kind}: {shown}");
        assert!(shown.contains(expect), "{kind}: {shown}");
        assert!(!format!("{shown} {error:?}").contains("canary"), "{kind}: {error:?}");
    }
}

#[tokio::test]
async fn a_status_decides_what_comes_next() {
    let echo = "no route for /services/canary?sig=canary \u{1b}[31m";
    assert_each(&errors(Answer::new(400, echo)).await, Retry::Never, "400 no route for (secret) \\u{1b}[31m");
    assert_each(&errors(Answer::new(404, echo)).await, Retry::Backoff, "404 no route");
    assert_each(&errors(Answer::new(410, echo)).await, Retry::Never, "shut this address down");
    assert_each(&errors(Answer::new(500, echo)).await, Retry::Backoff, "500 no route");
    assert_each(&errors(Answer::new(413, &"x".repeat(1 << 20))).await, Retry::Never, "413 xxx");
}

#[tokio::test]
async fn a_receiver_that_throttles_names_the_wait() {
    let answer = Answer { headers: vec![("retry-after", "7".to_owned())], ..Answer::new(429, "") };
    assert_each(&errors(answer).await, Retry::After(SignedDuration::from_secs(7)), "slow down");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Sink::start(Answer::new(200, "ok")).await;
    for status in [301, 302, 303, 307, 308] {
        let answer =
            Answer { headers: vec![("location", elsewhere.url("/stolen"))], ..Answer::new(status, "") };
        assert_each(&errors(answer).await, Retry::Backoff, "the receiver failed: 30");
    }
    assert!(elsewhere.take().is_empty());
}

#[tokio::test]
async fn row_55_a_200_with_an_error_inside_is_a_failure() {
    let sink = Sink::start(Answer::new(200, "invalid_payload")).await;
    let error = slack(&sink.url("/x")).send(&message()).await.expect_err("it is not ok");
    assert_eq!(
        (error.retry(), error.to_string().as_str()),
        (Retry::Never, "the receiver refused the message: 200 invalid_payload",)
    );
    sink.answer(Answer::new(
        200,
        "Webhook message delivery failed with error: endpoint returned HTTP error 429",
    ));
    let error = teams(&sink.url("/x")).send(&message()).await.expect_err("it is not posted");
    assert_eq!(error.retry(), Retry::Backoff);
    sink.answer(Answer::new(200, "1"));
    teams(&sink.url("/x")).send(&message()).await.expect("the old form of success");
    let error = slack(&sink.url("/x")).send(&message()).await.expect_err("only `ok` is ok");
    assert_eq!(error.retry(), Retry::Backoff);
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_costs_the_time_limit_only() {
    let slow = Answer { delay: Duration::from_mins(1), ..Answer::new(200, "ok") };
    let sink = Sink::start(slow).await;
    let channel = slack(&sink.url("/canary")).with_time_max(Duration::from_millis(300));
    let error = channel.send(&message()).await.expect_err("there is no answer");
    assert!(matches!(error, ChannelError::TimedOut(_)), "{error:?}");
    assert_eq!(error.retry(), Retry::Backoff);
}

#[tokio::test]
async fn nobody_there_is_tried_again_and_shows_no_address() {
    let error = slack("http://127.0.0.1:1/canary").send(&message()).await.expect_err("nobody listens");
    assert!(matches!(error, ChannelError::Transport(_)), "{error:?}");
    assert_each(&[("slack", error)], Retry::Backoff, "could not be reached");
}

#[tokio::test]
async fn a_receiver_is_reached_without_its_address_or_a_message() {
    let sink = Sink::start(Answer::new(404, "")).await;
    for channel in [teams(&sink.url("/canary")), slack(&sink.url("/canary")), webhook(&sink.url("/canary"))] {
        channel.reach().await.expect("it answers");
        let received = only(&sink);
        assert_eq!((received.uri.as_str(), received.body.len()), ("/", 0));
    }
    let error = slack("http://127.0.0.1:1/canary").reach().await.expect_err("nobody listens");
    assert!(matches!(error, ChannelError::Transport(_)), "{error:?}");
    assert_each(&[("slack", error)], Retry::Backoff, "could not be reached");
}

const HOSTILE: &[&str] = &[
    "<script>alert(1)</script> <b>&amp;</b>",
    "x\r\nX-Evil: 1\r\n\r\nbody",
    "\u{1b}[31mred\u{1b}[0m \u{202e}gnp.exe \u{0}\u{7}",
    "{{row.Secret}} {{DATE(2026-01-10T12:00:00Z,SHORT)}} ${card.title}",
    "<!channel> <!here> <@U123> <#C1> <https://evil.example|click>",
    "[click](https://evil.example) **bold** _it_ `code`\n# head\n- item\n1. item\n![x](https://evil.example/x.png)",
    "\"}]},{\"type\":\"Image\",\"url\":\"https://evil.example/x.png\"",
];

fn hostile(text: &str) -> Message {
    Message {
        id: text.to_owned(),
        title: text.to_owned(),
        text: text.to_owned(),
        facts: vec![(text.to_owned(), text.to_owned())],
        playbook: text.to_owned(),
        run: text.to_owned(),
        tenant: text.to_owned(),
        ..message()
    }
}

/// Every text in a JSON tree.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _other => Vec::new(),
    }
}

/// A text without what carries no meaning: spaces, line ends, and what stands for the invisible.
fn letters(text: &str) -> String {
    let hidden = |c: char| c.is_whitespace() || c.is_control() || "\u{202e}\u{2060}\u{fffd}".contains(c);
    text.replace(hidden, "")
}

/// Every `type` in a JSON tree.
fn types(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().flat_map(types).collect(),
        Value::Object(members) => {
            let own = members.get("type").and_then(Value::as_str);
            own.into_iter().chain(members.values().flat_map(types)).collect()
        }
        _other => Vec::new(),
    }
}

#[tokio::test]
async fn hostile_text_is_text_to_teams() {
    let sink = Sink::start(Answer::new(202, "")).await;
    for text in HOSTILE {
        teams(&sink.url("/x")).send(&hostile(text)).await.expect("it is taken");
        let body = only(&sink).json();
        let known = ["message", "AdaptiveCard", "Container", "RichTextBlock", "TextRun", "FactSet"];
        assert!(types(&body).iter().all(|kind| known.contains(kind)), "{body}");
        for shown in texts(&body) {
            assert!(!shown.contains("{{") && !shown.contains("${"), "a renderer would read this: {shown:?}");
            assert!(!shown.contains(['\u{1b}', '\u{202e}', '\0']), "{shown:?}");
        }
        let content = &body["attachments"][0]["content"];
        let facts = &content["body"][1];
        assert_eq!(facts["type"], "FactSet");
        let read_as_markdown = [&content["fallbackText"], &facts["facts"]];
        for fact in ask("read_markdown.py", &json!(read_as_markdown.map(texts).concat())).await {
            assert!(
                ["[]", "[\"p\"]"].contains(&fact["tags"].to_string().as_str()),
                "Markdown is read: {fact}"
            );
            let shown = letters(fact["text"].as_str().expect("text"));
            assert!(
                letters(text).starts_with(shown.trim_end_matches('…')),
                "{shown:?} is not what was sent: {text:?}"
            );
        }
    }
}

#[tokio::test]
async fn hostile_text_is_text_to_slack() {
    let sink = Sink::start(Answer::new(200, "ok")).await;
    for text in HOSTILE {
        slack(&sink.url("/x")).send(&hostile(text)).await.expect("it is taken");
        let body = only(&sink).json();
        let known = ["header", "section", "context", "mrkdwn", "plain_text"];
        assert!(types(&body).iter().all(|kind| known.contains(kind)), "{body}");
        for shown in texts(&body) {
            assert!(!shown.contains(['<', '>', '\u{1b}', '\u{202e}', '\0']), "{shown:?}");
        }
    }
}

#[tokio::test]
async fn hostile_text_reaches_a_webhook_unchanged_and_signed() {
    let sink = Sink::start(Answer::new(200, "")).await;
    for text in HOSTILE {
        webhook(&sink.url("/x")).send(&hostile(text)).await.expect("it is taken");
        let received = only(&sink);
        assert_eq!(received.header("x-evil"), "");
        assert!(!received.header("webhook-id").contains(['.', ' ']), "{}", received.header("webhook-id"));
        let body = verify(&received).await.expect("the signature is right");
        assert_eq!(body["text"], format!("{text}\n{text}"), "JSON carries everything");
    }
}

#[tokio::test]
async fn a_million_characters_stay_within_each_receivers_limits() {
    let sink = Sink::start(Answer::new(200, "ok")).await;
    for text in ["x".repeat(1_000_000), "<row> & \\ \"\n".repeat(80_000), "ä\u{1f600}".repeat(300_000)] {
        let long = hostile(&text);
        let long = Message { facts: vec![(text.clone(), text)], playbook: "p".to_owned(), ..long };
        let sinks: [(&str, Channel, usize); 3] = [
            ("teams", teams(&sink.url("/x")), 28 * 1024),
            ("slack", slack(&sink.url("/x")), 100 * 1024),
            ("webhook", webhook(&sink.url("/x")), 1024 * 1024),
        ];
        for (kind, channel, limit) in sinks {
            let long = Message { run: "r".to_owned(), tenant: "t".to_owned(), ..long.clone() };
            channel.send(&long).await.unwrap_or_else(|error| panic!("{kind}: {}", Chain(&error)));
            let received = only(&sink);
            assert!(received.body.len() <= limit, "{kind}: {} bytes", received.body.len());
            let text = String::from_utf8(received.body.to_vec()).expect("UTF-8");
            assert!(text.contains(" more lines") || text.contains(" more characters"), "{kind}");
        }
    }
}
