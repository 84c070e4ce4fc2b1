//! The tenant over HTTP.
//!
//! Every request passes [`Client::send`] or [`Client::stream`]: a token of the right audience, its tenant
//! compared, its turn in the tenant's budget, one refresh and one repeat after a 401, and the error named.

mod alerts;
mod call;
mod cases;
mod devices;
mod hunting;
mod indicators;
mod lists;
mod mail;
mod pages;
mod turn;
mod users;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use self::call::{Call, Change, asked, with_json, with_new_members};
use self::devices::{LIVE_RESULT, PACKAGE, Response, TagChange};
use self::users::{Risk, Switch};
use super::budget::{Budget, Budgets, Group, Headroom, Tighter};
use super::cloud::{Cloud, EndpointOverrides, Endpoints};
use super::envelope::{Asked, Kind};
use super::exchange::SignIn;
use super::time::TheirTime;
use super::token::Tokens;
use super::{
    ActionKind, AlertPage, AlertQuery, Audience, Commented, Comments, Credential, Difference, HuntAnswer,
    HuntLimits, HuntQuery, HuntSchema, IncidentPage, IncidentQuery, Indicator, IndicatorAction,
    IndicatorLeft, IndicatorSet, IndicatorType, IndicatorValue, Look, Machine, MachineAction, OnRow,
    Operation, OthersHave, Receipt, Reconciled, Rejected, Tenant, TenantError, TokenFacts,
};
use crate::clock::SharedClock;
use crate::http::{Address, Gate, Http, HttpError};
use crate::model::{
    Alert, AlertId, DeviceId, Incident, IncidentId, MachineActionId, PlaybookId, Secret, TenantId, UserId,
    Wanted,
};

/// The endpoint that runs hunting queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HuntingApi {
    /// Microsoft Graph.
    #[default]
    Graph,
    /// Defender XDR's own, which Microsoft switches off on 2027-02-01. It knows no look-back: only a
    /// filter inside the query narrows the time.
    Xdr,
    /// Defender for Endpoint's own, which is switched off on the same day and knows no look-back either. It has the
    /// tables of devices and alerts only.
    Mde,
}

impl HuntingApi {
    /// What the settings call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Graph => "graph",
            Self::Xdr => "xdr",
            Self::Mde => "mde",
        }
    }

    /// The first day on which it does not work any more, if Microsoft has said so.
    #[must_use]
    pub const fn ends(self) -> Option<&'static str> {
        match self {
            Self::Graph => None,
            Self::Xdr | Self::Mde => Some("2027-02-01"),
        }
    }
}

/// A tenant and how to reach it.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Its name in the settings.
    pub name: String,
    /// Its id in the directory.
    pub tenant_id: TenantId,
    /// Its cloud.
    pub cloud: Cloud,
    /// Endpoints other than the cloud's.
    pub endpoints: EndpointOverrides,
    /// How the app proves itself.
    pub credential: Credential,
    /// Where hunting queries go.
    pub hunting: HuntingApi,
    /// The budgets of calls it shares with the process's other tenants; its own, if nothing else is said.
    pub budgets: Budgets,
    /// What it may use of them.
    pub tighter: Tighter,
}

impl ClientOptions {
    /// A tenant of the public cloud, hunted through Graph, for an app that proves itself with a secret.
    #[must_use]
    pub fn with_secret(name: &str, tenant_id: TenantId, client_id: &str, secret: Secret) -> Self {
        Self {
            name: name.to_owned(),
            tenant_id,
            cloud: Cloud::default(),
            endpoints: EndpointOverrides::default(),
            credential: Credential::ClientSecret {
                client_id: client_id.to_owned(),
                secret: Arc::new(secret),
            },
            hunting: HuntingApi::default(),
            budgets: Budgets::default(),
            tighter: Tighter::default(),
        }
    }
}

/// The tenant over HTTP. Cheap to clone; clones share their tokens and budget.
#[derive(Debug, Clone)]
pub struct Client {
    name: String,
    tenant_id: TenantId,
    hunting: HuntingApi,
    endpoints: Endpoints,
    tokens: Arc<Tokens>,
    budget: Arc<Budget>,
    /// For whom it calls.
    party: Option<PlaybookId>,
    http: Http,
    clock: SharedClock,
    time: Arc<TheirTime>,
}

impl Client {
    /// Prepares a tenant. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`TenantError::Options`] if an endpoint cannot be used.
    pub fn open(options: ClientOptions, http: Http, clock: SharedClock) -> Result<Self, TenantError> {
        let ClientOptions { name, tenant_id, cloud, endpoints, credential, hunting, budgets, tighter } =
            options;
        let budget =
            budgets.of(credential.client_id().unwrap_or("managed identity"), &tenant_id, tighter, &clock);
        let endpoints = Endpoints::resolve(&name, cloud, &endpoints)?;
        if let Some(ends) = hunting.ends() {
            let api = hunting.permission().audience.as_str();
            tracing::warn!(
                tenant = name,
                "hunting uses the endpoint of {api}, which stops working on {ends}; use `hunting: graph`"
            );
        }
        let way = (name.as_str(), &tenant_id, &endpoints.login);
        let sign_in = SignIn::open(way, credential, http.clone(), clock.clone())?;
        let tokens = Arc::new(Tokens::new(cloud, sign_in, clock.clone()));
        Ok(Self {
            name,
            tenant_id,
            hunting,
            endpoints,
            tokens,
            budget,
            party: None,
            http,
            clock,
            time: Arc::default(),
        })
    }

    /// The page on which an administrator of the tenant consents to the app's permissions. Whoever consented is sent
    /// to `back`, which must be registered with the app.
    ///
    /// # Errors
    ///
    /// [`HttpError`] if there is no such address.
    pub fn consent_page(&self, client_id: &str, back: &str) -> Result<String, HttpError> {
        let page = self.endpoints.login.at("{tenant}/adminconsent", &[self.tenant_id.as_str()])?;
        Ok(page.query("client_id", client_id).query("redirect_uri", back).expose().to_owned())
    }

    /// Finds out whether the authority that issues tokens answers.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub async fn reach_authority(&self) -> Result<(), HttpError> {
        self.http.reach(&self.endpoints.login).await
    }

    /// Finds out whether an API answers.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub async fn reach(&self, api: Audience) -> Result<(), HttpError> {
        self.http.reach(self.endpoints.api(api)).await
    }

    /// An address of an API; each `{name}` of `route` takes one of `ids`.
    fn at(
        &self,
        audience: Audience,
        asked: Asked,
        route: &str,
        ids: &[&str],
    ) -> Result<Address, TenantError> {
        let api = self.endpoints.api(audience);
        api.at(route, ids).map_err(|source| TenantError::Http { operation: asked.operation, source })
    }

    /// The address of an operation.
    fn address(&self, operation: &Operation, route: &str, ids: &[&str]) -> Result<Address, TenantError> {
        self.at(operation.kind().audience(), asked(operation), route, ids)
    }
}

#[async_trait]
impl Tenant for Client {
    fn name(&self) -> &str {
        &self.name
    }

    fn hunting(&self) -> HuntingApi {
        self.hunting
    }

    fn on_behalf_of(&self, playbook: PlaybookId) -> Arc<dyn Tenant> {
        Arc::new(Self { party: Some(playbook), ..self.clone() })
    }

    async fn opened(&self, kind: ActionKind) -> Result<(), TenantError> {
        let group = Group::of(kind.audience(), kind.as_str(), kind.permission().least());
        let opened = self.budget.opened(group, self.party).await;
        opened.map_err(|busy| TenantError::Busy { operation: kind.as_str(), busy: Box::new(busy) })
    }

    fn headroom(&self) -> Vec<Headroom> {
        self.budget.headroom()
    }

    fn take_up(&self, left: &[Headroom]) {
        self.budget.take_up(left);
    }

    async fn hunt(
        &self,
        query: &HuntQuery,
        wanted: &Wanted,
        limits: &HuntLimits,
        on_row: OnRow<'_>,
    ) -> Result<HuntAnswer, TenantError> {
        self.run_query(query, wanted, limits, on_row).await
    }

    async fn hunt_schema(&self) -> Result<Option<HuntSchema>, TenantError> {
        match self.hunting {
            HuntingApi::Graph => self.get_schema().await.map(Some),
            HuntingApi::Xdr | HuntingApi::Mde => Ok(None),
        }
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<IncidentPage, TenantError> {
        self.list_incidents(query).await
    }

    async fn alerts(&self, query: &AlertQuery) -> Result<AlertPage, TenantError> {
        self.list_alerts(query).await
    }

    async fn incident(&self, id: &IncidentId) -> Result<Incident, TenantError> {
        self.get_incident(id, None).await
    }

    async fn final_incident(&self, id: &IncidentId) -> Result<Incident, TenantError> {
        self.follow_merges(id, Some("alerts")).await
    }

    async fn alert(&self, id: &AlertId) -> Result<Alert, TenantError> {
        self.get_alert(id).await
    }

    async fn comments(&self, on: &Commented) -> Result<Comments, TenantError> {
        self.list_comments(on).await
    }

    async fn apply(&self, operation: &Operation, gate: &dyn Gate) -> Result<Receipt, TenantError> {
        let change = &Change { operation, gate };
        match operation {
            Operation::IsolateDevice { .. }
            | Operation::ReleaseDevice { .. }
            | Operation::RunAntivirusScan { .. }
            | Operation::RestrictAppExecution { .. }
            | Operation::RemoveAppRestriction { .. }
            | Operation::CollectInvestigationPackage { .. }
            | Operation::StopAndQuarantineFile { .. }
            | Operation::RunLiveResponse { .. }
            | Operation::OffboardDevice { .. } => self.respond(change).await,
            Operation::InitiateInvestigation { device, comment } => {
                self.investigate(change, device, comment).await
            }
            Operation::SetDeviceValue { device, value } => {
                self.set_device_value(change, device, *value).await
            }
            Operation::TagDevice { device, tag } => self.set_tag(change, device, tag, TagChange::Add).await,
            Operation::UntagDevice { device, tag } => {
                self.set_tag(change, device, tag, TagChange::Remove).await
            }
            Operation::AddIndicator(indicator) => self.add_indicator(change, indicator).await,
            Operation::RemoveIndicator { indicator_type, value, added } => {
                self.remove_indicator(change, (*indicator_type, value), *added).await
            }
            Operation::ReconcileIndicators(set) => {
                let difference = self.allowed_difference(change, set).await?;
                let done = self.carry_out(change, &difference).await?;
                done.refused.is_empty().then_some(users::DONE).ok_or_else(|| TenantError::Partly {
                    operation: operation.kind().as_str(),
                    what: done.to_string(),
                })
            }
            Operation::DisableUser { user, at } => self.switch_user(change, user, (at, Switch::Off)).await,
            Operation::EnableUser { user, at } => self.switch_user(change, user, (at, Switch::On)).await,
            Operation::RevokeSessions { user } => self.revoke_sessions(change, user).await,
            Operation::MarkUserAsCompromised { user } => {
                self.set_risk(change, (user, Risk::Compromised)).await
            }
            Operation::DismissUserRisk { user } => self.set_risk(change, (user, Risk::None)).await,
            Operation::ForceUserPasswordReset { user, account } => {
                self.invoke_at_provider(change, user, (account, "forcePasswordReset")).await
            }
            Operation::RemediateEmail { remedy, mail, comment } => {
                self.remediate_email(change, (*remedy, mail), comment).await
            }
            Operation::UpdateIncident { incident, patch } => {
                self.update_incident(change, incident, patch).await
            }
            Operation::CommentIncident { incident, comment } => {
                self.comment_incident(change, incident, comment).await
            }
            Operation::MergeIncidents { incidents, comment, reasons } => {
                self.merge_incidents(change, incidents, (comment, reasons)).await
            }
            Operation::CommentAlert { alert, comment } => self.comment_alert(change, alert, comment).await,
            Operation::UpdateAlerts { alerts, patch, comment } => {
                self.update_alerts(change, alerts, (patch, comment.as_deref())).await
            }
            Operation::CreateAlert(alert) => self.create_alert(change, alert).await,
            Operation::UpdateAlert { alert, patch } => self.update_alert(change, alert, patch).await,
        }
    }

    async fn add_indicators(
        &self,
        indicators: &[Indicator],
        gate: &dyn Gate,
    ) -> Result<Vec<Result<Receipt, TenantError>>, TenantError> {
        let Some(first) = indicators.first() else { return Ok(Vec::new()) };
        // The call is named by what it does of each.
        let operation = &Operation::AddIndicator(first.clone());
        self.import_each(&Change { operation, gate }, indicators).await
    }

    async fn others_have(&self, indicators: &[Indicator]) -> Result<Vec<Option<OthersHave>>, TenantError> {
        self.others_of(indicators).await
    }

    async fn left_of(
        &self,
        about: (IndicatorType, &IndicatorValue),
        added: Option<IndicatorAction>,
    ) -> Result<IndicatorLeft, TenantError> {
        self.left_of_indicator(about, added).await
    }

    async fn shows(&self, indicators: &[Indicator]) -> Result<Vec<bool>, TenantError> {
        self.show_indicators(indicators).await
    }

    async fn machine_action(&self, id: &MachineActionId) -> Result<MachineAction, TenantError> {
        self.get_machine_action(id).await
    }

    async fn package(&self, id: &MachineActionId) -> Result<Option<Secret>, TenantError> {
        self.get_link(PACKAGE, "api/machineactions/{id}/getPackageUri", &[id.as_str()]).await
    }

    async fn difference(&self, set: &IndicatorSet) -> Result<Difference, TenantError> {
        self.difference_of(set).await
    }

    async fn reconcile(&self, difference: &Difference, gate: &dyn Gate) -> Result<Reconciled, TenantError> {
        // Calls are named by their operation; what is in it was taken out of one.
        let operation = &Operation::ReconcileIndicators(Box::default());
        self.carry_out(&Change { operation, gate }, difference).await
    }

    async fn live_result(&self, id: &MachineActionId, command: u32) -> Result<Option<Secret>, TenantError> {
        let result = format!("GetLiveResponseResultDownloadLink(index={command})");
        self.get_link(LIVE_RESULT, "api/machineactions/{id}/{result}", &[id.as_str(), &result]).await
    }

    async fn machine_actions(
        &self,
        device: &DeviceId,
        since: Timestamp,
    ) -> Result<Vec<MachineAction>, TenantError> {
        self.list_machine_actions(device, since).await
    }

    async fn marked_actions(&self, mark: &str, since: Timestamp) -> Result<Vec<MachineAction>, TenantError> {
        self.list_marked_actions(mark, since).await
    }

    async fn in_force(&self, operation: &Operation) -> Result<Option<MachineAction>, TenantError> {
        match Response::of(operation) {
            Some((device, response)) => self.find_in_force(device, &response).await,
            None => Ok(None),
        }
    }

    async fn machine(&self, id: &DeviceId) -> Result<Machine, TenantError> {
        self.get_machine(id).await
    }

    async fn user(&self, id: &UserId) -> Result<super::User, TenantError> {
        self.get_user(id).await
    }

    async fn sessions_valid_from(&self, id: &UserId) -> Result<Option<Timestamp>, TenantError> {
        self.get_sessions_valid_from(id).await
    }

    async fn directory_roles(&self, id: &UserId) -> Result<Vec<String>, TenantError> {
        self.list_directory_roles(id).await
    }

    async fn look(&self) -> Result<Look, TenantError> {
        self.tokens.look().await
    }

    async fn token_facts(&self, audience: Audience) -> Result<TokenFacts, TenantError> {
        Ok(self.tokens.get(audience).await?.facts.clone())
    }

    fn known_token_facts(&self, audience: Audience) -> Option<TokenFacts> {
        self.tokens.known(audience).map(|token| token.facts.clone())
    }

    fn rejected(&self, audience: Audience) -> Option<Rejected> {
        self.tokens.rejections(audience).known()
    }

    fn clock_ahead(&self) -> Option<SignedDuration> {
        // Before the first answer what the authority said with a token has to do.
        let of_token = |api: &Audience| self.tokens.known(*api)?.facts.clock_ahead;
        let known = self.time.ahead(self.clock.now(), self.clock.uptime());
        known.or_else(|| Audience::ALL.iter().find_map(of_token))
    }

    async fn newer_token_facts(
        &self,
        audience: Audience,
        age_max: SignedDuration,
    ) -> Result<TokenFacts, TenantError> {
        Ok(self.tokens.newer(audience, age_max).await?.facts.clone())
    }
}
