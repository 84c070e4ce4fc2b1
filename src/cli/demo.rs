//! `huntbook demo`: everything at once, against the simulated tenant.
//!
//! The shipped playbooks run over real HTTP with real tokens; messages go to sinks of the simulated
//! tenant and to a mailbox on loopback. Nothing is left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::SignedDuration;

use super::args::{Demo, Output};
use super::exit::{Exit, unless_ended};
use super::output::{Unsaid, counted, fold, say, say_json, tell, width};
use super::run::{Scratch, deliver, spinner};
use super::{account, overview, serve, setup, shipped, validate, web};
use crate::action::Approvers;
use crate::channel::{Channel, ChannelOptions, EmailOptions, MailSecurity};
use crate::clock::SharedClock;
use crate::daemon::{self, Daemon, DaemonOptions, Terms};
use crate::engine::{Engine, Order, Ran, Report, RunState, Undoing};
use crate::feed::Shelf;
use crate::http::{Http, HttpOptions};
use crate::model::{Lists, Secret};
use crate::notify::Channels;
use crate::plan::{Plan, World, compile_set};
use crate::settings::Settings;
use crate::settings::{RiskRaising, Watching};
use crate::sim::mailbox::Mailbox;
use crate::sim::{Sim, SimApp, SimOptions};
use crate::store::{Effects, Store, Trigger};
use crate::tenant::{Client, ClientOptions, EndpointOverrides, Tenant};
use crate::web::{Facts, Web, WebOptions};

/// Name of the demo's tenant.
const TENANT: &str = "contoso";

/// The simulated world and what huntbook needs to work in it.
struct Stage {
    sim: Sim,
    mailbox: Mailbox,
    engine: Engine,
    channels: Channels,
    scratch: Scratch,
}

/// Runs the demo.
pub(super) async fn run(arguments: &Demo, format: Output, clock: SharedClock) -> anyhow::Result<Exit> {
    let stage = Stage::set(arguments.port, &clock).await?;
    let (playbooks, lists) = stage.lay_out()?;
    let found = daemon::scan(&playbooks, &lists)?;
    let mut problems = Vec::new();
    let in_force = validate::lists(&found.lists, &mut problems);
    let world = world(&stage.channels, in_force.clone());
    let plans = compile_set(&found.playbooks, &world);
    problems.extend(plans.iter().flat_map(|compiled| compiled.diagnostics.iter().cloned()));
    if !problems.is_empty() {
        say(&crate::diag::render(&problems, crate::diag::Format::Text))?;
        return Ok(Exit::Refused);
    }
    let plans = plans.into_iter().filter_map(|compiled| compiled.plan).map(Arc::new).collect();
    let play = Box::pin(async {
        let reports = stage.play(plans, Arc::new(in_force)).await?;
        deliver(&stage.engine, &stage.channels, reports).await
    });
    let reports = unless_ended(play).await?;
    match format {
        Output::Json => say_json(&reports)?,
        Output::Text => stage.curtain(&reports)?,
    }
    if arguments.serve {
        return stage.keep_on(&playbooks, &lists).await;
    }
    let failed = reports.iter().any(|report| report.state == RunState::Failed);
    stage.sim.stop().await;
    Ok(if failed { Exit::Findings } else { Exit::Fine })
}

/// What the shipped playbooks refer to.
fn world(channels: &Channels, lists: Lists) -> World {
    let world = setup::world(&Settings::default(), lists);
    let chats = channels.iter().filter(|(_name, channel)| channel.is_chat());
    World {
        // The story's twenty devices stand for a fleet.
        ceilings: world.ceilings.clone().on_a_stage(),
        channels: channels.keys().cloned().collect(),
        chats: chats.map(|(name, _channel)| (name.clone(), BTreeSet::new())).collect(),
        alerts: None,
        tenants: BTreeMap::from([(TENANT.to_owned(), BTreeSet::from(["demo".to_owned()]))]),
        ..world
    }
}

impl Stage {
    /// Starts the simulated tenant and a mailbox, and opens everything that talks to them.
    async fn set(port: u16, clock: &SharedClock) -> anyhow::Result<Self> {
        let mut options =
            SimOptions::story(clock.now()).context("the simulated tenant's story is damaged")?;
        options.port = port;
        let signing = Secret::new(shipped::WEBHOOK_SECRET.to_owned());
        options.hook_secrets.insert("siem-webhook".to_owned(), signing.clone());
        let tenant_id = options.identity.tenant_id.clone();
        let sim = Sim::start(options, Arc::clone(clock)).await?;
        let mailbox = Mailbox::start().await.context("the mailbox cannot be opened")?;
        let http = Http::open(HttpOptions::default(), Arc::clone(clock))?;
        let secret = Secret::new(SimApp::SECRET.to_owned());
        let options = ClientOptions {
            endpoints: EndpointOverrides::under(sim.url()),
            ..ClientOptions::with_secret(TENANT, tenant_id, SimApp::CLIENT_ID, secret)
        };
        let client = Client::open(options, http.clone(), Arc::clone(clock))?;
        let channels = channels(&sim.endpoints().hooks, &mailbox, signing, (&http, clock))?;
        let scratch = Scratch::new()?;
        let store = Store::open(&scratch.0.join("demo.db"), Arc::clone(clock)).await?;
        let tenants: BTreeMap<String, Arc<dyn Tenant>> =
            BTreeMap::from([(TENANT.to_owned(), Arc::new(client) as _)]);
        let engine = Engine {
            store,
            clock: Arc::clone(clock),
            tenants,
            alerts: None,
            page: None,
            undoing: Undoing::default(),
            feeds: Arc::new(Shelf::default()),
        };
        Ok(Self { sim, mailbox, engine, channels, scratch })
    }

    /// Writes the shipped playbooks and lists where they can be read and edited.
    fn lay_out(&self) -> anyhow::Result<(std::path::PathBuf, std::path::PathBuf)> {
        let playbooks = self.scratch.0.join("playbooks");
        let lists = playbooks.join("lists");
        std::fs::create_dir_all(&lists).context("the playbooks cannot be laid out")?;
        for (name, text) in shipped::PLAYBOOKS {
            std::fs::write(playbooks.join(name), text).with_context(|| format!("writing `{name}`"))?;
        }
        for (name, text) in shipped::LISTS {
            std::fs::write(lists.join(name), text).with_context(|| format!("writing `{name}`"))?;
        }
        Ok((playbooks, lists))
    }

    /// Runs every playbook once, in the order of their files.
    async fn play(&self, plans: Vec<Arc<Plan>>, lists: Arc<Lists>) -> anyhow::Result<Vec<Report>> {
        let progress = spinner();
        let mut reports = Vec::new();
        for plan in plans {
            progress.set_message(plan.about.name.clone());
            let order = Order {
                plan,
                lists: Arc::clone(&lists),
                tenant: TENANT.to_owned(),
                trigger: Trigger::Demo,
                by: None,
                slot: None,
                effects: Effects::Apply,
            };
            if let Ran::Report(report) = self.engine.run(&order).await? {
                reports.push(*report);
            }
        }
        progress.finish_and_clear();
        Ok(reports)
    }

    /// Prints what happened, and what the tenant itself says happened.
    fn curtain(&self, reports: &[Report]) -> Result<(), Unsaid> {
        say(&overview::of(reports, width()))?;
        let mut changes: BTreeMap<String, usize> = BTreeMap::new();
        for effect in self.sim.effects() {
            *changes.entry(effect.effect).or_default() += 1;
        }
        let changes: Vec<String> =
            changes.into_iter().map(|(effect, count)| format!("{count} {effect}")).collect();
        let log = format!(
            "The tenant's own log: {}; changes: {}; {} at its sinks, {} in the mailbox.",
            counted((self.sim.requests().len(), "request")),
            changes.join(", "),
            counted((self.sim.messages().len(), "message")),
            counted((self.mailbox.mails().len(), "mail")),
        );
        say(&format!("\n{}", fold(&log, width(), 0)))?;
        tell("Next: `huntbook demo --serve` keeps it running; the README leads to a real tenant.");
        Ok(())
    }

    /// Keeps the tenant and the schedules running, and shows the page.
    async fn keep_on(self, playbooks: &Path, lists: &Path) -> anyhow::Result<Exit> {
        let account = account::caller();
        let approvers = Approvers::new([("you".to_owned(), account.name.clone())]);
        let world = World { approvers, ..world(&self.channels, Lists::default()) };
        let clock = SharedClock::clone(&self.engine.clock);
        let facts = Facts { store: self.engine.store.clone(), world: world.clone(), clock };
        let socket = self.scratch.0.join("demo.sock");
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let page =
            Web::open(WebOptions { listen, address: None, socket: socket.clone(), provider: None }, facts)
                .await?;
        let options = DaemonOptions {
            playbooks: playbooks.to_path_buf(),
            lists: lists.to_path_buf(),
            terms: Terms::default(),
            risk_raising: RiskRaising::Apply,
            watching: Watching::Auto,
            poll_every: SignedDuration::from_secs(5),
            world,
            channels: self.channels,
            running_max: NonZeroUsize::MIN.saturating_add(7),
            drain: SignedDuration::from_secs(10),
        };
        let engine = Engine { alerts: Some("soc-teams".to_owned()), ..self.engine };
        tell(&format!(
            "the simulated tenant is at {}\nedit the playbooks in {} and watch them reload",
            self.sim.url(),
            playbooks.display()
        ));
        let daemon = Daemon::open(engine, options).await?;
        if let Some(ticket) = page.ticket(account) {
            tell(&format!(
                "{}\nanother code: huntbook web --socket {}",
                web::text(&ticket),
                socket.display()
            ));
        }
        let exit = serve::until_stopped(&daemon, Some(&page), serve::Hangup::Stops).await;
        self.sim.stop().await;
        exit
    }
}

fn channels(
    hooks: &str,
    mailbox: &Mailbox,
    signing: Secret,
    (http, clock): (&Http, &SharedClock),
) -> anyhow::Result<Channels> {
    let url = |kind: &str, name: &str| Arc::new(Secret::new(format!("{hooks}/{kind}/{name}")));
    let mail = EmailOptions {
        host: "127.0.0.1".to_owned(),
        port: Some(mailbox.address().port()),
        security: MailSecurity::None,
        login: None,
        from: "huntbook <huntbook@contoso.example>".to_owned(),
        to: vec!["soc@contoso.example".to_owned()],
        extra_ca: None,
    };
    let options = [
        ("soc-teams", ChannelOptions::Teams { url: url("teams", "soc-teams") }),
        ("soc-slack", ChannelOptions::Slack { url: url("slack", "soc-slack") }),
        ("soc-mail", ChannelOptions::Email(mail)),
        (
            "siem-webhook",
            ChannelOptions::Webhook { url: url("webhook", "siem-webhook"), secrets: vec![Arc::new(signing)] },
        ),
    ];
    let open = |(name, options): (&str, ChannelOptions)| {
        let channel = Channel::open(name, &options, http.clone(), Arc::clone(clock))?;
        Ok((name.to_owned(), channel))
    };
    options.into_iter().map(open).collect()
}
