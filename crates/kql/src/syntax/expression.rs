//! Expressions: scalars, names, calls, and pipelines.

use super::{ColumnDecl, Name, Operator, RowSchema, TypeName};
use crate::text::Span;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where.
    pub span: Span,
}

/// The kinds of expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A value written down.
    Literal(Literal),
    /// `dynamic(…)`.
    Dynamic(DynamicValue),
    /// A column, table, variable, `$left`, `$right`, or a pattern such as `Device*`.
    Name(Name),
    /// `*` where all columns or tables are meant.
    Star,
    /// `base.name`; the name may be a pattern, as in `database("x").Device*`.
    Path {
        /// What the member is taken of.
        base: Box<Expr>,
        /// The member.
        name: Name,
    },
    /// `base[index]`.
    Index {
        /// What the element is taken of.
        base: Box<Expr>,
        /// Position or key.
        index: Box<Expr>,
    },
    /// `name(arguments)` or `receiver.name(arguments)`; `toscalar`, `materialize`, `table` too.
    Call {
        /// What stands before the dot, as in `cluster("x").database("y")`.
        receiver: Option<Box<Expr>>,
        /// The function.
        name: Name,
        /// Arguments in order; a tabular argument is a [`Pipeline`].
        arguments: Vec<Argument>,
    },
    /// `-x`, `+x`.
    Unary {
        /// The sign.
        op: UnaryOp,
        /// What it stands before.
        operand: Box<Expr>,
    },
    /// `left op right`. A chain of `and`s or of `or`s is a balanced tree, so that its height stays
    /// small; any other chain leans to the left.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Where the operator itself stands.
        op_span: Span,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `operand in (list)` and its family. One element may be a table or an array.
    In {
        /// The operator.
        op: InOp,
        /// Where the operator itself stands.
        op_span: Span,
        /// What is looked for.
        operand: Box<Expr>,
        /// Among these; a single tabular expression is a list of one.
        list: Vec<Expr>,
    },
    /// `operand between (low .. high)`.
    Between {
        /// Whether it is `!between`.
        negated: bool,
        /// Where the operator itself stands.
        op_span: Span,
        /// What is compared.
        operand: Box<Expr>,
        /// Lowest value, included.
        low: Box<Expr>,
        /// Highest value, included, or a span of time from `low`.
        high: Box<Expr>,
    },
    /// `(inner)`.
    Paren(Box<Expr>),
    /// `source | operator | …`.
    Pipeline(Pipeline),
    /// `datatable(columns)[values]`.
    DataTable {
        /// Columns.
        columns: RowSchema,
        /// Values row by row; the binder checks that they fill rows.
        values: Vec<Expr>,
    },
    /// `externaldata(columns)[uris] with (properties)`.
    ExternalData {
        /// Columns.
        columns: RowSchema,
        /// Where the data are.
        uris: Vec<Expr>,
        /// `format`, `ignoreFirstRecord`, …
        properties: Vec<Property>,
    },
    /// `typeof(string)` or `typeof(a: int, *)`.
    TypeOf(Vec<TypeOfItem>),
    /// `entity_group [a, b]`.
    EntityGroup(Vec<Expr>),
    /// Something belongs here and is not there; the parser has said so.
    Missing,
}

/// `source | operator | operator`.
///
/// Without a source the first operator makes the rows itself (`print`, `range`, `union`, `search`,
/// `find`, `evaluate`, `datatable` is an expression), or the rows come from outside (the body of
/// `mv-apply`, `partition`, `fork`, `facet`).
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Where the rows come from.
    pub source: Option<Box<Expr>>,
    /// Operators in order.
    pub operators: Vec<Operator>,
    /// All of it.
    pub span: Span,
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// The parameter's name in `f(name = value)`.
    pub name: Option<Name>,
    /// The value.
    pub value: Expr,
}

/// `name = expr`, `(a, b) = expr`, or just `expr`.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedExpr {
    /// The names given; none when the name is automatic, several only in the tuple form.
    pub names: Vec<Name>,
    /// Whether the names stand in parentheses.
    pub tuple: bool,
    /// The expression.
    pub expr: Expr,
    /// All of it.
    pub span: Span,
}

/// `name = value` where an operator takes options: `kind=inner`, `hint.strategy=shuffle`.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Name, with its dots.
    pub name: Name,
    /// Value: a literal, or a bare word as [`ExprKind::Name`].
    pub value: Expr,
    /// Both.
    pub span: Span,
}

/// One thing in `typeof(…)`.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeOfItem {
    /// `string`.
    Type(TypeName),
    /// `a: int`.
    Column(ColumnDecl),
    /// `*`.
    Star(Span),
}

/// A value written down.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    /// What it is.
    pub kind: LiteralKind,
    /// Where.
    pub span: Span,
}

/// The kinds of literal. The text of times and the like is checked by the parser, not evaluated.
#[derive(Clone, Debug, PartialEq)]
pub enum LiteralKind {
    /// `true`, `bool(false)`.
    Bool(bool),
    /// `int(5)`.
    Int(i32),
    /// `5`, `0x1F`, `long(5)`.
    Long(i64),
    /// `1.5`, `1e3`, `real(nan)`, `double(-inf)`.
    Real(f64),
    /// What stands in `decimal(…)`.
    Decimal(String),
    /// What stands in `datetime(…)`, trimmed, quotes removed.
    DateTime(String),
    /// `1d`, `2h`, or what stands in `time(…)`/`timespan(…)`, trimmed, quotes removed.
    TimeSpan(String),
    /// What stands in `guid(…)`, trimmed.
    Guid(String),
    /// The text, escapes resolved, neighbouring literals joined.
    String(String),
    /// `int(null)`, `datetime(null)`, `dynamic(null)` is [`ExprKind::Dynamic`].
    Null(TypeName),
}

/// A value inside `dynamic(…)`.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicValue {
    /// What it is.
    pub kind: DynamicKind,
    /// Where; for the outermost value the `dynamic(` and `)` are not part of it.
    pub span: Span,
}

/// The kinds of value in `dynamic(…)`.
#[derive(Clone, Debug, PartialEq)]
pub enum DynamicKind {
    /// `null`.
    Null,
    /// A scalar: number, string, bool, or `datetime(…)`, `time(…)`, `guid(…)`, `1d`.
    Literal(LiteralKind),
    /// `[…]`.
    Array(Vec<DynamicValue>),
    /// `{"key": value}`; keys in order, repeated keys kept.
    Bag(Vec<(Name, DynamicValue)>),
    /// Unreadable; the parser has said so.
    Error,
}

/// A sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`.
    Minus,
    /// `+`.
    Plus,
}

/// The operators whose right side is a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the text of each is in `text`")]
pub enum InOp {
    In,
    NotIn,
    InCi,
    NotInCi,
    HasAny,
    HasAll,
}

impl InOp {
    /// Returns the operator as it is written.
    pub const fn text(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::NotIn => "!in",
            Self::InCi => "in~",
            Self::NotInCi => "!in~",
            Self::HasAny => "has_any",
            Self::HasAll => "has_all",
        }
    }
}

/// Declares [`BinaryOp`] with the text of each operator beside it, so that the two cannot differ.
macro_rules! binary_operators {
    ($($name:ident = $text:literal),+ $(,)?) => {
        /// The operators with a single operand on each side.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the text of each is in `text`")]
        pub enum BinaryOp { $($name),+ }

        impl BinaryOp {
            /// Every operator.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Returns the operator as it is written.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

binary_operators! {
    Or = "or", And = "and",
    Eq = "==", Ne = "!=", Lt = "<", Le = "<=", Gt = ">", Ge = ">=",
    Add = "+", Sub = "-", Mul = "*", Div = "/", Mod = "%",
    EqTilde = "=~", NeTilde = "!~",
    Contains = "contains", NotContains = "!contains",
    ContainsCs = "contains_cs", NotContainsCs = "!contains_cs",
    Has = "has", NotHas = "!has", HasCs = "has_cs", NotHasCs = "!has_cs",
    HasPrefix = "hasprefix", NotHasPrefix = "!hasprefix",
    HasPrefixCs = "hasprefix_cs", NotHasPrefixCs = "!hasprefix_cs",
    HasSuffix = "hassuffix", NotHasSuffix = "!hassuffix",
    HasSuffixCs = "hassuffix_cs", NotHasSuffixCs = "!hassuffix_cs",
    StartsWith = "startswith", NotStartsWith = "!startswith",
    StartsWithCs = "startswith_cs", NotStartsWithCs = "!startswith_cs",
    EndsWith = "endswith", NotEndsWith = "!endswith",
    EndsWithCs = "endswith_cs", NotEndsWithCs = "!endswith_cs",
    Like = "like", NotLike = "notlike", LikeCs = "likecs", NotLikeCs = "notlikecs",
    MatchesRegex = "matches regex",
    // `column: "text"` of `search` and `find`.
    Search = ":",
}
