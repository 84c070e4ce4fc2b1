//! `huntbook record`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::args::{Output, Record};
use super::choose::{Chosen, Project};
use super::exit::Exit;
use super::output::{Unsaid, say, say_json, tell};
use super::run::{no_tenant, spinner};
use super::{Misuse, Refusal, setup, test};
use crate::clock::SharedClock;
use crate::model::duration;
use crate::plan::{Input, Plan, SourceFile, World};
use crate::rehearsal::{
    Draft, Naming, RecordOptions, Recording, Saved, Scene, Sources, Subject, load, play, record, scrub,
    skeleton,
};
use crate::settings::Settings;
use crate::tenant::{Audience, HuntingApi, Tenant, TenantError};
use crate::text::counted;

/// How far the clock of a tenant and ours may be apart and count as one.
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(1);

/// Records what a playbook sees, and writes it down scrubbed.
pub(super) async fn run(
    arguments: &Record,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let Project { settings, world, chosen } = Project::open(config, &arguments.playbook)?;
    let parts = setup::open(&settings, &clock).await?;
    let tenant = pick(&chosen, arguments.tenant.as_deref(), parts.tenants)?;
    let now = present(&*tenant, &chosen.plan, &clock).await.context("nothing was recorded")?;
    let progress = spinner();
    progress.set_message(format!("{}: recording", chosen.plan.about.name));
    let recorded = record(&chosen.plan, &*tenant, &options(arguments, &world)?, (&world.lists, now)).await;
    progress.finish_and_clear();
    let mut recording = recorded.context("nothing was recorded")?;
    scrub(&mut recording);
    for warning in &recording.warnings {
        tell(&format!("warning: {warning}"));
    }
    let place = Place::of(&chosen.file, arguments.out.as_deref());
    let files = place.write(&recording, arguments)?;
    let lists = recording.used_lists();
    let test = place.write_test((&files, lists, now), &chosen.file, (&settings, world)).await?;
    report(&place, &files, test.as_deref(), format)?;
    Ok(Exit::Fine)
}

/// The tenant to ask: the one named, or the only one the playbook is for.
pub(super) fn pick(
    chosen: &Chosen,
    wanted: Option<&str>,
    tenants: BTreeMap<String, Arc<dyn Tenant>>,
) -> anyhow::Result<Arc<dyn Tenant>> {
    let known: Vec<String> = tenants.keys().cloned().collect();
    let fits = |name: &String| chosen.plan.is_for(name) && wanted.is_none_or(|wanted| wanted == name);
    let mut found: Vec<(String, Arc<dyn Tenant>)> =
        tenants.into_iter().filter(|(name, _)| fits(name)).collect();
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    if 1 < names.len() {
        let text =
            format!("the playbook is for several tenants; name one with --tenant: {}", names.join(", "));
        return Err(Misuse(text).into());
    }
    found.pop().map(|(_, tenant)| tenant).ok_or_else(|| no_tenant(wanted, &known))
}

/// The time of the tenant. Where its clock and ours are nearly one, ours; else what its authority answers with.
pub(super) async fn present(
    tenant: &dyn Tenant,
    plan: &Plan,
    clock: &SharedClock,
) -> Result<Timestamp, TenantError> {
    let audience = match (&plan.input, tenant.hunting()) {
        (Input::Hunt(_), HuntingApi::Xdr) => Audience::Xdr,
        (Input::Hunt(_), HuntingApi::Mde) => Audience::Mde,
        (Input::Hunt(_), HuntingApi::Graph)
        | (Input::Incidents(_) | Input::Alerts(_) | Input::Feed(_) | Input::Given, _) => Audience::Graph,
    };
    let ahead = tenant.token_facts(audience).await?.clock_ahead.unwrap_or_default();
    let now = clock.now();
    if ahead.abs() <= SKEW_MAX {
        return Ok(now);
    }
    let theirs = now.checked_sub(ahead).unwrap_or(now);
    tell(&format!(
        "the clock of the tenant shows {theirs:.0}, another time than this machine's: it is the one taken"
    ));
    Ok(theirs)
}

fn options(arguments: &Record, world: &World) -> anyhow::Result<RecordOptions> {
    let period = arguments.since.as_deref().map(duration).transpose().context("`--since`")?;
    let subject = if arguments.tables { Subject::Tables } else { Subject::Answer };
    Ok(RecordOptions { subject, rows_max: arguments.rows.into(), period, schema: world.queries.schema() })
}

/// Where a recording goes.
struct Place {
    /// Name of the playbook's file, without its ending.
    stem: String,
    /// The folder of the playbook.
    home: PathBuf,
    fixtures: PathBuf,
    /// The folder of the fixtures, as a test beside the playbook writes it.
    written: String,
}

impl Place {
    fn of(playbook: &SourceFile, out: Option<&Path>) -> Self {
        let path = Path::new(&playbook.name);
        let home = path.parent().unwrap_or_else(|| Path::new("")).to_path_buf();
        let stem = path.file_stem().map_or_else(|| "playbook".into(), |stem| stem.to_string_lossy());
        let (fixtures, written) = match out {
            Some(out) => {
                let full = std::path::absolute(out).unwrap_or_else(|_| out.to_path_buf());
                (out.to_path_buf(), full.display().to_string())
            }
            None => (home.join("fixtures"), "fixtures".to_owned()),
        };
        Self { stem: stem.into_owned(), home, fixtures, written }
    }

    /// Writes the fixtures; all of them or none.
    fn write(&self, recording: &Recording, arguments: &Record) -> anyhow::Result<Vec<Saved>> {
        let files = recording.files(&self.stem);
        let exists = |file: &&Saved| self.fixtures.join(&file.name).exists();
        if let Some(file) = files.iter().find(exists)
            && !arguments.force
        {
            let path = self.fixtures.join(&file.name);
            let text = format!("`{}` is there already; --force overwrites it", path.display());
            return Err(Refusal(text).into());
        }
        std::fs::create_dir_all(&self.fixtures)
            .with_context(|| format!("making the folder `{}`", self.fixtures.display()))?;
        for file in &files {
            let path = self.fixtures.join(&file.name);
            std::fs::write(&path, &file.text).with_context(|| format!("writing `{}`", path.display()))?;
        }
        Ok(files)
    }

    /// Writes a test over the fixtures, unless there is one. What it expects is what happens today.
    async fn write_test(
        &self,
        (files, lists, now): (&[Saved], &BTreeMap<String, Vec<String>>, Timestamp),
        playbook: &SourceFile,
        (settings, world): (&Settings, World),
    ) -> anyhow::Result<Option<PathBuf>> {
        let path = self.home.join(format!("{}.test.yaml", self.stem));
        if path.exists() {
            return Ok(None);
        }
        let name = Path::new(&playbook.name).file_name().unwrap_or_default().to_string_lossy();
        let draft = Draft { playbook: &name, folder: &self.written, files, lists, now };
        let suite = load(&Sources {
            playbooks: vec![playbook.clone()],
            tests: vec![SourceFile {
                name: path.display().to_string(),
                bytes: skeleton(&draft, None).into_bytes(),
            }],
            world,
            naming: Naming::Settings,
            sinks: test::sinks(settings),
            read: &|path| std::fs::read(path),
        });
        let mut scene: Option<Scene> = None;
        for case in suite.cases.iter().filter(|case| case.place.source.name == path.display().to_string()) {
            scene = play(case).await.scenes.pop();
        }
        let rows: usize = files.iter().filter(|file| file.table.is_some()).map(|file| file.count).sum();
        if 0 < rows && scene.as_ref().is_some_and(|scene| scene.hunted == 0) {
            tell(&format!(
                "warning: in the written test the query finds none of the {}",
                counted(rows, "row")
            ));
        }
        let text = skeleton(&draft, scene.as_ref());
        std::fs::write(&path, text).with_context(|| format!("writing `{}`", path.display()))?;
        Ok(Some(path))
    }
}

fn report(place: &Place, files: &[Saved], test: Option<&Path>, format: Output) -> Result<(), Unsaid> {
    let path = |file: &Saved| place.fixtures.join(&file.name).display().to_string();
    let test = test.map(|test| test.display().to_string());
    match format {
        Output::Json => {
            let files: Vec<_> = files
                .iter()
                .map(|file| json!({"path": path(file), "key": file.key, "table": file.table, "count": file.count}))
                .collect();
            say_json(&json!({"fixtures": files, "test": test}))?;
        }
        Output::Text => {
            for file in files {
                say(&format!("{:>6}  {}", file.count, path(file)))?;
            }
            if let Some(test) = test {
                say(&format!("  test  {test}"))?;
            }
            tell("names, addresses and secrets were replaced; read the files before you share them");
        }
    }
    Ok(())
}
