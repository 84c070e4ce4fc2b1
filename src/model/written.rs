//! Texts with a form of their own, as the schema shows them to editors.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DurationError, duration};

/// What the editor and the validator say about a text that is not a length of time.
const DURATION_HELP: &str =
    "a length of time: `90s`, `5m`, `1h30m`, `24h`, `7d`, or ISO 8601 such as `P1DT2H`";

/// A length of time as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(
    inline,
    extend(
        "pattern" = r"^\s*(?=.)([0-9]+[wW])?([0-9]+[dD])?([0-9]+[hH])?([0-9]+[mM])?([0-9]+[sS])?\s*$|^\s*[pP](?=.)([0-9]+[wW])?([0-9]+[dD])?([tT](?=.)([0-9]+[hH])?([0-9]+[mM])?([0-9]+[sS])?)?\s*$",
        "patternErrorMessage" = DURATION_HELP,
        "x-code" = "HB0201"
    )
)]
pub struct DurationText(pub String);

impl DurationText {
    /// Reads the text.
    ///
    /// # Errors
    ///
    /// [`DurationError`] if it is not a length of time.
    pub fn read(&self) -> Result<SignedDuration, DurationError> {
        duration(&self.0)
    }
}

/// When something may be done, and when not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline, extend("anyOf" = [{"required": ["only"]}, {"required": ["never"]}]))]
pub struct WindowsText {
    /// Time zone of the times, by its IANA name; UTC by default.
    #[schemars(length(min = 1), example = &"Europe/Stockholm")]
    pub timezone: Option<String>,
    /// Only within one of these; always, when left out.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub only: Vec<WindowText>,
    /// Never within one of these, whatever `only` says.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub never: Vec<WindowText>,
}

/// A stretch of the day, on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct WindowText {
    /// The days on which it begins; every day, when left out.
    #[serde(default)]
    #[schemars(length(min = 1), extend("uniqueItems" = true), example = ["monday", "friday"])]
    pub days: Vec<DayText>,
    /// When it begins, on the clock of the zone; at midnight by default.
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), extend("patternErrorMessage" = "a time of day such as `08:00`, from 00:00 to 23:59"), example = &"08:00")]
    pub from: Option<String>,
    /// When it ends; midnight by default. What is not later than `from` is on the day after.
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), extend("patternErrorMessage" = "a time of day such as `18:00`, from 00:00 to 23:59"), example = &"18:00")]
    pub to: Option<String>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[expect(missing_docs, reason = "they are their names")]
pub enum DayText {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// An instant as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(
    inline,
    extend(
        "pattern" = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})$",
        "patternErrorMessage" = "an instant with a zone such as `2026-01-10T12:00:00Z`"
    ),
    example = &"2026-01-10T12:00:00Z"
)]
pub struct InstantText(pub String);

impl InstantText {
    /// Reads the text; `None` if it is no instant (the 31st of a short month).
    #[must_use]
    pub fn read(&self) -> Option<Timestamp> {
        self.0.parse().ok()
    }
}
