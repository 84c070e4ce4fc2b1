//! What each code means, why it matters and how it is mended, for `huntbook explain`.

use super::Code;

/// A part for each code: `# HB0101`, words, and an example that is wrong and mended. `tests/explain.rs` tries the
/// examples.
const TEXTS: [&str; 2] = [include_str!("explain.md"), include_str!("explain_kql.md")];

impl Code {
    /// What it means, why it matters, and an example, wrong and mended; `None` for a code that does not exist.
    #[must_use]
    pub fn explanation(self) -> Option<&'static str> {
        explanations().find(|(code, _text)| *code == self.as_str()).map(|(_code, text)| text)
    }
}

/// The codes that are explained, and their texts.
fn explanations() -> impl Iterator<Item = (&'static str, &'static str)> {
    let parts = TEXTS.into_iter().flat_map(|text| text.split("\n# "));
    let parts = parts.map(|part| part.strip_prefix("# ").unwrap_or(part));
    parts.filter_map(|part| part.split_once('\n')).map(|(code, text)| (code.trim(), text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_text_and_every_text_a_code() {
        let codes: Vec<String> = Code::ALL.iter().map(|code| code.as_str().into_owned()).collect();
        let own = explanations().map(|(code, _text)| code).filter(|code| !code.starts_with("KQL"));
        assert_eq!(own.collect::<Vec<_>>(), codes);
        for (code, text) in explanations() {
            for part in ["What is wrong: ", "\n\nWhy it ", "\n\nWrong, ", "\n\nMended:\n\n    "] {
                assert_eq!(text.matches(part).count(), 1, "{code}: {part}");
            }
            assert!(text.lines().all(|line| line.chars().count() <= 120), "{code}");
        }
    }
}
