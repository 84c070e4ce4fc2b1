//! `format_datetime` and `format_timespan`.

use super::{Args, Call};
use crate::types::ScalarType;
use crate::value::{Timespan, Value};

/// A run of the same letter, or a character that stands for itself.
enum Piece {
    Letters(char, usize),
    Plain(char),
}

/// Parts a format; letters of a field that repeats more often than it may start another one.
fn pieces(format: &str, longest: impl Fn(char) -> usize) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for character in format.chars() {
        let longest = longest(character);
        match pieces.last_mut() {
            Some(Piece::Letters(letter, count)) if *letter == character && *count < longest => *count += 1,
            _ if longest > 0 => pieces.push(Piece::Letters(character, 1)),
            _ => pieces.push(Piece::Plain(character)),
        }
    }
    pieces
}

fn padded(number: u64, width: usize) -> String {
    format!("{number:0width$}")
}

/// The first digits of a fraction of seven; capital letters leave zeros at the end out.
fn fraction(ticks: u64, letter: char, count: usize) -> String {
    let digits: String = format!("{ticks:07}").chars().take(count).collect();
    if letter == 'F' { digits.trim_end_matches('0').to_owned() } else { digits }
}

pub(super) fn format_datetime(_: &Call<'_>, args: &Args<'_>) -> Value {
    let Some(instant) = args.datetime(0) else { return Value::null(ScalarType::String) };
    let civil = instant.civil();
    let (_, hours, minutes, seconds, ticks) = Timespan(civil.ticks).parts();
    let number = |number: i64| number.unsigned_abs();
    let longest = |letter: char| match letter {
        'd' | 'h' | 'H' | 'm' | 'M' | 's' | 't' => 2,
        'y' => 4,
        'f' | 'F' => 7,
        _ => 0,
    };
    let mut text = String::new();
    for piece in pieces(&args.text(1), longest) {
        let (letter, width) = match piece {
            Piece::Plain(character) => {
                text.push(character);
                continue;
            }
            Piece::Letters(letter, width) => (letter, width),
        };
        let half = (hours + 11) % 12 + 1;
        text.push_str(&match letter {
            'd' => padded(number(civil.day), width),
            'M' => padded(number(civil.month), width),
            'y' if width > 2 => padded(number(civil.year), width),
            'y' => padded(number(civil.year) % 100, width),
            'h' => padded(half, width),
            'H' => padded(hours, width),
            'm' => padded(minutes, width),
            's' => padded(seconds, width),
            't' => (if hours < 12 { "AM" } else { "PM" }).chars().take(width).collect(),
            letter => fraction(ticks, letter, width),
        });
    }
    Value::text(text)
}

pub(super) fn format_timespan(_: &Call<'_>, args: &Args<'_>) -> Value {
    let Some(span) = args.timespan(0) else { return Value::null(ScalarType::String) };
    let (days, hours, minutes, seconds, ticks) = span.parts();
    let longest = |letter: char| match letter {
        'd' => 8,
        'h' | 'H' | 'm' | 's' => 2,
        'f' | 'F' => 7,
        _ => 0,
    };
    let mut text = if span.0 < 0 { "-".to_owned() } else { String::new() };
    for piece in pieces(&args.text(1), longest) {
        match piece {
            Piece::Plain(character) => text.push(character),
            Piece::Letters(letter, width) => text.push_str(&match letter {
                'd' => padded(days, width),
                'h' | 'H' => padded(hours, width),
                'm' => padded(minutes, width),
                's' => padded(seconds, width),
                letter => fraction(ticks, letter, width),
            }),
        }
    }
    Value::text(text)
}
