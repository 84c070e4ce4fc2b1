#![doc = include_str!("../README.md")]

// Layer 0: words.
pub mod diagnostic;
pub mod text;
pub mod types;

// Layer 2: the tree.
pub mod syntax;
