//! The arguments, and the help that teaches them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::approvals::{Answer, Approvals, Deny};
use super::audit::Audit;
use super::confirm::Confirm;
use super::doctor::args::{Doctor, Token};
use super::help::{AFTER_HELP, TEST_HELP};
use super::import::Import;
use super::journal::Journal;
use super::kql::args::Kql;
use super::login::{SignIn, SignOut};
use super::pass::LetPass;
use super::resolve::Resolve;
use super::sim::args::Sim;
use super::standing::Standing;
use super::stop::Switch;
use super::tenants::Tenants;
use super::web::Way;

/// Policy-driven playbooks for Microsoft Defender XDR: hunt, decide, act, tell, prove
#[derive(Debug, Parser)]
#[command(name = "huntbook", version, max_term_width = 100, after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub(super) command: Command,

    /// The settings file
    #[arg(
        long,
        short = 'c',
        global = true,
        env = "HUNTBOOK_CONFIG",
        default_value = "huntbook.yaml",
        value_name = "FILE"
    )]
    pub(super) config: PathBuf,

    /// How results are written to standard output
    #[arg(long, global = true, value_enum, default_value_t = Form::Text)]
    pub(super) format: Form,

    /// Which log lines go to standard error, as tracing filters write it: `warn`, `huntbook=debug`
    /// [default: warn; what runs and reloads too for `serve`; error for the demo]
    #[arg(long, global = true, env = "HUNTBOOK_LOG", value_name = "FILTER")]
    pub(super) log: Option<String>,

    /// How log lines are written
    #[arg(long, global = true, env = "HUNTBOOK_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(super) log_format: LogFormat,
}

/// How results are written, of all commands together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// Tables and sentences
    Text,
    /// One JSON document
    Json,
    /// A table for spreadsheets (RFC 4180); `runs` and `journal` only
    Csv,
    /// JUnit XML, for build servers; `test` only
    Junit,
    /// SARIF 2.1.0, for code hosts and editors; `validate` and `kql check` only
    Sarif,
}

/// How the results of most commands are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// Tables and sentences.
    Text,
    /// One JSON document.
    Json,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the shipped playbooks against a simulated tenant and show what happened
    ///
    /// Starts a simulated tenant on a loopback port, asks it for tokens, hunts, decides, acts and
    /// tells over real HTTP, prints a table, and leaves nothing behind.
    Demo(Demo),
    /// Check settings, playbooks and lists without talking to anybody
    ///
    /// Reports every problem of every file in one pass: place, caret, code, and the nearest right
    /// word. Exit code 78 if there is an error.
    Validate(Validate),
    /// Play the tests of playbooks, offline
    ///
    /// Tests stand in `NAME.test.yaml` beside `NAME.yaml`, or in the playbook under `tests:`. Each has a
    /// simulated tenant of its own, with the tables, devices, incidents and faults it is given, and a clock
    /// on which 25 hours pass in a moment; what runs is the engine itself. Needs no account and, if playbooks
    /// name only what is beside them, no settings.
    #[command(after_help = TEST_HELP)]
    Test(Test),
    /// Save what a playbook sees in the tenant as fixtures of a test, scrubbed
    ///
    /// Asks the tenant for the answer to the playbook's query (or with --tables for the tables it looks at),
    /// or for its incidents, and for the devices and users its actions would be aimed at. Reads only. Every
    /// person, device, address, domain and secret is replaced by another of the same form, the same one
    /// wherever it occurs. Read what was saved before you share it.
    ///
    /// Writes `fixtures/NAME.*` beside the playbook, and `NAME.test.yaml` with what happens on them today,
    /// unless there is one.
    Record(Record),
    /// Run one playbook now
    ///
    /// The same code path as the schedule takes. With --dry-run the tenant is read and nothing is
    /// changed, sent or remembered.
    Run(Run),
    /// Replay past time: what a playbook would have done, run by run
    ///
    /// Fetches the tables that the playbook's query looks at (or reads them from --data, as `record --tables`
    /// writes them), and plays every run of its schedule over them on a virtual clock, with a journal of its
    /// own. Nothing is changed, sent or remembered. Devices and users are as they are today; incidents have
    /// no past, so playbooks of the incident queue cannot be replayed.
    Backtest(Backtest),
    /// List what has run
    Runs(Runs),
    /// Show one run: every item, what was done to it, and why or why not
    Show(Show),
    /// Say what is in force and when it is due, what goes on, which files were refused or are held, what waits
    /// for a person
    ///
    /// Also how the runs of the last 24 hours ended.
    /// Checks the latest events of the journal, too; `audit verify` checks all. Exit code 1 if somebody has to
    /// look: a file was refused or is held without being there, a schedule is not followed for want of
    /// permissions, an action is parked, waits for approval or was cut off, actions are stopped, or the journal
    /// was changed, cannot be written, or soon cannot because its disk is nearly full.
    Status,
    /// List the actions that are not settled, or write the events of the journal for other tools
    Journal {
        /// What to tell of it
        #[command(subcommand)]
        what: Journal,
    },
    /// Check that nobody changed the journal
    Audit {
        /// What to check
        #[command(subcommand)]
        what: Audit,
    },
    /// Say whether a parked action was done, after a look at the tenant
    ///
    /// An action is parked when nobody knows whether the tenant took it: huntbook was killed during the
    /// call, or the answer was lost. It is never sent again by itself. Your word goes into the journal,
    /// also while `serve` runs.
    Resolve(Resolve),
    /// Stop all actions, or those in one tenant or of one playbook, until `resume`: hunting and messages go on
    ///
    /// From the moment it is written into the journal no action is begun, by no playbook, run or approval, over
    /// restarts too. Works also while `serve` runs. What is not done for it is reported as halted, and is news
    /// to the runs after `huntbook resume`. What was begun before is named: its answer may still come. Where the
    /// journal takes no word, a file `stop` beside it does, which stops everything; so does one that you touch.
    Stop(Switch),
    /// Take actions again after `stop`; without --tenant and --playbook every stop is lifted
    ///
    /// Also after huntbook itself has stopped a playbook. Without both the file `stop` is removed, too. Exit code 1 if what is resumed stays stopped by another.
    Resume(Switch),
    /// Let one run pass that matches far more than usual, within 24 hours; every other guard holds for it
    LetPass(LetPass),
    /// List what is in force in the tenants because huntbook did it: since when, by whose leave, and until when
    ///
    /// As the journal knows it: what people have taken back in the portal is seen when it is to be taken back.
    InForce {
        /// What about it
        #[command(subcommand)]
        what: Option<Standing>,
    },
    /// List the actions that wait for people's approval, with everything that is approved with them
    Approvals(Approvals),
    /// Approve actions that wait
    ///
    /// What is approved is exactly what `huntbook approvals` shows under this id: if the playbook, the target,
    /// the parameters or the guards say otherwise by the time it is done, it is not done. Your word goes into
    /// the journal with your account, also while `serve` runs, which then does it within seconds; without it
    /// the next `run` does.
    Approve(Answer),
    /// Deny actions that wait
    Deny(Deny),
    /// List the edits that raise risk and wait for a second person, or confirm some of them
    ///
    /// With `reload: {riskRaising: hold}` in the settings, an edit that lets a playbook do more, or protects less, does
    /// not come into force by itself. Without ID, says what each raises. What is confirmed is exactly that: if the file
    /// or what is in force is another by then, it waits anew. Nobody confirms what they wrote. Your word goes into
    /// the journal with your account, also while `serve` runs.
    Confirm(Confirm),
    /// Run all playbooks on their schedules until stopped
    ///
    /// Says what is due next, and on standard error what runs, how it ended and what was reloaded.
    /// Reloads playbooks and lists when they change; a file that does not validate leaves its last
    /// good version running. SIGTERM lets no further action begin, waits for those that have, and exits.
    /// When most playbooks vanish at once they are held in force; SIGHUP says that they were removed on
    /// purpose, and lets them go.
    Serve(Serve),
    /// Sign in to the page of the huntbook that serves on this machine
    ///
    /// Prints an address with a code for your account, and the code alone for pasting. It is good once, within
    /// five minutes. The page is there if the settings have `web:`; what you may say there is what you may say by
    /// `approve`, `deny`, `stop` and `resume`.
    Web(Way),
    /// Make playbooks of what you have: Sentinel rules, custom detections, Sigma rules, queries
    ///
    /// Reads YAML, JSON, KQL and Markdown with fenced KQL, files and whole folders. Each playbook is written
    /// switched off (`enabled: false`) and as `mode: observe`, and every field that is not carried over is
    /// named, here and at the head of the playbook. Sigma rules need `sigma` with its Kusto backend
    /// installed. Exit code 1 if something was not imported or does not validate.
    Import(Import),
    /// Look for what keeps playbooks from working: permissions, sign-in, clock, files, channels
    ///
    /// Asks each tenant for a token and compares what it allows with what the playbooks need; what is missing is
    /// told with the API's name in the portal and with commands that grant it. Also checks this machine's clock,
    /// the journal's place, playbooks and lists, and whether mail servers and webhooks can be reached. Changes
    /// nothing and sends no message.
    ///
    /// With --permissions it asks nobody, needs no secret, and tells what playbooks need.
    /// Exit code 1 if something keeps a playbook from working.
    Doctor(Doctor),
    /// Sign in to a tenant as yourself, for settings that say `auth: {user: …}`
    ///
    /// In a browser of this machine, or with a code on another device where there is none or over ssh. What is kept
    /// of it is encrypted, and `logout` removes it.
    Login(SignIn),
    /// Forget a sign-in
    Logout(SignOut),
    /// List the tenants: whether huntbook gets in, with what permissions, and what keeps it out
    ///
    /// Asks each tenant's authority for tokens, and changes nothing. What is wrong with one is told of that one.
    /// With --consent nobody is asked: the addresses are printed at which an administrator of a tenant consents to
    /// the app. Exit code 1 if huntbook does not get in to one of them.
    Tenants(Tenants),
    /// Say what the app's token says, without showing it: for whom it is, until when, what it allows
    ///
    /// Asks for a token as playbooks do, and tells which permissions the playbooks lack. With --stdin it explains
    /// a token from elsewhere, and asks nobody. Exit code 1 if something is wrong with it.
    Token(Token),
    /// Start the simulated tenant alone, for trying clients and writing playbooks; make data for it
    Sim(Sim),
    /// Check, run and lay out hunting queries, offline
    ///
    /// Reads `.kql` files, and Markdown with queries in fenced blocks that say `kql` or `kusto`. Needs no
    /// account and no settings.
    Kql {
        /// What to do with them
        #[command(subcommand)]
        what: Kql,
    },
    /// List the response actions, or explain one
    Actions {
        /// Name of an action, such as `isolateDevice`
        name: Option<String>,
    },
    /// Print the JSON Schema of a playbook, of playbook tests or of the settings; or fetch a tenant's tables
    ///
    /// `huntbook schema pull` asks a tenant which hunting tables it has and writes them to `TENANT.json` in the
    /// folder `hunting-schema` beside the settings, where `validate`, `serve` and `kql` read them. The endpoint is
    /// a beta of Microsoft Graph; where it is not there, `--by-query` asks each known table for its columns.
    Schema(Schema),
    /// Explain a diagnostic code such as HB0302 or KQL013, a sign-in error such as AADSTS7000222, or the `guards` in force
    Explain {
        /// The code, or `guards`
        code: String,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Keep the simulated tenant and the schedules running until interrupted
    #[arg(long)]
    pub(super) serve: bool,
    /// Port of the simulated tenant; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    pub(super) port: u16,
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub(super) struct Validate {
    /// Playbook files or directories; without any, those of the settings
    pub(super) paths: Vec<PathBuf>,
    /// What is mended.
    #[command(flatten)]
    pub(super) fix: Fix,
}

/// What is mended.
#[derive(Debug, Args)]
pub(in crate::cli) struct Fix {
    /// Make the changes of queries that are safe to make, in their files; everything else in them stays
    #[arg(long)]
    pub(in crate::cli) fix: bool,
    /// With --fix: change nothing, and show what would be changed
    #[arg(long, requires = "fix")]
    pub(in crate::cli) dry_run: bool,
}

/// Arguments of `test`.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// Files of tests, playbooks, or directories; without any, the playbooks folder
    pub(super) paths: Vec<PathBuf>,
    /// Only tests whose file, playbook or name contains this text, whatever its case
    #[arg(long, short = 'f', value_name = "TEXT")]
    pub(super) filter: Option<String>,
    /// Most tests played at the same time [default: one for each core]
    #[arg(long, short = 'j', value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) jobs: Option<u16>,
    /// Also say which playbooks, actions and branches no test reaches
    #[arg(long)]
    pub(super) coverage: bool,
}

/// Arguments of `record`.
#[derive(Debug, Args)]
pub(super) struct Record {
    /// A playbook: its file, its name or its id
    pub(super) playbook: String,
    /// The tenant, if the playbook is for several
    #[arg(long, value_name = "NAME")]
    pub(super) tenant: Option<String>,
    /// Save the tables that the query looks at, so that the query itself can be changed and tried
    #[arg(long)]
    pub(super) tables: bool,
    /// How far back, such as `2h` or `7d` [default: as far as the playbook looks]
    #[arg(long, value_name = "LENGTH")]
    pub(super) since: Option<String>,
    /// Most rows of an answer or a table
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) rows: u32,
    /// The folder for fixtures [default: `fixtures` beside the playbook]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Overwrite fixtures that are there
    #[arg(long)]
    pub(super) force: bool,
}

/// Arguments of `backtest`.
#[derive(Debug, Args)]
pub(super) struct Backtest {
    /// A playbook: its file, its name or its id
    pub(super) playbook: String,
    /// First moment: `2026-01-10T12:00:00Z`, `2026-01-10`, or a length back from now such as `7d`
    #[arg(long, value_name = "WHEN")]
    pub(super) from: String,
    /// Last moment [default: now]
    #[arg(long, value_name = "WHEN")]
    pub(super) to: Option<String>,
    /// How often it would have run, in place of its schedule
    #[arg(long, value_name = "LENGTH")]
    pub(super) every: Option<String>,
    /// The tenant, if the playbook is for several
    #[arg(long, value_name = "NAME")]
    pub(super) tenant: Option<String>,
    /// Read tables and devices from this folder and ask no tenant
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
}

/// Arguments of `run`.
#[expect(clippy::struct_field_names, reason = "the flag is called --dry-run")]
#[derive(Debug, Args)]
pub(super) struct Run {
    /// A playbook: its file, its name or its id
    pub(super) playbook: String,
    /// Read the tenant, change nothing, tell nobody, remember nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Only this tenant of those the playbook is for
    #[arg(long, value_name = "NAME")]
    pub(super) tenant: Option<String>,
}

/// Arguments of `runs`.
#[derive(Debug, Args)]
pub(super) struct Runs {
    /// Only runs of this playbook: its name or its id
    #[arg(long)]
    pub(super) playbook: Option<String>,
    /// At most so many, newest first
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) limit: u32,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Id of the run, as `runs` prints it; its beginning is enough while it is unique
    pub(super) run: String,
    /// All items and events, however many; otherwise the first ones and a count
    #[arg(long)]
    pub(super) all: bool,
}

/// How much of a long list is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// A screen or two; the rest is counted.
    First,
    /// All.
    All,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Longest time running playbooks may take to finish after SIGTERM, in seconds
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(super) drain: u32,
}

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub(super) struct Schema {
    /// Which
    #[arg(value_enum)]
    pub(super) of: SchemaOf,
    /// The tenant to ask, if the settings have several; `pull` only
    #[arg(long, value_name = "NAME")]
    pub(super) tenant: Option<String>,
    /// Ask each known table for its columns (`getschema`), one query each; `pull` only
    #[arg(long)]
    pub(super) by_query: bool,
}

/// What a JSON Schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaOf {
    /// A playbook file
    Playbook,
    /// The settings file
    Settings,
    /// A file of playbook tests
    Test,
    /// The hunting tables of a tenant, fetched from it
    Pull,
}
