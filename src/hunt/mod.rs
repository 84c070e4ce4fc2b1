//! Runs a hunting query and keeps the rows that match.
