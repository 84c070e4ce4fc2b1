//! Looking into texts, and what is true of them.

use super::{Args, Call, Kernel};
use crate::eval::text_match::has_term;
use crate::value::{Value, to_text};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "strcmp" => |_, args| Value::from(i64::from(args.text(0).cmp(&args.text(1)) as i8)),
        "indexof" => indexof,
        "indexof_regex" => indexof_regex,
        "countof" => countof,
        "has_any_index" => has_any_index,
        "isempty" => |_, args| Value::from(args.get(0).is_empty()),
        "isnotempty" => |_, args| Value::from(!args.get(0).is_empty()),
        "isnull" => |_, args| Value::from(args.get(0).is_null()),
        "isnotnull" => |_, args| Value::from(!args.get(0).is_null()),
        "isascii" => |_, args| Value::from(args.text(0).is_ascii()),
        "isutf8" => |_, _| Value::from(true),
        _ => return None,
    })
}

/// The part of a text that is searched.
struct Range {
    /// Characters before it.
    skipped: usize,
    /// Characters in it.
    length: usize,
}

/// Reads start and length; nothing if they make no sense.
fn range(args: &Args<'_>, characters: usize, negative: Negative) -> Option<Range> {
    let start = args.long_or(2, 0);
    let length = args.long_or(3, -1);
    let skipped = if start >= 0 {
        usize::try_from(start).ok()?
    } else if negative == Negative::FromEnd {
        characters.saturating_sub(usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX))
    } else {
        return None;
    };
    let left = characters.saturating_sub(skipped);
    match length {
        -1 => Some(Range { skipped, length: left }),
        length => Some(Range { skipped, length: usize::try_from(length).ok()?.min(left) }),
    }
}

/// What a start below zero means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Negative {
    FromEnd,
    Wrong,
}

fn occurrence(args: &Args<'_>) -> Option<usize> {
    usize::try_from(args.long_or(4, 1)).ok().filter(|occurrence| *occurrence > 0)
}

/// Returns the place of a match, or -1.
fn place(found: Option<usize>, text: &str, skipped: usize) -> Value {
    let characters = found.and_then(|bytes| text.get(..bytes)).map(|before| before.chars().count() + skipped);
    Value::from(characters.and_then(|place| i64::try_from(place).ok()).unwrap_or(-1))
}

fn part(text: &str, range: &Range) -> String {
    text.chars().skip(range.skipped).take(range.length).collect()
}

fn indexof(_: &Call<'_>, args: &Args<'_>) -> Value {
    let (text, wanted) = (args.text(0), args.text(1));
    let range = range(args, text.chars().count(), Negative::FromEnd);
    let (Some(range), Some(occurrence)) = (range, occurrence(args)) else { return Value::Long(None) };
    let part = part(&text, &range);
    let mut starts = (0..=part.len())
        .filter(|start| part.get(*start..).is_some_and(|rest| rest.starts_with(wanted.as_ref())));
    place(starts.nth(occurrence - 1), &part, range.skipped)
}

fn indexof_regex(call: &Call<'_>, args: &Args<'_>) -> Value {
    let text = args.text(0);
    let range = range(args, text.chars().count(), Negative::Wrong);
    let (Some(range), Some(occurrence)) = (range, occurrence(args)) else { return Value::Long(None) };
    let Some(regex) = call.memo.regex(&args.text(1)) else { return Value::Long(None) };
    let part = part(&text, &range);
    let found = regex.find_iter(&part).nth(occurrence - 1).map(|found| found.start());
    place(found, &part, range.skipped)
}

/// Matches of plain text may overlap, those of expressions may not.
fn countof(call: &Call<'_>, args: &Args<'_>) -> Value {
    let (text, wanted) = (args.text(0), args.text(1));
    let count = if args.text(2).eq_ignore_ascii_case("regex") {
        let Some(regex) = call.memo.regex(&wanted) else { return Value::Long(None) };
        regex.find_iter(&text).filter(|found| !found.is_empty()).count()
    } else if wanted.is_empty() {
        0
    } else {
        (0..text.len())
            .filter(|start| text.get(*start..).is_some_and(|rest| rest.starts_with(wanted.as_ref())))
            .count()
    };
    Value::Long(i64::try_from(count).ok())
}

fn has_any_index(_: &Call<'_>, args: &Args<'_>) -> Value {
    let text = args.text(0);
    let terms = args.array(1).unwrap_or_default();
    let found = terms.iter().position(|term| has_term(&text, &to_text(&Value::Dynamic(term.clone()))));
    Value::from(found.and_then(|place| i64::try_from(place).ok()).unwrap_or(-1))
}
