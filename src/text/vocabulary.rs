//! The helpers a text may use, and no others.

use handlebars::{Handlebars, handlebars_helper};
use serde_json::Value;

/// Names of the helpers, sorted.
pub const HELPERS: [&str; 20] = [
    "and", "date", "default", "each", "eq", "gt", "gte", "if", "join", "json", "len", "lower", "lt", "lte",
    "ne", "not", "or", "truncate", "unless", "upper",
];

/// Helpers that are allowed beside those of [`HELPERS`] because they open a scope.
pub(super) const SCOPES: [&str; 1] = ["with"];

handlebars_helper!(upper: |text: Value| plain(&text).to_uppercase());
handlebars_helper!(lower: |text: Value| plain(&text).to_lowercase());
handlebars_helper!(json: |value: Value| value.to_string());
handlebars_helper!(default: |value: Value, other: Value| if is_empty(&value) { other } else { value });
handlebars_helper!(join: |list: Value, separator: str| match &list {
    Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(separator),
    other => plain(other),
});
handlebars_helper!(truncate: |text: Value, length: u64| cut(&plain(&text), length));
handlebars_helper!(date: |text: Value, format: str, {timezone: str = "UTC"}| dated(&plain(&text), format, timezone));

/// The registry every text is rendered by.
pub(super) fn registry() -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.register_escape_fn(handlebars::no_escape);
    for name in ["lookup", "raw", "log"] {
        registry.unregister_helper(name);
    }
    registry.register_helper("upper", Box::new(upper));
    registry.register_helper("lower", Box::new(lower));
    registry.register_helper("json", Box::new(json));
    registry.register_helper("default", Box::new(default));
    registry.register_helper("join", Box::new(join));
    registry.register_helper("truncate", Box::new(truncate));
    registry.register_helper("date", Box::new(date));
    registry
}

/// A value as text: strings as they are, null as nothing, the rest as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// Cuts a text to `length` characters, the last of which is an ellipsis if something is missing.
fn cut(text: &str, length: u64) -> String {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length.saturating_sub(1)).chain(['…']).collect()
}

/// Writes an instant in a form and zone; a text that is no instant stays as it is.
fn dated(text: &str, format: &str, timezone: &str) -> String {
    let zoned = || -> Option<String> {
        let instant: jiff::Timestamp = text.parse().ok()?;
        let zoned = instant.in_tz(timezone).ok()?;
        let parts = jiff::fmt::strtime::BrokenDownTime::from(&zoned);
        parts.to_string(format).ok()
    };
    zoned().unwrap_or_else(|| text.to_owned())
}
