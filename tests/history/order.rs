//! The steps of a playbook are taken in their order, for each item.

use std::collections::BTreeMap;
use std::sync::Arc;

use huntbook::playbook::{Action, OnError};
use huntbook::store::EffectState;

use super::Journal;

/// A step in the order of its playbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) step: String,
    /// Where the steps after it are taken however it ends, it may also be taken after them: when it was stopped or refused
    /// at first, and its run is gone on with.
    pub(crate) on_error: OnError,
}

/// The steps of a version, as they are written.
pub(super) fn of(actions: &[Action]) -> Arc<[Place]> {
    let place = |action: &Action| Place {
        step: action.id.clone().unwrap_or_else(|| action.body.key().to_owned()),
        on_error: action.on_error,
    };
    actions.iter().map(place).collect()
}

/// A step and its number.
type Numbered<'a> = (usize, &'a Place);

/// How far the steps of one item have come: each call by its key, of which step it is, and where it stands.
type Course<'a> = BTreeMap<&'a str, (Numbered<'a>, EffectState)>;

/// No item has a step before one that stands above it in the version its run uses, and none is begun while nobody knows what
/// became of an earlier one.
pub(super) fn steps(journal: &Journal, wrong: &mut Vec<String>) {
    let mut items: BTreeMap<(&str, i64), Course<'_>> = BTreeMap::new();
    for event in &journal.effects {
        let Some(about) = &event.about else { continue };
        let Some(places) = journal.own.get(&about.run).and_then(|own| own.steps.as_deref()) else { continue };
        let what = || format!("`{}` of item {} of {} ({})", about.step, about.item, about.run, event.key);
        let Some(own) = places.iter().enumerate().find(|(_, place)| place.step == about.step) else {
            wrong.push(format!("a step that its version does not have: {}", what()));
            continue;
        };
        let course = items.entry((&about.run, about.item)).or_default();
        if event.state == EffectState::Intended {
            for (other, state) in course.iter().filter(|(key, _)| **key != event.key).map(|(_, at)| *at) {
                if let Some(why) = out_of_order(own, (other, state)) {
                    wrong.push(format!("{} intended {why} `{}`", what(), other.1.step));
                }
            }
        }
        course.insert(&event.key, (own, event.state));
    }
}

/// Why a step may not be begun, given where a call of the same item stands.
fn out_of_order(
    (number, own): Numbered<'_>,
    ((other_number, other), state): (Numbered<'_>, EffectState),
) -> Option<&'static str> {
    match state {
        _ if number < other_number => (own.on_error == OnError::Stop).then_some("after"),
        EffectState::Intended | EffectState::Unknown => Some("while nobody knows about"),
        EffectState::Parked if other.on_error == OnError::Stop => Some("while nobody knows about"),
        EffectState::Parked
        | EffectState::Pending
        | EffectState::Done
        | EffectState::Failed
        | EffectState::NotApplied => None,
    }
}
