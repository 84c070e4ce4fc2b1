//! The process that keeps running: schedules, hot reload, the outbox, and a clean end.
//!
//! A reload does everything that can fail first, then puts the new generation into the journal, then swaps
//! one pointer. Runs keep the plan they started with, and ask the generation of the moment before each action; a
//! due tick belongs to the scheduler and is neither dropped nor repeated by a reload.

mod alarm;
mod approvals;
mod arming;
mod edit;
mod generation;
mod gone;
mod held;
mod left;
mod loops;
mod reload;
mod reverts;
mod room;
mod run;
mod scan;
mod sign_in;
mod sound;
mod start;
mod stops;
mod terms;
mod watch;

pub use generation::{Generation, Instead, Live, Refused, Status};
pub use run::{Daemon, DaemonError, DaemonOptions, plan_of};
pub use scan::{Scan, Unread, read_all, read_named, read_paths, read_tests, scan, scan_lists, scan_on};
pub use sound::tell_heads;
pub use terms::{ScanError, Terms};

#[cfg(test)]
mod tests;
