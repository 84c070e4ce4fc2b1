//! The texts, with the encoders under test.

#[cfg(feature = "encode")]
pub mod encode;
pub use whole::text::*;
