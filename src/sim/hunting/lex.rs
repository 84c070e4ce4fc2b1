//! Text to tokens.

use std::sync::Arc;

use super::fault::Fault;
use super::time;

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// Byte offset of its first character.
    pub(crate) at: usize,
    /// Byte offset after its last.
    pub(crate) end: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind {
    /// A name or keyword. May hold inner hyphens only where the parser joins them.
    Name(Arc<str>),
    /// A string literal, unescaped.
    Text(Arc<str>),
    Long(i64),
    Real(f64),
    /// A time span literal in ticks.
    Span(i64),
    /// `datetime(…)`, `timespan(…)`, `guid(…)`: the name and what stands between the parentheses.
    Literal(&'static str, Arc<str>),
    /// An operator or a bracket. Word operators with `!` or `~` come as one: `!has`, `in~`, `!in~`.
    Sign(&'static str),
    End,
}

/// Longest first, so that the longest wins.
const SIGNS: &[&str] = &[
    "!startswith_cs",
    "!hasprefix_cs",
    "!hassuffix_cs",
    "!endswith_cs",
    "!contains_cs",
    "!startswith",
    "!hasprefix",
    "!hassuffix",
    "!endswith",
    "!contains",
    "!between",
    "!has_cs",
    "!has",
    "!in~",
    "!in",
    "in~",
    "==",
    "!=",
    "=~",
    "!~",
    "<=",
    ">=",
    "<>",
    "..",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    ":",
    "|",
    "=",
    "<",
    ">",
    "+",
    "-",
    "*",
    "/",
    "%",
    ".",
    "$",
];

/// Words whose parenthesis holds a literal in a notation of its own.
const LITERALS: &[&str] = &["datetime", "timespan", "guid"];

/// Splits a query into tokens; the last is always [`TokenKind::End`].
pub(crate) fn lex(query: &str) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer { query, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let at = lexer.at;
        let kind = lexer.token()?;
        let last = kind == TokenKind::End;
        tokens.push(Token { kind, at, end: lexer.at });
        if last {
            return Ok(tokens);
        }
    }
}

struct Lexer<'q> {
    query: &'q str,
    at: usize,
}

impl<'q> Lexer<'q> {
    fn rest(&self) -> &'q str {
        self.query.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes the characters that `keep` accepts.
    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'q str {
        let rest = self.rest();
        let length = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn skip_blank(&mut self) {
        loop {
            self.take_while(|c| c.is_whitespace() || matches!(c, '\u{200b}' | '\u{feff}'));
            if !self.rest().starts_with("//") {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    fn token(&mut self) -> Result<TokenKind, Fault> {
        let Some(first) = self.peek() else { return Ok(TokenKind::End) };
        let rest = self.rest();
        if rest.starts_with("```") || rest.starts_with("~~~") {
            return self.block_text();
        }
        if let Some(prefix) = ["h@", "H@", "@", "h", "H", ""]
            .into_iter()
            .find(|prefix| rest.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(['"', '\''])))
        {
            self.at += prefix.len();
            return if prefix.ends_with('@') { self.verbatim_text() } else { self.escaped_text() };
        }
        if first.is_ascii_digit() {
            return self.number();
        }
        if let Some(sign) = SIGNS.iter().find(|sign| self.is_sign(sign)) {
            self.at += sign.len();
            return Ok(TokenKind::Sign(sign));
        }
        if first.is_alphabetic() || first == '_' {
            return self.word();
        }
        Err(Fault::syntax(self.at, format!("Query could not be parsed at '{}'", first.escape_debug())))
    }

    /// Whether a sign stands here; a word sign must not run on into a longer word.
    fn is_sign(&self, sign: &str) -> bool {
        self.rest().strip_prefix(sign).is_some_and(|rest| {
            !sign.ends_with(char::is_alphabetic)
                || !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
        })
    }

    fn word(&mut self) -> Result<TokenKind, Fault> {
        let word = self.take_while(|c| c.is_alphanumeric() || c == '_');
        if let Some(literal) = LITERALS.iter().find(|literal| **literal == word) {
            let at = self.at;
            self.skip_blank();
            if self.rest().starts_with('(') {
                self.at += 1;
                let text = self.take_while(|c| c != ')');
                if self.peek().is_none() {
                    return Err(Fault::syntax(at, format!("'{word}(' is not closed")));
                }
                self.at += 1;
                let text = text.trim().trim_matches(['"', '\'']);
                return Ok(TokenKind::Literal(literal, text.into()));
            }
            self.at = at;
        }
        Ok(TokenKind::Name(word.into()))
    }

    fn number(&mut self) -> Result<TokenKind, Fault> {
        let at = self.at;
        let broken = |text: &str| Fault::syntax(at, format!("Query could not be parsed at '{text}'"));
        if let Some(hex) = self.rest().strip_prefix("0x").or_else(|| self.rest().strip_prefix("0X")) {
            let length = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
            let digits = hex.get(..length).unwrap_or_default();
            self.at += 2 + length;
            return i64::from_str_radix(digits, 16).map(TokenKind::Long).map_err(|_too_big| broken(digits));
        }
        self.take_while(|c| c.is_ascii_digit());
        let fraction =
            self.rest().strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if fraction {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        let count = self.query.get(at..self.at).unwrap_or_default();
        let suffix_at = self.at;
        let suffix = self.take_while(|c| c.is_alphanumeric() || c == '_');
        if suffix.is_empty() {
            let number = if fraction {
                count.parse().ok().map(TokenKind::Real)
            } else {
                count.parse().ok().map(TokenKind::Long)
            };
            return number.ok_or_else(|| broken(count));
        }
        if let Some(ticks) = time::unit_ticks(suffix) {
            return time::scaled(count, ticks).map(TokenKind::Span).ok_or_else(|| broken(count));
        }
        self.at = suffix_at;
        self.exponent(at).ok_or_else(|| broken(suffix))
    }

    /// Reads the `e-3` of a real whose digits start at `start`.
    fn exponent(&mut self, start: usize) -> Option<TokenKind> {
        let rest = self.rest().strip_prefix(['e', 'E'])?;
        self.at += 1;
        if rest.starts_with(['+', '-']) {
            self.at += 1;
        }
        self.take_while(|c| c.is_ascii_digit());
        self.query.get(start..self.at)?.parse().ok().map(TokenKind::Real)
    }

    fn block_text(&mut self) -> Result<TokenKind, Fault> {
        let at = self.at;
        let fence = self.rest().get(..3).unwrap_or_default();
        self.at += 3;
        let Some((text, _)) = self.rest().split_once(fence) else {
            return Err(Fault::syntax(at, "A string literal is not closed"));
        };
        self.at += text.len() + 3;
        Ok(TokenKind::Text(text.into()))
    }

    fn verbatim_text(&mut self) -> Result<TokenKind, Fault> {
        let at = self.at;
        let quote = self.peek().unwrap_or_default();
        self.at += 1;
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| c != quote && c != '\n'));
            if self.peek() != Some(quote) {
                return Err(Fault::syntax(at, "A string literal is not closed"));
            }
            self.at += 1;
            if self.peek() != Some(quote) {
                return Ok(TokenKind::Text(text.into()));
            }
            self.at += 1;
            text.push(quote);
        }
    }

    fn escaped_text(&mut self) -> Result<TokenKind, Fault> {
        let at = self.at;
        let quote = self.peek().unwrap_or_default();
        self.at += 1;
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| c != quote && c != '\\' && c != '\n'));
            match self.peek() {
                Some('\\') => text.push(self.escape()?),
                Some(found) if found == quote => {
                    self.at += 1;
                    return Ok(TokenKind::Text(text.into()));
                }
                _ => return Err(Fault::syntax(at, "A string literal is not closed")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let at = self.at;
        self.at += 1;
        let letter = self.peek().unwrap_or_default();
        self.at += letter.len_utf8();
        let digits = match letter {
            'n' => return Ok('\n'),
            't' => return Ok('\t'),
            'r' => return Ok('\r'),
            '0' => return Ok('\0'),
            '\\' | '"' | '\'' => return Ok(letter),
            'x' => 2,
            'u' => 4,
            _ => return Err(Fault::syntax(at, format!("'\\{}' is not an escape", letter.escape_debug()))),
        };
        let hex = self.rest().get(..digits).unwrap_or_default();
        self.at += hex.len();
        u32::from_str_radix(hex, 16)
            .ok()
            .and_then(char::from_u32)
            .ok_or_else(|| Fault::syntax(at, "a broken escape in a string literal"))
    }
}
