//! Parameters, and how arguments are laid out over them.

use super::ResultRule;
use crate::types::{ScalarType, Shape};

/// One way to call something.
#[derive(Debug, Clone)]
pub struct Signature {
    /// Parameters in order.
    pub parameters: Vec<Parameter>,
    /// Type of the result.
    pub result: ResultRule,
}

/// A parameter.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// What values it takes.
    pub expected: Expected,
    /// What expressions it takes.
    pub rule: ArgumentRule,
    /// Fewest arguments for it.
    pub min: usize,
    /// Most arguments for it.
    pub max: usize,
}

/// What values a parameter takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// Anything, tables too.
    Any,
    /// Any scalar.
    Scalar,
    /// A table.
    Table,
    /// One of these.
    OneOf(Vec<Shape>),
    /// `int` or `long`.
    Integer,
    /// `real` or `decimal`.
    RealOrDecimal,
    /// `string` or any dynamic.
    StringOrDynamic,
    /// `string`, or a dynamic that may hold strings.
    StringOrArray,
    /// An integer, or a dynamic that may hold integers.
    IntegerOrArray,
    /// A dynamic that may be an array.
    Array,
    /// A dynamic that may be a bag.
    Bag,
    /// A number.
    Number,
    /// A number or a bool.
    NumberOrBool,
    /// A number, an instant or a span.
    Summable,
    /// Something that can be ordered.
    Orderable,
    /// Any scalar but `real` and `bool`.
    NotRealOrBool,
    /// Any scalar but a dynamic.
    NotDynamic,
    /// Any scalar but `bool`.
    NotBool,
    /// The same as the argument at this place.
    SameAs(usize),
    /// One type for all arguments of the kind.
    Common(CommonOf),
}

/// Among what the common type of several arguments is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommonOf {
    /// Scalars.
    Scalars,
    /// Numbers.
    Numbers,
    /// Numbers, instants and spans.
    Summables,
    /// What can be ordered.
    Orderables,
    /// Scalars; dynamics go with everything.
    ScalarsOrDynamic,
}

/// What expressions a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentRule {
    /// Any.
    Any,
    /// Any, or `*`.
    StarToo,
    /// Just `*`.
    StarOnly,
    /// An aggregate.
    Aggregate,
    /// A column.
    Column,
    /// A column of the table that is the first argument.
    ColumnOfFirst,
    /// A column that the row and the first argument's table have in common.
    SharedColumn,
    /// Something over the elements of the first argument.
    OverElements,
    /// A literal.
    Literal,
    /// Something computed without any column.
    Constant,
}

impl Signature {
    /// Fewest arguments.
    pub fn min(&self) -> usize {
        self.parameters.iter().map(|parameter| parameter.min).sum()
    }

    /// Most arguments.
    pub fn max(&self) -> usize {
        self.parameters.iter().map(|parameter| parameter.max).fold(0, usize::saturating_add)
    }

    /// Whether a call with this many arguments can be right.
    pub fn takes(&self, count: usize) -> bool {
        if count < self.min() || self.max() < count {
            return false;
        }
        let (_, block, tail) = self.parts();
        block < 2 || (count - (self.parameters.len() - block - tail) - tail).is_multiple_of(block)
    }

    /// Returns the parameter that the argument at `index` of `count` goes to; nothing if there are
    /// too many arguments.
    pub fn parameter(&self, index: usize, count: usize) -> Option<&Parameter> {
        let (head, block, tail) = self.parts();
        if block == 0 {
            return self.parameters.get(index);
        }
        if index < head {
            return self.parameters.get(index);
        }
        let required_tail = if count > head + tail { tail } else { 0 };
        if tail > 0 && required_tail > 0 && index + tail >= count {
            return self.parameters.get(head + block + (index + tail - count));
        }
        self.parameters.get(head + (index - head) % block)
    }

    /// Parts the parameters: how many stand before those that repeat, how many repeat, and how
    /// many follow.
    fn parts(&self) -> (usize, usize, usize) {
        let repeats = |parameter: &Parameter| parameter.max > 1;
        let Some(head) = self.parameters.iter().position(repeats) else {
            return (self.parameters.len(), 0, 0);
        };
        let block = self.parameters.iter().skip(head).take_while(|parameter| repeats(parameter)).count();
        (head, block, self.parameters.len() - head - block)
    }
}

impl Expected {
    /// Returns what to say is expected.
    pub fn describe(&self) -> String {
        let text = match self {
            Self::Any => "a value",
            Self::Scalar | Self::Common(CommonOf::Scalars | CommonOf::ScalarsOrDynamic) | Self::SameAs(_) => {
                "a scalar"
            }
            Self::Table => "a table",
            Self::OneOf(shapes) => {
                let names: Vec<&str> = shapes.iter().map(Shape::name).collect();
                return format!("a value of type {}", names.join(" or "));
            }
            Self::Integer => "an integer",
            Self::RealOrDecimal => "a real or decimal",
            Self::StringOrDynamic => "a string or dynamic",
            Self::StringOrArray => "a string or an array of strings",
            Self::IntegerOrArray => "an integer or an array of integers",
            Self::Array => "a dynamic array",
            Self::Bag => "a dynamic bag",
            Self::Number | Self::Common(CommonOf::Numbers) => "a number",
            Self::NumberOrBool => "a number or bool",
            Self::Summable | Self::Common(CommonOf::Summables) => "a number, datetime or timespan",
            Self::Orderable | Self::Common(CommonOf::Orderables) => "a value that can be ordered",
            Self::NotRealOrBool => "a value that is neither real nor bool",
            Self::NotDynamic => "a value that is not dynamic",
            Self::NotBool => "a value that is not bool",
        };
        text.to_owned()
    }

    /// Whether values of this shape are scalars that can be ordered.
    pub(super) const fn orderable(shape: &Shape) -> bool {
        match shape {
            Shape::Scalar(ty) => !matches!(ty, ScalarType::Guid | ScalarType::Dynamic),
            Shape::Holding(_) | Shape::Array(_) | Shape::Bag(_) | Shape::Null | Shape::TypeName(_) => false,
        }
    }
}
