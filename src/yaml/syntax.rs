//! The parser itself: its limits, and its errors in our words.

use std::sync::Arc;

use serde_yaml::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_yaml::{Error, Options, Spanned};

use super::node::{LONG_KEY, Node, Raw};
use super::{ALIASES_MAX, DEPTH_MAX, KEY_BYTES_MAX, NODES_MAX, REPLAYED_MAX};
use crate::diag::{Code, Diagnostic, Sink, SourceText, Span, Suggestion};

/// Parses a text. A duplicate key is reported, and the text read again with the first one in force.
pub(super) fn parse(source: &Arc<SourceText>, sink: &mut Sink) -> Option<Node> {
    for duplicates in [DuplicateKeyPolicy::Error, DuplicateKeyPolicy::FirstWins] {
        match serde_yaml::from_str_with_options::<Spanned<Raw>>(&source.text, options(duplicates)) {
            Ok(raw) => return Some(Node::new(raw, source.text.len())),
            Err(error) => {
                let again = matches!(error.without_snippet(), Error::DuplicateMappingKey { .. });
                sink.push(explain(source, error.without_snippet()));
                if !again {
                    return None;
                }
            }
        }
    }
    None
}

/// The limits and the strict reading of YAML.
fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_aliases: ALIASES_MAX,
            max_anchors: ALIASES_MAX,
        },
        alias_limits: serde_yaml::alias_limits! {
            max_total_replayed_events: REPLAYED_MAX,
            max_replay_stack_depth: 4,
        },
        duplicate_keys: duplicate_keys,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// Says an error of the parser in our words, at a place in bytes.
fn explain(source: &Arc<SourceText>, error: &Error) -> Diagnostic {
    let at = offset(source, error);
    let end =
        source.text.get(at..).and_then(|rest| rest.chars().next()).map_or(at, |char| at + char.len_utf8());
    let span = Span { source: Arc::clone(source), range: at..end };
    match error {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.clone().unwrap_or_default();
            let range = at..at + key.len();
            let range = if source.text.get(range.clone()) == Some(&key) { range } else { at..end };
            let span = Span { range, ..span };
            Diagnostic::error(
                Code::DuplicateKey,
                span,
                format!("the key `{}` comes twice in one map", shown(&key)),
            )
            .help("the first one counts; remove or rename this one")
        }
        Error::MultipleDocuments { .. } => {
            Diagnostic::error(Code::YamlFeature, span, "a second document begins here")
                .help("one file holds one document; put the other in a file of its own")
        }
        Error::MergeKeyNotAllowed { .. } => {
            Diagnostic::error(Code::YamlFeature, span, "merge keys (`<<`) are not allowed")
                .help("write the keys out")
        }
        Error::UnsupportedTag { tag, .. } => tag_error(span, tag),
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => limit_error(span, error),
        Error::NonFiniteFloat { .. } => Diagnostic::error(Code::WrongValue, span, "the number is not finite")
            .help("if a text is meant, put it in quotes"),
        _ => syntax_error(span, &message(error)),
    }
}

/// Explains a tag. Most are a condition that starts with `!`.
fn tag_error(span: Span, tag: &str) -> Diagnostic {
    let message = format!("the tag `{}` is not allowed", shown(tag));
    let text = &span.source.text;
    let before = text.get(..span.range.start).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let start = before.get(line..).and_then(|line_text| line_text.rfind('!')).map(|at| line + at);
    let range = start.map_or(span.range.clone(), |start| start..span.range.start.max(start + 1));
    Diagnostic::error(Code::YamlFeature, Span { range, ..span }, message)
        .help("an unquoted value that starts with `!` is a YAML tag; put a condition that starts with `!` in quotes")
}

/// Explains a limit.
fn limit_error(span: Span, error: &Error) -> Diagnostic {
    let text = message(error);
    let what = if text.contains("Depth") {
        format!("nested deeper than {DEPTH_MAX} levels")
    } else if text.contains("Nodes") || text.contains("Events") {
        format!("more than {NODES_MAX} values")
    } else if text.contains("lias") || text.contains("nchor") {
        format!("too many aliases; at most {ALIASES_MAX} are allowed, and they may repeat only a little text")
    } else {
        "a limit of the YAML reader is exceeded".to_owned()
    };
    Diagnostic::error(Code::YamlLimit, span, what)
}

/// Explains a text that is not YAML, by the words of the parser and by what stands there.
fn syntax_error(span: Span, text: &str) -> Diagnostic {
    let at = span.range.start;
    let source = Arc::clone(&span.source);
    let before = source.text.get(..at).unwrap_or_default();
    let rest = source.text.get(at..).unwrap_or_default();
    let error = |message: &str| Diagnostic::error(Code::Yaml, span.clone(), message);
    if let Some(open) = braces(before, rest) {
        return quote_braces(&source, open);
    }
    if text == LONG_KEY {
        return Diagnostic::error(Code::YamlLimit, span, format!("a key longer than {KEY_BYTES_MAX} bytes"));
    }
    if text.contains("recursion limit") || text.contains("nesting") {
        return Diagnostic::error(Code::YamlLimit, span, format!("nested deeper than {DEPTH_MAX} levels"));
    }
    if text.contains("tab") {
        return tab(&span);
    }
    if text.contains("expected string scalar") || text.contains("recursive") {
        let feature = |message: &str| Diagnostic::error(Code::YamlFeature, span.clone(), message);
        return if text.contains("recursive") {
            feature("an alias inside its own anchor")
        } else {
            feature("a key must be a text")
                .help("lists, maps and nulls cannot be keys; quote the key if a text is meant")
        };
    }
    if text.contains("unknown anchor") {
        return error("an alias (`*name`) that refers to no anchor")
            .help("a value that starts with `*` must be quoted if a text is meant");
    }
    if text.contains("trailing content after") {
        return error("text after the closing quote")
            .help("put the whole value in quotes, or write it below in a block that begins with `|`");
    }
    if text.contains("mapping values are not allowed") {
        return error("a `:` where no key can be")
            .help("indent the key as its neighbours, or put a value that contains `: ` in quotes");
    }
    if let Some(char) = text.strip_prefix("unexpected character: `").and_then(|rest| rest.chars().next()) {
        return error(&format!("a plain value cannot start with `{char}`")).help("put the value in quotes");
    }
    error(text)
}

/// Finds `{{` as the start of an unquoted value at or just before an error.
fn braces(before: &str, rest: &str) -> Option<usize> {
    if rest.starts_with("{{") {
        return Some(before.len());
    }
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let line_text = before.get(line..)?;
    let open = line_text
        .rfind("{{")
        .or_else(|| (rest.starts_with('{') && line_text.ends_with('{')).then(|| line_text.len() - 1))?;
    let lead = line_text.get(..open)?.trim_end();
    (lead.is_empty() || lead.ends_with([':', '-', '[', ','])).then_some(line + open)
}

/// Explains an unquoted `{{` and offers the quotes.
fn quote_braces(source: &Arc<SourceText>, open: usize) -> Diagnostic {
    let rest = source.text.get(open..).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let value = line.split(" #").next().unwrap_or(line).trim_end();
    let range = open..open + value.len();
    let span = Span { source: Arc::clone(source), range: open..open + 2 };
    let mut problem = Diagnostic::error(Code::Yaml, span, "a value that starts with `{{` must be in quotes")
        .help("without quotes YAML reads `{` as the start of a map");
    if !value.contains(['"', '\\']) && value.ends_with("}}") {
        problem.suggestion = Some(Suggestion {
            message: "put the value in quotes".to_owned(),
            range,
            replacement: format!("\"{value}\""),
        });
    }
    problem
}

/// Explains a tab and points at it: the parser points at the value before.
fn tab(span: &Span) -> Diagnostic {
    let text = &span.source.text;
    let line = text.get(..span.range.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let mut at = line;
    let mut found = span.range.clone();
    for candidate in text.get(line..).unwrap_or_default().split_inclusive('\n') {
        let indent = candidate.len() - candidate.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = candidate.get(..indent).and_then(|lead| lead.find('\t')) {
            found = at + tab..at + tab + 1;
            break;
        }
        at += candidate.len();
    }
    Diagnostic::error(
        Code::Yaml,
        Span { range: found, ..span.clone() },
        "a tab where only spaces are allowed",
    )
    .help("indent with spaces")
}

/// The parser's message without the place it appends.
fn message(error: &Error) -> String {
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    text.rfind(" at line ").and_then(|at| text.get(..at)).unwrap_or(text).to_owned()
}

/// Where the error is, in bytes.
fn offset(source: &SourceText, error: &Error) -> usize {
    let text = &source.text;
    let Some(location) = error.location() else { return 0 };
    let span = location.span();
    if let Some(bytes) =
        span.byte_offset().and_then(|at| usize::try_from(at).ok()).filter(|at| text.is_char_boundary(*at))
    {
        return bytes;
    }
    let chars = usize::try_from(span.offset()).unwrap_or(0);
    text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at)
}

/// Cuts and escapes a text for a message.
fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}
