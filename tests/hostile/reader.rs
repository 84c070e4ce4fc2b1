//! What the readers of messages take for more than text.

use serde_json::Value;

/// Whether a text has a character that moves a cursor, hides or reorders what stands beside it.
fn is_harmful(one: char) -> bool {
    (one.is_control() && one != '\n' && one != '\t')
        || matches!(one, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[track_caller]
pub(crate) fn assert_harmless(what: &str, text: &str) {
    let found: Vec<char> = text.chars().filter(|one| is_harmful(*one)).collect();
    assert!(found.is_empty(), "{what}: {found:?} in {}", text.escape_debug());
}

/// Every text in a document.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|one| texts(one, found)),
        Value::Object(all) => all.values().for_each(|one| texts(one, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The texts of a card: no function is in them, and none of them is read as Markdown.
#[track_caller]
pub(crate) fn teams(body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    texts(body, &mut found);
    for text in &found {
        assert_harmless("teams", text);
        assert!(!text.contains("{{") && !text.contains("${"), "{text:.900}");
    }
    assert!(body.to_string().len() <= 28 * 1024, "Teams takes no more");
    found
}

/// The texts in which Slack takes `<…>` for mentions and links: those of `mrkdwn`.
#[track_caller]
pub(crate) fn slack(body: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    texts(body, &mut found);
    for text in &found {
        assert_harmless("slack", text);
    }
    let read: Vec<&str> = body["blocks"]
        .as_array()
        .expect("blocks")
        .iter()
        .flat_map(|block| {
            [&block["text"]]
                .into_iter()
                .chain(block["fields"].as_array().into_iter().flatten())
                .chain(block["elements"].as_array().into_iter().flatten())
        })
        .filter(|text| text["type"] == "mrkdwn")
        .filter_map(|text| text["text"].as_str())
        .chain(body["text"].as_str())
        .collect();
    for text in &read {
        assert!(!text.contains("<!") && !text.contains("<@") && !text.contains("<http"), "{text:.900}");
    }
    read
}
