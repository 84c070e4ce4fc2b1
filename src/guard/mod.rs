//! Limits that stop a run before it acts.
