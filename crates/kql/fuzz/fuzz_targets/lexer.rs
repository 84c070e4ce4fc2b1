//! Any text goes through the lexer without harm.

#![no_main]

#[expect(dead_code, reason = "each target uses one of the checks")]
#[path = "../../tests/front_end/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|text: &str| {
    checks::check_lexer(text);
});
