//! The parts lowering is made of: lengths of time, names, conditions, templates, each with its problems
//! put at their place, and the columns they read collected.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use jiff::SignedDuration;

use super::World;
use crate::diag::{Code, Diagnostic, Problem, Sink};
use crate::expr::{Columns, Condition, Names, Place, Reads, Subject};
use crate::playbook::{Document, DurationText};
use crate::text::{Reference, Template};

/// A playbook on its way to a plan.
#[derive(Debug)]
pub(super) struct Lowering<'a> {
    /// As written.
    pub(super) document: &'a Document,
    /// What it refers to.
    pub(super) world: &'a World,
    sink: &'a mut Sink,
    /// Columns somebody reads.
    pub(super) reads: Reads,
    /// Columns the query gives, as far as they are known.
    pub(super) columns: Option<Columns>,
    /// The types of the columns of the query, as it calls them.
    pub(super) types: BTreeMap<String, &'static str>,
    /// What reads each column, for people.
    pub(super) readers: BTreeMap<String, BTreeSet<String>>,
}

/// Where a text stands, and so what it may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// A parameter of an action.
    Action,
    /// A message about the run.
    Run,
    /// A message about an item.
    Item,
}

/// Members of `playbook` in texts.
pub(super) const PLAYBOOK: [&str; 7] =
    ["author", "description", "id", "name", "relevantTechniques", "severity", "tactics"];
/// Members of `run` in texts and conditions.
pub(super) const RUN: [&str; 7] = ["effects", "id", "mode", "scheduledFor", "startedAt", "tenant", "trigger"];
/// Members of `outcome` in messages and their conditions.
pub(super) const OUTCOME: [&str; 15] = [
    "acted",
    "denied",
    "duplicates",
    "failed",
    "halted",
    "haltedItems",
    "hunted",
    "matched",
    "parked",
    "pendingApproval",
    "planned",
    "quarantined",
    "truncated",
    "skipped",
    "suppressed",
];
/// What texts see of a feed that is dealt with as a whole.
const FEED: [&str; 1] = ["rows"];
/// Members of an item in messages, besides `row` or `incident`.
pub(super) const ITEM: [&str; 4] = ["key", "outcome", "reason", "steps"];

impl<'a> Lowering<'a> {
    pub(super) fn new(document: &'a Document, world: &'a World, sink: &'a mut Sink) -> Self {
        let reads = Reads::Only(BTreeSet::new());
        Self { document, world, sink, reads, columns: None, types: BTreeMap::new(), readers: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.sink.push(diagnostic);
    }

    pub(super) fn errors(&self) -> usize {
        self.sink.errors()
    }

    /// Reports an error at a value, with what to do next.
    pub(super) fn error(&mut self, code: Code, pointer: &str, message: impl Into<String>, help: &str) {
        self.sink.push(self.document.tree.error(code, pointer, message).help(help));
    }

    /// Warns of a value, with what to do.
    pub(super) fn warn(&mut self, code: Code, pointer: &str, message: impl Into<String>, help: &str) {
        let span = self.document.tree.span(pointer);
        self.sink.push(Diagnostic::warning(code, span, message).help(help));
    }

    /// Whether the items are rows.
    pub(super) fn hunts(&self) -> bool {
        self.document.playbook.hunt.is_some() || self.document.playbook.feed.is_some()
    }

    /// `row`, `incident` or `alert`.
    fn subject(&self) -> &'static str {
        match (self.hunts(), &self.document.playbook.alerts) {
            (true, _) => "row",
            (false, None) => "incident",
            (false, Some(_)) => "alert",
        }
    }

    /// The same in texts, where a feed that is dealt with as a whole is the item itself.
    pub(super) fn item_name(&self) -> &'static str {
        let playbook = &self.document.playbook;
        let is_whole = playbook.feed.is_some() && playbook.actions.iter().any(super::feed::of_whole);
        if is_whole { "feed" } else { self.subject() }
    }

    /// What an item is, for people, and the fields it has, if it is no row.
    pub(super) fn fields(&self) -> (&'static str, &'static [&'static str]) {
        if self.document.playbook.alerts.is_some() {
            ("an alert", crate::model::alert_fields())
        } else {
            ("an incident", crate::model::incident_fields())
        }
    }

    /// Reads a length of time.
    pub(super) fn duration(&mut self, pointer: &str, text: &DurationText) -> Option<SignedDuration> {
        match text.read() {
            Ok(length) => Some(length),
            Err(error) => {
                let help = "a length of time is written `90s`, `5m`, `1h30m`, `24h`, `7d` or `P1DT2H`";
                self.error(Code::Duration, pointer, error.to_string(), help);
                None
            }
        }
    }

    /// Reads a length of time that must not be nothing.
    pub(super) fn some_time(&mut self, pointer: &str, text: &DurationText) -> Option<SignedDuration> {
        let length = self.duration(pointer, text)?;
        if length.is_zero() && !self.world.is_trusting() {
            let key = pointer.rsplit('/').next().unwrap_or_default();
            let message = format!("`{key}` must be longer than nothing");
            self.sink.push(self.document.tree.error(Code::Duration, pointer, message));
            return None;
        }
        Some(length)
    }

    /// Checks a column that is named outside expressions and texts, and notes that it is read.
    pub(super) fn column(&mut self, pointer: &str, name: &str) {
        match &self.columns {
            Some(columns) if columns.is_mistaken(name) => {
                let message = format!("`{name}` is not a column of this query");
                let diagnostic = self.document.tree.error(Code::UnknownName, pointer, message);
                self.sink.push(diagnostic.nearest(name, columns.names()));
            }
            Some(_) | None => self.read(name, pointer),
        }
    }

    /// Notes that something reads a column.
    fn read(&mut self, name: &str, pointer: &str) {
        if let Reads::Only(columns) = &mut self.reads {
            columns.insert(name.to_owned());
        }
        let reader = self.reader(pointer);
        self.readers.entry(name.to_owned()).or_default().insert(reader);
    }

    /// What stands at a place that reads columns, in words.
    fn reader(&self, pointer: &str) -> String {
        let mut parts = pointer.split('/').skip(1);
        let first = parts.next().unwrap_or_default();
        let index: Option<usize> = parts.next().and_then(|index| index.parse().ok());
        match (first, index) {
            ("actions", Some(index)) => {
                let action = self.document.playbook.actions.get(index);
                let id = action.map(|action| action.id.as_deref().unwrap_or(action.body.key()));
                // Of a file whose shape is refused only the tree is there.
                let written = self.document.tree.value().pointer(&format!("/actions/{index}/id"));
                let id = id.or_else(|| written.and_then(serde_json::Value::as_str));
                let id = id.or_else(|| pointer.split('/').nth(3));
                format!("action `{}`", id.unwrap_or_default())
            }
            ("notify", Some(index)) => {
                let channel = self.document.playbook.notify.get(index).map(|notify| notify.channel.as_str());
                format!("the message to `{}`", channel.unwrap_or_default())
            }
            ("hunt", _) if pointer.starts_with("/hunt/entityMappings") => "`entityMappings`".to_owned(),
            ("hunt", _) => "`identity`".to_owned(),
            (first, _) => format!("`{first}`"),
        }
    }

    /// Compiles a condition.
    pub(super) fn condition(&mut self, pointer: &str, source: &str, place: Place) -> Option<Condition> {
        let subject = match self.subject() {
            "row" => Subject::Rows { columns: self.columns.clone() },
            "alert" => Subject::Alerts,
            _ => Subject::Incidents,
        };
        let lists = self.world.lists.names().map(str::to_owned).collect();
        let names = Names { subject, lists, place };
        match Condition::compile(&self.world.language, source, &names) {
            Ok(condition) => {
                if let Reads::Only(columns) = condition.columns() {
                    let reader = self.reader(pointer);
                    for name in columns {
                        self.readers.entry(name.clone()).or_default().insert(reader.clone());
                    }
                }
                self.reads = std::mem::replace(&mut self.reads, Reads::All).union(condition.columns());
                Some(condition)
            }
            Err(problems) => {
                self.problems(pointer, problems);
                None
            }
        }
    }

    /// Compiles a text and checks what it names.
    pub(super) fn template(&mut self, pointer: &str, source: &str, text: Text) -> Option<Template> {
        let template = match Template::compile(source) {
            Ok(template) => template,
            Err(problems) => {
                self.problems(pointer, problems);
                return None;
            }
        };
        let before = self.sink.errors();
        for reference in template.references() {
            if let Some(problem) = self.reference(pointer, (template.source(), reference), text) {
                self.problems(pointer, vec![problem]);
            }
        }
        (self.sink.errors() == before).then_some(template)
    }

    /// Reports problems inside a text.
    pub(super) fn problems(&mut self, pointer: &str, problems: Vec<Problem>) {
        let tree = &self.document.tree;
        for problem in problems {
            self.sink.push(problem.at(|range| tree.inner(pointer, range)));
        }
    }

    /// Checks one variable of a text; notes the column it reads.
    fn reference(
        &mut self,
        pointer: &str,
        (source, reference): (&str, &Reference),
        text: Text,
    ) -> Option<Problem> {
        let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
        let subject = self.item_name();
        let column =
            |name: &str| self.columns.as_ref().is_some_and(|known| known.names().any(|it| it == name));
        let bare = text != Text::Run && path.first().is_some_and(|root| column(root));
        let unknown = |name: &str, known: &[&str]| {
            let message = format!("there is no `{name}` here");
            let range = part(source, reference, name);
            // `{{this}}` in a loop over what is not there: of the loop it was said.
            if source.get(range.clone()) != Some(name) {
                return None;
            }
            let mut problem = Problem::new(Code::UnknownVariable, range, message);
            if bare {
                let range = problem.range.clone();
                return Some(problem.suggest(
                    range,
                    format!("{subject}.{name}"),
                    "columns stand behind their row",
                ));
            }
            if crate::text::HELPERS.contains(&name) {
                problem =
                    problem.help(format!("the helper `{name}` stands before a value: `{{{{{name} x}}}}`"));
            }
            Some(
                problem
                    .nearest(name, known.iter().copied())
                    .help(format!("known here: {}", known.join(", "))),
            )
        };
        let roots: &[&str] = match text {
            Text::Action => &["playbook", "run", subject],
            Text::Run => &["items", "outcome", "playbook", "run"],
            Text::Item => &["item", "outcome", "playbook", "run", subject],
        };
        let member =
            |name: &str, known: &[&str]| if known.contains(&name) { None } else { unknown(name, known) };
        match path.as_slice() {
            [root, ..] if !roots.contains(root) => unknown(root, roots),
            ["playbook", name, ..] => member(name, &PLAYBOOK),
            ["run", name, ..] => member(name, &RUN),
            ["outcome", name, ..] => member(name, &OUTCOME),
            ["items", name, ..] if *name != "[]" && name.parse::<usize>().is_err() => {
                let message = format!("`items` is a list and has no `{name}`");
                let problem = Problem::new(Code::UnknownVariable, part(source, reference, name), message);
                Some(problem.help("`{{len items}}` counts them, `{{#each items}}` goes through them"))
            }
            ["items", _, "feed", name, ..] | ["item", "feed", name, ..] if subject == "feed" => {
                member(name, &FEED)
            }
            ["items", _, name, rest @ ..] | ["item", name, rest @ ..] if *name == subject => {
                self.subject_member(pointer, (source, reference), rest)
            }
            ["items", _, name, ..] | ["item", name, ..] => {
                let known: Vec<&str> = ITEM.iter().copied().chain([subject]).collect();
                member(name, &known)
            }
            ["feed", name, ..] => member(name, &FEED),
            ["row" | "incident" | "alert", rest @ ..] => {
                self.subject_member(pointer, (source, reference), rest)
            }
            _ => None,
        }
    }

    /// Checks what a text reads of a row or an incident.
    fn subject_member(
        &mut self,
        pointer: &str,
        (source, reference): (&str, &Reference),
        rest: &[&str],
    ) -> Option<Problem> {
        if !self.hunts() {
            let (what, known) = self.fields();
            let name = rest.first().filter(|name| !known.contains(name))?;
            let message = format!("{what} has no `{name}`");
            let problem = Problem::new(Code::UnknownVariable, part(source, reference, name), message);
            return Some(problem.nearest(name, known.iter().copied()));
        }
        // Of each column by turns: `{{#each row}}`.
        let Some(name) = rest.first().filter(|name| **name != "[]") else {
            self.reads = Reads::All;
            return None;
        };
        match &self.columns {
            Some(columns) if columns.is_mistaken(name) => {
                let message = format!("`{name}` is not a column of this query");
                let problem = Problem::new(Code::UnknownVariable, part(source, reference, name), message);
                Some(problem.nearest(name, columns.names()))
            }
            Some(_) | None => {
                self.read(name, pointer);
                None
            }
        }
    }

    /// Checks that a list exists.
    pub(super) fn list(&mut self, pointer: &str, name: &str) -> bool {
        let known: Vec<&str> = self.world.lists.names().collect();
        self.known(pointer, name, "list", &known)
    }

    /// Checks that a list exists whose name stands within a text.
    pub(super) fn list_within(&mut self, pointer: &str, range: Range<usize>, name: &str) -> bool {
        let known: Vec<&str> = self.world.lists.names().collect();
        let is_known = known.contains(&name);
        if !is_known {
            let problem = Problem::new(Code::UnknownReference, range, format!("there is no list `{name}`"));
            let problem = problem.nearest(name, known.iter().copied()).help(known_ones("list", &known));
            self.problems(pointer, vec![problem]);
        }
        is_known
    }

    /// Checks that a list exists and protects something: a list cut to nothing is the commonest broken save.
    pub(super) fn protecting_list(&mut self, pointer: &str, name: &str) {
        if self.list(pointer, name) && self.world.lists.get(name).is_some_and(|list| list.is_empty()) {
            let message = format!("the list `{name}` has no entries: it would protect nothing");
            let help = "give it an entry, or leave the exclusion out";
            self.error(Code::List, pointer, message, help);
        }
    }

    /// Checks that a channel exists.
    pub(super) fn channel(&mut self, pointer: &str, name: &str) -> bool {
        if name.contains("://") {
            let help = "write the address into the settings, and the name that it has there here";
            self.error(
                Code::UnknownReference,
                pointer,
                "a channel goes by its name, not by its address",
                help,
            );
            return false;
        }
        let known: Vec<&str> = self.world.channels.iter().map(String::as_str).collect();
        self.known(pointer, name, "channel", &known)
    }

    /// Checks that a tenant exists.
    pub(super) fn tenant(&mut self, pointer: &str, name: &str) -> bool {
        let known: Vec<&str> = self.world.tenants.keys().map(String::as_str).collect();
        self.known(pointer, name, "tenant", &known)
    }

    fn known(&mut self, pointer: &str, name: &str, what: &str, known: &[&str]) -> bool {
        if known.contains(&name) {
            return true;
        }
        let diagnostic =
            self.document.tree.error(Code::UnknownReference, pointer, format!("there is no {what} `{name}`"));
        self.sink.push(diagnostic.nearest(name, known.iter().copied()).help(known_ones(what, known)));
        false
    }
}

/// What there is, for people.
fn known_ones(what: &str, known: &[&str]) -> String {
    match known {
        [] => format!("no {what} is defined"),
        known => format!("known {what}s: {}", known.join(", ")),
    }
}

/// Where in a template the last mention of a name within a reference stands.
pub(super) fn part(source: &str, reference: &Reference, name: &str) -> Range<usize> {
    let written = source.get(reference.range.clone()).unwrap_or_default();
    match written.rfind(name) {
        Some(at) => reference.range.start + at..reference.range.start + at + name.len(),
        None => reference.range.clone(),
    }
}
