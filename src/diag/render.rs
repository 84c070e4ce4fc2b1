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
            let lines = diagnostics.iter().map(|d| format!("{}: {}: {}", d.span, d.code, d.message));
            lines.collect::<Vec<_>>().join("\n")
        }
        Format::Json => String::new(),
    }
}
