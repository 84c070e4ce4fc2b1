//! All playbooks of a directory, understood together.

use std::collections::BTreeMap;

use super::{Plan, World, compile};
use crate::diag::{Code, Diagnostic, Level, Sink, Span};
use crate::model::{List, PlaybookId};

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name, as diagnostics show it.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What became of one file.
#[derive(Debug)]
pub struct Compiled {
    /// The file, by its place in what was given.
    pub index: usize,
    /// The plan, if there was no error.
    pub plan: Option<Plan>,
    /// Everything that was found, in the order of the text; warnings too.
    pub diagnostics: Vec<Diagnostic>,
}

/// Compiles files together: each by itself, and then what holds between them. Two files with the same
/// `id` are both refused: nobody can tell which one is meant. Two with the same `name` are warned of.
#[must_use]
pub fn compile_set(files: &[SourceFile], world: &World) -> Vec<Compiled> {
    compile_changed(files, world, &|_file| None)
}

/// Compiles files together, like [`compile_set`], but takes the plan of a file from `known` where there is
/// one: it must be what compiling the file in this world would make. Its warnings are not repeated.
#[must_use]
pub fn compile_changed(
    files: &[SourceFile],
    world: &World,
    known: &dyn Fn(&SourceFile) -> Option<Plan>,
) -> Vec<Compiled> {
    let compiled = |(index, file)| match known(file) {
        Some(plan) => Compiled { index, plan: Some(plan), diagnostics: Vec::new() },
        None => one(index, file, world),
    };
    let mut all: Vec<Compiled> = files.iter().enumerate().map(compiled).collect();
    let mut by_id: BTreeMap<PlaybookId, Vec<usize>> = BTreeMap::new();
    for compiled in &all {
        if let Some(plan) = &compiled.plan {
            by_id.entry(plan.about.id).or_default().push(compiled.index);
        }
    }
    for indexes in by_id.into_values().filter(|indexes| 1 < indexes.len()) {
        for index in &indexes {
            let message = format!("the same `id` stands in {}", others(&indexes, *index, files));
            if let Some(compiled) = all.get_mut(*index) {
                compiled.plan = None;
                compiled.say_between(files, "/id", |span| {
                    Diagnostic::error(Code::DuplicateId, span, message)
                        .help("a copy of a playbook needs an `id` of its own")
                });
            }
        }
    }
    warn_of_same_names(&mut all, files);
    all
}

/// A name is what people see in messages and history, and what `run` is told.
fn warn_of_same_names(all: &mut [Compiled], files: &[SourceFile]) {
    let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for compiled in all.iter() {
        if let Some(plan) = &compiled.plan {
            by_name.entry(plan.about.name.clone()).or_default().push(compiled.index);
        }
    }
    for indexes in by_name.into_values().filter(|indexes| 1 < indexes.len()) {
        for index in &indexes {
            let others = others(&indexes, *index, files);
            if let Some(compiled) = all.get_mut(*index) {
                let message = format!("the same `name` stands in {others}");
                let help = "in history and messages nobody can tell them apart, and `run` wants the file";
                compiled.say_between(files, "/name", |span| {
                    Diagnostic::warning(Code::DuplicateName, span, message).help(help)
                });
            }
        }
    }
}

/// The other files of a group, for people.
fn others(indexes: &[usize], index: usize, files: &[SourceFile]) -> String {
    let others = indexes.iter().filter(|other| **other != index);
    let names: Vec<&str> =
        others.filter_map(|other| files.get(*other)).map(|file| file.name.as_str()).collect();
    names.join(", ")
}

fn one(index: usize, file: &SourceFile, world: &World) -> Compiled {
    let mut sink = Sink::new();
    let plan = compile(&file.name, &file.bytes, world, &mut sink);
    Compiled { index, plan, diagnostics: sink.into_sorted() }
}

impl Compiled {
    /// Adds what is wrong between files, at a place in this one.
    fn say_between(&mut self, files: &[SourceFile], at: &str, problem: impl FnOnce(Span) -> Diagnostic) {
        let Some(file) = files.get(self.index) else { return };
        let Some(tree) = crate::yaml::parse(&file.name, &file.bytes, &mut Sink::new()) else { return };
        self.diagnostics.push(problem(tree.span(at)));
    }

    /// Whether the file is refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.plan.is_none() || self.diagnostics.iter().any(|found| found.level == Level::Error)
    }
}

/// Reads list files. A list that has problems is left out; two files for one list are a problem.
#[must_use]
pub fn parse_lists(files: &[SourceFile]) -> Vec<(Option<List>, Vec<Diagnostic>)> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    files
        .iter()
        .map(|file| {
            let mut sink = Sink::new();
            let list = crate::playbook::list::parse(&file.name, &file.bytes, &mut sink);
            let list = list.filter(|list| {
                let taken = names.insert(list.name().to_owned(), file.name.clone());
                if let Some(other) = &taken {
                    let source = crate::diag::SourceText { name: file.name.clone(), text: String::new() };
                    let span = Span { source: source.into(), range: 0..0 };
                    let message = format!("`{other}` defines the list `{}` already", list.name());
                    sink.push(Diagnostic::error(Code::List, span, message));
                }
                taken.is_none()
            });
            (list, sink.into_sorted())
        })
        .collect()
}
