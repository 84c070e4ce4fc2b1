//! `huntbook schema`, `explain` and `completions`: what huntbook knows about itself.

use clap::CommandFactory as _;
use clap_complete::Shell;

use std::fmt::Write as _;
use std::path::Path;

use super::Misuse;
use super::args::{Arguments, SchemaOf};
use super::exit::Exit;
use super::output::{clean, say, say_json};
use super::setup;
use crate::diag::Code;
use crate::model::Lists;
use crate::settings::Settings;
use crate::{console, kql, playbook, settings, tenant};

/// Prints a JSON Schema.
pub(super) fn schema(of: SchemaOf) -> anyhow::Result<Exit> {
    say_json(&match of {
        SchemaOf::Pull => return Err(Misuse("`pull` is no JSON Schema".to_owned()).into()),
        SchemaOf::Playbook => playbook::schema(),
        SchemaOf::Settings => settings::schema(),
        SchemaOf::Test => playbook::test::schema(),
    })?;
    Ok(Exit::Fine)
}

/// Explains a diagnostic code, or the guards in force.
pub(super) fn explain(code: &str, config: &Path) -> anyhow::Result<Exit> {
    if code == "guards" {
        return guards(config);
    }
    if let Some(number) = code.strip_prefix("AADSTS") {
        return sign_in_error(number);
    }
    let known = Code::parse(code).and_then(|known| match known {
        Code::Kql(number) => Some((known, kql::title(number)?)),
        own => Some((own, own.title())),
    });
    let Some((known, title)) = known else {
        let codes = "codes are HB0001 to HB0999 and KQL001 to KQL999, and `guards` says which are in force";
        return Err(Misuse(format!("there is no code `{}`; {codes}", code.escape_debug())).into());
    };
    let text = known.explanation().unwrap_or_else(|| known.about().trim());
    say(&format!("{known}: {title}\n\n{text}"))?;
    Ok(Exit::Fine)
}

/// What stops a run before it acts, by the settings where there are any.
fn guards(config: &Path) -> anyhow::Result<Exit> {
    let is_there = config.exists();
    let settings = if is_there { settings::load(config)? } else { Settings::default() };
    let mut text = if is_there {
        format!("The guards in force by `{}`. A playbook's own may only be stricter.\n", config.display())
    } else {
        "The built-in guards, for there are no settings here. A playbook's own may only be stricter.\n"
            .to_owned()
    };
    for line in console::guards::lines(&setup::world(&settings, Lists::default())) {
        let key = if line.key.is_empty() { String::new() } else { format!(" (`guards.{}`)", line.key) };
        let _infallible = write!(text, "\n{}{key}:\n    {}\n", line.what, clean(&line.said, 400));
    }
    say(text.trim_end())?;
    Ok(Exit::Fine)
}

/// Explains a number of the authority, which says it when it gives no token.
fn sign_in_error(number: &str) -> anyhow::Result<Exit> {
    let Some(remedy) = number.parse().ok().and_then(tenant::remedy) else {
        let text = format!(
            "AADSTS{} is not known here; the authority's own words are at https://login.microsoftonline.com/error",
            number.escape_debug()
        );
        return Err(Misuse(text).into());
    };
    say(&format!(
        "AADSTS{number}: Entra ID gave no token\n\n{remedy}\n\n`huntbook doctor` checks sign-in and permissions."
    ))?;
    Ok(Exit::Fine)
}

/// Prints a completion script.
pub(super) fn completions(shell: Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "huntbook", &mut script);
    say(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Fine)
}
