//! Any file is accepted, or refused with places in it.

#![no_main]

#[path = "../../tests/bad_input/problems.rs"]
mod problems;
#[expect(dead_code, reason = "the target has some of the readers")]
#[path = "../../tests/hostile/reader.rs"]
mod reader;
#[path = "../../tests/fuzz/loader.rs"]
mod loader;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loader::check(bytes));
