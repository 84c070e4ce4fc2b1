//! Result types of calls.

use super::{Argument, CommonOf, Expected, Signature};
use crate::types::{Conversion, ScalarType, Shape, promote, widest};

/// How the type of a result follows from the arguments.
#[derive(Debug, Clone, PartialEq)]
pub enum ResultRule {
    /// It is always this.
    Fixed(Shape),
    /// It is that of the argument at this place.
    Argument(usize),
    /// It is that of the argument at this place, `int` made `long`.
    Promoted(usize),
    /// It is an array of the argument at this place.
    ArrayOf(usize),
    /// It is the type that the argument at this place names.
    Named(usize),
    /// It is the type that the last argument names.
    NamedByLast,
    /// It is what the arguments with a common type have in common.
    Common,
    /// As [`Self::Common`], dynamic arguments aside.
    CommonNotDynamic,
    /// It is the widest number, at least `long`.
    Widest,
    /// It is an array as the arguments are.
    Arrays,
    /// It is an array of what the arguments have in common.
    Elements,
    /// It is a bag of the keys and values that alternate in the arguments.
    Packed,
    /// There are several results, with these names behind the prefix.
    Tuple(Vec<(String, Shape)>),
    /// There is a result for each array given, in the order of the first.
    Sorted,
    /// There is a result for each percentile asked for.
    Percentiles,
    /// There is a result for each argument: the extreme and what stands beside it.
    Extreme,
    /// There is a result for each argument.
    Each,
}

impl ResultRule {
    /// Returns the type of the result; of the first one if there are several.
    pub fn shape(&self, signature: &Signature, arguments: &[Argument]) -> Shape {
        let nth =
            |index: usize| arguments.get(index).map_or(Shape::UNKNOWN, |argument| argument.shape.clone());
        match self {
            Self::Fixed(shape) => shape.clone(),
            Self::Argument(index) => nth(*index),
            Self::Promoted(index) => promoted(&nth(*index)),
            Self::ArrayOf(index) => Shape::array(&nth(*index)),
            Self::Named(index) => named(&nth(*index)),
            Self::NamedByLast => named(&nth(arguments.len().saturating_sub(1))),
            Self::Common => common(signature, arguments, Dynamics::Count).unwrap_or(Shape::UNKNOWN),
            Self::CommonNotDynamic => common(signature, arguments, Dynamics::Skip).unwrap_or(Shape::UNKNOWN),
            Self::Widest => {
                widest(arguments.iter().map(|argument| &argument.shape)).map_or(Shape::UNKNOWN, Shape::of)
            }
            Self::Arrays => match of_all(arguments, Conversion::Exact) {
                Some(shape @ Shape::Array(_)) => shape,
                _ => Shape::array(&Shape::DYNAMIC),
            },
            Self::Elements => Shape::array(&of_all(arguments, Conversion::Widen).unwrap_or(Shape::DYNAMIC)),
            Self::Packed => Shape::Bag(packed(arguments).into()),
            Self::Tuple(items) => items.first().map_or(Shape::UNKNOWN, |(_, shape)| shape.clone()),
            Self::Sorted | Self::Percentiles | Self::Extreme | Self::Each => nth(0),
        }
    }

    /// Whether a call can give several values.
    pub const fn is_several(&self) -> bool {
        matches!(self, Self::Tuple(_) | Self::Sorted | Self::Percentiles | Self::Extreme | Self::Each)
    }
}

fn promoted(shape: &Shape) -> Shape {
    match shape {
        Shape::Scalar(ty) => Shape::Scalar(promote(*ty)),
        other => other.clone(),
    }
}

fn named(shape: &Shape) -> Shape {
    match shape {
        Shape::TypeName(ty) => Shape::of(*ty),
        _ => Shape::UNKNOWN,
    }
}

fn of_all(arguments: &[Argument], conversion: Conversion) -> Option<Shape> {
    let mut shapes = arguments.iter().map(|argument| &argument.shape);
    let first = shapes.next()?.clone();
    shapes.try_fold(first, |common, shape| common.common(shape, conversion))
}

fn packed(arguments: &[Argument]) -> Vec<(String, Shape)> {
    let mut properties = Vec::new();
    for pair in arguments.chunks_exact(2) {
        if let [key, value] = pair
            && let Some(name) = &key.text
        {
            properties.push((name.clone(), value.shape.clone()));
        }
    }
    properties
}

/// Whether dynamic arguments take part in a common type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dynamics {
    Count,
    Skip,
}

/// Returns the type that the arguments of common parameters have in common.
pub(super) fn common(signature: &Signature, arguments: &[Argument], dynamics: Dynamics) -> Option<Shape> {
    let mut result: Option<Shape> = None;
    for (index, argument) in arguments.iter().enumerate() {
        let Some(parameter) = signature.parameter(index, arguments.len()) else {
            continue;
        };
        let Expected::Common(of) = parameter.expected else {
            continue;
        };
        if (dynamics == Dynamics::Skip && argument.shape.is_dynamic()) || !counts(of, &argument.shape) {
            continue;
        }
        let conversion =
            if of == CommonOf::ScalarsOrDynamic { Conversion::ToDynamic } else { Conversion::Widen };
        result = Some(match &result {
            None => argument.shape.clone(),
            Some(shape) => shape.common(&argument.shape, conversion)?,
        });
    }
    if result.is_none() && dynamics == Dynamics::Skip {
        return common(signature, arguments, Dynamics::Count);
    }
    result
}

fn counts(of: CommonOf, shape: &Shape) -> bool {
    let scalar = match shape {
        Shape::Scalar(ty) => *ty,
        _ => ScalarType::Dynamic,
    };
    match of {
        CommonOf::Scalars | CommonOf::ScalarsOrDynamic => true,
        CommonOf::Numbers => scalar.is_numeric() || scalar.is_unknown(),
        CommonOf::Summables => scalar.is_summable() || scalar.is_unknown(),
        CommonOf::Orderables => Expected::orderable(shape),
    }
}
