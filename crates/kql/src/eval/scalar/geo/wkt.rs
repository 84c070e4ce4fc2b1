//! Well-known text.

use super::super::Kernel;
use super::shape::geo_json;
use crate::value::{Dynamic, Value};

pub(super) fn find(name: &str) -> Option<Kernel> {
    match name {
        "geo_from_wkt" => Some(|_, args| Value::Dynamic(from_wkt(&args.text(0)).unwrap_or_default())),
        _ => None,
    }
}

fn from_wkt(text: &str) -> Option<Dynamic> {
    let text = text.trim();
    let end = text.find(|character: char| !character.is_ascii_alphabetic())?;
    let (word, rest) = text.split_at_checked(end)?;
    let mut reader = Reader { rest: rest.trim_start() };
    let (name, coordinates) = match word.to_ascii_uppercase().as_str() {
        "POINT" => ("Point", reader.single()?),
        "LINESTRING" => ("LineString", reader.list(1)?),
        "MULTIPOINT" => ("MultiPoint", reader.list(1)?),
        "POLYGON" => ("Polygon", reader.list(2)?),
        "MULTILINESTRING" => ("MultiLineString", reader.list(2)?),
        "MULTIPOLYGON" => ("MultiPolygon", reader.list(3)?),
        _ => return None,
    };
    reader.rest.trim().is_empty().then(|| geo_json(name, coordinates))
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn take(&mut self, character: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(character)?;
        Some(())
    }

    fn number(&mut self) -> Option<Dynamic> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|next: char| !matches!(next, '0'..='9' | '.' | '-' | '+' | 'e' | 'E'));
        let (digits, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
        self.rest = rest;
        digits.parse().ok().map(Dynamic::Real)
    }

    fn pair(&mut self) -> Option<Dynamic> {
        Some(Dynamic::array(vec![self.number()?, self.number()?]))
    }

    fn single(&mut self) -> Option<Dynamic> {
        self.take('(')?;
        let pair = self.pair()?;
        self.take(')')?;
        Some(pair)
    }

    /// Reads lists of lists; places of a list may stand in parentheses of their own.
    fn list(&mut self, depth: usize) -> Option<Dynamic> {
        self.take('(')?;
        let mut items = Vec::new();
        loop {
            items.push(if depth > 1 {
                self.list(depth - 1)?
            } else if self.rest.trim_start().starts_with('(') {
                self.single()?
            } else {
                self.pair()?
            });
            if self.take(',').is_none() {
                self.take(')')?;
                return Some(Dynamic::array(items));
            }
        }
    }
}
