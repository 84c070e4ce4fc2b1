//! `huntbook serve`.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::SignedDuration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::args::Serve;
use super::exit::Exit;
use super::output::{clean, counted, tell};
use super::setup::Doors;
use super::{Unfit, setup, validate};
use crate::clock::SharedClock;
use crate::daemon::{self, Daemon, DaemonOptions, Status};
use crate::diag::{Chain, Sink};
use crate::engine::Engine;
use crate::model::Lists;
use crate::playbook::list;
use crate::settings::{self, Hand, OpenIdSettings, Settings};
use crate::store::Store;
use crate::web::{self, Facts, ProviderOptions, Web, WebOptions};

/// Most runs at once: what keeps a tenant's documented 45 hunting calls a minute busy.
const RUNNING_MAX: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");

/// Runs playbooks on their schedules until stopped.
pub(super) async fn run(arguments: &Serve, config: &Path, clock: SharedClock) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    setup::insist_on_owners(config)?;
    setup::insist_on_state(config, &settings, Hand::Owner)?;
    let found = daemon::scan_on(&setup::terms(&settings)?, &settings.playbooks, &settings.lists);
    let found = found.map(|scan| scan.lists).unwrap_or_default();
    let mut lists = validate::lists(&found, &mut Vec::new());
    let store = Store::open(&settings.store.path, Arc::clone(&clock)).await?;
    for stored in store.live_lists().await? {
        // A broken, missing or emptied file does not keep the last good list from its work.
        let is_there = lists.get(&stored.name).map(|list| list.is_empty());
        if is_there.unwrap_or(true) {
            if is_there.is_some() && protects(&settings, &stored.name) {
                let (name, file) = (clean(&stored.name, 120), clean(&stored.file, 200));
                tell(&format!(
                    "warning: the list `{name}` protects, and `{file}` is empty: what it said stays in force until \
                     somebody says that this was meant, see `huntbook status`"
                ));
            }
            lists.extend_with(list::parse(&stored.file, &stored.bytes, &mut Sink::new()));
        }
    }
    validate::insist_on_names(config, &settings, &setup::world(&settings, lists))?;
    setup::warn_of_exposure(config, &settings);
    let parts = setup::open(&settings, &clock).await?;
    let page = web_options(&settings, &clock).await?;
    let journal = store.clone();
    let facts = Facts {
        store: store.clone(),
        world: setup::world(&settings, Lists::default()),
        clock: SharedClock::clone(&clock),
    };
    let engine = Engine {
        store,
        clock,
        tenants: parts.tenants,
        feeds: parts.feeds,
        alerts: setup::alerts(&settings),
        page: setup::page(&settings),
        undoing: setup::undoing(&settings),
    };
    let options = options(&settings, parts.channels, arguments.drain)?;
    let daemon = Daemon::open(engine, options).await?;
    let page = match page {
        Some(options) => Some(Web::open(options, facts).await?),
        None => None,
    };
    if let Some(page) = &page {
        tell(&format!(
            "the page is at {} (it listens at {}); `huntbook web` signs you in",
            page.address(),
            page.listens()
        ));
    }
    let ended = until_stopped(&daemon, page.as_ref(), Hangup::Releases).await;
    if let Err(error) = daemon::tell_heads(&journal).await {
        tracing::warn!(error = %Chain(&error), "the ends of the histories could not be read");
    }
    ended
}

/// Whether the settings name a list of what no playbook may touch.
fn protects(settings: &Settings, list: &str) -> bool {
    setup::world(settings, Lists::default()).exclusions.lists().any(|name| name == list)
}

/// Where the page is, if there is one.
async fn web_options(settings: &Settings, clock: &SharedClock) -> anyhow::Result<Option<WebOptions>> {
    let Some(web) = &settings.web else { return Ok(None) };
    // The settings were read: it is an address with a port.
    let Some(listen) = web.socket() else { return Ok(None) };
    let provider = match &web.open_id {
        Some(open_id) => Some(provider(settings, open_id, clock).await?),
        None => None,
    };
    let socket = web::place(&settings.store.path);
    Ok(Some(WebOptions { listen, address: web.address.clone(), socket, provider }))
}

/// Who vouches for people from elsewhere.
async fn provider(
    settings: &Settings,
    open_id: &OpenIdSettings,
    clock: &SharedClock,
) -> anyhow::Result<ProviderOptions> {
    let doors = Doors::open(settings, clock)?;
    let client_secret = open_id.client_secret.as_ref().map(|secret| doors.source(secret)).transpose()?;
    if let Some(secret) = &client_secret {
        secret.fetch().await.context("the client secret of the page cannot be fetched").map_err(Unfit)?;
    }
    Ok(ProviderOptions {
        issuer: open_id.issuer.clone(),
        client_id: open_id.client_id.clone(),
        client_secret,
        look: open_id.roles.read.clone(),
        act: open_id.roles.act.clone(),
        http: doors.http,
    })
}

/// What SIGHUP means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hangup {
    /// The files that are missing were removed on purpose: look again, and let go of what is held.
    Releases,
    /// The terminal is gone, and nobody is there any more: stop.
    Stops,
}

fn options(
    settings: &Settings,
    channels: crate::notify::Channels,
    drain: u32,
) -> anyhow::Result<DaemonOptions> {
    Ok(DaemonOptions {
        playbooks: settings.playbooks.clone(),
        lists: settings.lists.clone(),
        terms: setup::terms(settings)?,
        risk_raising: settings.reload.risk_raising,
        watching: settings.reload.watch,
        poll_every: settings.reload.poll_every(),
        world: setup::world(settings, Lists::default()),
        channels,
        running_max: RUNNING_MAX,
        drain: SignedDuration::from_secs(drain.into()),
    })
}

/// What is served, and what is due next.
fn serves(status: &Status) -> String {
    let (playbooks, refused) =
        (counted((status.playbooks, "playbook")), counted((status.refused.len(), "file")));
    let next = match &status.next {
        Some((at, name)) => format!("next is `{}` at {at:.0}", clean(name, 120)),
        None => "nothing is due".to_owned(),
    };
    format!(
        "huntbook serves {playbooks} ({refused} refused, {} held), {} on schedules: {next}; `huntbook status` shows \
         all; stop it with Ctrl-C or SIGTERM",
        status.held.len(),
        status.scheduled
    )
}

/// Runs a daemon and its page until SIGTERM or SIGINT; the second signal ends them at once.
pub(super) async fn until_stopped(
    daemon: &Daemon,
    page: Option<&Web>,
    hangup: Hangup,
) -> anyhow::Result<Exit> {
    let closing = CancellationToken::new();
    let shown = async {
        if let Some(page) = page {
            page.run(closing.clone()).await;
        }
    };
    let serving = async {
        let ended = until_ended(daemon, hangup).await;
        closing.cancel();
        ended
    };
    // The page goes on as long as something runs: somebody may want to see how it ends.
    let (exit, ()) = tokio::join!(serving, shown);
    exit
}

/// Serves until SIGTERM or SIGINT.
async fn until_ended(daemon: &Daemon, hangup: Hangup) -> anyhow::Result<Exit> {
    let listen = |kind, name| signal(kind).with_context(|| format!("{name} cannot be watched for"));
    let mut terminate = listen(SignalKind::terminate(), "SIGTERM")?;
    let mut interrupt = listen(SignalKind::interrupt(), "SIGINT")?;
    let mut hung_up = listen(SignalKind::hangup(), "SIGHUP")?;
    // Said only now: whoever reads it may send a signal.
    tell(&serves(&daemon.status()));
    let stop = CancellationToken::new();
    let mut serving = Box::pin(daemon.run(stop.clone()));
    let mut asked = false;
    loop {
        tokio::select! {
            ended = &mut serving => {
                ended?;
                return Ok(Exit::Fine);
            }
            _signal = terminate.recv() => {}
            _signal = interrupt.recv() => {}
            _signal = hung_up.recv() => if hangup == Hangup::Releases {
                if let Err(error) = daemon.release().await {
                    tracing::error!(error = %Chain(&error), "what is held could not be let go");
                }
                continue;
            }
        }
        if asked {
            tell("stopped at once; what was cut off is taken up at the next start");
            return Ok(Exit::Findings);
        }
        asked = true;
        tell("stopping: no action begins any more, those that have are waited for; once more stops at once");
        stop.cancel();
    }
}
