//! The front-end as its callers see it: text in; tree, errors and layout out.

#![expect(clippy::panic, reason = "a helper that panics fails its test")]

mod checks;
mod format;
mod mutation;
mod parameters;
mod parse;
mod properties;
