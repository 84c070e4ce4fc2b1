//! Reads the tables of facts.
//!
//! A signature is written `(kind, kind?, kind+) result`. A kind is a word of [`expected`], types
//! are joined with `/`; before it may stand how the argument has to look (`const`, `lit`, `col`,
//! `agg`, ...), behind it how often it may come: `?` at most once, `+` at least once, `*` any
//! number, `{2..64}`. A line that cannot be read is left out; a test sees to it that none is.

use std::collections::BTreeMap;

use super::{ArgumentRule, CommonOf, Entry, Expected, Naming, Parameter, ResultRule, Signature};
use crate::types::{ScalarType, Shape};

/// Most arguments a parameter that repeats can take, as in the service.
const REPEAT_MAX: usize = 32_767;

/// Reads a table.
pub(super) fn table(text: &'static str) -> BTreeMap<&'static str, Entry> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.filter_map(entry).map(|entry| (entry.name, entry)).collect()
}

fn entry(line: &'static str) -> Option<Entry> {
    let mut fields = line.split('\t');
    let name = fields.next()?;
    let canonical = fields.next()?;
    let replaced_by = fields.next().filter(|text| *text != "-");
    let steady = fields.next()? == "steady";
    let naming = naming(name, fields.next()?)?;
    let signatures: Option<Vec<Signature>> = fields.map(signature).collect();
    let signatures = signatures.filter(|signatures| !signatures.is_empty())?;
    let canonical = if canonical == "=" { name } else { canonical };
    Some(Entry { name, canonical, replaced_by, steady, naming, signatures })
}

fn naming(name: &'static str, text: &'static str) -> Option<Naming> {
    Some(match text {
        "-" => Naming::None,
        "first" => Naming::First,
        "only" => Naming::Only,
        "value" => Naming::NamedColumn,
        "name_first" => Naming::Prefix(name),
        _ => match text.split_once(':')? {
            ("prefix", prefix) => Naming::Prefix(prefix),
            ("both", prefix) => Naming::PrefixBoth(prefix),
            ("prefix_only", prefix) => Naming::PrefixOnly(prefix),
            ("-", prefix) => Naming::EachPrefixed(prefix),
            _ => return None,
        },
    })
}

fn signature(text: &str) -> Option<Signature> {
    let (parameters, result) = text.strip_prefix('(')?.split_once(") ")?;
    let parameters: Option<Vec<Parameter>> =
        parameters.split(", ").filter(|text| !text.is_empty()).map(parameter).collect();
    Some(Signature { parameters: parameters?, result: result_rule(result)? })
}

fn parameter(text: &str) -> Option<Parameter> {
    let (rule, text) = match text.split_once(' ') {
        Some((rule, rest)) => (argument_rule(rule)?, rest),
        None => (ArgumentRule::Any, text),
    };
    let (kind, min, max) = repetition(text)?;
    let (rule, expected) = match kind {
        "star" => (ArgumentRule::StarToo, Expected::Scalar),
        "onlystar" => (ArgumentRule::StarOnly, Expected::Scalar),
        _ => (rule, expected(kind)?),
    };
    Some(Parameter { expected, rule, min, max })
}

fn repetition(text: &str) -> Option<(&str, usize, usize)> {
    if let Some(kind) = text.strip_suffix('?') {
        return Some((kind, 0, 1));
    }
    if let Some(kind) = text.strip_suffix('+') {
        return Some((kind, 1, REPEAT_MAX));
    }
    if let Some(kind) = text.strip_suffix('*') {
        return Some((kind, 0, REPEAT_MAX));
    }
    match text.strip_suffix('}').and_then(|text| text.split_once('{')) {
        Some((kind, range)) => {
            let (min, max) = range.split_once("..")?;
            Some((kind, min.parse().ok()?, max.parse().ok()?))
        }
        None => Some((text, 1, 1)),
    }
}

fn argument_rule(word: &str) -> Option<ArgumentRule> {
    Some(match word {
        "const" => ArgumentRule::Constant,
        "lit" => ArgumentRule::Literal,
        "agg" => ArgumentRule::Aggregate,
        "col" => ArgumentRule::Column,
        "col0" => ArgumentRule::ColumnOfFirst,
        "colc" => ArgumentRule::SharedColumn,
        "elem" => ArgumentRule::OverElements,
        _ => return None,
    })
}

fn expected(word: &str) -> Option<Expected> {
    Some(match word {
        "any" => Expected::Any,
        "scalar" => Expected::Scalar,
        "table" => Expected::Table,
        "integer" => Expected::Integer,
        "realdec" => Expected::RealOrDecimal,
        "strdyn" => Expected::StringOrDynamic,
        "strarr" => Expected::StringOrArray,
        "intarr" => Expected::IntegerOrArray,
        "array" => Expected::Array,
        "bag" => Expected::Bag,
        "number" => Expected::Number,
        "numbool" => Expected::NumberOrBool,
        "summable" => Expected::Summable,
        "orderable" => Expected::Orderable,
        "notrealbool" => Expected::NotRealOrBool,
        "notdynamic" => Expected::NotDynamic,
        "notbool" => Expected::NotBool,
        "p0" => Expected::SameAs(0),
        "p1" => Expected::SameAs(1),
        "common" => Expected::Common(CommonOf::Scalars),
        "commonnum" => Expected::Common(CommonOf::Numbers),
        "commonsum" => Expected::Common(CommonOf::Summables),
        "commonord" => Expected::Common(CommonOf::Orderables),
        "commondyn" => Expected::Common(CommonOf::ScalarsOrDynamic),
        "type" => Expected::OneOf(vec![Shape::TypeName(ScalarType::Unknown)]),
        _ => {
            let types: Option<Vec<Shape>> =
                word.split('/').map(|word| ScalarType::find(word).map(Shape::of)).collect();
            Expected::OneOf(types?)
        }
    })
}

fn result_rule(text: &str) -> Option<ResultRule> {
    Some(match text {
        "p0" => ResultRule::Argument(0),
        "p1" => ResultRule::Argument(1),
        "p0+" => ResultRule::Promoted(0),
        "array<p0>" => ResultRule::ArrayOf(0),
        "lit0" => ResultRule::Named(0),
        "lit1" => ResultRule::Named(1),
        "litn" => ResultRule::NamedByLast,
        "common" => ResultRule::Common,
        "common-" => ResultRule::CommonNotDynamic,
        "widest" => ResultRule::Widest,
        "arrays" => ResultRule::Arrays,
        "elements" => ResultRule::Elements,
        "packed" => ResultRule::Packed,
        "sorted" => ResultRule::Sorted,
        "percentiles" => ResultRule::Percentiles,
        "arg" => ResultRule::Extreme,
        "any" => ResultRule::Each,
        _ => match text.strip_prefix("tuple{").and_then(|text| text.strip_suffix('}')) {
            Some(items) => ResultRule::Tuple(properties(items)?),
            None => ResultRule::Fixed(shape(text)?),
        },
    })
}

fn shape(text: &str) -> Option<Shape> {
    if let Some(element) = text.strip_prefix("array<").and_then(|text| text.strip_suffix('>')) {
        return Some(Shape::array(&shape(element)?));
    }
    if let Some(items) = text.strip_prefix("bag{").and_then(|text| text.strip_suffix('}')) {
        return Some(Shape::Bag(properties(items)?.into()));
    }
    match text {
        "array" => Some(Shape::array(&Shape::DYNAMIC)),
        "bag" => Some(Shape::bag()),
        "table" => Some(Shape::UNKNOWN),
        _ => ScalarType::find(text).map(Shape::of),
    }
}

/// Reads `name:shape,name:shape`; a shape may contain commas in braces.
fn properties(text: &str) -> Option<Vec<(String, Shape)>> {
    let mut items = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, letter) in text.char_indices().chain([(text.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                let (name, inner) = text.get(start..at)?.split_once(':')?;
                items.push((name.to_owned(), shape(inner)?));
                start = at + 1;
            }
            _ => {}
        }
    }
    Some(items)
}
