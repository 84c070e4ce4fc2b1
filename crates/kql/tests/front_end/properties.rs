//! What holds for every text: nothing panics, every place is in the text, and the formatter changes
//! nothing but the layout.
//!
//! The seeded loops here are short. The long run is `cargo run --release -p huntbook-kql --example
//! fuzz`; the coverage-guided one is in `fuzz/`.

use proptest::prelude::*;

use crate::checks::{check_formatter, check_lexer, check_parser};
use crate::mutation::{Dice, LANGUAGE, mutated};

/// Enough to reach every form of the fixture several times, in about a second unoptimised.
const MUTATIONS: u64 = 500;

#[test]
fn nearly_right_queries_do_no_harm() {
    for seed in 0..MUTATIONS {
        let text = mutated(&mut Dice::new(seed));
        check_lexer(&text);
        check_parser(&text);
        check_formatter(&text);
    }
}

#[test]
fn every_beginning_of_the_language_does_no_harm() {
    let text = LANGUAGE;
    for (at, _) in text.char_indices().step_by(7) {
        check_parser(text.get(at.saturating_sub(400)..at).unwrap_or_default());
    }
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let deep = 20_000;
    let texts = [
        "(".repeat(deep),
        "f(".repeat(deep),
        "a[".repeat(deep),
        "-".repeat(deep),
        "dynamic(".to_owned() + &"[".repeat(deep),
        "dynamic(".to_owned() + &"{\"a\":".repeat(deep),
        "T | join (".repeat(deep),
        "T | ".to_owned() + &"mv-apply a on (".repeat(deep),
        "let f = () {".repeat(deep),
        "x".to_owned() + &".a".repeat(deep),
        "x".to_owned() + &"[0]".repeat(deep),
        "1".to_owned() + &" + 1".repeat(deep),
        "1".to_owned() + &" == 1".repeat(deep),
        "(1 + ".repeat(deep),
        "x in (".repeat(deep),
        "T | ".to_owned() + &"partition by a (".repeat(deep),
        "T | ".to_owned() + &"fork (".repeat(deep),
        "macro-expand g as x (".repeat(deep),
        "T | ".to_owned() + &"facet by a with (".repeat(deep),
    ];
    for text in texts {
        let parsed = check_parser(&text);
        let found = parsed.diagnostics.iter().any(|diagnostic| diagnostic.code == kql::parse::TOO_DEEP);
        assert!(found, "{:.40} is not refused: {:?}", text, parsed.diagnostics.first());
    }
}

#[test]
fn long_chains_of_and_and_or_are_not_deep() {
    let mut text = "T | where a == 0".to_owned();
    for n in 1..5_000 {
        text.push_str(if n % 3 == 0 { " and " } else { " or " });
        text.push_str("b.c has \"x\"");
    }
    assert_eq!(check_parser(&text).diagnostics, []);
}

proptest! {
    #[test]
    fn any_text_does_no_harm(text in "\\PC{0,80}") {
        check_lexer(&text);
        check_parser(&text);
        check_formatter(&text);
    }

    #[test]
    fn any_ascii_does_no_harm(text in "[ -~\n]{0,200}") {
        check_lexer(&text);
        check_parser(&text);
        check_formatter(&text);
    }

    #[test]
    fn any_words_and_signs_do_no_harm(text in "(T|a|b\\.c|\"s\"|1d?|\\(|\\)|\\[|\\]|\\{|\\}|[|;,=:*+-]|where|extend|by|on|let|and|in|// c\n| |\n){0,60}") {
        check_parser(&text);
        check_formatter(&text);
    }
}
