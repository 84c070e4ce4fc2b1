//! Decodes hunting answers while they stream.

/// What the reader of a row wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next row.
    Continue,
    /// No further row.
    Stop,
}
