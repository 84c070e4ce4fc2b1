//! Comparing values.

use std::cmp::Ordering;

use super::{Dynamic, Value, cast, to_decimal, to_long, to_real, to_text};
use crate::types::ScalarType;

/// Compares two values as `<` does: nothing if one is null or not a number, or if the types have
/// no common order. Numbers compare by value; a dynamic value is converted to the other's type.
pub fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Long(a), Value::Long(b)) => Some((*a)?.cmp(&(*b)?)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Datetime(a), Value::Datetime(b)) => Some((*a)?.cmp(&(*b)?)),
        (Value::Timespan(a), Value::Timespan(b)) => Some((*a)?.cmp(&(*b)?)),
        (Value::Guid(a), Value::Guid(b)) => Some((*a)?.cmp(&(*b)?)),
        (Value::Bool(a), Value::Bool(b)) => Some((*a)?.cmp(&(*b)?)),
        (Value::Dynamic(a), Value::Dynamic(b)) => compare_dynamic(a, b),
        (Value::Dynamic(_), other) => compare(&cast(a, other.ty()), other),
        (other, Value::Dynamic(_)) => compare(other, &cast(b, other.ty())),
        _ => compare_numbers(a, b),
    }
}

fn compare_numbers(a: &Value, b: &Value) -> Option<Ordering> {
    let (left, right) = (a.ty(), b.ty());
    if matches!(left, ScalarType::String | ScalarType::Guid)
        || matches!(right, ScalarType::String | ScalarType::Guid)
    {
        return Some(to_text(a).cmp(&to_text(b)));
    }
    if left == ScalarType::Decimal || right == ScalarType::Decimal {
        return Some(to_decimal(a)?.cmp(&to_decimal(b)?));
    }
    if left == ScalarType::Real || right == ScalarType::Real {
        return to_real(a)?.partial_cmp(&to_real(b)?);
    }
    Some(to_long(a)?.cmp(&to_long(b)?))
}

fn compare_dynamic(a: &Dynamic, b: &Dynamic) -> Option<Ordering> {
    match (a, b) {
        (Dynamic::Null, _) | (_, Dynamic::Null) => None,
        (Dynamic::Array(_) | Dynamic::Bag(_), _) | (_, Dynamic::Array(_) | Dynamic::Bag(_)) => {
            Some(a.to_string().cmp(&b.to_string()))
        }
        _ => compare(&a.clone().into_scalar(), &b.clone().into_scalar()),
    }
}

/// Tests two values as `==` does: null if both are null, false if one is.
pub fn equal(a: &Value, b: &Value) -> Option<bool> {
    match (a.is_null(), b.is_null()) {
        (true, true) => None,
        (true, false) | (false, true) => Some(false),
        (false, false) => Some(compare(a, b) == Some(Ordering::Equal)),
    }
}

/// Orders two values that are not null, for sorting: total, with not-a-number first.
pub fn sort_order(a: &Value, b: &Value) -> Ordering {
    if let Some(order) = compare(a, b) {
        return order;
    }
    let rank = |value: &Value| match value {
        Value::Real(Some(number)) if number.is_nan() => 1,
        Value::Dynamic(Dynamic::Real(number)) if number.is_nan() => 1,
        value if value.is_null() => 0,
        _ => 2,
    };
    rank(a).cmp(&rank(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_equals_nothing() {
        let null = Value::Long(None);
        let one = Value::Long(Some(1));
        assert_eq!(equal(&null, &null), None);
        assert_eq!(equal(&null, &one), Some(false));
        assert_eq!(equal(&one, &one), Some(true));
        assert_eq!(compare(&null, &one), None);
    }

    #[test]
    fn numbers_compare_across_types() {
        assert_eq!(compare(&Value::from(1.5), &Value::from(1)), Some(Ordering::Greater));
        assert_eq!(compare(&Value::Int(Some(2)), &Value::from(2)), Some(Ordering::Equal));
        assert_eq!(compare(&Value::from(f64::NAN), &Value::from(1)), None);
        assert_eq!(equal(&Value::from(Dynamic::Long(5)), &Value::from(5)), Some(true));
        assert_eq!(equal(&Value::from(Dynamic::text("a")), &Value::from("a")), Some(true));
    }

    #[test]
    fn sorting_has_a_place_for_all() {
        assert_eq!(sort_order(&Value::from(f64::NAN), &Value::from(-1e300)), Ordering::Less);
        assert_eq!(sort_order(&Value::from(f64::NAN), &Value::from(f64::NAN)), Ordering::Equal);
        assert_eq!(sort_order(&Value::from("CAFE"), &Value::from("Cafe")), Ordering::Less);
    }
}
