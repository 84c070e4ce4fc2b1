//! No order of events lets an effect go twice.

#![no_main]

#[expect(dead_code, reason = "the target puts few things into a journal")]
#[path = "../../tests/store/bench.rs"]
mod bench;
#[path = "../../tests/fuzz/machine.rs"]
mod machine;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| machine::check(bytes));
