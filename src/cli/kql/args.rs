//! The arguments of `huntbook kql`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::super::args::Fix;

/// What to do with queries.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Kql {
    /// Say what is wrong with queries
    ///
    /// Reports every problem of every query in one pass: syntax, tables, columns, functions, types; place,
    /// caret, code, and the nearest right word. Exit code 1 if there is an error; warnings alone are fine.
    Check(KqlCheck),
    /// Run a query over rows in files
    ///
    /// The tables are files of one JSON object a line, named after the tables: `DeviceInfo.ndjson`. Nothing
    /// else is read: what the query wants from outside comes as --document, or as a file named after the
    /// function (`FileProfile.ndjson`). Exit code 1 if the query is refused or cannot be run here; there are
    /// never results in part.
    Run(KqlRun),
    /// Lay out queries
    ///
    /// Rewrites files in place; only blanks and line ends change, comments stay. Without paths, lays out
    /// standard input. A query with errors stays as it is. Exit code 1 if there is one, or if --check or
    /// --diff finds a query that is laid out otherwise.
    Fmt(KqlFmt),
}

/// Where queries are.
#[derive(Debug, Args)]
pub(in crate::cli) struct KqlFiles {
    /// `.kql`, `.csl` and Markdown files, or directories with such; without any, standard input
    pub(in crate::cli) paths: Vec<PathBuf>,
}

/// Arguments of `kql check`.
#[derive(Debug, Args)]
pub(in crate::cli) struct KqlCheck {
    /// Where the queries are.
    #[command(flatten)]
    pub(in crate::cli) files: KqlFiles,
    /// A file of further tables beside those of the schema folder: `{"format": 1, "tables": [{"name":
    /// "Mine_CL", "columns": [["Size", "long"]]}]}`
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) tables: Vec<PathBuf>,
    /// How far back the rule looks that is to run the queries, such as `1h`: tables need no time filter then,
    /// and looking further back is a mistake
    #[arg(long, value_name = "LENGTH")]
    pub(in crate::cli) period: Option<String>,
    /// The queries are to run near real time, with what the service then refuses
    #[arg(long)]
    pub(in crate::cli) near_real_time: bool,
    /// A column that the results must have; may be given several times
    #[arg(long, value_name = "COLUMN")]
    pub(in crate::cli) needs: Vec<String>,
    /// What is mended.
    #[command(flatten)]
    pub(in crate::cli) fix: Fix,
}

/// Arguments of `kql fmt`.
#[derive(Debug, Args)]
pub(in crate::cli) struct KqlFmt {
    /// Where the queries are.
    #[command(flatten)]
    pub(in crate::cli) files: KqlFiles,
    /// Change nothing; name the files that are laid out otherwise
    #[arg(long, conflicts_with = "diff")]
    pub(in crate::cli) check: bool,
    /// Change nothing; show what would change
    #[arg(long)]
    pub(in crate::cli) diff: bool,
}

/// Arguments of `kql run`.
#[derive(Debug, Args)]
pub(in crate::cli) struct KqlRun {
    /// A file with the query; without, standard input
    pub(in crate::cli) query: Option<PathBuf>,
    /// The folder with the tables
    #[arg(long, value_name = "FOLDER")]
    pub(in crate::cli) data: Option<PathBuf>,
    /// The moment that `now()` and `ago()` count from [default: now]
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) now: Option<jiff::Timestamp>,
    /// What `externaldata` finds at an address; may be given several times
    #[arg(long, value_name = "ADDRESS=FILE")]
    pub(in crate::cli) document: Vec<String>,
    /// A file of further tables, as `kql check` takes it
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) tables: Vec<PathBuf>,
}
