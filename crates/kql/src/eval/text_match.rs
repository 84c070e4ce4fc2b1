//! `has`, `contains`, `startswith` and the other relations between texts.
//!
//! Letters fold one by one, without tables of a language: `É` and `é` are the same letter, `ß` and
//! `ss` are not. A term is a run of letters and digits; an underscore ends it.

use std::sync::Arc;

use regex::Regex;

use super::EvalError;
use super::scalar::Memo;
use crate::plan::TextMatch;

/// A pattern made ready for many texts.
#[derive(Debug)]
pub(super) struct Matcher {
    relation: TextMatch,
    pattern: String,
    /// The pattern in lower case, for relations that ignore case.
    folded: String,
    regex: Option<Arc<Regex>>,
}

/// Which ends of a match must be ends of a term.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Both,
    Start,
    End,
    None,
}

impl Matcher {
    /// Prepares a pattern; refused if it is not a regular expression where one is needed.
    pub(super) fn new(relation: TextMatch, pattern: &str, memo: &Memo) -> Result<Self, EvalError> {
        let regex = match relation {
            TextMatch::Regex => Some(memo.regex(pattern)),
            TextMatch::Like => Some(memo.regex(&wildcards(pattern, "(?is)"))),
            TextMatch::LikeCase => Some(memo.regex(&wildcards(pattern, "(?s)"))),
            _ => None,
        };
        let regex = match regex {
            Some(None) => {
                return Err(EvalError::refused(format!("`{pattern}` is not a regular expression")));
            }
            Some(regex) => regex,
            None => None,
        };
        Ok(Self { relation, pattern: pattern.to_owned(), folded: fold(pattern), regex })
    }

    /// Whether the relation holds for a text.
    pub(super) fn matches(&self, text: &str) -> bool {
        match self.relation {
            TextMatch::EqualIgnoreCase => equal_folded(text, &self.folded),
            TextMatch::Contains => self.find(text, Ends::None),
            TextMatch::ContainsCase => text.contains(&self.pattern),
            TextMatch::StartsWith => starts_folded(text, &self.folded),
            TextMatch::StartsWithCase => text.starts_with(&self.pattern),
            TextMatch::EndsWith => ends_folded(text, &self.folded),
            TextMatch::EndsWithCase => text.ends_with(&self.pattern),
            TextMatch::Has => self.find(text, Ends::Both),
            TextMatch::HasPrefix => self.find(text, Ends::Start),
            TextMatch::HasSuffix => self.find(text, Ends::End),
            TextMatch::HasCase => find_term(text, &self.pattern, Ends::Both),
            TextMatch::HasPrefixCase => find_term(text, &self.pattern, Ends::Start),
            TextMatch::HasSuffixCase => find_term(text, &self.pattern, Ends::End),
            TextMatch::Regex | TextMatch::Like | TextMatch::LikeCase => {
                self.regex.as_ref().is_some_and(|regex| regex.is_match(text))
            }
        }
    }

    fn find(&self, text: &str, ends: Ends) -> bool {
        if self.folded.is_ascii() {
            return find_ascii(text, self.folded.as_bytes(), ends);
        }
        find_term(&fold(text), &self.folded, ends)
    }
}

/// Finds one of the terms of a text as `has` does, and returns whether it is there.
pub(super) fn has_term(text: &str, term: &str) -> bool {
    let folded = fold(term);
    if folded.is_ascii() {
        return find_ascii(text, folded.as_bytes(), Ends::Both);
    }
    find_term(&fold(text), &folded, Ends::Both)
}

/// Returns a text with each letter in lower case, as comparisons that ignore case see it.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().map(fold_letter).collect()
}

fn fold_letter(letter: char) -> char {
    let mut lower = letter.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(single), None) => single,
        _ => letter,
    }
}

fn equal_folded(text: &str, folded: &str) -> bool {
    if folded.is_ascii() {
        return text.eq_ignore_ascii_case(folded);
    }
    text.chars().map(fold_letter).eq(folded.chars())
}

fn starts_folded(text: &str, folded: &str) -> bool {
    if folded.is_ascii() {
        let start = text.as_bytes().get(..folded.len());
        return start.is_some_and(|start| start.eq_ignore_ascii_case(folded.as_bytes()));
    }
    fold(text).starts_with(folded)
}

fn ends_folded(text: &str, folded: &str) -> bool {
    if folded.is_ascii() {
        let end = text.len().checked_sub(folded.len()).and_then(|start| text.as_bytes().get(start..));
        return end.is_some_and(|end| end.eq_ignore_ascii_case(folded.as_bytes()));
    }
    fold(text).ends_with(folded)
}

/// Looks for a pattern of ASCII letters in lower case.
fn find_ascii(text: &str, pattern: &[u8], ends: Ends) -> bool {
    let Some(first) = pattern.first().copied() else { return true };
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(rest) = bytes.get(from..) {
        let Some(offset) = memchr::memchr2(first, first.to_ascii_uppercase(), rest) else { return false };
        let start = from + offset;
        let Some(candidate) = bytes.get(start..start + pattern.len()) else { return false };
        if candidate.eq_ignore_ascii_case(pattern) && fits(text, start, start + pattern.len(), ends) {
            return true;
        }
        from = start + 1;
    }
    false
}

fn find_term(text: &str, pattern: &str, ends: Ends) -> bool {
    if pattern.is_empty() {
        return true;
    }
    let mut from = 0;
    while let Some(offset) = text.get(from..).and_then(|rest| rest.find(pattern)) {
        let start = from + offset;
        if fits(text, start, start + pattern.len(), ends) {
            return true;
        }
        from = start + pattern.chars().next().map_or(1, char::len_utf8);
    }
    false
}

/// Whether a match is not the middle of a longer term.
fn fits(text: &str, start: usize, end: usize, ends: Ends) -> bool {
    let in_term = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let before = || in_term(text.get(..start).and_then(|part| part.chars().next_back()));
    let first = || in_term(text.get(start..).and_then(|part| part.chars().next()));
    let last = || in_term(text.get(..end).and_then(|part| part.chars().next_back()));
    let after = || in_term(text.get(end..).and_then(|part| part.chars().next()));
    let cut_start = || before() && first();
    let cut_end = || after() && last();
    match ends {
        Ends::Both => !cut_start() && !cut_end(),
        Ends::Start => !cut_start(),
        Ends::End => !cut_end(),
        Ends::None => true,
    }
}

/// Turns `%` into anything and `_` into one character.
fn wildcards(pattern: &str, flags: &str) -> String {
    let mut regex = format!("{flags}^");
    for character in pattern.chars() {
        match character {
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            other => regex.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push('$');
    regex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(relation: TextMatch, pattern: &str, yes: &[&str], no: &[&str]) {
        let matcher = Matcher::new(relation, pattern, &Memo::default()).unwrap();
        for text in yes {
            assert!(matcher.matches(text), "{text} should match {pattern}");
        }
        for text in no {
            assert!(!matcher.matches(text), "{text} should not match {pattern}");
        }
    }

    #[test]
    fn terms_end_where_letters_and_digits_end() {
        check(
            TextMatch::Has,
            "alpha",
            &["alpha-beta", "alpha_beta", "ALPHA beta", "x.alpha"],
            &["alphabeta", "xalpha", ""],
        );
        check(TextMatch::Has, "2.3", &["1.2.3", "2.3-rc"], &["1_2_3", "12.3", "2.34"]);
        check(TextMatch::Has, "o", &[], &["Hello World"]);
        check(TextMatch::Has, "", &["a", ""], &[]);
        check(TextMatch::Has, "café", &["CAFÉ RÉSUMÉ", "café"], &["cafe", "cafés"]);
        check(TextMatch::Has, "/c ", &["cmd /c dir"], &[]);
        check(TextMatch::Has, "ab ab", &["xab ab ab"], &["xab ab"]);
        check(TextMatch::HasCase, "Quick", &["The.Quick.Brown"], &["quick brown"]);
        check(TextMatch::HasPrefix, "hello", &["Hello World", "say hello2"], &["ohello"]);
        check(TextMatch::HasSuffix, "test", &["a test b", "mytest"], &["tests"]);
    }

    #[test]
    fn case_is_folded_letter_by_letter() {
        check(TextMatch::EqualIgnoreCase, "café", &["CAFÉ", "Café"], &["cafe", "cafe\u{301}"]);
        check(TextMatch::EqualIgnoreCase, "straße", &["Straße"], &["STRASSE"]);
        check(TextMatch::Contains, "MIXED", &["a mixed b"], &["mix ed"]);
        check(TextMatch::StartsWith, "É", &["éa"], &["e"]);
        check(TextMatch::EndsWith, "ÉÉ", &["aéé"], &["é"]);
        check(TextMatch::StartsWithCase, "a", &["ab"], &["Ab"]);
    }

    #[test]
    fn patterns_are_regular_expressions_or_wildcards() {
        check(TextMatch::Regex, r"^\d{4}-\d{2}$", &["2020-01"], &["x2020-01"]);
        check(TextMatch::Like, "a%_c", &["AxxbC", "abc"], &["ac"]);
        assert!(Matcher::new(TextMatch::Regex, "(", &Memo::default()).is_err());
    }
}
