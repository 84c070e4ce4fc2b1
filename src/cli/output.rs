//! Standard output and standard error: the one place that prints.

use std::io::{self, ErrorKind, Write as _};

use serde::Serialize;

use super::args::Output;
use crate::text::encode;

pub(super) use crate::text::clean;

/// Standard output did not take a result.
#[derive(Debug, thiserror::Error)]
#[error("the result could not be written to standard output")]
pub(super) struct Unsaid(#[source] io::Error);

impl Unsaid {
    /// Whether the reader has seen enough (`| head`).
    pub(super) fn reader_is_gone(&self) -> bool {
        self.0.kind() == ErrorKind::BrokenPipe
    }
}

impl From<io::Error> for Unsaid {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

/// Writes lines to standard output.
pub(super) fn say(text: &str) -> Result<(), Unsaid> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Writes lines to standard error: progress and errors.
pub(super) fn tell(text: &str) {
    let mut err = anstream::stderr().lock();
    drop(err.write_all(text.as_bytes()).and_then(|()| err.write_all(b"\n")));
}

/// How many characters a line may have: the terminal's width, or `None` where nobody looks at a terminal.
pub(super) fn width() -> Option<usize> {
    comfy_table::Table::new().width().map(usize::from)
}

/// Writes one JSON document.
pub(super) fn say_json<T: Serialize>(value: &T) -> Result<(), Unsaid> {
    say(&encode::json(&serde_json::to_string_pretty(value).map_err(io::Error::from)?))
}

/// Writes a value as JSON, or as the text `table` makes of it.
pub(super) fn show<T: Serialize>(
    format: Output,
    value: &T,
    table: impl FnOnce(&T) -> String,
) -> Result<(), Unsaid> {
    match format {
        Output::Json => say_json(value),
        Output::Text => say(&table(value)),
    }
}

/// Breaks a line between words where it is too long, and indents what follows.
pub(super) fn fold(line: &str, width: Option<usize>, indent: usize) -> String {
    let Some(width) = width.filter(|width| *width < line.chars().count()) else { return line.to_owned() };
    let (mut out, mut column, mut empty) = (String::new(), 0, true);
    for word in line.split_inclusive(' ') {
        let length = word.trim_end().chars().count();
        if width < column + length && !empty {
            out.truncate(out.trim_end().len());
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        }
        out.push_str(word);
        column += word.chars().count();
        // The spaces a line begins with are no words.
        empty = empty && length == 0;
    }
    out
}

/// A number of things: `1 playbook`, `2 playbooks`.
pub(super) fn counted((count, thing): (usize, &str)) -> String {
    crate::text::counted(count, thing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_breaks_between_words_and_never_within_one() {
        let line = "  told       soc-teams delivered – [High] PsExec fan-out: 1 contained";
        assert_eq!(fold(line, None, 13), line);
        assert_eq!(fold(line, Some(80), 13), line);
        let folded = "  told       soc-teams delivered –\n             [High] PsExec fan-out:\n             1 contained";
        assert_eq!(fold(line, Some(36), 13), folded);
        assert_eq!(fold("0123456789abcdef", Some(8), 2), "0123456789abcdef");
    }
}
