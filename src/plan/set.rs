//! All playbooks of a directory, understood together.

use std::collections::BTreeMap;

use super::{Plan, World, compile};
use crate::diag::{Code, Diagnostic, Level, Sink};
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
/// `id` are both refused: nobody can tell which one is meant.
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
            let others = indexes.iter().filter(|other| *other != index);
            let others: Vec<&str> =
                others.filter_map(|other| files.get(*other)).map(|file| file.name.as_str()).collect();
            if let Some(compiled) = all.get_mut(*index) {
                compiled.refuse_duplicate(files, &others.join(", "));
            }
        }
    }
    all
}

fn one(index: usize, file: &SourceFile, world: &World) -> Compiled {
    let mut sink = Sink::new();
    let plan = compile(&file.name, &file.bytes, world, &mut sink);
    Compiled { index, plan, diagnostics: sink.into_sorted() }
}

impl Compiled {
    fn refuse_duplicate(&mut self, files: &[SourceFile], others: &str) {
        self.plan = None;
        let Some(file) = files.get(self.index) else { return };
        let Some(tree) = crate::yaml::parse(&file.name, &file.bytes, &mut Sink::new()) else { return };
        let message = format!("the same `id` stands in {others}");
        let diagnostic = Diagnostic::error(Code::DuplicateId, tree.span("/id"), message);
        self.diagnostics.push(diagnostic.help("a copy of a playbook needs an `id` of its own"));
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
                    let span = crate::diag::Span { source: source.into(), range: 0..0 };
                    let message = format!("`{other}` defines the list `{}` already", list.name());
                    sink.push(Diagnostic::error(Code::List, span, message));
                }
                taken.is_none()
            });
            (list, sink.into_sorted())
        })
        .collect()
}
