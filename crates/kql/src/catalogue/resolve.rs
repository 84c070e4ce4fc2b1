//! Which signature a call means, and what is wrong with its arguments.

use super::result::{Dynamics, common};
use super::{ArgumentRule, CommonOf, Expected, Parameter, Signature};
use crate::types::{Conversion, ScalarType, Shape};

/// What is known about an argument.
#[derive(Debug, Clone)]
pub struct Argument {
    /// Its type; of a table it is unknown.
    pub shape: Shape,
    /// What kind of expression it is.
    pub form: Form,
    /// Its value, if it is a constant text.
    pub text: Option<String>,
}

/// What kind of expression an argument is, as far as rules ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A value written down.
    Literal,
    /// Something computed without columns.
    Constant,
    /// A column.
    Column,
    /// Any other scalar.
    Scalar,
    /// `*`.
    Star,
    /// A table.
    Table,
}

/// The signature that a call means.
#[derive(Debug)]
pub struct Match<'a> {
    /// The signature; nothing if no signature, or more than one, fits.
    pub signature: Option<&'a Signature>,
    /// Type of the result; unknown if nothing can be said.
    pub shape: Shape,
    /// What is wrong.
    pub misfits: Vec<Misfit>,
}

/// Something wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// There are too few or too many arguments.
    Count {
        /// Fewest.
        min: usize,
        /// Most.
        max: usize,
    },
    /// No signature takes these arguments.
    NoSignature,
    /// Arguments that must have a type in common have none.
    NoCommonType,
    /// An argument has the wrong type.
    Type {
        /// Which one.
        index: usize,
        /// What is expected, for messages.
        expected: String,
    },
    /// An argument is a `*` where none is allowed.
    Star(usize),
    /// An argument has to be a column.
    NotColumn(usize),
    /// An argument has to be a constant.
    NotConstant(usize),
    /// An argument has to be a literal.
    NotLiteral(usize),
}

/// How strictly all arguments must fit for a signature to be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// A single candidate is chosen even if arguments do not fit, so that each can be reported.
    Lenient,
    /// All arguments must fit, as for operators.
    AllFit,
}

/// Finds the signature for `arguments` and checks them against it.
pub fn resolve<'a>(signatures: &'a [Signature], arguments: &[Argument], strictness: Strictness) -> Match<'a> {
    let candidates = best(signatures, arguments, strictness);
    let [signature] = candidates.as_slice() else {
        return unresolved(signatures, &candidates, arguments);
    };
    let misfits = check(signature, arguments);
    let shape = signature.result.shape(signature, arguments);
    Match { signature: Some(signature), shape: unwrapped(signatures, arguments, shape, strictness), misfits }
}

/// A dynamic result of arguments that are scalars inside a dynamic is such a scalar too.
fn unwrapped(
    signatures: &[Signature],
    arguments: &[Argument],
    shape: Shape,
    strictness: Strictness,
) -> Shape {
    let holding = |argument: &Argument| matches!(argument.shape, Shape::Holding(_));
    if shape != Shape::DYNAMIC || !arguments.iter().any(holding) {
        return shape;
    }
    let bare: Vec<Argument> = arguments
        .iter()
        .map(|argument| match argument.shape {
            Shape::Holding(ty) => Argument { shape: Shape::Scalar(ty), ..argument.clone() },
            _ => argument.clone(),
        })
        .collect();
    match best(signatures, &bare, strictness).as_slice() {
        [signature] => match signature.result.shape(signature, &bare) {
            Shape::Scalar(ScalarType::Unknown | ScalarType::Dynamic) => shape,
            inner @ Shape::Scalar(_) => inner.in_dynamic(),
            _ => shape,
        },
        _ => shape,
    }
}

fn unresolved<'a>(
    signatures: &[Signature],
    candidates: &[&'a Signature],
    arguments: &[Argument],
) -> Match<'a> {
    let unknown =
        arguments.iter().any(|argument| argument.form != Form::Table && argument.shape.is_unknown());
    let mut misfits = Vec::new();
    if arguments.is_empty() || !signatures.iter().any(|signature| signature.takes(arguments.len())) {
        let min = signatures.iter().map(Signature::min).min().unwrap_or_default();
        let max = signatures.iter().map(Signature::max).max().unwrap_or_default();
        misfits.push(Misfit::Count { min, max });
    } else if !unknown {
        misfits.push(Misfit::NoSignature);
    }
    let mut shapes = candidates.iter().map(|signature| signature.result.shape(signature, arguments));
    let shape = match shapes.next() {
        Some(first) if shapes.all(|shape| shape == first) => first,
        _ => Shape::UNKNOWN,
    };
    Match { signature: None, shape, misfits }
}

/// How well an argument fits a parameter, from not at all to exactly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    None,
    Unknown,
    Dynamic,
    Widened,
    NotType,
    OneOfMany,
    Scalar,
    Summable,
    Orderable,
    Number,
    Integer,
    Table,
    Exact,
}

fn best<'a>(
    signatures: &'a [Signature],
    arguments: &[Argument],
    strictness: Strictness,
) -> Vec<&'a Signature> {
    if let [only] = signatures {
        return vec![only];
    }
    let mut candidates: Vec<&Signature> =
        signatures.iter().filter(|signature| signature.takes(arguments.len())).collect();
    if candidates.is_empty() {
        return candidates;
    }
    let mut most = candidates.iter().map(|signature| fitting(signature, arguments)).max().unwrap_or_default();
    if strictness == Strictness::AllFit {
        most = arguments.len();
    }
    candidates.retain(|signature| fitting(signature, arguments) == most);
    let rank = |signature: &&Signature| extremes(signature, arguments);
    let Some(top) = candidates.iter().map(rank).max() else {
        return candidates;
    };
    if candidates.iter().filter(|signature| rank(signature) == top).count() == 1 {
        candidates.retain(|signature| rank(signature) == top);
    }
    candidates
}

fn fitting(signature: &Signature, arguments: &[Argument]) -> usize {
    fits(signature, arguments).filter(|fit| *fit != Fit::None).count()
}

/// Returns the worst and the best fit of the arguments.
fn extremes(signature: &Signature, arguments: &[Argument]) -> (Fit, Fit) {
    let worst = fits(signature, arguments).min().unwrap_or(Fit::Exact);
    (worst, fits(signature, arguments).max().unwrap_or(Fit::None))
}

fn fits<'a>(signature: &'a Signature, arguments: &'a [Argument]) -> impl Iterator<Item = Fit> + 'a {
    (0..arguments.len()).map(move |index| fit_at(signature, arguments, index))
}

fn fit_at(signature: &Signature, arguments: &[Argument], index: usize) -> Fit {
    match (signature.parameter(index, arguments.len()), arguments.get(index)) {
        (Some(parameter), Some(argument)) => fit(signature, arguments, parameter, argument),
        _ => Fit::None,
    }
}

fn fit(signature: &Signature, arguments: &[Argument], parameter: &Parameter, argument: &Argument) -> Fit {
    match argument.form {
        Form::Star if matches!(parameter.rule, ArgumentRule::StarOnly | ArgumentRule::StarToo) => {
            return Fit::Exact;
        }
        Form::Star => return Fit::None,
        Form::Table => {
            return match parameter.expected {
                Expected::Table => Fit::Table,
                Expected::Any => Fit::Unknown,
                _ => Fit::None,
            };
        }
        Form::Literal | Form::Constant | Form::Column | Form::Scalar => {}
    }
    if parameter.rule == ArgumentRule::StarOnly {
        return Fit::None;
    }
    if argument.shape.is_unknown() {
        return Fit::Unknown;
    }
    fit_shape(signature, arguments, &parameter.expected, &argument.shape)
}

fn fit_shape(signature: &Signature, arguments: &[Argument], expected: &Expected, shape: &Shape) -> Fit {
    match expected {
        Expected::Any => Fit::Unknown,
        Expected::OneOf(shapes) => fit_one_of(shapes, shape),
        Expected::SameAs(index) => match signature.parameter(*index, arguments.len()) {
            Some(parameter) if !matches!(parameter.expected, Expected::SameAs(_)) => {
                fit_shape(signature, arguments, &parameter.expected, shape)
            }
            _ => Fit::None,
        },
        Expected::Common(of) => fit_common(signature, arguments, *of, shape),
        other if accepts(other, shape) => strength(other),
        _ => Fit::None,
    }
}

fn fit_one_of(shapes: &[Shape], shape: &Shape) -> Fit {
    if shapes.iter().any(|target| shape.fits(target, Conversion::Exact)) {
        return if shapes.len() == 1 { Fit::Exact } else { Fit::OneOfMany };
    }
    if shapes.iter().any(|target| shape.fits(target, Conversion::Widen)) { Fit::Widened } else { Fit::None }
}

fn fit_common(signature: &Signature, arguments: &[Argument], of: CommonOf, shape: &Shape) -> Fit {
    let Some(target) = common(signature, arguments, Dynamics::Count) else {
        return Fit::None;
    };
    if shape.fits(&target, Conversion::Exact) {
        Fit::Exact
    } else if shape.fits(&target, Conversion::Widen) {
        Fit::Widened
    } else if shape.fits(&target, Conversion::ToDynamic) {
        Fit::Dynamic
    } else if of == CommonOf::ScalarsOrDynamic && shape.is_dynamic() {
        Fit::Exact
    } else {
        Fit::None
    }
}

const fn strength(expected: &Expected) -> Fit {
    match expected {
        Expected::Any | Expected::OneOf(_) | Expected::SameAs(_) | Expected::Common(_) => Fit::Unknown,
        Expected::Scalar => Fit::Scalar,
        Expected::Table => Fit::Table,
        Expected::Integer => Fit::Integer,
        Expected::RealOrDecimal
        | Expected::StringOrDynamic
        | Expected::StringOrArray
        | Expected::IntegerOrArray
        | Expected::Array
        | Expected::Bag => Fit::OneOfMany,
        Expected::Number | Expected::NumberOrBool => Fit::Number,
        Expected::Summable => Fit::Summable,
        Expected::Orderable => Fit::Orderable,
        Expected::NotRealOrBool | Expected::NotDynamic | Expected::NotBool => Fit::NotType,
    }
}

/// Whether a parameter that asks for a kind of value takes this one.
fn accepts(expected: &Expected, shape: &Shape) -> bool {
    let scalar = if let Shape::Scalar(ty) = shape { *ty } else { ScalarType::Dynamic };
    let holds = |ty: ScalarType| {
        *shape == Shape::Holding(ty)
            || *shape == Shape::array(&Shape::Scalar(ty))
            || *shape == Shape::array(&Shape::DYNAMIC)
    };
    match expected {
        Expected::Any | Expected::Scalar | Expected::OneOf(_) | Expected::SameAs(_) | Expected::Common(_) => {
            true
        }
        Expected::Table => false,
        Expected::Integer => scalar.is_integer(),
        Expected::RealOrDecimal => matches!(scalar, ScalarType::Real | ScalarType::Decimal),
        Expected::StringOrDynamic => scalar == ScalarType::String || shape.is_dynamic(),
        Expected::StringOrArray => {
            scalar == ScalarType::String || *shape == Shape::DYNAMIC || holds(ScalarType::String)
        }
        Expected::IntegerOrArray => {
            scalar.is_integer() || *shape == Shape::DYNAMIC || holds(ScalarType::Long)
        }
        Expected::Array => shape.may_be_array(),
        Expected::Bag => shape.may_be_bag(),
        Expected::Number => scalar.is_numeric(),
        Expected::NumberOrBool => scalar.is_numeric() || scalar == ScalarType::Bool,
        Expected::Summable => scalar.is_summable(),
        Expected::Orderable => Expected::orderable(shape),
        Expected::NotRealOrBool => !matches!(scalar, ScalarType::Real | ScalarType::Bool),
        Expected::NotDynamic => !shape.is_dynamic(),
        Expected::NotBool => scalar != ScalarType::Bool,
    }
}

/// Finds what is wrong with `arguments` if the call means `signature`.
fn check(signature: &Signature, arguments: &[Argument]) -> Vec<Misfit> {
    if !signature.takes(arguments.len()) {
        return vec![Misfit::Count { min: signature.min(), max: signature.max() }];
    }
    let has_common = |parameter: &Parameter| matches!(parameter.expected, Expected::Common(_));
    if signature.parameters.iter().any(has_common) && common(signature, arguments, Dynamics::Count).is_none()
    {
        return vec![Misfit::NoCommonType];
    }
    (0..arguments.len()).flat_map(|index| check_argument(signature, arguments, index)).collect()
}

fn check_argument(signature: &Signature, arguments: &[Argument], index: usize) -> Vec<Misfit> {
    let (Some(parameter), Some(argument)) =
        (signature.parameter(index, arguments.len()), arguments.get(index))
    else {
        return Vec::new();
    };
    if argument.form == Form::Star {
        let allowed = matches!(parameter.rule, ArgumentRule::StarOnly | ArgumentRule::StarToo);
        return if allowed { Vec::new() } else { vec![Misfit::Star(index)] };
    }
    let mut misfits = Vec::new();
    if !is_welcome(signature, arguments, parameter, argument) {
        misfits.push(Misfit::Type { index, expected: parameter.expected.describe() });
    }
    misfits.extend(check_rule(parameter.rule, argument, index));
    misfits
}

fn is_welcome(
    signature: &Signature,
    arguments: &[Argument],
    parameter: &Parameter,
    argument: &Argument,
) -> bool {
    if argument.form == Form::Table {
        return matches!(parameter.expected, Expected::Table | Expected::Any);
    }
    if argument.shape.is_unknown() {
        return parameter.expected != Expected::Table;
    }
    match &parameter.expected {
        Expected::SameAs(index) => {
            arguments.get(*index).is_none_or(|first| argument.shape.fits(&first.shape, Conversion::Exact))
        }
        Expected::Common(
            CommonOf::Numbers | CommonOf::Summables | CommonOf::Orderables | CommonOf::Scalars,
        ) => common(signature, arguments, Dynamics::Count)
            .is_none_or(|target| argument.shape.fits(&target, Conversion::Widen)),
        Expected::Common(CommonOf::ScalarsOrDynamic) => true,
        expected => {
            fit_shape(signature, arguments, expected, &argument.shape) != Fit::None
                || *expected == Expected::Any
        }
    }
}

fn check_rule(rule: ArgumentRule, argument: &Argument, index: usize) -> Option<Misfit> {
    let constant = matches!(argument.form, Form::Literal | Form::Constant);
    match rule {
        ArgumentRule::Column | ArgumentRule::ColumnOfFirst | ArgumentRule::SharedColumn => {
            (argument.form != Form::Column && !argument.shape.is_unknown())
                .then_some(Misfit::NotColumn(index))
        }
        ArgumentRule::Constant => {
            (!constant && !argument.shape.is_unknown()).then_some(Misfit::NotConstant(index))
        }
        ArgumentRule::Literal => (argument.form != Form::Literal && !argument.shape.is_unknown())
            .then_some(Misfit::NotLiteral(index)),
        ArgumentRule::Any
        | ArgumentRule::StarToo
        | ArgumentRule::StarOnly
        | ArgumentRule::Aggregate
        | ArgumentRule::OverElements => None,
    }
}
