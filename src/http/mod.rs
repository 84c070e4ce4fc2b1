//! One outgoing request: limits, retries, redaction.
