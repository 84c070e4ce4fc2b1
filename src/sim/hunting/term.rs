//! How texts are looked for in texts.

use super::syntax::{Case, How};

/// Whether `needle` is in `text` in the way asked for.
pub(crate) fn matches(text: &str, needle: &str, how: How, case: Case) -> bool {
    match case {
        Case::Keep => holds(text, needle, how),
        Case::Fold => holds(&text.to_lowercase(), &needle.to_lowercase(), how),
    }
}

fn holds(text: &str, needle: &str, how: How) -> bool {
    match how {
        How::Equal => text == needle,
        How::Contains => text.contains(needle),
        How::StartsWith => text.starts_with(needle),
        How::EndsWith => text.ends_with(needle),
        How::Has => has(text, needle, Edge::Term, Edge::Term),
        How::HasPrefix => has(text, needle, Edge::Term, Edge::Any),
        How::HasSuffix => has(text, needle, Edge::Any, Edge::Term),
        How::Regex => false,
    }
}

/// What a match must touch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// The border of a term.
    Term,
    Any,
}

/// A term is a run of letters and digits; everything else, `_` included, separates terms.
fn has(text: &str, needle: &str, before: Edge, after: Edge) -> bool {
    let starts_in_term = needle.chars().next().is_some_and(char::is_alphanumeric);
    let ends_in_term = needle.chars().next_back().is_some_and(char::is_alphanumeric);
    text.match_indices(needle).any(|(at, found)| {
        let left = text.get(..at).and_then(|head| head.chars().next_back());
        let right = text.get(at + found.len()..).and_then(|tail| tail.chars().next());
        let left_free = !starts_in_term || !left.is_some_and(char::is_alphanumeric);
        let right_free = !ends_in_term || !right.is_some_and(char::is_alphanumeric);
        (before == Edge::Any || left_free) && (after == Edge::Any || right_free)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_matches_whole_terms() {
        for (text, needle, expected) in [
            ("alpha_beta", "alpha", true),
            ("1.2.3", "2.3", true),
            ("Hello World", "o", false),
            ("Hello World", "WORLD", true),
            ("psexec.exe -accepteula", "accepteula", true),
            ("-accepteulas", "accepteula", false),
            ("xx-enc yy", "-enc", true),
            ("aab ab", "ab", true),
            ("größe", "größe", true),
        ] {
            assert_eq!(matches(text, needle, How::Has, Case::Fold), expected, "{text} has {needle}");
        }
        assert!(!matches("Hello", "hello", How::Has, Case::Keep));
        assert!(matches("powershell", "power", How::HasPrefix, Case::Fold));
        assert!(!matches("powershell", "shell", How::HasPrefix, Case::Fold));
        assert!(matches("powershell", "shell", How::HasSuffix, Case::Fold));
    }
}
