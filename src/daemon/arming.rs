//! Which playbooks are armed: a schedule is followed in a tenant unless the app certainly lacks what the playbook
//! cannot do without to find anything. What its actions need keeps nobody from being told: they fail or are halted, and
//! their items come back.
//!
//! Unknown is not missing: without a token, or with one that cannot be read, nobody can say, and the run finds
//! out. What an app is granted shows in its next token, so a token that allows too little is replaced before its
//! time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::try_join_all;
use jiff::SignedDuration;

use super::loops::unless_over;
use super::run::{Daemon, DaemonError};
use super::sign_in::{self, Asked, until_replaced};
use crate::channel::Message;
use crate::model::{Lists, PlaybookId};
use crate::notify::{notice, standing_message};
use crate::plan::{Need, Plan, Weight, lacking};
use crate::store::OutboxMessage;
use crate::tenant::{Audience, Tenant};

/// How often what is lacking is looked for, and how old a token may be that allows too little.
const LOOK_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// What is not armed: by playbook and tenant, what it lacks.
pub(super) type Unarmed = BTreeMap<(PlaybookId, String), String>;

impl Daemon {
    /// Looks again and again, and after each reload. A tenant that does not answer holds up no other.
    pub(super) async fn keep_armed(&self) -> Result<(), DaemonError> {
        let tenants = self.0.engine.tenants.iter();
        let each = tenants.map(|(name, tenant)| self.keep_tenant_armed(name, &**tenant));
        try_join_all(each).await.map(drop)
    }

    async fn keep_tenant_armed(&self, name: &str, tenant: &dyn Tenant) -> Result<(), DaemonError> {
        let mut reloaded = self.0.rearm.subscribe();
        loop {
            let live = self.0.live.load_full();
            let now = self.0.engine.clock.now();
            let runs = |plan: &&Arc<Plan>| {
                plan.rule.is_some() && plan.expires.is_none_or(|expires| now < expires) && plan.is_for(name)
            };
            let plans = live.playbooks.values().map(|playbook| &playbook.plan).filter(runs);
            let needs: Vec<(PlaybookId, Vec<Need>)> = plans
                .map(|plan| (plan.about.id, vital(plan, &live.lists, tenant)))
                .filter(|(_id, needs)| !needs.is_empty())
                .collect();
            drop(live);
            let asked = ask(tenant, &needs).await;
            self.note_standing(name, &asked).await?;
            let lacks = needs.iter().filter_map(|(id, needs)| {
                Some(((*id, name.to_owned()), said(&lacking(needs, &asked.granted))?))
            });
            let lacks: Unarmed = lacks.collect();
            let change = |mut unarmed: Unarmed| {
                unarmed.retain(|(_id, tenant), _lacks| tenant != name);
                unarmed.extend(lacks);
                unarmed
            };
            // Without tokens nobody can say what is lacking, nor that nothing is any more.
            if asked.shut_out.is_none() {
                self.note_unarmed(change).await?;
            }
            tokio::select! {
                _ended = reloaded.changed() => {}
                () = self.0.engine.clock.sleep(LOOK_EVERY) => {}
                () = until_replaced(self, tenant, &asked) => {}
            }
        }
    }

    /// Why a playbook may not run in a tenant, as far as the tokens at hand and the last look tell: nobody is asked,
    /// for that can take minutes.
    pub(super) async fn disarmed(&self, plan: &Plan, lists: &Lists, tenant: &str) -> Option<&'static str> {
        let door = self.0.engine.tenants.get(tenant)?;
        let needs = vital(plan, lists, &**door);
        let audiences: BTreeSet<Audience> = needs.iter().map(|need| need.permission.audience).collect();
        if self.is_shut_out(tenant, &audiences).await {
            return Some("huntbook does not get in to the tenant: it is not armed");
        }
        let now = self.0.engine.clock.now();
        let is_left_alone =
            |&api: &Audience| door.rejected(api).is_some_and(|rejected| rejected.is_left_alone(now));
        if audiences.iter().any(is_left_alone) {
            return Some("the tenant accepts no token of ours: it is asked again within five minutes");
        }
        let known = |audience: Audience| Some((audience, door.known_token_facts(audience)?));
        let lacks = !lacking(&needs, &audiences.into_iter().filter_map(known).collect()).is_empty();
        lacks.then_some("the app lacks permissions that the playbook needs: it is not armed")
    }

    /// Tells the log, the journal and people what has changed.
    async fn note_unarmed(&self, change: impl FnOnce(Unarmed) -> Unarmed) -> Result<(), DaemonError> {
        let mut known = self.0.unarmed.lock().await;
        let before = known.clone();
        let next = change(before.clone().unwrap_or_default());
        // A process before may have left something.
        let is_noted = match &before {
            Some(before) => *before == next,
            None => next.is_empty() && self.0.engine.store.unarmed().await.is_ok_and(|left| left.is_empty()),
        };
        if is_noted {
            *known = Some(next);
            return Ok(());
        }
        let before = before.unwrap_or_default();
        let live = self.0.live.load_full();
        let name = |id: &PlaybookId| {
            live.playbooks.get(id).map_or_else(|| id.to_string(), |live| live.plan.about.name.clone())
        };
        for (key @ (id, tenant), lacks) in &next {
            if before.get(key) != Some(lacks) {
                tracing::warn!(
                    playbook = name(id),
                    tenant,
                    lacks,
                    "a playbook is not armed: its schedule is not followed until that is granted"
                );
            }
        }
        let is_armed =
            |key: &&(PlaybookId, String)| !next.contains_key(*key) && live.playbooks.contains_key(&key.0);
        for (id, tenant) in before.keys().filter(is_armed) {
            tracing::info!(playbook = name(id), tenant, "a playbook is armed again");
        }
        let messages = self.about(&next, &before, &name);
        let now = self.0.engine.clock.now();
        match self.0.engine.store.put_unarmed(&next, &messages, now).await {
            Ok(()) => *known = Some(next),
            // The next look notes it.
            Err(error) => unless_over(error, "what is not armed could not be noted")?,
        }
        if !messages.is_empty() {
            self.0.outbox.notify_one();
        }
        Ok(())
    }

    /// What people are told of what is new in it: each once a day.
    fn about(
        &self,
        next: &Unarmed,
        before: &Unarmed,
        name: &dyn Fn(&PlaybookId) -> String,
    ) -> Vec<OutboxMessage> {
        let Some(channel) = &self.0.engine.alerts else { return Vec::new() };
        let now = self.0.engine.clock.now();
        let new = next.iter().filter(|(key, lacks)| before.get(*key) != Some(*lacks));
        new.map(|((id, tenant), lacks)| {
            let text = format!(
                "In tenant {tenant} it lacks {lacks}. Its schedule is not followed there until that is granted; \
                 `huntbook doctor` says how."
            );
            let message = Message {
                playbook: name(id),
                tenant: tenant.clone(),
                ..notice(format!("{} is not armed", name(id)), text, now)
            };
            let about = format!("unarmed/{id}/{tenant}/{lacks}/{}", now.strftime("%F"));
            standing_message(channel, message, about)
        })
        .collect()
    }
}

/// What a playbook cannot do without.
fn vital(plan: &Plan, lists: &Lists, tenant: &dyn Tenant) -> Vec<Need> {
    let mut needs = plan.needs(tenant.hunting(), lists);
    needs.retain(|need| need.weight == Weight::Vital);
    needs
}

/// What the app is granted, as far as it is needed. A token that allows too little and is not new is replaced.
async fn ask(tenant: &dyn Tenant, needs: &[(PlaybookId, Vec<Need>)]) -> Asked {
    let all: Vec<Need> = needs.iter().flat_map(|(_id, needs)| needs).cloned().collect();
    let audiences: BTreeSet<Audience> = all.iter().map(|need| need.permission.audience).collect();
    let mut asked = sign_in::ask(tenant, audiences).await;
    let too_little: BTreeSet<Audience> =
        lacking(&all, &asked.granted).iter().map(|need| need.permission.audience).collect();
    for audience in too_little {
        // If there is no newer one, the old one stays in use and says what it said.
        let newer = tenant.newer_token_facts(audience, LOOK_EVERY).await;
        asked.granted.extend(newer.ok().map(|facts| (audience, facts)));
    }
    asked
}

/// What is lacking, in words.
fn said(lacking: &[&Need]) -> Option<String> {
    let all: Vec<String> = lacking.iter().map(ToString::to_string).collect();
    (!all.is_empty()).then(|| all.join(", "))
}
