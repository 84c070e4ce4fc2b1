//! The tenant door: everything huntbook asks of Microsoft Entra ID, Graph and Defender for Endpoint.
//!
//! [`Tenant`] says what huntbook needs, in huntbook's words. [`Client`] is the one implementation that
//! ships; it speaks HTTP to the services, or to the simulated tenant, which is a server too. What the
//! services spell in several ways is spelled in one way above this door.
//!
//! The door does not decide whether something should be done, and keeps no record of it.
//!
//! To add an operation: a variant of [`Operation`] and of [`ActionKind`] (`kind.rs`); its role in `permission.rs`; its
//! request in `client/`; a case in `tests/tenant/operations.rs` and in `simulated.rs` beside it.

mod account;
mod budget;
mod case;
mod certificate;
mod claims;
mod client;
mod cloud;
mod comments;
mod credential;
mod envelope;
mod error;
mod exchange;
mod federated;
mod indicator;
mod indicator_set;
mod keyring;
mod kind;
mod login;
mod machine;
mod managed;
mod operation;
pub mod permission;
mod query;
mod receipt;
mod rejected;
mod session;
mod signin;
mod stored_indicator;
mod time;
mod token;
mod user;
mod vault;
mod words;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

pub use account::{AccountAt, IdentityProvider, MailRemedy, MailTarget, MasteredAccount};
pub use budget::{Budgets, Busy, Group, Headroom, Quota, TURN_WITHIN, Tighter, Used, Window};
pub use certificate::{AppCertificate, CertificateError, Ending, days_left};
pub use claims::{Proof, TokenFacts, Unreadable};
pub use client::{Client, ClientOptions, HuntingApi};
pub use cloud::{Cloud, EndpointOverrides};
pub use comments::{Commented, Comments};
pub use credential::{Credential, CredentialError, Look, Print};
pub use error::{Detail, HuntFault, Refused, SignInRefused, TenantError};
pub use federated::{EXCHANGE_AUDIENCE, GithubJob};
pub use indicator::{IndicatorError, IndicatorValue};
pub use indicator_set::{Difference, IndicatorSet, Reconciled};
pub use kind::{ActionKind, Impact};
pub use login::{Begun, DeviceCode, Login};
pub use machine::{ActionStatus, CommandInfo, FileInfo, Machine, MachineAction};
pub use managed::{ARC_ENDPOINT, ARC_KEYS, IdentityHost, ManagedIdentity, VM_ENDPOINT, WhichIdentity};
pub use operation::{
    AlertPatch, DeviceValue, IncidentPatch, Indicator, IndicatorAction, IndicatorType, IsolationType,
    LiveCommand, NewAlert, Operation, ScanType, Seen,
};
pub use permission::Permission;
pub use query::{
    AlertPage, AlertQuery, HuntAnswer, HuntLimits, HuntQuery, HuntSchema, IncidentPage, IncidentQuery, OnRow,
    Quarantined, Reach,
};
pub use receipt::{Receipt, RemoteState};
pub use rejected::Rejected;
pub use session::{Session, SessionError};
pub use signin::{Consent, consent, remedy};
pub use stored_indicator::{IndicatorLeft, OthersHave, StoredIndicator};
pub use time::CLOCKS_APART_MAX;
pub use token::Audience;
pub use user::User;
pub use vault::{Vault, VaultOptions, VaultSecret};

use crate::http::Gate;
use crate::model::{
    Alert, AlertId, DeviceId, Incident, IncidentId, MachineActionId, PlaybookId, Secret, UserId, Wanted,
};

/// One directory tenant, as huntbook uses it.
///
/// Every future may be dropped: a read then has no effect, an [`apply`](Self::apply) may have been
/// applied.
#[async_trait]
pub trait Tenant: Send + Sync + std::fmt::Debug {
    /// The name the settings give it.
    fn name(&self) -> &str;

    /// Where its hunting queries go.
    fn hunting(&self) -> HuntingApi;

    /// The same tenant, called on behalf of a playbook: playbooks share its budget of calls fairly.
    fn on_behalf_of(&self, playbook: PlaybookId) -> Arc<dyn Tenant>;

    /// Waits until the budget of calls lets an action be asked for, at most [`TURN_WITHIN`].
    ///
    /// # Errors
    ///
    /// [`TenantError::Busy`] if it will not in that time.
    async fn opened(&self, kind: ActionKind) -> Result<(), TenantError>;

    /// What is left of the budgets of calls that are in use.
    fn headroom(&self) -> Vec<Headroom>;

    /// Takes up what a process before has left: playbooks that cool down, and hunting that is closed, go on being so.
    fn take_up(&self, left: &[Headroom]);

    /// Runs a hunting query; hands each row to `on_row` while the answer arrives.
    ///
    /// # Errors
    ///
    /// [`TenantError::Refused`] with a [`HuntFault`] when the service will not run it;
    /// [`TenantError::Rows`] or [`TenantError::Http`] when the answer broke off, after rows may have been
    /// handed over: they do not count.
    async fn hunt(
        &self,
        query: &HuntQuery,
        wanted: &Wanted,
        limits: &HuntLimits,
        on_row: OnRow<'_>,
    ) -> Result<HuntAnswer, TenantError>;

    /// Asks which tables there are. Nothing if the API the tenant is hunted through does not tell.
    ///
    /// # Errors
    ///
    /// [`TenantError::Refused`] (404) where the endpoint, which is a beta of Graph, is not there.
    async fn hunt_schema(&self) -> Result<Option<HuntSchema>, TenantError>;

    /// Returns the incidents that fit, each once, up to the query's limits. A malformed one is set aside, not
    /// fatal.
    ///
    /// # Errors
    ///
    /// If any page fails there is no answer: half a list would look like a whole one.
    async fn incidents(&self, query: &IncidentQuery) -> Result<IncidentPage, TenantError>;

    /// Returns the alerts that fit, likewise.
    ///
    /// # Errors
    ///
    /// If any page fails there is no answer.
    async fn alerts(&self, query: &AlertQuery) -> Result<AlertPage, TenantError>;

    /// Returns one incident, without its alerts.
    ///
    /// # Errors
    ///
    /// [`TenantError::Refused`] (404) if there is none.
    async fn incident(&self, id: &IncidentId) -> Result<Incident, TenantError>;

    /// Returns the incident that an id leads to, with its alerts: one that was merged into another leads there.
    ///
    /// # Errors
    ///
    /// [`TenantError::Refused`] (404) if there is none; [`TenantError::Paging`] if it leads in circles.
    async fn final_incident(&self, id: &IncidentId) -> Result<Incident, TenantError>;

    /// Returns one alert.
    ///
    /// # Errors
    ///
    /// [`TenantError::Refused`] (404) if there is none.
    async fn alert(&self, id: &AlertId) -> Result<Alert, TenantError>;

    /// Returns what is written at an incident or an alert; for an incident that was merged into another also what is
    /// written there.
    ///
    /// # Errors
    ///
    /// [`TenantError::Refused`] (404) if there is none.
    async fn comments(&self, on: &Commented) -> Result<Comments, TenantError>;

    /// Changes the tenant. The token's tenant has been compared before, and `gate` is asked right before each
    /// sending.
    ///
    /// # Errors
    ///
    /// See [`TenantError::applied`] for whether it may have been applied nevertheless, and
    /// [`TenantError::withheld`] for what the gate said.
    async fn apply(&self, operation: &Operation, gate: &dyn Gate) -> Result<Receipt, TenantError>;

    /// Adds indicators in one call, at most 500, and says of each what came of it, in their order. `gate` is asked right
    /// before the sending.
    ///
    /// # Errors
    ///
    /// As of [`apply`](Self::apply), for all of them.
    async fn add_indicators(
        &self,
        indicators: &[Indicator],
        gate: &dyn Gate,
    ) -> Result<Vec<Result<Receipt, TenantError>>, TenantError>;

    /// Says of each of these indicators whether it is in force as it is here, and made by this app.
    ///
    /// # Errors
    ///
    /// If the indicators cannot all be read.
    async fn shows(&self, indicators: &[Indicator]) -> Result<Vec<bool>, TenantError>;

    /// Returns a response action.
    ///
    /// # Errors
    ///
    /// [`TenantError::Refused`] (404) if there is none.
    async fn machine_action(&self, id: &MachineActionId) -> Result<MachineAction, TenantError>;

    /// Returns the response actions of a device that were asked for since `since`, newest first as the
    /// service orders them; those asked for by others too.
    ///
    /// # Errors
    ///
    /// If any page fails there is no answer.
    async fn machine_actions(
        &self,
        device: &DeviceId,
        since: Timestamp,
    ) -> Result<Vec<MachineAction>, TenantError>;

    /// Returns the response actions of all devices that were asked for since `since` with a comment that begins with
    /// `mark`, newest first as the service orders them.
    ///
    /// # Errors
    ///
    /// If any page fails, or one of these cannot be read, there is no answer.
    async fn marked_actions(&self, mark: &str, since: Timestamp) -> Result<Vec<MachineAction>, TenantError>;

    /// Returns the link to the package that a device's action has gathered, once it has; nothing before. The link
    /// is short-lived, and whoever has it has the package.
    ///
    /// # Errors
    ///
    /// Why it cannot be told.
    async fn package(&self, id: &MachineActionId) -> Result<Option<Secret>, TenantError>;

    /// Says of each of these indicators what others have made of its value.
    ///
    /// # Errors
    ///
    /// If the indicators cannot all be read.
    async fn others_have(&self, indicators: &[Indicator]) -> Result<Vec<Option<OthersHave>>, TenantError>;

    /// Says what is left of an indicator of a value that this app has added, to do what was `added` if that is known.
    ///
    /// # Errors
    ///
    /// If the indicators of the value cannot all be read.
    async fn left_of(
        &self,
        about: (IndicatorType, &IndicatorValue),
        added: Option<IndicatorAction>,
    ) -> Result<IndicatorLeft, TenantError>;

    /// Says what would have to change about a set of indicators. Changes nothing.
    ///
    /// # Errors
    ///
    /// If the indicators cannot all be read.
    async fn difference(&self, set: &IndicatorSet) -> Result<Difference, TenantError>;

    /// Carries out what has to change about a set of indicators, read a moment ago ([`Difference::allowed`]). `gate` is
    /// asked before each batch.
    ///
    /// # Errors
    ///
    /// See [`TenantError::applied`]. What was done in part is no error: it is told.
    async fn reconcile(&self, difference: &Difference, gate: &dyn Gate) -> Result<Reconciled, TenantError>;

    /// Returns the link to what one command of a live response session has left, once it has; nothing before, and
    /// nothing for a file that was put. The link is good for half an hour, and whoever has it has the result.
    ///
    /// # Errors
    ///
    /// Why it cannot be told.
    async fn live_result(&self, id: &MachineActionId, command: u32) -> Result<Option<Secret>, TenantError>;

    /// Returns the action of a device that does the same as `operation`, by us or by somebody else, if it is under
    /// way or done and nothing has undone it since; nothing for what is no action of a device.
    ///
    /// # Errors
    ///
    /// If any page fails there is no answer.
    async fn in_force(&self, operation: &Operation) -> Result<Option<MachineAction>, TenantError>;

    /// Returns a device.
    ///
    /// # Errors
    ///
    /// [`TenantError::Refused`] (404) if there is none.
    async fn machine(&self, id: &DeviceId) -> Result<Machine, TenantError>;

    /// Returns a user.
    ///
    /// # Errors
    ///
    /// [`TenantError::Refused`] (404) if there is none.
    async fn user(&self, id: &UserId) -> Result<User, TenantError>;

    /// Returns the time from which on a user's sessions count: what was signed in before is signed in no more. Nothing if
    /// the directory does not say.
    ///
    /// # Errors
    ///
    /// [`TenantError::Refused`] (404) if there is no such user.
    async fn sessions_valid_from(&self, id: &UserId) -> Result<Option<Timestamp>, TenantError>;

    /// Returns the names of the directory roles that a user has, whichever way they come.
    ///
    /// # Errors
    ///
    /// [`TenantError::Paging`] if the answer does not say which they are, or there is no end to it.
    async fn directory_roles(&self, id: &UserId) -> Result<Vec<String>, TenantError>;

    /// Looks at what it proves itself with, as it is now. Nobody is asked but the vault that keeps it.
    ///
    /// # Errors
    ///
    /// [`TenantError::Credential`] if it cannot be used.
    async fn look(&self) -> Result<Look, TenantError>;

    /// Says what the token for an audience claims; gets one if there is none. Never the token.
    ///
    /// # Errors
    ///
    /// [`TenantError::SignIn`] if none is issued.
    async fn token_facts(&self, audience: Audience) -> Result<TokenFacts, TenantError>;

    /// The same of the token at hand, if there is one; nobody is asked.
    fn known_token_facts(&self, audience: Audience) -> Option<TokenFacts>;

    /// Whether an API accepts none of our tokens, as far as the last calls show; nobody is asked. It stands until a call
    /// is accepted, also when the time has come to ask again.
    fn rejected(&self, audience: Audience) -> Option<Rejected>;

    /// How far this machine's clock is ahead of the tenant's services, as far as their last answers tell.
    fn clock_ahead(&self) -> Option<jiff::SignedDuration>;

    /// The same of a token that was issued within `age_max`: an older one is replaced first, because it shows
    /// what the app was granted then.
    ///
    /// # Errors
    ///
    /// [`TenantError::SignIn`] if none is issued; a token that is still good stays in use.
    async fn newer_token_facts(
        &self,
        audience: Audience,
        age_max: jiff::SignedDuration,
    ) -> Result<TokenFacts, TenantError>;
}
