//! `huntbook tenants`: which there are, whether huntbook gets in, and what administrators have to consent to.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use comfy_table::{Cell, Color};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::args::Output;
use super::exit::Exit;
use super::output::{clean, say, show};
use super::run::no_tenant;
use super::setup::Doors;
use super::tables::{CELL_WIDTH, table};
use super::{Misuse, Unfit};
use crate::clock::SharedClock;
use crate::diag::Chain;
use crate::settings::{self, AuthSettings, Settings, TenantSettings};
use crate::tenant::{self, Audience, Client, Consent, Tenant as _, TenantError, TokenFacts};

/// Tenants asked at the same time.
const ASKED_MAX: usize = 8;

/// Where the consent page sends people when the settings' app names nothing else; it has to be registered with the app.
const BACK: &str = "https://portal.azure.com";

/// Why there is no page for an identity of the platform.
const NO_CONSENT: &str =
    "nobody consents to a managed identity; `huntbook doctor` prints how it is assigned its permissions";
/// Why there is no page for a workload that does not run where it should.
const NO_CLIENT_ID: &str =
    "its client id is not known here: the environment variable `AZURE_CLIENT_ID` is not set";

/// What `--consent` says without a name; no tenant is called so.
const ALL: &str = "";

/// Arguments of `tenants`.
#[derive(Debug, Args)]
pub(super) struct Tenants {
    /// Only this tenant
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Only print the addresses at which administrators consent to the app; nobody is asked
    ///
    /// With a NAME that tenant's alone, without anything around it.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = ALL, conflicts_with = "tenant")]
    consent: Option<String>,
    /// Where the consent page sends people afterwards; one of the app's redirect addresses
    #[arg(long, value_name = "URL", default_value = BACK)]
    back: String,
}

/// A tenant that was looked at.
struct Seen<'a> {
    name: &'a str,
    settings: &'a TenantSettings,
    /// Where an administrator consents, or why nobody does.
    page: Result<String, &'static str>,
    /// What each API's token says, or why there is none; nothing if nobody was asked.
    tokens: BTreeMap<Audience, Result<TokenFacts, String>>,
    aadsts: Option<u32>,
    /// What a person has to do.
    login: Option<String>,
}

/// Whether huntbook gets in, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody was asked.
    Unknown,
    Fine,
    /// A token, and nothing is allowed with it.
    Powerless,
    NoConsent,
    Withdrawn,
    NoApi,
    SignedOut,
    Failed,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Fine => "signed in",
            Self::Powerless => "no permission",
            Self::NoConsent => "no consent",
            Self::Withdrawn => "app disabled",
            Self::NoApi => "API missing",
            Self::SignedOut => "signed out",
            Self::Failed => "failed",
        }
    }
}

/// Lists the tenants.
pub(super) async fn run(
    arguments: &Tenants,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    let doors = Doors::open(&settings, &clock).map_err(Unfit::from)?;
    let of_consent = arguments.consent.as_deref().filter(|name| *name != ALL);
    let named = arguments.tenant.as_deref().or(of_consent);
    let chosen = chosen(&settings, named)?;
    let mut seen = Vec::new();
    for (name, tenant) in chosen {
        seen.push(open(&doors, (name, tenant), &arguments.back).map_err(Unfit::from)?);
    }
    if arguments.consent.is_none() {
        seen = stream::iter(seen).map(ask).buffered(ASKED_MAX).collect().await;
    }
    let seen: Vec<Seen<'_>> = seen.into_iter().map(|(seen, _)| seen).collect();
    match (&arguments.consent, format) {
        (Some(_), Output::Text) if of_consent.is_some() => {
            for one in &seen {
                say(one.page.as_ref().map_err(|why| Misuse(format!("`{}`: {why}", one.name)))?)?;
            }
        }
        (Some(_), Output::Text) => say(&pages(&seen))?,
        (_, format) => show(format, &seen.iter().map(Seen::json).collect::<Vec<_>>(), |_| text(&seen))?,
    }
    let fine = |one: &Seen<'_>| matches!(one.state(), State::Fine | State::Unknown);
    Ok(if seen.iter().all(fine) { Exit::Fine } else { Exit::Findings })
}

/// The tenant named, or all.
fn chosen<'a>(
    settings: &'a Settings,
    named: Option<&str>,
) -> anyhow::Result<Vec<(&'a str, &'a TenantSettings)>> {
    let wanted = |name: &str| named.is_none_or(|wanted| wanted == name);
    let all = settings.tenants.iter().map(|(name, tenant)| (name.as_str(), tenant));
    let found: Vec<_> = all.filter(|(name, _)| wanted(name)).collect();
    if found.is_empty() {
        let known: Vec<String> = settings.tenants.keys().cloned().collect();
        return Err(no_tenant(named, &known));
    }
    Ok(found)
}

fn open<'a>(
    doors: &Doors,
    (name, settings): (&'a str, &'a TenantSettings),
    back: &str,
) -> anyhow::Result<(Seen<'a>, Client)> {
    let options = doors.tenant_options(name, settings)?;
    let app = options.credential.client_id().map(str::to_owned);
    let client = doors.tenant(options)?;
    let page = match (&settings.auth, app) {
        (AuthSettings::ManagedIdentity(_), _) => Err(NO_CONSENT),
        (_, None) => Err(NO_CLIENT_ID),
        (_, Some(app)) => Ok(client.consent_page(&app, back)?),
    };
    Ok((Seen { name, settings, page, tokens: BTreeMap::new(), aadsts: None, login: None }, client))
}

/// Asks for a token for each API. What is wrong with one tenant is its own.
async fn ask((mut seen, client): (Seen<'_>, Client)) -> (Seen<'_>, Client) {
    for api in [Audience::Graph, Audience::Mde] {
        let told = match client.token_facts(api).await {
            Ok(facts) => Ok(facts),
            Err(error) => {
                seen.login = error.login();
                if let TenantError::SignIn { refused, .. } = &error {
                    seen.aadsts = seen.aadsts.or(refused.aadsts);
                }
                Err(match error {
                    TenantError::SignIn { refused, .. } => refused.to_string(),
                    other => Chain(&other).to_string(),
                })
            }
        };
        let over = told.is_err();
        seen.tokens.insert(api, told);
        if over {
            // What keeps one API's token back keeps most times all; the authority counts failures.
            break;
        }
    }
    (seen, client)
}

impl Seen<'_> {
    fn state(&self) -> State {
        if self.tokens.is_empty() {
            return State::Unknown;
        }
        if self.tokens.values().all(Result::is_ok) {
            let is_other = |facts: &TokenFacts| {
                facts
                    .tenant_id
                    .as_deref()
                    .is_some_and(|id| !id.eq_ignore_ascii_case(self.settings.tenant_id.as_str()))
            };
            let mut tokens = self.tokens.values().flatten();
            if tokens.any(is_other) {
                return State::Failed;
            }
            let mut tokens = self.tokens.values().flatten();
            let may = |facts: &TokenFacts| !facts.roles.is_empty() || !facts.scopes.is_empty();
            return if tokens.any(may) { State::Fine } else { State::Powerless };
        }
        if self.login.is_some() {
            return State::SignedOut;
        }
        match self.aadsts.and_then(tenant::consent) {
            Some(Consent::Missing) => State::NoConsent,
            Some(Consent::Withdrawn) => State::Withdrawn,
            Some(Consent::NoApi) => State::NoApi,
            None => State::Failed,
        }
    }

    /// What is wrong, if something is.
    fn why(&self) -> Option<String> {
        let refusal = self.tokens.values().find_map(|token| token.as_ref().err().cloned());
        let with_login = |why: String| match &self.login {
            Some(login) => format!("{login} ({why})"),
            None => why,
        };
        refusal.map(with_login).or_else(|| match self.state() {
            State::Failed => {
                Some("the authority issued a token of another tenant; check `tenantId`".to_owned())
            }
            State::Powerless => {
                Some("the token allows nothing: grant application permissions and consent".to_owned())
            }
            _ => None,
        })
    }

    /// How much is allowed, in short.
    fn allowed(&self) -> String {
        let counts = self.tokens.iter().filter_map(|(api, token)| {
            let facts = token.as_ref().ok()?;
            let count = facts.roles.len() + facts.scopes.len();
            (0 < count).then(|| format!("{} {count}", api.portal_name()))
        });
        counts.collect::<Vec<_>>().join(", ")
    }

    /// For machines.
    fn json(&self) -> Value {
        let allowed: BTreeMap<&str, Vec<&String>> = self
            .tokens
            .iter()
            .filter_map(|(api, token)| {
                let facts = token.as_ref().ok()?;
                Some((api.portal_name(), facts.roles.iter().chain(&facts.scopes).collect()))
            })
            .collect();
        json!({
            "tenant": self.name, "tenantId": self.settings.tenant_id, "cloud": self.settings.cloud.as_str(),
            "tags": self.settings.tags, "context": self.settings.auth.context(),
            "clientId": self.settings.auth.client_id(), "state": self.state().as_str(), "why": self.why(),
            "aadsts": self.aadsts, "permissions": allowed, "consentPage": self.page.as_deref().ok(),
        })
    }
}

/// The consent pages of several tenants.
fn pages(seen: &[Seen<'_>]) -> String {
    let mut table = table(&["tenant", "where an administrator consents"]);
    for one in seen {
        let page = one.page.as_deref().unwrap_or_else(|why| why);
        table.add_row([one.name.to_owned(), page.to_owned()]);
    }
    table.to_string()
}

/// For people.
fn text(seen: &[Seen<'_>]) -> String {
    let mut table = table(&["tenant", "id", "cloud", "tags", "signs in with", "state", "permissions", "why"]);
    for one in seen {
        let state = one.state();
        let word = Cell::new(state.as_str());
        table.add_row([
            Cell::new(one.name),
            Cell::new(&one.settings.tenant_id),
            Cell::new(one.settings.cloud.as_str()),
            Cell::new(clean(&one.settings.tags.join(", "), CELL_WIDTH)),
            Cell::new(one.settings.auth.context()),
            if state == State::Fine { word } else { word.fg(Color::Red) },
            Cell::new(one.allowed()),
            Cell::new(clean(&one.why().unwrap_or_default(), 200)),
        ]);
    }
    let waiting: Vec<&str> =
        seen.iter().filter(|one| one.state() == State::NoConsent).map(|one| one.name).collect();
    match waiting.first() {
        Some(name) => format!(
            "{table}\nwithout consent: {}; `huntbook tenants --consent {name}` prints the page for an administrator",
            waiting.join(", ")
        ),
        None => table.to_string(),
    }
}
