//! `huntbook validate`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::{Form, Validate};
use super::exit::Exit;
use super::output::{counted, say, say_json, tell};
use super::{mend, sarif, setup, tables};
use crate::daemon::{self, Scan, ScanError};
use crate::diag::{Chain, Code, Diagnostic, Format, Level, Sink, SourceText, Span, render};
use crate::model::Lists;
use crate::plan::{SourceFile, World, compile_set, parse_lists};
use crate::settings::{self, Settings, SettingsError};
use crate::yaml;

/// Checks settings, lists and playbooks, and prints every problem.
pub(super) fn run(arguments: &Validate, config: &Path, form: Form) -> anyhow::Result<Exit> {
    let (mut found, mut problems, mut guards) = find(arguments, config);
    if arguments.fix.fix && mend::apply(&problems, &arguments.fix)? {
        (found, problems, guards) = find(arguments, config);
    }
    let errors = problems.iter().filter(|problem| problem.level == Level::Error).count();
    print(&found, (&problems, errors), guards.as_ref(), form)?;
    Ok(if errors == 0 { Exit::Fine } else { Exit::Refused })
}

/// Everything there is, every problem of it, and the world it is in where the settings are good.
fn find(arguments: &Validate, config: &Path) -> (Scan, Vec<Diagnostic>, Option<World>) {
    let mut problems = Vec::new();
    let good = match settings::load(config) {
        Ok(settings) => Some(settings),
        Err(SettingsError::Refused(found)) => {
            problems.extend(found);
            None
        }
        Err(error) => {
            problems.push(unreadable(config, &error));
            None
        }
    };
    let settings = good.clone().unwrap_or_else(|| {
        let (folders, found) = settings::folders(config);
        // Where the settings are good but for the tables, these were told of already.
        let new: Vec<_> = found.into_iter().filter(|problem| !problems.contains(problem)).collect();
        problems.extend(new);
        folders
    });
    let (mut found, unread) = read(arguments, &settings);
    leave_out_settings(&mut found.playbooks, &arguments.paths, config);
    problems.extend(unread.iter().map(ScanError::diagnostic));
    let lists = lists(&found.lists, &mut problems);
    let mut world = setup::world(&settings, lists);
    if let Some(settings) = &good {
        problems.extend(settings::exposures(config, settings));
        if arguments.paths.is_empty() {
            let unmet = setup::unmet(settings, settings.owners_at_desk(config)).into_iter();
            problems.extend(unmet.map(|unmet| Diagnostic { level: Level::Warning, ..unmet }));
        }
        problems.extend(setup::ending(config, settings));
        problems.extend(settings_names(config, settings, &world));
    } else {
        allow_names(&mut world, &found.playbooks);
    }
    let compiled = compile_set(&found.playbooks, &world);
    problems.extend(compiled.into_iter().flat_map(|compiled| compiled.diagnostics));
    (found, problems, good.map(|_settings| world))
}

fn print(
    found: &Scan,
    (problems, errors): (&[Diagnostic], usize),
    world: Option<&World>,
    form: Form,
) -> anyhow::Result<()> {
    let (playbooks, lists, warnings) = (found.playbooks.len(), found.lists.len(), problems.len() - errors);
    if form == Form::Sarif {
        say_json(&sarif::document(problems, &std::env::current_dir().unwrap_or_default()))?;
        return Ok(());
    }
    if form == Form::Json {
        let problems: Value = serde_json::from_str(&render(problems, Format::Json))?;
        say_json(&json!({
            "playbooks": playbooks, "lists": lists, "errors": errors, "warnings": warnings,
            "problems": problems, "guards": world.map(tables::guards_json),
        }))?;
        return Ok(());
    }
    if !problems.is_empty() {
        say(&render(problems, Format::Text))?;
    }
    let [playbooks, lists, errors, warnings] =
        [(playbooks, "playbook"), (lists, "list"), (errors, "error"), (warnings, "warning")].map(counted);
    tell(&format!("{playbooks}, {lists}: {errors}, {warnings}"));
    if let Some(world) = world {
        tell(tables::guards(world).trim_end());
    }
    Ok(())
}

/// Reads what can be read, and says what cannot.
fn read(arguments: &Validate, settings: &Settings) -> (Scan, Vec<ScanError>) {
    if arguments.paths.is_empty() {
        daemon::read_all(std::slice::from_ref(&settings.playbooks), &settings.lists)
    } else {
        daemon::read_all(&arguments.paths, &settings.lists)
    }
}

/// Leaves out the settings where a folder was named in which they stand beside playbooks.
pub(super) fn leave_out_settings(files: &mut Vec<SourceFile>, named: &[PathBuf], config: &Path) {
    let Ok(settings) = config.canonicalize() else { return };
    let is_it = |path: &Path| path.canonicalize().is_ok_and(|path| path == settings);
    if named.iter().any(|path| path.is_dir()) && !named.iter().any(|path| is_it(path)) {
        files.retain(|file| !is_it(Path::new(&file.name)));
    }
}

/// Settings that are there in name only.
fn unreadable(path: &Path, error: &(dyn std::error::Error + 'static)) -> Diagnostic {
    // Its own words repeat the path, which stands beside the message anyway.
    let why = error.source().map_or_else(|| error.to_string(), |source| Chain(source).to_string());
    let source = SourceText { name: path.display().to_string(), text: String::new() };
    let span = Span { source: source.into(), range: 0..0 };
    Diagnostic::error(Code::Unreadable, span, format!("it cannot be read: {why}"))
}

/// Takes every channel and tenant that playbooks name for known: without settings nobody can say which are
/// not, and everything else can be checked all the same.
fn allow_names(world: &mut World, playbooks: &[SourceFile]) {
    let mut tags = BTreeSet::new();
    let texts = |value: Option<&Value>| -> Vec<String> {
        let all = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut tenants = BTreeSet::from(["any".to_owned()]);
    for file in playbooks {
        let Some(tree) = yaml::parse(&file.name, &file.bytes, &mut Sink::new()) else { continue };
        let notify = tree.value().get("notify").and_then(Value::as_array).map(Vec::as_slice);
        let channels = notify.unwrap_or_default().iter().filter_map(|one| one.get("channel")?.as_str());
        world.channels.extend(channels.map(str::to_owned));
        tenants.extend(texts(tree.value().get("tenants")));
        tags.extend(texts(tree.value().pointer("/tenants/tags")));
    }
    world.tenants = tenants.into_iter().map(|name| (name, tags.clone())).collect();
}

/// Reads lists; problems are collected, good lists are kept.
pub(super) fn lists(files: &[SourceFile], problems: &mut Vec<Diagnostic>) -> Lists {
    let mut lists = Lists::default();
    for (list, found) in parse_lists(files) {
        problems.extend(found);
        lists.extend_with(list);
    }
    lists
}

/// Insists on the names inside the settings that refer to something.
pub(super) fn insist_on_names(config: &Path, settings: &Settings, world: &World) -> anyhow::Result<()> {
    let problems = settings_names(config, settings, world);
    if problems.is_empty() { Ok(()) } else { Err(SettingsError::Refused(problems).into()) }
}

/// Checks the names inside the settings that refer to lists.
pub(super) fn settings_names(config: &Path, settings: &Settings, world: &World) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let guards = &settings.guards.exclude;
    let named = [("devices", &guards.devices), ("users", &guards.users), ("indicators", &guards.indicators)];
    for (key, entries) in named {
        let Some(settings::EntrySettings::List(name)) = entries else { continue };
        let why = match world.lists.get(name) {
            None => format!("there is no list `{}`", name.escape_debug()),
            Some(list) if list.is_empty() => {
                format!("the list `{}` has no entries and protects nothing", name.escape_debug())
            }
            Some(_filled) => continue,
        };
        let span = settings::place(config, &format!("/guards/exclude/{key}"));
        let known = world.lists.iter().map(|list| list.name());
        let problem = Diagnostic::error(Code::UnknownReference, span, why);
        problems.push(if world.lists.get(name).is_none() { problem.nearest(name, known) } else { problem });
    }
    problems
}
