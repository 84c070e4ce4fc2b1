//! The tree of a query.

use std::sync::Arc;

use super::value::{Kind, Value};

/// Statements and the pipeline they serve.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) lets: Vec<Let>,
    pub(crate) body: Pipeline,
}

/// `let name = …;`
#[derive(Debug)]
pub(crate) struct Let {
    pub(crate) name: Arc<str>,
    pub(crate) value: LetValue,
}

/// What a `let` names. A bare name is a pipeline here; binding finds out what it means.
#[derive(Debug)]
pub(crate) enum LetValue {
    Scalar(Expr),
    Tabular(Pipeline),
}

/// A source of rows and the operators they go through.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) at: usize,
    pub(crate) source: Source,
    pub(crate) steps: Vec<Step>,
}

/// Where rows come from.
#[derive(Debug)]
pub(crate) enum Source {
    Name(Arc<str>),
    Nested(Box<Pipeline>),
    Union(Union),
    Datatable(Vec<(Arc<str>, Kind)>, Vec<Expr>),
    Print(Vec<Named>),
}

/// An operator and where it stands.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) at: usize,
    pub(crate) operator: Operator,
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Operator {
    Where(Expr),
    Extend(Vec<Named>),
    Project(Vec<Named>),
    ProjectAway(Vec<Pattern>),
    ProjectKeep(Vec<Pattern>),
    ProjectReorder(Vec<Pattern>),
    ProjectRename(Vec<Named>),
    Summarize {
        aggregates: Vec<Named>,
        by: Vec<Named>,
    },
    /// No expressions: `distinct *`.
    Distinct(Vec<Named>),
    Sort(Vec<Order>),
    Top(Expr, Vec<Order>),
    Take(Expr),
    Count,
    Join(Join),
    Union(Union),
    MvExpand(MvExpand),
}

impl Operator {
    /// Name as messages spell it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Where(_) => "where",
            Self::Extend(_) => "extend",
            Self::Project(_) => "project",
            Self::ProjectAway(_) => "project-away",
            Self::ProjectKeep(_) => "project-keep",
            Self::ProjectReorder(_) => "project-reorder",
            Self::ProjectRename(_) => "project-rename",
            Self::Summarize { .. } => "summarize",
            Self::Distinct(_) => "distinct",
            Self::Sort(_) => "sort",
            Self::Top(..) => "top",
            Self::Take(_) => "take",
            Self::Count => "count",
            Self::Join(_) => "join",
            Self::Union(_) => "union",
            Self::MvExpand(_) => "mv-expand",
        }
    }
}

/// `Name = expression`, or an expression whose name follows from it.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) expr: Expr,
}

/// A column name that may hold `*`.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) at: usize,
    pub(crate) text: String,
}

/// One key of a sort.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) expr: Expr,
    pub(crate) direction: Direction,
    pub(crate) nulls: Nulls,
}

/// Which way a sort goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// Where a sort puts nulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    First,
    Last,
}

/// `join kind=… (right) on …`
#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) kind: JoinKind,
    pub(crate) right: Pipeline,
    pub(crate) on: Vec<JoinKey>,
}

/// Which rows a join gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    InnerUnique,
    Inner,
    LeftOuter,
    RightOuter,
    FullOuter,
    LeftSemi,
    RightSemi,
    LeftAnti,
    RightAnti,
}

impl JoinKind {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "innerunique" => Self::InnerUnique,
            "inner" => Self::Inner,
            "leftouter" => Self::LeftOuter,
            "rightouter" => Self::RightOuter,
            "fullouter" => Self::FullOuter,
            "leftsemi" => Self::LeftSemi,
            "rightsemi" => Self::RightSemi,
            "leftanti" | "anti" | "leftantisemi" => Self::LeftAnti,
            "rightanti" | "rightantisemi" => Self::RightAnti,
            _ => return None,
        })
    }
}

/// One pair of columns that must be equal.
#[derive(Debug)]
pub(crate) struct JoinKey {
    pub(crate) at: usize,
    pub(crate) left: Arc<str>,
    pub(crate) right: Arc<str>,
}

/// `union [kind=…] [withsource=…] tables`
#[derive(Debug)]
pub(crate) struct Union {
    pub(crate) kind: UnionKind,
    pub(crate) with_source: Option<Arc<str>>,
    pub(crate) parts: Vec<Pipeline>,
}

/// Which columns a union keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnionKind {
    /// All columns of all parts.
    Outer,
    /// Columns every part has.
    Inner,
}

/// `mv-expand [name =] column [to typeof(kind)]`
#[derive(Debug)]
pub(crate) struct MvExpand {
    pub(crate) item: Named,
    pub(crate) to: Option<Kind>,
}

/// An expression and where it stands.
#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) at: usize,
    pub(crate) node: Node,
}

/// What an expression is.
#[derive(Debug)]
pub(crate) enum Node {
    Literal(Value, Kind),
    Name(Arc<str>),
    /// `*` as an argument.
    Star,
    /// `a.b`
    Member(Box<Expr>, Arc<str>),
    /// `a[b]`
    Index(Box<Expr>, Box<Expr>),
    Negate(Box<Expr>),
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    Match(Match, Box<Expr>, Box<Expr>),
    /// `has_any`, `has_all`
    Terms(Terms, Box<Expr>, Vec<Expr>),
    In(Membership, Box<Expr>, Vec<Expr>),
    Between {
        value: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        sense: Sense,
    },
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Call(Arc<str>, Vec<Expr>),
    /// A pipeline as an argument.
    Table(Box<Pipeline>),
    /// `dynamic([…])`
    Bag(Vec<(Arc<str>, Expr)>),
    List(Vec<Expr>),
}

/// Operators on numbers, times and spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Whether a test is taken as it is or denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sense {
    Is,
    IsNot,
}

/// Whether letters of either case are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Fold,
    Keep,
}

/// A test of a text against a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) how: How,
    pub(crate) case: Case,
    pub(crate) sense: Sense,
}

/// How a text is looked for in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// `=~`
    Equal,
    Contains,
    StartsWith,
    EndsWith,
    /// A whole term, or several that follow each other.
    Has,
    HasPrefix,
    HasSuffix,
    Regex,
}

/// How many terms must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Terms {
    Any,
    All,
}

/// `in`, `in~`, `!in`, `!in~`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) case: Case,
    pub(crate) sense: Sense,
}
