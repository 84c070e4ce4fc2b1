//! One tenant: whether the app gets in, what it is allowed, and what the playbooks need.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{Cell, Color};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Books;
use super::flaw::{self, Flaw};
use super::grant::{Grant, Grantee};
use super::house::chain;
use super::licence::Licensed;
use super::report::Report;
use crate::cli::output::{clean, counted};
use crate::cli::setup::{self, Doors, cloud};
use crate::cli::tables::{CELL_WIDTH, table};
use crate::diag::Chain;
use crate::model::PlaybookId;
use crate::plan::{Granted, Mode, Need, Weight, lacking, least_roles};
use crate::settings::{AuthSettings, TenantSettings};
use crate::tenant::{
    Audience, CLOCKS_APART_MAX, Client, Consent, CredentialError, Ending, Look, Permission, Tenant as _,
    TenantError, TokenFacts, consent, days_left,
};

/// How far they may differ before somebody should look.
const SKEW_ODD: SignedDuration = SignedDuration::from_mins(1);

/// What stands for the id of an app that only its token tells.
const UNKNOWN_APP: &str = "CLIENT-ID";

/// Playbooks named in a cell; the rest is counted.
const NAMED_MAX: usize = 2;

/// What one playbook needs.
#[derive(Debug)]
pub(super) struct Wants {
    id: PlaybookId,
    pub(super) name: String,
    file: String,
    mode: Mode,
    needs: Vec<Need>,
    pub(super) licensed: Licensed,
}

/// A tenant that was looked at.
#[derive(Debug)]
pub(super) struct Examined {
    pub(super) name: String,
    pub(super) grant: Option<Grant>,
    tenant_id: String,
    app_id: String,
    pub(super) playbooks: Vec<Wants>,
    granted: Granted,
    /// Whether anybody was asked.
    asked: bool,
    /// Whether a person signs in to it.
    person: bool,
}

/// Whether something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Granted,
    Missing,
    /// Nobody was asked, or the answer cannot be read.
    Unknown,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }
}

impl Examined {
    /// What the playbooks need there.
    pub(super) fn new(name: &str, tenant: &TenantSettings, books: &Books) -> Self {
        let hunting = setup::hunting(tenant);
        let playbooks = books.plans.iter().filter(|plan| plan.is_for(name)).map(|plan| Wants {
            id: plan.about.id,
            name: plan.about.name.clone(),
            file: plan.file.clone(),
            mode: plan.mode,
            needs: plan.needs(hunting, &books.lists),
            licensed: Licensed::of(plan, &books.tables),
        });
        Self {
            name: name.to_owned(),
            grant: None,
            tenant_id: tenant.tenant_id.to_string(),
            app_id: tenant.auth.client_id().unwrap_or(UNKNOWN_APP).to_owned(),
            playbooks: playbooks.collect(),
            granted: Granted::new(),
            asked: false,
            person: matches!(tenant.auth, AuthSettings::User(_)),
        }
    }

    pub(super) fn needs(&self) -> impl Iterator<Item = &Need> {
        self.playbooks.iter().flat_map(|playbook| &playbook.needs)
    }

    pub(super) fn state(&self, permission: Permission) -> State {
        match self.granted.get(&permission.audience).and_then(|facts| facts.allows(permission)) {
            Some(true) => State::Granted,
            Some(false) => State::Missing,
            None => State::Unknown,
        }
    }

    /// Without asking anybody: all of it is to be granted.
    pub(super) fn wants(&mut self, tenant: &TenantSettings) {
        let permissions: Vec<Permission> = self.needs().map(|need| need.permission).collect();
        self.set_grant(tenant, permissions);
    }

    fn set_grant(&mut self, tenant: &TenantSettings, permissions: Vec<Permission>) {
        let roles = least_roles(permissions);
        self.grant = (!roles.is_empty()).then(|| Grant {
            tenant: tenant.tenant_id.clone(),
            app: self.app_id.clone(),
            cloud: tenant.cloud,
            to: match tenant.auth {
                AuthSettings::ManagedIdentity(_) => Grantee::Managed,
                AuthSettings::User(_) => Grantee::Person,
                _ => Grantee::App,
            },
            roles,
        });
    }

    /// What is odd about the credential, and how soon it ends.
    fn tell_of_credential(&self, look: Look, now: Timestamp, report: &mut Report) {
        if let Some(oddity) = look.oddity {
            report.warn((flaw::SECRET_ODD, &self.name), oddity, None);
        }
        let Some(ends) = look.ends else { return };
        let days = days_left(ends, now);
        let help = match Ending::of(ends, now) {
            Some(Ending::AtOnce) => Some("replace it now: when it has ended, nothing is hunted any more"),
            Some(Ending::Soon) => None,
            None => return report.fine(format!("the certificate of `{}`, good for {days} days", self.name)),
        };
        let message = format!("the certificate ends in {}, at {ends:.0}", crate::text::counted(days, "day"));
        report.warn((flaw::CERTIFICATE, &self.name), message, help);
    }

    /// Tells which playbooks want what the tenant's cloud does not offer.
    fn tell_of_cloud(&self, tenant: &TenantSettings, report: &mut Report) {
        let Some(cloud) = cloud(tenant.cloud) else { return };
        for playbook in &self.playbooks {
            for need in playbook.needs.iter().filter(|need| cloud.lacks(need.permission)) {
                let what: Vec<&str> = need.purposes.iter().map(String::as_str).collect();
                let (what, name) = (what.join(", "), tenant.cloud.as_str());
                let message = format!("{what} in `{}`: the cloud `{name}` does not offer it", self.name);
                report.problem(
                    (flaw::CANNOT_ACT, &playbook.name),
                    message,
                    Some("take the action out for this tenant"),
                );
            }
        }
    }

    /// Signs in and compares.
    pub(super) async fn ask(&mut self, (doors, tenant): (&Doors, &TenantSettings), report: &mut Report) {
        self.asked = true;
        self.tell_of_cloud(tenant, report);
        let now = doors.now();
        let name = self.name.clone();
        let options = match doors.tenant_options(&name, tenant) {
            Ok(options) => options,
            Err(error) => return report.problem((flaw::TENANT_SETTINGS, &name), chain(&error), None),
        };
        match options.credential.look(now).await {
            Ok(look) => self.tell_of_credential(look, now, report),
            Err(error @ CredentialError::Unset(_)) => {
                return report.problem((flaw::TENANT_SETTINGS, &name), Chain(&error).to_string(), None);
            }
            Err(error) => {
                let help = error.remedy(&name);
                return report.problem((flaw::SECRET, &name), Chain(&error).to_string(), help.as_deref());
            }
        }
        let hunting = setup::hunting(tenant);
        if let Some(ends) = hunting.ends() {
            let api = hunting.permission().audience.as_str();
            let message =
                format!("hunting uses the endpoint of {api}, which Microsoft switches off on {ends}");
            report.warn((flaw::OLD_API, &name), message, None);
        }
        let client = match doors.tenant(options) {
            Ok(client) => client,
            Err(error) => return report.problem((flaw::TENANT_SETTINGS, &name), chain(&error), None),
        };
        if let Err(error) = client.reach_authority().await {
            return report.problem((flaw::AUTHORITY, &name), Chain(&error).to_string(), None);
        }
        let mut wanted: BTreeSet<Audience> = self.needs().map(|need| need.permission.audience).collect();
        if wanted.is_empty() {
            wanted.insert(Audience::Graph);
        }
        for api in wanted {
            self.sign_in((&client, api), report).await;
        }
        self.look_at_clock(report);
        self.look_at_licences(&client, report).await;
        self.compare((&client, tenant), report).await;
    }

    /// Asks for a token for one API, and whether the API answers.
    async fn sign_in(&mut self, (client, api): (&Client, Audience), report: &mut Report) {
        match client.token_facts(api).await {
            Ok(facts) => {
                if let Some((flaw, problem)) = self.oddity(api, &facts) {
                    report.problem((flaw, &self.name), problem, None);
                } else {
                    report.fine(format!("`{}` gets in to {}", self.name, api.portal_name()));
                }
                if let Some(app) = facts.app_id.as_ref().filter(|_| self.app_id == UNKNOWN_APP) {
                    self.app_id.clone_from(app);
                }
                self.granted.insert(api, facts);
            }
            Err(error @ TenantError::SignIn { .. }) if error.login().is_some() => {
                let help = error.login();
                return report.problem(
                    (flaw::SIGN_IN, &self.name),
                    Chain(&error).to_string(),
                    help.as_deref(),
                );
            }
            Err(TenantError::SignIn { refused, .. }) => {
                let help = refused.aadsts.map(|number| {
                    if consent(number) == Some(Consent::Missing) {
                        let name = &self.name;
                        return format!(
                            "`huntbook tenants --consent {name}` prints the page on which an administrator consents"
                        );
                    }
                    format!("`huntbook explain AADSTS{number}` says more")
                });
                report.problem(
                    (flaw::SIGN_IN, &self.name),
                    format!("no token for {api}: {refused}"),
                    help.as_deref(),
                );
                self.tell_of_clock(refused.clock_ahead, report);
                return;
            }
            Err(error) => {
                return report.problem((flaw::NO_TOKEN, &self.name), Chain(&error).to_string(), None);
            }
        }
        if let Err(error) = client.reach(api).await {
            report.problem((flaw::API, &self.name), Chain(&error).to_string(), None);
        }
    }

    /// What is wrong with a token as a whole.
    pub(super) fn oddity(&self, api: Audience, facts: &TokenFacts) -> Option<(Flaw, String)> {
        let tenant = facts.tenant_id.as_deref()?;
        if !tenant.eq_ignore_ascii_case(&self.tenant_id) {
            let problem =
                format!("the token for {api} is one of another tenant (`{tenant}`); check `tenantId`");
            return Some((flaw::FOREIGN_TOKEN, problem));
        }
        if self.person {
            let nothing = facts.scopes.is_empty();
            let problem =
                format!("the token for {api} allows nothing: no delegated permission has been consented to");
            return nothing.then_some((flaw::NO_CONSENT, problem));
        }
        if !facts.scopes.is_empty() {
            let problem = format!(
                "the token for {api} carries a person's (delegated) permissions; grant application permissions"
            );
            return Some((flaw::DELEGATED, problem));
        }
        facts.roles.is_empty().then(|| {
            let api_name = api.portal_name();
            let problem = format!(
                "the token for {api} allows nothing: no application permission of {api_name} has been consented to"
            );
            (flaw::NO_CONSENT, problem)
        })
    }

    fn look_at_clock(&self, report: &mut Report) {
        if let Some(ahead) = self.granted.values().find_map(|facts| facts.clock_ahead) {
            self.tell_of_clock(Some(ahead), report);
        }
    }

    fn tell_of_clock(&self, ahead: Option<SignedDuration>, report: &mut Report) {
        let Some(ahead) = ahead else { return };
        let off = ahead.abs();
        if off <= SKEW_ODD {
            return report.fine("the clock");
        }
        let way = if ahead.is_positive() { "ahead of" } else { "behind" };
        let message = format!("this machine is {} s {way} the authority", off.as_secs());
        if CLOCKS_APART_MAX < off {
            report.problem((flaw::CLOCK, &self.name), message, None);
        } else {
            report.warn((flaw::CLOCK, &self.name), message, None);
        }
    }

    /// Holds what is needed against what is granted.
    async fn compare(&mut self, (client, tenant): (&Client, &TenantSettings), report: &mut Report) {
        let mut missing = Vec::new();
        for playbook in &self.playbooks {
            let lacks = lacking(&playbook.needs, &self.granted);
            let said = |weight: Weight| -> Option<String> {
                let of_weight = lacks.iter().filter(|need| need.weight == weight);
                let all: Vec<String> = of_weight.map(ToString::to_string).collect();
                (!all.is_empty()).then(|| all.join("; "))
            };
            let about = |flaw: Flaw| (flaw, playbook.name.as_str());
            if let Some(vital) = said(Weight::Vital) {
                report.problem(
                    about(flaw::NOT_ARMED),
                    format!("not armed in `{}`: it lacks {vital}", self.name),
                    None,
                );
            }
            if let Some(acting) = said(Weight::Acting) {
                report.problem(
                    about(flaw::CANNOT_ACT),
                    format!("cannot act in `{}`: it lacks {acting}", self.name),
                    None,
                );
            }
            if let Some(useful) = said(Weight::Useful) {
                report.warn(
                    about(flaw::SEES_LESS),
                    format!("does not see all in `{}`: it lacks {useful}", self.name),
                    None,
                );
            }
            if let Some(later) = said(Weight::Later) {
                let when = "before it is switched on, or enforces";
                report.note(about(flaw::NEEDED_LATER), format!("{when} in `{}` it needs {later}", self.name));
            }
            missing.extend(lacks.into_iter().map(|need| need.permission));
        }
        self.look_for_lookalikes(client, &missing, report).await;
        self.set_grant(tenant, missing);
        self.note_more(report);
    }

    /// Looks whether what is missing was granted, but of another API.
    async fn look_for_lookalikes(&self, client: &Client, missing: &[Permission], report: &mut Report) {
        let missing: BTreeSet<Permission> = missing.iter().copied().collect();
        for permission in missing {
            for (api, role) in permission.lookalikes() {
                let granted = match self.granted.get(api) {
                    Some(facts) => facts.roles.clone(),
                    None => client.token_facts(*api).await.map(|facts| facts.roles).unwrap_or_default(),
                };
                if granted.iter().any(|granted| granted == role) {
                    let message = format!(
                        "`{role}` of {} is granted, which is not `{}` of {}",
                        api.portal_name(),
                        permission.least(),
                        permission.audience.portal_name()
                    );
                    report.warn((flaw::OTHER_API, &self.name), message, None);
                }
            }
        }
    }

    /// Notes what is granted and nobody needs.
    fn note_more(&self, report: &mut Report) {
        for (api, facts) in &self.granted {
            let of_api = self.needs().filter(|need| need.permission.audience == *api);
            let used: BTreeSet<&str> =
                of_api.filter_map(|need| need.permission.allowed_by(&facts.roles)).collect();
            let more: Vec<&str> =
                facts.roles.iter().map(String::as_str).filter(|role| !used.contains(role)).collect();
            if !more.is_empty() {
                let message = format!(
                    "granted, and needed by no playbook: {} of {}",
                    more.join(", "),
                    api.portal_name()
                );
                report.note((flaw::NEEDLESS, &self.name), message);
            }
        }
    }

    /// For machines.
    pub(super) fn json(&self) -> Value {
        let need = |need: &Need| {
            let weight = match need.weight {
                Weight::Vital => "vital",
                Weight::Acting => "acting",
                Weight::Useful => "useful",
                Weight::Later => "later",
            };
            json!({
                "role": need.permission.least(), "api": need.permission.audience.portal_name(),
                "for": need.purposes, "weight": weight, "state": self.state(need.permission).as_str(),
            })
        };
        let playbooks: Vec<Value> = self
            .playbooks
            .iter()
            .map(|one| {
                let lacks = lacking(&one.needs, &self.granted);
                let vital = |need: &Need| need.weight == Weight::Vital;
                let known = |need: &&Need| self.state(need.permission) != State::Unknown;
                let armed = if lacks.iter().any(|need| vital(need)) {
                    Some(false)
                } else {
                    one.needs.iter().filter(|need| vital(need)).all(|need| known(&need)).then_some(true)
                };
                json!({
                    "playbook": one.id, "playbookName": one.name, "file": one.file, "mode": one.mode.as_str(),
                    "armed": armed, "needs": one.needs.iter().map(need).collect::<Vec<_>>(),
                })
            })
            .collect();
        let tokens: BTreeMap<&str, &TokenFacts> =
            self.granted.iter().map(|(api, facts)| (api.portal_name(), facts)).collect();
        json!({
            "tenantId": self.tenant_id, "clientId": self.app_id, "tokens": tokens, "playbooks": playbooks,
            "grant": self.grant.as_ref().map(Grant::json),
        })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let head = format!("tenant {} ({}), app {}", self.name, self.tenant_id, self.app_id);
        let mut rows: BTreeMap<Permission, (BTreeSet<&str>, Vec<&str>)> = BTreeMap::new();
        for playbook in &self.playbooks {
            for need in &playbook.needs {
                let (purposes, names) = rows.entry(need.permission).or_default();
                purposes.extend(need.purposes.iter().map(String::as_str));
                names.push(&playbook.name);
            }
        }
        if rows.is_empty() {
            return format!("{head}\nno playbook is for it");
        }
        let columns: &[&str] = if self.asked {
            &["permission", "API", "state", "for", "of"]
        } else {
            &["permission", "API", "for", "of"]
        };
        let mut table = table(columns);
        for (permission, (purposes, names)) in rows {
            let purposes: Vec<&str> = purposes.into_iter().collect();
            let mut cells = vec![Cell::new(permission.least()), Cell::new(permission.audience.portal_name())];
            if self.asked {
                let state = self.state(permission);
                let cell = Cell::new(state.as_str());
                cells.push(if state == State::Missing { cell.fg(Color::Red) } else { cell });
            }
            cells.extend([Cell::new(clean(&purposes.join(", "), CELL_WIDTH)), Cell::new(some(&names))]);
            table.add_row(cells);
        }
        format!("{head}\n{table}")
    }
}

/// The first few names, and how many more there are.
fn some(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(NAMED_MAX).map(|name| clean(name, 40)).collect();
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {}", shown.join(", "), counted((more, "other"))),
    }
}
