//! What queries mean: columns of results, errors and their places, lints and their fixes.

#![expect(clippy::panic, reason = "a helper that panics fails its test")]

mod columns;
mod harm;
mod lints;
#[path = "../front_end/mutation.rs"]
mod mutation;
mod problems;
