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
    /// Whether the steps after it are taken however it ends: then it may also be taken after them, when it was stopped or
    /// refused at first and its run is gone on with.
    pub(crate) goes_on: bool,
}

/// The steps of a version, as they are written.
pub(super) fn of(actions: &[Action]) -> Arc<[Place]> {
    let place = |action: &Action| Place {
        step: action.id.clone().unwrap_or_else(|| action.body.key().to_owned()),
        goes_on: action.on_error == OnError::Continue,
    };
    actions.iter().map(place).collect()
}

/// How far the steps of one item have come: the place of each that was intended, and where its calls stand.
type Course<'a> = BTreeMap<(usize, &'a str), EffectState>;

/// No item has a step before one that stands above it in the version its run uses, and none is begun while nobody knows what
/// became of an earlier one.
pub(super) fn steps(journal: &Journal, wrong: &mut Vec<String>) {
    let mut items: BTreeMap<(&str, i64), Course<'_>> = BTreeMap::new();
    for event in &journal.effects {
        let Some(about) = &event.about else { continue };
        let Some(places) = journal.own.get(&about.run).and_then(|own| own.steps.as_deref()) else { continue };
        let what = || format!("`{}` of item {} of {} ({})", about.step, about.item, about.run, event.key);
        let Some(place) = places.iter().position(|place| place.step == about.step) else {
            wrong.push(format!("a step that its version does not have: {}", what()));
            continue;
        };
        let course = items.entry((&about.run, about.item)).or_default();
        if event.state == EffectState::Intended {
            let others = course.iter().filter(|((_, key), _)| *key != event.key);
            for ((other, _), state) in others {
                if let Some(why) = out_of_order(places, place, (*other, *state)) {
                    wrong.push(format!("{} intended {why} `{}`", what(), places[*other].step));
                }
            }
        }
        course.insert((place, &event.key), event.state);
    }
}

/// Why a step may not be begun, given where a call of the same item stands.
fn out_of_order(
    places: &[Place],
    place: usize,
    (other, state): (usize, EffectState),
) -> Option<&'static str> {
    match state {
        _ if place < other => (!places[place].goes_on).then_some("after"),
        EffectState::Intended | EffectState::Unknown => Some("while nobody knows about"),
        EffectState::Parked if !places[other].goes_on => Some("while nobody knows about"),
        EffectState::Parked
        | EffectState::Pending
        | EffectState::Done
        | EffectState::Failed
        | EffectState::NotApplied => None,
    }
}
