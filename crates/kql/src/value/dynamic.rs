//! Dynamic values: any scalar, an array or a bag.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Bag, Datetime, Decimal, Guid, Timespan, Value, format_real};

/// Arrays and bags nested deeper than this become null: printing and dropping walk them.
const DEPTH_MAX: u8 = 200;

/// A value of type `dynamic`.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Dynamic {
    /// No value.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Long(i64),
    /// Any other number.
    Real(f64),
    /// A decimal number; text in JSON.
    Decimal(Decimal),
    /// An instant; text in JSON.
    Datetime(Datetime),
    /// A span; text in JSON.
    Timespan(Timespan),
    /// An identifier; text in JSON.
    Guid(Guid),
    /// Text.
    String(Arc<str>),
    /// An array; see [`Dynamic::array`].
    Array(Arc<List>),
    /// A property bag; see [`Dynamic::bag`].
    Bag(Arc<Bag>),
}

/// The elements of an array.
#[derive(Debug, PartialEq)]
pub struct List {
    items: Vec<Dynamic>,
    depth: u8,
}

impl std::ops::Deref for List {
    type Target = [Dynamic];

    fn deref(&self) -> &[Dynamic] {
        &self.items
    }
}

impl Dynamic {
    /// Creates an array.
    pub fn array(items: Vec<Self>) -> Self {
        let depth = items.iter().map(Self::depth).max().unwrap_or(0);
        if depth >= DEPTH_MAX {
            return Self::Null;
        }
        Self::Array(Arc::new(List { items, depth }))
    }

    /// Creates a bag.
    pub fn bag(bag: Bag) -> Self {
        if bag.depth() >= DEPTH_MAX {
            return Self::Null;
        }
        Self::Bag(Arc::new(bag))
    }

    /// Creates text.
    pub fn text(text: &str) -> Self {
        Self::String(Arc::from(text))
    }

    /// Returns how deep arrays and bags are nested in the value; zero for scalars.
    pub fn depth(&self) -> u8 {
        match self {
            Self::Array(list) => list.depth + 1,
            Self::Bag(bag) => bag.depth() + 1,
            _ => 0,
        }
    }

    /// Reads JSON. Text that is not JSON is a dynamic text.
    pub fn parse(text: &str) -> Self {
        if text.trim().is_empty() {
            return if text.is_empty() { Self::Null } else { Self::text(text) };
        }
        Self::parse_strict(text).unwrap_or_else(|| Self::text(text))
    }

    /// Reads JSON, and nothing else.
    pub fn parse_strict(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Returns the elements, if the value is an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(list) => Some(list),
            _ => None,
        }
    }

    /// Returns the properties, if the value is a bag.
    pub fn as_bag(&self) -> Option<&Bag> {
        match self {
            Self::Bag(bag) => Some(bag),
            _ => None,
        }
    }

    /// Returns a property, or null.
    #[must_use]
    pub fn property(&self, name: &str) -> Self {
        self.as_bag().and_then(|bag| bag.get(name)).cloned().unwrap_or_default()
    }

    /// Returns an element, counted from the end if `index` is negative, or null.
    #[must_use]
    pub fn element(&self, index: i64) -> Self {
        let Some(items) = self.as_array() else { return Self::Null };
        let from_start = if index < 0 {
            usize::try_from(index.unsigned_abs()).ok().and_then(|back| items.len().checked_sub(back))
        } else {
            usize::try_from(index).ok()
        };
        from_start.and_then(|index| items.get(index)).cloned().unwrap_or_default()
    }

    /// Returns the name `gettype` gives.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Long(_) => "long",
            Self::Real(_) => "double",
            Self::Decimal(_) => "decimal",
            Self::Datetime(_) => "datetime",
            Self::Timespan(_) => "timespan",
            Self::Guid(_) => "guid",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Bag(_) => "dictionary",
        }
    }

    /// Returns the value as the scalar it holds; arrays and bags stay dynamic.
    pub fn into_scalar(self) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(Some(value)),
            Self::Long(value) => Value::Long(Some(value)),
            Self::Real(value) => Value::Real(Some(value)),
            Self::Decimal(value) => Value::Decimal(Some(value)),
            Self::Datetime(value) => Value::Datetime(Some(value)),
            Self::Timespan(value) => Value::Timespan(Some(value)),
            Self::Guid(value) => Value::Guid(Some(value)),
            Self::String(value) => Value::String(value),
            other => Value::Dynamic(other),
        }
    }

    /// Returns a rough number of bytes the value keeps, for limits.
    pub fn weight(&self) -> usize {
        match self {
            Self::String(text) => 24 + text.len(),
            Self::Array(items) => 40 + items.iter().map(Self::weight).sum::<usize>(),
            Self::Bag(bag) => {
                40 + bag.iter().map(|(name, value)| 24 + name.len() + value.weight()).sum::<usize>()
            }
            _ => 24,
        }
    }

    /// Appends the value as compact JSON.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Long(value) => out.push_str(&value.to_string()),
            Self::Real(value) if value.is_nan() => out.push_str("\"NaN\""),
            Self::Real(value) if value.is_infinite() => {
                out.push_str(if *value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
            }
            Self::Real(value) => out.push_str(&format_real(*value)),
            Self::Decimal(value) => write_quoted(&value.to_string(), out),
            Self::Datetime(value) => write_quoted(&value.to_string(), out),
            Self::Timespan(value) => write_quoted(&value.to_string(), out),
            Self::Guid(value) => write_quoted(&value.to_string(), out),
            Self::String(value) => write_quoted(value, out),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Bag(bag) => {
                out.push('{');
                for (index, (name, value)) in bag.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_quoted(name, out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

/// Appends text as a JSON string.
fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control if u32::from(control) < 0x20 => {
                out.push_str("\\u00");
                let code = u32::from(control);
                out.extend(
                    [code >> 4, code & 15]
                        .map(|digit| char::from_digit(digit, 16).unwrap_or('0').to_ascii_uppercase()),
                );
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Compact JSON.
impl fmt::Display for Dynamic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write_json(&mut text);
        formatter.write_str(&text)
    }
}

impl<'de> Deserialize<'de> for Dynamic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Dynamic;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Dynamic, E> {
        Ok(Dynamic::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Dynamic, E> {
        Ok(Dynamic::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Dynamic, E> {
        Ok(Dynamic::Long(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Dynamic, E> {
        #[expect(clippy::cast_precision_loss, reason = "numbers above the range of long are reals")]
        Ok(i64::try_from(value).map_or(Dynamic::Real(value as f64), Dynamic::Long))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Dynamic, E> {
        Ok(Dynamic::Real(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Dynamic, E> {
        Ok(Dynamic::text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Dynamic, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Dynamic::array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Dynamic, A::Error> {
        let mut bag = Bag::new();
        while let Some((name, value)) = entries.next_entry::<String, Dynamic>()? {
            bag.set(Arc::from(name), value);
        }
        Ok(Dynamic::bag(bag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_goes_there_and_back() {
        for text in [
            r#"{"a":1,"nested":{"deep":[true,false,null]},"r":1.5,"s":"x\"\\\n\u0001é"}"#,
            "[]",
            "{}",
            "12345678901234",
            "[1.0,-2.5]",
        ] {
            assert_eq!(Dynamic::parse(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_json_is_text() {
        assert_eq!(Dynamic::parse("plain"), Dynamic::text("plain"));
        assert_eq!(Dynamic::parse("{\"a\":\"tab\there\"}"), Dynamic::text("{\"a\":\"tab\there\"}"));
        assert_eq!(Dynamic::parse("{'a':1}"), Dynamic::text("{'a':1}"));
        assert_eq!(Dynamic::parse(""), Dynamic::Null);
        assert_eq!(Dynamic::parse(&"[".repeat(100_000)).type_name(), "string");
    }

    #[test]
    fn elements_count_from_both_ends() {
        let list = Dynamic::parse("[1,2,3]");
        assert_eq!(list.element(-1), Dynamic::Long(3));
        assert_eq!(list.element(0), Dynamic::Long(1));
        assert_eq!(list.element(10), Dynamic::Null);
        assert_eq!(list.element(-4), Dynamic::Null);
        assert_eq!(list.element(i64::MIN), Dynamic::Null);
        assert_eq!(list.property("x"), Dynamic::Null);
    }

    #[test]
    fn nesting_has_an_end() {
        let mut value = Dynamic::Long(1);
        for _ in 0..100_000 {
            value = Dynamic::array(vec![value]);
        }
        assert!(value.depth() <= DEPTH_MAX);
    }
}
