//! How huntbook stands with each tenant's authority: a tenant that it does not get in to is not armed, and the others
//! run. What people mend is noticed without a restart.
//!
//! Only what waiting does not mend keeps a tenant out: an authority that is busy or not reached refuses nobody.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::loops::unless_over;
use super::run::{Daemon, DaemonError};
use crate::channel::Message;
use crate::diag::Chain;
use crate::notify::{notice, standing_message};
use crate::plan::Granted;
use crate::store::{OutboxMessage, SignIn};
use crate::tenant::{Audience, Look, Print, Tenant, TenantError};

/// How often a credential that does not serve is looked at: whether it was replaced. The authority is not asked.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// What keeps huntbook out of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShutOut {
    /// The APIs there is no token for.
    apis: BTreeSet<Audience>,
    /// Why, and what to do.
    why: String,
    /// The same for the same reason, whenever it was asked.
    kind: String,
}

/// How it stands with a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    shut_out: Option<ShutOut>,
    certificate_ends: Option<Timestamp>,
    since: Timestamp,
}

/// By tenant.
pub(super) type Standings = BTreeMap<String, Standing>;

/// What came of asking a tenant's authority.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) granted: Granted,
    pub(super) shut_out: Option<ShutOut>,
    certificate_ends: Option<Timestamp>,
    print: Option<Print>,
}

impl ShutOut {
    fn new(error: &TenantError, api: Audience) -> Self {
        let (why, login) = (Chain(error).to_string(), error.login());
        // Whoever has to sign in again does so for all APIs; so does whoever has to bring the credential.
        let is_all = login.is_some() || matches!(error, TenantError::Credential { .. });
        let kind = match error {
            TenantError::SignIn { refused, .. } => format!("{} {:?}", refused.error, refused.aadsts),
            _ => why.clone(),
        };
        Self {
            apis: if is_all { Audience::ALL.into() } else { BTreeSet::from([api]) },
            why: match login {
                Some(login) => format!("{login} ({why})"),
                None => why,
            },
            kind,
        }
    }

    /// The same for one more API.
    fn and(mut self, api: Audience) -> Self {
        self.apis.insert(api);
        self
    }
}

/// Looks at a tenant's credential, and asks for the tokens that playbooks need.
pub(super) async fn ask(tenant: &dyn Tenant, apis: BTreeSet<Audience>) -> Asked {
    let mut asked = Asked::default();
    match tenant.look().await {
        Ok(Look { ends, print, .. }) => (asked.certificate_ends, asked.print) = (ends, Some(print)),
        Err(error) if error.shuts_out() => {
            asked.shut_out = Some(ShutOut::new(&error, Audience::Graph));
            return asked;
        }
        Err(_it_may_pass) => {}
    }
    for &api in &apis {
        if asked.shut_out.as_ref().is_some_and(|shut_out| shut_out.apis.contains(&api)) {
            continue;
        }
        match tenant.token_facts(api).await {
            Ok(facts) => drop(asked.granted.insert(api, facts)),
            Err(error) if error.shuts_out() => {
                let shut_out = asked.shut_out.take().map(|before| before.and(api));
                asked.shut_out = Some(shut_out.unwrap_or_else(|| ShutOut::new(&error, api)));
            }
            Err(_it_may_pass) => {}
        }
    }
    asked.shut_out = asked.shut_out.or_else(|| rejected(tenant, &apis));
    asked
}

/// What says that an API that is needed accepts no token, though the authority issues them. Playbooks go on being armed,
/// as the API is asked again soon: what it answers then is the only way to find out.
fn rejected(tenant: &dyn Tenant, apis: &BTreeSet<Audience>) -> Option<ShutOut> {
    let of = |api: &Audience| tenant.rejected(*api).map(|rejected| (*api, rejected));
    let (api, rejected) = apis.iter().find_map(of)?;
    let why = format!("{api} accepts no token of ours: {}", rejected.why);
    Some(ShutOut { apis: BTreeSet::new(), why, kind: format!("rejected by {api}") })
}

/// Waits until a credential that does not serve was replaced.
pub(super) async fn until_replaced(daemon: &Daemon, tenant: &dyn Tenant, asked: &Asked) {
    if asked.shut_out.is_none() {
        return std::future::pending().await;
    }
    loop {
        daemon.0.engine.clock.sleep(LOOK_EVERY).await;
        if tenant.look().await.ok().is_some_and(|look| Some(look.print) != asked.print) {
            return;
        }
    }
}

impl Daemon {
    /// Whether there is no token for one of these APIs of a tenant, as far as it is known.
    pub(super) async fn is_shut_out(&self, tenant: &str, apis: &BTreeSet<Audience>) -> bool {
        let standings = self.0.standings.lock().await;
        let shut_out = standings.get(tenant).and_then(|standing| standing.shut_out.as_ref());
        shut_out.is_some_and(|shut_out| !shut_out.apis.is_disjoint(apis))
    }

    /// Tells the log, the journal and people what has changed.
    pub(super) async fn note_standing(&self, tenant: &str, asked: &Asked) -> Result<(), DaemonError> {
        let store = &self.0.engine.store;
        let now = self.0.engine.clock.now();
        let mut standings = self.0.standings.lock().await;
        let before = standings.get(tenant);
        let kind = |shut_out: Option<&ShutOut>| shut_out.map(|one| (one.kind.clone(), one.apis.clone()));
        let was = before.map(|before| kind(before.shut_out.as_ref()));
        let is_same = was == Some(kind(asked.shut_out.as_ref()));
        if is_same && before.is_some_and(|before| before.certificate_ends == asked.certificate_ends) {
            return Ok(());
        }
        let shut_out = match before {
            // Whose words differ only by when they were said.
            Some(before) if is_same => before.shut_out.clone(),
            _ => asked.shut_out.clone(),
        };
        let since = match before {
            Some(before) if before.shut_out.is_some() == shut_out.is_some() => before.since,
            Some(_) => now,
            None => {
                let left =
                    self.left(tenant).await?.filter(|left| left.refused.is_some() == shut_out.is_some());
                left.map_or(now, |left| left.since)
            }
        };
        match &shut_out {
            _ if is_same => {}
            Some(ShutOut { why, .. }) => {
                tracing::warn!(tenant, why, "a tenant is not armed: huntbook does not get in to it");
            }
            None if was.is_some() => tracing::info!(tenant, "huntbook gets in to a tenant again"),
            None => {}
        }
        let message = shut_out.as_ref().filter(|_| !is_same).and_then(|one| self.told(tenant, one, now));
        let refused = shut_out.as_ref().map(|shut_out| shut_out.why.clone());
        let noted = SignIn { refused, certificate_ends: asked.certificate_ends, since };
        let next = Standing { shut_out, certificate_ends: asked.certificate_ends, since };
        match store.put_sign_in(tenant, &noted, message.as_ref(), now).await {
            Ok(()) => drop(standings.insert(tenant.to_owned(), next)),
            // The next look notes it.
            Err(error) => unless_over(error, "how huntbook stands with a tenant could not be noted")?,
        }
        if message.is_some() {
            self.0.outbox.notify_one();
        }
        Ok(())
    }

    /// What a process before has noted.
    async fn left(&self, tenant: &str) -> Result<Option<SignIn>, DaemonError> {
        match self.0.engine.store.sign_ins().await {
            Ok(mut left) => Ok(left.remove(tenant)),
            Err(error) => {
                unless_over(error, "how huntbook stood with a tenant could not be read")?;
                Ok(None)
            }
        }
    }

    /// What people are told, once a day.
    fn told(&self, tenant: &str, shut_out: &ShutOut, now: Timestamp) -> Option<OutboxMessage> {
        let channel = self.0.engine.alerts.as_ref()?;
        let text = format!("No playbook that needs it runs there until that is mended: {}", shut_out.why);
        let title = format!("huntbook does not get in to {tenant}");
        let message = Message { tenant: tenant.to_owned(), ..notice(title, text, now) };
        let about = format!("sign-in/{tenant}/{}/{}", shut_out.kind, now.strftime("%F"));
        Some(standing_message(channel, message, about))
    }
}
