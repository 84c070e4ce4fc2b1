//! The parameters of a query: what they stand for, and the query with that in their place.

use std::collections::BTreeMap;

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

/// Puts literals in the places of the parameters of a query. Nothing else of it changes.
///
/// # Errors
///
/// The name of a parameter for which there is no literal.
pub fn fill(query: &str, literals: &BTreeMap<String, String>) -> Result<String, String> {
    kql::lex::fill(query, |name| literals.get(name).map(String::as_str))
}
