//! The functions a condition may call: all of them.

use super::value::Kind;

/// A function. Each may also be called like a method: `contains(row.X, "a")` is `row.X.contains("a")`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Contains,
    Icontains,
    StartsWith,
    EndsWith,
    ToLower,
    ToUpper,
    Trim,
    Len,
    Any,
    All,
    Filter,
    Min,
    Max,
    Abs,
    ToNumber,
    ToString,
    Time,
    Ago,
}

impl Function {
    /// All of them, in the order of the manual.
    pub(super) const ALL: [Self; 18] = [
        Self::Contains,
        Self::Icontains,
        Self::StartsWith,
        Self::EndsWith,
        Self::ToLower,
        Self::ToUpper,
        Self::Trim,
        Self::Len,
        Self::Any,
        Self::All,
        Self::Filter,
        Self::Min,
        Self::Max,
        Self::Abs,
        Self::ToNumber,
        Self::ToString,
        Self::Time,
        Self::Ago,
    ];

    /// Another name for [`Self::Any`], as other script languages have it.
    pub(super) const SOME: &'static str = "some";

    /// Its name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Contains => "contains",
            Self::Icontains => "icontains",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::ToLower => "to_lower",
            Self::ToUpper => "to_upper",
            Self::Trim => "trim",
            Self::Len => "len",
            Self::Any => "any",
            Self::All => "all",
            Self::Filter => "filter",
            Self::Min => "min",
            Self::Max => "max",
            Self::Abs => "abs",
            Self::ToNumber => "to_number",
            Self::ToString => "to_string",
            Self::Time => "time",
            Self::Ago => "ago",
        }
    }

    /// Finds a function by its name.
    pub(super) fn find(name: &str) -> Option<Self> {
        if name == Self::SOME {
            return Some(Self::Any);
        }
        Self::ALL.into_iter().find(|function| function.as_str() == name)
    }

    /// Our name of what other languages call so: their letters are not ours.
    pub(super) fn named_elsewhere(name: &str) -> Option<&'static str> {
        Some(match name.to_ascii_lowercase().as_str() {
            "size" | "length" | "count" | "strlen" => "len",
            "has" | "includes" => "contains",
            "tolower" | "lower" | "lowercase" => "to_lower",
            "toupper" | "upper" | "uppercase" => "to_upper",
            "startswith" => "starts_with",
            "endswith" => "ends_with",
            "parse_int" | "parse_float" | "toint" | "tolong" | "int" => "to_number",
            "tostring" | "str" => "to_string",
            _ => return None,
        })
    }

    /// Every name a function answers to.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().map(Self::as_str).chain([Self::SOME])
    }

    /// How many arguments it takes, the one before the dot included.
    pub(super) const fn arity(self) -> usize {
        match self {
            Self::Contains
            | Self::Icontains
            | Self::StartsWith
            | Self::EndsWith
            | Self::Any
            | Self::All
            | Self::Filter
            | Self::Min
            | Self::Max => 2,
            Self::ToLower
            | Self::ToUpper
            | Self::Trim
            | Self::Len
            | Self::Abs
            | Self::ToNumber
            | Self::ToString
            | Self::Time
            | Self::Ago => 1,
        }
    }

    /// Whether its second argument is a closure.
    pub(super) const fn takes_closure(self) -> bool {
        matches!(self, Self::Any | Self::All | Self::Filter)
    }

    /// What it gives, where that does not depend on what it is given; nothing in may give nothing out.
    pub(super) const fn gives(self) -> Kind {
        match self {
            Self::Contains | Self::Icontains | Self::StartsWith | Self::EndsWith | Self::Any | Self::All => {
                Kind::Bool
            }
            Self::ToLower | Self::ToUpper | Self::Trim | Self::ToString => Kind::Text,
            Self::Len | Self::Min | Self::Max | Self::Abs | Self::ToNumber => Kind::Number,
            Self::Filter => Kind::Array,
            Self::Time | Self::Ago => Kind::Time,
        }
    }

    /// The kinds its arguments may be of, besides nothing; an empty slice accepts anything.
    pub(super) const fn takes(self, argument: usize) -> &'static [Kind] {
        match (self, argument) {
            (Self::Contains, 0) => &[Kind::Text, Kind::Array, Kind::Object, Kind::List],
            (Self::Contains, _) => &[],
            (
                Self::Icontains
                | Self::StartsWith
                | Self::EndsWith
                | Self::ToLower
                | Self::ToUpper
                | Self::Trim
                | Self::Ago,
                _,
            ) => &[Kind::Text],
            (Self::Len, _) => &[Kind::Text, Kind::Array, Kind::Object, Kind::List],
            (Self::Any | Self::All | Self::Filter, 0) => &[Kind::Array],
            (Self::Any | Self::All | Self::Filter, _) => &[],
            (Self::Min | Self::Max | Self::Abs, _) => &[Kind::Number],
            (Self::ToNumber, _) => &[Kind::Text, Kind::Number, Kind::Bool],
            (Self::ToString, _) => &[Kind::Text, Kind::Number, Kind::Bool, Kind::Time],
            (Self::Time, _) => &[Kind::Text, Kind::Time],
        }
    }
}
