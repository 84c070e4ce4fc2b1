//! The simulated tenant alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::super::exit::Exit;
use super::super::output::{say, tell};
use super::super::{Misuse, Refusal, rows};
use super::args::Start;
use super::partner;
use crate::clock::{SharedClock, ShiftedClock};
use crate::diag::{Format, Sink, render};
use crate::model::Secret;
use crate::sim::story::{self, Snapshot};
use crate::sim::{
    ArcChallenge, Fault, GeneratedHunter, Sim, SimApp, SimData, SimIdentity, SimOptions, TableHunter,
};
use crate::yaml;

/// Starts the simulated tenant and keeps it until interrupted.
pub(super) async fn run(arguments: &Start, clock: SharedClock) -> anyhow::Result<Exit> {
    let (mut options, clock) = tenant(arguments, clock)?;
    options.port = arguments.port;
    options.hunts_per_minute = arguments.hunts_per_minute;
    options.apps = vec![app(arguments)?];
    options.vault = secrets(arguments)?;
    options.arc = arguments.arc_keys.as_deref().map(challenge).transpose()?;
    if let Some(path) = &arguments.faults {
        options.faults = faults(path)?;
    }
    if let Some(path) = &arguments.log_file {
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        options.log_to = Some(Box::new(file.with_context(|| format!("opening `{}`", path.display()))?));
    }
    let app = partner::consent(&mut options.apps, (0, arguments));
    let first = options.identity.clone();
    let mut sim = Sim::start(options, SharedClock::clone(&clock)).await?;
    let others = partner::beside(&sim, (arguments, &app), &clock)?;
    let identities: Vec<SimIdentity> =
        [first].into_iter().chain(others.iter().map(|(one, _)| one.clone())).collect();
    let proxy = match &arguments.tls {
        Some(path) => {
            let gateway = sim.open_gateway(arguments.tls_port).await?;
            let writing = || format!("writing `{}`", path.display());
            fs::write(path, &gateway.authority).with_context(writing)?;
            format!("\nproxy          {}\nauthority      {}", gateway.proxy, path.display())
        }
        None => String::new(),
    };
    if let Some(path) = &arguments.settings {
        let text = partner::settings(&identities, &sim.endpoints());
        fs::write(path, text).with_context(|| format!("writing `{}`", path.display()))?;
    }
    let endpoints = sim.endpoints();
    let tenants: Vec<String> =
        identities.iter().map(|one| format!("tenant id      {}", one.tenant_id)).collect();
    say(&format!(
        "{}\nclient id      {}\nclient secret  {}\nlogin          {}\ngraph          {}\nmde            {}\nxdr            {}\nhooks          {}/{{teams|slack|webhook}}/NAME\nlog            {}/_sim/log{proxy}",
        tenants.join("\n"),
        SimApp::CLIENT_ID,
        SimApp::SECRET,
        endpoints.login,
        endpoints.graph,
        endpoints.mde,
        endpoints.xdr,
        endpoints.hooks,
        sim.url(),
    ))?;
    tell("the simulated tenant runs; stop it with Ctrl-C");
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be watched for")?;
    tokio::select! {
        _signal = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("SIGINT cannot be watched for")?,
    }
    drop(others);
    sim.stop().await;
    Ok(Exit::Fine)
}

/// The app that the tenant knows.
fn app(arguments: &Start) -> anyhow::Result<SimApp> {
    let mut app = SimApp::sample();
    for path in &arguments.certificate {
        let known = app.certificates.len();
        app =
            app.with_certificates(&fs::read(path).with_context(|| format!("reading `{}`", path.display()))?);
        if app.certificates.len() == known {
            return Err(Refusal(format!("`{}` holds no certificate (PEM)", path.display())).into());
        }
    }
    Ok(app)
}

/// What is in the key vault.
fn secrets(arguments: &Start) -> anyhow::Result<BTreeMap<String, Secret>> {
    let read = |one: &String| {
        let (name, path) = one.split_once('=').ok_or_else(|| Misuse("--secret is NAME=FILE".to_owned()))?;
        let text = fs::read_to_string(path).with_context(|| format!("reading `{path}`"))?;
        Ok((name.to_owned(), Secret::new(text.trim_end_matches('\n').to_owned())))
    };
    arguments.secret.iter().map(read).collect()
}

/// Writes the challenge of the Arc agent.
fn challenge(folder: &Path) -> anyhow::Result<ArcChallenge> {
    let path = fs::canonicalize(folder).with_context(|| format!("opening `{}`", folder.display()))?;
    let (path, key) = (path.join("simulated.key"), uuid::Uuid::new_v4().to_string());
    fs::write(&path, &key).with_context(|| format!("writing `{}`", path.display()))?;
    Ok(ArcChallenge { path: path.display().to_string(), key: Secret::new(key) })
}

/// What the tenant holds, and its time.
pub(super) fn tenant(arguments: &Start, clock: SharedClock) -> anyhow::Result<(SimOptions, SharedClock)> {
    let snapshot = arguments.data.as_deref().map(snapshot).transpose()?.flatten();
    let shown = arguments.now.or(snapshot.as_ref().map(|snapshot| snapshot.now));
    let clock = match shown {
        Some(now) => Arc::new(ShiftedClock::starting(now, clock)),
        None => clock,
    };
    let (data, mut library) = match &arguments.data {
        None => {
            let story = story::Story::contoso(clock.now())?;
            (story.data, story.library)
        }
        Some(folder) => {
            let mut library = story::empty_tables();
            rows::fill(&mut library, &rows::files(folder)?)?;
            (snapshot.map_or_else(SimData::default, |snapshot| snapshot.data), library)
        }
    };
    rows::documents(&mut library, &arguments.document)?;
    let hunter = Arc::new(GeneratedHunter::before(Arc::new(TableHunter::new(library))));
    Ok((SimOptions { data, hunter, ..SimOptions::sample()? }, clock))
}

/// What a folder says of the tenant besides its tables.
fn snapshot(folder: &Path) -> anyhow::Result<Option<Snapshot>> {
    let path = folder.join(story::TENANT_FILE);
    let reading = || format!("reading `{}`", path.display());
    if !path.try_exists().with_context(reading)? {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(reading)?;
    serde_json::from_str(&text).with_context(reading)
}

fn faults(path: &Path) -> anyhow::Result<Vec<Fault>> {
    let bytes = fs::read(path).with_context(|| format!("reading `{}`", path.display()))?;
    let mut sink = Sink::new();
    let Some(tree) = yaml::parse(&path.display().to_string(), &bytes, &mut sink) else {
        return Err(Refusal(render(&sink.into_sorted(), Format::Text)).into());
    };
    Ok(Fault::script(tree.value().clone())?)
}
