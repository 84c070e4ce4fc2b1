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
        let regex = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build().ok().map(Arc::new);
        known.insert(Box::from(pattern), regex.clone());
        regex
    }
}
