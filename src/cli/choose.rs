//! Which playbook a person means: by its file, its name or its id.

use std::path::Path;
use std::sync::Arc;

use super::output::{clean, say, tell};
use super::{Misuse, Refusal, setup, validate};
use crate::daemon;
use crate::diag::{Format, Sink, nearest, render};
use crate::model::PlaybookId;
use crate::plan::{Compiled, Plan, SourceFile, World, compile_set};
use crate::settings::{self, Settings};
use crate::store::StoppedPlaybook;
use crate::yaml;

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
    /// Reads settings and lists, and finds the playbook a person means. What is wrong with lists is told: to
    /// whoever names them they are not there.
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
}

/// Which playbook of the folder a person means, whatever else is wrong with it.
///
/// # Errors
///
/// Those of [`choose`], but for problems of the playbook.
pub(super) fn named(settings: &Settings, wanted: &str) -> anyhow::Result<StoppedPlaybook> {
    let found = daemon::scan(&settings.playbooks, &settings.lists)?;
    let world = setup::world(settings, validate::lists(&found.lists, &mut Vec::new()));
    let Candidate { name, id, file, .. } = find(wanted, found.playbooks, &world)?;
    match id.parse() {
        Ok(id) => Ok(StoppedPlaybook { id: PlaybookId(id), name }),
        Err(_no_id) => Err(Misuse(format!("`{}` has no id that can be read", clean(&file.name, 200))).into()),
    }
}

/// A file, and what it is called even if it is refused.
struct Candidate {
    file: SourceFile,
    compiled: Compiled,
    name: String,
    id: String,
}

/// Finds the playbook a person means among the files; a file elsewhere may be named by its path.
///
/// # Errors
///
/// [`Misuse`] if there is none, or several; [`Refusal`] if it has problems, which are printed.
pub(super) fn choose(wanted: &str, files: Vec<SourceFile>, world: &World) -> anyhow::Result<Chosen> {
    find(wanted, files, world)?.chosen()
}

fn find(wanted: &str, mut files: Vec<SourceFile>, world: &World) -> anyhow::Result<Candidate> {
    let as_file = Path::new(wanted);
    if as_file.is_file() && !files.iter().any(|file| is_file(&file.name, as_file)) {
        files.extend(daemon::read_paths(&[as_file.to_owned()], as_file)?);
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
        [] => Err(unknown(wanted, &all)),
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
        let (name, id) = if let Some(plan) = &compiled.plan {
            (plan.about.name.clone(), plan.about.id.to_string())
        } else {
            // It has problems, but most of what it says can be read all the same.
            let tree = yaml::parse(&file.name, &file.bytes, &mut Sink::new());
            let text = |key: &str| {
                let value = tree.as_ref().and_then(|tree| tree.value().get(key)?.as_str());
                value.unwrap_or_default().to_owned()
            };
            (text("name"), text("id"))
        };
        Self { file, compiled, name, id }
    }

    fn stem(&self) -> &str {
        Path::new(&self.file.name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    fn is(&self, wanted: &str) -> bool {
        self.stem() == wanted || self.name == wanted || self.id.eq_ignore_ascii_case(wanted)
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

/// Whether a file that was read is the one at a path.
fn is_file(name: &str, wanted: &Path) -> bool {
    let name = Path::new(name);
    let same = || Some(name.canonicalize().ok()? == wanted.canonicalize().ok()?);
    name == wanted || same().unwrap_or(false)
}

/// Says that there is no such playbook, and which may be meant.
fn unknown(wanted: &str, all: &[Candidate]) -> anyhow::Error {
    let names = all.iter().flat_map(|one| [one.name.as_str(), one.stem()]).filter(|name| !name.is_empty());
    let hint = match nearest(wanted, names) {
        Some(near) => format!("did you mean `{}`?", clean(near, 120)),
        None => "name its file, its name or its id".to_owned(),
    };
    // What cannot be read at all may be it.
    let broken = all.iter().filter(|one| one.compiled.plan.is_none() && one.name.is_empty());
    let broken: Vec<String> = broken.map(|one| format!("`{}`", clean(&one.file.name, 200))).collect();
    let broken = match broken.as_slice() {
        [] => String::new(),
        files => format!("; nameless for their problems are {} (see `huntbook validate`)", files.join(", ")),
    };
    Misuse(format!("there is no playbook `{}`: {hint}{broken}", clean(wanted, 120))).into()
}
