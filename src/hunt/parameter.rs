//! The query as it is sent: with what its parameters stand for at the time.

use std::collections::BTreeMap;

use super::Hunt;
use crate::kql::{self, QUERY_BYTES_MAX};
use crate::model::Lists;
use crate::text::encode::{KqlValue, kql_list};

/// Most values of one parameter. Ten thousand file hashes are three quarters of a megabyte; what has more belongs into a
/// watchlist of the tenant.
pub const VALUES_MAX: usize = 10_000;

/// Longest literal of one parameter, in bytes. Source: the page of the `dynamic` type, which holds a mebibyte; what becomes
/// of a longer one is not said.
pub const LITERAL_BYTES_MAX: usize = 1 << 20;

/// What a parameter stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// A literal of the query language.
    Literal(String),
    /// The entries of a list, by its name.
    List(String),
}

/// Why a query is not sent: there is nothing to put in the place of a parameter, or too much.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfilled {
    /// The list is not there.
    #[error("the query was not sent: `@{parameter}` stands for the list `{list}`, which is not there")]
    NoList {
        /// The parameter.
        parameter: String,
        /// The list.
        list: String,
    },
    /// The list has no entries. A query that leaves out what is on a list would give everything.
    #[error("the query was not sent: `@{parameter}` stands for the list `{list}`, which has no entries")]
    Empty {
        /// The parameter.
        parameter: String,
        /// The list.
        list: String,
    },
    /// The list has more entries than [`VALUES_MAX`].
    #[error(
        "the query was not sent: `@{parameter}` stands for the list `{list}`, which has {entries} entries; at most {VALUES_MAX} go into a query"
    )]
    TooMany {
        /// The parameter.
        parameter: String,
        /// The list.
        list: String,
        /// How many it has.
        entries: usize,
    },
    /// A literal is longer than [`LITERAL_BYTES_MAX`].
    #[error(
        "the query was not sent: `@{parameter}` stands for a literal of {bytes} bytes; at most {LITERAL_BYTES_MAX} go into one"
    )]
    TooLarge {
        /// The parameter.
        parameter: String,
        /// Its length.
        bytes: usize,
    },
    /// The query is longer than the service takes.
    #[error(
        "the query was not sent: with its parameters it has {bytes} bytes, and the service takes {QUERY_BYTES_MAX}"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Nothing is said about the parameter.
    #[error("the query was not sent: `@{0}` stands for nothing")]
    Unknown(String),
}

impl Hunt {
    /// The query with what its parameters stand for, with the lists of the run.
    ///
    /// # Errors
    ///
    /// [`Unfilled`]: then there is no query that means what was written.
    pub fn filled(&self, lists: &Lists) -> Result<String, Unfilled> {
        let mut literals = BTreeMap::new();
        for (name, parameter) in &self.parameters {
            let literal = match parameter {
                Parameter::Literal(literal) => literal.clone(),
                Parameter::List(list) => entries(name, list, lists)?,
            };
            let bytes = literal.len();
            if LITERAL_BYTES_MAX < bytes {
                return Err(Unfilled::TooLarge { parameter: name.clone(), bytes });
            }
            literals.insert(name.clone(), literal);
        }
        let filled = kql::fill(&self.query, &literals).map_err(Unfilled::Unknown)?;
        let bytes = filled.len();
        if bytes <= QUERY_BYTES_MAX { Ok(filled) } else { Err(Unfilled::TooLong { bytes }) }
    }

    /// The names of the lists that go into the query.
    pub fn lists(&self) -> impl Iterator<Item = &str> {
        self.parameters.values().filter_map(|parameter| match parameter {
            Parameter::Literal(_) => None,
            Parameter::List(name) => Some(name.as_str()),
        })
    }
}

/// The entries of a list as a literal.
fn entries(parameter: &str, list: &str, lists: &Lists) -> Result<String, Unfilled> {
    let (parameter, named) = (parameter.to_owned(), list.to_owned());
    match lists.get(list).map(|list| (list, list.len())) {
        None => Err(Unfilled::NoList { parameter, list: named }),
        Some((_, 0)) => Err(Unfilled::Empty { parameter, list: named }),
        Some((_, entries)) if VALUES_MAX < entries => {
            Err(Unfilled::TooMany { parameter, list: named, entries })
        }
        Some((list, _)) => Ok(kql_list(list.iter().map(KqlValue::Text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::Threshold;
    use crate::model::{List, Wanted};
    use crate::playbook::TriggerOperator;

    #[track_caller]
    fn check(query: &str, entries: &[String], expect: Result<&str, Unfilled>) {
        let parameters = [
            ("some".to_owned(), Parameter::List("wanted".to_owned())),
            ("five".to_owned(), Parameter::Literal("5".to_owned())),
            ("none".to_owned(), Parameter::List("absent".to_owned())),
        ];
        let used = |(name, _): &(String, Parameter)| query.contains(&format!("@{name}"));
        let hunt = Hunt {
            query: query.to_owned(),
            parameters: parameters.into_iter().filter(used).collect(),
            period: None,
            threshold: Threshold { operator: TriggerOperator::Gt, value: 0 },
            identity: Vec::new(),
            wanted: Wanted::All,
            named: std::collections::BTreeSet::new(),
        };
        let lists: Lists = [List::new("wanted", entries)].into_iter().collect();
        assert_eq!(hunt.filled(&lists), expect.map(str::to_owned));
    }

    #[test]
    fn a_query_is_filled_whole_or_not_at_all() {
        let named = || ("some".to_owned(), "wanted".to_owned());
        let numbered = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
        check("T | where @five in (@some)", &numbered(2), Ok("T | where 5 in (dynamic([\"0\",\"1\"]))"));
        let (parameter, list) = named();
        check("T | where A in (@some)", &[], Err(Unfilled::Empty { parameter, list }));
        let (parameter, list) = ("none".to_owned(), "absent".to_owned());
        check("T | where A in (@none)", &[], Err(Unfilled::NoList { parameter, list }));
        check("T | where A == @other", &[], Err(Unfilled::Unknown("other".to_owned())));
        let (parameter, list) = named();
        let entries = VALUES_MAX + 1;
        check(
            "T | where A in (@some)",
            &numbered(entries),
            Err(Unfilled::TooMany { parameter, list, entries }),
        );
    }

    #[test]
    fn a_query_is_no_longer_than_the_service_takes() {
        let literal = |text: &str| format!("dynamic([\"{text}\"])");
        let text = "x".repeat(LITERAL_BYTES_MAX - literal("").len());
        let rest = QUERY_BYTES_MAX - LITERAL_BYTES_MAX - "T | where A in () //".len();
        let query = format!("T | where A in (@some) //{}", "y".repeat(rest));
        let filled = query.replace("@some", &literal(&text));
        check(&query, std::slice::from_ref(&text), Ok(&filled));
        let (parameter, bytes) = ("some".to_owned(), LITERAL_BYTES_MAX + 1);
        check(&query, &[format!("{text}x")], Err(Unfilled::TooLarge { parameter, bytes }));
        let bytes = QUERY_BYTES_MAX + 1;
        check(&format!("{query}y"), std::slice::from_ref(&text), Err(Unfilled::TooLong { bytes }));
    }
}
