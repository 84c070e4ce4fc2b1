//! Hashes.

use super::args::text_or_empty;
use super::{Args, Call, Kernel};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;
use twox_hash::XxHash64;

use crate::value::{Dynamic, Value, to_text};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "hash" => hash,
        "hash_md5" => |_, args| hex(&Md5::digest(args.text(0).as_bytes())),
        "hash_sha1" => |_, args| hex(&Sha1::digest(args.text(0).as_bytes())),
        "hash_sha256" => |_, args| hex(&Sha256::digest(args.text(0).as_bytes())),
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

/// The 64-bit xxHash of Yann Collet, with seed zero.
fn xxh64(bytes: &[u8]) -> u64 {
    XxHash64::oneshot(0, bytes)
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
