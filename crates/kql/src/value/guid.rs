//! 128-bit identifiers.

use std::fmt;

/// A `guid`, as the number its 32 hexadecimal digits spell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub u128);

impl Guid {
    /// Reads 32 hexadecimal digits; dashes between them and braces or parentheses around them do
    /// not matter.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let inner = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .or_else(|| text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')))
            .unwrap_or(text);
        let mut number = 0_u128;
        let mut digits = 0;
        for character in inner.chars() {
            if character == '-' {
                continue;
            }
            number = (number << 4) | u128::from(character.to_digit(16)?);
            digits += 1;
            if digits > 32 {
                return None;
            }
        }
        (digits == 32).then_some(Self(number))
    }

    /// Returns the bytes in the order the service encodes them: the first three groups reversed.
    pub fn mixed_endian_bytes(self) -> [u8; 16] {
        swap_groups(self.0.to_be_bytes())
    }

    /// Reads bytes in the order of [`Self::mixed_endian_bytes`].
    pub fn from_mixed_endian_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(swap_groups(bytes)))
    }
}

fn swap_groups(bytes: [u8; 16]) -> [u8; 16] {
    let mut bytes = bytes;
    for group in [0..4, 4..6, 6..8] {
        if let Some(group) = bytes.get_mut(group) {
            group.reverse();
        }
    }
    bytes
}

impl fmt::Display for Guid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0;
        write!(
            formatter,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            number >> 96,
            (number >> 80) & 0xffff,
            (number >> 64) & 0xffff,
            (number >> 48) & 0xffff,
            number & 0xffff_ffff_ffff,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_count_and_dashes_do_not() {
        let expected = "01234567-89ab-cdef-0123-456789abcdef";
        for text in [
            "0123456789abcdef0123456789abcdef",
            "0123456789ab-cdef-0123-456789abcdef",
            "{01234567-89AB-CDEF-0123-456789ABCDEF}",
        ] {
            assert_eq!(Guid::parse(text).unwrap().to_string(), expected);
        }
        assert_eq!(Guid::parse("a string that is not a guid"), None);
        assert_eq!(Guid::parse("0123"), None);
    }

    #[test]
    fn bytes_go_there_and_back() {
        let guid = Guid::parse("ae3133f2-6e22-49ae-b06a-16e6a9b212eb").unwrap();
        assert_eq!(guid.mixed_endian_bytes()[..4], [0xf2, 0x33, 0x31, 0xae]);
        assert_eq!(Guid::from_mixed_endian_bytes(guid.mixed_endian_bytes()), guid);
    }
}
