//! The operators that name other tables.

use super::{Expr, Name, Property, TypeName};

/// `join kind=… (right) on conditions`; also `lookup`.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// `kind=`, when written and known.
    pub kind: Option<JoinKind>,
    /// All options, `kind` included.
    pub properties: Vec<Property>,
    /// The other table.
    pub right: Box<Expr>,
    /// Conditions behind `on`: a name, or `$left.a == $right.b`.
    pub on: Vec<Expr>,
}

/// The kinds of join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the text of each is in `text`")]
pub enum JoinKind {
    InnerUnique,
    Inner,
    LeftOuter,
    RightOuter,
    FullOuter,
    LeftSemi,
    RightSemi,
    LeftAnti,
    RightAnti,
}

impl JoinKind {
    /// The words for each kind; the first word of a kind is the usual one.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("innerunique", Self::InnerUnique),
        ("inner", Self::Inner),
        ("leftouter", Self::LeftOuter),
        ("rightouter", Self::RightOuter),
        ("fullouter", Self::FullOuter),
        ("leftsemi", Self::LeftSemi),
        ("rightsemi", Self::RightSemi),
        ("leftanti", Self::LeftAnti),
        ("rightanti", Self::RightAnti),
        ("anti", Self::LeftAnti),
        ("leftantisemi", Self::LeftAnti),
        ("rightantisemi", Self::RightAnti),
    ];

    /// Finds a kind by its word, which is case-sensitive.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(text, _)| *text == word).map(|(_, kind)| *kind)
    }

    /// Returns the usual word.
    pub fn text(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("inner", |(text, _)| text)
    }
}

/// `union tables`.
#[derive(Clone, Debug, PartialEq)]
pub struct Union {
    /// `kind=`, `withsource=`, `isfuzzy=`, `hint.…`.
    pub properties: Vec<Property>,
    /// Tables: names, patterns, `*`, or expressions in parentheses.
    pub tables: Vec<Expr>,
}

/// `partition by column (body)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// `hint.…`.
    pub properties: Vec<Property>,
    /// The key.
    pub by: Box<Expr>,
    /// What to do with each part: a [`Pipeline`](super::Pipeline) without source in `(…)`, any expression in `{…}`.
    pub body: Box<Expr>,
    /// Whether the body stands in braces.
    pub braced: bool,
}

/// `search kind=… in (tables) predicate`.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// `kind=`.
    pub properties: Vec<Property>,
    /// Tables; all of them when empty.
    pub tables: Vec<Expr>,
    /// What to look for; a bare string means anywhere.
    pub predicate: Box<Expr>,
}

/// `find withsource=… in (tables) where predicate project columns`.
#[derive(Clone, Debug, PartialEq)]
pub struct Find {
    /// `withsource=`, `datascope=`.
    pub properties: Vec<Property>,
    /// Tables; all of them when empty.
    pub tables: Vec<Expr>,
    /// What to look for.
    pub predicate: Box<Expr>,
    /// Columns to show.
    pub columns: FindColumns,
}

/// What `find` shows.
#[derive(Clone, Debug, PartialEq)]
pub enum FindColumns {
    /// Nothing said: as `project-smart`.
    Default,
    /// `project-smart`.
    Smart,
    /// `project a, b: type, pack(*)`.
    Project {
        /// Columns, each with the type it is converted to.
        columns: Vec<(Name, Option<TypeName>)>,
        /// Whether `pack(*)` is among them.
        pack: bool,
    },
    /// `project-away a, b`.
    Away(Vec<Expr>),
}
