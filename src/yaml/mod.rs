//! YAML text to a tree whose every node knows its place.
//!
//! The one door to the YAML parser and to the JSON-schema validator. A file is checked as text, parsed
//! within limits, and kept as a JSON value beside a tree of places; a JSON pointer leads to both. Shape
//! is checked against a schema, which finds all problems at once; then the value is decoded into plain
//! types that know nothing of places.
//!
//! What is accepted of YAML: one document, UTF-8 (a byte order mark is ignored, CRLF is accepted), string
//! keys, no tags but the core ones, no merge keys, `true` and `false` as the only booleans, few aliases.

mod check;
mod explain;
mod node;
#[cfg(test)]
pub(crate) mod odd;
mod scalar;
pub mod schema;
mod shape;
mod shield;
mod syntax;
mod text;
mod wording;

pub use check::Checker;

use std::ops::Range;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::diag::{Code, Diagnostic, Sink, SourceText, Span};
use node::{Kind, Node};

/// Largest file. A playbook is a page or two; the largest list a person keeps has some ten thousand lines.
pub const BYTES_MAX: usize = 1 << 20;

/// Deepest nesting. The language itself nests to eight; free `x-` maps may go on.
const DEPTH_MAX: usize = 32;

/// Most nodes: a list of twenty thousand entries, and far from the memory limit.
const NODES_MAX: usize = 25_000;

/// Most aliases: enough to share a few lists within a file, too few for a bomb.
const ALIASES_MAX: usize = 32;

/// Most events replayed by aliases.
const REPLAYED_MAX: usize = 5_000;

/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 256;

/// A parsed file: its value, its text, and a place for every node and key. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tree {
    value: Arc<Value>,
    root: Arc<Node>,
    source: Arc<SourceText>,
}

/// Reads one YAML document. Reports what keeps it from being read; a duplicate key is reported and the
/// rest still read, so that later checks can report too, but then no tree is accepted by [`Checker`].
/// What is evidently a secret in the wrong place is not quoted by what is reported on the tree.
pub fn parse(name: &str, bytes: &[u8], sink: &mut Sink) -> Option<Tree> {
    let source = text::accept(name, bytes, BYTES_MAX, sink)?;
    let root = syntax::parse(&source, sink)?;
    let value = Arc::new(root.to_value());
    Some(shield::shield_evident(Tree { value, root: Arc::new(root), source }))
}

/// As [`parse`], for a file that may hold secrets by mistake: diagnostics quote keys only. Pass the tree to
/// [`Checker::shield`] before anything else reports on it.
pub fn parse_private(name: &str, bytes: &[u8], sink: &mut Sink) -> Option<Tree> {
    let mut open = Sink::new();
    let tree = parse(name, bytes, &mut open);
    let problems = open.into_sorted();
    // The value of a duplicate key is not in the tree, so that nobody could say later whether it is secret.
    let tree = if problems.is_empty() { tree } else { tree.map(shield::shield_tree) };
    for diagnostic in problems {
        sink.push(shield::shield_diagnostic(diagnostic));
    }
    tree
}

/// The text of a file that is not YAML (a list), under the same rules: size, encoding, control characters.
pub fn accept_text(name: &str, bytes: &[u8], bytes_max: usize, sink: &mut Sink) -> Option<Arc<SourceText>> {
    text::accept(name, bytes, bytes_max, sink)
}

impl Tree {
    /// The whole document.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The file.
    #[must_use]
    pub fn source(&self) -> &Arc<SourceText> {
        &self.source
    }

    /// Place of the value a JSON pointer leads to; of its nearest ancestor if there is none.
    #[must_use]
    pub fn span(&self, pointer: &str) -> Span {
        self.place(self.walk(pointer).0.span.clone())
    }

    /// Place of the key that leads to a value; of the value itself in a list and at the top; of the nearest
    /// ancestor's if there is no such value.
    #[must_use]
    pub fn key_span(&self, pointer: &str) -> Span {
        let (node, key) = self.walk(pointer);
        self.place(key.unwrap_or_else(|| node.span.clone()))
    }

    /// Place of a byte range inside a decoded string: in plain and quoted scalars and in block scalars,
    /// escapes and folded lines included. The whole scalar if the range is not inside it or the string
    /// came through an alias.
    #[must_use]
    pub fn inner(&self, pointer: &str, range: Range<usize>) -> Span {
        let (node, _) = self.walk(pointer);
        let inner = match &node.kind {
            Kind::Text(text) => scalar::locate(&self.source.text, node.span.clone(), text, range),
            Kind::Leaf(_) | Kind::List(_) | Kind::Map(_) => None,
        };
        self.place(inner.unwrap_or_else(|| node.span.clone()))
    }

    /// Writes a text as it has to stand inside the scalar at a pointer, where nothing is but blanks can become
    /// other blanks: line breaks are indented or become blanks. Nothing if it would have to be escaped.
    #[must_use]
    pub fn quoted(&self, pointer: &str, text: &str) -> Option<String> {
        let span = self.walk(pointer).0.span.clone();
        let before = self.source.text.get(..span.start)?;
        let line = before.rsplit('\n').next()?;
        let quote = self.source.text.get(span)?.chars().next()?;
        if matches!(quote, '"' | '\'') && !line.trim().is_empty() && text.contains([quote, '\\']) {
            return None;
        }
        let is_block = line.trim().is_empty();
        Some(text.replace('\n', &if is_block { format!("\n{line}") } else { " ".to_owned() }))
    }

    /// Decodes the document without checking it against a schema.
    ///
    /// # Errors
    ///
    /// What serde says; it stops at the first problem and knows no place. [`Checker::decode`] does better.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(self.value())
    }

    /// Checks the document against a JSON schema once. To check many documents, keep a [`Checker`].
    pub fn check(&self, schema: &Value, sink: &mut Sink) -> bool {
        Checker::new(schema.clone()).check(self, sink)
    }

    /// Starts an error about a value.
    #[must_use]
    pub fn error(&self, code: Code, pointer: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.span(pointer), message)
    }

    /// Makes a place of a range.
    fn place(&self, range: Range<usize>) -> Span {
        Span { source: Arc::clone(&self.source), range }
    }

    /// Follows a pointer as far as it leads; gives the node and the place of its key.
    fn walk(&self, pointer: &str) -> (&Node, Option<Range<usize>>) {
        let mut node = &*self.root;
        let mut key = None;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            match node.child(&step) {
                Some((next, place)) => (node, key) = (next, place),
                None => break,
            }
        }
        (node, key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_to_a_value_its_key_or_the_nearest_there_is() {
        let text = "a:\n  - b: one\n    c/d: two\n";
        let tree = parse("x.yaml", text.as_bytes(), &mut Sink::new()).unwrap();
        let value = |pointer: &str| tree.span(pointer).line_column();
        let key = |pointer: &str| tree.key_span(pointer).line_column();
        assert_eq!((value("/a/0/b"), key("/a/0/b")), ((2, 8), (2, 5)));
        assert_eq!((value("/a/0/c~1d"), key("/a/0/c~1d")), ((3, 10), (3, 5)));
        assert_eq!((value("/a/0"), key("/a/0")), ((2, 5), (2, 5)));
        assert_eq!((value("/a/0/b/none"), key("/a/7/b")), ((2, 8), (1, 1)));
        assert_eq!((value(""), key("")), ((1, 1), (1, 1)));
    }

    #[test]
    fn only_the_strict_reading_of_yaml_counts() {
        let text = "a: yes\nb: true\nc: ~\nd: 0x1F\ne: 1_0\nf: 1e3\ng: 2026-01-01\nh: .5\ni: \"1\"\nj: 010\n";
        let tree = parse("x.yaml", text.as_bytes(), &mut Sink::new()).unwrap();
        let expect = serde_json::json!({
            "a": "yes", "b": true, "c": null, "d": 31, "e": 10, "f": 1000, "g": "2026-01-01", "h": 0.5,
            "i": "1", "j": 10
        });
        assert_eq!(tree.value(), &expect);
    }

    #[test]
    fn a_few_aliases_are_allowed() {
        let text = "x: &list [a, b]\ny: *list\n";
        let tree = parse("x.yaml", text.as_bytes(), &mut Sink::new()).unwrap();
        assert_eq!(tree.value()["y"], serde_json::json!(["a", "b"]));
        assert_eq!(tree.span("/y/1").line_column(), (2, 4));
    }
}
