//! The life of one action, through every order of events that the numbers allow: crash, wait, loss, late application, late
//! list, failed look, a person's word, and the attempts after it. What decides is what ships: which state follows which,
//! when it is too late to send, what an answer means and what none does, what a death leaves, what a list shows, when a look
//! tells, what a person's word does, what is tried again.

use std::collections::BTreeSet;

use super::*;
use crate::action::Remote;
use crate::engine::answer::{after_error, after_success};
use crate::engine::passage::is_too_late;
use crate::http::{Applied, HttpError};
use crate::store::Word;
use crate::tenant::RemoteState;

/// Half a minute.
const STEP: SignedDuration = SignedDuration::from_secs(30);
/// Longest that a request takes to be carried out, and from then to be listed, in steps.
const APPLIED: u32 = 4;
const SHOWN: u32 = 6;
/// Longest that an answer is waited for.
const ANSWER: u32 = 2;
/// Deaths of the process, and looks that fail.
const CRASHES: u32 = 2;
const FAILURES: u32 = 1;

/// What the process has in hand; it is forgotten with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hand {
    Nothing,
    /// An intent is on disk, for so many steps.
    Intent(u32),
    /// A request has left, so many steps ago.
    Request(u32),
}

/// What is on its way: steps until it is carried out, and from then until it is listed.
type Flight = (u32, u32);

/// Everything there is at one moment. Times are counted back from now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    /// The journal.
    effect: Option<(EffectState, u32)>,
    hand: Hand,
    /// Since when the doubt is known and since when a list lacked it, in the process's memory.
    doubt: Option<(SignedDuration, Option<SignedDuration>)>,
    /// Whether a look falls in this step.
    looks: bool,
    flight: Option<Flight>,
    /// Steps until what was done is listed.
    listed: Option<u32>,
    applied: u32,
    crashes: u32,
    failures: u32,
}

impl Moment {
    const FIRST: Self = Self {
        effect: None,
        hand: Hand::Nothing,
        doubt: None,
        looks: true,
        flight: None,
        listed: None,
        applied: 0,
        crashes: CRASHES,
        failures: FAILURES,
    };

    /// The journal takes a state, if it may follow.
    fn goes(&self, state: EffectState) -> Self {
        let (last, attempt) = match self.effect {
            Some((last, attempt)) => (Some(last), attempt),
            None => (None, 0),
        };
        assert!(EffectState::follows(last, state), "{state} after {self:?}");
        let attempt = attempt + u32::from(state == EffectState::Intended);
        Self { effect: Some((state, attempt)), ..self.clone() }
    }

    /// Nobody is at it any more: it goes where the journal takes it then.
    fn left(&self) -> Self {
        let mut after = Self { hand: Hand::Nothing, doubt: None, ..self.clone() };
        while let Some(next) = after.effect.and_then(|(state, _)| state.once_left()) {
            after = after.goes(next);
        }
        after
    }

    /// The process dies, and the next one deals with what it finds.
    fn restarted(&self) -> Self {
        Self { crashes: self.crashes - 1, ..self.left() }
    }

    /// What is in hand comes to an end.
    fn ends(&self, state: EffectState) -> Self {
        Self { hand: Hand::Nothing, ..self.goes(state) }
    }

    /// A person says what has become of it.
    fn heard(&self, word: Word) -> Self {
        let (last, _attempt) = self.effect.expect("it was intended");
        self.goes(word.state(last))
    }

    /// Half a minute passes.
    fn later(&self) -> Self {
        let back = |at: SignedDuration| at.saturating_sub(STEP);
        let mut after = self.clone();
        after.looks = !self.looks;
        after.doubt = self.doubt.map(|(known, missing)| (back(known), missing.map(back)));
        after.listed = self.listed.map(|steps| steps.saturating_sub(1));
        after.hand = match self.hand {
            Hand::Nothing => Hand::Nothing,
            Hand::Intent(steps) => Hand::Intent(steps + 1),
            Hand::Request(steps) => Hand::Request(steps + 1),
        };
        match self.flight {
            Some((0, shown)) => {
                (after.flight, after.listed, after.applied) = (None, Some(shown), self.applied + 1);
            }
            Some((steps, shown)) => after.flight = Some((steps - 1, shown)),
            None => {}
        }
        after
    }

    /// Whether nothing happens any more.
    fn is_over(&self) -> bool {
        let settled = match self.effect {
            Some((state @ EffectState::NotApplied, attempt)) => !state.may_be_tried_again(attempt),
            Some((state, _)) => matches!(state, EffectState::Pending | EffectState::Done),
            None => false,
        };
        settled && self.flight.is_none()
    }

    /// What can come next, and what it is called.
    fn next(&self, patience: Patience) -> Vec<(&'static str, Self)> {
        let mut next = Vec::new();
        match (self.hand, self.effect) {
            (Hand::Intent(waited), _) => {
                next.push(("wait before the request", self.later()));
                let intended = SignedDuration::ZERO;
                if is_too_late(intended, STEP * i32::try_from(waited).expect("few")) {
                    let withheld = HttpError::Withheld { request: String::new(), why: String::new() };
                    return vec![("too late to send", self.ends(after_error(withheld.applied())))];
                }
                let sent = Self { hand: Hand::Request(0), ..self.clone() };
                next.push(("the request is lost", sent.clone()));
                for (applied, shown) in
                    (0..=APPLIED).flat_map(|applied| (0..=SHOWN).map(move |shown| (applied, shown)))
                {
                    next.push((
                        "the request leaves",
                        Self { flight: Some((applied, shown)), ..sent.clone() },
                    ));
                }
            }
            (Hand::Request(waited), _) => {
                if waited < ANSWER {
                    next.push(("wait for the answer", self.later()));
                }
                next.push(("the answer is lost", self.ends(after_error(Applied::Unknown)).left()));
                if 0 < self.applied {
                    let (accepted, ..) = after_success(RemoteState::Pending, Remote::Later);
                    next.push(("it is accepted", self.ends(accepted)));
                } else if self.flight.is_none() {
                    next.push(("it is refused", self.ends(after_error(Applied::No))));
                }
            }
            (Hand::Nothing, None) => next.push(("an intent", begun(self))),
            (Hand::Nothing, Some((EffectState::Parked, _))) => self.in_doubt(patience, &mut next),
            (Hand::Nothing, Some((state, attempt))) if state.may_be_tried_again(attempt) => {
                next.push(("another attempt", begun(self)));
            }
            (Hand::Nothing, Some(_settled)) => next.push(("time passes", self.later())),
        }
        if 0 < self.crashes && self.effect.is_some() {
            next.push(("the process dies", self.restarted()));
        }
        next
    }

    /// What can come next of an action in doubt.
    fn in_doubt(&self, patience: Patience, next: &mut Vec<(&'static str, Self)>) {
        if 0 < self.applied {
            next.push(("a person has seen it", self.heard(Word::Done)));
        } else if self.flight.is_none() {
            next.push(("a person knows that there is none", self.heard(Word::NotApplied)));
        }
        let now = SignedDuration::ZERO;
        let (known, missing) = self.doubt.unwrap_or((now, None));
        let mut doubt = Doubt { missing, ..Doubt::new(known, Timestamp::UNIX_EPOCH) };
        let noted = Self { doubt: Some((known, missing)), ..self.clone() };
        if !self.looks || !doubt.is_due(now, patience) {
            next.push(("not yet", if self.looks { noted.later() } else { self.later() }));
            return;
        }
        if 0 < self.failures {
            next.push(("a look fails", Self { failures: self.failures - 1, ..noted.later() }));
        }
        let proof = Proof { is_missing_believed: true, is_missing_enough: true };
        next.push(match doubt.after(Some(self.look()), now, proof) {
            Some(end @ End::Found(_)) => ("it is found", noted.goes(end.state())),
            Some(end @ End::NeverTaken) => ("it is proven missing", noted.goes(end.state())),
            None => ("a list lacks it", Self { doubt: Some((known, doubt.missing)), ..noted }.later()),
        });
    }

    /// What the tenant's list says at this moment.
    fn look(&self) -> Look {
        let (id, device) =
            ("00000000-0000-4000-8000-000000000001", "1e5bc9d7e413ddd7902c2932e418702b84d0cc07");
        let (mark, kind) = ("[hb:1:key:1:mac]".to_owned(), "Isolate");
        let action = || {
            serde_json::from_value(serde_json::json!({
                "id": id, "type": kind, "status": "Pending", "machineId": device,
                "requestorComment": format!("{mark} why"),
            }))
        };
        let shown = (self.listed == Some(0)).then(action).transpose().expect("an action");
        let aim = Listed { listed_as: kind, device: device.parse().expect("a device") };
        in_list(shown.as_slice(), &aim, std::slice::from_ref(&mark))
    }
}

/// The next attempt; what the attempts before have left in the list is theirs.
fn begun(moment: &Moment) -> Moment {
    Moment { hand: Hand::Intent(0), doubt: None, ..moment.goes(EffectState::Intended) }
}

/// What was seen on the way through all orders of events.
#[derive(Debug, Default)]
struct Seen {
    moments: BTreeSet<Moment>,
    events: BTreeMap<&'static str, u32>,
    ends: BTreeMap<(&'static str, u32), u32>,
    wrong: Vec<Moment>,
}

fn explore(patience: Patience) -> Seen {
    let mut seen = Seen::default();
    let mut open = vec![Moment::FIRST];
    while let Some(moment) = open.pop() {
        if !seen.moments.insert(moment.clone()) {
            continue;
        }
        let over = moment.is_over();
        let state = moment.effect.map(|(state, _)| state);
        let is_believed = matches!(state, Some(EffectState::Pending | EffectState::Done));
        if 1 < moment.applied || (over && is_believed != (moment.applied == 1)) {
            seen.wrong.push(moment);
            continue;
        }
        if over {
            let attempt = moment.effect.map_or(0, |(_, attempt)| attempt);
            *seen.ends.entry((state.map_or("", EffectState::as_str), attempt)).or_default() += 1;
            continue;
        }
        for (event, next) in moment.next(patience) {
            *seen.events.entry(event).or_default() += 1;
            open.push(next);
        }
    }
    seen
}

#[test]
fn no_order_of_events_does_an_action_twice_or_believes_what_is_not_so() {
    let seen = explore(PATIENCE);
    assert_eq!(seen.wrong, []);
    let states: BTreeSet<&str> =
        seen.moments.iter().filter_map(|moment| moment.effect).map(|(state, _)| state.as_str()).collect();
    // What was accepted ends well or not: that is the device's, and not told here. Not knowing is parked at once.
    assert_eq!(states, BTreeSet::from(["done", "intended", "notApplied", "parked", "pending"]));
    let events = [
        "a list lacks it",
        "a look fails",
        "a person has seen it",
        "a person knows that there is none",
        "an intent",
        "another attempt",
        "it is accepted",
        "it is found",
        "it is proven missing",
        "it is refused",
        "not yet",
        "the answer is lost",
        "the process dies",
        "the request is lost",
        "the request leaves",
        "too late to send",
        "wait before the request",
        "wait for the answer",
    ];
    assert_eq!(seen.events.keys().copied().collect::<Vec<_>>(), events);
    let ends = ["done", "pending"].into_iter().flat_map(|state| (1..=3).map(move |attempt| (state, attempt)));
    let ends: Vec<_> = ends.chain([("notApplied", 3)]).collect();
    assert_eq!(seen.ends.keys().copied().collect::<BTreeSet<_>>(), ends.into_iter().collect());
    assert!(5_000 < seen.moments.len(), "{} moments", seen.moments.len());
}

#[test]
fn whoever_believes_a_list_too_early_does_it_twice() {
    let hasty = |mins, secs| Patience {
        settled_after: SignedDuration::from_mins(mins),
        looks_apart: SignedDuration::from_secs(secs),
    };
    for patience in [hasty(0, 60), hasty(3, 60)] {
        let seen = explore(patience);
        assert!(seen.wrong.iter().any(|moment| 1 < moment.applied), "{patience:?}");
    }
}
