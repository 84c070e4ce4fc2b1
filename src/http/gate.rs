//! Whether a request that changes something may still be sent.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use super::HttpError;

/// Asked right before each sending of a request, the repeats too: what was decided a while ago may be late by
/// now, or stopped by somebody.
#[async_trait]
pub trait Gate: fmt::Debug + Send + Sync {
    /// Whether it may be sent now.
    ///
    /// # Errors
    ///
    /// Why not, in words.
    async fn pass(&self) -> Result<(), String>;

    /// Whether what was let pass may still leave: asked once more when the connection stands and nothing but the
    /// body is left to send. A request without a body is only asked the first time.
    ///
    /// # Errors
    ///
    /// Why not, in words.
    async fn still(&self) -> Result<(), String> {
        Ok(())
    }

    /// From when on it is too late: nobody waits as long as that to send it again. `None` for no such instant.
    fn until(&self) -> Option<Timestamp>;

    /// Hears how each sending ended: `None` for a success.
    fn heard(&self, _error: Option<&HttpError>) {}
}

/// A gate that is never shut: for requests that change nothing, or that nothing can come in between of.
#[derive(Debug, Clone, Copy)]
pub struct Open;

#[async_trait]
impl Gate for Open {
    async fn pass(&self) -> Result<(), String> {
        Ok(())
    }

    fn until(&self) -> Option<Timestamp> {
        None
    }
}
