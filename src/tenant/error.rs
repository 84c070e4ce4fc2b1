//! How a call to the tenant fails.

use std::fmt;

use jiff::SignedDuration;

use super::{Busy, CredentialError, Rejected, SessionError};
use crate::http::{Applied, HttpError, Retry};
use crate::model::TenantId;
use crate::rows::DecodeError;

/// A call to the tenant that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TenantError {
    /// The tenant's options cannot be used.
    #[error("the options of tenant `{tenant}` cannot be used: {reason}")]
    Options {
        /// The tenant's name.
        tenant: String,
        /// Which, and why.
        reason: &'static str,
        /// What stands behind it.
        #[source]
        source: Option<HttpError>,
    },
    /// What the app proves itself with cannot be used. Nothing was sent.
    #[error("the credential of tenant `{tenant}` cannot be used")]
    Credential {
        /// The tenant's name.
        tenant: String,
        /// Why.
        #[source]
        source: CredentialError,
    },
    /// No token was issued.
    #[error("no token for {api} of tenant `{tenant}`: {refused}")]
    SignIn {
        /// The tenant's name.
        tenant: String,
        /// For which API.
        api: &'static str,
        /// What the authority says.
        refused: Box<SignInRefused>,
    },
    /// The authority gave no usable answer. The call the token was for was not sent.
    #[error("the authority of tenant `{tenant}` gave no usable answer for {api}")]
    Authority {
        /// The tenant's name.
        tenant: String,
        /// For which API.
        api: &'static str,
        /// How it failed.
        #[source]
        source: HttpError,
    },
    /// What the authority issued is not a token.
    #[error("the authority of tenant `{tenant}` answered with something that is not a token")]
    NotAToken {
        /// The tenant's name.
        tenant: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The token belongs to another tenant, or does not say to which: nothing was changed with it.
    #[error("the token is not for tenant `{wanted}` (it says `{found}`)")]
    WrongTenant {
        /// The tenant meant.
        wanted: TenantId,
        /// What the token says, escaped; empty if nothing.
        found: String,
    },
    /// The API accepted no token the last times, not a new one either: it is left alone for a while.
    #[error("{api} of tenant `{tenant}` accepts no token of ours; {rejected}")]
    Rejected {
        /// The tenant's name.
        tenant: String,
        /// Which API.
        api: &'static str,
        /// What it says, and until when it is left alone.
        rejected: Box<Rejected>,
    },
    /// The API refused the call.
    #[error("{0}")]
    Refused(Box<Refused>),
    /// The call did not reach the API, or its answer did not reach us.
    #[error("`{operation}` got no usable answer")]
    Http {
        /// What was asked.
        operation: &'static str,
        /// How it failed.
        #[source]
        source: HttpError,
    },
    /// The call was not sent, because no turn would come in time.
    #[error("`{operation}` was not sent: {busy}")]
    Busy {
        /// What was asked.
        operation: &'static str,
        /// What is used up, and until when.
        busy: Box<Busy>,
    },
    /// The answer has another shape than documented.
    #[error("the answer to `{operation}` cannot be read")]
    Shape {
        /// What was asked.
        operation: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The answer to a hunting query cannot be read, or broke off. Rows handed over do not count.
    #[error("the rows of the hunting answer cannot be read")]
    Rows(#[source] DecodeError),
    /// The answer is about something else than what was asked for.
    #[error("the tenant answered for `{found}` instead of `{wanted}`")]
    OtherTarget {
        /// The device or user meant.
        wanted: String,
        /// The one named in the answer, escaped.
        found: String,
    },
    /// The answer is another action, which does not do what was asked for.
    #[error(
        "the tenant answered `{operation}` with an action of somebody else's that does not do the same: {found}"
    )]
    OtherAction {
        /// What was asked.
        operation: &'static str,
        /// What the tenant calls the action.
        found: String,
    },
    /// A list goes in circles or leads elsewhere.
    #[error("the list of `{operation}` cannot be followed: {reason}")]
    Paging {
        /// What was asked.
        operation: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// What had to be read before a change could not be read; nothing was changed.
    #[error("`{operation}` was not begun")]
    NotBegun {
        /// What was asked.
        operation: &'static str,
        /// What came in between.
        #[source]
        source: Box<Self>,
    },
    /// A set was left as it is: what should be small is large. Nothing was changed.
    #[error("`{operation}` leaves the set as it is: {reason}")]
    LeftAsItIs {
        /// What was asked.
        operation: &'static str,
        /// Why.
        reason: String,
    },
    /// A change of many was done in part.
    #[error("`{operation}` was done in part: {what}")]
    Partly {
        /// What was asked.
        operation: &'static str,
        /// What was done, and what not.
        what: String,
    },
    /// One of many in a call was not taken; the others may have been.
    #[error("`{operation}`: the tenant did not take `{value}`: {reason}")]
    NotTaken {
        /// What was asked.
        operation: &'static str,
        /// Of what.
        value: String,
        /// What the tenant says.
        reason: String,
    },
    /// The answer to a call says nothing of one of many.
    #[error("`{operation}`: the answer says nothing of `{value}`")]
    Unsaid {
        /// What was asked.
        operation: &'static str,
        /// Of what.
        value: String,
    },
    /// A change of several steps was begun and could not be finished.
    #[error("`{operation}` was begun and could not be finished")]
    Unfinished {
        /// What was asked.
        operation: &'static str,
        /// What came in between.
        #[source]
        source: Box<Self>,
    },
    /// Entra ID does not master the account: what is written there is undone. Nothing was changed.
    #[error(
        "the account `{user}` is synchronised from a domain, whose next synchronisation would undo it: name its \
         `identityAccount` to change it there, or say `untilSync: true`"
    )]
    Synchronized {
        /// The user.
        user: String,
    },
    /// Somebody else has changed what a change was decided on. Nothing was changed.
    #[error("`{member}` was set to `{now}` by somebody else after this was decided")]
    ChangedMeanwhile {
        /// What was changed.
        member: &'static str,
        /// What it is now.
        now: String,
    },
    /// After an update the tenant shows something else than was written.
    #[error("`{operation}` did not take effect: somebody else changed the same at the same time")]
    Overwritten {
        /// What was asked.
        operation: &'static str,
    },
}

impl TenantError {
    /// Classifies the failure. This is the only place that decides it. Repeats that are safe have
    /// been made already, by [`crate::http`].
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::SignIn { refused, .. } => refused.retry,
            Self::Refused(refused) => refused.retry,
            Self::Authority { source, .. } | Self::Http { source, .. } => source.retry(),
            Self::NotBegun { source, .. } | Self::Unfinished { source, .. } => source.retry(),
            Self::Busy { .. }
            | Self::Rejected { .. }
            | Self::Overwritten { .. }
            | Self::Rows(DecodeError::Truncated { .. }) => Retry::Backoff,
            Self::Credential { source, .. } if source.passes() => Retry::Backoff,
            Self::Credential { .. }
            | Self::Options { .. }
            | Self::NotAToken { .. }
            | Self::WrongTenant { .. }
            | Self::Shape { .. }
            | Self::Rows(_)
            | Self::OtherTarget { .. }
            | Self::OtherAction { .. }
            | Self::Synchronized { .. }
            | Self::ChangedMeanwhile { .. }
            | Self::LeftAsItIs { .. }
            | Self::Partly { .. }
            | Self::NotTaken { .. }
            | Self::Unsaid { .. }
            | Self::Paging { .. } => Retry::Never,
        }
    }

    /// Whether a change may have been applied nevertheless.
    #[must_use]
    pub fn applied(&self) -> Applied {
        match self {
            Self::Options { .. }
            | Self::Credential { .. }
            | Self::SignIn { .. }
            | Self::Authority { .. }
            | Self::NotAToken { .. }
            | Self::WrongTenant { .. }
            | Self::Rejected { .. }
            | Self::Rows(_)
            | Self::Busy { .. }
            | Self::NotBegun { .. }
            | Self::Synchronized { .. }
            | Self::ChangedMeanwhile { .. }
            | Self::LeftAsItIs { .. }
            | Self::NotTaken { .. }
            | Self::Paging { .. } => Applied::No,
            Self::Refused(refused) => refused.applied,
            Self::Http { source, .. } => source.applied(),
            Self::Shape { .. }
            | Self::OtherTarget { .. }
            | Self::OtherAction { .. }
            | Self::Overwritten { .. }
            | Self::Partly { .. }
            | Self::Unsaid { .. }
            | Self::Unfinished { .. } => Applied::Unknown,
        }
    }

    /// Whether huntbook does not get in until somebody changes something: waiting does not help.
    #[must_use]
    pub fn shuts_out(&self) -> bool {
        matches!(self, Self::Credential { .. } | Self::SignIn { .. }) && self.retry() == Retry::Never
    }

    /// What a person has to do who is to sign in again, if that is what helps.
    #[must_use]
    pub fn login(&self) -> Option<String> {
        let tenant = match self {
            Self::Credential {
                tenant,
                source: CredentialError::Session(SessionError::Nobody | SessionError::Unreadable),
            } => tenant,
            Self::SignIn { tenant, refused, .. } if refused.is_over() => tenant,
            _ => return None,
        };
        Some(format!("log in again: `huntbook login {tenant}`"))
    }

    /// Why a change was not sent, if that is why it failed and nothing was sent before.
    #[must_use]
    pub fn withheld(&self) -> Option<&str> {
        match self {
            Self::Http { source: HttpError::Withheld { why, .. }, .. } => Some(why),
            _ => None,
        }
    }

    /// What the API said, if it refused the call.
    #[must_use]
    pub const fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) => Some(refused),
            _ => None,
        }
    }
}

/// What an error envelope says, escaped for a terminal and cut.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Detail {
    /// The API's code, the innermost if there are several; empty if it gave none.
    pub code: String,
    /// The API's message; empty if it gave none.
    pub message: String,
    /// What its support asks for: `request-id` or `target`.
    pub id: Option<String>,
}

/// A call the API refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What was asked.
    pub operation: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The envelope.
    pub detail: Detail,
    /// The roles of which one is needed, if that is why (403).
    pub roles: &'static [&'static str],
    /// Whether the token is a person's and carries the permission: then it is their own right that is missing.
    pub of_person: bool,
    /// Why a hunting query was not run, if it was one.
    pub fault: Option<HuntFault>,
    /// Whether it may pass.
    pub retry: Retry,
    /// Whether it may have been applied.
    pub applied: Applied,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` was refused with status {}", self.operation, self.status)?;
        if let Some(fault) = self.fault {
            write!(f, ": {fault}")?;
        }
        if self.status == 403 && self.of_person {
            f.write_str(
                ": the app may, and the person who signed in may not: they need a role of the directory, or of Defender's \
                 own access control",
            )?;
        } else if self.status == 403 && !self.roles.is_empty() {
            write!(f, ": the app lacks the permission `{}`", self.roles.join("` or `"))?;
        }
        match (self.detail.code.as_str(), self.detail.message.as_str()) {
            ("", "") => {}
            (code, "") => write!(f, " ({code})")?,
            ("", message) => write!(f, " ({message})")?,
            (code, message) => write!(f, " ({code}: {message})")?,
        }
        if let Some(id) = &self.detail.id {
            write!(f, " [request {id}]")?;
        }
        Ok(())
    }
}

/// Why the service did not run a hunting query. The texts it is read from are the service's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HuntFault {
    /// The query is wrong: a column or table that is not there (or not licensed), a type, a syntax.
    Query,
    /// The result is too large.
    Size,
    /// The query ran too long.
    Time,
    /// The tenant has used up its computing time; it comes back in cycles of fifteen minutes.
    Quota,
    /// The service stumbled.
    Service,
}

impl fmt::Display for HuntFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Query => "the query is wrong, or names a table this tenant does not have",
            Self::Size => "the result is too large: project fewer columns or look back less far",
            Self::Time => "the query runs too long: narrow it",
            Self::Quota => "the tenant's hunting quota is used up",
            Self::Service => "the service stumbled",
        })
    }
}

/// A refusal of the authority. Never holds the secret: the authority does not repeat it, and what it
/// says is checked for it before it gets here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInRefused {
    /// The OAuth error, such as `invalid_client`.
    pub error: String,
    /// The number behind `AADSTS`.
    pub aadsts: Option<u32>,
    /// What the authority says, escaped and cut.
    pub description: String,
    /// What its support asks for.
    pub correlation_id: Option<String>,
    /// What to do about it, if we know.
    pub hint: Option<&'static str>,
    /// Whether it was a person's sign-in that was to go on.
    pub of_person: bool,
    /// How far our clock is ahead of the authority's, to the second; negative if behind.
    pub clock_ahead: Option<SignedDuration>,
    /// Whether it may pass.
    pub retry: Retry,
}

impl SignInRefused {
    /// Whether a person's sign-in does not go on, and a new one may: RFC 6749, 5.2, and what OpenID Connect adds.
    pub(super) fn is_over(&self) -> bool {
        const OVER: [&str; 4] =
            ["invalid_grant", "interaction_required", "login_required", "consent_required"];
        self.of_person && self.retry == Retry::Never && OVER.contains(&self.error.as_str())
    }

    /// How long the authority asks to wait.
    #[must_use]
    pub const fn wait(&self) -> Option<SignedDuration> {
        match self.retry {
            Retry::After(wait) => Some(wait),
            Retry::Never | Retry::Backoff => None,
        }
    }
}

impl fmt::Display for SignInRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)?;
        if let Some(number) = self.aadsts {
            write!(f, ", AADSTS{number}")?;
        }
        if let Some(hint) = self.hint {
            write!(f, ": {hint}")?;
        } else if !self.description.is_empty() {
            write!(f, ": {}", self.description)?;
        }
        if let Some(id) = &self.correlation_id {
            write!(f, " [correlation {id}]")?;
        }
        Ok(())
    }
}
