//! Numbers as bits.

use super::{Args, Kernel};
use crate::value::Value;

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "binary_and" => |_, args| two(args, |a, b| Some(a & b)),
        "binary_or" => |_, args| two(args, |a, b| Some(a | b)),
        "binary_xor" => |_, args| two(args, |a, b| Some(a ^ b)),
        "binary_not" => |_, args| Value::Long(args.long(0).map(|number| !number)),
        "binary_shift_left" => |_, args| two(args, |a, b| Some(a.wrapping_shl(shift(b)?))),
        "binary_shift_right" => |_, args| two(args, |a, b| Some(a.wrapping_shr(shift(b)?))),
        "bitset_count_ones" => {
            |_, args| Value::Long(args.long(0).map(|number| i64::from(number.count_ones())))
        }
        _ => return None,
    })
}

fn two(args: &Args<'_>, compute: fn(i64, i64) -> Option<i64>) -> Value {
    Value::Long(args.long(0).zip(args.long(1)).and_then(|(a, b)| compute(a, b)))
}

/// Shifts wrap around at 64; those below zero have no meaning.
fn shift(count: i64) -> Option<u32> {
    u32::try_from(count).ok().map(|count| count % 64)
}
