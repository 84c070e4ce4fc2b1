//! The command line: reads arguments and environment, calls the rooms below, prints, and sets the exit
//! code. Nothing here decides anything about a playbook.

mod account;
mod actions;
mod approvals;
mod args;
mod audit;
mod backtest;
mod choose;
mod confirm;
mod credentials;
mod demo;
mod diff;
mod doctor;
mod exit;
mod help;
mod history;
mod import;
mod journal;
mod junit;
mod kql;
mod login;
mod mend;
mod named;
mod output;
mod overview;
mod pass;
mod pull;
mod record;
mod reference;
mod report;
mod resolve;
mod rows;
mod run;
mod sarif;
mod serve;
mod served;
mod setup;
mod shipped;
mod sim;
mod standing;
mod status;
mod stop;
mod tables;
mod tenants;
mod test;
mod transcript;
mod validate;
mod web;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use args::{Arguments, Command, Form, LogFormat, Output};
use exit::{Ended, Exit};
use kql::args::Kql;
use output::{Unsaid, tell};

use crate::clock::{SharedClock, SystemClock};
use crate::console::leave::ID_MIN;
use crate::daemon::ScanError;
use crate::diag::{Chain, Format, render};
use crate::fault;
use crate::settings::SettingsError;
use crate::store::Consent;

/// Stack of a thread that runs what is asked for: the parts of a run hold one another. Only what is used of it takes memory.
const STACK_BYTES: usize = 8 << 20;

/// Runs the command the arguments name and returns the exit code.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    keep_memory();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return teach(&error).into(),
    };
    if let Err(problem) = start_log(&arguments) {
        tell(&format!("error: `--log` cannot be understood: {problem}"));
        return Exit::Usage.into();
    }
    if let Err(problem) = arm_faults() {
        tell(&format!("error: {problem}"));
        return Exit::Usage.into();
    }
    fault::crash_point("c01_start");
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = match runtime.enable_all().thread_stack_size(STACK_BYTES).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(&format!("error: the runtime cannot be started: {error}"));
            return Exit::Findings.into();
        }
    };
    let exit = runtime.block_on(dispatch(arguments)).unwrap_or_else(|error| explain(&error));
    if matches!(exit, Exit::Ended(_)) {
        // Whoever ended it does not wait for a name to be looked up.
        runtime.shutdown_background();
    }
    exit.into()
}

/// Keeps what is in memory, secrets among it, out of core files and from other processes of the same account. Where
/// the system does not let us, all else works as well.
fn keep_memory() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        let _no_less_works = setrlimit(Resource::Core, none);
        let _no_less_works = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

async fn dispatch(arguments: Arguments) -> anyhow::Result<Exit> {
    let clock: SharedClock = Arc::new(SystemClock);
    let (config, form) = (arguments.config, arguments.format);
    if form == Form::Junit && !matches!(arguments.command, Command::Test(_)) {
        tell("error: `--format junit` is for `huntbook test` only");
        return Ok(Exit::Usage);
    }
    if form == Form::Sarif
        && !matches!(arguments.command, Command::Validate(_) | Command::Kql { what: Kql::Check(_) })
    {
        tell("error: `--format sarif` is for `huntbook validate` and `huntbook kql check` only");
        return Ok(Exit::Usage);
    }
    if form == Form::Csv && !matches!(arguments.command, Command::Runs(_) | Command::Journal { .. }) {
        tell("error: `--format csv` is for `huntbook runs` and `huntbook journal` only");
        return Ok(Exit::Usage);
    }
    let format = if form == Form::Json { Output::Json } else { Output::Text };
    match arguments.command {
        Command::Demo(demo) => Box::pin(demo::run(&demo, format, clock)).await,
        Command::Validate(validate) => validate::run(&validate, &config, form),
        Command::Test(test) => test::run(&test, &config, form).await,
        Command::Record(record) => Box::pin(record::run(&record, &config, format, clock)).await,
        Command::Run(run) => run::run(&run, &config, format, clock).await,
        Command::Runs(runs) => history::list(&runs, &config, form, clock).await,
        Command::Show(show) => history::show(&show, &config, format, clock).await,
        Command::Backtest(order) => Box::pin(backtest::run(&order, &config, format, clock)).await,
        Command::Status => status::run(&config, format, clock).await,
        Command::Journal { what } => journal::run(&what, &config, form, clock).await,
        Command::Audit { what } => audit::run(&what, &config, format, clock).await,
        Command::Approvals(which) => approvals::list(&which, &config, format, clock).await,
        Command::Approve(answer) => {
            approvals::answer((Consent::Approve, &answer), &config, format, clock).await
        }
        Command::Deny(deny) => approvals::answer((Consent::Deny, &deny.into()), &config, format, clock).await,
        Command::Confirm(edits) => confirm::run(&edits, &config, format, clock).await,
        Command::Stop(switch) => stop::stop(&switch, &config, format, clock).await,
        Command::Resume(switch) => stop::resume(&switch, &config, format, clock).await,
        Command::InForce { what } => standing::run(what.as_ref(), &config, format, clock).await,
        Command::LetPass(pass) => pass::run(&pass, &config, format, clock).await,
        Command::Resolve(resolve) => resolve::run(&resolve, &config, format, clock).await,
        Command::Serve(serve) => serve::run(&serve, &config, clock).await,
        Command::Web(way) => web::run(&way, &config, format, clock).await,
        Command::Import(arguments) => import::run(&arguments, format),
        Command::Doctor(doctor) => doctor::run(&doctor, &config, format, clock).await,
        Command::Login(login) => login::login(&login, &config, clock).await,
        Command::Logout(logout) => login::logout(&logout, &config, &clock).await,
        Command::Tenants(tenants) => tenants::run(&tenants, &config, format, clock).await,
        Command::Token(token) => doctor::token::run(&token, &config, format, clock).await,
        Command::Sim(sim) => sim::run(&sim, format, clock).await,
        Command::Kql { what } => kql::run(&what, &config, form, &clock),
        Command::Actions { name } => actions::run(name.as_deref(), format),
        Command::Schema(schema) => pull::run(&schema, &config, format, clock).await,
        Command::Explain { code } => reference::explain(&code, &config),
        Command::Completions { shell } => reference::completions(shell),
    }
}

/// Prints help to standard output, or a mistake in the arguments to standard error.
fn teach(error: &clap::Error) -> Exit {
    match error.print() {
        _ if error.use_stderr() => Exit::Usage,
        Ok(()) => Exit::Fine,
        Err(error) => explain(&Unsaid::from(error).into()),
    }
}

/// Prepares what a test wants of this process: where it dies, and whether it paces its calls.
#[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
fn arm_faults() -> Result<(), String> {
    let named = |name: &'static str| move |error: fault::ArmError| format!("{name}: {error}");
    if let Ok(point) = std::env::var("HUNTBOOK_CRASH_POINT") {
        fault::arm(&point).map_err(named("HUNTBOOK_CRASH_POINT"))?;
    }
    if std::env::var_os("HUNTBOOK_PANICS").is_some() {
        fault::panics().map_err(named("HUNTBOOK_PANICS"))?;
    }
    if std::env::var_os("HUNTBOOK_SUSPENDS").is_some() {
        fault::suspends().map_err(named("HUNTBOOK_SUSPENDS"))?;
    }
    if std::env::var_os("HUNTBOOK_UNPACED").is_some() {
        fault::unpace().map_err(named("HUNTBOOK_UNPACED"))?;
    }
    Ok(())
}

/// Sends log lines to standard error.
fn start_log(arguments: &Arguments) -> Result<(), String> {
    let default = match arguments.command {
        Command::Demo(_) => "error",
        // Who leaves it running wants to see later what it did, and when.
        Command::Serve(_) => "warn,huntbook=info",
        // A test provokes trouble and tells of it in its own way.
        Command::Test(_) | Command::Record(_) | Command::Backtest(_) => "off",
        _ => "warn",
    };
    let filter: EnvFilter =
        arguments.log.as_deref().unwrap_or(default).parse().map_err(|error| format!("{error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A log that nobody takes any more is no reason to stop: complaining of it on standard error would panic.
    let builder = builder.log_internal_errors(false);
    match arguments.log_format {
        LogFormat::Text => builder.with_ansi(false).try_init().map_err(|error| error.to_string()),
        LogFormat::Json => builder.json().try_init().map_err(|error| error.to_string()),
    }
}

/// Says what went wrong, with all its reasons, and which exit code that is.
fn explain(error: &anyhow::Error) -> Exit {
    if let Some(SettingsError::Refused(problems)) = error.downcast_ref() {
        tell(&render(problems, Format::Text));
        return Exit::Refused;
    }
    if error.downcast_ref().is_some_and(Unsaid::reader_is_gone) {
        return Exit::ReaderGone;
    }
    if let Some(Ended(signal)) = error.downcast_ref() {
        tell(&error.to_string());
        return Exit::Ended(*signal);
    }
    let source: &(dyn std::error::Error + 'static) = error.as_ref();
    tell(&format!("error: {}", crate::text::encode::log(&Chain(source).to_string())));
    if error.is::<Misuse>() {
        return Exit::Usage;
    }
    let configured =
        [error.is::<Refusal>(), error.is::<SettingsError>(), error.is::<Unfit>(), error.is::<ScanError>()];
    if configured.contains(&true) { Exit::Refused } else { Exit::Findings }
}

/// An argument that names nothing, or too much.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Misuse(String);

/// The beginning of an id, as somebody typed it.
///
/// # Errors
///
/// If it is so short that a slip of the hand would name something.
fn id_of(text: &str) -> Result<String, Misuse> {
    let id = text.trim().to_ascii_lowercase();
    if id.chars().count() < ID_MIN {
        let shown = id.escape_debug();
        return Err(Misuse(format!(
            "`{shown}` is too short for an id: give at least {ID_MIN} characters of it"
        )));
    }
    Ok(id)
}

/// Settings of which no working parts can be made: a secret that is not there, a certificate that cannot be
/// read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Unfit(#[from] anyhow::Error);

/// Something in the settings or the playbooks that keeps a command from starting.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(String);
