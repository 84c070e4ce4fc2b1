//! `parse-kv`.

use super::super::machine::{Machine, Received};
use super::super::{EvalError, Table};
use super::parse::laid_out;
use super::{eval, with_extras};
use crate::plan::ParseKv;
use crate::types::Schema;
use crate::value::{Cells, Value, cast, to_text};

/// Reads `key=value` text into columns; the first value of a key wins.
pub(super) fn parse_kv(
    machine: &Machine<'_>,
    kv: &ParseKv,
    schema: &Schema,
    received: Received<'_>,
) -> Result<Table, EvalError> {
    let table = received.table;
    let texts = eval(machine, &kv.text, table)?;
    let mut columns: Vec<Cells> = kv.keys.iter().map(|key| Cells::empty(key.ty)).collect();
    for row in 0..table.batch.rows() {
        let text = to_text(&texts.get(row));
        let pairs = Pairs { kv, rest: &text }.collect::<Vec<_>>();
        for (column, key) in columns.iter_mut().zip(&kv.keys) {
            let found = pairs.iter().find(|(name, _)| *name == key.name.as_ref());
            let value = found
                .map_or_else(|| Value::null(key.ty), |(_, value)| cast(&Value::from(value.as_str()), key.ty));
            column.push(value);
        }
    }
    Ok(with_extras(laid_out(&kv.outputs, columns, schema, table), schema, received))
}

/// The pairs of a text.
struct Pairs<'a> {
    kv: &'a ParseKv,
    rest: &'a str,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, String);

    fn next(&mut self) -> Option<Self::Item> {
        let between_pairs = self.kv.pair_delimiter.as_deref().filter(|text| !text.is_empty()).unwrap_or(" ");
        let between = self.kv.kv_delimiter.as_deref().filter(|text| !text.is_empty()).unwrap_or("=");
        let (before, after) = self.rest.split_once(between)?;
        // Words that belong to no pair may stand before the key.
        let key = before.trim();
        let key = key.rsplit_once(between_pairs).map_or(key, |(_, last)| last).trim();
        let after = after.trim_start();
        if let Some((value, rest)) = self.quoted(after) {
            self.rest = rest;
            return Some((self.unquoted(key), value));
        }
        let end = if self.kv.greedy {
            greedy_end(after, between_pairs, between)
        } else {
            after.find(between_pairs)
        };
        let end = end.unwrap_or(after.len());
        let (value, rest) = after.split_at_checked(end)?;
        self.rest = rest.strip_prefix(between_pairs).unwrap_or(rest);
        Some((self.unquoted(key), value.trim().to_owned()))
    }
}

impl<'a> Pairs<'a> {
    /// Reads a value between quotes.
    fn quoted(&self, text: &'a str) -> Option<(String, &'a str)> {
        let (open, close) =
            self.kv.quotes.iter().find(|(open, _)| !open.is_empty() && text.starts_with(open.as_str()))?;
        let mut rest = text.strip_prefix(open.as_str())?;
        let mut value = String::new();
        loop {
            if let Some(after) = rest.strip_prefix(close.as_str()) {
                return Some((value, after));
            }
            let escape = self.kv.escape.as_deref().filter(|escape| !escape.is_empty());
            if let Some(after) = escape.and_then(|escape| rest.strip_prefix(escape)) {
                rest = after;
            }
            let mut characters = rest.chars();
            value.push(characters.next()?);
            rest = characters.as_str();
        }
    }

    fn unquoted(&self, key: &'a str) -> &'a str {
        let strip = |(open, close): &(String, String)| {
            key.strip_prefix(open.as_str()).and_then(|key| key.strip_suffix(close.as_str()))
        };
        self.kv.quotes.iter().find_map(strip).unwrap_or(key)
    }
}

/// A greedy value ends at the last delimiter before the next key.
fn greedy_end(text: &str, between_pairs: &str, between: &str) -> Option<usize> {
    let next_key_end = text.find(between)?;
    text.get(..next_key_end)?.trim_end().rfind(between_pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Expr, ExprKind};
    use crate::types::ScalarType;

    #[track_caller]
    fn check(text: &str, delimiters: (&str, &str), quotes: &[(&str, &str)], expected: &[(&str, &str)]) {
        let kv = ParseKv {
            text: Expr {
                kind: ExprKind::Literal(Value::from("")),
                ty: ScalarType::String,
                span: crate::text::Span::default(),
            },
            keys: Vec::new(),
            pair_delimiter: Some(delimiters.0.to_owned()),
            kv_delimiter: Some(delimiters.1.to_owned()),
            quotes: quotes.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            escape: Some("\\".to_owned()),
            greedy: false,
            outputs: Vec::new(),
        };
        let pairs: Vec<(&str, String)> = Pairs { kv: &kv, rest: text }.collect();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (*key, value.as_str())).collect();
        assert_eq!(pairs, expected);
    }

    #[test]
    fn pairs_are_found() {
        check("a=1, b=2", (",", "="), &[], &[("a", "1"), ("b", "2")]);
        check("  key  =  value  ", (" ", "="), &[], &[("key", "value")]);
        check("k=hello world=foo bar", (" ", "="), &[], &[("k", "hello"), ("world", "foo")]);
        check("key1==value;key2=v", (";", "="), &[], &[("key1", "=value"), ("key2", "v")]);
        check(r#"n="J \"S";c="N Y""#, (";", "="), &[("\"", "\"")], &[("n", "J \"S"), ("c", "N Y")]);
        check("no pair", (" ", "="), &[], &[]);
    }
}
