//! What holds for every text: the lexer, the parser and the formatter do no harm to it.

use kql::diagnostic::Severity;
use kql::format::{FormatError, format};
use kql::lex::{TokenKind, lex};
use kql::parse::{Parsed, parse};
use kql::text::Span;

/// Runs the lexer, and checks that its tokens cover the text in order.
pub(crate) fn check_lexer(text: &str) {
    let lexed = lex(text);
    let mut end = 0;
    for token in &lexed.tokens {
        assert!(token.span.start >= end, "tokens overlap at {:?} in {text:?}", token.span);
        check_span(token.span, text);
        end = token.span.end;
    }
    assert_eq!(lexed.tokens.last().map(|token| token.kind), Some(TokenKind::End), "no end in {text:?}");
    for span in lexed.comments.iter().chain(&lexed.directives) {
        check_span(*span, text);
    }
}

/// Runs the parser, and checks that every place it names is in the text.
pub(crate) fn check_parser(text: &str) -> Parsed {
    let parsed = parse(text);
    for diagnostic in &parsed.diagnostics {
        check_span(diagnostic.span, text);
        if let Some(fix) = &diagnostic.fix {
            check_span(fix.span, text);
        }
    }
    // Every node prints its place as `@start..end`.
    let tree = format!("{:?}", parsed.query);
    for place in tree.split('@').skip(1) {
        let numbers: Vec<u32> =
            place.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
        // An at sign in the text of a name or a literal is no place.
        if let ([start, end, ..], true) =
            (numbers.as_slice(), place.starts_with(|c: char| c.is_ascii_digit()))
            && !text.contains('@')
        {
            check_span(Span { start: *start, end: *end }, text);
        }
    }
    parsed
}

/// Runs the formatter, and checks that it changes neither the tree nor its own result.
pub(crate) fn check_formatter(text: &str) {
    let before = parse(text);
    let formatted = match format(text) {
        Ok(formatted) => formatted,
        Err(FormatError::Syntax(errors)) => {
            assert!(!errors.is_empty());
            return;
        }
        Err(FormatError::Changed) => panic!("formatting changes the query {text:?}"),
    };
    let after = parse(&formatted);
    assert_eq!(without_places(&before), without_places(&after), "another tree for {text:?}:\n{formatted}");
    assert!(after.diagnostics.iter().all(|diagnostic| diagnostic.severity < Severity::Error));
    assert_eq!(format(&formatted).as_ref(), Ok(&formatted), "not settled for {text:?}");
}

/// Prints a tree without the places of its nodes.
pub(crate) fn without_places(parsed: &Parsed) -> String {
    let tree = format!("{:?}", parsed.query);
    let mut out = String::new();
    let mut rest = tree.as_str();
    while let Some((before, place)) = rest.split_once('@') {
        out.push_str(before);
        rest = place.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    }
    out.push_str(rest);
    out
}

fn check_span(span: Span, text: &str) {
    let fits = text.get(span.start as usize..span.end as usize).is_some();
    assert!(fits, "{span:?} is not in {text:?}");
}
