//! No damage to a journal makes it forget in silence what was done.

#![no_main]

#[expect(dead_code, reason = "the target puts few things into a journal")]
#[path = "../../tests/store/bench.rs"]
mod bench;
#[path = "../../tests/fuzz/journal.rs"]
mod journal;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| journal::check(bytes));
