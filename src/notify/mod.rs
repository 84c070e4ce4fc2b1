//! Builds messages and works off the outbox.
