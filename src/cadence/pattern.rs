//! Cron expressions, field by field, with the place of every problem.
//!
//! What the search engine behind the door would accept or refuse without a place is decided here first.

use std::ops::Range;

use super::{About, CadenceProblem, Hours};

/// Longest expression: five full lists of numbers stay below.
const LENGTH_MAX: usize = 512;

/// An expression that has passed.
pub(super) struct Checked {
    /// The five fields, with one blank between them.
    pub(super) canonical: String,
    /// Whether it names its hours.
    pub(super) hours: Hours,
}

/// A field of the expression.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names for numbers, the first for `min`.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day of month", min: 1, max: 31, names: &[] },
    Field {
        name: "month",
        min: 1,
        max: 12,
        names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    },
    Field { name: "day of week", min: 0, max: 7, names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] },
];

const DAY_OF_MONTH: &str = "day of month";
const DAY_OF_WEEK: &str = "day of week";

/// Words for whole expressions.
const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// The longest each month gets.
const DAYS_OF_MONTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// What a field selects.
struct Chosen {
    /// A bit for each number.
    bits: u64,
    /// Whether it holds `L`, `W` or `#`, which are no fixed numbers.
    floating: bool,
}

/// A part of the expression and where it begins.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> Part<'a> {
    fn range(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// Splits at `mark`, keeping the places.
    fn split(self, mark: char) -> impl Iterator<Item = Self> + use<'a> {
        let mut start = self.start;
        self.text.split(mark).map(move |text| {
            let part = Self { text, start };
            start += text.len() + mark.len_utf8();
            part
        })
    }

    /// Splits at the first `mark`, if there is one.
    fn split_once(self, mark: char) -> Option<(Self, Self)> {
        let (left, right) = self.text.split_once(mark)?;
        let after = self.start + left.len() + mark.len_utf8();
        Some((Self { text: left, start: self.start }, Self { text: right, start: after }))
    }
}

/// Checks an expression.
pub(super) fn check(expression: &str) -> Result<Checked, CadenceProblem> {
    if LENGTH_MAX < expression.len() {
        return Err(problem(
            0..expression.len(),
            format!("the expression is longer than {LENGTH_MAX} bytes"),
        ));
    }
    let fields = fields(expression);
    if let [word] = fields.as_slice()
        && word.text.starts_with('@')
    {
        return nickname(*word);
    }
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(wrong_number(expression, fields.len()));
    };
    let [minutes, hours, days, months, weekdays] = &FIELDS;
    choose(minutes, *minute)?;
    let hour = choose(hours, *hour)?;
    let day_chosen = choose(days, *day)?;
    let month = choose(months, *month)?;
    choose(weekdays, *weekday)?;
    if weekday.text == "*" && !day_chosen.floating && !ever(day_chosen.bits, month.bits) {
        let message = "the expression never happens: none of these months has such a day".to_owned();
        return Err(problem(day.range(), message));
    }
    let canonical = fields.iter().map(|field| field.text).collect::<Vec<_>>().join(" ");
    let all_hours = hour.bits.count_ones() == 24;
    Ok(Checked { canonical, hours: if all_hours { Hours::All } else { Hours::Named } })
}

/// Splits at blanks.
fn fields(expression: &str) -> Vec<Part<'_>> {
    let whole = Part { text: expression, start: 0 };
    let parts = whole.split(' ').flat_map(|part| part.split('\t'));
    parts.filter(|part| !part.text.is_empty()).collect()
}

/// Reads a word for a whole expression.
fn nickname(word: Part<'_>) -> Result<Checked, CadenceProblem> {
    let lower = word.text.to_ascii_lowercase();
    if let Some((_name, expression)) = NICKNAMES.iter().find(|(name, _expression)| *name == lower) {
        return check(expression);
    }
    let names: Vec<&str> = NICKNAMES.iter().map(|(name, _expression)| *name).collect();
    Err(CadenceProblem {
        suggestion: near(&lower, &names),
        help: Some(format!("known are {}", names.join(", "))),
        ..problem(word.range(), format!("`{}` is no schedule", shown(word.text)))
    })
}

/// What to say about another number of fields than five.
fn wrong_number(expression: &str, number: usize) -> CadenceProblem {
    let help = "the fields are minute, hour, day of month, month and day of week".to_owned();
    let message = match number {
        0 => "the expression is empty".to_owned(),
        6 => "the expression has six fields; seconds are not supported".to_owned(),
        1 => "the expression has one field; it needs five".to_owned(),
        _ => format!("the expression has {number} fields; it needs five"),
    };
    CadenceProblem { help: Some(help), ..problem(0..expression.len(), message) }
}

/// Reads a field: a list of numbers, ranges and steps.
fn choose(field: &Field, part: Part<'_>) -> Result<Chosen, CadenceProblem> {
    let mut chosen = Chosen { bits: 0, floating: false };
    for item in part.split(',') {
        if item.text.is_empty() {
            let message = format!("the {} has an empty place in its list", field.name);
            return Err(problem(part.range(), message));
        }
        if is_floating(field, item)? {
            chosen.floating = true;
            continue;
        }
        let (span, step) = match item.split_once('/') {
            Some((span, step)) => (span, Some(step)),
            None => (item, None),
        };
        let (low, high) = span_of(field, span)?;
        let step = step.map_or(Ok(1), |step| step_of(field, (span, low, high), step))?;
        // Seven is another name for Sunday.
        let numbers = (low..=high).step_by(usize::try_from(step).unwrap_or(1));
        let day = |number: u32| if field.name == DAY_OF_WEEK { number % 7 } else { number };
        chosen.bits |= numbers.fold(0, |bits, number| bits | 1 << day(number));
    }
    Ok(chosen)
}

/// Reads `*`, `a` or `a-b`.
fn span_of(field: &Field, span: Part<'_>) -> Result<(u32, u32), CadenceProblem> {
    if span.text == "*" {
        return Ok((field.min, field.max));
    }
    let range = span.split_once('-').filter(|(low, high)| !low.text.is_empty() && !high.text.is_empty());
    let Some((low, high)) = range else {
        let number = number(field, span)?;
        return Ok((number, number));
    };
    let (from, to) = (number(field, low)?, number(field, high)?);
    if from <= to {
        return Ok((from, to));
    }
    Err(CadenceProblem {
        help: Some(format!(
            "write two ranges with a comma, `{}-{},{}-{}`",
            low.text, field.max, field.min, high.text
        )),
        ..problem(span.range(), format!("the range of the {} runs backwards", field.name))
    })
}

/// Reads the step of `span/step`.
fn step_of(
    field: &Field,
    (span, low, high): (Part<'_>, u32, u32),
    step: Part<'_>,
) -> Result<u32, CadenceProblem> {
    let wrong = |message: String| Err(problem(step.range(), message));
    if span.text != "*" && !span.text.contains('-') {
        let whole = span.start..step.range().end;
        return Err(CadenceProblem {
            suggestion: Some(format!("{}-{}/{}", span.text, field.max, step.text)),
            ..problem(whole, format!("a step of the {} needs a range", field.name))
        });
    }
    match step.text.parse::<u32>() {
        Ok(0) => wrong(format!("the step of the {} is 0", field.name)),
        Ok(number) if high - low < number => {
            wrong(format!("the step of the {} is longer than its range, so it happens only once", field.name))
        }
        Ok(number) if is_digits(step.text) => Ok(number),
        _ => wrong(format!("the step of the {} is not a number", field.name)),
    }
}

/// Reads a number or its name.
fn number(field: &Field, part: Part<'_>) -> Result<u32, CadenceProblem> {
    let upper = part.text.to_ascii_uppercase();
    if let Some(place) = field.names.iter().position(|name| *name == upper) {
        return Ok(field.min + u32::try_from(place).unwrap_or(0));
    }
    if !is_digits(part.text) {
        let message = format!("`{}` is no {}", shown(part.text), field.name);
        return Err(CadenceProblem {
            suggestion: near(&upper, field.names),
            help: (part.text == "?").then(|| "`*` stands for each of them".to_owned()),
            ..problem(part.range(), message)
        });
    }
    let (min, max) = (field.min, field.max);
    match part.text.parse() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => {
            let message = format!("the {} `{}` is not in {min} to {max}", field.name, shown(part.text));
            Err(problem(part.range(), message))
        }
    }
}

/// Recognises `L`, `15W` in the days of the month and `FRI#2`, `FRIL` in those of the week.
fn is_floating(field: &Field, item: Part<'_>) -> Result<bool, CadenceProblem> {
    let cut = |mark: char| {
        let text = item.text.strip_suffix([mark, mark.to_ascii_lowercase()])?;
        Some(Part { text, start: item.start })
    };
    if field.name == DAY_OF_MONTH {
        if let Some(rest) = cut('L')
            && rest.text.is_empty()
        {
            return Ok(true);
        }
        return match cut('W') {
            Some(day) => number(field, day).map(|_day| true),
            None => Ok(false),
        };
    }
    if field.name != DAY_OF_WEEK {
        return Ok(false);
    }
    if let Some((day, nth)) = item.split_once('#') {
        number(field, day)?;
        let fits = matches!(nth.text, "1" | "2" | "3" | "4" | "5");
        let message = "after `#` stands which one of the month it is, 1 to 5".to_owned();
        return if fits { Ok(true) } else { Err(problem(nth.range(), message)) };
    }
    match cut('L') {
        Some(day) => number(field, day).map(|_day| true),
        None => Ok(false),
    }
}

/// Whether some of the days exists in some of the months.
fn ever(days: u64, months: u64) -> bool {
    let first = days.trailing_zeros();
    (1..).zip(DAYS_OF_MONTHS).any(|(month, length): (u32, u32)| months & 1 << month != 0 && first <= length)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Finds the name that was meant.
fn near(text: &str, names: &[&str]) -> Option<String> {
    let alike = |name: &&str| strsim::damerau_levenshtein(text, name);
    names
        .iter()
        .copied()
        .filter(|name| alike(name) <= 1 + name.len() / 6)
        .min_by_key(alike)
        .map(str::to_owned)
}

/// Cuts and escapes a hostile text for a message.
fn shown(text: &str) -> String {
    text.chars().take(32).flat_map(char::escape_debug).collect()
}

fn problem(range: Range<usize>, message: String) -> CadenceProblem {
    CadenceProblem { about: About::Expression, range, message, suggestion: None, help: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(expression: &str, range: &str, message: &str, suggestion: Option<&str>) {
        let found = check(expression).map(|checked| checked.canonical).expect_err(expression);
        assert_eq!(expression.get(found.range.clone()), Some(range), "{expression}: {found:?}");
        assert_eq!(found.message, message, "{expression}");
        assert_eq!(found.suggestion.as_deref(), suggestion, "{expression}");
    }

    #[test]
    fn a_problem_points_at_its_place() {
        refused("0 0 * * MOM", "MOM", "`MOM` is no day of week", Some("MON"));
        refused("61 * * * *", "61", "the minute `61` is not in 0 to 59", None);
        refused("0  24 * * *", "24", "the hour `24` is not in 0 to 23", None);
        refused("0 0 0 * *", "0", "the day of month `0` is not in 1 to 31", None);
        refused("*/0 * * * *", "0", "the step of the minute is 0", None);
        refused(
            "0-59/61 * * * *",
            "61",
            "the step of the minute is longer than its range, so it happens only once",
            None,
        );
        refused("5/15 * * * *", "5/15", "a step of the minute needs a range", Some("5-59/15"));
        refused("1,2,,4 * * * *", "1,2,,4", "the minute has an empty place in its list", None);
        refused("0 0 * * FRI-MON", "FRI-MON", "the range of the day of week runs backwards", None);
        refused("0 0 * * FRI#6", "6", "after `#` stands which one of the month it is, 1 to 5", None);
        refused("0 0 ? * *", "?", "`?` is no day of month", None);
        refused("*/+5 * * * *", "+5", "the step of the minute is not a number", None);
        refused("@dayly", "@dayly", "`@dayly` is no schedule", Some("@daily"));
        refused("\u{1b}[31m * * * *", "\u{1b}[31m", "`\\u{1b}[31m` is no minute", None);
    }

    #[test]
    fn the_number_of_fields_is_five() {
        refused("", "", "the expression is empty", None);
        refused("0 0 * *", "0 0 * *", "the expression has 4 fields; it needs five", None);
        let six = "the expression has six fields; seconds are not supported";
        refused("0 0 0 * * *", "0 0 0 * * *", six, None);
    }

    #[test]
    fn row_37_what_never_happens_is_refused() {
        let never = "the expression never happens: none of these months has such a day";
        refused("0 0 30 2 *", "30", never, None);
        refused("0 0 31 4,6,9,11 *", "31", never, None);
        assert!(check("0 0 29 2 *").is_ok());
        assert!(check("0 0 30 2 MON").is_ok(), "days of month and week are joined by or");
        assert!(check("0 0 30,31 2,3 *").is_ok());
    }

    #[test]
    fn every_hour_is_recognised() {
        for (expression, hours) in [
            ("0 * * * *", Hours::All),
            ("*/5 */1 * * *", Hours::All),
            ("0 0-23 * * *", Hours::All),
            ("0 */2 * * *", Hours::Named),
            ("0 2 * * *", Hours::Named),
            ("@hourly", Hours::All),
        ] {
            assert_eq!(check(expression).ok().map(|checked| checked.hours), Some(hours), "{expression}");
        }
    }

    #[test]
    fn blanks_do_not_matter() {
        assert_eq!(check("  0\t1  * * mon ").ok().unwrap().canonical, "0 1 * * mon");
    }
}
