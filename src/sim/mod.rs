//! The simulated tenant: a server that speaks the tenant's HTTP.
//!
//! One [`Sim`] is one tenant, of which several may stand behind one address ([`Sim::beside`]): a token endpoint, Microsoft Graph, Defender for Endpoint, the old hunting
//! address of Defender XDR, sinks for messages, scripted faults, and a log that is the ground truth of
//! what happened. The real client talks to it over real connections, so the client is always under
//! test. Everything is in memory and ends with the `Sim`.
//!
//! | path | is |
//! |---|---|
//! | `/{tenant}/oauth2/v2.0/token`, `/{tenant}/oauth2/token` | tokens for the client-credentials grant: secret, certificate, federated |
//! | `/{tenant}/v2.0/.well-known/openid-configuration`, `/{tenant}/discovery/v2.0/keys` | how to check them |
//! | `/{tenant}/oauth2/v2.0/devicecode`, `/{tenant}/devicelogin`, `/{tenant}/oauth2/v2.0/authorize` | where people sign in |
//! | `/{tenant}/adminconsent` | the page on which administrators consent |
//! | `/common/discovery/instance` | which names the authority has |
//! | `/metadata/identity/oauth2/token`, `/msi/token`, `/arc/metadata/…` | managed identities of a virtual machine, App Service, Arc |
//! | `/oidc/token` | the tokens of a workload, as GitHub Actions gives them |
//! | `/vault/secrets/{name}` | a key vault: read, and `PUT` to write |
//! | `/graph/v1.0/…` | hunting, incidents, alerts, users and their risk, identities, mails |
//! | `/mde/api/…` | machines, machine actions, indicators, old hunting |
//! | `/xdr/api/advancedhunting/run` | old hunting |
//! | `/hooks/{teams\|slack\|webhook}/{name}` | sinks |
//! | `/_sim/log`, `/_sim/state`, `/_sim/faults` | for tests: JSON lines, JSON, a script to read or `POST` |

mod app;
mod assertion;
mod call;
mod cases;
mod consent;
mod device;
mod fault;
mod form;
mod front;
mod gateway;
mod generated;
mod graph;
mod hooks;
mod hunter;
mod identity;
mod indicators;
mod live;
mod log;
mod machine_action;
pub mod mailbox;
mod mde;
mod memory;
mod merge;
mod odata;
mod person;
mod platform;
mod query;
mod reply;
mod seed;
mod serve;
mod state;
pub mod story;
mod sysmon;
mod tables;
mod token;
mod vault;
mod wire;

pub use app::{SimApp, SimFederated};
pub use consent::Consent;
pub use fault::{Apply, DELAY_MS_MAX, FAULTS_MAX, Fault, Pattern, RetryAfterAs};
pub use gateway::Gateway;
pub use generated::{GeneratedHunter, MARK};
pub use hunter::{CannedHunter, HuntColumn, HuntFault, HuntRows, HuntTable, HuntWindow, Hunter};
pub use indicators::INDICATORS_MAX;
pub use log::{EffectEntry, LOG_ENTRIES_MAX, LogEntry, MessageEntry, RequestEntry, Verdict};
pub use machine_action::{ActionTiming, Completion, Duplicates};
pub use memory::SimWire;
pub use person::SimPerson;
pub use platform::{ArcChallenge, IDENTITY_HEADER, JOB_SUBJECT, JOB_TOKEN};
pub use query::{HUNT_BYTES_MAX, HUNT_ROWS_MAX};
pub use seed::{
    Reach, SimAlert, SimComment, SimData, SimIdentityAccount, SimIncident, SimIndicator, SimMachine,
    SimProviderAccount, SimUser, items,
};
pub use serve::BODY_BYTES_MAX;
pub use sysmon::{Census, Sysmon, SysmonRow};
pub use tables::{HUNT_TIME_MAX, TableHunter};
pub use vault::{READER as VAULT_READER, WRITER as VAULT_WRITER};
pub use wire::CONNECTIONS_MAX;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock as _, SharedClock, SystemClock};
use crate::model::{Secret, TenantId};

/// How long requests under way may take to end when the server stops; then they are cut.
const STOP_GRACE: SignedDuration = SignedDuration::from_secs(2);

/// Life of a token, as the services usually give it.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_secs(3599);

/// Items on a page of incidents or alerts, and the most a caller gets.
const PAGE_SIZE: usize = 50;

/// Which directory tenant a server plays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimIdentity {
    /// Tenant id.
    pub tenant_id: TenantId,
    /// Domain name, which the token endpoint takes as well.
    pub domain: String,
}

/// What a simulated tenant is made of.
pub struct SimOptions {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Which tenant it is.
    pub identity: SimIdentity,
    /// The applications it knows.
    pub apps: Vec<SimApp>,
    /// What is in it at the start.
    pub data: SimData,
    /// What answers hunting queries.
    pub hunter: Arc<dyn Hunter>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// How long response actions take.
    pub timing: ActionTiming,
    /// What a second action of the same type does while the first is open.
    pub duplicates: Duplicates,
    /// In which order actions of one device end.
    pub completion: Completion,
    /// Items on a page of incidents or alerts, and the most a caller gets.
    pub page_size: usize,
    /// Queries the tenant answers in a minute, all callers together; further ones meet 429. The service
    /// promises 45. Any number, if none.
    pub hunts_per_minute: Option<usize>,
    /// Life of a token.
    pub token_life: SignedDuration,
    /// Signing secrets of webhook sinks (`whsec_…`), by the name of the sink.
    pub hook_secrets: BTreeMap<String, Secret>,
    /// Secrets of its key vault, by name.
    pub vault: BTreeMap<String, Secret>,
    /// The agent of Azure Arc that it plays, if it plays one.
    pub arc: Option<ArcChallenge>,
    /// Where each log entry is written, one JSON line at a time, flushed before the answer leaves.
    pub log_to: Option<Box<dyn Write + Send>>,
}

impl SimOptions {
    /// Tenant id of [`SimOptions::sample`].
    pub const TENANT_ID: &'static str = "5b8e0d1c-93f4-4a26-8c57-2f6e1d7a9b03";

    /// The sample tenant `contoso.example`, with the shipped data and one application that may do
    /// everything. Queries have no answers until a hunter is set.
    ///
    /// # Errors
    ///
    /// [`SimError::Data`] if the shipped data is damaged.
    pub fn sample() -> Result<Self, SimError> {
        let tenant_id = Self::TENANT_ID.parse().map_err(|error| SimError::Data {
            name: "the sample tenant id".to_owned(),
            source: Box::new(error),
        })?;
        Ok(Self {
            port: 0,
            identity: SimIdentity { tenant_id, domain: "contoso.example".to_owned() },
            apps: vec![SimApp::sample()],
            data: SimData::sample()?,
            hunter: Arc::new(GeneratedHunter::before(Arc::new(CannedHunter::new()))),
            faults: Vec::new(),
            timing: ActionTiming::default(),
            duplicates: Duplicates::default(),
            completion: Completion::default(),
            page_size: PAGE_SIZE,
            hunts_per_minute: None,
            token_life: TOKEN_LIFE,
            hook_secrets: BTreeMap::new(),
            vault: BTreeMap::new(),
            arc: None,
            log_to: None,
        })
    }
}

impl SimOptions {
    /// The sample tenant in the middle of a bad day: twenty machines, thirty people, incidents, and
    /// hunting tables that queries run on. What the demonstration and the shipped playbooks use.
    ///
    /// `now` is where the story's relative times start from: the start of the server.
    ///
    /// # Errors
    ///
    /// [`SimError::Data`] if the shipped data is damaged.
    pub fn story(now: Timestamp) -> Result<Self, SimError> {
        let story = story::Story::contoso(now)?;
        let hunter = TableHunter::new(story.library);
        let hunter = Arc::new(GeneratedHunter::before(Arc::new(hunter)));
        Ok(Self { data: story.data, hunter, ..Self::sample()? })
    }
}

impl std::fmt::Debug for SimOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimOptions")
            .field("port", &self.port)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Why a simulated tenant does not start, or does not take a script.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// The port cannot be opened.
    #[error("opening port {port} on the loopback address")]
    Listen {
        /// The port asked for.
        port: u16,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A key or a certificate cannot be made.
    #[error("making a key")]
    Key(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The tenant's data does not fit.
    #[error("reading {name} of the simulated tenant")]
    Data {
        /// What was read.
        name: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A fault script does not fit.
    #[error("reading the fault script: {0}")]
    Faults(String),
}

/// Where the parts of a simulated tenant are: what goes into a tenant's endpoint settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimEndpoints {
    /// In place of `https://login.microsoftonline.com`.
    pub login: String,
    /// In place of `https://graph.microsoft.com`.
    pub graph: String,
    /// In place of `https://api.securitycenter.microsoft.com`.
    pub mde: String,
    /// In place of `https://api.security.microsoft.com`.
    pub xdr: String,
    /// Followed by `/teams/NAME`, `/slack/NAME` or `/webhook/NAME`.
    pub hooks: String,
}

/// A running simulated tenant. Dropping it ends the server at once.
#[derive(Debug)]
pub struct Sim {
    service: Arc<serve::Service>,
    /// All tenants behind this address.
    front: Arc<front::Front>,
    tasks: JoinSet<()>,
    /// No new connections; requests under way end.
    stop: CancellationToken,
    /// All connections end.
    cut: CancellationToken,
}

impl Sim {
    /// Starts a server on the loopback address.
    ///
    /// # Errors
    ///
    /// [`SimError::Listen`] if the port is taken, [`SimError::Data`] and [`SimError::Faults`] if the
    /// options do not fit, [`SimError::Key`] if no key can be made.
    pub async fn start(options: SimOptions, clock: SharedClock) -> Result<Self, SimError> {
        let port = options.port;
        let listen = |source| SimError::Listen { port, source };
        let listener =
            TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let service = service(options, format!("http://{address}"), clock)?;
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let front = front::Front::new(Arc::clone(&service));
        let router = Router::new().fallback(serve::handle).with_state(Arc::clone(&front));
        let serving = axum::serve(
            wire::Door::new(listener, cut.clone()),
            router.into_make_service_with_connect_info::<wire::Line>(),
        )
        .with_graceful_shutdown(stop.clone().cancelled_owned());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the simulated tenant stopped");
            }
        });
        Ok(Self { service, front, tasks, stop, cut })
    }

    /// Opens a second way in, for clients that know only the production names: a proxy on `port` of the
    /// loopback address (0 takes a free one) that speaks TLS for them.
    ///
    /// # Errors
    ///
    /// [`SimError::Listen`] if the port is taken, [`SimError::Key`] if no certificates can be made.
    pub async fn open_gateway(&mut self, port: u16) -> Result<Gateway, SimError> {
        gateway::open(&self.front, port, (&self.stop, &self.cut), &mut self.tasks).await
    }

    /// Makes a tenant without a socket: [`Sim::wire`] is the only way to it.
    ///
    /// # Errors
    ///
    /// As [`Sim::start`], which see; no port can be taken.
    pub fn in_memory(options: SimOptions, clock: SharedClock) -> Result<Self, SimError> {
        let service = service(options, memory::URL.to_owned(), clock)?;
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let front = front::Front::new(Arc::clone(&service));
        Ok(Self { service, front, tasks: JoinSet::new(), stop, cut })
    }

    /// Puts another tenant behind the same addresses, until it is dropped. As at the services, a token says
    /// whose it is and the path of a request for one says whose it asks for; messages come to the first tenant,
    /// and `/_sim/…?tenant=ID` shows another. It has applications, data, faults and a log of its own, and the
    /// clock of the first; the port of its options counts for nothing.
    ///
    /// # Errors
    ///
    /// As [`Sim::start`], which see.
    pub fn beside(&self, options: SimOptions) -> Result<Self, SimError> {
        let service = service(options, self.url().to_owned(), Arc::clone(&self.service.clock))?;
        self.front.add(Arc::clone(&service));
        let (front, tasks) = (Arc::clone(&self.front), JoinSet::new());
        Ok(Self { service, front, tasks, stop: CancellationToken::new(), cut: CancellationToken::new() })
    }

    /// The way to the tenant that needs no socket, for [`HttpOptions`](crate::http::HttpOptions).
    #[must_use]
    pub fn wire(&self) -> SimWire {
        SimWire::new(Arc::clone(&self.front))
    }

    /// Address of the server, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.service.url
    }

    /// Where its parts are.
    #[must_use]
    pub fn endpoints(&self) -> SimEndpoints {
        let url = self.url();
        SimEndpoints {
            login: url.to_owned(),
            graph: format!("{url}/graph"),
            mde: format!("{url}/mde"),
            xdr: format!("{url}/xdr"),
            hooks: format!("{url}/hooks"),
        }
    }

    /// The ground truth so far, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<LogEntry> {
        self.service.log.entries()
    }

    /// The changes in the log.
    #[must_use]
    pub fn effects(&self) -> Vec<EffectEntry> {
        let effect = |entry| if let LogEntry::Effect(effect) = entry { Some(effect) } else { None };
        self.log().into_iter().filter_map(effect).collect()
    }

    /// The requests in the log, in the order they ended.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestEntry> {
        let request = |entry| if let LogEntry::Request(request) = entry { Some(request) } else { None };
        self.log().into_iter().filter_map(request).collect()
    }

    /// The messages in the log.
    #[must_use]
    pub fn messages(&self) -> Vec<MessageEntry> {
        let message = |entry| if let LogEntry::Message(message) = entry { Some(message) } else { None };
        self.log().into_iter().filter_map(message).collect()
    }

    /// What is in the tenant now, with what the APIs do not show (isolation, revoked sessions).
    #[must_use]
    pub fn state(&self) -> Value {
        self.service.state(self.service.clock.now()).snapshot()
    }

    /// Lets incidents and alerts come into the tenant; one whose id is there takes its place. Relative times count
    /// from now.
    ///
    /// # Errors
    ///
    /// [`SimError::Data`] if a time is none; nothing after it comes.
    pub fn add_cases(&self, data: &SimData) -> Result<(), SimError> {
        let now = self.service.clock.now();
        self.service.state(now).add_cases(data, now)
    }

    /// Puts a fault script in force in place of the one before; an empty one ends all faults.
    ///
    /// # Errors
    ///
    /// [`SimError::Faults`] if a fault does not fit; the old script stays.
    pub fn set_faults(&self, faults: Vec<Fault>) -> Result<(), SimError> {
        self.service.faults.replace(faults)
    }

    /// Makes these the applications that the tenant knows, with the roles that its administrators have consented
    /// to by now. Tokens that were issued stay as they are.
    pub fn set_apps(&self, apps: Vec<SimApp>) {
        self.service.directory.set_apps(apps);
    }

    /// Revokes what people who signed in left: their refresh tokens serve no more.
    pub fn revoke_sign_ins(&self) {
        self.service.directory.revoke_sign_ins();
    }

    /// Puts a secret into the key vault, in place of what was there.
    pub fn set_secret(&self, name: &str, value: Secret) {
        self.service.vault.put(name, value);
    }

    /// Stops: takes no more connections, lets requests under way end for two seconds, cuts the rest.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        tokio::select! {
            () = ended => {}
            () = SystemClock.sleep(STOP_GRACE) => {}
        }
        self.cut.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Puts a tenant together.
fn service(options: SimOptions, url: String, clock: SharedClock) -> Result<Arc<serve::Service>, SimError> {
    let state = state::State::new(options.identity.clone(), &options.data, clock.now())?;
    Ok(Arc::new(serve::Service {
        directory: token::Directory::open(options.identity, options.apps, options.token_life)?,
        hunter: options.hunter,
        rules: serve::Rules {
            timing: options.timing,
            duplicates: options.duplicates,
            completion: options.completion,
            page_size: options.page_size.max(1),
            hunts_per_minute: options.hunts_per_minute,
        },
        hook_secrets: options.hook_secrets,
        vault: vault::Shelf::new(options.vault),
        arc: options.arc,
        faults: fault::Script::new(options.faults)?,
        log: log::Log::new(options.log_to),
        state: Mutex::new(state),
        late: Mutex::new(JoinSet::new()),
        hunts: Mutex::default(),
        url,
        clock,
    }))
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.front.remove(&self.service);
        // Late requests hold the service, which holds them.
        self.service.late.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        self.stop.cancel();
        self.cut.cancel();
    }
}
