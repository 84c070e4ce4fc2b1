//! A way in for clients that know only the production names: a proxy on the loopback address that takes
//! `CONNECT` for those names, ends the encryption with certificates of an authority made for the occasion,
//! and hands the requests to the simulated tenant. Whoever sets `HTTPS_PROXY` and trusts the authority gets
//! in unmodified. Nothing ever leaves for the real hosts, and others are refused.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::http::{Request, Response};
use axum::serve::{IncomingStream, Listener};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::SimError;
use super::front::Front;
use super::serve;
use super::wire::{CONNECTIONS_MAX, Line, Wire};

/// Longest head of a `CONNECT`; clients send some hundred bytes.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Longest time from the connection to the end of the handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Connections that have shaken hands and wait to be served.
const READY_MAX: usize = 16;

/// What a production name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Face {
    Login,
    Graph,
    Mde,
    /// Defender XDR's name, under which Defender for Endpoint answers too.
    Security,
}

/// The production names, regional and national ones included.
const HOSTS: &[(&str, Face)] = &[
    ("login.microsoftonline.com", Face::Login),
    ("login.windows.net", Face::Login),
    ("login.microsoft.com", Face::Login),
    ("login.microsoftonline.us", Face::Login),
    ("login.partner.microsoftonline.cn", Face::Login),
    ("login.chinacloudapi.cn", Face::Login),
    ("graph.microsoft.com", Face::Graph),
    ("graph.microsoft.us", Face::Graph),
    ("dod-graph.microsoft.us", Face::Graph),
    ("microsoftgraph.chinacloudapi.cn", Face::Graph),
    ("api.securitycenter.microsoft.com", Face::Mde),
    ("api-us.securitycenter.microsoft.com", Face::Mde),
    ("api-eu.securitycenter.microsoft.com", Face::Mde),
    ("api-uk.securitycenter.microsoft.com", Face::Mde),
    ("api-au.securitycenter.microsoft.com", Face::Mde),
    ("api.securitycenter.windows.com", Face::Mde),
    ("api-gcc.securitycenter.microsoft.us", Face::Mde),
    ("api-gov.securitycenter.microsoft.us", Face::Mde),
    ("api.security.microsoft.com", Face::Security),
    ("us.api.security.microsoft.com", Face::Security),
    ("eu.api.security.microsoft.com", Face::Security),
    ("uk.api.security.microsoft.com", Face::Security),
    ("au.api.security.microsoft.com", Face::Security),
    ("swa.api.security.microsoft.com", Face::Security),
    ("ina.api.security.microsoft.com", Face::Security),
    ("aea.api.security.microsoft.com", Face::Security),
    ("api-gcc.security.microsoft.us", Face::Security),
    ("api-gov.security.microsoft.us", Face::Security),
];

impl Face {
    fn find(host: &str) -> Option<Self> {
        HOSTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(host)).map(|(_, face)| *face)
    }

    /// Where the tenant has what is at a path under the name.
    fn prefix(self, path: &str) -> &'static str {
        let is_xdr = || {
            let path = path.trim_start_matches('/').to_ascii_lowercase();
            path.starts_with("api/advancedhunting") || path.starts_with("api/incidents")
        };
        match self {
            Self::Login => "",
            Self::Graph => "graph",
            Self::Mde => "mde",
            Self::Security if is_xdr() => "xdr",
            Self::Security => "mde",
        }
    }
}

/// An open way in.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// What goes into `HTTPS_PROXY`.
    pub proxy: String,
    /// The authority to trust, as PEM. Its key is not kept.
    pub authority: String,
}

/// How a request reached the tenant, if it was under a production name.
#[derive(Debug, Clone)]
pub(super) struct Outside {
    /// `https://graph.microsoft.com`.
    pub(super) origin: String,
    /// What stands before the path, as the tenant counts: `graph`.
    pub(super) prefix: &'static str,
}

/// Opens a way in; its tasks end when `stop` or `cut` is cancelled.
pub(super) async fn open(
    front: &Arc<Front>,
    port: u16,
    (stop, cut): (&CancellationToken, &CancellationToken),
    tasks: &mut JoinSet<()>,
) -> Result<Gateway, SimError> {
    let listen = |source| SimError::Listen { port, source };
    let (acceptor, authority) = certificates()?;
    let address = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let (sender, ready) = mpsc::channel(READY_MAX);
    let router = axum::Router::new().fallback(handle).with_state(Arc::clone(front));
    let serving =
        axum::serve(Tunnels { ready, address }, router.into_make_service_with_connect_info::<Inside>())
            .with_graceful_shutdown(stop.clone().cancelled_owned());
    tasks.spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the gateway of the simulated tenant stopped");
        }
    });
    tasks.spawn(take(listener, acceptor, sender, (stop.clone(), cut.clone())));
    Ok(Gateway { proxy: format!("http://{address}"), authority })
}

/// Makes an authority and a certificate for all names.
fn certificates() -> Result<(TlsAcceptor, String), SimError> {
    let wrong = |error: rcgen::Error| SimError::Key(Box::new(error));
    let mut params = CertificateParams::new(Vec::new()).map_err(wrong)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "huntbook simulated tenant");
    let key = KeyPair::generate().map_err(wrong)?;
    let authority = CertifiedIssuer::self_signed(params, key).map_err(wrong)?;
    let names: Vec<String> = HOSTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let key = KeyPair::generate().map_err(wrong)?;
    let mut params = CertificateParams::new(names).map_err(wrong)?;
    // Strict clients want to see which key signed.
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &authority).map_err(wrong)?;
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let wrong = |error: tokio_rustls::rustls::Error| SimError::Key(Box::new(error));
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], secret)
        .map_err(wrong)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), authority.pem()))
}

/// Takes connections until it is stopped.
async fn take(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    ready: mpsc::Sender<Tunnel>,
    (stop, cut): (CancellationToken, CancellationToken),
) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut shaking = JoinSet::new();
    loop {
        let seat = Arc::clone(&seats).acquire_owned();
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_done) = shaking.join_next() => continue,
            accepted = async { (seat.await.ok(), listener.accept().await) } => accepted,
        };
        let (seat, Ok((stream, _address))) = accepted else { continue };
        let (acceptor, ready, cut) = (acceptor.clone(), ready.clone(), cut.child_token());
        shaking.spawn(async move {
            let shaken = tokio::time::timeout(HANDSHAKE_MAX, shake(stream, &acceptor, (cut, seat))).await;
            match shaken {
                Ok(Ok(Some(tunnel))) => drop(ready.send(tunnel).await),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a connection came to nothing"),
                Err(_late) => tracing::debug!("a connection took too long"),
            }
        });
    }
}

/// Reads `CONNECT`, answers it, and ends the encryption; nothing if the client asked for something else.
async fn shake(
    mut stream: TcpStream,
    acceptor: &TlsAcceptor,
    (cut, seat): (CancellationToken, Option<OwnedSemaphorePermit>),
) -> io::Result<Option<Tunnel>> {
    let head = head(&mut stream).await?;
    let Some((host, face)) = connect(&head) else {
        let body = "this proxy takes CONNECT for the hosts of the simulated tenant, and no others\n";
        let answer = format!(
            "HTTP/1.1 403 Forbidden\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        return Ok(None);
    };
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    let stream = acceptor.accept(Wire::new(stream, cut, seat)).await?;
    Ok(Some(Tunnel { stream, host, face }))
}

/// Reads up to the blank line.
async fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head is too long"));
        }
        // One by one: what follows belongs to the handshake.
        head.push(stream.read_u8().await?);
    }
    String::from_utf8(head).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The name a `CONNECT` asks for, if it is one of the tenant's.
fn connect(head: &str) -> Option<(String, Face)> {
    let mut words = head.lines().next()?.split(' ');
    let ("CONNECT", target) = (words.next()?, words.next()?) else { return None };
    let host = target.strip_suffix(":443")?.to_ascii_lowercase();
    Face::find(&host).map(|face| (host, face))
}

/// A connection whose encryption ends here.
#[derive(Debug)]
struct Tunnel {
    stream: TlsStream<Wire>,
    host: String,
    face: Face,
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Connections that have shaken hands.
#[derive(Debug)]
struct Tunnels {
    ready: mpsc::Receiver<Tunnel>,
    address: SocketAddr,
}

impl Listener for Tunnels {
    type Io = Tunnel;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Tunnel, SocketAddr) {
        match self.ready.recv().await {
            Some(tunnel) => (tunnel, self.address),
            // Nobody takes connections any more; the server is stopped by its own signal.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// What a request knows of its tunnel.
#[derive(Debug, Clone)]
struct Inside {
    line: Line,
    host: String,
    face: Face,
}

impl Connected<IncomingStream<'_, Tunnels>> for Inside {
    fn connect_info(stream: IncomingStream<'_, Tunnels>) -> Self {
        let tunnel = stream.io();
        let line = tunnel.stream.get_ref().0.line();
        Self { line, host: tunnel.host.clone(), face: tunnel.face }
    }
}

/// Serves one request under a production name.
async fn handle(
    front: State<Arc<Front>>,
    ConnectInfo(inside): ConnectInfo<Inside>,
    mut request: Request<Body>,
) -> Response<Body> {
    let prefix = inside.face.prefix(request.uri().path());
    let outside = Outside { origin: format!("https://{}", inside.host), prefix };
    request.extensions_mut().insert(outside);
    serve::handle(front, ConnectInfo(inside.line), request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, path: &str, expected: Option<&str>) {
        let found = connect(head).map(|(_, face)| face.prefix(path));
        assert_eq!(found, expected, "{head} {path}");
    }

    #[test]
    fn production_names_lead_to_the_parts_of_the_tenant() {
        check("CONNECT login.microsoftonline.com:443 HTTP/1.1\r\n\r\n", "/x/oauth2/v2.0/token", Some(""));
        check("CONNECT GRAPH.microsoft.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", "/v1.0/users", Some("graph"));
        let security = "CONNECT eu.api.security.microsoft.com:443 HTTP/1.1\r\n\r\n";
        check(security, "/api/AdvancedHunting/run", Some("xdr"));
        check(security, "/api/machines", Some("mde"));
        check(
            "CONNECT api-us.securitycenter.microsoft.com:443 HTTP/1.1\r\n\r\n",
            "/api/machines",
            Some("mde"),
        );
    }

    #[test]
    fn nothing_else_is_let_through() {
        check("CONNECT login.microsoftonline.com:80 HTTP/1.1\r\n\r\n", "/", None);
        check("CONNECT news.example:443 HTTP/1.1\r\n\r\n", "/", None);
        check("GET http://graph.microsoft.com/ HTTP/1.1\r\n\r\n", "/", None);
        check("\r\n\r\n", "/", None);
    }
}
