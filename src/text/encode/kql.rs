//! A literal of the hunting language.
//!
//! Sources: the documentation's pages on the `string` type (`\\`, `\"`, `\n`, `\r`, `\t`, `\uXXXX`), on the `real` type
//! (`real(nan)`, `real(+inf)`, `real(-inf)`) and on the `dynamic` type, which holds JSON and the literals of other types.
//! Only escapes are written that mean the same in both.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::unsafe_in_line;

/// A value that a query is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KqlValue<'a> {
    /// A `string`.
    Text(&'a str),
    /// A `long`.
    Whole(i64),
    /// A `real`.
    Real(f64),
    /// A `bool`.
    Truth(bool),
    /// A `datetime`, which has ticks of 100 ns: what is below them is left out.
    Instant(Timestamp),
    /// A `timespan`, likewise.
    Length(SignedDuration),
}

/// Writes a value as one literal. What cannot be seen is written as an escape, so that a query reads as what it asks, but
/// for characters beyond U+FFFF: they have no escape that is one for JSON, too.
#[must_use]
pub fn kql(value: KqlValue<'_>) -> String {
    match value {
        KqlValue::Text(text) => string(text),
        KqlValue::Whole(number) => signed("long", number.to_string()),
        KqlValue::Real(f64::INFINITY) => "real(+inf)".to_owned(),
        KqlValue::Real(number) => signed("real", format!("{number:?}").to_lowercase()),
        KqlValue::Truth(truth) => truth.to_string(),
        KqlValue::Instant(instant) => format!("datetime({})", instant.strftime("%Y-%m-%dT%H:%M:%S%.7fZ")),
        KqlValue::Length(length) => timespan(length),
    }
}

/// Writes several values as one literal, which `in`, `has_any` and their like take as a list.
#[must_use]
pub fn kql_list<'a>(values: impl IntoIterator<Item = KqlValue<'a>>) -> String {
    let values: Vec<String> = values.into_iter().map(kql).collect();
    format!("dynamic([{}])", values.join(","))
}

fn string(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for c in text.chars() {
        match c {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            c if unsafe_in_line(c) && c.len_utf16() == 1 => {
                let _infallible = write!(literal, "\\u{:04x}", u32::from(c));
            }
            plain => literal.push(plain),
        }
    }
    literal.push('"');
    literal
}

/// A number with a sign, or of no digits, is a literal only within the name of its type.
fn signed(ty: &str, number: String) -> String {
    if number.starts_with(|first: char| first.is_ascii_digit()) { number } else { format!("{ty}({number})") }
}

fn timespan(length: SignedDuration) -> String {
    let sign = if length.is_negative() { "-" } else { "" };
    let seconds = length.as_secs().unsigned_abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let ticks = length.subsec_nanos().unsigned_abs() / 100;
    format!("timespan({sign}{days}.{hours:02}:{minutes:02}:{:02}.{ticks:07})", seconds % 60)
}

#[cfg(test)]
mod tests {
    use ::kql::lex::{TokenKind, lex, unquote};
    use ::kql::parse::literal;
    use ::kql::syntax::{DynamicKind, ExprKind, LiteralKind};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_type_has_its_literal() {
        let instant = |text: &str| KqlValue::Instant(text.parse().unwrap());
        let length = |seconds, nanos| KqlValue::Length(SignedDuration::new(seconds, nanos));
        for (value, expect) in [
            (
                KqlValue::Text("a'b\"c\\d\r\n\t\0\u{2028}\u{202e}é😀"),
                r#""a'b\"c\\d\r\n\t\u0000\u2028\u202eé😀""#,
            ),
            (KqlValue::Text("\u{e0001}\u{ffff}"), "\"\u{e0001}\u{ffff}\""),
            (KqlValue::Whole(0), "0"),
            (KqlValue::Whole(-5), "long(-5)"),
            (KqlValue::Whole(i64::MIN), "long(-9223372036854775808)"),
            (KqlValue::Real(1.0), "1.0"),
            (KqlValue::Real(-1.5), "real(-1.5)"),
            (KqlValue::Real(1e300), "1e300"),
            (KqlValue::Real(f64::NAN), "real(nan)"),
            (KqlValue::Real(f64::INFINITY), "real(+inf)"),
            (KqlValue::Real(f64::NEG_INFINITY), "real(-inf)"),
            (KqlValue::Truth(true), "true"),
            (instant("2026-11-01T01:02:03.123456789+01:00"), "datetime(2026-11-01T00:02:03.1234567Z)"),
            (instant("2026-11-01T00:00:00Z"), "datetime(2026-11-01T00:00:00.0000000Z)"),
            (length(7 * 86_400, 0), "timespan(7.00:00:00.0000000)"),
            (length(90_061, 500), "timespan(1.01:01:01.0000005)"),
            (length(-90_061, -500), "timespan(-1.01:01:01.0000005)"),
        ] {
            assert_eq!(kql(value), expect, "{value:?}");
        }
        let mixed = [KqlValue::Text("a,b"), KqlValue::Whole(1), KqlValue::Truth(false)];
        assert_eq!(kql_list(mixed), "dynamic([\"a,b\",1,false])");
        assert_eq!(kql_list([]), "dynamic([])");
    }

    /// What a literal stands for; nothing if the text is not one literal.
    fn read(text: &str) -> Option<LiteralKind> {
        let tokens = lex(text).tokens;
        // One token, and the end.
        (tokens.len() == 2).then(|| literal(text))?.and_then(|kind| match kind {
            ExprKind::Literal(literal) => Some(literal.kind),
            _ => None,
        })
    }

    /// What a list stands for; nothing if the text is not one list of literals.
    fn read_list(text: &str) -> Option<Vec<LiteralKind>> {
        let Some(ExprKind::Dynamic(value)) = literal(text) else { return None };
        let DynamicKind::Array(items) = value.kind else { return None };
        let kind = |item: ::kql::syntax::DynamicValue| match item.kind {
            DynamicKind::Literal(kind) => Some(kind),
            _ => None,
        };
        items.into_iter().map(kind).collect()
    }

    proptest! {
        #[test]
        fn a_text_is_one_token_that_reads_back(text in any::<String>()) {
            let encoded = kql(KqlValue::Text(&text));
            let lexed = lex(&encoded);
            prop_assert_eq!(lexed.diagnostics.len(), 0);
            prop_assert_eq!(lexed.tokens.len(), 2);
            prop_assert_eq!(lexed.tokens[0].kind, TokenKind::String);
            prop_assert_eq!(lexed.tokens[0].span.of(&encoded), &encoded);
            prop_assert_eq!(unquote(&encoded), &*text);
            prop_assert_eq!(serde_json::from_str::<String>(&encoded).unwrap(), &*text);
            let hidden = |c: char| unsafe_in_line(c) && c <= '\u{ffff}';
            prop_assert!(!encoded.contains(hidden), "{:?}", encoded);
        }

        #[test]
        fn a_list_of_texts_reads_back(texts in proptest::collection::vec(any::<String>(), 0..9)) {
            let encoded = kql_list(texts.iter().map(|text| KqlValue::Text(text)));
            let expect: Vec<LiteralKind> = texts.iter().cloned().map(LiteralKind::String).collect();
            prop_assert_eq!(read_list(&encoded), Some(expect));
            let json = encoded.strip_prefix("dynamic(").and_then(|rest| rest.strip_suffix(')')).unwrap();
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(json).unwrap(), texts);
        }

        #[test]
        fn numbers_read_back(whole in any::<i64>(), real in any::<f64>()) {
            prop_assert_eq!(read(&kql(KqlValue::Whole(whole))), Some(LiteralKind::Long(whole)));
            let Some(LiteralKind::Real(back)) = read(&kql(KqlValue::Real(real))) else {
                return Err(TestCaseError::fail(format!("{real:?}")));
            };
            prop_assert!(back.to_bits() == real.to_bits() || back.is_nan() && real.is_nan(), "{real:?} {back:?}");
            let list = kql_list([KqlValue::Whole(whole), KqlValue::Whole(whole.wrapping_neg())]);
            let expect = vec![LiteralKind::Long(whole), LiteralKind::Long(whole.wrapping_neg())];
            prop_assert_eq!(read_list(&list), Some(expect));
        }

        #[test]
        fn times_read_back(ticks in 0_i64..2_534_023_007_999_999_999, back in any::<bool>()) {
            let ticks = i128::from(ticks) / if back { 7 } else { 1 };
            let instant = Timestamp::from_nanosecond(ticks * 100 - 1_000_000_000_000_000_000).unwrap();
            let Some(LiteralKind::DateTime(text)) = read(&kql(KqlValue::Instant(instant))) else {
                return Err(TestCaseError::fail(format!("{instant}")));
            };
            prop_assert_eq!(text.parse::<Timestamp>().unwrap(), instant);
            let length = SignedDuration::from_nanos_i128(ticks * if back { -100 } else { 100 });
            let Some(LiteralKind::TimeSpan(text)) = read(&kql(KqlValue::Length(length))) else {
                return Err(TestCaseError::fail(format!("{length}")));
            };
            let found = ::kql::value::Timespan::parse(&text).map(|span| span.0);
            prop_assert_eq!(found.map(|found| i128::from(found) * 100), Some(length.as_nanos()));
        }
    }
}
