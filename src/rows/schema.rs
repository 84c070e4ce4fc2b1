//! The columns an answer says it has.

use serde_json::Value;

/// A column of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, as the answer spells it.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// What a column holds, by the type names of the hunting schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnKind {
    /// `String`, `Guid`.
    Text,
    /// `DateTime`; delivered as text in the service's own spelling.
    DateTime,
    /// `Int32`, `Int64`, `Long` and their kin.
    Integer,
    /// `Double`, `Decimal`, `Real`.
    Real,
    /// `Boolean` and `SByte`, which the service uses for truth values (0 and 1).
    Bool,
    /// `Object`, `Dynamic`: any JSON.
    Json,
    /// A type this version does not know.
    Other,
}

impl ColumnKind {
    /// Reads a type name of the service, with or without `System.`, whatever its case.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.strip_prefix("system.").unwrap_or(&name) {
            "string" | "guid" => Self::Text,
            "datetime" | "datetimeoffset" | "timespan" => Self::DateTime,
            "int16" | "int32" | "int64" | "int" | "long" | "short" | "byte" | "uint32" | "uint64" => {
                Self::Integer
            }
            "double" | "single" | "decimal" | "real" | "float" => Self::Real,
            "boolean" | "bool" | "sbyte" => Self::Bool,
            "object" | "dynamic" => Self::Json,
            _ => Self::Other,
        }
    }
}

/// Finds a key of an object whatever its case.
pub(super) fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Reads the array under `schema`; entries without a name are left out.
pub(super) fn columns(schema: &Value) -> Vec<Column> {
    let entries = schema.as_array().map(Vec::as_slice).unwrap_or_default();
    let column = |entry: &Value| {
        let name = field(entry, "name")?.as_str()?.to_owned();
        let kind = field(entry, "type").and_then(Value::as_str).map_or(ColumnKind::Other, ColumnKind::parse);
        Some(Column { name, kind })
    };
    entries.iter().filter_map(column).collect()
}
