//! What the tenant shows of an action that is to be taken back: whether it still stands, and whether that is huntbook's.

use jiff::{SignedDuration, Timestamp};

use super::context::Context;
use super::{Engine, EngineError};
use crate::action::{ActionKind, Undo};
use crate::diag::Chain;
use crate::model::{DeviceId, Term};

use crate::store::{EffectKey, Revert, StoreError, Trigger};
use crate::tenant::{AccountAt, ActionStatus, MachineAction, Tenant};

/// How long before an action its device is looked at: about as long as the service keeps its list.
const BEFORE: SignedDuration = SignedDuration::from_hours(180 * 24);
/// How long a tenant may take to list what it has accepted.
const LISTED_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// What stands of an action in the tenant.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Theirs {
    /// It does.
    Stands,
    /// It does not, or what stands is somebody else's.
    Over(String),
    /// That is not decided yet.
    Unsettled(String),
    /// Something stands, and nobody knows whose it is.
    Unclear(String),
}

impl Engine {
    /// Asks the tenant whether an action still stands, where it can tell.
    pub(super) async fn theirs(
        &self,
        tenant: &dyn Tenant,
        due: &Revert,
        undo: &Undo,
    ) -> Result<Theirs, StoreError> {
        let shown = match undo {
            Undo::ReleaseDevice(device) | Undo::RemoveAppRestriction(device) => {
                let marks = self.marks(&due.effect, &due.tenant).await?;
                let since = due.since.checked_sub(BEFORE).unwrap_or(Timestamp::MIN);
                match tenant.machine_actions(device, since).await {
                    Ok(actions) => {
                        let shown = Shown {
                            remote_id: due.remote_id.as_deref(),
                            undo,
                            device,
                            marks: &marks,
                            actions: &actions,
                        };
                        Ok(self.on_device(due, &shown).await?)
                    }
                    Err(error) => Err(error),
                }
            }
            Undo::EnableUser { user, at: AccountAt::Entra | AccountAt::EntraUntilSync } => {
                tenant.user(user).await.map(|user| match user.account_enabled {
                    Some(true) => {
                        Theirs::Over("people have taken it back: the account is enabled".to_owned())
                    }
                    Some(false) | None => Theirs::Stands,
                })
            }
            // There is one for each value: what was to stay had become what was added for a while. Whether it is there, and
            // ours, is looked up when it is removed.
            Undo::RemoveIndicator { .. } if self.stands_longer(due).await? => Ok(Theirs::Unclear(
                "huntbook had added it before, for longer: ask for its end if nobody wants it".to_owned(),
            )),
            // The account's master does not tell.
            Undo::EnableUser { .. } | Undo::RemoveIndicator { .. } => Ok(Theirs::Stands),
        };
        Ok(match shown {
            // Who asks by hand knows what they ask for.
            Ok(Theirs::Unclear(_why)) if due.asked => Theirs::Stands,
            Ok(theirs) => theirs,
            Err(error) => {
                Theirs::Unsettled(format!("the tenant does not say whether it stands: {}", Chain(&error)))
            }
        })
    }

    /// The marks of all attempts at a call.
    pub(super) async fn marks(&self, key: &EffectKey, tenant: &str) -> Result<Vec<String>, StoreError> {
        let attempts = self.store.effect(key).await?.map_or(0, |effect| effect.attempt);
        (1..=attempts).map(|attempt| self.store.mark(tenant, key, attempt)).collect()
    }

    /// The same of a device, by the list of its actions.
    async fn on_device(&self, due: &Revert, shown: &Shown<'_>) -> Result<Theirs, StoreError> {
        let age = due.since.duration_until(self.store.time().await?);
        let after = shown.after(age);
        let Some(earlier) = shown.before().filter(|_one| after == Theirs::Stands && !due.asked) else {
            return Ok(after);
        };
        if !self.store.is_marked(&due.tenant, earlier.requestor_comment.as_deref().unwrap_or_default())? {
            return Ok(Theirs::Over("it was in force already: it is not huntbook's".to_owned()));
        }
        Ok(match self.stands_longer(due).await? {
            true => Theirs::Over("huntbook had done it before, for longer: that stands".to_owned()),
            false => after,
        })
    }

    /// Whether huntbook did the same before or since, for longer.
    async fn stands_longer(&self, due: &Revert) -> Result<bool, StoreError> {
        let about = (due.tenant.as_str(), due.action.as_str(), due.target.as_str());
        self.store.stands_longer(about, &due.effect, due.due.unwrap_or(Timestamp::MAX)).await
    }

    /// Why a run that takes an action back does not, if it does not stand any more by now or nobody knows: `Ok` if that is
    /// an end, `Err` if it comes back.
    pub(super) async fn stands_no_more(
        &self,
        context: &Context<'_>,
    ) -> Result<Option<Result<(), String>>, EngineError> {
        if context.order.trigger != Trigger::Revert {
            return Ok(None);
        }
        let Some(due) = self.store.revert_of(context.run).await? else { return Ok(None) };
        let Ok(undo) = serde_json::from_value::<Undo>(due.undo.clone()) else { return Ok(None) };
        if !self.store.still_stands(&due.effect).await? {
            return Ok(Some(Ok(())));
        }
        Ok(match self.theirs(&*context.tenant, &due, &undo).await? {
            Theirs::Stands => None,
            Theirs::Over(_why) => Some(Ok(())),
            Theirs::Unsettled(why) | Theirs::Unclear(why) => Some(Err(why)),
        })
    }
}

/// An action of a device that is to be taken back.
struct Shown<'a> {
    /// What the tenant called it.
    remote_id: Option<&'a str>,
    undo: &'a Undo,
    device: &'a DeviceId,
    /// What its comment began with, at each attempt.
    marks: &'a [String],
    /// What the tenant lists of the device.
    actions: &'a [MachineAction],
}

impl<'a> Shown<'a> {
    /// What the device's actions since say of it, at its age.
    fn after(&self, age: SignedDuration) -> Theirs {
        let ours = self.ours();
        if ours.is_none() && age < LISTED_WITHIN {
            return Theirs::Unsettled("the tenant does not list it yet".to_owned());
        }
        // What is so old that the tenant has forgotten it came before all that is listed.
        let is_later = |action: &MachineAction| {
            ours.is_none_or(|ours| ours.creation_date_time_utc <= action.creation_date_time_utc)
        };
        let others = self.others().filter(|action| may_stand(action) && is_later(action));
        let Some(latest) = others.max_by_key(|action| self.order(action)) else { return Theirs::Stands };
        let is_known = ours.is_some() || self.remote_id.is_some();
        let open = |what: &str| Theirs::Unsettled(format!("{what}: {} is not over yet", latest.id));
        match (is_done(latest), self.undoes(latest)) {
            (true, true) => Theirs::Over("people have taken it back".to_owned()),
            (false, true) => open("people are taking it back"),
            (true, false) if is_known => {
                Theirs::Over("people have taken it back and done it anew: that is theirs".to_owned())
            }
            (true, false) => Theirs::Unclear(
                "it stands, and nobody knows whose it is: ask for its end if it is huntbook's".to_owned(),
            ),
            (false, false) => open("somebody has asked for the same"),
        }
    }

    /// What did the same before ours, and stood then.
    fn before(&self) -> Option<&'a MachineAction> {
        let ours = self.ours()?;
        let is_earlier =
            |action: &&MachineAction| action.creation_date_time_utc < ours.creation_date_time_utc;
        let others = self.others().filter(|action| is_done(action)).filter(is_earlier);
        others.max_by_key(|action| self.order(action)).filter(|action| self.does(action))
    }

    fn ours(&self) -> Option<&'a MachineAction> {
        let ours = self.actions.iter().filter(|action| self.is_ours(action));
        ours.max_by_key(|action| action.creation_date_time_utc)
    }

    /// What others did about the same.
    fn others(&self) -> impl Iterator<Item = &'a MachineAction> {
        self.actions.iter().filter(|action| {
            action.machine_id == *self.device
                && (self.does(action) || self.undoes(action))
                && !self.is_ours(action)
        })
    }

    /// Of two of one second what undoes comes last.
    fn order(&self, action: &MachineAction) -> (Option<Timestamp>, bool) {
        (action.creation_date_time_utc, self.undoes(action))
    }

    fn is_ours(&self, action: &MachineAction) -> bool {
        if action.machine_id != *self.device {
            return false;
        }
        let is_named = self.remote_id.is_some_and(|ours| ours == action.id.to_string());
        let comment = action.requestor_comment.as_deref().unwrap_or_default();
        let is_marked = || self.marks.iter().any(|mark| comment.starts_with(mark.as_str()));
        self.does(action) && (is_named || is_marked())
    }

    fn does(&self, action: &MachineAction) -> bool {
        let kind = match self.undo {
            Undo::ReleaseDevice(_) => ActionKind::IsolateDevice,
            Undo::RemoveAppRestriction(_) => ActionKind::RestrictAppExecution,
            Undo::RemoveIndicator { .. } | Undo::EnableUser { .. } => return false,
        };
        is_listed_as(action, kind)
    }

    fn undoes(&self, action: &MachineAction) -> bool {
        is_listed_as(action, self.undo.kind())
    }
}

fn is_listed_as(action: &MachineAction, kind: ActionKind) -> bool {
    kind.listed_as().is_some_and(|kind| kind.eq_ignore_ascii_case(&action.kind))
}

fn is_done(action: &MachineAction) -> bool {
    action.status == Term::Known(ActionStatus::Succeeded)
}

/// Whether an action came to something, or may yet.
const fn may_stand(action: &MachineAction) -> bool {
    let status = &action.status;
    !matches!(status, Term::Known(ActionStatus::Failed | ActionStatus::TimeOut | ActionStatus::Cancelled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DEVICE: &str = "1a5c0e7b94d2f3861a5c0e7b94d2f3861a5c0e7b";
    const OURS: &str = "00000000-0000-4000-8000-000000000005";
    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    /// An action by its kind, status and the hour it was asked for; the fifth is ours.
    fn action((kind, status, hour): (&str, &str, u32)) -> MachineAction {
        let comment = if hour == 5 { "[hb:1:k:1:75da7e85bb] contain" } else { "by hand" };
        let id = format!("00000000-0000-4000-8000-00000000000{hour}");
        let value = json!({
            "id": id, "type": kind, "status": status, "machineId": DEVICE, "requestorComment": comment,
            "creationDateTimeUtc": format!("2026-03-01T0{hour}:00:00Z"),
        });
        serde_json::from_value(value).unwrap()
    }

    fn with<T>(
        actions: &[(&str, &str, u32)],
        remote_id: Option<&str>,
        tell: impl FnOnce(&Shown<'_>) -> T,
    ) -> T {
        let actions: Vec<MachineAction> = actions.iter().copied().map(action).collect();
        let device = DEVICE.parse().unwrap();
        let (undo, marks) =
            (Undo::ReleaseDevice(DEVICE.parse().unwrap()), ["[hb:1:k:1:75da7e85bb]".to_owned()]);
        tell(&Shown { remote_id, undo: &undo, device: &device, marks: &marks, actions: &actions })
    }

    #[track_caller]
    fn check(actions: &[(&str, &str, u32)], expect: &str) {
        let theirs = with(actions, Some(OURS), |shown| shown.after(HOUR));
        assert!(format!("{theirs:?}").starts_with(expect), "{actions:?}: {theirs:?}");
    }

    #[test]
    fn only_what_came_to_something_after_ours_ends_it() {
        let ours = ("Isolate", "Succeeded", 5);
        check(&[ours], "Stands");
        for came_to_nothing in ["Failed", "TimeOut", "Cancelled"] {
            check(&[ours, ("Unisolate", came_to_nothing, 6)], "Stands");
            check(&[ours, ("Isolate", came_to_nothing, 6)], "Stands");
        }
        for open in ["Pending", "InProgress", "of another version"] {
            check(&[ours, ("Unisolate", open, 6)], "Unsettled");
            check(&[ours, ("Isolate", open, 6)], "Unsettled");
        }
        check(&[ours, ("Unisolate", "Succeeded", 6)], "Over");
        check(&[ours, ("Unisolate", "Succeeded", 6), ("Isolate", "Succeeded", 7)], "Over");
        check(&[("Unisolate", "Succeeded", 4), ours], "Stands");
        check(&[ours, ("RunAntiVirusScan", "Succeeded", 6)], "Stands");
    }

    #[test]
    fn what_is_not_listed_is_young_or_forgotten() {
        let released = [("Unisolate", "Succeeded", 4)];
        let at = |age| with(&released, Some(OURS), |shown| shown.after(age));
        assert!(matches!(at(LISTED_WITHIN - SignedDuration::from_secs(1)), Theirs::Unsettled(_)));
        assert!(matches!(at(LISTED_WITHIN), Theirs::Over(_)));
        assert_eq!(with(&[], Some(OURS), |shown| shown.after(LISTED_WITHIN)), Theirs::Stands);
    }

    #[test]
    fn without_a_name_the_mark_tells() {
        let unnamed = |actions: &[_]| with(actions, None, |shown| shown.after(HOUR));
        assert_eq!(unnamed(&[("Isolate", "Succeeded", 5)]), Theirs::Stands);
        assert!(matches!(unnamed(&[("Isolate", "Succeeded", 6)]), Theirs::Unclear(_)));
    }

    #[test]
    fn what_stood_before_ours_is_the_latest_that_came_to_something() {
        let before = |actions: &[_]| with(actions, Some(OURS), |shown| shown.before().is_some());
        let ours = ("Isolate", "Succeeded", 5);
        assert!(before(&[("Isolate", "Succeeded", 3), ours]));
        assert!(before(&[("Isolate", "Succeeded", 3), ("Unisolate", "Failed", 4), ours]));
        assert!(!before(&[("Isolate", "Succeeded", 3), ("Unisolate", "Succeeded", 4), ours]));
        assert!(!before(&[("Isolate", "Failed", 3), ours]));
        assert!(!before(&[ours, ("Isolate", "Succeeded", 6)]));
        assert!(!before(&[("Isolate", "Succeeded", 3)]));
    }
}
