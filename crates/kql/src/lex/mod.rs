//! Text to tokens.
//!
//! [`lex`] never fails: what it cannot read becomes a [`TokenKind::Unknown`] and a diagnostic.
//! Blank space is dropped, comments are kept aside. Words are not told apart here: whether `where`
//! is an operator or a column depends on where it stands, so that is the parser's to know. The
//! words with a dash in them (`mv-expand`) are one token all the same, as in the service.

mod cursor;
mod literal;
mod parameter;
mod scan;
mod string;

pub use literal::LiteralType;
pub(crate) use parameter::name as parameter_name;
pub use parameter::{fill, parameters};
pub use scan::{Lexed, lex};
pub use string::unquote;

use crate::diagnostic::Code;
use crate::text::Span;

/// Longest query the service takes, in bytes.
pub const QUERY_BYTES_MAX: usize = 2_000_000;

/// A character that begins no token.
pub const UNKNOWN_CHARACTER: Code = Code::new(1, "character that has no meaning here");
/// A string without an end.
pub const UNTERMINATED_STRING: Code = Code::new(2, "string without an end");
/// A backslash sequence that stands for nothing.
pub const BAD_ESCAPE: Code = Code::new(3, "unknown escape in a string");
/// A literal such as `datetime(` without its parenthesis.
pub const UNTERMINATED_LITERAL: Code = Code::new(4, "literal without a closing parenthesis");
/// A query longer than [`QUERY_BYTES_MAX`].
pub const QUERY_TOO_LONG: Code = Code::new(5, "query too long");
/// A line that begins with `#`.
pub const UNKNOWN_DIRECTIVE: Code = Code::new(6, "unknown directive");

/// All codes of this room, in order.
pub const CODES: &[Code] = &[
    UNKNOWN_CHARACTER,
    UNTERMINATED_STRING,
    BAD_ESCAPE,
    UNTERMINATED_LITERAL,
    QUERY_TOO_LONG,
    UNKNOWN_DIRECTIVE,
];

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where.
    pub span: Span,
}

/// The kinds of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A name or word: `DeviceId`, `where`, `mv-expand`, `$left`, `has_any`.
    Word,
    /// A number without point or exponent, decimal or `0x…`.
    Long,
    /// A number with point or exponent.
    Real,
    /// A number with a unit of time: `1d`, `0.5h`.
    TimeSpan,
    /// `type(text)` where the text is not an expression: `datetime(2024-01-01)`.
    Typed(LiteralType),
    /// One string literal in any of its forms.
    String,
    /// `@name`: a literal that whoever sends the query puts in its place.
    Parameter,
    /// A sign; [`Punct`] says which.
    Punct(Punct),
    /// Something unreadable; said in the diagnostics.
    Unknown,
    /// End of the text.
    End,
}

/// Declares [`Punct`] with the text of each sign beside it; longer signs come first, because the
/// first that fits is taken.
macro_rules! signs {
    ($($name:ident = $text:literal),+ $(,)?) => {
        /// The signs, and the operators that begin with `!`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the text of each is in `text`")]
        pub enum Punct { $($name),+ }

        impl Punct {
            /// Every sign, longer ones before their beginnings.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Returns the sign as it is written.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

signs! {
    Eq = "==", EqTilde = "=~", Arrow = "=>", Assign = "=",
    Ne = "!=", NeTilde = "!~", NeAngle = "<>",
    Le = "<=", Lt = "<", Ge = ">=", Gt = ">",
    DotDot = "..", Dot = ".",
    Plus = "+", Minus = "-", Star = "*", Slash = "/", Percent = "%",
    Bar = "|", Comma = ",", Semicolon = ";", Colon = ":", At = "@", Question = "?",
    OpenParen = "(", CloseParen = ")", OpenBracket = "[", CloseBracket = "]",
    OpenBrace = "{", CloseBrace = "}", Tilde = "~", Bang = "!",
}
