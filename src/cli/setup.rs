//! From settings to the parts of the process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::output::tell;
use super::{Refusal, Unfit};
use crate::action::{Approval, Approvers, TIMEOUT, of_provider};
use crate::cadence::Windows;
use crate::channel::{Channel, ChannelOptions, EmailOptions, MailLogin, MailSecurity};
use crate::clock::SharedClock;
use crate::daemon::{self, Terms};
use crate::diag::{Chain, Code, Diagnostic, Format, Level, render};
use crate::engine::Undoing;
use crate::expr::Language;
use crate::feed::{self, Feeds};
use crate::guard::{BREAKER, CANARY_WAIT, CRASHES, Canary, Caps, Ceilings, MAX_AGE, Percent, Rate, RunShare};
use crate::http::{Http, HttpOptions, Reach};
use crate::model::{Lists, Secret, SharedSource};
use crate::notify::Channels;
use crate::plan::{Exclusions, Queries, World};
use crate::settings::{
    self, ApproverSettings, AskedSettings, ChannelSettings, Cloud, EmailSettings, EndpointSettings,
    EntrySettings, Hand, HookFormat, HuntingApi, Owners, PlainOrSecret, SecretRef, Settings, SettingsError,
    Signers, TenantSettings,
};
use crate::store::Breaker;
use crate::tenant::{
    self, Budgets, Client, ClientOptions, Credential, EndpointOverrides, Login, Tenant, Tighter, Vault,
};

/// Everything a command needs besides playbooks.
pub(super) struct Parts {
    /// Tenants, by name.
    pub(super) tenants: BTreeMap<String, Arc<dyn Tenant>>,
    /// Channels, by name.
    pub(super) channels: Channels,
    /// Where feeds come from.
    pub(super) feeds: Arc<dyn Feeds>,
}

/// Opens tenants and channels. Asks nobody but vaults, for what channels have there.
pub(super) async fn open(settings: &Settings, clock: &SharedClock) -> Result<Parts, Unfit> {
    Ok(parts(settings, clock).await?)
}

async fn parts(settings: &Settings, clock: &SharedClock) -> anyhow::Result<Parts> {
    let doors = Doors::open(settings, clock)?;
    let mut tenants: BTreeMap<String, Arc<dyn Tenant>> = BTreeMap::new();
    let mut missing = BTreeMap::new();
    for (name, tenant) in &settings.tenants {
        let options = doors.tenant_options(name, tenant)?;
        missing.extend(lacks(tenant, &options).map(|error| (name.as_str(), error)));
        tenants.insert(name.clone(), Arc::new(doors.tenant(options)?));
    }
    insist_on_secrets(missing, settings.tenants.len())?;
    let mut channels = Channels::new();
    for (name, channel) in &settings.channels {
        channels.insert(name.clone(), doors.channel(name, channel).await?);
    }
    Ok(Parts { tenants, channels, feeds: doors.feeds(settings) })
}

/// What a tenant signs in with and this process was not given, if there is something.
fn lacks(tenant: &TenantSettings, options: &ClientOptions) -> Option<anyhow::Error> {
    if let Credential::Unset { why, .. } = &options.credential {
        return Some(Arc::clone(why).into());
    }
    tenant.auth.app().secrets().into_iter().find_map(|secret| settings::probe(secret).err().map(Into::into))
}

/// Says what tenants sign in with and is missing. One tenant's is that tenant's trouble, and the others work; if it is
/// there for none, nothing would.
fn insist_on_secrets(missing: BTreeMap<&str, anyhow::Error>, tenants: usize) -> anyhow::Result<()> {
    let all = missing.len() == tenants;
    for (name, error) in missing {
        if all {
            return Err(error.context(format!("what tenant `{name}` signs in with cannot be fetched")));
        }
        let error = Chain(error.as_ref());
        tracing::warn!(tenant = name, %error, "what the tenant signs in with cannot be fetched");
    }
    Ok(())
}

/// What tenants and channels are reached through.
pub(super) struct Doors {
    pub(super) http: Http,
    /// The way to hosts that everybody reaches, and to no others.
    public: Http,
    /// A house that signs its own certificates signs those of its mail server too.
    extra_ca: Vec<u8>,
    /// Tenants that are one app in one directory share it.
    budgets: Budgets,
    pub(super) clock: SharedClock,
    /// Key vaults, by name.
    pub(super) vaults: BTreeMap<String, Arc<Vault>>,
}

impl Doors {
    /// Opens them. Connects to nothing.
    pub(super) fn open(settings: &Settings, clock: &SharedClock) -> anyhow::Result<Self> {
        let options = http_options(settings)?;
        let extra_ca = options.extra_ca.clone();
        let open =
            |options| Http::open(options, Arc::clone(clock)).context("the HTTP client cannot be set up");
        let public = open(HttpOptions { reach: Reach::Public, ..options.clone() })?;
        let http = open(options)?;
        let (clock, budgets) = (Arc::clone(clock), Budgets::default());
        let mut doors = Self { http, public, extra_ca, budgets, clock, vaults: BTreeMap::new() };
        for (name, vault) in &settings.vaults {
            let vault = doors.vault(name, vault)?;
            doors.vaults.insert(name.clone(), Arc::new(vault));
        }
        Ok(doors)
    }

    /// What time it is.
    pub(super) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// A tenant.
    pub(super) fn tenant(&self, options: ClientOptions) -> anyhow::Result<Client> {
        let options = ClientOptions { budgets: self.budgets.clone(), ..options };
        Ok(Client::open(options, self.http.clone(), Arc::clone(&self.clock))?)
    }

    /// A person's way in to a tenant.
    pub(super) fn login(&self, options: &ClientOptions, client_id: &str) -> anyhow::Result<Login> {
        Ok(Login::open(options, client_id, self.http.clone(), Arc::clone(&self.clock))?)
    }

    /// How a tenant of the settings is reached.
    pub(super) fn tenant_options(
        &self,
        name: &str,
        tenant: &TenantSettings,
    ) -> anyhow::Result<ClientOptions> {
        let EndpointSettings { login, graph, mde, xdr } = tenant.endpoints.clone();
        Ok(ClientOptions {
            name: name.to_owned(),
            tenant_id: tenant.tenant_id.clone(),
            cloud: cloud(tenant.cloud).context("there is no Defender in this cloud")?,
            endpoints: EndpointOverrides { login, graph, mde, xdr },
            credential: self.credential((&format!("tenant `{name}`"), &tenant.tenant_id), &tenant.auth),
            hunting: hunting(tenant),
            budgets: Budgets::default(),
            tighter: Tighter {
                share: tenant.budgets.share.unwrap_or(Tighter::default().share),
                hunting_per_minute: tenant.budgets.hunting_per_minute,
            },
        })
    }

    /// Where feeds come from. Their addresses stand in playbooks, so they are not to lead to what only this machine
    /// reaches.
    fn feeds(&self, settings: &Settings) -> Arc<dyn Feeds> {
        let http = if settings.feeds.private_addresses { &self.http } else { &self.public };
        Arc::new(feed::Door { http: http.clone(), folder: settings.feeds.folder.clone() })
    }

    /// A channel. What it needs must be there now, and is fetched anew for each message.
    pub(super) async fn channel(&self, name: &str, channel: &ChannelSettings) -> anyhow::Result<Channel> {
        let options = self.channel_options(name, channel)?;
        let http = if channel.may_be_private() { &self.http } else { &self.public };
        let channel = Channel::open(name, &options, http.clone(), Arc::clone(&self.clock))?;
        channel.look().await.with_context(|| format!("channel `{name}` cannot be used"))?;
        Ok(channel)
    }
}

/// Warns of secrets and folders that are open to others, on standard error.
pub(super) fn warn_of_exposure(config: &Path, settings: &Settings) {
    let found = settings::exposures(config, settings);
    if !found.is_empty() {
        tell(&render(&found, Format::Text));
    }
}

/// Insists that nobody else could have written the settings, whatever they say.
pub(super) fn insist_on_owners(config: &Path) -> anyhow::Result<()> {
    let Some(owners) = settings::settings_owners() else { return Ok(()) };
    let found = owners.look(config).with_context(|| format!("looking at `{}`", config.display()))?;
    match found {
        None => Ok(()),
        Some(exposure) => {
            let refused = Diagnostic::error(Code::Exposed, settings::place(config, ""), exposure.to_string());
            Err(SettingsError::Refused(vec![refused.help(exposure.help_of_settings())]).into())
        }
    }
}

/// The same where work goes on: somebody else could change the journal.
pub(super) fn warn_of_state(config: &Path, settings: &Settings) {
    if let Ok(Some(found)) = settings::state_exposure(settings, Hand::Beside) {
        let problem = settings::state_problem(config, settings, &found);
        tell(&render(&[Diagnostic { level: Level::Warning, ..problem }], Format::Text));
    }
}

/// Insists that nobody else can change the journal or put another one in its place.
pub(super) fn insist_on_state(config: &Path, settings: &Settings, hand: Hand) -> anyhow::Result<()> {
    let path = &settings.store.path;
    let found = settings::state_exposure(settings, hand);
    match found.with_context(|| format!("looking at `{}` and what leads to it", path.display()))? {
        None => Ok(()),
        Some(found) => {
            Err(SettingsError::Refused(vec![settings::state_problem(config, settings, &found)]).into())
        }
    }
}

/// The same for a journal that is named without settings.
pub(super) fn insist_on_journal(journal: &Path) -> anyhow::Result<()> {
    let found = settings::journal_exposure(journal, Hand::Beside);
    match found.with_context(|| format!("looking at `{}` and what leads to it", journal.display()))? {
        None => Ok(()),
        Some(found) => {
            Err(Refusal(format!("somebody else could change or replace the journal: {found}")).into())
        }
    }
}

/// What files of playbooks and lists must be like to come into force.
pub(super) fn terms(settings: &Settings) -> anyhow::Result<Terms> {
    let signers = Signers::read(&settings.reload.signed_by);
    let signers = signers.map_err(|name| anyhow::anyhow!("`{name}` of `reload.signedBy` is no key"))?;
    Ok(Terms { owners: settings.owners(), signers })
}

/// Files of playbooks and lists that do not come into force as things are, if the files of `owners` do.
pub(super) fn unmet(settings: &Settings, owners: Option<Owners>) -> Vec<Diagnostic> {
    let Ok(terms) = terms(settings) else { return Vec::new() };
    let terms = Terms { owners, ..terms };
    // What is wrong with the folders is told of by others.
    let found = daemon::scan_on(&terms, &settings.playbooks, &settings.lists).unwrap_or_default();
    let unread = found.unread_playbooks.into_iter().chain(found.unread_lists).map(|unread| unread.problem);
    unread.filter(|problem| matches!(problem.code, Code::Exposed | Code::Unsigned)).collect()
}

/// The channels that are chats, and what each may be told beyond what all are.
fn chats(settings: &Settings) -> BTreeMap<String, BTreeSet<String>> {
    let chats = settings.channels.iter().map(|(name, channel)| Some((name.clone(), channel.chat()?.clone())));
    chats.flatten().collect()
}

/// What playbooks may refer to.
pub(super) fn world(settings: &Settings, lists: Lists) -> World {
    let tags = |tenant: &TenantSettings| tenant.tags.iter().cloned().collect::<BTreeSet<_>>();
    let (device_lists, devices) = entries(settings.guards.exclude.devices.as_ref());
    let (user_lists, users) = entries(settings.guards.exclude.users.as_ref());
    let (indicator_lists, indicators) = entries(settings.guards.exclude.indicators.as_ref());
    World {
        language: Language::new(),
        lists,
        channels: settings.channels.keys().cloned().collect(),
        chats: chats(settings),
        alerts: alerts(settings),
        tenants: settings.tenants.iter().map(|(name, tenant)| (name.clone(), tags(tenant))).collect(),
        ceilings: Ceilings {
            actions: Caps {
                per_run: settings.guards.max_actions_of_any_kind.per_run,
                per_day: settings.guards.max_actions_of_any_kind.per_day,
            },
            targets: Caps {
                per_run: settings.guards.max_actions.per_run.or(Ceilings::default().targets.per_run),
                per_day: settings.guards.max_actions.per_day.or(Ceilings::default().targets.per_day),
            },
            tenant_targets_per_day: settings.guards.max_targets_of_tenant,
            all_targets_per_day: settings.guards.max_targets_of_all_tenants,
            run_share: RunShare {
                freely: settings.guards.max_percent_of_devices_in_run.freely.and_then(Percent::new),
                approved: settings.guards.max_percent_of_devices_in_run.approved.and_then(Percent::new),
            },
            rate: Rate {
                per_minute: settings.guards.max_disruptive.per_minute,
                per_hour: settings.guards.max_disruptive.per_hour,
            },
            windows: settings.guards.windows.as_ref().and_then(|written| Windows::read(written).ok()),
            canary: settings.guards.canary.as_ref().map(|canary| Canary {
                first: canary.first,
                wait: canary.wait.as_ref().and_then(|wait| wait.read().ok()).unwrap_or(CANARY_WAIT),
            }),
            observe_first: settings.guards.observe_first.unwrap_or(0),
            percent_of_devices: settings.guards.max_percent_of_devices.and_then(Percent::new),
            // The settings were read: it is a length of time.
            cool_down: settings.guards.cool_down.as_ref().and_then(|written| written.read().ok()),
            times_usual: settings.guards.max_times_usual,
            crashes: settings.guards.max_crashes.unwrap_or(CRASHES),
            max_age: settings.guards.max_age.as_ref().and_then(|age| age.read().ok()).unwrap_or(MAX_AGE),
            shown: match settings.guards.exclude.device_values {
                Some(_) => Ceilings::protected_by_tag(),
                None => Ceilings::default().shown,
            },
            own_host: own_host(),
            breaker: Breaker {
                in_a_row: settings.guards.max_failures_in_a_row.unwrap_or(BREAKER.in_a_row),
                in_doubt_percent: settings.guards.max_in_doubt_percent.unwrap_or(BREAKER.in_doubt_percent),
            },
            ..Ceilings::default()
        },
        exclusions: Exclusions {
            device_lists,
            devices,
            device_tags: settings.guards.exclude.device_tags.clone(),
            device_groups: settings.guards.exclude.device_groups.clone(),
            device_values: settings.guards.exclude.device_values.clone().unwrap_or_default(),
            user_roles: settings.guards.exclude.user_roles.clone(),
            user_lists,
            users,
            indicator_lists,
            indicators,
        },
        queries: queries(settings),
        approvers: approvers(settings),
    }
}

/// What this machine is called, without its domain; `None` if it has no name of its own.
fn own_host() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let host = name.split('.').next().unwrap_or_default();
    (!host.is_empty() && host != "localhost").then(|| host.to_owned())
}

/// Where a tenant is hunted.
pub(super) const fn hunting(tenant: &TenantSettings) -> tenant::HuntingApi {
    match tenant.hunting {
        HuntingApi::Graph => tenant::HuntingApi::Graph,
        HuntingApi::Xdr => tenant::HuntingApi::Xdr,
        HuntingApi::Mde => tenant::HuntingApi::Mde,
    }
}

/// Warns of tenants that are hunted where that ends.
pub(super) fn ending(config: &Path, settings: &Settings) -> Vec<Diagnostic> {
    let ending = |(name, tenant): (&String, &TenantSettings)| {
        let (api, ends) = (hunting(tenant), hunting(tenant).ends()?);
        let place = settings::place(config, &format!("/tenants/{name}/hunting"));
        let api = api.permission().audience.as_str();
        let message = format!("hunting through {api} stops working on {ends}");
        Some(Diagnostic::warning(Code::Ending, place, message).help("use `hunting: graph`"))
    };
    settings.tenants.iter().filter_map(ending).collect()
}

/// How queries are checked: the older API is not sent how far back a playbook looks.
fn queries(settings: &Settings) -> Queries {
    let older = settings.tenants.iter().filter(|(_, tenant)| tenant.hunting != HuntingApi::Graph);
    let older: BTreeSet<String> = older.map(|(name, _)| name.clone()).collect();
    let tables = settings.tables.clone();
    if older.is_empty() { Queries::Checked(tables) } else { Queries::CheckedWithoutPeriod(tables, older) }
}

/// The channel that hears of huntbook itself.
pub(super) fn alerts(settings: &Settings) -> Option<String> {
    settings.alerts.as_ref().map(|alerts| alerts.channel.clone())
}

/// The address that people use for the page, if they come from elsewhere.
pub(super) fn page(settings: &Settings) -> Option<String> {
    let address = settings.web.as_ref()?.address.as_ref()?;
    Some(address.trim_end_matches('/').to_owned())
}

/// What the settings say of actions that are taken back.
pub(super) fn undoing(settings: &Settings) -> Undoing {
    let approval = settings.guards.revert_approval.as_ref().map(asked);
    Undoing::of(&world(settings, Lists::default()), approval)
}

fn asked(written: &AskedSettings) -> Approval {
    Approval {
        channel: written.channel.clone(),
        minimum: written.minimum,
        // The settings were read: it is a length of time.
        timeout: written.timeout.as_ref().and_then(|timeout| timeout.read().ok()).unwrap_or(TIMEOUT),
    }
}

/// Who may approve actions.
pub(super) fn approvers(settings: &Settings) -> Approvers {
    let who = |one: &ApproverSettings| {
        let elsewhere = one.open_id.as_deref().map(of_provider);
        one.account.clone().into_iter().chain(elsewhere).collect::<Vec<_>>()
    };
    let each = |(name, one): (&String, &ApproverSettings)| {
        let name = name.clone();
        who(one).into_iter().map(move |who| (name.clone(), who))
    };
    Approvers::new(settings.approvers.iter().flat_map(each))
        .asked_by(settings.guards.approval.as_ref().map(asked))
}

fn entries(entries: Option<&EntrySettings>) -> (Vec<String>, Vec<String>) {
    match entries {
        None => (Vec::new(), Vec::new()),
        Some(EntrySettings::List(name)) => (vec![name.clone()], Vec::new()),
        Some(EntrySettings::Items(items)) => (Vec::new(), items.clone()),
    }
}

fn secret(what: &str, reference: &SecretRef) -> anyhow::Result<Secret> {
    settings::resolve(reference).with_context(|| format!("{what} cannot be fetched"))
}

fn plain_or_secret(what: &str, value: &PlainOrSecret) -> anyhow::Result<Secret> {
    match value {
        PlainOrSecret::Plain(text) => Ok(Secret::new(text.clone())),
        PlainOrSecret::Secret(reference) => secret(what, reference),
    }
}

fn http_options(settings: &Settings) -> anyhow::Result<HttpOptions> {
    let mut options = HttpOptions::default();
    if let Some(proxy) = &settings.http.proxy {
        options.proxy = Some(plain_or_secret("the proxy's address", proxy)?);
    }
    if let Some(path) = &settings.http.extra_ca {
        options.extra_ca = read(path)?;
    }
    Ok(options)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading `{}`", path.display()))
}

/// The cloud, if it is one in which tenants can be.
pub(super) const fn cloud(cloud: Cloud) -> Option<tenant::Cloud> {
    match cloud {
        Cloud::Commercial => Some(tenant::Cloud::Commercial),
        Cloud::Gcc => Some(tenant::Cloud::Gcc),
        Cloud::GccHigh => Some(tenant::Cloud::GccHigh),
        Cloud::Dod => Some(tenant::Cloud::Dod),
        Cloud::China => None,
    }
}

impl Doors {
    fn channel_options(&self, name: &str, channel: &ChannelSettings) -> anyhow::Result<ChannelOptions> {
        Ok(match channel {
            ChannelSettings::Email(email) => ChannelOptions::Email(self.email_options(name, email)?),
            ChannelSettings::Teams(hook) => ChannelOptions::Teams { url: self.source(&hook.url)? },
            ChannelSettings::Slack(hook) => ChannelOptions::Slack { url: self.source(&hook.url)? },
            ChannelSettings::Webhook(hook) => {
                let secrets = hook.secret.iter().chain(&hook.previous_secret);
                let url: SharedSource = match &hook.url {
                    PlainOrSecret::Plain(text) => Arc::new(Secret::new(text.clone())),
                    PlainOrSecret::Secret(reference) => self.source(reference)?,
                };
                let secrets = secrets.map(|key| self.source(key)).collect::<Result<_, _>>()?;
                match hook.format {
                    HookFormat::Json => ChannelOptions::Webhook { url, secrets },
                    HookFormat::Cef => ChannelOptions::Cef { url, secrets },
                }
            }
        })
    }

    fn email_options(&self, name: &str, email: &EmailSettings) -> anyhow::Result<EmailOptions> {
        let login = match (&email.username, &email.password) {
            (Some(username), Some(password)) => {
                Some(MailLogin { user: username.clone(), password: self.source(password)? })
            }
            (None, None) => None,
            _ => bail!("channel `{name}` has a `username` or a `password`, but not both"),
        };
        Ok(EmailOptions {
            host: email.host.clone(),
            port: email.port,
            security: match email.security {
                settings::MailSecurity::StartTls => MailSecurity::StartTls,
                settings::MailSecurity::Tls => MailSecurity::ImplicitTls,
                settings::MailSecurity::None => MailSecurity::None,
            },
            login,
            from: email.from.clone(),
            to: email.to.clone(),
            extra_ca: (!self.extra_ca.is_empty()).then(|| self.extra_ca.clone()),
        })
    }
}
