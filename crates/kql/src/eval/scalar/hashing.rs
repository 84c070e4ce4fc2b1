//! Hashes.

use super::args::text_or_empty;
use super::digest::{md5, sha1, sha256};
use super::{Args, Call, Kernel};
use crate::value::{Dynamic, Value, to_text};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "hash" => hash,
        "hash_md5" => |_, args| hex(&md5(args.text(0).as_bytes())),
        "hash_sha1" => |_, args| hex(&sha1(args.text(0).as_bytes())),
        "hash_sha256" => |_, args| hex(&sha256(args.text(0).as_bytes())),
        _ => return None,
    })
}

fn hex(bytes: &[u8]) -> Value {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    text_or_empty(Some(digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect::<String>()))
}

fn hash(_: &Call<'_>, args: &Args<'_>) -> Value {
    let hash = hash_value(args.get(0));
    match args.long(1) {
        Some(modulus) if modulus > 0 => Value::Long(i64::try_from(hash % modulus.unsigned_abs()).ok()),
        Some(_) => Value::Long(None),
        None => Value::from(hash.cast_signed()),
    }
}

/// Hashes the bytes of a value as the service keeps it.
pub(in crate::eval) fn hash_value(value: &Value) -> u64 {
    match value {
        Value::Bool(Some(value)) => xxh64(&[u8::from(*value)]),
        Value::Int(Some(value)) => xxh64(&value.to_le_bytes()),
        Value::Long(Some(value)) => xxh64(&value.to_le_bytes()),
        Value::Real(Some(value)) => xxh64(&value.to_le_bytes()),
        Value::Datetime(Some(value)) => xxh64(&value.ticks().to_le_bytes()),
        Value::Timespan(Some(value)) => xxh64(&value.0.to_le_bytes()),
        Value::Guid(Some(value)) => xxh64(&value.mixed_endian_bytes()),
        Value::Dynamic(Dynamic::Array(_) | Dynamic::Bag(_) | Dynamic::Null) => {
            xxh64(to_text(value).as_bytes())
        }
        Value::Dynamic(scalar) => hash_value(&scalar.clone().into_scalar()),
        other => xxh64(to_text(other).as_bytes()),
    }
}

const PRIMES: [u64; 5] = [
    11_400_714_785_074_694_791,
    14_029_467_366_897_019_727,
    1_609_587_929_392_839_161,
    9_650_029_242_287_828_579,
    2_870_177_450_012_600_261,
];

fn round(state: u64, input: u64) -> u64 {
    let [first, second, ..] = PRIMES;
    state.wrapping_add(input.wrapping_mul(second)).rotate_left(31).wrapping_mul(first)
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte))
}

/// The 64-bit xxHash of Yann Collet, with seed zero.
pub(super) fn xxh64(bytes: &[u8]) -> u64 {
    let [p1, p2, p3, p4, p5] = PRIMES;
    let stripes = bytes.chunks_exact(32);
    let rest = stripes.remainder();
    let mut hash = if bytes.len() >= 32 {
        let mut states = [p1.wrapping_add(p2), p2, 0, 0_u64.wrapping_sub(p1)];
        for stripe in stripes {
            for (state, lane) in states.iter_mut().zip(stripe.chunks_exact(8)) {
                *state = round(*state, word(lane));
            }
        }
        let mixed = states
            .iter()
            .zip([1, 7, 12, 18])
            .fold(0_u64, |sum, (state, by)| sum.wrapping_add(state.rotate_left(by)));
        states.iter().fold(mixed, |hash, state| (hash ^ round(0, *state)).wrapping_mul(p1).wrapping_add(p4))
    } else {
        p5
    };
    hash = hash.wrapping_add(bytes.len() as u64);
    let words = rest.chunks_exact(8);
    let rest = words.remainder();
    for lane in words {
        hash = (hash ^ round(0, word(lane))).rotate_left(27).wrapping_mul(p1).wrapping_add(p4);
    }
    let halves = rest.chunks_exact(4);
    let rest = halves.remainder();
    for lane in halves {
        hash = (hash ^ word(lane).wrapping_mul(p1)).rotate_left(23).wrapping_mul(p2).wrapping_add(p3);
    }
    for byte in rest {
        hash = (hash ^ u64::from(*byte).wrapping_mul(p5)).rotate_left(11).wrapping_mul(p1);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(p2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(p3);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_hash_as_their_bytes() {
        let year = crate::value::Datetime::parse("2015-01-01");
        assert_eq!(hash_value(&Value::from("World")).cast_signed(), 1_846_988_464_401_551_951);
        assert_eq!(hash_value(&Value::Datetime(year)).cast_signed(), 1_380_966_698_541_616_202);
        assert_eq!(hash_value(&Value::from("Alice")).cast_signed(), -3_122_868_243_544_336_885);
        // Reference value of the algorithm for an empty input.
        assert_eq!(xxh64(b""), 0xef46_db37_51d8_e999);
    }
}
