//! The journal through its public door, on a real file.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::string_slice, reason = "a test may fail loudly")]

#[path = "store/approvals.rs"]
mod approvals;
#[path = "store/bench.rs"]
mod bench;
#[path = "store/chains.rs"]
mod chains;
#[path = "store/doubt.rs"]
mod doubt;
#[path = "store/effects.rs"]
mod effects;
#[path = "store/keeping.rs"]
mod keeping;
#[path = "store/killed.rs"]
mod killed;
#[path = "store/opening.rs"]
mod opening;
#[path = "store/rebuilding.rs"]
mod rebuilding;
#[path = "store/restored.rs"]
mod restored;
#[path = "store/reverts.rs"]
mod reverts;
#[path = "store/runs.rs"]
mod runs;
#[path = "store/stops.rs"]
mod stops;
#[path = "store/turned.rs"]
mod turned;
