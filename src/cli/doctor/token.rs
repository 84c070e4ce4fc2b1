//! `huntbook token`: what a token says, never the token.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::{For, Token};
use super::house::House;
use super::report::Report;
use super::tenant::Examined;
use crate::cli::args::Output;
use crate::cli::exit::Exit;
use crate::cli::output::{clean, say, say_json};
use crate::cli::setup::Doors;
use crate::cli::{Misuse, Unfit};
use crate::clock::SharedClock;
use crate::model::Secret;
use crate::plan::{Granted, lacking};
use crate::settings::{self, Settings, TenantSettings};
use crate::tenant::{Audience, Proof, Tenant as _, TokenFacts, Unreadable};

/// Most bytes read from standard input: a token with many groups reaches some kilobytes.
const STDIN_MAX: u64 = 256 << 10;

/// A token as it is explained.
struct Explained {
    facts: TokenFacts,
    /// What the playbooks in force lack; `None` if nobody can say.
    lacks: Option<Vec<String>>,
    /// What is wrong with it.
    problems: Vec<String>,
}

impl For {
    const fn audience(self) -> Audience {
        match self {
            Self::Graph => Audience::Graph,
            Self::Defender => Audience::Mde,
            Self::Xdr => Audience::Xdr,
        }
    }
}

/// Explains the app's tokens, or one from standard input.
pub(in crate::cli) async fn run(
    arguments: &Token,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let all = if arguments.stdin {
        vec![given(arguments, clock.now())?]
    } else {
        own(arguments, config, &clock).await?
    };
    let now = clock.now();
    match format {
        Output::Json => say_json(&all.iter().map(Explained::json).collect::<Vec<_>>())?,
        Output::Text => {
            let texts: Vec<String> = all.iter().map(|one| one.text(now)).collect();
            say(&texts.join("\n"))?;
        }
    }
    let good = |one: &Explained| one.problems.is_empty() && one.lacks.iter().all(Vec::is_empty);
    Ok(if all.iter().all(good) { Exit::Fine } else { Exit::Findings })
}

/// Explains a token from standard input.
fn given(arguments: &Token, now: Timestamp) -> anyhow::Result<Explained> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(STDIN_MAX).read_to_string(&mut text);
    let text = Secret::new(read.map(|_length| text).context("standard input holds no text")?);
    let token = bare(&text)?;
    let facts = TokenFacts::of(&token).map_err(|problem| Misuse(hint(&token, problem)))?;
    let mut problems = Vec::new();
    if let Some(wanted) = arguments.audience
        && api_of(&facts) != Some(wanted.audience())
    {
        problems.push(format!("it is not for {}", wanted.audience()));
    }
    let mut explained = Explained { facts, lacks: None, problems };
    explained.look_at_time(now);
    Ok(explained)
}

/// Takes a token out of what people copy: a header, an answer of the authority, quotes.
fn bare(text: &Secret) -> anyhow::Result<Secret> {
    let text = text.expose().trim();
    if text.is_empty() {
        return Err(Misuse(
            "nothing came from standard input: huntbook token --stdin < token.txt".to_owned(),
        )
        .into());
    }
    if let Ok(Value::Object(answer)) = serde_json::from_str(text) {
        let Some(token) = answer.get("access_token").and_then(Value::as_str) else {
            return Err(Misuse("this JSON holds no `access_token`".to_owned()).into());
        };
        return Ok(Secret::new(token.to_owned()));
    }
    let text = text.strip_prefix("Authorization:").unwrap_or(text).trim_start();
    let text = text.strip_prefix("Bearer ").unwrap_or(text);
    Ok(Secret::new(text.trim().trim_matches(['"', '\'']).to_owned()))
}

/// Why a text is no token, and what it may be instead.
fn hint(text: &Secret, problem: Unreadable) -> String {
    let looks_like = if text.expose().starts_with("-----BEGIN") {
        "; this is a certificate or a key"
    } else if text.expose().starts_with("0.A") || text.expose().starts_with("1.A") {
        "; this looks like a refresh token or an authorization code"
    } else if text.expose().len() == 40 && text.expose().contains('~') {
        "; this looks like a client secret"
    } else {
        ""
    };
    format!("{problem}{looks_like}")
}

/// The API a token is for, by its `aud`.
fn api_of(facts: &TokenFacts) -> Option<Audience> {
    Audience::of(facts.audience.as_deref()?)
}

/// Asks for the app's own tokens.
async fn own(arguments: &Token, config: &Path, clock: &SharedClock) -> anyhow::Result<Vec<Explained>> {
    let settings = settings::load(config)?;
    let (name, tenant) = pick(arguments.tenant.as_deref(), &settings)?;
    let books = House { settings: &settings, config }.books(&mut Report::default());
    let examined = Examined::new(name, tenant, &books);
    let doors = Doors::open(&settings, clock).map_err(Unfit::from)?;
    let client = doors.tenant_options(name, tenant).and_then(|options| doors.tenant(options));
    let client = client.map_err(Unfit::from)?;
    let mut wanted: Vec<Audience> = match arguments.audience {
        Some(one) => vec![one.audience()],
        None => examined.needs().map(|need| need.permission.audience).collect(),
    };
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        wanted.push(Audience::Graph);
    }
    let mut all = Vec::new();
    for api in wanted {
        let facts = client.token_facts(api).await?;
        let needs: Vec<_> =
            examined.needs().filter(|need| need.permission.audience == api).cloned().collect();
        let granted = Granted::from([(api, facts.clone())]);
        let mut lacks: Vec<String> = lacking(&needs, &granted)
            .iter()
            .map(|need| format!("{} ({})", need.permission.least(), join(&need.purposes)))
            .collect();
        lacks.sort_unstable();
        lacks.dedup();
        let problems = examined.oddity(api, &facts).map(|(_, problem)| problem).into_iter().collect();
        let mut explained = Explained { facts, lacks: Some(lacks), problems };
        explained.look_at_time(clock.now());
        all.push(explained);
    }
    Ok(all)
}

fn join<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    texts.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The tenant named, or the only one.
fn pick<'a>(wanted: Option<&str>, settings: &'a Settings) -> Result<(&'a str, &'a TenantSettings), Misuse> {
    let known: Vec<&str> = settings.tenants.keys().map(String::as_str).collect();
    let mut found = settings.tenants.iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name));
    match (found.next(), found.next()) {
        (Some((name, tenant)), None) => Ok((name, tenant)),
        (None, _) => Err(Misuse(format!("there is no such tenant; there are: {}", known.join(", ")))),
        (Some(_), Some(_)) => {
            Err(Misuse(format!("there are several tenants; name one with --tenant: {}", known.join(", "))))
        }
    }
}

impl Explained {
    fn look_at_time(&mut self, now: Timestamp) {
        if self.facts.expires_at <= now {
            self.problems.push(format!("it ended at {:.0}", self.facts.expires_at));
        }
        if let Some(begin) = self.facts.not_before.filter(|begin| now < *begin) {
            self.problems.push(format!("it is not good before {begin:.0}: is this machine's clock right?"));
        }
    }

    fn json(&self) -> Value {
        let api = api_of(&self.facts).map(Audience::portal_name);
        json!({"token": self.facts, "api": api, "lacks": self.lacks, "problems": self.problems})
    }

    fn text(&self, now: Timestamp) -> String {
        let facts = &self.facts;
        let mut text = String::new();
        let mut line = |word: &str, rest: &str| {
            let _infallible = writeln!(text, "{word:<10}{}", clean(rest, 1000));
        };
        let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "it does not say".to_owned());
        match api_of(facts) {
            Some(api) => line("for", &format!("{} ({})", api.portal_name(), or_none(&facts.audience))),
            None => line("for", &format!("{}: none of the APIs huntbook calls", or_none(&facts.audience))),
        }
        line("tenant", &or_none(&facts.tenant_id));
        let name = facts.app_name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        line("app", &format!("{}{name}", or_none(&facts.app_id)));
        match facts.proof {
            Some(Proof::Secret) => line("proof", "a client secret"),
            Some(Proof::Assertion) => line("proof", "a certificate, or a federated token"),
            Some(Proof::None) => line("proof", "none: a public client"),
            None => {}
        }
        let left = now.duration_until(facts.expires_at);
        let left = if left.is_positive() { format!(", in {} min", left.as_mins()) } else { String::new() };
        line("ends", &format!("{:.0}{left}", facts.expires_at));
        if facts.scopes.is_empty() {
            let roles = if facts.roles.is_empty() { "nothing".to_owned() } else { facts.roles.join(", ") };
            line("allows", &roles);
        } else {
            line("allows", &format!("{}, as far as the person may (delegated)", facts.scopes.join(", ")));
        }
        match &self.lacks {
            Some(lacks) if lacks.is_empty() => line("lacks", "nothing that the playbooks need"),
            Some(lacks) => {
                line("lacks", &format!("{}; `huntbook doctor` says how to grant it", lacks.join(", ")));
            }
            None => {}
        }
        for problem in &self.problems {
            line("problem", problem);
        }
        text
    }
}
