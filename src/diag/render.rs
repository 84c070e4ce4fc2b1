//! Diagnostics as text for people and as JSON for machines.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level as Heading, Origin, Patch, Renderer, Snippet};
use serde_json::{Value, json};

use super::{Diagnostic, Level, SourceText, Span, Suggestion};

/// Most problems shown for one file: about a screen. The rest is counted; mending the first ones often
/// mends others.
const SHOWN_MAX: usize = 20;

/// Most lines of source quoted for one problem.
const LINES_MAX: usize = 4;

/// Longest piece of a line that is quoted, in bytes before and after the marked place: a line of a
/// megabyte is not a quotation.
const AROUND_MAX: usize = 200;

/// How diagnostics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people: source lines, carets, suggestions.
    Text,
    /// The same in colour (ANSI); the stream decides whether it can show it.
    Colour,
    /// One JSON array for machines, all problems of all files.
    Json,
}

/// Writes diagnostics, which must be in the order of their files. Text ends with a line break unless
/// there is none to write.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], format: Format) -> String {
    match format {
        Format::Text => text(diagnostics, &Renderer::plain()),
        Format::Colour => text(diagnostics, &Renderer::styled()),
        Format::Json => {
            let all: Vec<Value> = diagnostics.iter().map(to_json).collect();
            let mut text = serde_json::to_string_pretty(&all).unwrap_or_default();
            text.push('\n');
            text
        }
    }
}

/// Writes the problems file by file.
fn text(diagnostics: &[Diagnostic], renderer: &Renderer) -> String {
    let mut out = String::new();
    for file in diagnostics.chunk_by(|a, b| a.span.source.name == b.span.source.name) {
        for diagnostic in file.iter().take(SHOWN_MAX) {
            out.push_str(one(diagnostic, renderer).trim_end());
            out.push_str("\n\n");
        }
        if let Some(more) = file.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
            let name = file.first().map(|first| visible(&first.span.source.name)).unwrap_or_default();
            let problems = if more == 1 { "problem" } else { "problems" };
            let rest = format!("... and {more} more {problems} in {name}\n\n");
            out.push_str(&rest);
        }
    }
    if out.ends_with("\n\n") {
        out.pop();
    }
    out
}

/// Writes one problem.
fn one(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let heading = match diagnostic.level {
        Level::Error => Heading::ERROR,
        Level::Warning => Heading::WARNING,
    };
    let message = visible(&diagnostic.message);
    let helps: Vec<String> = diagnostic.help.iter().map(|help| visible(help)).collect();
    let label = visible(&diagnostic.label);
    let quote = Quote::new(&diagnostic.span.source, diagnostic.span.range.clone());
    let name = visible(&diagnostic.span.source.name);
    let mut group = Group::with_title(heading.primary_title(message).id(diagnostic.code.as_str()));
    if quote.whole && !quote.text.trim().is_empty() {
        group = group.element(quote.snippet(&label).path(name));
    } else {
        // The renderer counts columns in what it is given; of a cut line it must be told.
        let (line, column) = diagnostic.span.line_column();
        group = group.element(Origin::path(name).line(line).char_column(column));
        if !quote.text.trim().is_empty() {
            group = group.element(quote.snippet(&label));
        }
    }
    for help in &helps {
        group = group.element(Heading::HELP.message(help.as_str()));
    }
    let mut groups = vec![group];
    groups.extend(diagnostic.suggestion.as_ref().and_then(|mend| patch(&diagnostic.span.source, mend)));
    renderer.render(&groups)
}

/// Shows a mend as the changed line.
fn patch<'a>(source: &SourceText, mend: &Suggestion) -> Option<Group<'a>> {
    let quote = Quote::new(source, mend.range.clone());
    if mend.range.end > quote.start + quote.text.len() {
        return None;
    }
    let snippet = Snippet::source(quote.text)
        .line_start(quote.line)
        .patch(Patch::new(quote.range, visible(&mend.replacement)));
    Some(Heading::HELP.secondary_title(visible(&mend.message)).element(snippet))
}

/// The lines of a file around a place, cut to what a person can read.
struct Quote {
    text: String,
    /// Where the quoted text starts in the file, in bytes.
    start: usize,
    /// Its first line, from 1.
    line: usize,
    /// The marked place within it.
    range: Range<usize>,
    /// Whether it starts where its line starts.
    whole: bool,
}

impl Quote {
    fn new(source: &SourceText, range: Range<usize>) -> Self {
        let text = source.text.as_str();
        let marked = floor(text, range.start)..floor(text, range.end).max(floor(text, range.start));
        let first = text.get(..marked.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let line = text.get(..first).unwrap_or_default().bytes().filter(|byte| *byte == b'\n').count() + 1;
        let mut last = first;
        for piece in text.get(first..).unwrap_or_default().split_inclusive('\n').take(LINES_MAX) {
            last += piece.len();
            if last >= marked.end {
                break;
            }
        }
        let start = floor(text, first.max(marked.start.saturating_sub(AROUND_MAX)));
        let end = floor(text, last.min(marked.start.saturating_add(2 * AROUND_MAX)).max(marked.start));
        let quoted = text.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r']);
        let mark_end = marked.end.min(start + quoted.len()).max(marked.start);
        Self {
            text: harmless(quoted),
            start,
            line,
            range: marked.start - start..mark_end - start,
            whole: start == first,
        }
    }

    /// The lines with the place marked.
    fn snippet<'a>(&'a self, label: &'a str) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let mark = AnnotationKind::Primary.span(self.range.clone());
        let mark = if label.is_empty() { mark } else { mark.label(label) };
        Snippet::source(self.text.as_str()).line_start(self.line).annotation(mark)
    }
}

/// The nearest character boundary at or before a byte.
fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}

/// Puts a sign of the same length in the place of what the renderer would let through to a terminal: the places in a
/// quotation count its bytes.
fn harmless(quoted: &str) -> String {
    let stand_in = |char| match char {
        '\u{80}'..='\u{9f}' | '\u{61c}' => '\u{b7}',
        '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' => char::REPLACEMENT_CHARACTER,
        plain => plain,
    };
    quoted.chars().map(stand_in).collect()
}

/// Makes characters visible that could move the cursor or reorder the line.
fn visible(text: &str) -> String {
    let hides = |char: char| {
        (char.is_control() && char != '\n')
            || matches!(char, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(hides) {
        return text.to_owned();
    }
    let shown = text.chars().map(|char| match char {
        hidden if hides(hidden) => Cow::Owned(hidden.escape_unicode().to_string()),
        plain => Cow::Owned(plain.to_string()),
    });
    shown.collect()
}

/// One problem for machines.
fn to_json(diagnostic: &Diagnostic) -> Value {
    let mut value = json!({
        "code": diagnostic.code.as_str(),
        "level": match diagnostic.level { Level::Error => "error", Level::Warning => "warning" },
        "message": diagnostic.message,
        "label": diagnostic.label,
        "file": diagnostic.span.source.name,
    });
    let suggestion = diagnostic.suggestion.as_ref().map(|mend| {
        let mut value = json!({"message": mend.message, "replacement": mend.replacement});
        let span = Span { source: diagnostic.span.source.clone(), range: mend.range.clone() };
        add_place(&mut value, &span);
        value
    });
    add_place(&mut value, &diagnostic.span);
    if let Value::Object(map) = &mut value {
        map.insert("help".to_owned(), json!(diagnostic.help));
        map.insert("suggestion".to_owned(), suggestion.unwrap_or(Value::Null));
    }
    value
}

/// Adds a place: lines and columns from 1, columns in characters, the end exclusive.
fn add_place(value: &mut Value, span: &Span) {
    let (line, column) = span.line_column();
    let end = Span { source: span.source.clone(), range: span.range.end..span.range.end };
    let (end_line, end_column) = end.line_column();
    if let Value::Object(map) = value {
        map.insert("line".to_owned(), line.into());
        map.insert("column".to_owned(), column.into());
        map.insert("endLine".to_owned(), end_line.into());
        map.insert("endColumn".to_owned(), end_column.into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diag::Code;

    fn problem(text: &str, range: Range<usize>) -> Diagnostic {
        let source = Arc::new(SourceText { name: "playbooks/x.yaml".to_owned(), text: text.to_owned() });
        Diagnostic::error(Code::UnknownKey, Span { source, range }, "unknown key `nmae`")
    }

    #[track_caller]
    fn check(diagnostic: &Diagnostic, expect: &str) {
        assert_eq!(render(std::slice::from_ref(diagnostic), Format::Text), expect);
    }

    #[test]
    fn a_problem_is_shown_with_its_line_and_its_mend() {
        let diagnostic =
            problem("schema: 1\nnmae: x # é\n", 10..14).label("not a key here").nearest("nmae", ["name"]);
        check(
            &diagnostic.help("keys have names"),
            "\
error[HB0101]: unknown key `nmae`
 --> playbooks/x.yaml:2:1
  |
2 | nmae: x # é
  | ^^^^ not a key here
  |
  = help: keys have names
help: a similar name exists: `name`
  |
2 - nmae: x # é
2 + name: x # é
  |
",
        );
    }

    #[test]
    fn a_huge_line_and_an_empty_file_are_shown_in_little() {
        let long = format!("a: {}nmae{}", "x".repeat(1_000_000), "y".repeat(1_000_000));
        let shown = render(&[problem(&long, 1_000_003..1_000_007)], Format::Text);
        assert!(shown.contains("playbooks/x.yaml:1:1000004"), "{shown}");
        assert!(shown.len() < 1_000, "{}", shown.len());
        check(&problem("", 0..0), "error[HB0101]: unknown key `nmae`\n--> playbooks/x.yaml:1:1\n");
    }

    #[test]
    fn hostile_text_cannot_move_the_cursor_or_reorder_a_line() {
        let mut diagnostic = problem("a: \u{1b}[2J\u{202e}x\n", 0..1).label("l\u{1b}").help("h\u{202e}");
        diagnostic.message = "m\u{1b}]0;x\u{7}".to_owned();
        diagnostic.span.source =
            Arc::new(SourceText { name: "\u{9b}n".to_owned(), ..(*diagnostic.span.source).clone() });
        diagnostic.suggestion = Some(Suggestion {
            message: "s\u{1b}".to_owned(),
            range: 0..1,
            replacement: "r\u{1b}".to_owned(),
        });
        let shown = render(&[diagnostic], Format::Text);
        assert!(!shown.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{shown:?}");
    }

    #[test]
    fn at_most_twenty_problems_of_a_file_are_shown() {
        let all = vec![problem("x: 1\n", 0..1); 23];
        let shown = render(&all, Format::Text);
        assert_eq!(shown.matches("error[").count(), 20);
        assert!(shown.ends_with("\n... and 3 more problems in playbooks/x.yaml\n"), "{shown}");
        assert_eq!(render(&[], Format::Text), "");
    }

    #[test]
    fn machines_get_every_place() {
        let diagnostic = problem("schema: 1\nnmae: x\n", 10..14).nearest("nmae", ["name"]).help("h");
        insta::assert_snapshot!(render(&[diagnostic], Format::Json), @r#"
        [
          {
            "code": "HB0101",
            "level": "error",
            "message": "unknown key `nmae`",
            "label": "",
            "file": "playbooks/x.yaml",
            "line": 2,
            "column": 1,
            "endLine": 2,
            "endColumn": 5,
            "help": [
              "h"
            ],
            "suggestion": {
              "message": "a similar name exists: `name`",
              "replacement": "name",
              "line": 2,
              "column": 1,
              "endLine": 2,
              "endColumn": 5
            }
          }
        ]
        "#);
    }
}
