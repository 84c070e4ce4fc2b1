//! The crate as it is, but for the room under test, which is compiled from its own source here.

#[cfg(feature = "channel")]
pub mod channel;
#[cfg(feature = "guard")]
pub mod guard;
#[cfg(feature = "store")]
pub mod store;
pub mod text;

#[cfg(not(feature = "channel"))]
pub use whole::channel;
#[cfg(not(feature = "guard"))]
pub use whole::guard;
#[cfg(not(feature = "store"))]
pub use whole::store;
pub use whole::{cadence, clock, diag, fault, http, model};
