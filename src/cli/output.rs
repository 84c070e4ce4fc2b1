//! Standard output and standard error: the one place that prints.

use std::io::Write as _;

use serde::Serialize;

use super::args::Output;
use crate::text::encode;

/// Writes lines to standard output. A reader that went away (`| head`) is not an error.
pub(super) fn say(text: &str) {
    let mut out = anstream::stdout().lock();
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") });
    drop(written.and_then(|()| out.flush()));
}

/// Writes lines to standard error: progress and errors.
pub(super) fn tell(text: &str) {
    let mut err = anstream::stderr().lock();
    drop(err.write_all(text.as_bytes()).and_then(|()| err.write_all(b"\n")));
}

/// Writes one JSON document.
pub(super) fn say_json<T: Serialize>(value: &T) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => say(&text),
        Err(error) => tell(&format!("error: the result could not be written as JSON: {error}")),
    }
}

/// Writes a value as JSON, or as the text `table` makes of it.
pub(super) fn show<T: Serialize>(format: Output, value: &T, table: impl FnOnce(&T) -> String) {
    match format {
        Output::Json => say_json(value),
        Output::Text => say(&table(value)),
    }
}

/// Makes text from the tenant fit for a terminal: no control or direction characters, at most `width`
/// characters, cut with an ellipsis.
pub(super) fn clean(text: &str, width: usize) -> String {
    let safe = encode::log(text);
    if safe.chars().count() <= width {
        return safe;
    }
    safe.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}
