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
