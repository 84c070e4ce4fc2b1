//! `huntbook sim`.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::args::Sim as Arguments;
use super::exit::Exit;
use super::output::{say, tell};
use crate::clock::SharedClock;
use crate::diag::{Format, Sink, render};
use crate::sim::{Fault, GeneratedHunter, Sim, SimApp, SimOptions};
use crate::yaml;

/// Starts the simulated tenant and keeps it until interrupted.
pub(super) async fn run(arguments: &Arguments, clock: SharedClock) -> anyhow::Result<Exit> {
    let mut options = SimOptions::story(clock.now())?;
    options.hunter = Arc::new(GeneratedHunter::before(options.hunter));
    options.port = arguments.port;
    if let Some(path) = &arguments.faults {
        options.faults = faults(path)?;
    }
    if let Some(path) = &arguments.log_file {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        options.log_to = Some(Box::new(file.with_context(|| format!("opening `{}`", path.display()))?));
    }
    let tenant = options.identity.tenant_id.clone();
    let sim = Sim::start(options, clock).await?;
    let endpoints = sim.endpoints();
    say(&format!(
        "tenant id      {tenant}\nclient id      {}\nclient secret  {}\nlogin          {}\ngraph          {}\nmde            {}\nxdr            {}\nhooks          {}/{{teams|slack|webhook}}/NAME\nlog            {}/_sim/log",
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
    sim.stop().await;
    Ok(Exit::Fine)
}

fn faults(path: &std::path::Path) -> anyhow::Result<Vec<Fault>> {
    let bytes = std::fs::read(path).with_context(|| format!("reading `{}`", path.display()))?;
    let mut sink = Sink::new();
    let Some(tree) = yaml::parse(&path.display().to_string(), &bytes, &mut sink) else {
        return Err(super::Refusal(render(&sink.into_sorted(), Format::Text)).into());
    };
    Ok(Fault::script(tree.value().clone())?)
}
