#![doc = include_str!("../README.md")]

// Layer 0: words.
pub mod diagnostic;
pub mod text;
pub mod types;
pub mod value;

// Layer 1: tokens and tables of facts.
pub mod catalogue;
pub mod lex;
pub mod schema;

// Layer 2: the tree.
pub mod syntax;

// Layer 3: from text to tree, and what a tree comes to mean.
pub mod parse;
pub mod plan;

// Layer 4: from tree to meaning, and back to text.
pub mod bind;
pub mod format;

// Layer 5: doing it, and what follows from the meaning.
pub mod eval;
pub mod lint;
