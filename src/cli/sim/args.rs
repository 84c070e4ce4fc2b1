//! Arguments of `huntbook sim`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};

use crate::model::duration;

/// Longest time rows may be spread over: what the service keeps.
const SPAN_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Arguments of `sim`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(in crate::cli) struct Sim {
    /// What to do instead of starting the tenant
    #[command(subcommand)]
    pub(super) what: Option<What>,
    #[command(flatten)]
    pub(super) start: Start,
}

/// How the tenant is started.
#[derive(Debug, Args)]
pub(super) struct Start {
    /// Port to listen on, on 127.0.0.1; 0 picks a free one
    #[arg(long, default_value_t = 8443)]
    pub(super) port: u16,
    /// A file of scripted faults (YAML)
    #[arg(long, value_name = "FILE")]
    pub(super) faults: Option<PathBuf>,
    /// Append what was asked and done, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(super) log_file: Option<PathBuf>,
    /// A folder of tables (`DeviceInfo.ndjson`), as `sim generate` and `sim import` write it, in place of
    /// the built-in story; with a `tenant.json` its machines, users, incidents, alerts and present time
    #[arg(long, value_name = "FOLDER")]
    pub(super) data: Option<PathBuf>,
    /// The time at which the tenant's clock starts [default: that of the folder, or the present]
    #[arg(long, value_name = "TIME")]
    pub(super) now: Option<Timestamp>,
    /// Queries the tenant answers in a minute; further ones meet 429 [default: any number; the service
    /// promises 45]
    #[arg(long, value_name = "N")]
    pub(super) hunts_per_minute: Option<usize>,
    /// Let clients in that know only the production names, and write the authority they have to trust to
    /// this file (PEM): a proxy for `HTTPS_PROXY` that speaks TLS for login.microsoftonline.com,
    /// graph.microsoft.com, api.securitycenter.microsoft.com, api.security.microsoft.com and their regional
    /// and national kin
    #[arg(long, value_name = "FILE")]
    pub(super) tls: Option<PathBuf>,
    /// Port of that proxy; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8444, requires = "tls")]
    pub(super) tls_port: u16,
    /// A certificate (PEM) registered with the app, which can then prove itself with its key; may be given
    /// several times
    #[arg(long, value_name = "FILE")]
    pub(super) certificate: Vec<PathBuf>,
    /// A secret in its key vault; may be given several times
    #[arg(long, value_name = "NAME=FILE")]
    pub(super) secret: Vec<String>,
    /// Play the agent of Azure Arc, whose challenges are written to this folder (`arcKeys` in the settings)
    #[arg(long, value_name = "FOLDER")]
    pub(super) arc_keys: Option<PathBuf>,
    /// How many tenants there are behind the address, each with its own data, for one application in all of them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=50))]
    pub(super) tenants: u16,
    /// In how many of them, counted from the last, administrators have not consented to the application yet
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) without_consent: u16,
    /// Write settings for the tenants to this file
    #[arg(long, value_name = "FILE")]
    pub(super) settings: Option<PathBuf>,
    /// What `externaldata` finds at an address; may be given several times
    #[arg(long, value_name = "ADDRESS=FILE")]
    pub(super) document: Vec<String>,
}

/// What to do instead.
#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Write a tenant of any size
    ///
    /// Nine scripted attacks among twenty devices and thirty people, and around them as many quiet events as
    /// are wanted, in the order of time. The same seed and time give the same files. `sim --data` and `kql run
    /// --data` read them.
    Generate(Generate),
    /// Turn Sysmon events into the tables that hunting queries read
    ///
    /// Takes one JSON object a line, as winlogbeat ships events, as collectors flatten them, or as
    /// converters of event logs nest them. What has no place in a table is counted and named.
    Import(Import),
}

/// Arguments of `sim generate`.
#[derive(Debug, Args)]
pub(super) struct Generate {
    /// Rows of all tables together
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=50_000_000))]
    pub(super) rows: u64,
    /// The folder to write to; made if it is not there, otherwise empty
    #[arg(long, value_name = "FOLDER")]
    pub(super) out: PathBuf,
    /// The same seed gives the same rows
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Over how long a time rows are spread: at most 30d
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = span)]
    pub(super) over: SignedDuration,
    /// The present of the tenant [default: now]
    #[arg(long, value_name = "TIME")]
    pub(super) now: Option<Timestamp>,
}

/// Arguments of `sim import`.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// A file of Sysmon events, one JSON object a line; may be given several times
    #[arg(long, value_name = "FILE", required = true)]
    pub(super) sysmon: Vec<PathBuf>,
    /// The folder to write to; made if it is not there, otherwise empty
    #[arg(long, value_name = "FOLDER")]
    pub(super) out: PathBuf,
}

fn span(text: &str) -> Result<SignedDuration, String> {
    let span = duration(text).map_err(|error| error.to_string())?;
    if span.is_positive() && span <= SPAN_MAX {
        Ok(span)
    } else {
        Err("more than 0s and at most 30d".to_owned())
    }
}
