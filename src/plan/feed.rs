//! The input `feed`.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::names::Lowering;
use super::{FeedInput, Input, Items};
use crate::diag::Code;
use crate::expr::{Columns, Condition, Holds, Others, RowsUse};
use crate::feed::{self, Checksum, Feed, Form, Limits, Source};
use crate::http::Address;
use crate::hunt::Keep;
use crate::playbook::{self, ActionBody, ColumnType, FeedFormat};

/// Lets the rest be checked against the columns of a feed, if that is the input.
pub(super) fn columns(lowering: &mut Lowering<'_>) {
    let Some(feed) = &lowering.document.playbook.feed else { return };
    let known = feed.columns.iter().map(|(name, kind)| (name.clone(), holds(*kind)));
    lowering.columns = Some(Columns::new(known, Others::Mistaken));
    lowering.types = feed.columns.iter().map(|(name, kind)| (name.clone(), kind.as_str())).collect();
}

const fn holds(kind: ColumnType) -> Holds {
    match kind {
        ColumnType::String | ColumnType::DateTime | ColumnType::TimeSpan | ColumnType::Guid => Holds::Text,
        ColumnType::Long | ColumnType::Int | ColumnType::Real | ColumnType::Double | ColumnType::Decimal => {
            Holds::Number
        }
        ColumnType::Bool => Holds::Truth,
        ColumnType::Dynamic => Holds::Anything,
    }
}

/// Understands `feed`; nothing, if there is none or it has problems.
pub(super) fn input(lowering: &mut Lowering<'_>, when: Option<&Condition>) -> Option<Input> {
    let feed = lowering.document.playbook.feed.as_ref()?;
    for (index, name) in feed.identity.iter().enumerate() {
        lowering.column(&format!("/feed/identity/{index}"), name);
    }
    let source = match (&feed.url, &feed.file) {
        (Some(url), _) => address(lowering, "/feed/url", url),
        (None, Some(file)) => self::file(lowering, "/feed/file", file),
        // That there is neither, its shape says.
        (None, None) => None,
    };
    let checksum = feed.sha256.as_deref().map(|text| checksum(lowering, text));
    let form = form(lowering, feed);
    let limits = limits(lowering, feed);
    let items = items(lowering);
    let identity = match items {
        Items::Rows if feed.identity.is_empty() => feed.columns.keys().cloned().collect(),
        Items::Rows => feed.identity.clone(),
        Items::Whole => Vec::new(),
    };
    let keep = match when.map_or(&RowsUse::None, Condition::rows_use) {
        RowsUse::Columns(_) => Keep::Everything,
        RowsUse::Count if !identity.is_empty() => Keep::Identities,
        RowsUse::Count | RowsUse::None => Keep::Matches,
    };
    let columns = feed.columns.iter().map(|(name, kind)| (name.clone(), *kind)).collect();
    let checksum = match checksum {
        Some(checksum) => Some(checksum?),
        None => None,
    };
    let feed = Feed { source: source?, form: form?, columns, checksum, limits: limits? };
    Some(Input::Feed(Box::new(FeedInput { feed, identity, keep, items })))
}

fn address(lowering: &mut Lowering<'_>, at: &str, text: &str) -> Option<Source> {
    match Address::parse(text) {
        Ok(address) => Some(Source::Address { at: address, written: text.into() }),
        Err(error) => {
            let help = "write an address such as `https://feeds.contoso.example/c2.csv`";
            lowering.error(Code::WrongValue, at, error.to_string(), help);
            None
        }
    }
}

fn file(lowering: &mut Lowering<'_>, at: &str, text: &str) -> Option<Source> {
    let path = Path::new(text);
    if path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Some(Source::File(PathBuf::from(path)));
    }
    let message = "this leads out of the folder of feeds";
    lowering.error(Code::WrongValue, at, message, "write the name of a file in the settings' `feeds.folder`");
    None
}

fn checksum(lowering: &mut Lowering<'_>, text: &str) -> Option<Checksum> {
    if let Some(digest) = feed::digest(text) {
        return Some(Checksum::Is(digest));
    }
    let at = "/feed/sha256";
    if text.contains("://") {
        return address(lowering, at, text).map(Checksum::At);
    }
    if text.chars().all(|digit| digit.is_ascii_hexdigit()) {
        let message = format!("a SHA-256 has 64 hexadecimal digits, this has {}", text.chars().count());
        lowering.error(Code::WrongValue, at, message, "write what `sha256sum` prints");
        return None;
    }
    file(lowering, at, text).map(Checksum::At)
}

fn form(lowering: &mut Lowering<'_>, feed: &playbook::Feed) -> Option<Form> {
    let csv = feed.format == FeedFormat::Csv;
    let json = feed.format == FeedFormat::Json;
    let given = [
        ("delimiter", feed.delimiter.is_some(), csv, "`format: csv`"),
        ("header", feed.header.is_some(), csv, "`format: csv`"),
        ("rowsAt", feed.rows_at.is_some(), json, "`format: json`"),
    ];
    let before = lowering.errors();
    for (key, _given, _fits, of) in given.into_iter().filter(|(_key, given, fits, _of)| *given && !fits) {
        let message = format!("`{key}` belongs to {of}");
        lowering.error(Code::KeyCombination, &format!("/feed/{key}"), message, "leave it out");
    }
    if let Some(at) = feed.rows_at.as_deref().filter(|at| !at.starts_with('/')) {
        let help = format!("write `/{}`", at.replace('.', "/"));
        lowering.error(Code::WrongValue, "/feed/rowsAt", "a JSON pointer begins with `/`", &help);
    }
    let delimiter = feed.delimiter.as_deref().and_then(|text| text.chars().next()).unwrap_or(',');
    if matches!(delimiter, '"' | '\n' | '\r') {
        let message = "values cannot be told apart by this";
        lowering.error(Code::WrongValue, "/feed/delimiter", message, "write `;`, `|` or another sign");
    }
    (lowering.errors() == before).then(|| match feed.format {
        FeedFormat::Csv if feed.header == Some(false) => Form::BareCsv { delimiter },
        FeedFormat::Csv => Form::Csv { delimiter },
        FeedFormat::Json => Form::Json { at: feed.rows_at.clone().unwrap_or_default() },
        FeedFormat::JsonLines => Form::JsonLines,
    })
}

fn limits(lowering: &mut Lowering<'_>, feed: &playbook::Feed) -> Option<Limits> {
    let time_max = match &feed.timeout {
        None => feed::TIME,
        Some(text) => Duration::try_from(lowering.some_time("/feed/timeout", text)?).ok()?,
    };
    if feed::TIME_MAX < time_max {
        let message = "`timeout` is longer than ten minutes";
        lowering.error(Code::WrongValue, "/feed/timeout", message, "write `10m` or less");
        return None;
    }
    let rows = feed.max_rows.and_then(|rows| usize::try_from(rows).ok());
    Some(Limits {
        bytes_max: feed.max_bytes.unwrap_or(feed::BYTES).min(feed::BYTES_MAX),
        rows_max: rows.unwrap_or(feed::ROWS_MAX).min(feed::ROWS_MAX),
        time_max,
    })
}

/// Whether an action is about the whole feed.
pub(super) const fn of_whole(action: &playbook::Action) -> bool {
    match &action.body {
        ActionBody::ReconcileIndicators(body) => body.column.is_some(),
        _ => false,
    }
}

/// Whether actions are about rows, or about the whole. Both at once would be two kinds of items.
fn items(lowering: &mut Lowering<'_>) -> Items {
    let actions = &lowering.document.playbook.actions;
    if !actions.iter().any(of_whole) {
        return Items::Rows;
    }
    for (index, action) in actions.iter().enumerate() {
        let at = format!("/actions/{index}");
        if !of_whole(action) {
            let message = "`reconcileIndicators` with `column` makes the whole feed the item of the run";
            lowering.error(
                Code::KeyCombination,
                &at,
                message,
                "what is done for each row is another playbook",
            );
        }
        if action.condition.is_some() {
            let message = "there is no `row` here: the whole feed is the item of the run";
            let help = "choose rows with `where`, and runs with `when`";
            lowering.error(Code::KeyCombination, &format!("{at}/if"), message, help);
        }
    }
    Items::Whole
}
