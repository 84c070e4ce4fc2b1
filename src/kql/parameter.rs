//! The parameters of a query: what they stand for, and the query with that in their place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Longest query that the service takes, in bytes.
pub const QUERY_BYTES_MAX: usize = kql::lex::QUERY_BYTES_MAX;

/// The literals that the parameters of a query stand for while it is checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters(pub(super) kql::parse::Parameters);

impl Parameters {
    /// Adds a parameter. `literal` comes from an encoder, so that it is one.
    pub fn add(&mut self, name: &str, literal: &str) {
        let added = self.0.add(name, literal);
        debug_assert!(added.is_ok(), "an encoder writes literals: {literal:?}");
    }

    /// Adds a parameter of which something is wrong that was told: of the query it is not told once more.
    pub fn add_unknown(&mut self, name: &str) {
        self.0.add_unknown(name);
    }
}

/// The names of the parameters in a query, as often as they stand there.
#[must_use]
pub fn parameters(query: &str) -> Vec<&str> {
    kql::lex::parameters(query)
}

/// Where `in` or `!in` looks for a value among those of a parameter, and heeds case.
#[must_use]
pub fn heeding_case(query: &str, parameter: &str) -> Vec<Range<usize>> {
    let tokens = kql::lex::lex(query).tokens;
    let words: Vec<&str> = tokens.iter().map(|token| token.span.of(query)).collect();
    let written = format!("@{parameter}");
    let called = words.windows(4).filter_map(|words| match words {
        ["let", name, "=", value] if *value == written => Some(*name),
        _ => None,
    });
    let names: BTreeSet<&str> = called.chain([written.as_str()]).collect();
    let heeds = |at: &usize| matches!(words.get(*at), Some(&("in" | "!in")));
    let asks =
        |at: &usize| operands(words.get(at + 1..).unwrap_or_default()).any(|word| names.contains(word));
    let found = (0..tokens.len()).filter(heeds).filter(asks).filter_map(|at| tokens.get(at));
    found.map(|token| token.span.start as usize..token.span.end as usize).collect()
}

/// The words between the first bracket and the one that closes it; none if there is no bracket first.
fn operands<'w>(words: &'w [&'w str]) -> impl Iterator<Item = &'w str> {
    let mut depth = 0_usize;
    let within = words.iter().take_while(move |word| {
        match **word {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        0 < depth
    });
    within.copied()
}

/// Puts literals in the places of the parameters of a query. Nothing else of it changes.
///
/// # Errors
///
/// The name of a parameter for which there is no literal.
pub fn fill(query: &str, literals: &BTreeMap<String, String>) -> Result<String, String> {
    kql::lex::fill(query, |name| literals.get(name).map(String::as_str))
}
