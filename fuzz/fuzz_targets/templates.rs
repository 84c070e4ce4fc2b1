//! Any text renders or not, and shows what it names.

#![no_main]

#[path = "../../tests/fuzz/templates.rs"]
mod templates;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| templates::check(bytes));
