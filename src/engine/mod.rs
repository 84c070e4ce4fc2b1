//! One run of one plan.
