//! List files: `.txt` one entry a line, `.csv` the first column, `.yaml` a list of texts.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::diag::{Code, Diagnostic, Sink, SourceText, Span, Suggestion};
use crate::model::List;
use crate::yaml;

/// Largest text or CSV file: some hundred thousand host names. A YAML list is bound by the YAML limits.
pub const BYTES_MAX: usize = 4 << 20;

/// Longest entry, in characters: longer than any URL worth listing.
const ENTRY_CHARS_MAX: usize = 2_048;

/// Reads a list file. Its name without folder and ending is the list's name.
///
/// Text: one entry a line; empty lines and lines that start with `#` are left out. CSV: a header line, then
/// the first column counts; fields may be quoted. YAML: a list of texts.
pub fn parse(name: &str, bytes: &[u8], sink: &mut Sink) -> Option<List> {
    let before = sink.errors();
    let path = Path::new(name);
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
    let entries = match ending.as_str() {
        "yaml" | "yml" => from_yaml(name, bytes, sink)?,
        "csv" => from_csv(&yaml::accept_text(name, bytes, BYTES_MAX, sink)?, sink),
        _ => from_text(&yaml::accept_text(name, bytes, BYTES_MAX, sink)?, sink),
    };
    if !is_name(stem) {
        let source = Arc::new(SourceText { name: name.to_owned(), text: String::new() });
        let message = format!("`{}` cannot be the name of a list", stem.escape_debug());
        sink.push(
            Diagnostic::error(Code::List, Span { source, range: 0..0 }, message)
                .help("a list is called by its file name: letters, digits and `_`, first a letter, as in `lists.crownJewels`"),
        );
    }
    (sink.errors() == before).then(|| List::new(stem, entries))
}

/// Whether conditions can call a list so.
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Reads the entries of a text file.
fn from_text(source: &Arc<SourceText>, sink: &mut Sink) -> Vec<String> {
    let mut entries = Vec::new();
    let mut at = 0;
    for line in source.text.split_inclusive('\n') {
        let entry = line.trim();
        if !entry.is_empty() && !entry.starts_with('#') {
            let start = at + line.len() - line.trim_start().len();
            check_length(source, start..start + entry.len(), sink);
            entries.push(entry.to_owned());
        }
        at += line.len();
    }
    entries
}

/// Reads the first column of a CSV file, without its header line.
fn from_csv(source: &Arc<SourceText>, sink: &mut Sink) -> Vec<String> {
    let text = &source.text;
    let mut entries = Vec::new();
    let mut at = 0;
    let mut header = true;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let (entry, len) = if rest.starts_with('"') {
            let Some((entry, len)) = quoted(rest) else {
                let span = Span { source: Arc::clone(source), range: at..at + 1 };
                sink.push(Diagnostic::error(Code::List, span, "a quoted field without its closing quote"));
                break;
            };
            (entry, len)
        } else {
            let len = rest.find([',', ';', '\n']).unwrap_or(rest.len());
            (rest.get(..len).unwrap_or_default().to_owned(), len)
        };
        if !header {
            check_length(source, at..at + len, sink);
            entries.push(entry);
        }
        header = false;
        at += len;
        at += record_end(text.get(at..).unwrap_or_default());
    }
    entries
}

/// Reads a quoted field: its text, and how many bytes it took.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut entry = String::new();
    let mut at = 1;
    loop {
        let rest = text.get(at..)?;
        let quote = rest.find('"')?;
        entry.push_str(rest.get(..quote)?);
        at += quote + 1;
        if !text.get(at..)?.starts_with('"') {
            return Some((entry, at));
        }
        entry.push('"');
        at += 1;
    }
}

/// Bytes up to and with the end of the record, quoted line breaks passed over.
fn record_end(rest: &str) -> usize {
    let mut inside = false;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'"' => inside = !inside,
            b'\n' if !inside => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Reads the entries of a YAML list.
fn from_yaml(name: &str, bytes: &[u8], sink: &mut Sink) -> Option<Vec<String>> {
    let tree = yaml::parse(name, bytes, sink)?;
    let Value::Array(items) = tree.value() else {
        sink.push(
            tree.error(Code::List, "", "the file must be a list of texts").help("write one `- entry` a line"),
        );
        return None;
    };
    let mut entries = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let pointer = format!("/{at}");
        if let Value::String(entry) = item {
            check_length(tree.source(), tree.span(&pointer).range, sink);
            entries.push(entry.clone());
            continue;
        }
        let mut problem = tree.error(Code::List, &pointer, format!("entry {} must be a text", at + 1));
        if item.is_number() || item.is_boolean() {
            let range = problem.span.range.clone();
            let written = tree.source().text.get(range.clone()).unwrap_or_default();
            let replacement = format!("\"{written}\"");
            problem.suggestion =
                Some(Suggestion { message: "put it in quotes".to_owned(), range, replacement });
        }
        sink.push(problem);
    }
    Some(entries)
}

/// Refuses an entry no comparison is meant to see.
fn check_length(source: &Arc<SourceText>, range: Range<usize>, sink: &mut Sink) {
    let entry = source.text.get(range.clone()).unwrap_or_default();
    if entry.len() > ENTRY_CHARS_MAX && entry.chars().count() > ENTRY_CHARS_MAX {
        let span = Span { source: Arc::clone(source), range: range.start..range.start };
        let message = format!("an entry is longer than {ENTRY_CHARS_MAX} characters");
        sink.push(Diagnostic::error(Code::List, span, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, text: &str, expect: &[&str]) {
        let mut sink = Sink::new();
        let list = parse(name, text.as_bytes(), &mut sink);
        assert_eq!(sink.as_slice(), []);
        assert_eq!(list.unwrap().iter().collect::<Vec<_>>(), expect);
    }

    #[track_caller]
    fn refused(name: &str, text: &str, expect: &str) {
        let mut sink = Sink::new();
        assert_eq!(parse(name, text.as_bytes(), &mut sink), None);
        let problems: Vec<String> =
            sink.into_sorted().iter().map(|p| format!("{} {} {}", p.span, p.code, p.message)).collect();
        assert_eq!(problems.join("\n"), expect);
    }

    #[test]
    fn a_text_file_has_one_entry_a_line() {
        check("lists/tier0.txt", "# domain controllers\r\ndc01 \r\n\r\n  dc02\nDC01", &["dc01", "dc02"]);
    }

    #[test]
    fn of_a_csv_file_the_first_column_counts() {
        let text = "Host,Why\ndc01,\"x\ny\"\n\"a \"\"b\"\"\",2\r\n;\nlast";
        check("tier0.csv", text, &["dc01", "a \"b\"", "last"]);
    }

    #[test]
    fn a_yaml_file_is_a_list_of_texts() {
        check("tier0.yaml", "- dc01\n- \"17\"\n", &["dc01", "17"]);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        refused(
            "tier0.yaml",
            "- 17\n- [x]\n",
            "tier0.yaml:1:3 HB0502 entry 1 must be a text\ntier0.yaml:2:3 HB0502 entry 2 must be a text",
        );
        refused("tier0.yaml", "a: 1\n", "tier0.yaml:1:1 HB0502 the file must be a list of texts");
        refused("tier-0.txt", "x\n", "tier-0.txt:1:1 HB0502 `tier-0` cannot be the name of a list");
        refused("t.csv", "h\n\"x\n", "t.csv:2:1 HB0502 a quoted field without its closing quote");
        refused("t.txt", "a\u{0}b\n", "t.txt:1:2 HB0001 a NUL character (U+0000) is not allowed");
        refused("t.txt", &"x".repeat(3_000), "t.txt:1:1 HB0502 an entry is longer than 2048 characters");
    }
}
