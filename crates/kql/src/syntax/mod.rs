//! The tree of a query as written. Every node has its [`Span`].
//!
//! The tree says what stands there, not what it means: names are unresolved, a pipeline is an
//! expression like any other, parentheses are kept. Where something is missing stands
//! [`ExprKind::Missing`], and the parser has said so.

mod expression;
mod graph;
mod operator;
mod table;
mod unfold;

pub use expression::{
    Argument, BinaryOp, DynamicKind, DynamicValue, Expr, ExprKind, InOp, Literal, LiteralKind, NamedExpr,
    Pipeline, Property, TypeOfItem, UnaryOp,
};
pub use graph::{Direction, GraphElement, GraphMatch, GraphOutput, MakeGraph, NodeTable};
pub use operator::{
    Distinct, Evaluate, NullsOrder, Operator, OperatorKind, Order, ReorderItem, Scan, ScanColumn, ScanStep,
    SortKey, Summarize, TopNestedLevel,
};
pub use table::{Find, FindColumns, Join, JoinKind, Partition, Search, Union};
pub use unfold::{
    Expand, ExpandItem, MakeSeries, MvApply, MvExpand, Parse, ParseKv, ParsePiece, SeriesAggregate,
    SeriesRange,
};

use crate::text::Span;

/// A whole query text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Statements in the order they are written.
    pub statements: Vec<Statement>,
    /// The whole text.
    pub span: Span,
}

/// One statement of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What it is.
    pub kind: StatementKind,
    /// Without the semicolon behind it.
    pub span: Span,
}

/// The kinds of statement.
#[derive(Clone, Debug, PartialEq)]
pub enum StatementKind {
    /// `let Name = value`.
    Let(Let),
    /// A query; the last one gives the result.
    Expression(Expr),
    /// `set option` or `set option = value`.
    Set {
        /// The option.
        name: Name,
        /// Its value; `true` when left out.
        value: Option<Expr>,
    },
    /// `declare query_parameters(a: int = 1, …)`.
    Parameters(Vec<Parameter>),
    /// `alias database Name = cluster(…).database(…)`.
    Alias {
        /// The new name.
        name: Name,
        /// What it stands for.
        database: Expr,
    },
    /// `restrict access to (a, b)`.
    Restrict(Vec<Expr>),
    /// `declare pattern …`: kept as text, never run.
    Pattern,
    /// Text that could not be read as a statement.
    Error,
}

/// `let Name = value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Let {
    /// The name it gives.
    pub name: Name,
    /// What the name stands for.
    pub value: LetValue,
}

/// What a `let` can name.
#[derive(Clone, Debug, PartialEq)]
pub enum LetValue {
    /// A scalar or a table; which of them only the binder knows.
    Expr(Expr),
    /// A function.
    Function(Function),
}

/// `view (parameters) { statements; result }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Whether `view` stands before it, which lets `union *` see it.
    pub view: bool,
    /// Parameters in order.
    pub parameters: Vec<Parameter>,
    /// The body, braces included in its span.
    pub body: FunctionBody,
    /// From `view` or `(` to `}`.
    pub span: Span,
}

/// What a function does.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionBody {
    /// Statements before the result.
    pub statements: Vec<Statement>,
    /// The result; nothing only in text that is not right.
    pub result: Option<Box<Expr>>,
    /// From `{` to `}`.
    pub span: Span,
}

/// One parameter of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// What it takes.
    pub kind: ParameterKind,
    /// The whole declaration.
    pub span: Span,
}

/// What a parameter takes.
#[derive(Clone, Debug, PartialEq)]
pub enum ParameterKind {
    /// A scalar.
    Scalar {
        /// Its type.
        ty: TypeName,
        /// The value when the call gives none.
        default: Option<Expr>,
    },
    /// A table; see [`RowSchema`].
    Tabular(RowSchema),
}

/// `(a: int, b: string)`, `(*)` or `(*, a: int)`.
#[derive(Clone, Debug, PartialEq)]
pub struct RowSchema {
    /// Whether `*` stands in it: columns beyond the listed ones may be there.
    pub open: bool,
    /// The listed columns, in order.
    pub columns: Vec<ColumnDecl>,
    /// Parentheses included.
    pub span: Span,
}

/// `name: type`.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDecl {
    /// Column name.
    pub name: Name,
    /// Column type.
    pub ty: TypeName,
    /// Both.
    pub span: Span,
}

/// The name of a scalar type as written: `string`, `long`, `int64`, …; not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeName {
    /// As written.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// A name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name itself: without brackets and quotes, escapes resolved. Keeps `$` of `$left`.
    pub text: String,
    /// How it is written; brackets included in `span`.
    pub style: NameStyle,
    /// Where.
    pub span: Span,
}

/// How a name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameStyle {
    /// `Name`.
    Plain,
    /// `['a name']`.
    Bracketed,
    /// A pattern with `*` in it, `Device*`; only where patterns may stand.
    Pattern,
    /// Nothing is there; the parser has said so. The text is empty.
    Missing,
}

/// Whether a name fits a pattern, where `*` stands for any text. Case matters.
pub fn fits_pattern(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| name.strip_prefix(head)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_any_text() {
        for (name, pattern, expected) in [
            ("DeviceName", "Device*", true),
            ("DeviceName", "*Name", true),
            ("DeviceName", "*vice*", true),
            ("DeviceName", "device*", false),
            ("DeviceName", "D*N*e", true),
            ("DeviceName", "D*x*e", false),
            ("ab", "ab*b", false),
            ("a", "*", true),
        ] {
            assert_eq!(fits_pattern(name, pattern), expected, "{name} {pattern}");
        }
    }
}
