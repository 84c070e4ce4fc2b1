//! Shortens text that is too long for a sink, so that the reader sees that something is missing.

use std::borrow::Cow;

/// Shortens `text` until `cost` of it is at most `budget`, by whole lines if a whole line fits.
///
/// What is left out is named at the end: `… 123 more lines`, or, inside the only line that fits,
/// `… 4567 more characters`. `cost` measures the encoded text (bytes or characters, as the sink counts)
/// and must be at least the number of characters. A budget too small for the note gives an empty text.
#[must_use]
pub fn fit(text: &str, budget: usize, cost: impl Fn(&str) -> usize) -> Cow<'_, str> {
    if cost_is_within(text, budget, &cost) {
        return Cow::Borrowed(text);
    }
    let ends = line_ends(text, budget);
    let total = text.lines().count();
    let by_lines = |kept: usize| -> String {
        let head = kept.checked_sub(1).and_then(|last| ends.get(last)).and_then(|end| text.get(..*end));
        let missing = total.saturating_sub(kept);
        format!("{}\n… {missing} more {}", head.unwrap_or_default(), noun(missing, "line"))
    };
    let kept = largest(ends.len(), |kept| cost(&by_lines(kept)) <= budget);
    if kept > 0 {
        return Cow::Owned(by_lines(kept));
    }
    Cow::Owned(cut_first_line(text, budget, &cost))
}

/// Shortens one line: at most `budget` by `cost`, an ellipsis at the end if anything is missing.
pub(super) fn fit_line(text: &str, budget: usize, cost: impl Fn(&str) -> usize) -> Cow<'_, str> {
    if cost_is_within(text, budget, &cost) {
        return Cow::Borrowed(text);
    }
    let head = |kept: usize| -> String { text.chars().take(kept).chain(['…']).collect() };
    let kept = largest(budget, |kept| cost(&head(kept)) <= budget);
    Cow::Owned(if cost(&head(kept)) <= budget { head(kept) } else { String::new() })
}

/// Whether the text fits, without encoding one that is far too long.
fn cost_is_within(text: &str, budget: usize, cost: &impl Fn(&str) -> usize) -> bool {
    reach(text, budget) == text.len() && cost(text) <= budget
}

/// Where the text must end at the latest: one character costs one unit at least.
fn reach(text: &str, budget: usize) -> usize {
    text.char_indices().nth(budget).map_or(text.len(), |(at, _next)| at)
}

/// Byte offsets where lines end, as far as they can fit into `budget` units.
fn line_ends(text: &str, budget: usize) -> Vec<usize> {
    let head = text.get(..reach(text, budget)).unwrap_or_default();
    head.match_indices('\n').map(|(at, _newline)| at).collect()
}

/// Cuts inside the first line and says how many characters (of the whole text) are missing.
fn cut_first_line(text: &str, budget: usize, cost: &impl Fn(&str) -> usize) -> String {
    let total = text.chars().count();
    let first = text.split('\n').next().unwrap_or_default();
    let head = |kept: usize| -> String {
        let missing = total.saturating_sub(kept);
        let head: String = first.chars().take(kept).collect();
        format!("{head}… {missing} more {}", noun(missing, "character"))
    };
    let kept = largest(budget.min(first.chars().count()), |kept| cost(&head(kept)) <= budget);
    let result = head(kept);
    if cost(&result) <= budget { result } else { String::new() }
}

/// The largest number up to `max` that fits; 0 if none does. `fits` must be monotone.
fn largest(max: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, max);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// The noun in the number that goes with `count`.
fn noun(count: usize, singular: &'static str) -> Cow<'static, str> {
    if count == 1 { Cow::Borrowed(singular) } else { Cow::Owned(format!("{singular}s")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, budget: usize, expect: &str) {
        assert_eq!(fit(text, budget, str::len), expect);
    }

    #[test]
    fn text_that_fits_stays() {
        check("", 0, "");
        check("one\ntwo", 7, "one\ntwo");
    }

    #[test]
    fn whole_lines_go_first_and_are_counted() {
        check("aaaa\nbbbb\ncccc\ndddd\neeee\n", 24, "aaaa\n… 4 more lines");
        let many = (0..200).map(|n| format!("row {n}\n")).collect::<Vec<_>>().concat();
        let cut = fit(&many, 100, str::len);
        assert!(cut.ends_with("\nrow 12\n… 187 more lines"), "{cut}");
        assert!(cut.starts_with("row 0\nrow 1\n"));
    }

    #[test]
    fn a_single_long_line_loses_its_end() {
        check(&"x".repeat(1_000), 40, &format!("{}… 983 more characters", "x".repeat(17)));
    }

    #[test]
    fn a_budget_too_small_for_the_note_leaves_nothing() {
        check("a long line\nand another", 3, "");
    }

    #[test]
    fn a_title_ends_in_an_ellipsis() {
        let chars = |text: &str| text.chars().count();
        assert_eq!(fit_line("äöüäöü", 4, chars), "äöü…");
        assert_eq!(fit_line("äöü", 3, chars), "äöü");
        assert_eq!(fit_line("äöü", 0, chars), "");
    }

    proptest! {
        #[test]
        fn the_result_always_fits(text in "(?s).{0,200}", budget in 0_usize..120) {
            let cost = |text: &str| text.replace('<', "&lt;").len();
            prop_assert!(cost(&fit(&text, budget, cost)) <= budget);
            prop_assert!(cost(&fit_line(&text, budget, cost)) <= budget);
        }
    }
}
