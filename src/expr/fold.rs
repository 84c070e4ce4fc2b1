//! Searching without regard to case.

use std::borrow::Cow;

use memchr::{memchr_iter, memchr2_iter};

/// How often a byte occurs in command lines, paths and names: the search looks for the rarest one of
/// the needle. Rough ranks suffice; a wrong one costs time, never a match.
const fn commonness(byte: u8) -> u8 {
    match byte {
        b'e' | b'\\' | b's' | b'i' | b'o' | b't' | b'n' | b'r' | b'a' | b' ' => 5,
        b'c' | b'l' | b'd' | b'm' | b'p' | b'u' | b'.' | b'w' | b'x' | b'-' | b'/' | b'0'..=b'9' => 4,
        b'h' | b'f' | b'y' | b'g' | b'b' | b'v' | b'k' | b'"' | b'=' | b'_' | b':' => 3,
        b'j' | b'z' | b'q' => 2,
        _ => 1,
    }
}

/// A lower-case text to look for.
#[derive(Debug, Clone)]
pub(super) struct Needle {
    text: Box<str>,
    /// Place of its rarest byte.
    rare: usize,
    /// That byte in both cases.
    cases: (u8, u8),
}

impl Needle {
    /// Prepares the search for a text in lower case.
    pub(super) fn new(lower: &str) -> Self {
        let rarest = lower.bytes().enumerate().min_by_key(|(_, byte)| commonness(*byte));
        let (rare, byte) = rarest.unwrap_or((0, 0));
        Self { text: lower.into(), rare, cases: (byte.to_ascii_lowercase(), byte.to_ascii_uppercase()) }
    }

    /// Whether `text.to_lowercase()` contains the needle.
    pub(super) fn is_in(&self, text: &str) -> bool {
        if self.text.is_empty() {
            return true;
        }
        if !text.is_ascii() {
            // Some letters outside ASCII have lower cases inside it, and some change their length.
            return text.to_lowercase().contains(&*self.text);
        }
        let bytes = text.as_bytes();
        let matches = |place: usize| {
            let window =
                place.checked_sub(self.rare).and_then(|start| bytes.get(start..start + self.text.len()));
            window.is_some_and(|window| window.eq_ignore_ascii_case(self.text.as_bytes()))
        };
        // The needle is in lower case, so ignoring case is comparing with the text's lower case, unless
        // the needle itself is not what a lower case can be; then nothing matches.
        if self.text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return false;
        }
        let (lower, upper) = self.cases;
        if lower == upper {
            memchr_iter(lower, bytes).any(matches)
        } else {
            memchr2_iter(lower, upper, bytes).any(matches)
        }
    }
}

/// The lower case of a text; most texts of a hunting answer are in lower case already.
pub(super) fn lower(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        Cow::Owned(text.to_lowercase())
    } else {
        text
    }
}

/// Whether `text.to_lowercase()` contains `lower`.
pub(super) fn contains(text: &str, lower: &str) -> bool {
    Needle::new(lower).is_in(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_finds_what_lower_case_contains(text in "[a-cA-C\\-İKéÉ]{0,12}", lower in "[a-cK\\-éİ]{0,3}") {
            prop_assert_eq!(contains(&text, &lower), text.to_lowercase().contains(&lower));
        }
    }
}
