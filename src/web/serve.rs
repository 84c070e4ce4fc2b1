//! Connections: how many, and how long each may keep us waiting.

use std::sync::PoisonError;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use jiff::SignedDuration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Web, answer, socket};
use crate::diag::Chain;

/// Most connections at once: a team with a few tabs each.
const CONNECTIONS_MAX: usize = 128;
/// Most who ask for a code at once.
const KNOCKING_MAX: usize = 16;
/// Longest time for the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Most bytes of a request's head.
const HEAD_MAX: usize = 32 << 10;
/// How long answers that have begun are waited for at the end.
const END_WITHIN: SignedDuration = SignedDuration::from_secs(3);

impl Web {
    /// Answers until `stop` is cancelled. A second call answers nobody.
    pub async fn run(&self, stop: CancellationToken) {
        let doors = self.0.doors.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((listener, knocks)) = doors else { return };
        let (mut open, mut knocking) = (JoinSet::new(), JoinSet::new());
        let watcher = self.clone();
        let mut watching = JoinSet::new();
        watching.spawn(async move { watcher.feel().await });
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept(), if open.len() < CONNECTIONS_MAX => match accepted {
                    Ok((stream, _from)) => {
                        open.spawn(self.clone().converse(stream, stop.clone()));
                    }
                    Err(error) => self.pause(&error).await,
                },
                accepted = knocks.accept(), if knocking.len() < KNOCKING_MAX => match accepted {
                    Ok((stream, _from)) => {
                        let web = self.clone();
                        knocking.spawn(async move { web.open_to(stream).await });
                    }
                    Err(error) => self.pause(&error).await,
                },
                Some(_ended) = open.join_next(), if !open.is_empty() => {}
                Some(_ended) = knocking.join_next(), if !knocking.is_empty() => {}
            }
        }
        socket::close(&self.0.socket);
        let ended = async { while open.join_next().await.is_some() {} };
        tokio::select! {
            () = ended => {}
            () = self.0.facts.clock.sleep(END_WITHIN) => {}
        }
        open.shutdown().await;
        knocking.shutdown().await;
        watching.shutdown().await;
    }

    /// A failure to accept passes when connections close; asking again at once would spin.
    async fn pause(&self, error: &std::io::Error) {
        tracing::warn!(error = %Chain(error), "a connection could not be taken");
        self.0.facts.clock.sleep(SignedDuration::from_secs(1)).await;
    }

    async fn converse(self, stream: TcpStream, stop: CancellationToken) {
        let router = Router::new().fallback(answer::answer).with_state(self);
        let mut server = hyper::server::conn::http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD_MAX);
        let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = %Chain(&error), "a connection of the page has broken");
        }
    }
}
