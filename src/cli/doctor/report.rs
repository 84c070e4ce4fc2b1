//! What the doctor found, for people and for machines.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use super::flaw::Flaw;
use super::tenant::Examined;
use crate::cli::output::{clean, fold, width};

/// Longest message shown, in characters.
const MESSAGE_MAX: usize = 600;
/// Where messages begin in a line.
const INDENT: usize = 9;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// Something does not work.
    Problem,
    /// Something is at risk, or will not work for long.
    Warning,
    /// Good to know.
    Note,
}

/// What is not as it should be.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// Which kind of finding: `src/DOCTOR.md` lists them.
    pub(super) code: &'static str,
    /// What was looked at: `sign-in`, `permissions`, `clock`, …
    pub(super) check: &'static str,
    /// The tenant, channel, file or playbook.
    pub(super) about: String,
    pub(super) message: String,
    /// What to do.
    pub(super) help: String,
}

/// Everything found.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) findings: Vec<Finding>,
    pub(super) fine: Vec<String>,
    pub(super) tenants: Vec<Examined>,
}

/// What was found, and of whom.
pub(super) type About<'a> = (Flaw, &'a str);

impl Report {
    pub(super) fn problem(&mut self, about: About<'_>, message: impl Into<String>, help: Option<&str>) {
        self.add(Level::Problem, about, message.into(), help);
    }

    pub(super) fn warn(&mut self, about: About<'_>, message: impl Into<String>, help: Option<&str>) {
        self.add(Level::Warning, about, message.into(), help);
    }

    pub(super) fn note(&mut self, about: About<'_>, message: impl Into<String>) {
        self.add(Level::Note, about, message.into(), None);
    }

    fn add(&mut self, level: Level, (flaw, about): About<'_>, message: String, help: Option<&str>) {
        let (about, help) = (about.to_owned(), help.unwrap_or(flaw.remedy).to_owned());
        self.findings.push(Finding { level, code: flaw.code, check: flaw.check, about, message, help });
    }

    pub(super) fn fine(&mut self, what: impl Into<String>) {
        self.fine.push(what.into());
    }

    pub(super) fn has_problems(&self) -> bool {
        self.findings.iter().any(|finding| finding.level == Level::Problem)
    }

    /// For machines.
    pub(super) fn json(&self) -> Value {
        let tenants: serde_json::Map<String, Value> =
            self.tenants.iter().map(|one| (one.name.clone(), one.json())).collect();
        json!({"findings": self.findings, "fine": self.fine, "tenants": tenants})
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for tenant in &self.tenants {
            let _infallible = writeln!(text, "{}\n", tenant.text());
        }
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        findings.sort_by_key(|finding| finding.level);
        for finding in findings {
            let word = match finding.level {
                Level::Problem => "problem",
                Level::Warning => "warning",
                Level::Note => "note",
            };
            let line = |word: &str, text: &str| {
                fold(&format!("{word:<INDENT$}{}", clean(text, MESSAGE_MAX)), width(), INDENT)
            };
            let about = format!("{} {} {}: {}", finding.code, finding.check, finding.about, finding.message);
            let _infallible = writeln!(text, "{}", line(word, &about));
            let _infallible = writeln!(text, "{}", line("", &finding.help));
        }
        if !self.fine.is_empty() {
            let line = format!("{:<INDENT$}{}", "fine", clean(&self.fine.join("; "), 4000));
            let _infallible = writeln!(text, "{}", fold(&line, width(), INDENT));
        }
        for tenant in &self.tenants {
            if let Some(grant) = &tenant.grant {
                let _infallible = write!(text, "\n{}", grant.text(&tenant.name));
            }
        }
        text
    }
}
