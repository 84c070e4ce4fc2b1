//! The parameters of a hunting query: each value as a literal of the query language, or the list that it names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::Number;

use super::names::Lowering;
use crate::diag::{Code, Diagnostic, Level, Problem, Span};
use crate::hunt::{LITERAL_BYTES_MAX, Parameter, VALUES_MAX};
use crate::kql::{self, Parameters};
use crate::playbook::{ParameterItem, ParameterValue, TypedParameter};
use crate::text::encode::{KqlValue, kql, kql_list};

/// Where the parameters stand.
const AT: &str = "/hunt/parameters";

/// The parameters of a query: what they stand for in a run, and what the query is checked with.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) run: BTreeMap<String, Parameter>,
    pub(super) check: Parameters,
}

/// Reads the parameters of a query. Reports what stands for nothing that can be sent, and what the query does not use.
pub(super) fn parameters(
    lowering: &mut Lowering<'_>,
    query: &str,
    written: &IndexMap<String, ParameterValue>,
) -> Given {
    let used = kql::parameters(query);
    let mut given = Given::default();
    // Of what is no name, its shape says so.
    for (name, value) in written.iter().filter(|(name, _)| is_name(name)) {
        let pointer = format!("{AT}/{name}");
        if !used.contains(&name.as_str()) {
            let span = lowering.document.tree.key_span(&pointer);
            let message = format!("the query does not use the parameter `{name}`");
            let help = format!("write `@{name}` where the query is to have it, or leave it out");
            lowering.push(Diagnostic::error(Code::KeyCombination, span, message).help(help));
        }
        match parameter(lowering, &pointer, value) {
            Some(parameter) => {
                if matches!(parameter, Parameter::List(_)) {
                    warn_of_case(lowering, query, name);
                }
                given.check.add(name, &literal(&parameter));
                given.run.insert(name.clone(), parameter);
            }
            None => given.check.add_unknown(name),
        }
    }
    given
}

/// Whether a parameter can be called so.
fn is_name(text: &str) -> bool {
    !text.starts_with(|first: char| first.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What the query is checked with: a list is one of texts, whatever is on it.
fn literal(parameter: &Parameter) -> Cow<'_, str> {
    match parameter {
        Parameter::Literal(literal) => Cow::Borrowed(literal),
        Parameter::List(_) => Cow::Owned(kql_list([KqlValue::Text("")])),
    }
}

fn parameter(lowering: &mut Lowering<'_>, pointer: &str, value: &ParameterValue) -> Option<Parameter> {
    let literal = match value {
        ParameterValue::Text(text) => return text_or_list(lowering, pointer, text),
        ParameterValue::Truth(truth) => kql(KqlValue::Truth(*truth)),
        ParameterValue::Number(number) => kql(self::number(lowering, pointer, number)?),
        ParameterValue::Typed(typed) => kql(self::typed(lowering, pointer, typed)?),
        ParameterValue::Several(items) => several(lowering, pointer, items)?,
    };
    Some(Parameter::Literal(literal))
}

/// A text, or the list that it names.
fn text_or_list(lowering: &mut Lowering<'_>, pointer: &str, text: &str) -> Option<Parameter> {
    if let Some(range) = list_name(text) {
        let name = text.get(range.clone()).unwrap_or_default();
        lowering.list_within(pointer, range, name).then_some(())?;
        warn_of_list(lowering, pointer, name);
        return Some(Parameter::List(name.to_owned()));
    }
    plain(lowering, pointer, text).map(|value| Parameter::Literal(kql(value)))
}

/// Where in `{{lists.NAME}}` the name is, if a text is that and nothing else.
fn list_name(text: &str) -> Option<Range<usize>> {
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    let name = inner.trim().strip_prefix("lists.")?;
    let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || "{}()\"'".contains(c));
    let start = text.find("lists.")? + "lists.".len();
    is_name.then_some(start..start + name.len())
}

/// Warns of a list with which the query would not be sent as it is now. It may have others when the query runs.
fn warn_of_list(lowering: &mut Lowering<'_>, pointer: &str, name: &str) {
    let Some(list) = lowering.world.lists.get(name).cloned() else { return };
    let (entries, bytes) = (list.len(), kql_list(list.iter().map(KqlValue::Text)).len());
    if LITERAL_BYTES_MAX < bytes {
        let message =
            format!("the list `{name}` has {bytes} bytes as a literal: a query is not sent with so many");
        let help = format!("at most {LITERAL_BYTES_MAX} go into one; a watchlist of the tenant takes more");
        lowering.warn(Code::List, pointer, message, &help);
    }
    if entries == 0 {
        let message = format!("the list `{name}` has no entries: a query is not sent with it");
        lowering.warn(Code::List, pointer, message, "give it an entry: without any, the run fails");
    }
    if VALUES_MAX < entries {
        let message = format!("the list `{name}` has {entries} entries: a query is not sent with so many");
        let help = format!("at most {VALUES_MAX} go into a query; a watchlist of the tenant takes more");
        lowering.warn(Code::List, pointer, message, &help);
    }
}

/// Warns of a list of which another spelling would be missed: `!in` would let it through.
fn warn_of_case(lowering: &mut Lowering<'_>, query: &str, name: &str) {
    let problems = kql::heeding_case(query, name).into_iter().map(|range| {
        let operator = query.get(range.clone()).unwrap_or_default();
        let message =
            format!("`{operator}` heeds case, and a list knows none: another spelling would be missed");
        Problem { level: Level::Warning, ..Problem::new(Code::Query, range, message) }
            .help(format!("write `{operator}~`"))
    });
    let problems = problems.collect();
    lowering.problems("/hunt/query", problems);
}

/// A text that is meant as it stands.
fn plain<'t>(lowering: &mut Lowering<'_>, pointer: &str, text: &'t str) -> Option<KqlValue<'t>> {
    let Some(start) = text.find("{{") else { return meant(lowering, pointer, text) };
    let end = text.get(start..).and_then(|rest| rest.find("}}")).map_or(text.len(), |at| start + at + 2);
    let message = "nothing is interpolated into a parameter of a query";
    let help = "`\"{{lists.NAME}}\"` by itself stands for the entries of a list; all else is written out";
    let problem = Problem::new(Code::ForbiddenTemplate, start..end, message).help(help);
    lowering.problems(pointer, vec![problem]);
    None
}

/// A text that does not mean a list.
fn meant<'t>(lowering: &mut Lowering<'_>, pointer: &str, text: &'t str) -> Option<KqlValue<'t>> {
    let name = text.trim_matches(['{', '}', ' ']).strip_prefix("lists.");
    let is_name = |name: &&str| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    if let Some(name) = name.filter(is_name) {
        let message = "this is the text as it stands, and no list";
        let help = format!("the entries of a list are written `\"{{{{lists.{name}}}}}\"`");
        lowering.error(Code::WrongValue, pointer, message, &help);
        return None;
    }
    if lowering.world.lists.get(text).is_some() {
        let message = format!("this is the text `{text}`, and not the list that is called so");
        let help = format!("the entries of the list are written `\"{{{{lists.{text}}}}}\"`");
        lowering.warn(Code::WrongValue, pointer, message, &help);
    }
    Some(KqlValue::Text(text))
}

fn number(lowering: &mut Lowering<'_>, pointer: &str, number: &Number) -> Option<KqlValue<'static>> {
    let has_point = is_with_point(&lowering.document.tree.span(pointer));
    if let Some(whole) = number.as_i64().filter(|_whole| !has_point) {
        return Some(KqlValue::Whole(whole));
    }
    let real = number.as_f64().filter(|real| (has_point || number.is_f64()) && real.is_finite());
    if real.is_none() {
        let message = format!("{number} does not fit a `long`, which has 64 bits");
        lowering.error(Code::WrongValue, pointer, message, "write a smaller number, or a text in quotes");
    }
    real.map(KqlValue::Real)
}

/// Whether a number is written with a point, or an exponent: to YAML `1.0` is 1, and a query divides by the one otherwise
/// than by the other.
fn is_with_point(span: &Span) -> bool {
    let written = span.source.text.get(span.range.clone()).unwrap_or_default();
    let digits = written.trim_start_matches(['+', '-']);
    digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && !digits.starts_with("0x")
        && digits.contains(['.', 'e', 'E'])
}

fn typed(lowering: &mut Lowering<'_>, pointer: &str, typed: &TypedParameter) -> Option<KqlValue<'static>> {
    match (&typed.datetime, &typed.timespan) {
        (Some(written), None) => {
            let instant = written.read().filter(|instant| is_representable(*instant));
            if instant.is_none() {
                let message = format!("`{}` is no instant that a query can name", written.0);
                let help = "an instant with a zone is written `2026-11-01T00:00:00Z`";
                lowering.error(Code::WrongValue, &format!("{pointer}/datetime"), message, help);
            }
            instant.map(KqlValue::Instant)
        }
        (None, Some(written)) => {
            lowering.duration(&format!("{pointer}/timespan"), written).map(KqlValue::Length)
        }
        // Their schema refuses both and neither.
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// Whether an instant is in the years that the query language has.
fn is_representable(instant: Timestamp) -> bool {
    (1..=9999).contains(&instant.to_zoned(jiff::tz::TimeZone::UTC).year())
}

/// Several values of one type.
fn several(lowering: &mut Lowering<'_>, pointer: &str, items: &[ParameterItem]) -> Option<String> {
    let mut values = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let at = format!("{pointer}/{index}");
        values.push(match item {
            ParameterItem::Truth(truth) => Some(KqlValue::Truth(*truth)),
            ParameterItem::Number(number) => self::number(lowering, &at, number),
            ParameterItem::Text(text) => plain(lowering, &at, text),
        });
    }
    let first = items.first().map(kind);
    if let Some(other) = items.iter().position(|item| Some(kind(item)) != first) {
        let message = "the values of a parameter are of one type";
        let help = "put the numbers in quotes if they are meant as texts";
        lowering.error(Code::WrongValue, &format!("{pointer}/{other}"), message, help);
        return None;
    }
    Some(kql_list(values.into_iter().collect::<Option<Vec<_>>>()?))
}

/// What an item is.
const fn kind(item: &ParameterItem) -> &'static str {
    match item {
        ParameterItem::Truth(_) => "bool",
        ParameterItem::Number(_) => "number",
        ParameterItem::Text(_) => "text",
    }
}
