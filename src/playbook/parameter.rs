//! What the parameters of a hunting query stand for.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Number;

use crate::model::{DurationText, InstantText};

/// A value that a query is given, in the type that it is written in.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ParameterValue {
    /// A `bool`.
    Truth(bool),
    /// A `long`, or a `real` if it is written with a point.
    Number(Number),
    /// A `string`; or, if it is just `{{lists.NAME}}`, the entries of a list as they are when the query is sent.
    Text(String),
    /// Several values of one type, for `in`, `has_any` and their like.
    Several(#[schemars(length(min = 1, max = 10_000))] Vec<ParameterItem>),
    /// A value of a type that YAML does not know.
    Typed(TypedParameter),
}

/// One of several values.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ParameterItem {
    /// A `bool`.
    Truth(bool),
    /// A `long` or a `real`.
    Number(Number),
    /// A `string`.
    Text(String),
}

/// A value of a type that YAML does not know.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline, extend("oneOf" = [{"required": ["datetime"]}, {"required": ["timespan"]}]))]
pub struct TypedParameter {
    /// A date and time.
    #[schemars(example = &"2026-11-01T00:00:00Z")]
    pub datetime: Option<InstantText>,
    /// A length of time.
    #[schemars(example = &"7d")]
    pub timespan: Option<DurationText>,
}
