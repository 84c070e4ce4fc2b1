//! What queries mean: columns of results, errors and their places, lints and their fixes.

mod columns;
mod harm;
mod lints;
#[path = "../front_end/mutation.rs"]
mod mutation;
mod parameters;
mod problems;
