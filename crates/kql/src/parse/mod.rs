//! Text to tree, by recursive descent.
//!
//! [`parse`] always gives a tree. After an error it goes on at the next place it can make sense of:
//! the end of a list, the next bar, the next statement; so one query can have several errors, but
//! no two at one place. An error about something missing is placed where the service places it: on
//! the next token, or right behind the last one when the next is on another line.

mod aggregate;
mod dynamic;
mod expand;
mod expression;
mod graph;
mod join;
mod list;
mod literal;
mod operator;
mod parameter;
mod parser;
mod pattern;
mod primary;
mod scan;
mod search;
mod series;
mod statement;
mod tabular;

pub use parameter::{NoLiteral, Parameters, literal};

use crate::diagnostic::{Code, Diagnostic};
use crate::lex::{Token, lex};
use crate::syntax::Query;
use crate::text::Span;

/// Deepest nesting of parentheses, blocks and chained operators. Far above what people write, and
/// low enough for every walk over the tree to fit the smallest stack of a thread.
pub const NESTING_MAX: u32 = 100;

/// Most errors told of one query; more say nothing new.
pub const ERRORS_MAX: usize = 50;

/// A sign or word that has to stand here and does not.
pub const EXPECTED: Code = Code::new(10, "something else is expected here");
/// An expression that has to stand here and does not.
pub const MISSING_EXPRESSION: Code = Code::new(11, "missing expression");
/// A name that has to stand here and does not.
pub const MISSING_NAME: Code = Code::new(12, "missing name");
/// A word after a bar that is no operator.
pub const UNKNOWN_OPERATOR: Code = Code::new(13, "unknown operator");
/// Text that belongs to no statement.
pub const UNEXPECTED: Code = Code::new(14, "unexpected text");
/// Deeper than [`NESTING_MAX`].
pub const TOO_DEEP: Code = Code::new(15, "nested too deep");
/// A literal whose text does not fit its type.
pub const BAD_LITERAL: Code = Code::new(16, "bad literal");
/// An option of an operator with a value it cannot have.
pub const BAD_OPTION: Code = Code::new(17, "bad option");

/// `where name = value`, which compares nothing.
pub const NAMED_CONDITION: Code = Code::new(18, "a condition with a name");

/// All codes of this room, in order.
pub const CODES: &[Code] = &[
    EXPECTED,
    MISSING_EXPRESSION,
    MISSING_NAME,
    UNKNOWN_OPERATOR,
    UNEXPECTED,
    TOO_DEEP,
    BAD_LITERAL,
    BAD_OPTION,
    NAMED_CONDITION,
];

/// What the parser found.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The tree; with [`crate::syntax::ExprKind::Missing`] and its like where there were errors.
    pub query: Query,
    /// Errors of the text and the syntax, by place.
    pub diagnostics: Vec<Diagnostic>,
    /// Comments, `//` included, by place.
    pub comments: Vec<Span>,
    /// Lines that begin with `#`, by place.
    pub directives: Vec<Span>,
    /// The tokens the tree is made of, without the one that marks the end.
    pub tokens: Vec<Token>,
}

/// Parses a query. Its parameters stand for nothing.
pub fn parse(text: &str) -> Parsed {
    parse_with(text, &Parameters::default())
}

/// Parses a query whose parameters stand for literals. The places of these are those of the parameters.
pub fn parse_with(text: &str, parameters: &Parameters) -> Parsed {
    let mut lexed = lex(text);
    let mut parser = parser::Parser::new(text, &lexed.tokens, parameters);
    let query = parser.query();
    let mut diagnostics = lexed.diagnostics;
    diagnostics.append(&mut parser.into_diagnostics());
    // The lexer's word on a place goes before the parser's.
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    diagnostics.dedup_by_key(|diagnostic| diagnostic.span.start);
    diagnostics.truncate(ERRORS_MAX);
    lexed.tokens.pop();
    let (comments, directives) = (lexed.comments, lexed.directives);
    Parsed { query, diagnostics, comments, directives, tokens: lexed.tokens }
}
