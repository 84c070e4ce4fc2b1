//! Values, types and places in words, for messages to authors.

use serde_json::Value;

/// A schema's type in words.
pub(super) fn type_name(kind: &str) -> &'static str {
    match kind {
        "object" => "a map",
        "array" => "a list",
        "string" => "a text",
        "boolean" => "`true` or `false`",
        "integer" => "a whole number",
        "number" => "a number",
        _ => "empty",
    }
}

/// A value's type in words.
pub(super) fn value_name(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    }
}

/// What the value at a pointer is called.
pub(super) fn name(at: &str) -> String {
    let mut steps = at.rsplit('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
    match (steps.next(), steps.next()) {
        (Some(last), _) if last.is_empty() => "the document".to_owned(),
        (Some(last), Some(list)) if last.bytes().all(|byte| byte.is_ascii_digit()) && !list.is_empty() => {
            let number = last.parse::<usize>().unwrap_or(0).saturating_add(1);
            format!("entry {number} of `{}`", shown(&list))
        }
        (Some(last), _) => format!("`{}`", shown(&last)),
        (None, _) => "the document".to_owned(),
    }
}

/// Words in backticks, with commas.
pub(super) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Most words of a list that somebody reads through.
const LISTED_MAX: usize = 12;

/// The same of words that may be many: the first of them, and how many more there are.
pub(super) fn some_of(words: &[&str]) -> String {
    let Some(more) = words.len().checked_sub(LISTED_MAX).filter(|more| 0 < *more) else {
        return list(words.iter().copied());
    };
    format!("{} and {more} more", list(words.iter().take(LISTED_MAX).copied()))
}

/// One value on one line, strings without quotes.
pub(super) fn one_line(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), |text| text.lines().next().map(shown).unwrap_or_default())
}

/// A description as the end of a sentence.
pub(super) fn sentence(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default().trim_end_matches('.');
    let mut chars = first.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// An example as an author would write it, on one line.
pub(super) fn as_yaml(value: &Value) -> String {
    match value.as_str() {
        Some(text) if text.contains('\n') => {
            format!("{} ...", text.lines().next().map(shown).unwrap_or_default())
        }
        Some(text) if text.starts_with(char::is_alphanumeric) && !text.contains([':', '#']) => {
            text.to_owned()
        }
        _ => value.to_string(),
    }
}

/// Cuts and escapes a text for a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}
