//! The codes of this room.

use crate::diagnostic::Code;

macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident = $number:literal, $title:literal;)+) => {
        $($(#[$meta])* pub const $name: Code = Code::new($number, $title);)+

        /// All codes of this room, in order.
        pub const ALL: &[Code] = &[$($name),+];
    };
}

codes! {
    /// A table is read without a time filter.
    NO_TIME_FILTER = 300, "no time filter";
    /// The query looks further back than the rule that runs it.
    LOOK_BACK = 301, "look-back beyond the period";
    /// `contains` is used where `has` finds the same, faster.
    CONTAINS = 302, "contains where has serves";
    /// A column is changed before it is compared.
    FOLDED_CASE = 303, "case folded before comparing";
    /// A regular expression that a plain operator can replace, or that is slow.
    SLOW_REGEX = 304, "expensive regular expression";
    /// A join reads a whole table.
    UNBOUNDED_JOIN = 305, "join with a whole table";
    /// The kind of a join is not written.
    IMPLICIT_JOIN = 306, "join without kind";
    /// `take` gives any rows.
    ARBITRARY_ROWS = 307, "rows without order";
    /// All tables, or all columns, are searched.
    WIDE_SEARCH = 308, "search of everything";
    /// The result lacks a column that is needed.
    MISSING_COLUMN = 309, "column needed but not in the result";
    /// Several arrays are expanded at once, which does not combine them.
    PARALLEL_EXPANSION = 310, "arrays expanded side by side";
    /// The query does what cannot be done near real time.
    NOT_NEAR_REAL_TIME = 311, "not possible near real time";
    /// The text is too long.
    TOO_LONG = 312, "query too long";
    /// A name out of date is used.
    OUTDATED = 313, "outdated function";
}
