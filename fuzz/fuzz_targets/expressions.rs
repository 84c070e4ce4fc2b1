//! Any condition compiles or not, and has one answer.

#![no_main]

#[path = "../../tests/fuzz/expressions.rs"]
mod expressions;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| expressions::check(bytes));
