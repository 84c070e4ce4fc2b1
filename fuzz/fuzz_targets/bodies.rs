//! Whatever a tenant answers is read, or refused in words that can be shown.

#![no_main]

#[expect(dead_code, reason = "nobody asks how long the waits were")]
#[path = "../../tests/tenant/eager.rs"]
mod eager;
#[expect(dead_code, reason = "the target has some of the readers")]
#[path = "../../tests/hostile/reader.rs"]
mod reader;
#[path = "../../tests/fuzz/bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::check(bytes));
