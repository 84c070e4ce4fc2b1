//! The parameters of a query: what they stand for, and the query with that in their place.

use std::collections::BTreeMap;
use std::ops::Range;

use kql::lex::TokenKind;

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
    let text = |token: &kql::lex::Token| token.span.of(query);
    let is_it = |token: &&kql::lex::Token| {
        token.kind == TokenKind::Parameter && text(token).strip_prefix('@') == Some(parameter)
    };
    let mut found = Vec::new();
    for (at, operator) in tokens.iter().enumerate().filter(|(_at, token)| matches!(text(token), "in" | "!in"))
    {
        let operands = tokens.get(at + 1..).unwrap_or_default();
        if operands.first().is_some_and(|first| text(first) == "(")
            && operands.iter().take_while(|token| text(token) != ")").any(|token| is_it(&token))
        {
            found.push(operator.span.start as usize..operator.span.end as usize);
        }
    }
    found
}

/// Puts literals in the places of the parameters of a query. Nothing else of it changes.
///
/// # Errors
///
/// The name of a parameter for which there is no literal.
pub fn fill(query: &str, literals: &BTreeMap<String, String>) -> Result<String, String> {
    kql::lex::fill(query, |name| literals.get(name).map(String::as_str))
}
