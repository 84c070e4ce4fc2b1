//! What people are told and what they say, whichever way they come: the moment, the past, and the giving of leave.
//!
//! The command line and the page show the same facts, for both take them from here, and hear a word only as
//! [`leave`] allows. Texts here are fit for any line that people read ([`crate::text::clean`]); how they are laid
//! out is the reader's matter.

pub mod audit;
pub mod guards;
pub mod history;
pub mod leave;

mod account;
mod budget;
mod called;
mod guard_budget;
mod in_force;
mod moment;
mod stopping;

pub use account::Account;
pub use budget::Budget;
pub use called::Called;
pub use guard_budget::{GuardBudget, UsedOf};
pub use history::Listed;
pub use in_force::{Compiled, InForce, Starts};
pub use moment::{Moment, shown};
pub use stopping::{Halted, NotHalted, Silent, halt, halt_by_file, in_time};

/// Widest name or target in a line, in characters: the longest id, a SHA-256, fits.
pub const NAME_MAX: usize = 100;
