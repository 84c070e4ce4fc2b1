//! The parser's errors in words for the author, at the place that must change.

use std::ops::Range;
use std::sync::Arc;

use serde_yaml::Error;

use super::node::LONG_KEY;
use super::{ALIASES_MAX, DEPTH_MAX, KEY_BYTES_MAX, NODES_MAX};
use crate::diag::{Code, Diagnostic, SourceText, Span, Suggestion};

/// What the parser says, what we say, and what to do about it. The first that occurs counts.
const PHRASES: &[(&str, Code, &str, &str)] = &[
    (
        "trailing content after",
        Code::Yaml,
        "text after the closing quote",
        "put the whole value in quotes, or write it below in a block that begins with `|`",
    ),
    (
        "mapping values are not allowed",
        Code::Yaml,
        "a `:` where no key can be",
        "indent the key as its neighbours, or put a value that contains `: ` in quotes",
    ),
    ("simple key", Code::Yaml, "a key without its `:`", "write `key: value`, with a space after the colon"),
    (
        "unknown anchor",
        Code::Yaml,
        "an alias (`*name`) that refers to no anchor",
        "a value that starts with `*` must be in quotes if a text is meant",
    ),
    (
        "an anchor or alias",
        Code::Yaml,
        "a `*` or `&` that begins no alias or anchor",
        "a value that starts with `*` or `&` must be in quotes if a text is meant",
    ),
    ("recursive", Code::YamlFeature, "an alias inside its own anchor", "write the values out"),
    (
        "string scalar",
        Code::YamlFeature,
        "a key must be a text",
        "lists, maps and nulls cannot be keys; quote the key if a text is meant",
    ),
    (
        "null into string",
        Code::YamlFeature,
        "a key must be a text",
        "lists, maps and nulls cannot be keys; quote the key if a text is meant",
    ),
    (
        "expected key",
        Code::Yaml,
        "this line fits no map or list above it",
        "indent it with as many spaces as its neighbours",
    ),
    (
        "expected '-' indicator",
        Code::Yaml,
        "this line fits no map or list above it",
        "indent it with as many spaces as its neighbours",
    ),
    (
        "wrongly indented line in block",
        Code::Yaml,
        "a line of a block is indented less than its first",
        "indent every line of the block at least as far as its first",
    ),
    (
        "escape",
        Code::Yaml,
        "an unknown escape in double quotes",
        "write `\\\\` for a backslash, or use single quotes, which have no escapes",
    ),
    (
        "surrogate",
        Code::Yaml,
        "an escape in double quotes that is no character",
        "write the character itself, or `\\U` with eight digits",
    ),
    (
        "hexadecimal",
        Code::Yaml,
        "an escape in double quotes lacks digits",
        "`\\x` takes two hexadecimal digits, `\\u` four, `\\U` eight",
    ),
    ("misplaced bracket", Code::Yaml, "a closing bracket without its opening one", "remove it"),
    (
        "directive",
        Code::YamlFeature,
        "YAML directives are not allowed",
        "remove the line that starts with `%`",
    ),
    (
        "YAML major version",
        Code::YamlFeature,
        "YAML directives are not allowed",
        "remove the line that starts with `%`",
    ),
    ("tag", Code::YamlFeature, TAG, TAG_HELP),
    ("the handle wasn't declared", Code::YamlFeature, TAG, TAG_HELP),
];

const TAG: &str = "YAML tags are not allowed";
const TAG_HELP: &str = "a value that starts with `!` must be in quotes: without them it is a YAML tag";

/// Says an error of the parser in our words, at a place in bytes.
pub(super) fn explain(source: &Arc<SourceText>, error: &Error) -> Diagnostic {
    let at = offset(source, error);
    let end =
        source.text.get(at..).and_then(|rest| rest.chars().next()).map_or(at, |char| at + char.len_utf8());
    let span = Span { source: Arc::clone(source), range: at..end };
    match error {
        Error::DuplicateMappingKey { key, .. } => duplicate(span, key.as_deref().unwrap_or_default()),
        Error::MultipleDocuments { .. } => {
            Diagnostic::error(Code::YamlFeature, span, "a second document begins here")
                .help("one file holds one document; put the other in a file of its own")
        }
        Error::MergeKeyNotAllowed { .. } => {
            let span = Span { range: at..at + 2, ..span };
            Diagnostic::error(Code::YamlFeature, span, "merge keys (`<<`) are not allowed")
                .help("write the keys out")
        }
        Error::UnsupportedTag { .. } => tag(&span),
        Error::NonFiniteFloat { .. } => Diagnostic::error(Code::WrongValue, span, "the number is not finite")
            .help("if a text is meant, put it in quotes"),
        _ => syntax(span, &message(error)),
    }
}

/// Explains a key that comes twice.
fn duplicate(span: Span, key: &str) -> Diagnostic {
    let range = span.range.start..span.range.start + key.len();
    let whole = span.source.text.get(range.clone()) == Some(key);
    let span = if whole { Span { range, ..span } } else { span };
    let shown: String = key.chars().take(64).flat_map(char::escape_debug).collect();
    Diagnostic::error(Code::DuplicateKey, span, format!("the key `{shown}` comes twice in one map"))
        .help("the first one counts; remove or rename this one")
}

/// Explains a tag. Most are a condition that starts with `!`; the parser points behind it.
fn tag(span: &Span) -> Diagnostic {
    let source = &span.source;
    let before = source.text.get(..span.range.start).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let bang = before.get(line..).and_then(|text| text.find('!')).map_or(span.range.start, |at| line + at);
    let rest = source.text.get(bang..).unwrap_or_default();
    let value = rest_of_line(rest);
    let range = bang..bang + value.len();
    let problem = Diagnostic::error(Code::YamlFeature, Span { range: range.clone(), ..span.clone() }, TAG)
        .help(TAG_HELP);
    // A tag is one word of letters; a condition has more to it.
    let condition = value.starts_with('!') && value.contains(['.', '(', ' ']) && !value.contains(['{', '[']);
    if !condition {
        return problem;
    }
    let replacement = format!("'{}'", value.replace('\'', "''"));
    let suggestion = Suggestion { message: "put the value in quotes".to_owned(), range, replacement };
    Diagnostic { suggestion: Some(suggestion), ..problem }
}

/// Explains a text that is not YAML, by the words of the parser and by what stands there.
fn syntax(span: Span, text: &str) -> Diagnostic {
    let at = span.range.start;
    let source = Arc::clone(&span.source);
    let before = source.text.get(..at).unwrap_or_default();
    let rest = source.text.get(at..).unwrap_or_default();
    let error = |code: Code, message: &str| Diagnostic::error(code, span.clone(), message);
    if let Some(open) = braces(before, rest) {
        return quote_braces(&source, open);
    }
    if let Some(limit) = limit(text) {
        return error(Code::YamlLimit, &limit);
    }
    if text.contains("tab") {
        return tab(&span);
    }
    if text.contains("document start")
        && let Some(range) = indent_tab(before, 0)
    {
        return tab_at(Span { range, ..span.clone() });
    }
    if text.contains("quoted scalar")
        && (text.contains("indentation") || text.contains("indicator") || rest.is_empty())
    {
        let open = open_quote(before).unwrap_or(at);
        let span = Span { range: open..(open + 1).min(source.text.len()), ..span };
        return Diagnostic::error(Code::Yaml, span, "this quote is not closed")
            .help("close it, or indent the lines below it if the text goes on there");
    }
    if text.contains("flow") || text.contains("unclosed bracket") || text.contains("placement of ':'") {
        if let Some(open) = open_bracket(before) {
            let span = Span { range: open..open + 1, ..span };
            return Diagnostic::error(Code::Yaml, span, "this bracket is not closed")
                .help("close it, or put the value in quotes if a text is meant");
        }
        return error(Code::Yaml, "a `,` or a closing bracket is missing here");
    }
    if let Some(char) = text.strip_prefix("unexpected character: `").and_then(|rest| rest.chars().next()) {
        let quoted = if char == '`' { "a backtick".to_owned() } else { format!("`{char}`") };
        return error(Code::Yaml, &format!("a plain value cannot start with {quoted}"))
            .help("put the value in quotes");
    }
    if let Some((_, code, message, help)) = PHRASES.iter().find(|(words, ..)| text.contains(words)) {
        return error(*code, message).help(*help);
    }
    error(Code::Yaml, text)
}

/// Whether the words are about a limit, and which.
fn limit(text: &str) -> Option<String> {
    let about = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if text == LONG_KEY {
        Some(format!("a key longer than {KEY_BYTES_MAX} bytes"))
    } else if about(&["Depth", "recursion limit", "nesting"]) {
        Some(format!("nested deeper than {DEPTH_MAX} levels"))
    } else if about(&[
        "alias replay",
        "alias expansion",
        "Aliases",
        "Anchors",
        "anchor count",
        "RecordedAnchor",
    ]) {
        Some(format!(
            "too many aliases; at most {ALIASES_MAX} are allowed, and they may repeat only a little text"
        ))
    } else if about(&["Nodes", "Events"]) {
        Some(format!("more than {NODES_MAX} values"))
    } else if about(&["budget breached"]) {
        Some("the document is too large or too intricate".to_owned())
    } else {
        None
    }
}

/// Finds `{{` as the start of an unquoted value at or just before an error.
fn braces(before: &str, rest: &str) -> Option<usize> {
    if rest.starts_with("{{") {
        return Some(before.len());
    }
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let line_text = before.get(line..)?;
    let split = || (rest.starts_with('{') && line_text.ends_with('{')).then(|| line_text.len() - 1);
    let open = line_text.rfind("{{").or_else(split)?;
    let lead = line_text.get(..open)?.trim_end();
    (lead.is_empty() || lead.ends_with([':', '-', '[', ','])).then_some(line + open)
}

/// Explains an unquoted `{{` and offers the quotes.
fn quote_braces(source: &Arc<SourceText>, open: usize) -> Diagnostic {
    let rest = source.text.get(open..).unwrap_or_default();
    let inside = source.text.get(..open).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
    // In a flow map or list the value ends with its own braces; elsewhere it takes the rest of the line.
    let value = if inside.contains(['{', '[']) {
        rest.find("}}").and_then(|end| rest.get(..end + 2)).unwrap_or_default()
    } else {
        rest_of_line(rest)
    };
    let span = Span { source: Arc::clone(source), range: open..open + 2 };
    let mut problem = Diagnostic::error(Code::Yaml, span, "a value that starts with `{{` must be in quotes")
        .help("without quotes YAML reads `{` as the start of a map");
    if !value.is_empty() && !value.contains(['"', '\\', '\n']) {
        problem.suggestion = Some(Suggestion {
            message: "put the value in quotes".to_owned(),
            range: open..open + value.len(),
            replacement: format!("\"{value}\""),
        });
    }
    problem
}

/// Explains a tab and points at it: the parser points at the value before.
fn tab(span: &Span) -> Diagnostic {
    let text = &span.source.text;
    let line = text.get(..span.range.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let range = indent_tab(text, line).unwrap_or_else(|| span.range.clone());
    tab_at(Span { range, ..span.clone() })
}

fn tab_at(span: Span) -> Diagnostic {
    Diagnostic::error(Code::Yaml, span, "a tab where only spaces are allowed").help("indent with spaces")
}

/// The first tab in the indent of a line, from the line at `from`.
fn indent_tab(text: &str, from: usize) -> Option<Range<usize>> {
    let mut at = from;
    for line in text.get(from..)?.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line.get(..indent).and_then(|lead| lead.find('\t')) {
            return Some(at + tab..at + tab + 1);
        }
        at += line.len();
    }
    None
}

/// The quote that began the scalar in which a text ends.
fn open_quote(before: &str) -> Option<usize> {
    let starts = |at: usize| {
        at == 0 || before.get(..at).is_some_and(|lead| lead.ends_with([' ', '\n', '[', '{', ',']))
    };
    before.rmatch_indices(['"', '\'']).map(|(at, _)| at).find(|at| starts(*at))
}

/// The last bracket that is open where a text ends. Quotes and comments are passed over.
fn open_bracket(before: &str) -> Option<usize> {
    let mut open = Vec::new();
    let mut quote = None;
    let mut last = '\n';
    let mut comment = false;
    for (at, char) in before.char_indices() {
        match (char, quote) {
            ('\n', _) if comment => comment = false,
            _ if comment => {}
            (_, Some(mark)) if char == mark && last != '\\' => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) if matches!(last, ' ' | '\n' | '[' | '{' | ',') => quote = Some(char),
            ('#', None) if last.is_whitespace() => comment = true,
            ('[' | '{', None) if !open.is_empty() || matches!(last, ' ' | '\n') => open.push(at),
            (']' | '}', None) => {
                open.pop();
            }
            _ => {}
        }
        last = char;
    }
    open.pop()
}

/// A value up to the end of its line or its comment.
fn rest_of_line(rest: &str) -> &str {
    let line = rest.lines().next().unwrap_or_default();
    line.split(" #").next().unwrap_or(line).trim_end()
}

/// The parser's message without the place it appends.
fn message(error: &Error) -> String {
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    text.find(" at line ").and_then(|at| text.get(..at)).unwrap_or(text).to_owned()
}

/// Where the error is, in bytes.
fn offset(source: &SourceText, error: &Error) -> usize {
    let text = &source.text;
    let Some(location) = error.location() else { return 0 };
    let span = location.span();
    let bytes = span.byte_offset().and_then(|at| usize::try_from(at).ok());
    if let Some(bytes) = bytes.filter(|at| text.is_char_boundary(*at)) {
        return bytes;
    }
    let chars = usize::try_from(span.offset()).unwrap_or(0);
    text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at)
}
