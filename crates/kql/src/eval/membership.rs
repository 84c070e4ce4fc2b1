//! `in`, `in~`, `has_any` and `has_all`.

use indexmap::IndexSet;

use super::EvalError;
use super::scalar::Memo;
use super::text_match::{Matcher, fold};
use crate::plan::{Membership, TextMatch};
use crate::types::ScalarType;
use crate::value::{Cells, Dynamic, KeyWriter, Value, cast, equal, to_text};

/// Candidates made ready for many needles.
#[derive(Debug)]
pub(super) enum Candidates {
    /// Values looked up by equality; all are of the needle's type.
    Exact(IndexSet<Vec<u8>>),
    /// Texts in lower case.
    Folded(IndexSet<String>),
    /// Terms, and whether all must be found.
    Terms(Vec<Matcher>, Quantity),
}

/// How many terms must be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Any,
    All,
}

impl Candidates {
    /// Prepares candidates for needles of type `ty`. Arrays stand for their elements.
    pub(super) fn new(
        relation: Membership,
        values: impl Iterator<Item = Value>,
        ty: ScalarType,
        memo: &Memo,
    ) -> Result<Self, EvalError> {
        let values = values.flat_map(spread);
        let quantity = match relation {
            Membership::In => {
                let ty = if ty == ScalarType::Dynamic { None } else { Some(ty) };
                return Ok(Self::Exact(values.filter_map(|value| exact_key(&value, ty)).collect()));
            }
            Membership::InIgnoreCase => {
                return Ok(Self::Folded(values.map(|value| fold(&to_text(&value))).collect()));
            }
            Membership::HasAny => Quantity::Any,
            Membership::HasAll => Quantity::All,
        };
        let matcher = |value: Value| Matcher::new(TextMatch::Has, &to_text(&value), memo);
        Ok(Self::Terms(values.map(matcher).collect::<Result<_, _>>()?, quantity))
    }

    /// Tests a value.
    pub(super) fn test(&self, needle: &Value, key: &mut KeyWriter) -> bool {
        match self {
            Self::Exact(_) if needle.is_null() => false,
            Self::Exact(set) => {
                key.clear();
                key.push(needle);
                set.contains(key.bytes())
            }
            Self::Folded(set) => set.contains(&fold(&to_text(needle))),
            Self::Terms(terms, quantity) => {
                let text = to_text(needle);
                match quantity {
                    Quantity::Any => terms.iter().any(|term| term.matches(&text)),
                    Quantity::All => terms.iter().all(|term| term.matches(&text)),
                }
            }
        }
    }

    /// Tests each value of a column.
    pub(super) fn test_all(&self, needles: &Cells, rows: usize, negated: Sense) -> Cells {
        let mut key = KeyWriter::new();
        let turn = |found: bool| found == (negated == Sense::Plain);
        if let Cells::Constant(value, _) = needles {
            return Cells::Constant(Value::from(turn(self.test(value, &mut key))), rows);
        }
        let test = |row| Some(turn(self.test(&needles.get(row), &mut key)));
        Cells::Bool((0..rows).map(test).collect())
    }
}

/// Whether an answer is turned round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sense {
    Plain,
    Negated,
}

/// Replaces an array by its elements.
fn spread(value: Value) -> Vec<Value> {
    match value {
        Value::Dynamic(Dynamic::Array(items)) => items.iter().cloned().map(Value::from).collect(),
        Value::Dynamic(Dynamic::Bag(bag)) => bag.iter().map(|(name, _)| Value::text(name.as_ref())).collect(),
        other => vec![other],
    }
}

/// Returns the key of a candidate in the needle's type, unless it cannot be equal to any needle.
fn exact_key(value: &Value, ty: Option<ScalarType>) -> Option<Vec<u8>> {
    let value = &match value {
        Value::Dynamic(value) => value.clone().into_scalar(),
        other => other.clone(),
    };
    let converted = match ty {
        Some(ty) => cast(value, ty),
        None => value.clone(),
    };
    if converted.is_null() || (ty.is_some() && equal(&converted, value) != Some(true)) {
        return None;
    }
    let mut key = KeyWriter::new();
    key.push(&converted);
    Some(key.bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const YES: Option<()> = Some(());
    const NO: Option<()> = None;

    #[track_caller]
    fn check(relation: Membership, needle: impl Into<Value>, candidates: &[Value], expected: Option<()>) {
        let needle = needle.into();
        let set =
            Candidates::new(relation, candidates.iter().cloned(), needle.ty(), &Memo::default()).unwrap();
        assert_eq!(set.test(&needle, &mut KeyWriter::new()), expected.is_some());
    }

    #[test]
    fn candidates_are_converted_to_the_needle() {
        let list = Value::from(Dynamic::parse("[1, \"a\", 2.5]"));
        check(Membership::In, 1, std::slice::from_ref(&list), YES);
        check(Membership::In, 2, std::slice::from_ref(&list), NO);
        check(Membership::In, 2.5, std::slice::from_ref(&list), YES);
        check(Membership::In, "a", std::slice::from_ref(&list), YES);
        check(Membership::In, Dynamic::text("a"), &["a".into()], YES);
        check(Membership::In, Value::Long(None), &[Value::Long(None)], NO);
        check(Membership::In, "A", &["a".into()], NO);
        check(Membership::InIgnoreCase, "MÜLLER", &["müller".into()], YES);
    }

    #[test]
    fn terms_are_searched() {
        let terms = ["alpha".into(), "beta".into()];
        check(Membership::HasAny, "x beta", &terms, YES);
        check(Membership::HasAll, "x beta", &terms, NO);
        check(Membership::HasAll, "beta-alpha", &terms, YES);
        check(Membership::HasAny, "x", &[], NO);
    }
}
