//! A condition as it is understood: a tree whose names are resolved.

use std::ops::Range;
use std::sync::Arc;

use super::fold::Needle;
use super::function::Function;
use super::value::{Compare, Reckon, Value};

/// A literal.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Constant {
    Nothing,
    Bool(bool),
    Int(i64),
    Real(f64),
    Text(Box<str>),
}

impl Constant {
    /// Looks at the literal.
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Self::Nothing => Value::Nothing,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Real(value) => Value::Real(*value),
            Self::Text(text) => Value::Text(text.as_ref().into()),
        }
    }
}

/// What a field that an object lacks is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// Nothing `()`.
    Nothing,
    /// An error.
    Error,
}

/// How a chain goes on when what stands before the dot is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// `.` and `[`: an error.
    Strict,
    /// `?.` and `?[`: nothing.
    Lenient,
}

/// A set of literal texts.
#[derive(Debug, Clone)]
pub(super) struct Texts {
    /// By length, then by content: most texts are told apart by their length.
    sorted: Vec<Arc<str>>,
    written: Vec<Arc<str>>,
}

impl Texts {
    /// Takes the texts in the order in which they are written.
    pub(super) fn new(texts: &[Box<str>]) -> Self {
        let written: Vec<Arc<str>> = texts.iter().map(|text| Arc::from(&**text)).collect();
        let mut sorted = written.clone();
        sorted.sort_by(|left, right| left.len().cmp(&right.len()).then_with(|| left.cmp(right)));
        sorted.dedup();
        Self { sorted, written }
    }

    /// Whether the text is one of them.
    pub(super) fn contains(&self, text: &str) -> bool {
        let order =
            |each: &str| each.len().cmp(&text.len()).then_with(|| each.as_bytes().cmp(text.as_bytes()));
        self.sorted.binary_search_by(|each| order(each)).is_ok()
    }

    /// The texts in the order in which they are written.
    pub(super) fn written(&self) -> impl Iterator<Item = &str> {
        self.written.iter().map(AsRef::as_ref)
    }
}

/// A closure run over items.
#[derive(Debug, Clone)]
pub(super) struct Each {
    /// `any`, `all` or `filter`.
    pub(super) function: Function,
    /// What gives the items.
    pub(super) over: Node,
    /// The closure's parameter, as [`Node::Local`] counts it.
    pub(super) slot: usize,
    /// The closure's body.
    pub(super) body: Node,
    /// Place in the source.
    pub(super) range: Range<usize>,
}

/// One step of a condition. Ranges are places in the source, for errors.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// A literal.
    Constant(Constant),
    /// `row`, `rows`, `incident`, `incidents`.
    Subject,
    /// A column of `row`, by its place among those the condition reads.
    Column(usize),
    /// `run`.
    Run,
    /// `outcome`.
    Outcome,
    /// `now`.
    Now,
    /// The parameter of a closure, counted from the outermost.
    Local(usize),
    /// `lists.NAME`, by its place among those the condition names.
    List(usize),
    /// `x.name`.
    Field { of: Box<Self>, name: Box<str>, absent: Absent, link: Link, range: Range<usize> },
    /// `x[index]`.
    Item { of: Box<Self>, index: Box<Self>, link: Link, range: Range<usize> },
    /// `a && b`.
    And(Vec<(Self, Range<usize>)>),
    /// `a || b`.
    Or(Vec<(Self, Range<usize>)>),
    /// `!a`.
    Not(Box<Self>, Range<usize>),
    /// `a ?? b`.
    Coalesce(Vec<Self>),
    /// `if a { b } else { c }`.
    If(Box<(Self, Self, Self)>, Range<usize>),
    /// `a == b` and its kin.
    Compare(Compare, Box<(Self, Self)>, Range<usize>),
    /// `a + b` and its kin.
    Reckon(Reckon, Box<(Self, Self)>, Range<usize>),
    /// `-a`.
    Negate(Box<Self>, Range<usize>),
    /// `[a, b]`.
    Array(Vec<Self>),
    /// A call without closure.
    Call(Function, Vec<Self>, Range<usize>),
    /// `x.any(|y| ..)` and its kin.
    Each(Box<Each>),
    /// `x in ["a", "b"]`.
    InTexts(Box<Self>, Texts, Range<usize>),
    /// `x in [1, "b"]`.
    InConstants(Box<Self>, Vec<Constant>, Range<usize>),
    /// `x.to_lower().contains("a")`, `x.icontains("a")`; with the function that judges what `x` is.
    FoldContains(Function, Box<Self>, Needle, Range<usize>),
    /// What only the script engine can evaluate.
    Opaque,
}

impl Node {
    /// The literal text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Constant(Constant::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The literals of an array, if it has nothing else.
    fn constants(&self) -> Option<Vec<Constant>> {
        let Self::Array(items) = self else { return None };
        let constant = |item: &Self| match item {
            Self::Constant(constant) => Some(constant.clone()),
            _ => None,
        };
        items.iter().map(constant).collect()
    }
}

/// Makes a call, in its fastest form.
pub(super) fn call(function: Function, arguments: Vec<Node>, range: Range<usize>) -> Node {
    let [first, second] = match <[Node; 2]>::try_from(arguments) {
        Ok(both) => both,
        Err(arguments) => return Node::Call(function, arguments, range),
    };
    match function {
        Function::Contains => contains(first, second, range),
        Function::Icontains => match second.text().map(str::to_lowercase) {
            Some(part) => Node::FoldContains(function, Box::new(first), Needle::new(&part), range),
            None => Node::Call(function, vec![first, second], range),
        },
        _ => Node::Call(function, vec![first, second], range),
    }
}

fn contains(container: Node, item: Node, range: Range<usize>) -> Node {
    if let Some(constants) = container.constants() {
        return in_constants(item, constants, range);
    }
    match (container, item.text()) {
        (Node::Call(Function::ToLower, mut inner, inner_range), Some(part)) if inner.len() == 1 => {
            let text = inner.pop().unwrap_or(Node::Opaque);
            Node::FoldContains(Function::ToLower, Box::new(text), Needle::new(part), inner_range)
        }
        (container, _) => Node::Call(Function::Contains, vec![container, item], range),
    }
}

fn in_constants(item: Node, constants: Vec<Constant>, range: Range<usize>) -> Node {
    let text = |constant: &Constant| match constant {
        Constant::Text(text) => Some(text.clone()),
        _ => None,
    };
    let texts: Option<Vec<_>> = constants.iter().map(text).collect();
    match texts {
        Some(texts) if !texts.is_empty() => Node::InTexts(Box::new(item), Texts::new(&texts), range),
        _ => Node::InConstants(Box::new(item), constants, range),
    }
}
