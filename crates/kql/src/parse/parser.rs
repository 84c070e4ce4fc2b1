//! The place in the tokens, and what to do when something is not right.

use super::{ERRORS_MAX, EXPECTED, MISSING_NAME, NESTING_MAX, Parameters, TOO_DEEP};
use crate::diagnostic::{Code, Diagnostic};
use crate::lex::{Punct, Token, TokenKind, unquote};
use crate::syntax::{Name, NameStyle};
use crate::text::Span;

/// Stands behind the last token as often as it is asked for.
const END: Token = Token { kind: TokenKind::End, span: Span::empty(0) };

/// Reads tokens and collects errors.
pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    /// How many levels the parser is in.
    depth: u32,
    /// Height of the tallest tree built in the current [`Parser::scoped`] call.
    height: u32,
    diagnostics: Vec<Diagnostic>,
    /// What the parameters stand for.
    pub(super) parameters: &'a Parameters,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, tokens: &'a [Token], parameters: &'a Parameters) -> Self {
        Self { text, tokens, at: 0, depth: 0, height: 0, diagnostics: Vec::new(), parameters }
    }

    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    // Looking.

    pub(super) fn peek(&self) -> Token {
        self.nth(0)
    }

    pub(super) fn nth(&self, ahead: usize) -> Token {
        self.tokens.get(self.at + ahead).or(self.tokens.last()).copied().unwrap_or(END)
    }

    /// Returns the next token's text when it is a word, and nothing else otherwise.
    pub(super) fn word(&self) -> &'a str {
        self.nth_word(0)
    }

    pub(super) fn nth_word(&self, ahead: usize) -> &'a str {
        let token = self.nth(ahead);
        if token.kind == TokenKind::Word { self.text_of(token.span) } else { "" }
    }

    pub(super) fn text_from(&self, start: u32) -> &'a str {
        self.text.get(start as usize..).unwrap_or_default()
    }

    pub(super) fn is(&self, punct: Punct) -> bool {
        self.nth_is(0, punct)
    }

    pub(super) fn nth_is(&self, ahead: usize, punct: Punct) -> bool {
        self.nth(ahead).kind == TokenKind::Punct(punct)
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.word() == word
    }

    pub(super) fn is_end(&self) -> bool {
        self.peek().kind == TokenKind::End
    }

    /// Tells whether the token `ahead` stands right behind the one before it, without a blank.
    pub(super) fn is_adjacent(&self, ahead: usize) -> bool {
        let before = (self.at + ahead).checked_sub(1).and_then(|index| self.tokens.get(index));
        before.is_some_and(|before| before.span.end == self.nth(ahead).span.start)
    }

    pub(super) fn text_of(&self, span: Span) -> &'a str {
        span.of(self.text)
    }

    /// Returns where the next token begins.
    pub(super) fn start(&self) -> u32 {
        self.peek().span.start
    }

    /// Returns the span from `start` to the end of the last token read.
    pub(super) fn since(&self, start: u32) -> Span {
        Span::new(start, self.last_end().max(start))
    }

    fn last_end(&self) -> u32 {
        let last = self.at.checked_sub(1).and_then(|index| self.tokens.get(index));
        last.map_or(0, |token| token.span.end)
    }

    /// Returns a mark that tells later whether anything has been read.
    pub(super) fn mark(&self) -> usize {
        self.at
    }

    // Reading.

    pub(super) fn bump(&mut self) -> Token {
        let token = self.peek();
        if token.kind != TokenKind::End {
            self.at += 1;
        }
        token
    }

    pub(super) fn eat(&mut self, punct: Punct) -> bool {
        let found = self.is(punct);
        if found {
            self.bump();
        }
        found
    }

    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.bump();
        }
        found
    }

    /// Reads a sign, or says that it is missing.
    pub(super) fn expect(&mut self, punct: Punct) -> bool {
        let found = self.eat(punct);
        if !found {
            self.expected(&format!("`{}`", punct.text()));
        }
        found
    }

    /// Reads a word, or says that it is missing.
    pub(super) fn expect_word(&mut self, word: &str) -> bool {
        let found = self.eat_word(word);
        if !found {
            self.expected(&format!("`{word}`"));
        }
        found
    }

    /// Reads the closing sign. When it is not next, says so and goes on behind it if it comes
    /// before the end of the statement.
    pub(super) fn close(&mut self, punct: Punct) {
        if self.expect(punct) {
            return;
        }
        self.skip_to(|token| matches!(token, TokenKind::Punct(sign) if sign == punct || is_closing(sign)));
        self.eat(punct);
    }

    /// Moves over tokens to one that `stop` knows, to the end of the statement, or to the end.
    /// What stands in brackets is moved over whole.
    pub(super) fn skip_to(&mut self, stop: impl Fn(TokenKind) -> bool) {
        let mut open = 0_usize;
        loop {
            let kind = self.peek().kind;
            if kind == TokenKind::End
                || open == 0 && (stop(kind) || kind == TokenKind::Punct(Punct::Semicolon))
            {
                return;
            }
            match kind {
                TokenKind::Punct(sign) if is_opening(sign) => open += 1,
                TokenKind::Punct(sign) if is_closing(sign) => open = open.saturating_sub(1),
                _ => {}
            }
            self.bump();
        }
    }

    /// Runs `read` one level deeper; nothing when that is too deep.
    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.is_too_deep() {
            return None;
        }
        self.depth += 1;
        let result = self.scoped(|parser| {
            let result = read(parser);
            parser.height += 1;
            result
        });
        self.depth -= 1;
        Some(result)
    }

    /// Runs `read` with a height of its own, so that neighbours do not add up.
    pub(super) fn scoped<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::take(&mut self.height);
        let result = read(self);
        self.height = self.height.max(before);
        result
    }

    /// Counts `levels` more around what the scope has built. Says so when that is too deep.
    pub(super) fn grow(&mut self, levels: u32) -> bool {
        self.height += levels;
        !self.is_too_deep()
    }

    /// Says so at the limit, and moves to the end, since nothing behind can be told apart.
    fn is_too_deep(&mut self) -> bool {
        let too_deep = self.depth + self.height >= NESTING_MAX;
        if too_deep && !self.is_end() {
            self.error(TOO_DEEP, format!("nested more than {NESTING_MAX} levels deep"));
            self.at = self.tokens.len().saturating_sub(1);
        }
        too_deep
    }

    // Names.

    /// Reads a name; `what` it is for goes into the message when there is none.
    pub(super) fn name(&mut self, what: &str) -> Name {
        self.name_if(|_| true).unwrap_or_else(|| self.missing_name(what))
    }

    /// Reads a plain name that `fits`, or a bracketed one.
    pub(super) fn name_if(&mut self, fits: impl Fn(&str) -> bool) -> Option<Name> {
        let token = self.peek();
        if token.kind == TokenKind::Word {
            let text = self.text_of(token.span);
            if text.starts_with('!') || text.ends_with('~') || !fits(text) {
                return None;
            }
            self.bump();
            return Some(Name { text: text.to_owned(), style: NameStyle::Plain, span: token.span });
        }
        self.is_bracketed_name().then(|| self.bracketed_name())
    }

    /// Tells whether `['…']` is next.
    pub(super) fn is_bracketed_name(&self) -> bool {
        self.is(Punct::OpenBracket)
            && self.nth(1).kind == TokenKind::String
            && self.nth_is(2, Punct::CloseBracket)
    }

    fn bracketed_name(&mut self) -> Name {
        let start = self.bump().span;
        let text = unquote(self.text_of(self.peek().span));
        self.bump();
        let end = self.bump().span;
        Name { text, style: NameStyle::Bracketed, span: start.to(end) }
    }

    pub(super) fn missing_name(&mut self, what: &str) -> Name {
        let span = self.error(MISSING_NAME, format!("{what} is missing"));
        Name { text: String::new(), style: NameStyle::Missing, span: Span::empty(span.start) }
    }

    // Errors.

    /// Says what would have been right here.
    pub(super) fn expected(&mut self, what: &str) -> Span {
        let message = match self.found() {
            Some(found) => format!("expected {what}, found {found}"),
            None => format!("expected {what}, but the query ends here"),
        };
        self.error(EXPECTED, message)
    }

    /// Describes the next token; nothing at the end.
    pub(super) fn found(&self) -> Option<String> {
        let token = self.peek();
        let text = self.text_of(token.span);
        match token.kind {
            TokenKind::End => None,
            TokenKind::String => Some("a string".to_owned()),
            _ if text.chars().count() > 40 => Some("something else".to_owned()),
            _ => Some(format!("`{text}`")),
        }
    }

    /// Adds an error at the place where something is missing; returns that place.
    pub(super) fn error(&mut self, code: Code, message: impl Into<String>) -> Span {
        let span = self.missing_place();
        self.report(Diagnostic::error(code, span, message));
        span
    }

    /// Adds a diagnostic, unless one is at the same place already.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        let known = self.diagnostics.last().is_some_and(|last| last.span.start == diagnostic.span.start);
        if !known && self.diagnostics.len() < ERRORS_MAX {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Returns the next token, or the place right behind the last one when they are on different
    /// lines.
    pub(super) fn missing_place(&self) -> Span {
        let next = self.peek();
        let end = self.last_end();
        let between = Span::new(end, next.span.start);
        if next.kind == TokenKind::End || self.text_of(between).contains('\n') {
            return Span::empty(end);
        }
        next.span
    }
}

pub(super) const fn is_opening(sign: Punct) -> bool {
    matches!(sign, Punct::OpenParen | Punct::OpenBracket | Punct::OpenBrace)
}

pub(super) const fn is_closing(sign: Punct) -> bool {
    matches!(sign, Punct::CloseParen | Punct::CloseBracket | Punct::CloseBrace)
}
