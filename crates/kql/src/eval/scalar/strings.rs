//! Making and changing texts. Positions and lengths count characters.

use std::sync::Arc;

use super::args::text_or_empty;
use super::{Args, Call, Kernel};
use crate::types::ScalarType;
use crate::value::{Dynamic, Value, to_long, to_text};

/// The longest text a function makes: 1 MB, as in the service.
const BYTES_MAX: usize = 1 << 20;

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "strcat" => strcat,
        "strcat_array" => strcat_array,
        "strcat_delim" => strcat_delim,
        "strrep" => strrep,
        "strlen" => |_, args| count(args.text(0).chars().count()),
        "string_size" => |_, args| count(args.text(0).len()),
        "toupper" => |_, args| letters(&args.text(0), upper),
        "tolower" => |_, args| letters(&args.text(0), lower),
        "substring" => substring,
        "reverse" => |_, args| Value::text(args.text(0).chars().rev().collect::<String>()),
        "split" => split,
        "replace_string" => replace_string,
        "replace_strings" => replace_strings,
        "translate" => translate,
        "unicode_codepoints_from_string" => codepoints,
        "unicode_codepoints_to_string" => from_codepoints,
        "tohex" => tohex,
        "parse_command_line" => parse_command_line,
        _ => return None,
    })
}

fn count(number: usize) -> Value {
    Value::Long(i64::try_from(number).ok())
}

fn strcat(_: &Call<'_>, args: &Args<'_>) -> Value {
    let mut text = String::new();
    for value in args.all() {
        text.push_str(&to_text(value));
    }
    Value::text(text)
}

fn strcat_array(_: &Call<'_>, args: &Args<'_>) -> Value {
    let Some(items) = args.array(0) else { return Value::null(ScalarType::String) };
    let texts: Vec<Arc<str>> = items.iter().map(|item| to_text(&Value::Dynamic(item.clone()))).collect();
    Value::text(texts.join(&*args.text(1)))
}

fn strcat_delim(_: &Call<'_>, args: &Args<'_>) -> Value {
    let texts: Vec<Arc<str>> = args.from(1).iter().map(to_text).collect();
    Value::text(texts.join(&*args.text(0)))
}

fn strrep(_: &Call<'_>, args: &Args<'_>) -> Value {
    let (text, delimiter) = (args.text(0), if args.has(2) { args.text(2) } else { Arc::from("") });
    let times = args.long_or(1, 0).clamp(0, 1024);
    let times = usize::try_from(times).unwrap_or(0);
    if (text.len() + delimiter.len()).saturating_mul(times) > BYTES_MAX {
        return Value::null(ScalarType::String);
    }
    Value::text(vec![text.as_ref(); times].join(&delimiter))
}

/// Letters whose other case is more than one letter stay as they are.
fn letters(text: &str, turn: fn(char) -> char) -> Value {
    Value::text(text.chars().map(turn).collect::<String>())
}

fn upper(letter: char) -> char {
    let mut turned = letter.to_uppercase();
    match (turned.next(), turned.next()) {
        (Some(single), None) => single,
        _ => letter,
    }
}

fn lower(letter: char) -> char {
    let mut turned = letter.to_lowercase();
    match (turned.next(), turned.next()) {
        (Some(single), None) => single,
        _ => letter,
    }
}

fn substring(_: &Call<'_>, args: &Args<'_>) -> Value {
    let text = args.text(0);
    let start = args.long_or(1, 0);
    let length = if args.has(2) { args.long_or(2, 0) } else { i64::MAX };
    let skip = if start < 0 {
        let characters = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        match characters.checked_add(start).filter(|skip| *skip >= 0) {
            Some(skip) => skip,
            None => return Value::null(ScalarType::String),
        }
    } else {
        start
    };
    let number = |number: i64| usize::try_from(number).unwrap_or(0);
    Value::text(text.chars().skip(number(skip)).take(number(length)).collect::<String>())
}

fn split(_: &Call<'_>, args: &Args<'_>) -> Value {
    let (text, delimiter) = (args.text(0), args.text(1));
    let parts: Vec<Dynamic> = if delimiter.is_empty() {
        vec![Dynamic::String(Arc::clone(&text))]
    } else {
        text.split(delimiter.as_ref()).map(Dynamic::text).collect()
    };
    if !args.has(2) {
        return Value::Dynamic(Dynamic::array(parts));
    }
    let wanted = args.long(2).and_then(|index| usize::try_from(index).ok());
    let part = wanted.and_then(|index| parts.get(index)).cloned();
    Value::Dynamic(part.map_or(Dynamic::Null, |part| Dynamic::array(vec![part])))
}

fn replace_string(_: &Call<'_>, args: &Args<'_>) -> Value {
    let (text, lookup) = (args.text(0), args.text(1));
    if lookup.is_empty() {
        return Value::String(text);
    }
    Value::text(text.replace(lookup.as_ref(), &args.text(2)))
}

/// Replaces one lookup after the other; what was replaced is not looked at again.
fn replace_strings(_: &Call<'_>, args: &Args<'_>) -> Value {
    let list = |index| -> Vec<Arc<str>> {
        args.array(index)
            .unwrap_or_default()
            .iter()
            .map(|item| to_text(&Value::Dynamic(item.clone())))
            .collect()
    };
    let (lookups, rewrites) = (list(1), list(2));
    if lookups.len() != rewrites.len() {
        return Value::null(ScalarType::String);
    }
    let text = args.text(0);
    // Pieces of the text that are as they were, and pieces that were put in.
    let mut pieces: Vec<Result<&str, &str>> = vec![Ok(text.as_ref())];
    for (lookup, rewrite) in lookups.iter().zip(&rewrites).filter(|(lookup, _)| !lookup.is_empty()) {
        let mut next = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let Ok(original) = piece else {
                next.push(piece);
                continue;
            };
            for (index, part) in original.split(lookup.as_ref()).enumerate() {
                if index > 0 {
                    next.push(Err(rewrite.as_ref()));
                }
                next.push(Ok(part));
            }
        }
        pieces = next;
    }
    Value::text(pieces.into_iter().map(|piece| piece.unwrap_or_else(|put| put)).collect::<String>())
}

/// Replaces characters of a list by those at the same place of another, whose last one stands for
/// all that are missing.
fn translate(_: &Call<'_>, args: &Args<'_>) -> Value {
    let (search, replacement, text) = (args.text(0), args.text(1), args.text(2));
    let replacement: Vec<char> = replacement.chars().collect();
    let turn = |character: char| match search.chars().position(|wanted| wanted == character) {
        Some(place) => replacement.get(place).or(replacement.last()).copied(),
        None => Some(character),
    };
    Value::text(text.chars().filter_map(turn).collect::<String>())
}

fn codepoints(_: &Call<'_>, args: &Args<'_>) -> Value {
    let points =
        args.text(0).chars().map(|character| Dynamic::Long(i64::from(u32::from(character)))).collect();
    Value::Dynamic(Dynamic::array(points))
}

fn from_codepoints(_: &Call<'_>, args: &Args<'_>) -> Value {
    let numbers = args.all().iter().flat_map(|value| match value {
        Value::Dynamic(Dynamic::Array(items)) => items.iter().cloned().map(Value::Dynamic).collect(),
        other => vec![other.clone()],
    });
    let character =
        |value: Value| to_long(&value).and_then(|point| u32::try_from(point).ok()).and_then(char::from_u32);
    Value::text(numbers.filter_map(character).collect::<String>())
}

fn tohex(_: &Call<'_>, args: &Args<'_>) -> Value {
    let width = args.long_or(1, 0).clamp(0, 16);
    let width = usize::try_from(width).unwrap_or(0);
    text_or_empty(args.long(0).map(|number| format!("{:0>width$x}", number.cast_unsigned())))
}

/// Parts a command line as Windows does.
fn parse_command_line(_: &Call<'_>, args: &Args<'_>) -> Value {
    let text = args.text(0);
    if text.is_empty() {
        return Value::Dynamic(Dynamic::Null);
    }
    Value::Dynamic(Dynamic::array(windows_arguments(&text).iter().map(|part| Dynamic::text(part)).collect()))
}

/// Backslashes are themselves unless a quote follows: then two are one, and an odd one makes the
/// quote a character of the argument.
fn windows_arguments(text: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut current: Option<String> = None;
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' if !quoted => arguments.extend(current.take()),
            '\\' => {
                let mut count = 1;
                while characters.next_if_eq(&'\\').is_some() {
                    count += 1;
                }
                let argument = current.get_or_insert_default();
                if characters.peek() == Some(&'"') {
                    argument.push_str(&"\\".repeat(count / 2));
                    if count % 2 == 1 {
                        argument.extend(characters.next());
                    }
                } else {
                    argument.push_str(&"\\".repeat(count));
                }
            }
            '"' => {
                let argument = current.get_or_insert_default();
                if quoted && characters.next_if_eq(&'"').is_some() {
                    argument.push('"');
                } else {
                    quoted = !quoted;
                }
            }
            other => current.get_or_insert_default().push(other),
        }
    }
    arguments.extend(current);
    arguments
}
