//! What people are told of an action that stands although it was to be taken back.

use jiff::{SignedDuration, Timestamp};

use super::Engine;
use super::revert::Came;
use crate::channel::Message;
use crate::model::AlertSeverity;
use crate::notify::{notice, standing_message};
use crate::store::{EffectKey, EffectState, OutboxMessage, Revert, RevertNote, StoreError};

/// After so many tries people are told.
const TOLD_AFTER: u32 = 3;
/// So long after its time they are told of what waits.
const LATE: SignedDuration = SignedDuration::from_hours(1);

/// What is said of what is others'.
const LEFT: &str = "huntbook leaves it as it is. If nobody wants it, end it in the portal, or by the other action of \
     huntbook's that `huntbook in-force` lists.";

/// What people can do about an action that stands although it was to be taken back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Remedy {
    /// Ask for it once more.
    Ask,
    /// Nothing, but to see that what it waits for ends.
    Wait,
    /// Nothing by way of this action: it is others'.
    Others,
}

/// Whether people are told of what came of looking at an action, and in which chapter: of each they are told once.
pub(super) fn told_of(due: &Revert, came: &Came, now: Timestamp) -> Option<(Remedy, String)> {
    let is_done = due.effect_state == EffectState::Done;
    let late = due.due.filter(|time| is_done && LATE <= time.duration_until(now));
    match (came, late) {
        (Came::Kept(_), _) => Some((Remedy::Ask, now.to_string())),
        (Came::Again(_), _) if due.tries.saturating_add(1) == TOLD_AFTER => {
            Some((Remedy::Ask, now.to_string()))
        }
        (Came::Stays(_), _) => Some((Remedy::Others, now.to_string())),
        // After the third try they know.
        (Came::Wait(Some(_)), Some(time)) if due.tries < TOLD_AFTER => {
            Some((Remedy::Wait, format!("late/{time}")))
        }
        _ => None,
    }
}

impl Engine {
    /// What people are told of an account that was to be switched back, and is not unless somebody asks: nobody knows who
    /// switched it. Nothing where nothing was to be taken back.
    pub(super) async fn nobody_knows_alert(
        &self,
        (key, attempt): (&EffectKey, u32),
        note: &RevertNote,
    ) -> Result<Option<OutboxMessage>, StoreError> {
        let stands = self.store.in_force().await?;
        let stands = stands.iter().find(|one| one.effect == *key && one.due.is_some());
        let told = stands.zip(note.reason.as_deref());
        let chapter = format!("unknown/{attempt}");
        Ok(told.and_then(|(one, why)| self.stands_alert(one, why, (Remedy::Ask, chapter))))
    }

    /// What the operators are told of an action that stands although it was to be taken back.
    pub(super) fn stands_alert(
        &self,
        due: &Revert,
        why: &str,
        (remedy, chapter): (Remedy, String),
    ) -> Option<OutboxMessage> {
        let channel = self.alerts.as_deref()?;
        let title = format!("{}: {} is not taken back", due.playbook_name, due.action);
        let stands =
            format!("{} of {} stands in {} since {:.0}", due.action, due.target, due.tenant, due.since);
        let next = match remedy {
            Remedy::Ask => format!(
                "`huntbook in-force` lists it, and `huntbook in-force revert {}` asks for it once more.",
                due.effect.short()
            ),
            Remedy::Wait => {
                "It is taken back as soon as that is over; `huntbook in-force` lists it.".to_owned()
            }
            Remedy::Others => LEFT.to_owned(),
        };
        let text = format!("{why}\n\n{stands}. {next}");
        let now = self.clock.now();
        let message = Message {
            severity: AlertSeverity::High,
            playbook: due.playbook_name.clone(),
            tenant: due.tenant.clone(),
            run: due.run.to_string(),
            ..notice(title, text, now)
        };
        Some(standing_message(channel, message, format!("stands/{}/{chapter}", due.effect)))
    }
}
