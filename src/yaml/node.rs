//! The tree of places, as the parser delivers it.

use std::fmt;
use std::ops::Range;

use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_yaml::Spanned;

use super::KEY_BYTES_MAX;

/// A node and its place in the text, in bytes.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it stands. Of a map or list in block style only the start is known.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    /// Null, a boolean or a number.
    Leaf(Value),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map; each key with its place.
    Map(IndexMap<String, (Range<usize>, Node)>),
}

impl Node {
    /// Takes the node out of the parser's wrapper. `text_len` bounds every place.
    pub(super) fn new(raw: Spanned<Raw>, text_len: usize) -> Self {
        let span = range(&raw, text_len);
        let kind = match raw.value {
            Raw::Leaf(value) => Kind::Leaf(value),
            Raw::Text(text) => Kind::Text(text),
            Raw::List(items) => Kind::List(items.into_iter().map(|item| Self::new(item, text_len)).collect()),
            Raw::Map(entries) => Kind::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let place = range(&key, text_len);
                        (key.value.0, (place, Self::new(value, text_len)))
                    })
                    .collect(),
            ),
        };
        Self { span, kind }
    }

    /// The same without places.
    pub(super) fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Leaf(value) => value.clone(),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => items.iter().map(Self::to_value).collect(),
            Kind::Map(entries) => {
                let entries = entries.iter().map(|(key, (_, value))| (key.clone(), value.to_value()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }

    /// One step down: the child, and the place of its key if it has one.
    pub(super) fn child(&self, step: &str) -> Option<(&Self, Option<Range<usize>>)> {
        match &self.kind {
            Kind::Leaf(_) | Kind::Text(_) => None,
            Kind::List(items) => items.get(step.parse::<usize>().ok()?).map(|node| (node, None)),
            Kind::Map(entries) => entries.get(step).map(|(place, node)| (node, Some(place.clone()))),
        }
    }
}

/// Where a node is used, in bytes. The parser knows bytes for all string input.
fn range<T>(node: &Spanned<T>, text_len: usize) -> Range<usize> {
    let span = node.referenced.span();
    let known = |value: Option<u64>| value.and_then(|value| usize::try_from(value).ok());
    let start = known(span.byte_offset()).unwrap_or(0).min(text_len);
    let end = known(span.byte_len()).and_then(|len| start.checked_add(len)).unwrap_or(start);
    start..end.min(text_len)
}

/// A node as the parser's serde side gives it.
pub(super) enum Raw {
    Leaf(Value),
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<Key>, Spanned<Self>)>),
}

/// A key: always a string, and short.
pub(super) struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        if key.len() > KEY_BYTES_MAX {
            return Err(D::Error::custom(LONG_KEY));
        }
        Ok(Self(key))
    }
}

/// The text by which `syntax` knows that a key was too long.
pub(super) const LONG_KEY: &str = "huntbook: the key is too long";

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

/// Largest number that a float holds without gaps below it.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Leaf(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Leaf(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Raw, E> {
        // `5.0` is the whole number five, as it is in a JSON schema.
        if value.fract() == 0.0 && value.abs() <= WHOLE_MAX {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and within 2^53")]
            return Ok(Raw::Leaf((value as i64).into()));
        }
        let number = Number::from_f64(value).ok_or_else(|| E::custom("the number is not finite"))?;
        Ok(Raw::Leaf(Value::Number(number)))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Leaf(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Leaf(Value::Null))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}
