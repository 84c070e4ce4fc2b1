//! `huntbook validate`.

use std::path::Path;

use serde_json::json;

use super::args::{Output, Validate};
use super::exit::Exit;
use super::output::{say, say_json, tell};
use super::setup;
use crate::daemon;
use crate::diag::{Diagnostic, Format, Level, render};
use crate::model::Lists;
use crate::plan::{SourceFile, World, compile_set, parse_lists};
use crate::settings::{self, Settings};

/// Checks settings, lists and playbooks, and prints every problem.
pub(super) fn run(arguments: &Validate, config: &Path, format: Output) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    let found = read(arguments, &settings)?;
    let mut problems = Vec::new();
    let lists = lists(&found.lists, &mut problems);
    let world = setup::world(&settings, lists);
    let files = found.playbooks.len();
    problems
        .extend(compile_set(&found.playbooks, &world).into_iter().flat_map(|compiled| compiled.diagnostics));
    settings_names(&settings, &world)?;
    let errors = problems.iter().filter(|problem| problem.level == Level::Error).count();
    match format {
        Output::Json => {
            let text = render(&problems, Format::Json);
            let problems: serde_json::Value = serde_json::from_str(&text)?;
            say_json(&json!({"files": files, "errors": errors, "problems": problems}));
        }
        Output::Text => {
            if !problems.is_empty() {
                say(&render(&problems, Format::Text));
            }
            let warnings = problems.len() - errors;
            tell(&format!(
                "{files} playbooks, {} lists: {errors} errors, {warnings} warnings",
                found.lists.len()
            ));
        }
    }
    Ok(if errors == 0 { Exit::Fine } else { Exit::Refused })
}

fn read(arguments: &Validate, settings: &Settings) -> anyhow::Result<daemon::Scan> {
    let found = daemon::scan(&settings.playbooks, &settings.lists);
    if arguments.paths.is_empty() {
        return Ok(found?);
    }
    let lists = found.map(|scan| scan.lists).unwrap_or_default();
    Ok(daemon::Scan { playbooks: daemon::read_paths(&arguments.paths, &settings.lists)?, lists })
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

/// Checks the names inside the settings that refer to something.
pub(super) fn settings_names(settings: &Settings, world: &World) -> anyhow::Result<()> {
    if let Some(alerts) = &settings.alerts
        && !settings.channels.contains_key(&alerts.channel)
    {
        let text =
            format!("`alerts.channel` names the channel `{}`, which is not in the settings", alerts.channel);
        return Err(super::Refusal(text).into());
    }
    let guards = &world.exclusions;
    let missing =
        guards.device_lists.iter().chain(&guards.user_lists).find(|name| world.lists.get(name).is_none());
    if let Some(name) = missing {
        let text = format!("`guards.exclude` names the list `{name}`, which is not there");
        return Err(super::Refusal(text).into());
    }
    let is_empty = |name: &&String| world.lists.get(name).is_some_and(|list| list.is_empty());
    match guards.device_lists.iter().chain(&guards.user_lists).find(is_empty) {
        Some(name) => {
            let text = format!(
                "`guards.exclude` names the list `{name}`, which has no entries and protects nothing"
            );
            Err(super::Refusal(text).into())
        }
        None => Ok(()),
    }
}
