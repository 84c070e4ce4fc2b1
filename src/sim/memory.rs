//! The way to a simulated tenant that needs no socket.
//!
//! A request takes the same way through the server as one that came over a connection: log, faults,
//! routes. What a connection does to it (resets, bodies cut short) is imitated.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{Request, Response};
use futures_util::StreamExt as _;

use super::front::Front;
use super::serve;
use super::wire::Line;
use crate::http::{Pieces, Wire};

/// The address by which a tenant without a socket is called.
pub(super) const URL: &str = "http://localhost";

/// Carries requests to a simulated tenant and those beside it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SimWire(Arc<Front>);

impl SimWire {
    pub(super) const fn new(front: Arc<Front>) -> Self {
        Self(front)
    }
}

#[async_trait]
impl Wire for SimWire {
    async fn carry(&self, request: Request<Bytes>) -> io::Result<Response<Pieces>> {
        let line = Line::new();
        let request = request.map(Body::from);
        let response = serve::handle(State(Arc::clone(&self.0)), ConnectInfo(line.clone()), request).await;
        if line.is_cut() {
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "the connection was cut"));
        }
        let (head, body) = response.into_parts();
        let pieces = body.into_data_stream().map(|piece| piece.map_err(io::Error::other)).collect().await;
        Ok(Response::from_parts(head, pieces))
    }
}
