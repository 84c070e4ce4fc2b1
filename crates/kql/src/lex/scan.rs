//! The loop that reads one token after another.

use super::cursor::{Cursor, offset};
use super::literal::{self, LiteralType, is_word};
use super::{
    Punct, QUERY_BYTES_MAX, QUERY_TOO_LONG, Token, TokenKind, UNKNOWN_CHARACTER, UNKNOWN_DIRECTIVE,
    UNTERMINATED_LITERAL, parameter, string,
};
use crate::diagnostic::Diagnostic;
use crate::text::Span;

/// The words with a dash in them.
const DASHED: &[&str] = &[
    "assert-schema",
    "execute-and-cache",
    "granny-asc",
    "granny-desc",
    "graph-mark-components",
    "graph-match",
    "graph-merge",
    "graph-shortest-paths",
    "graph-to-table",
    "graph-where-edges",
    "graph-where-nodes",
    "macro-expand",
    "make-graph",
    "make-series",
    "mv-apply",
    "mv-expand",
    "parse-kv",
    "parse-where",
    "partitioned-by",
    "project-away",
    "project-by-names",
    "project-keep",
    "project-rename",
    "project-reorder",
    "project-smart",
    "sample-distinct",
    "top-hitters",
    "top-nested",
];

/// The words that may follow `!`.
const NEGATABLE: &[&str] = &[
    "between",
    "contains",
    "contains_cs",
    "endswith",
    "endswith_cs",
    "has",
    "has_cs",
    "hasprefix",
    "hasprefix_cs",
    "hassuffix",
    "hassuffix_cs",
    "in",
    "startswith",
    "startswith_cs",
];

/// The directives clients know; they are theirs to obey and mean nothing to the query.
const DIRECTIVES: &[&str] = &["connect", "crb", "crp", "database", "help", "save", "table"];

/// A text as tokens.
#[derive(Clone, Debug, Default)]
pub struct Lexed {
    /// The tokens in order; the last one is always [`TokenKind::End`].
    pub tokens: Vec<Token>,
    /// Comments, `//` included, line end excluded.
    pub comments: Vec<Span>,
    /// Lines that begin with `#`, line end excluded.
    pub directives: Vec<Span>,
    /// What could not be read.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a text. A text longer than [`QUERY_BYTES_MAX`] is refused whole.
pub fn lex(text: &str) -> Lexed {
    let mut lexed = Lexed::default();
    if text.len() > QUERY_BYTES_MAX {
        let message = format!("the query has {} bytes; the most is {QUERY_BYTES_MAX}", text.len());
        lexed.diagnostics.push(Diagnostic::error(QUERY_TOO_LONG, Span::empty(0), message));
        lexed.tokens.push(Token { kind: TokenKind::End, span: Span::empty(0) });
        return lexed;
    }
    lexed.tokens.reserve(text.len() / 4);
    let mut lexer = Lexer { cursor: Cursor::new(text), line_is_blank: true, lexed };
    lexer.run();
    lexer.lexed.tokens.push(Token { kind: TokenKind::End, span: Span::empty(offset(text.len())) });
    lexer.lexed
}

struct Lexer<'a> {
    cursor: Cursor<'a>,
    /// Whether nothing but blanks stands before the cursor on its line.
    line_is_blank: bool,
    lexed: Lexed,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(c) = self.cursor.peek() {
            if is_blank(c) {
                self.line_is_blank |= c == '\n';
                self.cursor.bump();
                continue;
            }
            if c == '/' && self.cursor.byte(1) == b'/' {
                let start = self.cursor.at();
                self.cursor.eat_line();
                let comment = self.cursor.since(start);
                self.lexed.comments.push(comment);
                continue;
            }
            if c == '#' && self.line_is_blank {
                self.directive();
                continue;
            }
            self.line_is_blank = false;
            let token = self.token(c);
            self.lexed.tokens.push(token);
        }
    }

    fn token(&mut self, c: char) -> Token {
        if c.is_ascii_digit() {
            return literal::number(&mut self.cursor);
        }
        if string::is_next(&self.cursor) {
            return string::string(&mut self.cursor, &mut self.lexed.diagnostics);
        }
        if is_word(c) || c == '$' {
            return self.word();
        }
        if c == '@' && parameter::is_next(self.cursor.rest()) {
            return parameter::token(&mut self.cursor);
        }
        if let Some(token) = self.negated() {
            return token;
        }
        let start = self.cursor.at();
        let sign = Punct::ALL.iter().find(|sign| self.cursor.eat(sign.text()));
        if let Some(sign) = sign {
            return Token { kind: TokenKind::Punct(*sign), span: self.cursor.since(start) };
        }
        self.unknown(c)
    }

    fn unknown(&mut self, c: char) -> Token {
        let start = self.cursor.at();
        if c == '#' {
            self.cursor.eat_line();
        } else {
            self.cursor.bump();
        }
        let span = self.cursor.since(start);
        let message = format!("`{}` has no meaning here", c.escape_debug());
        let mut diagnostic = Diagnostic::error(UNKNOWN_CHARACTER, span, message);
        if let Some(plain) = plain_quote(c) {
            diagnostic = diagnostic.with_help(format!("write a plain quote, {plain}")).with_fix(span, plain);
        }
        self.lexed.diagnostics.push(diagnostic);
        Token { kind: TokenKind::Unknown, span }
    }

    /// Reads a word, a dashed word, or a typed literal.
    fn word(&mut self) -> Token {
        let start = self.cursor.at();
        let rest = self.cursor.rest();
        self.cursor.bump();
        self.cursor.eat_while(is_word);
        let word = rest.get(..self.cursor.at() - start).unwrap_or_default();
        if self.cursor.byte(0) == b'-' {
            let dashed =
                DASHED.iter().find(|dashed| begins_with_word(rest, dashed) && dashed.len() > word.len());
            self.cursor.skip(dashed.map_or(0, |dashed| dashed.len() - word.len()));
        } else if word == "in" && self.cursor.byte(0) == b'~' {
            self.cursor.skip(1);
        } else if let Some(ty) = LiteralType::from_word(word)
            && self.typed()
        {
            return Token { kind: TokenKind::Typed(ty), span: self.cursor.since(start) };
        }
        Token { kind: TokenKind::Word, span: self.cursor.since(start) }
    }

    /// Moves over `(text)` behind the name of a type, if the text is neither an expression nor a parameter.
    fn typed(&mut self) -> bool {
        let rest = self.cursor.rest();
        let Some(inner) = skip_blanks(rest).strip_prefix('(') else { return false };
        let end = inner.find([')', '(', '\n', '\r', ';', '|']).unwrap_or(inner.len());
        let tail = inner.get(end..).unwrap_or_default();
        if tail.starts_with('(') || parameter::is_next(skip_blanks(inner)) {
            return false;
        }
        let closed = tail.starts_with(')');
        self.cursor.skip(rest.len() - tail.len() + usize::from(closed));
        if !closed {
            let here = Span::empty(offset(self.cursor.at()));
            let message = "this literal has no closing parenthesis";
            self.lexed.diagnostics.push(Diagnostic::error(UNTERMINATED_LITERAL, here, message));
        }
        true
    }

    /// Reads `!has`, `!in~` and the like.
    fn negated(&mut self) -> Option<Token> {
        let start = self.cursor.at();
        let word = self.cursor.rest().strip_prefix('!')?;
        let word = word.get(..word.find(|c| !is_word(c)).unwrap_or(word.len()))?;
        if !NEGATABLE.contains(&word) {
            return None;
        }
        self.cursor.skip(1 + word.len());
        if word == "in" {
            self.cursor.eat("~");
        }
        Some(Token { kind: TokenKind::Word, span: self.cursor.since(start) })
    }

    fn directive(&mut self) {
        let start = self.cursor.at();
        let rest = self.cursor.rest().get(1..).unwrap_or_default();
        let name = rest.get(..rest.find(|c| !is_word(c)).unwrap_or(rest.len())).unwrap_or_default();
        self.cursor.eat_line();
        self.lexed.directives.push(self.cursor.since(start));
        if DIRECTIVES.contains(&name) {
            return;
        }
        let span = Span::new(offset(start + 1), offset(start + 1 + name.len()));
        let message = format!("`#{name}` is no directive");
        self.lexed.diagnostics.push(
            Diagnostic::error(UNKNOWN_DIRECTIVE, span, message)
                .with_help("a comment begins with `//`")
                .with_fix(Span::new(offset(start), offset(start + 1)), "//"),
        );
    }
}

/// Tells whether a character is blank. Some that Unicode does not count as blank come with queries
/// copied from web pages.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{180e}' | '\u{200b}' | '\u{feff}')
}

/// Leaves out blanks and comments at the beginning of a text.
fn skip_blanks(text: &str) -> &str {
    let mut rest = text.trim_start_matches(is_blank);
    while rest.starts_with("//") {
        rest = rest
            .get(rest.find('\n').unwrap_or(rest.len())..)
            .unwrap_or_default()
            .trim_start_matches(is_blank);
    }
    rest
}

/// Tells whether `text` begins with `word` and the word ends there.
fn begins_with_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|tail| !tail.starts_with(is_word))
}

/// Returns the plain form of a quote that a word processor has made pretty.
fn plain_quote(c: char) -> Option<&'static str> {
    match c {
        '\u{201c}' | '\u{201d}' | '\u{201e}' => Some("\""),
        '\u{2018}' | '\u{2019}' | '\u{201a}' => Some("'"),
        _ => None,
    }
}
