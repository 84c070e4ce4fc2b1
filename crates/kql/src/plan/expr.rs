//! Typed expressions.

use super::{LocalId, SlotId};
use crate::text::Span;
use crate::types::ScalarType;
use crate::value::Value;

/// Canonical name of a catalogue entry: aliases are resolved (`todynamic` is `parse_json`, `iif`
/// is `iff`), so that one kernel serves all spellings.
pub type FunctionName = &'static str;

/// An expression with its type and the place it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What is computed.
    pub kind: ExprKind,
    /// Type of the value.
    pub ty: ScalarType,
    /// Where it was written, for errors at run time.
    pub span: Span,
}

/// What an expression computes.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A constant; a typed null is a constant too.
    Literal(Value),
    /// The column at this place of the row the operator receives.
    Column(usize),
    /// The column of this name, which only the rows can have: the schema is open. Null if there is
    /// none.
    Named(String),
    /// A local variable of an enclosing [`ExprKind::With`].
    Local(LocalId),
    /// The value of a scalar slot.
    Slot(SlotId),
    /// `toscalar`: the first value of the first row of a table slot; null if there is no row.
    FirstOf(SlotId),
    /// A column of an earlier step of the enclosing `scan`.
    ScanState(ScanState),
    /// Computes locals in order, then the body; from a user function with several uses of an
    /// argument.
    With(Vec<(LocalId, Expr)>, Box<Expr>),
    /// What a stored function gives. It is written in another text, so its places mean nothing here.
    Stored(Box<Expr>),
    /// `-x`.
    Negate(Box<Expr>),
    /// `a + b` and the like. Operand types may differ (`long` and `real`, `datetime` and
    /// `timespan`); the type of the expression says what comes out.
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// `a < b` and the like.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// `a and b`, any number of operands.
    And(Vec<Expr>),
    /// `a or b`, any number of operands.
    Or(Vec<Expr>),
    /// `a has b` and the like.
    Text {
        /// Which relation.
        relation: TextMatch,
        /// Whether the answer is turned round (`!has`).
        negated: bool,
        /// Text searched.
        text: Box<Expr>,
        /// What is looked for.
        pattern: Box<Expr>,
    },
    /// `a in (b, c)`, `a has_any (b, c)` and the like. A candidate of type dynamic is an array of
    /// candidates.
    Member {
        /// Which relation.
        relation: Membership,
        /// Whether the answer is turned round (`!in`).
        negated: bool,
        /// Value looked for, or text searched.
        needle: Box<Expr>,
        /// The candidates.
        candidates: Vec<Expr>,
    },
    /// `a in (T)`: the candidates are the first column of a table slot.
    MemberOfTable {
        /// Which relation.
        relation: Membership,
        /// Whether the answer is turned round (`!in`).
        negated: bool,
        /// Value looked for, or text searched.
        needle: Box<Expr>,
        /// The slot of the table.
        table: SlotId,
    },
    /// `a between (b .. c)`, both ends included. If `high` is a timespan and `low` a datetime,
    /// the upper end is their sum.
    Between {
        /// Whether the answer is turned round (`!between`).
        negated: bool,
        /// Value tested.
        value: Box<Expr>,
        /// Lower end.
        low: Box<Expr>,
        /// Upper end.
        high: Box<Expr>,
    },
    /// `* has b`, `* == b`, or a bare term of `search`: whether some column of the row, printed,
    /// fits.
    AnyColumn {
        /// Places of the columns searched.
        columns: Vec<usize>,
        /// Tested for each column: a [`ExprKind::Local`] with this id stands for the value.
        value: LocalId,
        /// The test.
        test: Box<Expr>,
    },
    /// `a.b`, or `a["b"]` with a constant: a property of a dynamic value.
    Property(Box<Expr>, String),
    /// `a[b]`: an element of an array (counted from its end if negative) or a property.
    Element(Box<Expr>, Box<Expr>),
    /// A function of the catalogue.
    Call {
        /// Canonical name.
        function: FunctionName,
        /// Arguments, after defaults: as many as were written.
        args: Vec<Expr>,
    },
    /// One of the values of a call that gives several, such as `series_stats`; counted from zero.
    /// The types of all values are those of the catalogue entry.
    Item(Box<Expr>, usize),
    /// The same value as another type: a datatable's value, an argument, a declared column. What
    /// cannot be converted becomes null.
    Convert(Box<Expr>),
    /// Nothing could be made of it; its diagnostic has been reported.
    Broken,
}

impl Expr {
    /// Returns the expressions this one is made of.
    pub fn operands(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Literal(_)
            | ExprKind::Column(_)
            | ExprKind::Named(_)
            | ExprKind::Local(_)
            | ExprKind::Slot(_)
            | ExprKind::FirstOf(_)
            | ExprKind::ScanState(_)
            | ExprKind::Broken => Vec::new(),
            ExprKind::With(locals, body) => {
                locals.iter().map(|(_, expr)| expr).chain(std::iter::once(body.as_ref())).collect()
            }
            ExprKind::Negate(a)
            | ExprKind::Stored(a)
            | ExprKind::Convert(a)
            | ExprKind::Property(a, _)
            | ExprKind::Item(a, _)
            | ExprKind::MemberOfTable { needle: a, .. }
            | ExprKind::AnyColumn { test: a, .. } => vec![a],
            ExprKind::Arithmetic(_, a, b)
            | ExprKind::Compare(_, a, b)
            | ExprKind::Element(a, b)
            | ExprKind::Text { text: a, pattern: b, .. } => vec![a, b],
            ExprKind::And(operands) | ExprKind::Or(operands) | ExprKind::Call { args: operands, .. } => {
                operands.iter().collect()
            }
            ExprKind::Member { needle, candidates, .. } => {
                std::iter::once(needle.as_ref()).chain(candidates).collect()
            }
            ExprKind::Between { value, low, high, .. } => vec![value, low, high],
        }
    }
}

/// A column of an earlier step of `scan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanState {
    /// Which step, counted from zero.
    pub step: usize,
    /// Which column of the scan's row.
    pub column: usize,
}

/// The arithmetic operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
}

/// The comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=` and `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// Relations between a text and a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextMatch {
    /// `=~`
    EqualIgnoreCase,
    /// `contains`
    Contains,
    /// `contains_cs`
    ContainsCase,
    /// `startswith`
    StartsWith,
    /// `startswith_cs`
    StartsWithCase,
    /// `endswith`
    EndsWith,
    /// `endswith_cs`
    EndsWithCase,
    /// `has`
    Has,
    /// `has_cs`
    HasCase,
    /// `hasprefix`
    HasPrefix,
    /// `hasprefix_cs`
    HasPrefixCase,
    /// `hassuffix`
    HasSuffix,
    /// `hassuffix_cs`
    HasSuffixCase,
    /// `like`
    Like,
    /// `likecs`
    LikeCase,
    /// `matches regex`
    Regex,
}

/// Relations between a value and several candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// `in`
    In,
    /// `in~`
    InIgnoreCase,
    /// `has_any`
    HasAny,
    /// `has_all`
    HasAll,
}

/// A call of an aggregate over the rows of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateCall {
    /// Canonical name.
    pub aggregate: FunctionName,
    /// Arguments over the rows of the group; `*` has been replaced by the columns it stands for.
    pub args: Vec<Expr>,
    /// Types of the values it gives: one, or for `arg_max`, `arg_min`, `take_any` one for each
    /// argument, and for `percentiles` one for each percentile.
    pub results: Vec<ScalarType>,
    /// Where it was written.
    pub span: Span,
}
