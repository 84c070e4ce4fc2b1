//! Functions that take regular expressions.

use super::args::text_or_empty;
use super::{Args, Call, Kernel};
use crate::types::ScalarType;
use crate::value::{Dynamic, Value, to_long};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "extract" => extract,
        "extract_all" => extract_all,
        "replace_regex" => |call, args| replace(call, (&args.text(1), &args.text(2)), &args.text(0)),
        "replace" => |call, args| replace(call, (&args.text(0), &args.text(1)), &args.text(2)),
        "trim" => |call, args| trim(call, args, Side::Both),
        "trim_start" => |call, args| trim(call, args, Side::Start),
        "trim_end" => |call, args| trim(call, args, Side::End),
        "regex_quote" => |_, args| Value::text(regex::escape(&args.text(0))),
        _ => return None,
    })
}

fn extract(call: &Call<'_>, args: &Args<'_>) -> Value {
    let text = args.text(2);
    let group = args.long(1).and_then(|group| usize::try_from(group).ok());
    let found = call.memo.regex(&args.text(0)).and_then(|regex| {
        let captures = regex.captures(&text)?;
        Some(captures.get(group?)?.as_str().to_owned())
    });
    text_or_empty(found)
}

/// One group gives its texts, several groups give an array for each match.
fn extract_all(call: &Call<'_>, args: &Args<'_>) -> Value {
    let with_groups = args.len() > 2;
    let text = args.text(if with_groups { 2 } else { 1 });
    let Some(regex) = call.memo.regex(&args.text(0)) else { return Value::Dynamic(Dynamic::Null) };
    let groups: Vec<usize> = match args.array(1) {
        Some(wanted) if with_groups => {
            let place = |item: &Dynamic| match item {
                Dynamic::String(name) => regex.capture_names().position(|known| known == Some(name)),
                other => {
                    to_long(&Value::Dynamic(other.clone())).and_then(|group| usize::try_from(group).ok())
                }
            };
            wanted.iter().filter_map(place).collect()
        }
        _ if regex.captures_len() == 1 => vec![0],
        _ => (1..regex.captures_len()).collect(),
    };
    let one_match = |captures: regex::Captures<'_>| {
        let texts =
            groups.iter().map(|group| Dynamic::text(captures.get(*group).map_or("", |found| found.as_str())));
        let mut texts: Vec<Dynamic> = texts.collect();
        if texts.len() == 1 { texts.pop().unwrap_or_default() } else { Dynamic::array(texts) }
    };
    let all: Vec<Dynamic> = regex.captures_iter(&text).map(one_match).collect();
    Value::Dynamic(if all.is_empty() { Dynamic::Null } else { Dynamic::array(all) })
}

fn replace(call: &Call<'_>, rule: (&str, &str), text: &str) -> Value {
    let Some(regex) = call.memo.regex(rule.0) else { return Value::null(ScalarType::String) };
    let rewrite = rewrite(rule.1);
    Value::text(regex.replace_all(text, rewrite.as_str()).into_owned())
}

/// Turns `\1` into a group and doubles dollar signs.
fn rewrite(template: &str) -> String {
    let mut result = String::new();
    let mut characters = template.chars();
    while let Some(character) = characters.next() {
        match character {
            '$' => result.push_str("$$"),
            '\\' => match characters.next() {
                Some(digit) if digit.is_ascii_digit() => {
                    result.push_str("${");
                    result.push(digit);
                    result.push('}');
                }
                Some('$') => result.push_str("$$"),
                Some(other) => result.push(other),
                None => result.push('\\'),
            },
            other => result.push(other),
        }
    }
    result
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Start,
    End,
    Both,
}

/// Cuts one match off at the start, at the end, or both.
fn trim(call: &Call<'_>, args: &Args<'_>, side: Side) -> Value {
    let (pattern, text) = (args.text(0), args.text(1));
    let mut rest = text.as_ref();
    if side != Side::End
        && let Some(regex) = call.memo.regex(&format!("^(?:{pattern})"))
        && let Some(found) = regex.find(rest)
    {
        rest = rest.get(found.end()..).unwrap_or("");
    }
    if side != Side::Start
        && let Some(regex) = call.memo.regex(&format!("(?:{pattern})$"))
        && let Some(found) = regex.find(rest)
    {
        rest = rest.get(..found.start()).unwrap_or("");
    }
    Value::from(rest)
}
