//! The server's end of the wire: connections that can be cut in the middle of an exchange, one by one
//! (a scripted fault) or all at once (the server stops).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Most connections at a time; the next one waits to be taken. A client keeps a handful, a load test
/// some hundred, and each costs a few kilobytes.
pub const CONNECTIONS_MAX: usize = 1024;

/// Takes connections.
#[derive(Debug)]
pub(super) struct Door {
    listener: TcpListener,
    seats: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Door {
    /// Takes connections from `listener`; all of them are cut when `stop` is cancelled.
    pub(super) fn new(listener: TcpListener, stop: CancellationToken) -> Self {
        Self { listener, seats: Arc::new(Semaphore::new(CONNECTIONS_MAX)), stop }
    }
}

impl Listener for Door {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        // The semaphore is never closed, so there is always a seat in the end.
        let seat = Arc::clone(&self.seats).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
        (Wire::new(stream, self.stop.child_token(), seat), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    cut: CancellationToken,
    was_cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Held as long as the connection lives.
    _seat: Option<OwnedSemaphorePermit>,
}

impl Wire {
    /// A connection that is cut when `cut` is cancelled.
    pub(super) fn new(stream: TcpStream, cut: CancellationToken, seat: Option<OwnedSemaphorePermit>) -> Self {
        let was_cut = Box::pin(cut.clone().cancelled_owned());
        Self { stream, cut, was_cut, _seat: seat }
    }

    /// What its requests know of it.
    pub(super) fn line(&self) -> Line {
        Line(self.cut.clone())
    }

    /// Fails once the connection is to be cut; the peer then sees a reset, not an orderly end.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.was_cut.as_mut().poll(cx).is_pending() {
            return Ok(());
        }
        self.stream.set_zero_linger()?;
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was cut"))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// What a request knows of the connection it came over.
#[derive(Debug, Clone)]
pub(super) struct Line(CancellationToken);

impl Line {
    /// A line of a request that came over no connection.
    pub(super) fn new() -> Self {
        Self(CancellationToken::new())
    }

    /// Whether it was cut.
    pub(super) fn is_cut(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Cuts the connection: what has not left yet never will.
    pub(super) fn cut(&self) {
        self.0.cancel();
    }
}

impl Connected<IncomingStream<'_, Door>> for Line {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().line()
    }
}
