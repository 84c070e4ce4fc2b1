//! `==`, `<` and their like over columns.

use std::cmp::Ordering;

use crate::plan::Comparison;
use crate::value::{Cells, Value, compare, equal};

/// Compares two columns row by row.
pub(super) fn comparison(op: Comparison, a: &Cells, b: &Cells, rows: usize) -> Cells {
    match (a, b) {
        (Cells::Constant(a, _), Cells::Constant(b, _)) => Cells::Constant(Value::Bool(test(op, a, b)), rows),
        (Cells::Long(a), Cells::Constant(Value::Long(Some(b)), _)) => fast(op, a, b),
        (Cells::Real(a), Cells::Constant(Value::Real(Some(b)), _)) => fast(op, a, b),
        (Cells::Datetime(a), Cells::Constant(Value::Datetime(Some(b)), _)) => fast(op, a, b),
        (Cells::Long(a), Cells::Constant(Value::Int(Some(b)), _)) => fast(op, a, &i64::from(*b)),
        (Cells::Int(a), Cells::Constant(Value::Long(Some(b)), _)) => {
            Cells::Bool(a.iter().map(|a| one(op, a.map(i64::from).as_ref(), b)).collect())
        }
        (Cells::String(a), Cells::Constant(Value::String(b), _)) => {
            Cells::Bool(a.iter().map(|a| one(op, Some(a), b)).collect())
        }
        _ => Cells::Bool((0..rows).map(|row| test(op, &a.get(row), &b.get(row))).collect()),
    }
}

fn fast<T: PartialOrd>(op: Comparison, a: &[Option<T>], b: &T) -> Cells {
    Cells::Bool(a.iter().map(|a| one(op, a.as_ref(), b)).collect())
}

/// Compares with something that is not null.
fn one<T: PartialOrd>(op: Comparison, a: Option<&T>, b: &T) -> Option<bool> {
    match (op, a) {
        (Comparison::Equal, None) => Some(false),
        (Comparison::NotEqual, None) => Some(true),
        (_, None) => None,
        (op, Some(a)) => Some(holds(op, a.partial_cmp(b))),
    }
}

fn holds(op: Comparison, order: Option<Ordering>) -> bool {
    match (op, order) {
        (Comparison::NotEqual, order) => order != Some(Ordering::Equal),
        (_, None) => false,
        (Comparison::Equal, Some(order)) => order.is_eq(),
        (Comparison::Less, Some(order)) => order.is_lt(),
        (Comparison::LessOrEqual, Some(order)) => order.is_le(),
        (Comparison::Greater, Some(order)) => order.is_gt(),
        (Comparison::GreaterOrEqual, Some(order)) => order.is_ge(),
    }
}

/// Compares two values.
pub(super) fn test(op: Comparison, a: &Value, b: &Value) -> Option<bool> {
    match op {
        Comparison::Equal => equal(a, b),
        Comparison::NotEqual => equal(a, b).map(|equal| !equal),
        _ if a.is_null() || b.is_null() => None,
        _ => Some(holds(op, compare(a, b))),
    }
}

/// Tests `low <= value <= high`.
pub(super) fn between(value: &Value, low: &Value, high: &Value) -> Option<bool> {
    let above = test(Comparison::GreaterOrEqual, value, low);
    let below = test(Comparison::LessOrEqual, value, high);
    match (above, below) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ScalarType;

    #[test]
    fn null_is_unequal_to_values_and_in_no_order() {
        let column = Cells::Long(vec![Some(1), None]);
        let one = Cells::Constant(Value::from(1), 2);
        let check = |op, expected: [Option<bool>; 2]| {
            assert_eq!(comparison(op, &column, &one, 2), Cells::Bool(expected.to_vec()));
        };
        check(Comparison::Equal, [Some(true), Some(false)]);
        check(Comparison::NotEqual, [Some(false), Some(true)]);
        check(Comparison::LessOrEqual, [Some(true), None]);
        let null = Cells::nulls(ScalarType::Long, 2);
        assert_eq!(comparison(Comparison::Equal, &null, &null, 2).get(0), Value::Bool(None));
    }

    #[test]
    fn between_includes_its_ends() {
        let test = |value: i64| between(&Value::from(value), &Value::from(1), &Value::from(3));
        assert_eq!([0, 1, 3, 4].map(test), [Some(false), Some(true), Some(true), Some(false)]);
        assert_eq!(between(&Value::Long(None), &Value::from(1), &Value::from(3)), None);
    }
}
