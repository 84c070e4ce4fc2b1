//! What holds for every query with parameters: filled, it is the same tokens with each literal in its place.

use kql::lex::{TokenKind, fill, lex};
use proptest::prelude::*;
use proptest::sample::select;

/// What stands beside parameters. Strings and comments hold what only looks like one, and like their own ends.
const TEXTS: &[&str] = &[
    "\"\"",
    "\"@a\"",
    "\"\\\" @a //\"",
    "'@b'",
    "'\\\\'",
    "'\" @a'",
    "@\"@a\"",
    "@\"\\\"",
    "@\"\"\"@a\"\"\"",
    "@'''@b'''",
    "h\"@a\"",
    "H'@a'",
    "h@\"\\@a\"",
    "```@a\n\"@b```",
    "~~~'@a'\n// @b~~~",
    "h```@a```",
    "// @a \"\n",
    "// '@b ```\r\n",
    "//\n",
    "datetime(2026-01-01)",
    "DeviceEvents",
    "h",
    "in",
    "in~",
    "!in",
    "has_any",
    "_x1",
    "mv-expand",
    "1",
    "0x1f",
    "2.5",
    "7d",
    "==",
    "=~",
    "..",
    ".",
    "-",
    "/",
    "*",
    "@",
    "|",
    ";",
    ",",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    "é",
];

/// What parameters stand for, each by its name. Some of them hold what looks like a parameter or a comment.
const LITERALS: &[(&str, &str)] = &[
    ("a", "\"x\""),
    ("b", "\"@a \\\" // '\""),
    ("c", "dynamic([\"@a\",\"])\",\"//\"])"),
    ("d", "dynamic([])"),
    ("e_1", "5"),
    ("_f", "long(-5)"),
    ("g", "1e300"),
    ("h", "real(nan)"),
    ("i", "true"),
    ("j", "datetime(2026-11-01T00:00:00.0000000Z)"),
    ("k", "timespan(-1.01:01:01.0000005)"),
];

fn literal(name: &str) -> Option<&'static str> {
    LITERALS.iter().find(|(known, _)| *known == name).map(|(_, literal)| *literal)
}

/// A piece of a query, and what stands between it and the next one at the least.
#[derive(Debug, Clone)]
enum Piece {
    Text(&'static str),
    Parameter(&'static str),
}

impl Piece {
    fn written(&self) -> String {
        match self {
            Self::Text(text) => (*text).to_owned(),
            Self::Parameter(name) => format!("@{name}"),
        }
    }

    /// Whether both can stand side by side and stay what they are: a parameter ends where no letter goes on.
    fn can_touch(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Text(_), Self::Text(_)) => false,
            (Self::Parameter(_), Self::Text(text)) => {
                !text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
            }
            (Self::Text(_) | Self::Parameter(_), Self::Parameter(_)) => true,
        }
    }
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        3 => select(TEXTS).prop_map(Piece::Text),
        2 => select(LITERALS).prop_map(|(name, _)| Piece::Parameter(name)),
    ]
}

/// Pieces, each with what follows it where it need not be a blank.
fn pieces() -> impl Strategy<Value = Vec<(Piece, &'static str)>> {
    proptest::collection::vec((piece(), select(&["", "", "", " ", "\n", "\t"][..])), 0..24)
}

/// Each piece with the blanks behind it.
fn laid_out(pieces: &[(Piece, &'static str)]) -> Vec<(Piece, &'static str)> {
    let nexts = pieces.iter().skip(1).map(|(next, _)| Some(next)).chain([None]);
    let blank = |((piece, blank), next): (&(Piece, &'static str), Option<&Piece>)| {
        let needs = blank.is_empty() && next.is_some_and(|next| !piece.can_touch(next));
        (piece.clone(), if needs { " " } else { *blank })
    };
    pieces.iter().zip(nexts).map(blank).collect()
}

/// The tokens of a text as they are written, without the end.
fn tokens(text: &str) -> Vec<(TokenKind, &str)> {
    let tokens = lex(text).tokens.into_iter().filter(|token| token.kind != TokenKind::End);
    tokens.map(|token| (token.kind, token.span.of(text))).collect()
}

/// The comments of a text.
fn comments(text: &str) -> Vec<&str> {
    lex(text).comments.iter().map(|span| span.of(text)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_filled_query_says_the_same_with_a_literal_in_each_place(pieces in pieces()) {
        let pieces = laid_out(&pieces);
        let text: String = pieces.iter().map(|(piece, blank)| piece.written() + blank).collect();
        let filled = fill(&text, literal).expect("each has a literal");

        // The text is the concatenation, with at most one blank on either side of a literal, where there was none.
        let (mut rest, mut before) = (filled.as_str(), ' ');
        for (index, (piece, blank)) in pieces.iter().enumerate() {
            let is_parameter = matches!(piece, Piece::Parameter(_));
            let written = match piece {
                Piece::Text(text) => text,
                Piece::Parameter(name) => literal(name).expect("it has one"),
            };
            if is_parameter && !before.is_whitespace() {
                rest = rest.strip_prefix(' ').unwrap_or(rest);
            }
            let Some(tail) = rest.strip_prefix(written) else {
                return Err(TestCaseError::fail(format!("{written:?} is not next in {rest:?} of {filled:?}")));
            };
            rest = tail;
            let goes_on = blank.is_empty() && index + 1 < pieces.len();
            if is_parameter && goes_on && let Some(tail) = rest.strip_prefix(' ') {
                rest = tail;
            }
            let Some(tail) = rest.strip_prefix(*blank) else {
                return Err(TestCaseError::fail(format!("{blank:?} is not next in {rest:?} of {filled:?}")));
            };
            rest = tail;
            let last = filled.get(..filled.len() - rest.len()).and_then(|done| done.chars().next_back());
            before = last.unwrap_or(' ');
        }
        prop_assert_eq!(rest, "", "{:?}", filled);

        // The tokens are those of the text, and in the place of a parameter those of its literal alone.
        let mut expect = Vec::new();
        for (kind, written) in tokens(&text) {
            match written.strip_prefix('@').filter(|_| kind == TokenKind::Parameter) {
                Some(name) => expect.extend(tokens(literal(name).expect("it has one"))),
                None => expect.push((kind, written)),
            }
        }
        let parameters = pieces.iter().filter(|(piece, _)| matches!(piece, Piece::Parameter(_))).count();
        prop_assert_eq!(kql::lex::parameters(&text).len(), parameters, "{:?}", text);
        prop_assert_eq!(tokens(&filled), expect, "{:?} became {:?}", text, filled);
        prop_assert_eq!(comments(&filled), comments(&text));
    }
}
