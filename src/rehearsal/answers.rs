//! What people say in a test when they are asked for leave, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::stage::{Stage, said};
use super::suite::Setting;
use crate::action::{Approvers, Origin};
use crate::diag::{Code, Diagnostic, Sink};
use crate::engine::{ItemReport, Present, Standing, Unchanging};
use crate::guard::OnExceed;
use crate::model::RunId;
use crate::plan::{Plan, World};
use crate::playbook::Playbook;
use crate::playbook::test::{Given, TestDecision};
use crate::store::{ApprovalState, Consent, NewVoice, Way};
use crate::yaml::Tree;

/// The first number of the accounts that approvers without a number have in a test.
const FIRST_UID: u32 = 100_000;

/// What people say about an action.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    word: Consent,
    voices: Vec<NewVoice>,
    after: SignedDuration,
}

/// An answer on its way.
#[derive(Debug, Clone)]
pub(super) struct Due {
    at: Timestamp,
    id: String,
    answer: Answer,
}

/// How long people are listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// What they say at once.
    Now,
    /// What they say before a moment.
    Before(Timestamp),
}

/// Makes names and channels of approvals known where there are no settings.
pub(super) fn make_known(world: &mut World, playbook: &Playbook, given: &[&Given]) {
    let asked = playbook.actions.iter().filter_map(|action| action.approval.as_ref());
    let asked: Vec<_> = asked.chain(&playbook.guards.approval).collect();
    world.channels.extend(asked.iter().map(|approval| approval.channel.clone()));
    let answers = given.iter().filter_map(|given| given.approvals.as_ref()).flat_map(BTreeMap::values);
    let mut names: BTreeSet<String> = answers.flat_map(|answer| answer.by.all().to_vec()).collect();
    let needed = asked.iter().map(|approval| approval.minimum).max().unwrap_or(0);
    let mut number = 1;
    while names.len() < usize::try_from(needed).unwrap_or(usize::MAX) {
        names.insert(format!("approver-{number}"));
        number += 1;
    }
    world.approvers = Approvers::new(names.into_iter().map(|name| (name.clone(), name)));
}

/// Understands the answers of a test, and says what is wrong with them.
pub(super) fn read(
    given: &Given,
    plan: &Plan,
    (tree, place): (&Tree, &dyn Fn(&str) -> String),
    problems: &mut Sink,
) -> BTreeMap<String, Answer> {
    let mut answers = BTreeMap::new();
    for (id, written) in given.approvals.iter().flatten() {
        let at = format!("{}/{id}", place("approvals"));
        let Some(step) = plan.steps.iter().find(|step| step.id == *id) else {
            let message = format!("the playbook has no action `{}`", id.escape_debug());
            let problem = Diagnostic::error(Code::UnknownReference, tree.key_span(&at), message);
            problems.push(problem.nearest(id, plan.steps.iter().map(|step| step.id.as_str())));
            continue;
        };
        let by_a_guard =
            plan.guards.written.on_exceed == OnExceed::Approve || plan.approvers.asked().is_some();
        if step.approval.is_none() && !by_a_guard {
            let message = format!("nobody is ever asked about `{}`: it has no `approval`", id.escape_debug());
            problems.push(Diagnostic::error(Code::Test, tree.key_span(&at), message));
        }
        let word = match written.decision {
            TestDecision::Approve => Consent::Approve,
            TestDecision::Deny => Consent::Deny,
        };
        let mut voices = Vec::new();
        for by in written.by.all() {
            let (account, uid) = account(&plan.approvers, by);
            let allowed = match word {
                Consent::Approve => {
                    let origin = Origin { author: plan.about.author.as_deref(), starter: None };
                    plan.approvers.may_approve(by, (&account, uid), &origin)
                }
                Consent::Deny => plan.approvers.may_speak(by, (&account, uid)),
            };
            if let Err(why) = allowed {
                let problem = tree.error(Code::Test, &format!("{at}/by"), why.to_string());
                problems.push(problem.nearest(by, plan.approvers.names()));
            }
            let note = written.reason.clone();
            voices.push(NewVoice { word, by: by.clone(), account, uid, way: Way::Command, note });
        }
        let after = written.after.as_ref().and_then(|text| text.read().ok()).unwrap_or_default();
        answers.insert(id.clone(), Answer { word, voices, after });
    }
    answers
}

/// The account of an approver, and a number of its own.
fn account(approvers: &Approvers, name: &str) -> (String, Option<u32>) {
    let account = approvers.account(name).unwrap_or_default().to_owned();
    let place = approvers.names().position(|one| one == name).unwrap_or(0);
    let uid = account.parse().unwrap_or_else(|_name| FIRST_UID + u32::try_from(place).unwrap_or(0));
    let is_account = !account.contains(':');
    (account, is_account.then_some(uid))
}

impl Stage {
    /// Notes what will be said about what a run asked for.
    pub(super) async fn expect_answers(&mut self, setting: &Setting, run: RunId) -> Result<(), String> {
        for asked in self.engine.store.approvals_of(run).await.map_err(said)? {
            let Some(answer) = setting.answers.get(&asked.step) else { continue };
            if asked.state != ApprovalState::Awaiting || self.due.iter().any(|due| due.id == asked.id) {
                continue;
            }
            let at = asked.asked.checked_add(answer.after).unwrap_or(Timestamp::MAX);
            self.due.push(Due { at, id: asked.id, answer: answer.clone() });
        }
        self.due.sort_by_key(|due| due.at);
        Ok(())
    }

    /// Lets everything be said whose time has come by then, and what follows from it be done. Gives the items
    /// that changed, with their runs.
    pub(super) async fn answer(
        &mut self,
        setting: &Setting,
        until: Until,
    ) -> Result<Vec<(RunId, ItemReport)>, String> {
        let mut changed = Vec::new();
        let is_said = |stage: &Self, due: &Due| match until {
            Until::Now => due.at <= stage.engine.clock.now(),
            Until::Before(moment) => due.at < moment,
        };
        while self.due.first().is_some_and(|due| is_said(self, due)) {
            let due = self.due.remove(0);
            self.clock.leap(due.at);
            for voice in &due.answer.voices {
                self.engine.store.hear(&due.id, voice).await.map_err(said)?;
                if due.answer.word == Consent::Deny {
                    break;
                }
            }
            changed.extend(self.go_on(setting).await?);
        }
        Ok(changed)
    }

    /// Does what was decided, by people or by time.
    pub(super) async fn go_on(&mut self, setting: &Setting) -> Result<Vec<(RunId, ItemReport)>, String> {
        let in_force = Unchanging {
            lists: Arc::clone(&setting.lists),
            standing: Standing::InForce(Arc::clone(&setting.plan)),
        };
        let present = Present { in_force: &in_force, plan_of: &|_name, _bytes| Ok((*setting.plan).clone()) };
        let mut changed = Vec::new();
        for decided in self.engine.decided().await.map_err(said)? {
            if let Some(run) = self.engine.go_on(decided.run, &present).await.map_err(said)? {
                changed.extend(run.items.into_iter().map(|item| (run.run, item)));
                // What comes next for an item may be asked for only now.
                self.expect_answers(setting, run.run).await?;
            }
        }
        Ok(changed)
    }
}
