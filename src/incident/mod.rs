//! Fetches incidents and keeps those that match.
