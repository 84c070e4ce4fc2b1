//! An address at which nobody listens.

use tokio::net::TcpSocket;

/// An address at which nobody listens for as long as the socket is kept: it is taken, and not listened at.
pub(crate) fn nobody() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    (socket, url)
}
