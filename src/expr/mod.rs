//! Rhai conditions: compiled once, run under limits, mapped back to their place.
