//! Texts with a form of their own, as the schema shows them to editors.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{self, DurationError};

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
        model::duration(&self.0)
    }
}
