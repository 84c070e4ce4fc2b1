//! What the encoders wrote comes back as it was, and nothing else with it, from readers that share no code with them.

use huntbook::http::Address;
use huntbook::text::encode::{self, KqlValue};
use serde_json::{Value, json};

use crate::{Ends, corpus, is_visible, read_by};

/// Has the readers of one kind read what was written for each text; `comes_back` compares.
#[track_caller]
pub(crate) fn check(read: &Value, kind: &str, texts: &[String], comes_back: impl Fn(&str, &str) -> bool) {
    let all = read[kind].as_array().expect("a list");
    assert_eq!(all.len(), texts.len(), "{kind}");
    for (one, text) in all.iter().zip(texts) {
        assert_eq!(one["more"], json!([]), "{kind}: {text:?} is more than text");
        let got = one["text"].as_str().expect("a text");
        assert!(comes_back(got, text), "{kind}: {text:?} became {got:?}");
    }
}

fn each(texts: &[String], encode: impl Fn(&str) -> String) -> Vec<String> {
    texts.iter().map(|text| encode(text)).collect()
}

#[tokio::test]
async fn pages_chats_lines_and_addresses_read_back_in_other_programs() {
    let texts = corpus::texts();
    let base = Address::parse("https://graph.contoso.example/").expect("an address");
    let segment = |text: &str| Some(base.at("users/{id}/revoke", &[text]).ok()?.expose().to_owned());
    // What would not stay a part of the path is refused: what is empty, dots, or has what the path cannot hold.
    let (refused, parts): (Vec<String>, Vec<String>) =
        texts.iter().cloned().partition(|text| segment(text).is_none());
    assert!(parts.len() > texts.len() / 3, "{}", parts.len());
    for text in &refused {
        assert!(matches!(text.as_str(), "" | "." | "..") || text.contains(['\t', '\r', '\n']), "{text:?}");
    }
    let filter = |text: &str| {
        base.clone().query("$filter", &format!("name eq {}", encode::odata(text))).expose().to_owned()
    };
    let written = json!({
        "html": each(&texts, encode::html),
        "slack": each(&texts, encode::slack),
        "line": each(&texts, encode::log),
        "segment": each(&parts, |text| segment(text).expect("it is one")),
        "odata": each(&texts, filter),
        "kql": each(&texts, |text| encode::kql(KqlValue::Text(text))),
        "kqlList": each(&texts, |text| encode::kql_list([KqlValue::Text(text), KqlValue::Text(text)])),
    });
    let read = read_by("read_encoded.py", &written).await;
    let is_shown = |got: &str, text: &str| is_visible(got, text, Ends::Stay);
    check(&read, "html", &texts, is_shown);
    check(&read, "slack", &texts, is_shown);
    check(&read, "line", &texts, |got, text| got == text);
    check(&read, "segment", &parts, |got, text| got == text);
    for kind in ["odata", "kql", "kqlList"] {
        check(&read, kind, &texts, |got, text| got == text);
    }
}

/// Letters and digits, in their order.
fn letters(text: &str) -> String {
    text.chars().filter(|one| one.is_alphanumeric()).collect()
}

#[tokio::test]
async fn a_card_reads_back_as_markdown_without_any() {
    let texts = corpus::texts();
    let read = read_by("read_markdown.py", &json!(each(&texts, encode::card))).await;
    for (one, text) in read.as_array().expect("a list").iter().zip(&texts) {
        let encoded = encode::card(text);
        assert!(!encoded.contains("{{") && !encoded.contains("${"), "{text:?}");
        for tag in one["tags"].as_array().expect("tags") {
            // Lines and, by their indentation, texts as they are.
            assert!(["p", "br", "pre", "code"].map(Value::from).contains(tag), "{text:?} has <{tag}>");
        }
        let got = one["text"].as_str().expect("a text");
        assert_eq!(letters(got), letters(text), "{text:?}: {got:?}");
    }
}

/// A reader that finds nothing in anything proves nothing.
#[tokio::test]
async fn the_readers_find_what_is_more_than_text() {
    let written = json!({
        "html": ["<b>x</b>", "\" onload=\"x", "<!-- x -->"],
        "slack": ["<!channel>", "a & b", "&quot;"],
        "line": ["\u{1b}[31m", "a\nb", "a\u{85}b", "\u{202e}", "a\rb", "\u{1d173}"],
        "segment": ["https://a.example/users/a/b/revoke", "https://a.example/users/../revoke",
            "https://a.example/users/a?b/revoke"],
        "odata": ["https://a.example/?%24filter=name%20eq%20'a'%20or%20'b'", "https://a.example/?%24filter=name%20eq%20'a'&x=1"],
        "kql": ["\"a\" or \"b\"", "\"a", "'a'", "\"a\nb\"", "\"\\q\"", "\"\\", "\"\u{202e}\"", "\"\\u00\""],
        "kqlList": ["dynamic([\"a\",\"a\"]) or true", "dynamic([\"a\"])", "dynamic([\"a\",\"b\"])", "dynamic([\"a\",\"a\",1])",
            "dynamic([\"\\U0001f600\",\"\\ud83d\\ude00\"])"],
        "kqlValue": ["", "-5", "long(-5) or true", "long(9223372036854775808)", "9223372036854775808", "1.", "1e", "-1.5", "real(-1.5",
            "real(inf)", "nan", "TRUE", "\"a\"", "datetime(2026-02-29T00:00:00.0000000Z)", "datetime(2026-01-01T24:00:00.0000000Z)",
            "datetime(2026-01-01T00:00:00.0000000)", "datetime(2026-01-01T00:00:00.000000Z)", "timespan(1.24:00:00.0000000)",
            "timespan(1.00:00:00.000000)", "timespan(10675199.02:48:05.4775808)", "1 "],
        "kqlValues": ["dynamic([1,2)", "dynamic([1,,2])", "dynamic([1 2])", "dynamic([1]) or true", "dynamic([1,-2])", "[1]"],
    });
    let read = read_by("read_encoded.py", &written).await;
    for (kind, all) in written.as_object().expect("an object") {
        for (index, text) in all.as_array().expect("a list").iter().enumerate() {
            assert_ne!(read[kind][index]["more"], json!([]), "{kind}: {text}");
        }
    }
    let read = read_by("read_markdown.py", &json!(["*b*", "[x](y)", "# h", "- l", "<b>"])).await;
    for one in read.as_array().expect("a list") {
        assert!(
            ["em", "a", "h1", "li", "b"].iter().any(|tag| one["tags"].to_string().contains(tag)),
            "{one}"
        );
    }
}
