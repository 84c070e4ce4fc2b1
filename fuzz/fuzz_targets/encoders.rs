//! No text is more than text to any of its readers.

#![no_main]

#[expect(dead_code, reason = "nobody asks how long the waits were")]
#[path = "../../tests/tenant/eager.rs"]
mod eager;
#[path = "../../tests/hostile/reader.rs"]
mod reader;
#[path = "../../tests/fuzz/encoders.rs"]
mod encoders;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| encoders::check(bytes));
