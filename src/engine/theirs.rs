//! What the tenant shows of an action that is to be taken back: whether it still stands, and whether that is huntbook's.

use jiff::{SignedDuration, Timestamp};

use super::context::Context;
use super::revert::{REPEATED, REPLACED};
use super::{Engine, EngineError};
use crate::action::{ActionKind, Undo};
use crate::diag::Chain;
use crate::model::Term;
use crate::store::{EffectKey, Revert, Stand, StoreError, Trigger};
use crate::tenant::{AccountAt, ActionStatus, IndicatorLeft, MachineAction, Tenant};

/// How long before an action its device is looked at: about as long as the service keeps its list.
const BEFORE: SignedDuration = SignedDuration::from_hours(180 * 24);
/// How long a tenant may take to list what it has accepted.
const LISTED_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// What stands of an action in the tenant.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Theirs {
    /// It does.
    Stands,
    /// It does not.
    Over(String),
    /// It does, and is others' by now or again, or wanted for longer.
    Stays(String),
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
                        let about = actions.iter().filter(|action| action.machine_id == *device);
                        let mut seen = Vec::new();
                        for action in about {
                            let comment = action.requestor_comment.as_deref().unwrap_or_default();
                            seen.push((action, self.store.is_marked(&due.tenant, comment)?));
                        }
                        let remote_id = due.remote_id.as_deref();
                        let shown = Shown { since: due.since, remote_id, undo, marks: &marks, seen };
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
            Undo::RemoveIndicator { kind, value, added } => match self.is_added_for_longer(due).await? {
                Theirs::Stands => {
                    let age = due.since.duration_until(self.store.time().await?);
                    let left = tenant.left_of((*kind, value), *added).await;
                    left.map(|left| of_indicator(left, age))
                }
                longer => Ok(longer),
            },
            // The account's master does not tell.
            Undo::EnableUser { .. } => Ok(Theirs::Stands),
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
        if after != Theirs::Stands || due.asked {
            return Ok(after);
        }
        let before = shown.before();
        let others = before.iter().filter(|(_action, is_own)| !is_own);
        let goes_as_far = |action: &MachineAction| shown.ours().is_none_or(|ours| ours.scope == action.scope);
        if let Some(goes_as_far) = others.map(|(action, _)| goes_as_far(action)).max() {
            let why = "it was in force already: it is not huntbook's";
            let less =
                || Theirs::Unclear(format!("{why}, and went less far: ask for its end if nobody wants it"));
            return Ok(if goes_as_far { Theirs::Stays(why.to_owned()) } else { less() });
        }
        let is_longer = !before.is_empty() && self.store.stands_longer(due).await?.is_some();
        Ok(if is_longer {
            Theirs::Stays("huntbook had done it before, for longer: that stands".to_owned())
        } else {
            after
        })
    }

    /// There is one indicator for each value: what was to stay, or for longer, has become what was added for a while.
    async fn is_added_for_longer(&self, due: &Revert) -> Result<Theirs, StoreError> {
        if due.asked {
            return Ok(Theirs::Stands);
        }
        Ok(match self.store.stands_longer(due).await? {
            None => Theirs::Stands,
            Some(Some(until)) => {
                Theirs::Over(format!("huntbook has added it for longer: it is taken away at {until:.0}"))
            }
            Some(None) => Theirs::Unclear(
                "huntbook has added it for good: ask for its end if nobody wants it".to_owned(),
            ),
        })
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
        match self.store.still_stands(&due.effect).await? {
            Stand::Stands => {}
            Stand::Repeated => return Ok(Some(Err(REPEATED.to_owned()))),
            Stand::Replaced => return Ok(Some(Err(REPLACED.to_owned()))),
            Stand::Over => return Ok(Some(Ok(()))),
        }
        Ok(match self.theirs(&*context.tenant, &due, &undo).await? {
            Theirs::Stands => None,
            Theirs::Over(_why) => Some(Ok(())),
            // The next look says so to people.
            Theirs::Stays(why) | Theirs::Unsettled(why) | Theirs::Unclear(why) => Some(Err(why)),
        })
    }
}

/// An action of a device that is to be taken back.
struct Shown<'a> {
    since: Timestamp,
    /// What the tenant called it.
    remote_id: Option<&'a str>,
    undo: &'a Undo,
    /// What its comment began with, at each attempt.
    marks: &'a [String],
    /// What the tenant lists of the device, and whether huntbook did it.
    seen: Vec<(&'a MachineAction, bool)>,
}

impl<'a> Shown<'a> {
    /// What the device's actions since say of it, at its age.
    fn after(&self, age: SignedDuration) -> Theirs {
        let ours = self.ours();
        if ours.is_none() && age < LISTED_WITHIN {
            return Theirs::Unsettled("the tenant does not list it yet".to_owned());
        }
        let begun = ours.map_or(Some(self.since), |ours| ours.creation_date_time_utc);
        let is_later = |action: &MachineAction| begun <= action.creation_date_time_utc;
        // What huntbook did for other reasons is looked up in the journal.
        let others = self.others().filter(|(action, is_own)| self.undoes(action) || !is_own);
        let others = others.map(|(action, _)| action).filter(|action| may_stand(action) && is_later(action));
        let Some(latest) = others.max_by_key(|action| self.order(action)) else { return Theirs::Stands };
        let is_known = ours.is_some() || self.remote_id.is_some();
        let open = |what: &str| Theirs::Unsettled(format!("{what}: {} is not over yet", latest.id));
        match (latest.is_done(), self.undoes(latest)) {
            (true, true) => Theirs::Over("people have taken it back".to_owned()),
            (false, true) => open("people are taking it back"),
            (true, false) if is_known => {
                Theirs::Stays("people have done it anew since: that is theirs".to_owned())
            }
            (true, false) => Theirs::Unclear(
                "it stands, and nobody knows whose it is: ask for its end if it is huntbook's".to_owned(),
            ),
            (false, false) => open("somebody has asked for the same"),
        }
    }

    /// What did the same before ours, and stood then: since it was last taken back.
    fn before(&self) -> Vec<(&'a MachineAction, bool)> {
        let Some(ours) = self.ours() else { return Vec::new() };
        let is_earlier = |action: &MachineAction| action.creation_date_time_utc < ours.creation_date_time_utc;
        let others = self.others().filter(|(action, _)| action.is_done() && is_earlier(action));
        let mut others: Vec<_> = others.collect();
        others.sort_by_key(|(action, _)| std::cmp::Reverse(self.order(action)));
        others.into_iter().take_while(|(action, _)| self.does(action)).collect()
    }

    fn ours(&self) -> Option<&'a MachineAction> {
        let ours = self.seen.iter().map(|(action, _)| *action).filter(|action| self.is_ours(action));
        ours.max_by_key(|action| action.creation_date_time_utc)
    }

    /// What others did about the same, or huntbook for other reasons.
    fn others(&self) -> impl Iterator<Item = (&'a MachineAction, bool)> {
        let all = self.seen.iter().copied();
        all.filter(|(action, _)| (self.does(action) || self.undoes(action)) && !self.is_ours(action))
    }

    /// Of two of one second what undoes comes last.
    fn order(&self, action: &MachineAction) -> (Option<Timestamp>, bool) {
        (action.creation_date_time_utc, self.undoes(action))
    }

    fn is_ours(&self, action: &MachineAction) -> bool {
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

/// What is left of an indicator, at its age.
fn of_indicator(left: IndicatorLeft, age: SignedDuration) -> Theirs {
    match left {
        IndicatorLeft::Ours => Theirs::Stands,
        IndicatorLeft::Nothing if age < LISTED_WITHIN => {
            Theirs::Unsettled("the tenant does not list it yet".to_owned())
        }
        IndicatorLeft::Nothing => Theirs::Over(
            "it is not there any more: people have taken it away, or its time is over".to_owned(),
        ),
        IndicatorLeft::Others(what) => {
            Theirs::Stays(format!("what is there is not what huntbook added: {what}"))
        }
        IndicatorLeft::Unclear(what) => Theirs::Unclear(format!(
            "nobody knows whether what is there is huntbook's: {what}; ask for its end if nobody wants it"
        )),
    }
}

fn is_listed_as(action: &MachineAction, kind: ActionKind) -> bool {
    kind.listed_as().is_some_and(|kind| kind.eq_ignore_ascii_case(&action.kind))
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

    /// An action by its kind, status and the hour it was asked for; that of the fifth is ours, those of the second and eighth
    /// are huntbook's for other reasons.
    fn action((kind, status, hour): (&str, &str, u32)) -> MachineAction {
        let comment = match hour {
            5 => "[hb:1:k:1:75da7e85bb] contain",
            2 | 8 => "[hb:1:l:1:0123456789] contain",
            _ => "by hand",
        };
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
        let is_own = |action: &MachineAction| action.requestor_comment.as_deref() != Some("by hand");
        let seen = actions.iter().map(|action| (action, is_own(action))).collect();
        let (undo, marks) =
            (Undo::ReleaseDevice(DEVICE.parse().unwrap()), ["[hb:1:k:1:75da7e85bb]".to_owned()]);
        tell(&Shown {
            since: "2026-03-01T05:00:00Z".parse().unwrap(),
            remote_id,
            undo: &undo,
            marks: &marks,
            seen,
        })
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
        check(&[ours, ("Unisolate", "Succeeded", 6), ("Isolate", "Succeeded", 7)], "Stays");
        check(&[ours, ("Isolate", "Succeeded", 8)], "Stands");
        check(&[("Unisolate", "Succeeded", 4), ours], "Stands");
        check(&[ours, ("RunAntiVirusScan", "Succeeded", 6)], "Stands");
    }

    #[test]
    fn of_what_is_not_listed_only_what_came_after_it_tells() {
        let at = |released, age| {
            with(&[("Unisolate", "Succeeded", released)], Some(OURS), |shown| shown.after(age))
        };
        assert!(matches!(at(6, LISTED_WITHIN - SignedDuration::from_secs(1)), Theirs::Unsettled(_)));
        assert!(matches!(at(6, LISTED_WITHIN), Theirs::Over(_)));
        assert_eq!(at(4, LISTED_WITHIN), Theirs::Stands);
    }

    #[test]
    fn without_a_name_the_mark_tells() {
        let unnamed = |actions: &[_]| with(actions, None, |shown| shown.after(HOUR));
        assert_eq!(unnamed(&[("Isolate", "Succeeded", 5)]), Theirs::Stands);
        assert!(matches!(unnamed(&[("Isolate", "Succeeded", 6)]), Theirs::Unclear(_)));
        // Either of them is enough to know it, and then what came after it is others'.
        let is_ours =
            |hour, name| with(&[("Isolate", "Succeeded", hour)], name, |shown| shown.ours().is_some());
        let sixth = OURS.replace('5', "6");
        assert!(is_ours(5, None) && is_ours(6, Some(sixth.as_str())) && !is_ours(6, None));
        let anew = ("Isolate", "Succeeded", 6);
        assert!(matches!(unnamed(&[("Isolate", "Succeeded", 5), anew]), Theirs::Stays(_)));
        check(&[anew], "Stays");
    }

    #[test]
    fn what_was_done_in_the_same_second_was_not_before_it() {
        let (ours, mut other) = (action(("Isolate", "Succeeded", 5)), action(("Isolate", "Succeeded", 3)));
        other.creation_date_time_utc = ours.creation_date_time_utc;
        let (since, undo) =
            (ours.creation_date_time_utc.unwrap(), Undo::ReleaseDevice(DEVICE.parse().unwrap()));
        let seen = vec![(&other, false), (&ours, true)];
        let shown = Shown { since, remote_id: Some(OURS), undo: &undo, marks: &[], seen };
        assert!(shown.before().is_empty() && matches!(shown.after(HOUR), Theirs::Stays(_)));
    }

    #[test]
    fn what_is_left_of_an_indicator_is_ours_or_is_not_touched() {
        let soon = LISTED_WITHIN - SignedDuration::from_secs(1);
        let of = |left, age| format!("{:?}", of_indicator(left, age));
        for (left, age, expect) in [
            (IndicatorLeft::Ours, SignedDuration::ZERO, "Stands"),
            (IndicatorLeft::Nothing, soon, "Unsettled"),
            (IndicatorLeft::Nothing, LISTED_WITHIN, "Over"),
            (IndicatorLeft::Others("theirs".to_owned()), soon, "Stays"),
            (IndicatorLeft::Unclear("somebody's".to_owned()), soon, "Unclear"),
        ] {
            assert!(of(left, age).starts_with(expect), "{expect}");
        }
    }

    #[test]
    fn what_stood_before_ours_is_what_was_not_taken_back() {
        let before = |actions: &[_]| {
            with(actions, Some(OURS), |shown| {
                shown.before().iter().map(|(_action, own)| *own).collect::<Vec<_>>()
            })
        };
        let ours = ("Isolate", "Succeeded", 5);
        assert_eq!(before(&[("Isolate", "Succeeded", 3), ours]), [false]);
        assert_eq!(before(&[("Isolate", "Succeeded", 1), ("Isolate", "Succeeded", 2), ours]), [true, false]);
        assert_eq!(before(&[("Isolate", "Succeeded", 3), ("Unisolate", "Failed", 4), ours]), [false]);
        assert!(before(&[("Isolate", "Succeeded", 3), ("Unisolate", "Succeeded", 4), ours]).is_empty());
        assert!(before(&[("Isolate", "Failed", 3), ours]).is_empty());
        assert!(before(&[ours, ("Isolate", "Succeeded", 6)]).is_empty());
        assert!(before(&[("Isolate", "Succeeded", 3)]).is_empty());
    }
}
