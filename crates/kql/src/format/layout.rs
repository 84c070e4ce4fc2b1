//! The tokens in order, what stands between them, and where the comments go.

use super::doc::{Doc, Line};
use crate::lex::{Punct, Token, TokenKind};
use crate::parse::Parsed;
use crate::text::Span;

/// What stands in front of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    /// Nothing.
    None,
    /// A blank.
    Space,
    /// A place where a line may end.
    Line(Line),
}

/// Writes tokens. Whoever walks the tree says what stands in front of a token with [`Layout::gap`];
/// otherwise that follows from the token and the one before it.
pub(super) struct Layout<'a> {
    text: &'a str,
    tokens: &'a [Token],
    comments: Vec<Span>,
    next: usize,
    next_comment: usize,
    /// Whether the gap in front of the next token has been written.
    is_gap_done: bool,
}

impl<'a> Layout<'a> {
    pub(super) fn new(text: &'a str, parsed: &'a Parsed) -> Self {
        let mut comments: Vec<Span> = parsed.comments.iter().chain(&parsed.directives).copied().collect();
        comments.sort();
        Self { text, tokens: &parsed.tokens, comments, next: 0, next_comment: 0, is_gap_done: true }
    }

    /// Returns the next token.
    pub(super) fn peek(&self) -> Option<Token> {
        self.tokens.get(self.next).copied()
    }

    /// Tells whether a sign is next.
    pub(super) fn is(&self, punct: Punct) -> bool {
        self.peek().is_some_and(|token| token.kind == TokenKind::Punct(punct))
    }

    /// Tells whether a word is next.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.peek().is_some_and(|token| token.kind == TokenKind::Word && token.span.of(self.text) == word)
    }

    /// Writes the gap in front of the next token, and the comments in it.
    pub(super) fn gap(&mut self, gap: Gap) -> Doc<'a> {
        let mut docs = Vec::new();
        if !self.is_gap_done || self.next == 0 {
            match gap {
                Gap::None => {}
                Gap::Space => docs.push(Doc::space()),
                Gap::Line(line) => docs.push(Doc::line(line)),
            }
        }
        self.is_gap_done = true;
        self.comments_before(&mut docs);
        Doc::concat(docs)
    }

    /// Writes comments that stand on lines of their own in front of the next token.
    fn comments_before(&mut self, docs: &mut Vec<Doc<'a>>) {
        let end = self.peek().map_or(u32::MAX, |token| token.span.start);
        let mut before = self.last_end();
        let first = self.next_comment;
        while let Some(comment) = self.comments.get(self.next_comment).copied()
            && comment.start < end
        {
            docs.push(Doc::line(self.line_between(before, comment.start, Line::Fresh)));
            docs.push(Doc::text(comment.of(self.text).trim_end()));
            before = comment.end;
            self.next_comment += 1;
        }
        if self.next_comment > first && end < u32::MAX {
            docs.push(Doc::line(self.line_between(before, end, Line::Hard)));
        }
    }

    fn line_between(&self, start: u32, end: u32, line: Line) -> Line {
        let between = Span::new(start, end).of(self.text);
        if between.matches('\n').count() > 1 && start > 0 { Line::Blank } else { line }
    }

    /// Tells whether an empty line stands in front of the next token, comments aside.
    pub(super) fn is_after_blank_line(&self) -> bool {
        let comment = self.comments.get(self.next_comment).map_or(u32::MAX, |comment| comment.start);
        let next = self.peek().map_or(u32::MAX, |token| token.span.start).min(comment);
        self.line_between(self.last_end(), next, Line::Hard) == Line::Blank
    }

    fn last_end(&self) -> u32 {
        let token = self.next.checked_sub(1).and_then(|index| self.tokens.get(index));
        let comment = self.next_comment.checked_sub(1).and_then(|index| self.comments.get(index));
        token.map_or(0, |token| token.span.end).max(comment.map_or(0, |comment| comment.end))
    }

    /// Writes the next token, with its gap if that is still to do, and a comment behind it.
    pub(super) fn token(&mut self) -> Doc<'a> {
        let Some(token) = self.peek() else { return Doc::nothing() };
        let mut docs = Vec::new();
        if !self.is_gap_done {
            let gap = self.usual_gap(token);
            docs.push(self.gap(gap));
        } else if self.next == 0 {
            self.comments_before(&mut docs);
        }
        docs.push(Doc::text(token.span.of(self.text)));
        self.next += 1;
        self.is_gap_done = false;
        if let Some(comment) = self.comments.get(self.next_comment).copied()
            && !Span::new(token.span.end, comment.start).of(self.text).contains('\n')
            && self.peek().is_none_or(|next| comment.start < next.span.start)
        {
            docs.push(Doc::suffix(comment.of(self.text).trim_end()));
            self.next_comment += 1;
        }
        Doc::concat(docs)
    }

    /// Writes a gap and the next token.
    pub(super) fn token_after(&mut self, gap: Gap) -> Doc<'a> {
        let gap = self.gap(gap);
        Doc::concat(vec![gap, self.token()])
    }

    /// Writes the tokens in front of `offset`.
    pub(super) fn up_to(&mut self, offset: u32) -> Doc<'a> {
        let mut docs = Vec::new();
        while self.peek().is_some_and(|token| token.span.start < offset) {
            docs.push(self.token());
        }
        Doc::concat(docs)
    }

    /// Writes the tokens in front of `offset`, with blanks only between words.
    pub(super) fn glued_up_to(&mut self, offset: u32) -> Doc<'a> {
        let mut docs = Vec::new();
        while let Some(token) = self.peek()
            && token.span.start < offset
        {
            let before = self.next.checked_sub(1).and_then(|index| self.tokens.get(index));
            let words = is_wordy(token) && before.copied().is_some_and(is_wordy);
            docs.push(self.token_after(if words { Gap::Space } else { Gap::None }));
        }
        Doc::concat(docs)
    }

    /// Finds where the bracket closes that is next or the next one; `offset` when it does not.
    pub(super) fn end_of_parens(&self, offset: u32) -> u32 {
        let mut open = 0_usize;
        for token in self.tokens.iter().skip(self.next) {
            match token.kind {
                TokenKind::Punct(Punct::OpenParen | Punct::OpenBracket | Punct::OpenBrace) => open += 1,
                TokenKind::Punct(Punct::CloseParen | Punct::CloseBracket | Punct::CloseBrace) => {
                    open = open.saturating_sub(1);
                    if open == 0 {
                        return token.span.end;
                    }
                }
                _ => {}
            }
        }
        offset
    }

    /// Writes what is left: comments behind the last token too.
    pub(super) fn rest(&mut self) -> Doc<'a> {
        let mut docs = vec![self.up_to(u32::MAX)];
        self.comments_before(&mut docs);
        Doc::concat(docs)
    }

    /// Returns what usually stands in front of a token, by the token before it.
    fn usual_gap(&self, token: Token) -> Gap {
        let Some(before) = self.next.checked_sub(1).and_then(|index| self.tokens.get(index)) else {
            return Gap::None;
        };
        match (before.kind, token.kind) {
            (
                _,
                TokenKind::Punct(Punct::Comma | Punct::Semicolon | Punct::CloseParen | Punct::CloseBracket),
            )
            | (TokenKind::Punct(Punct::OpenParen | Punct::OpenBracket), _) => Gap::None,
            (_, TokenKind::Punct(Punct::Dot)) | (TokenKind::Punct(Punct::Dot), _) => Gap::None,
            (TokenKind::Punct(Punct::Comma | Punct::Semicolon | Punct::Bar), _)
            | (_, TokenKind::Punct(Punct::Bar)) => Gap::Space,
            (_, TokenKind::Punct(Punct::Colon)) => Gap::None,
            (TokenKind::Punct(Punct::Colon), _) => Gap::Space,
            _ if before.span.end == token.span.start => Gap::None,
            _ => Gap::Space,
        }
    }
}

/// Tells whether a token would run into a neighbour of its kind.
fn is_wordy(token: Token) -> bool {
    !matches!(token.kind, TokenKind::Punct(_) | TokenKind::Unknown | TokenKind::End)
}
