//! Which playbook a person means: by its file, its name or its id.

use std::path::Path;
use std::sync::Arc;

use super::output::{clean, say, tell};
use super::served::{self, Served};
use super::{Misuse, Refusal, setup, validate};
use crate::clock::SharedClock;
use crate::console::Called;
use crate::daemon::{self, Scan, Terms};
use crate::diag::{Format, nearest, render};
use crate::plan::{Compiled, Plan, SourceFile, World, compile_set};
use crate::settings::{self, Hand, Settings};

/// A playbook that was chosen, with its bytes.
pub(super) struct Chosen {
    pub(super) plan: Arc<Plan>,
    pub(super) file: SourceFile,
}

/// A playbook of a project, with what it lives among.
pub(super) struct Project {
    pub(super) settings: Settings,
    pub(super) world: World,
    pub(super) chosen: Chosen,
}

impl Project {
    /// Reads settings and lists, and finds the playbook a person means, for somebody who writes it: whatever is on disk
    /// counts. What is wrong with lists is told: to whoever names them they are not there.
    ///
    /// # Errors
    ///
    /// Those of [`choose`]; settings or folders that cannot be used.
    pub(super) fn open(config: &Path, wanted: &str) -> anyhow::Result<Self> {
        let settings = settings::load(config)?;
        let found = daemon::scan(&settings.playbooks, &settings.lists)?;
        let mut problems = Vec::new();
        let world = setup::world(&settings, validate::lists(&found.lists, &mut problems));
        if !problems.is_empty() {
            tell(render(&problems, Format::Text).trim_end());
        }
        validate::insist_on_names(config, &settings, &world)?;
        setup::warn_of_exposure(config, &settings);
        let chosen = choose(wanted, found.playbooks, &world)?;
        Ok(Self { settings, world, chosen })
    }

    /// The same for somebody who lets it act: settings, playbooks and lists count on the terms of `serve`, and of what
    /// does not count there is what the journal has. A file that is named by its path is a person's own word, but where
    /// the settings want signatures.
    ///
    /// # Errors
    ///
    /// As of [`Project::open`]; settings or a playbook that do not meet the terms.
    pub(super) async fn to_act(
        config: &Path,
        wanted: &str,
        clock: &SharedClock,
    ) -> anyhow::Result<(Self, Served)> {
        let settings = settings::load(config)?;
        setup::insist_on_owners(config)?;
        setup::insist_on_state(config, &settings, Hand::Owner)?;
        let terms = setup::terms(&settings)?;
        let found = daemon::scan_on(&terms, &settings.playbooks, &settings.lists)?;
        let mut problems = Vec::new();
        drop(validate::lists(&found.lists, &mut problems));
        problems.extend(found.unread_lists.iter().map(|unread| unread.problem.clone()));
        if !problems.is_empty() {
            tell(render(&problems, Format::Text).trim_end());
        }
        let generation = served::read(&settings, found.clone(), clock).await?;
        let world = setup::world(&settings, (*generation.lists).clone());
        validate::insist_on_names(config, &settings, &world)?;
        setup::warn_of_exposure(config, &settings);
        let chosen = accepted(wanted, found, (&world, &terms))?;
        let served = Served::new(generation, &chosen.plan);
        Ok((Self { settings, world, chosen }, served))
    }
}

/// Finds the playbook a person means among the files that count; one that does not count is told of as such.
fn accepted(wanted: &str, found: Scan, (world, terms): (&World, &Terms)) -> anyhow::Result<Chosen> {
    let chosen = find(wanted, found.playbooks, (world, terms)).and_then(Candidate::chosen);
    if !matches!(&chosen, Err(error) if error.is::<Misuse>()) {
        return chosen;
    }
    let paths = found.unread_playbooks.iter().map(|unread| unread.path.clone()).collect::<Vec<_>>();
    let (unread, _unreadable) = daemon::read_all(&paths, Path::new(""));
    let Some(meant) = unread.playbooks.iter().find(|file| is_meant(file, wanted)) else { return chosen };
    let covers = |one: &&daemon::Unread| Path::new(&meant.name).starts_with(&one.path);
    let why = found.unread_playbooks.iter().filter(covers).map(|one| one.problem.clone());
    say(&render(&why.collect::<Vec<_>>(), Format::Text))?;
    let file = clean(&meant.name, 200);
    Err(Refusal(format!("the playbook does not count and does not run: `{file}`")).into())
}

/// A file, and what it is called even if it is refused.
struct Candidate {
    file: SourceFile,
    compiled: Compiled,
    called: Called,
}

/// Finds the playbook a person means among the files; a file elsewhere may be named by its path.
///
/// # Errors
///
/// [`Misuse`] if there is none, or several; [`Refusal`] if it has problems, which are printed.
pub(super) fn choose(wanted: &str, files: Vec<SourceFile>, world: &World) -> anyhow::Result<Chosen> {
    find(wanted, files, (world, &Terms::default()))?.chosen()
}

fn find(
    wanted: &str,
    mut files: Vec<SourceFile>,
    (world, terms): (&World, &Terms),
) -> anyhow::Result<Candidate> {
    let as_file = Path::new(wanted);
    if as_file.is_file() && !files.iter().any(|file| is_file(&file.name, as_file)) {
        files.push(daemon::read_named(terms, as_file)?);
    }
    let compiled = compile_set(&files, world);
    let mut all: Vec<Candidate> = compiled.into_iter().zip(files).map(Candidate::new).collect();
    let by_path = all.iter().position(|one| is_file(&one.file.name, as_file));
    let meant: Vec<usize> = match by_path {
        Some(place) => vec![place],
        None => (0..all.len()).filter(|place| all.get(*place).is_some_and(|one| one.is(wanted))).collect(),
    };
    match meant.as_slice() {
        [place] => Ok(all.swap_remove(*place)),
        [] => Err(unknown(wanted, all.iter().map(|one| (one.file.name.as_str(), &one.called)))),
        several => {
            let files = several.iter().filter_map(|place| all.get(*place));
            let files: Vec<String> = files.map(|one| format!("`{}`", clean(&one.file.name, 200))).collect();
            let text = format!(
                "`{}` is what {} playbooks are called: name the file: {}",
                clean(wanted, 120),
                files.len(),
                files.join(", ")
            );
            Err(Misuse(text).into())
        }
    }
}

impl Candidate {
    fn new((compiled, file): (Compiled, SourceFile)) -> Self {
        let called = Called::of(&file.name, &file.bytes);
        Self { file, compiled, called }
    }

    fn is(&self, wanted: &str) -> bool {
        is_called((&self.file.name, &self.called), wanted)
    }

    fn chosen(self) -> anyhow::Result<Chosen> {
        if let Some(plan) = self.compiled.plan {
            return Ok(Chosen { plan: Arc::new(plan), file: self.file });
        }
        say(&render(&self.compiled.diagnostics, Format::Text))?;
        let file = clean(&self.file.name, 200);
        Err(Refusal(format!("the playbook has problems and does not run: `{file}`")).into())
    }
}

fn is_meant(file: &SourceFile, wanted: &str) -> bool {
    is_file(&file.name, Path::new(wanted))
        || is_called((&file.name, &Called::of(&file.name, &file.bytes)), wanted)
}

/// Whether a word is what the playbook of a file is called, or its file.
pub(super) fn is_called((file, called): (&str, &Called), wanted: &str) -> bool {
    stem(file) == wanted || called.name == wanted || called.id.eq_ignore_ascii_case(wanted)
}

fn stem(file: &str) -> &str {
    Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

/// Whether a file that was read is the one at a path.
pub(super) fn is_file(name: &str, wanted: &Path) -> bool {
    let name = Path::new(name);
    let same = || Some(name.canonicalize().ok()? == wanted.canonicalize().ok()?);
    name == wanted || same().unwrap_or(false)
}

/// Says that there is no such playbook, and which may be meant.
pub(super) fn unknown<'a>(
    wanted: &str,
    all: impl Iterator<Item = (&'a str, &'a Called)> + Clone,
) -> anyhow::Error {
    let names = all.clone().flat_map(|(file, called)| [called.name.as_str(), stem(file)]);
    let hint = match nearest(wanted, names.filter(|name| !name.is_empty())) {
        Some(near) => format!("did you mean `{}`?", clean(near, 120)),
        None => "name its file, its name or its id".to_owned(),
    };
    // What cannot be read at all may be it.
    let broken = all.filter(|(_, called)| called.name.is_empty());
    let broken: Vec<String> = broken.map(|(file, _)| format!("`{}`", clean(file, 200))).collect();
    let broken = match broken.as_slice() {
        [] => String::new(),
        files => format!("; nameless for their problems are {} (see `huntbook validate`)", files.join(", ")),
    };
    Misuse(format!("there is no playbook `{}`: {hint}{broken}", clean(wanted, 120))).into()
}
