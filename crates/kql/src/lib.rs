#![doc = include_str!("../README.md")]

// Layer 0: words.
pub mod diagnostic;
pub mod text;
pub mod types;

// Layer 1: tokens and tables of facts.
pub mod lex;

// Layer 2: the tree.
pub mod syntax;
