//! `huntbook doctor`: what keeps playbooks from working, and what to do about it; `huntbook token` beside it.

pub(super) mod args;
mod flaw;
mod grant;
mod house;
mod licence;
mod report;
mod tenant;
pub(super) mod token;

use std::path::Path;

use super::args::Output;
use super::exit::Exit;
use super::output::{say, say_json};
use super::setup::Doors;
use super::{Misuse, choose};
use crate::clock::SharedClock;
use crate::kql::Schema;
use crate::model::Lists;
use crate::plan::Plan;
use crate::settings;
use args::Doctor;
use house::House;
use report::Report;

/// The playbooks that were read, and what they work with.
struct Books {
    plans: Vec<Plan>,
    lists: Lists,
    /// The tables that queries are checked against.
    tables: Schema,
}

/// Looks at everything, and tells.
pub(super) async fn run(
    arguments: &Doctor,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    if let Some(wanted) = arguments.tenant.as_deref().filter(|wanted| !settings.tenants.contains_key(*wanted))
    {
        let known: Vec<&str> = settings.tenants.keys().map(String::as_str).collect();
        let text = format!("there is no tenant `{}`; there are: {}", wanted.escape_debug(), known.join(", "));
        return Err(Misuse(text).into());
    }
    let mut report = Report::default();
    let house = House { settings: &settings, config };
    let mut books = house.books(&mut report);
    if let Some(wanted) = &arguments.playbook {
        let (files, world) = house.files(&books.lists);
        books.plans = vec![(*choose::choose(wanted, files, &world)?.plan).clone()];
    }
    let doors = if arguments.permissions {
        None
    } else {
        house.journal(&mut report).await;
        match Doors::open(&settings, &clock) {
            Ok(doors) => {
                house.channels(&doors, &mut report).await;
                Some(doors)
            }
            Err(error) => {
                report.problem((flaw::HTTP, "http"), house::chain(&error), None);
                None
            }
        }
    };
    let wanted = |name: &str| arguments.tenant.as_deref().is_none_or(|wanted| wanted == name);
    for (name, tenant) in settings.tenants.iter().filter(|(name, _)| wanted(name)) {
        let mut examined = tenant::Examined::new(name, tenant, &books);
        match &doors {
            Some(doors) => examined.ask((doors, tenant), &mut report).await,
            None if arguments.permissions => examined.wants(tenant),
            None => {}
        }
        report.tenants.push(examined);
    }
    match format {
        Output::Json => say_json(&report.json())?,
        Output::Text => say(&report.text())?,
    }
    Ok(if report.has_problems() { Exit::Findings } else { Exit::Fine })
}
