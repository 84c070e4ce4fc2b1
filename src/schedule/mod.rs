//! When plans run.
