//! The page of `huntbook serve`: what people are told, and a place to say their word.
//!
//! It is served in the clear on an address of this machine alone, and nobody is answered who asks for a host that is
//! not ours. A person comes in with a code that is good once and that `serve` gives out over a socket in its state
//! folder, for the account that the system says is at the other end; or an OpenID provider says who they are. A session
//! is that account or person; what it may say is decided where it is decided for commands, in
//! [`crate::console::leave`].
//!
//! GET changes nothing. What changes something is a POST of a form of ours: from our own origin, with the session's
//! token. Pages work without scripts; the one script there is puts the newest main part in place of the one that is
//! shown, when it hears that the journal was written to.
//!
//! What this room does not do: decide. It does not end TLS either; a proxy on the same machine may.

mod act;
mod answer;
mod approval;
mod form;
mod layout;
mod live;
mod look;
mod overview;
mod provider;
mod route;
mod runs;
mod secret;
mod serve;
mod session;
mod sessions;
mod sign_in;
mod socket;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use crate::clock::SharedClock;
use crate::console::Account;
use crate::plan::World;
use crate::store::Store;

pub use provider::ProviderOptions;
pub use route::ROUTES;
pub use session::Ticket;
pub use socket::{Claim, DoorError, knock, place};

use look::Looks;
use provider::Provider;
use session::Sessions;

/// Where the page is.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The address that people use, if it is another one: scheme, host and port.
    pub address: Option<String>,
    /// The socket over which codes are given out.
    pub socket: PathBuf,
    /// Who vouches for people from elsewhere.
    pub provider: Option<ProviderOptions>,
}

/// What the page tells of, and writes to.
#[derive(Debug)]
pub struct Facts {
    /// The journal, as its owner.
    pub store: Store,
    /// What playbooks refer to, without lists.
    pub world: World,
    /// The time.
    pub clock: SharedClock,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Everybody could listen in.
    #[error(
        "the page is not shown at `{0}`: it has no TLS, and only this machine's own addresses do without"
    )]
    Open(SocketAddr),
    /// The address is taken, or not ours.
    #[error("the page cannot listen at `{at}`")]
    Listen {
        /// Where.
        at: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The OpenID provider's address is none.
    #[error("the address of the OpenID provider cannot be used")]
    Provider(#[source] crate::http::HttpError),
    /// The socket cannot be made.
    #[error("the socket `{at}` cannot be made")]
    Socket {
        /// Where.
        at: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The page. Cheap to clone; all clones are one page.
#[derive(Debug, Clone)]
pub struct Web(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    facts: Facts,
    /// Where people find it: scheme, host and port.
    origin: String,
    listens: SocketAddr,
    /// The hosts it answers to.
    hosts: Vec<String>,
    socket: PathBuf,
    sessions: Sessions,
    looks: Looks,
    provider: Option<Provider>,
    /// Another number whenever the journal was written to.
    beat: watch::Sender<i64>,
    /// Places for those who watch a page.
    watching: Arc<tokio::sync::Semaphore>,
    doors: std::sync::Mutex<Option<(TcpListener, UnixListener)>>,
}

impl Web {
    /// Opens the doors. Nobody is answered before [`Web::run`].
    ///
    /// # Errors
    ///
    /// [`WebError`].
    pub async fn open(options: WebOptions, facts: Facts) -> Result<Self, WebError> {
        let at = options.listen;
        if !at.ip().is_loopback() {
            return Err(WebError::Open(at));
        }
        let failed = |source| WebError::Listen { at, source };
        let listener = TcpListener::bind(at).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let socket = socket::open(&options.socket)
            .map_err(|source| WebError::Socket { at: options.socket.clone(), source })?;
        let port = bound.port();
        let here = (format!("http://{bound}"), vec![bound.to_string(), format!("localhost:{port}")]);
        let (origin, hosts) = options.address.map_or(here, |address| {
            let address = address.trim_end_matches('/').to_ascii_lowercase();
            let host = address.split_once("://").map_or(address.as_str(), |(_, host)| host).to_owned();
            (address, vec![host])
        });
        let clock = SharedClock::clone(&facts.clock);
        let provider = options.provider.map(|provider| Provider::new(provider, &origin, clock)).transpose();
        let provider = provider.map_err(WebError::Provider)?;
        Ok(Self(Arc::new(Inner {
            facts,
            origin,
            listens: bound,
            hosts,
            socket: options.socket,
            sessions: Sessions::default(),
            looks: Looks::default(),
            provider,
            beat: watch::Sender::new(0),
            watching: Arc::new(tokio::sync::Semaphore::new(live::WATCHING_MAX)),
            doors: std::sync::Mutex::new(Some((listener, socket))),
        })))
    }

    /// Where people find it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.0.origin
    }

    /// Where it listens.
    #[must_use]
    pub fn listens(&self) -> SocketAddr {
        self.0.listens
    }

    /// A way in for an account: good once, for a few minutes. `None` if too many are open.
    #[must_use]
    pub fn ticket(&self, account: Account) -> Option<Ticket> {
        self.0.sessions.issue(account, &self.0.origin, self.0.facts.clock.now())
    }

    /// Whether nobody can read along between here and the browser.
    fn is_private(&self) -> bool {
        self.0.origin.starts_with("https://")
    }
}
