//! Numbers, truths and times in a query come back from a reader that shares no code with their encoder.

use huntbook::text::encode::{KqlValue, kql, kql_list};
use jiff::{SignedDuration, Timestamp};
use proptest::arbitrary::any;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::oracles::check;
use crate::read_by;

/// How many of each type there are, beside the borders.
const VALUES: usize = 400;

/// How many are in one list.
const LISTED: usize = 7;

const NANOS_OF_A_TICK: i128 = 100;

/// The first and the last instant of the language's calendar that are instants for us, too, in ticks since 1970.
const FIRST: i64 = -621_355_968_000_000_000;
const LAST: i64 = 2_534_022_072_009_999_999;

/// A value as the reader says it.
fn said(value: KqlValue<'_>) -> String {
    match value {
        KqlValue::Text(text) => text.to_owned(),
        KqlValue::Whole(number) => format!("long {number}"),
        KqlValue::Real(number) if number.is_nan() => "real nan".to_owned(),
        KqlValue::Real(number) => format!("real {:016x}", number.to_bits()),
        KqlValue::Truth(truth) => format!("bool {truth}"),
        // What is below a tick is left out: of an instant the later part, of a length the outer.
        KqlValue::Instant(instant) => {
            format!("datetime {}", instant.as_nanosecond().div_euclid(NANOS_OF_A_TICK))
        }
        KqlValue::Length(length) => format!("timespan {}", length.as_nanos() / NANOS_OF_A_TICK),
    }
}

/// The borders, and as many others as there are to be. The same at each run.
fn some<T>(borders: &[T], any: impl Strategy<Value = T>) -> Vec<T>
where
    T: Copy + std::fmt::Debug,
{
    let mut runner = TestRunner::deterministic();
    let others = (0..VALUES).map(|_value| any.new_tree(&mut runner).expect("a value").current());
    borders.iter().copied().chain(others).collect()
}

fn instant(ticks: i64, nanos: i128) -> KqlValue<'static> {
    let nanos = i128::from(ticks) * NANOS_OF_A_TICK + nanos;
    KqlValue::Instant(Timestamp::from_nanosecond(nanos).expect("an instant"))
}

fn length(ticks: i64, nanos: i128) -> KqlValue<'static> {
    KqlValue::Length(SignedDuration::from_nanos_i128(i128::from(ticks) * NANOS_OF_A_TICK + nanos))
}

fn values() -> Vec<KqlValue<'static>> {
    let wholes = [0, 1, -1, 9, 10, i64::MAX, i64::MIN, i64::MIN + 1, 1 << 53, i32::MIN.into()];
    let reals = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.1,
        1e15,
        1e16,
        1e17,
        1e-4,
        1e-5,
        1e300,
        -1e300,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        -5e-324,
        f64::EPSILON,
        9_007_199_254_740_993.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    let day = 864_000_000_000;
    let instants = [FIRST, FIRST + 1, LAST, LAST - 1, 0, -1, 1, -day, 951_782_400 * 10_000_000];
    let lengths = [i64::MAX, i64::MIN, 0, 1, -1, day, -day, day - 1, 1 - day, 36_000_000_000, -10_000_000];
    let mut values = vec![KqlValue::Truth(true), KqlValue::Truth(false)];
    values.extend(some(&wholes, any::<i64>()).into_iter().map(KqlValue::Whole));
    // Of all bits, and of those that people write.
    values.extend(some(&reals, any::<f64>()).into_iter().map(KqlValue::Real));
    values
        .extend(some(&[], -1000_i32..1000).into_iter().map(|cents| KqlValue::Real(f64::from(cents) / 100.0)));
    for (index, ticks) in some(&instants, FIRST..LAST).into_iter().enumerate() {
        values.push(instant(ticks, if index % 2 == 0 { 0 } else { 99 }));
    }
    for (index, ticks) in some(&lengths, any::<i64>()).into_iter().enumerate() {
        let below = if ticks < 0 { -99 } else { 99 };
        values.push(length(ticks, if index % 2 == 0 { 0 } else { below }));
    }
    for ticks in some(&[], -2 * day..2 * day) {
        values.push(length(ticks, 0));
    }
    values
}

#[tokio::test]
async fn numbers_truths_and_times_read_back_in_another_program() {
    let values = values();
    let lists: Vec<&[KqlValue<'_>]> = values.chunks(LISTED).collect();
    let written = json!({
        "kqlValue": values.iter().map(|value| kql(*value)).collect::<Vec<_>>(),
        "kqlValues": lists.iter().map(|list| kql_list(list.iter().copied())).collect::<Vec<_>>(),
    });
    let read = read_by("read_encoded.py", &written).await;
    let expect: Vec<String> = values.iter().map(|value| said(*value)).collect();
    check(&read, "kqlValue", &expect, |got, value| got == value);
    let all = |list: &&[KqlValue<'_>]| list.iter().map(|value| said(*value)).collect::<Vec<_>>().join(", ");
    check(&read, "kqlValues", &lists.iter().map(all).collect::<Vec<_>>(), |got, value| got == value);
}
