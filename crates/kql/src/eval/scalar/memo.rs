//! Patterns that were prepared for earlier rows.

use std::cell::RefCell;
use std::sync::Arc;

use indexmap::IndexMap;
use regex::{Regex, RegexBuilder};

/// Patterns kept at a time; a query with more different ones makes them anew.
const PATTERNS_MAX: usize = 256;
/// Bytes a compiled pattern may take; the default of the library.
const PATTERN_BYTES_MAX: usize = 10 << 20;

/// Prepared regular expressions by their text.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    regexes: RefCell<IndexMap<Box<str>, Option<Arc<Regex>>>>,
}

impl Memo {
    /// Returns a regular expression, or nothing if it is not one.
    pub(crate) fn regex(&self, pattern: &str) -> Option<Arc<Regex>> {
        let mut known = self.regexes.borrow_mut();
        if let Some(regex) = known.get(pattern) {
            return regex.clone();
        }
        if known.len() >= PATTERNS_MAX {
            known.clear();
        }
        let build = |pattern: &str| RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build().ok();
        let regex = build(pattern).or_else(|| build(&plain_braces(pattern))).map(Arc::new);
        known.insert(Box::from(pattern), regex.clone());
        regex
    }
}

/// Escapes braces that are no repetition: the service takes them as they stand.
fn plain_braces(pattern: &str) -> String {
    let mut result = String::with_capacity(pattern.len() + 4);
    let mut rest = pattern;
    let mut after_backslash = false;
    while let Some(character) = rest.chars().next() {
        rest = rest.get(character.len_utf8()..).unwrap_or("");
        let inner = rest.split_once('}').map_or("", |(inner, _)| inner);
        let counts = inner.split_once(',').unwrap_or((inner, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let repeats = !counts.0.is_empty() && is_number(counts.0) && is_number(counts.1);
        if character == '{' && !after_backslash && !repeats {
            result.push('\\');
        }
        result.push(character);
        after_backslash = character == '\\' && !after_backslash;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_that_are_no_repetition_are_plain() {
        let memo = Memo::default();
        assert!(memo.regex(r"a{1-3}").unwrap().is_match("a{1-3}"));
        assert!(memo.regex(r"^a{1,3}$").unwrap().is_match("aaa"));
        assert!(memo.regex("(").is_none());
        assert!(memo.regex("(").is_none());
    }
}
