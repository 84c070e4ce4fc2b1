//! Hides what is or may be a secret from the source lines that diagnostics quote.
//!
//! Someone who writes a secret into the settings by mistake must not find it in a log as well. Hidden
//! text is replaced by `*`, byte for byte, so that places stay right.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::node::{Kind, Node};
use super::{Checker, Tree};
use crate::diag::{Diagnostic, SourceText, Span};

impl Checker {
    /// Hides every value that the schema marks as secret (`x-secret`), every value under a key the schema
    /// does not know, and every address with a login in it.
    #[must_use]
    pub fn shield(&self, tree: &Tree) -> Tree {
        let mut hidden = Vec::new();
        walk(&tree.root, Some(self.schema()), &mut hidden);
        let text = mask(&tree.source.text, &hidden);
        let source = Arc::new(SourceText { name: tree.source.name.clone(), text });
        Tree { source, ..tree.clone() }
    }
}

/// Words in keys whose values are secrets, in lower case.
const SECRET_WORDS: [&str; 6] = ["secret", "password", "passwd", "token", "apikey", "credential"];

/// Parts of addresses that are secrets as a whole: whoever knows them may post.
const SECRET_ADDRESSES: [&str; 4] = ["hooks.slack.com/", "/webhook", "sig=", "/workflows/"];

/// Hides what nobody but the owner of a secret would write: a text under a key that says so, an address with
/// a login in it or that of a webhook.
pub(super) fn shield_evident(tree: Tree) -> Tree {
    let mut hidden = Vec::new();
    evident(&tree.root, "", &mut hidden);
    if hidden.is_empty() {
        return tree;
    }
    let source = SourceText { name: tree.source.name.clone(), text: mask(&tree.source.text, &hidden) };
    Tree { source: Arc::new(source), ..tree }
}

/// Collects the places of evident secrets below a node that stands under `key`.
fn evident(node: &Node, key: &str, hidden: &mut Vec<Range<usize>>) {
    match &node.kind {
        Kind::Text(text) => {
            let key = key.to_lowercase();
            let named = SECRET_WORDS.iter().any(|word| key.ends_with(word));
            let address = text.contains("://") && SECRET_ADDRESSES.iter().any(|part| text.contains(part));
            if named || login_in(text) || (address && !text.contains(char::is_whitespace)) {
                hidden.push(node.span.clone());
            }
        }
        Kind::Leaf(_) => {}
        Kind::List(items) => items.iter().for_each(|item| evident(item, key, hidden)),
        Kind::Map(entries) => {
            for (key, (_, value)) in entries {
                evident(value, key, hidden);
            }
        }
    }
}

/// Hides all values in the text of a tree.
pub(super) fn shield_tree(tree: Tree) -> Tree {
    let text = mask_values(&tree.source.text);
    let source = Arc::new(SourceText { name: tree.source.name.clone(), text });
    Tree { source, ..tree }
}

/// Hides all values in the text a diagnostic quotes, for a file too broken to tell which are secret.
pub(super) fn shield_diagnostic(diagnostic: Diagnostic) -> Diagnostic {
    let text = mask_values(&diagnostic.span.source.text);
    let source = Arc::new(SourceText { name: diagnostic.span.source.name.clone(), text });
    Diagnostic { span: Span { source, range: diagnostic.span.range.clone() }, suggestion: None, ..diagnostic }
}

/// Collects the places to hide. `schema` is that of the node, if it is known.
fn walk(node: &Node, schema: Option<&Value>, hidden: &mut Vec<Range<usize>>) {
    let branches: Vec<&Value> = schema.into_iter().flat_map(alternatives).collect();
    match &node.kind {
        Kind::Text(text) if login_in(text) => hidden.push(node.span.clone()),
        Kind::Leaf(_) | Kind::Text(_) => {
            let shown = schema.is_some_and(|schema| !holds_secret(schema))
                || branches.iter().any(|branch| is_plain(branch));
            if !shown {
                hidden.push(node.span.clone());
            }
        }
        Kind::List(items) => {
            let inner = branches.iter().find_map(|branch| branch.get("items"));
            for item in items {
                walk(item, inner, hidden);
            }
        }
        Kind::Map(entries) => {
            // What stands inside a reference to a secret may be the secret, written in the wrong place.
            let secret = branches.iter().any(|branch| branch.get("x-secret").is_some());
            for (key, (_, value)) in entries {
                let inner = branches.iter().find_map(|branch| {
                    let known = branch.get("properties").and_then(|all| all.get(key));
                    known.or_else(|| branch.get("additionalProperties").filter(|inner| inner.is_object()))
                });
                walk(value, inner.filter(|_| !secret), hidden);
            }
        }
    }
}

/// A schema and the alternatives in it.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let inner =
        ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(key).and_then(Value::as_array)).flatten();
    std::iter::once(schema).chain(inner).collect()
}

/// Whether a scalar can stand here: only then was it meant to be read.
fn is_plain(branch: &Value) -> bool {
    let kind = branch.get("type").and_then(Value::as_str);
    branch.get("enum").is_some() || kind.is_some_and(|kind| !matches!(kind, "object" | "array"))
}

/// Whether a reference to a secret can stand here or below.
fn holds_secret(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.contains_key("x-secret") || map.values().any(holds_secret),
        Value::Array(list) => list.iter().any(holds_secret),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether an address carries a user or password.
fn login_in(text: &str) -> bool {
    let authority = text.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|authority| authority.contains('@'))
}

/// Replaces ranges of a text by `*`, line breaks kept.
fn mask(text: &str, hidden: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for range in hidden {
        for byte in
            bytes.get_mut(range.clone()).into_iter().flatten().filter(|byte| !matches!(byte, b'\n' | b'\r'))
        {
            *byte = b'*';
        }
    }
    // Places of scalars are whole characters, so this is UTF-8; if not, nothing is shown at all.
    String::from_utf8(bytes).unwrap_or_else(|_broken| "*".repeat(text.len()))
}

/// Replaces everything but keys and indentation by `*`.
fn mask_values(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let shown = key_len(line);
        for (at, char) in line.char_indices() {
            if at < shown || char.is_whitespace() {
                out.push(char);
            } else {
                (0..char.len_utf8()).for_each(|_| out.push('*'));
            }
        }
    }
    out
}

/// How much of a line is indentation, a dash and a plain key with its colon; 0 if it is something else.
fn key_len(line: &str) -> usize {
    let lead = line.len() - line.trim_start_matches([' ', '\t', '-']).len();
    let rest = line.get(lead..).unwrap_or_default();
    let Some(colon) = rest.find(':') else { return 0 };
    let key = rest.get(..colon).unwrap_or_default();
    let ends =
        rest.get(colon + 1..).is_none_or(|tail| tail.is_empty() || tail.starts_with([' ', '\n', '\r']));
    let plain =
        !key.is_empty() && key.len() <= 40 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain && ends { lead + colon + 1 } else { 0 }
}
