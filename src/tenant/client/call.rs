//! One call: its token, its sending, one repeat with a new token, and the name of what went wrong.

use std::ops::Deref;
use std::sync::Arc;

use jiff::SignedDuration;

use super::Client;
use super::turn::failed;
use crate::http::{Answer, Answered, Applied, Chunks, Gate, HttpError, Limits, Repeat, Request};
use crate::tenant::budget::Queue;
use crate::tenant::envelope::{Asked, Kind};
use crate::tenant::token::Token;
use crate::tenant::{Audience, Operation, TenantError};

/// A token older than this may lack what was granted since; so much sooner nobody notices that it works.
const GRANT_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// One call: for whom, how it is named when it fails, and what it does.
pub(super) struct Call<'a> {
    pub(super) audience: Audience,
    pub(super) asked: Asked,
    /// If it changes the tenant: what is asked before it is sent.
    pub(super) gate: Option<&'a dyn Gate>,
    pub(super) repeat: Repeat,
    pub(super) limits: Limits,
    pub(super) request: Request,
}

impl<'a> Call<'a> {
    /// A call that only looks, within the ordinary limits.
    pub(super) fn read(audience: Audience, asked: Asked, request: Request) -> Self {
        Self { audience, asked, gate: None, repeat: Repeat::Safe, limits: Limits::default(), request }
    }

    /// The call of an operation.
    pub(super) fn write(change: &Change<'a>, request: Request) -> Self {
        Self {
            audience: change.kind().audience(),
            asked: asked(change),
            gate: Some(change.gate),
            repeat: match change.operation {
                _ if !change.kind().is_repeatable() => Repeat::Unsafe,
                Operation::UpdateIncident { patch, .. } if patch.merges() => Repeat::Merged,
                _ => Repeat::Safe,
            },
            limits: Limits::default(),
            request,
        }
    }

    /// The same, where an operation goes through a method of another name, which the service counts apart.
    pub(super) fn counted_as(mut self, method: &'static str) -> Self {
        self.asked.operation = method;
        self
    }
}

/// An operation, and what is asked right before each sending.
pub(super) struct Change<'a> {
    pub(super) operation: &'a Operation,
    pub(super) gate: &'a dyn Gate,
}

impl Deref for Change<'_> {
    type Target = Operation;

    fn deref(&self) -> &Operation {
        self.operation
    }
}

pub(super) const fn asked(operation: &Operation) -> Asked {
    let kind = operation.kind();
    Asked { operation: kind.as_str(), permission: kind.permission(), kind: Kind::Plain }
}

impl Client {
    /// Sends a call and reads its answer.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Answer, TenantError> {
        let answer = self.send_signed(call).await;
        self.note(call, &answer);
        answer
    }

    /// Sends a call that only looks, and gives its answer piece by piece.
    pub(super) async fn stream(&self, call: &Call<'_>) -> Result<Chunks, TenantError> {
        let chunks = self.stream_signed(call).await;
        self.note(call, &chunks);
        chunks
    }

    /// Notes what a call tells of the tenant, beside what was asked.
    fn note<T: Answered>(&self, call: &Call<'_>, sent: &Result<T, TenantError>) {
        if let Ok(answer) = sent {
            self.time.heard(answer, self.clock.now(), self.clock.uptime());
        }
        self.note_taken(call, sent);
    }

    /// Notes whether the API took our token. A service that is busy has not looked at it.
    fn note_taken<T>(&self, call: &Call<'_>, sent: &Result<T, TenantError>) {
        let rejections = self.tokens.rejections(call.audience);
        match sent {
            Err(error @ TenantError::Refused(refused)) if refused.status == 401 => {
                rejections.rejected(error.to_string(), self.clock.now());
            }
            Ok(_) => rejections.accepted(),
            Err(TenantError::Refused(refused)) if matches!(refused.status, 400 | 403 | 404 | 409) => {
                rejections.accepted();
            }
            Err(_nobody_knows) => {}
        }
    }

    async fn send_signed(&self, call: &Call<'_>) -> Result<Answer, TenantError> {
        let token = self.token(call).await?;
        let request = signed(call, &token)?;
        let queue = self.queue(call);
        let error = match self.http.send_through(&queue, &request, call.repeat, &call.limits).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let request = self.signed_again((call, &queue), &token, error).await?;
        let sent = self.http.send_through(&queue, &request, call.repeat, &call.limits).await;
        sent.map_err(|error| of_person((call, &token), failed(call, &queue, error)))
    }

    async fn stream_signed(&self, call: &Call<'_>) -> Result<Chunks, TenantError> {
        let token = self.token(call).await?;
        let request = signed(call, &token)?;
        let queue = self.queue(call);
        let error = match self.http.stream_through(&queue, &request, &call.limits).await {
            Ok(chunks) => return Ok(chunks),
            Err(error) => error,
        };
        let request = self.signed_again((call, &queue), &token, error).await?;
        let sent = self.http.stream_through(&queue, &request, &call.limits).await;
        sent.map_err(|error| of_person((call, &token), failed(call, &queue, error)))
    }

    async fn token(&self, call: &Call<'_>) -> Result<Arc<Token>, TenantError> {
        let token = self.tokens.get(call.audience).await?;
        self.guard(call, &token)?;
        Ok(token)
    }

    /// Nothing is asked with a token of another tenant, and nothing is changed with one that does not say whose it is.
    fn guard(&self, call: &Call<'_>, token: &Arc<Token>) -> Result<(), TenantError> {
        if call.gate.is_none() && token.facts.tenant_id.is_none() {
            return Ok(());
        }
        // It is not kept: the next call asks for a better one.
        token.check_tenant(&self.tenant_id).inspect_err(|_| self.tokens.forget(call.audience, token))
    }

    /// After a 401, which proves that nothing was applied: a new token, once. After a 403 likewise, if the token is
    /// not of these minutes and does not hold the role: it may have been granted since. Else the error, named.
    async fn signed_again(
        &self,
        (call, queue): (&Call<'_>, &Queue<'_>),
        rejected: &Arc<Token>,
        error: HttpError,
    ) -> Result<Request, TenantError> {
        let status = error.refusal().map(|refusal| refusal.status);
        if call.gate.is_some() && error.applied() != Applied::No {
            return Err(of_person((call, rejected), failed(call, queue, error)));
        }
        let holds = call
            .asked
            .permission
            .roles
            .iter()
            .any(|role| rejected.facts.roles.iter().any(|held| held == role));
        let token = match status {
            Some(401) => Some(self.tokens.after_rejection(call.audience, rejected).await?),
            Some(403) if !holds => self.tokens.newer(call.audience, GRANT_WITHIN).await.ok(),
            _ => None,
        };
        // An identity's platform gives the same one again for up to a day.
        let Some(token) = token.filter(|token| !token.is_same(rejected)) else {
            return Err(of_person((call, rejected), failed(call, queue, error)));
        };
        tracing::debug!(
            tenant = self.name,
            operation = call.asked.operation,
            status,
            "the token was rejected; there is a new one"
        );
        self.guard(call, &token)?;
        signed(call, &token)
    }
}

/// Says of a refusal for want of permission when it is the person's own that is missing: the token carries the app's.
fn of_person((call, token): (&Call<'_>, &Token), mut error: TenantError) -> TenantError {
    if let TenantError::Refused(refused) = &mut error {
        let mut scopes = call.asked.permission.scopes();
        refused.of_person = scopes.any(|name| token.facts.scopes.iter().any(|scope| scope == name));
    }
    error
}

/// Adds the token and an id for support cases, fresh for each sending.
fn signed(call: &Call<'_>, token: &Token) -> Result<Request, TenantError> {
    let named = |source| TenantError::Http { operation: call.asked.operation, source };
    let request = call.request.clone().bearer(&token.secret).map_err(named)?;
    let id = uuid::Uuid::new_v4().hyphenated().to_string();
    request.header("client-request-id", &id).map_err(named)
}

/// Asks Graph to name enum members added later instead of `unknownFutureValue`.
pub(super) fn with_new_members(asked: Asked, request: Request) -> Result<Request, TenantError> {
    request
        .header("prefer", "include-unknown-enum-members")
        .map_err(|source| TenantError::Http { operation: asked.operation, source })
}

/// Sets a JSON body.
pub(super) fn with_json(
    asked: Asked,
    request: Request,
    body: &serde_json::Value,
) -> Result<Request, TenantError> {
    request.json(body).map_err(|source| TenantError::Http { operation: asked.operation, source })
}
