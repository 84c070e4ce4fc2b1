//! Any text that binds runs to an end.

#![no_main]

#[path = "../../tests/running/check.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|text: &str| {
    check::check_evaluator(text);
});
