//! The process's own configuration.
