//! Encoders, and the bodies that channels make with them.

use std::io;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use huntbook::channel::{Channel, ChannelOptions, Message};
use huntbook::http::{Http, HttpOptions, Pieces, Wire};
use huntbook::kql::{self, Query, Schema};
use huntbook::model::{AlertSeverity, Secret};
use huntbook::text::clean;
use huntbook::text::encode::{self, KqlValue};
use serde_json::Value;

use crate::eager::EagerClock;
use crate::reader::{assert_harmless, slack, teams};

/// Encodes the text for every place, and sends it through every channel with a body of its own. Nothing of it is more
/// than text there, and where a place has a way back it comes back.
pub(crate) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    check_encoders(&text);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(send(&text));
}

fn check_encoders(text: &str) {
    for (place, encoded) in [
        ("html", encode::html(text)),
        ("slack", encode::slack(text)),
        ("card", encode::card(text)),
        ("card run", encode::card_run(text)),
        ("clean", clean(text, 80)),
        ("header", encode::header(text)),
        ("log", encode::log(text)),
    ] {
        assert_harmless(place, &encoded);
        let one_line = ["clean", "header", "log"].contains(&place);
        assert!(!one_line || !encoded.contains(['\n', '\t']), "{place}: {encoded:?}");
        let no_markup = ["html", "slack"].contains(&place);
        assert!(!no_markup || !encoded.contains(['<', '>']), "{place}: {encoded:?}");
        let is_card = place.starts_with("card");
        assert!(!is_card || !(encoded.contains("{{") || encoded.contains("${")), "{place}: {encoded:?}");
    }
    let record = encode::csv([text, "end"]);
    assert_harmless("csv", &record.replace("\r\n", "\n"));
    assert!(record.ends_with(",\"end\"\r\n") && record.matches('"').count().is_multiple_of(2), "{record:?}");
    let event = encode::cef([text; 6], [("one", text), ("two", text)]);
    assert_harmless("cef", &event);
    assert!(!event.contains(['\n', '\t']), "{event:?}");
    assert!(clean(text, 80).chars().count() <= 80);
    assert!(!encode::header(text).contains("=?"));
    assert!(!encode::html(text).contains(['"', '\'']));
    let literal = encode::odata(text);
    let inside = literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).expect("quotes");
    assert_eq!(inside.split("''").collect::<Vec<_>>(), text.split('\'').collect::<Vec<_>>());
    let literal = encode::kql(KqlValue::Text(text));
    assert_harmless("kql", &literal);
    assert_eq!(serde_json::from_str::<String>(&literal).expect("JSON has the same escapes"), text);
    // Put where a query has it, it is one value and the rest of the query is as it was.
    let list = encode::kql_list([KqlValue::Text(text), KqlValue::Text("end")]);
    for (literal, query) in [(&literal, "print @a // @a"), (&list, "print (@a), '@a'")] {
        let filled = kql::fill(query, &[("a".to_owned(), literal.clone())].into()).expect("it is known");
        assert_eq!(filled, query.replacen("@a", literal, 1));
        assert!(!Query::read(&filled, &Schema::defender()).has_errors(), "{filled:?}");
        assert!(kql::parameters(&filled).is_empty(), "{filled:?}");
    }
    let document = encode::json(&serde_json::to_string_pretty(&[text]).expect("JSON"));
    assert_harmless("json", &document);
    assert_eq!(serde_json::from_str::<[String; 1]>(&document).expect("JSON"), [text]);
}

/// A wire that keeps what was posted.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<Bytes>>);

#[async_trait]
impl Wire for Kept {
    async fn carry(&self, request: Request<Bytes>) -> io::Result<Response<Pieces>> {
        self.0.lock().expect("nobody panics with it").push(request.into_body());
        Ok(Response::builder().status(200).body(vec![Ok(Bytes::from_static(b"ok"))]).expect("an answer"))
    }
}

async fn send(text: &str) {
    let clock = Arc::new(EagerClock::default());
    let url = || Arc::new(Secret::new("https://hooks.contoso.example/x".to_owned()));
    for (kind, options) in [
        ("teams", ChannelOptions::Teams { url: url() }),
        ("slack", ChannelOptions::Slack { url: url() }),
        ("webhook", ChannelOptions::Webhook { url: url(), secrets: Vec::new() }),
    ] {
        let wire = Arc::new(Kept::default());
        let http = HttpOptions { wire: Some(Arc::clone(&wire) as _), ..HttpOptions::default() };
        let http = Http::open(http, clock.clone()).expect("a door");
        let channel = Channel::open("soc", &options, http, clock.clone()).expect("a channel");
        channel.send(&message(text)).await.expect("it is taken");
        let body = wire.0.lock().expect("nobody panics with it").pop().expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        match kind {
            "teams" => drop(teams(&body)),
            "slack" => drop(slack(&body)),
            _ => assert!(body.to_string().len() <= 1 << 20, "a body of a size it can take"),
        }
    }
}

/// A message that is the text wherever somebody else may have written.
fn message(text: &str) -> Message {
    let owned = || text.to_owned();
    Message {
        id: owned(),
        severity: AlertSeverity::High,
        title: owned(),
        text: owned(),
        facts: vec![(owned(), owned())],
        playbook: owned(),
        run: "0193c9a2-7b1e-7000-8000-000000000001".to_owned(),
        tenant: owned(),
        at: "2026-01-10T12:00:00Z".parse().expect("a time"),
    }
}
