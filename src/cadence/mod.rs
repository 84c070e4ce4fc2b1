//! When something recurs.
