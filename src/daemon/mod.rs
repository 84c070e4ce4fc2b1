//! The process that keeps running.
