//! The columns of a query's rows, as far as they are known before it runs.

use super::value::Kind;

/// The columns of a query's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    known: Vec<(String, Holds)>,
    /// What a name means that is not among them.
    others: Others,
}

/// What the values of a column are, besides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Whatever the rows bring.
    Anything,
    /// True or false.
    Truth,
    /// Numbers.
    Number,
    /// Texts; times are texts too.
    Text,
    /// Nobody knows: the query calls it by a name that means nothing, and a similar name may be the right one.
    Doubt,
}

/// What a name means that is not among the known columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// It is a mistake.
    Mistaken,
    /// It is a mistake of writing if a known name is similar. Otherwise the query lacks a column, which
    /// whoever checks the query reports.
    Lacking,
}

impl Columns {
    /// Makes a set of columns.
    #[must_use]
    pub fn new(known: impl IntoIterator<Item = (String, Holds)>, others: Others) -> Self {
        Self { known: known.into_iter().collect(), others }
    }

    /// Makes a set of columns of which no more than the names is known, and no other is accepted.
    #[must_use]
    pub fn named<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::new(names.into_iter().map(|name| (name.into(), Holds::Anything)), Others::Mistaken)
    }

    /// The names, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.known.iter().map(|(name, _)| name.as_str())
    }

    /// Whether there is a column of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The known name that is most like this one, which is none of them.
    #[must_use]
    pub fn near(&self, name: &str) -> Option<&str> {
        let sure = self.known.iter().filter(|(_, holds)| *holds != Holds::Doubt);
        crate::diag::nearest(name, sure.map(|(known, _)| known.as_str()))
    }

    /// Whether a name that is none of these is to be reported where it stands.
    #[must_use]
    pub fn is_mistaken(&self, name: &str) -> bool {
        !self.has(name) && (self.others == Others::Mistaken || self.near(name).is_some())
    }

    /// What is known of a column's values.
    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
        match self.known.iter().find(|(known, _)| known == name)?.1 {
            Holds::Anything | Holds::Doubt => None,
            Holds::Truth => Some(Kind::Bool),
            Holds::Number => Some(Kind::Number),
            Holds::Text => Some(Kind::Text),
        }
    }
}
