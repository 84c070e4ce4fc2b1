//! A history of each kind of action, sound and forged: what is done twice, without an intent, to another target, or not at
//! all is named, whatever kind it is.

use huntbook::sim::LogEntry;
use huntbook::store::EffectState::{Done, Intended, NotApplied, Parked, Pending, Unknown};
use huntbook::tenant::ActionKind;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::history::{Event, Journal, Rules, Truth, check};
use crate::{done, event, says};

/// The target of an action as a journal has it, and what a tenant logs of it: what it was done to, and the rest.
fn told(kind: ActionKind) -> (&'static str, &'static str, &'static str, Value) {
    let null = Value::Null;
    match kind {
        ActionKind::IsolateDevice => ("device:d1", "isolate", "d1", null),
        ActionKind::ReleaseDevice => ("device:d1", "unisolate", "d1", null),
        ActionKind::RunAntivirusScan => ("device:d1", "runAntiVirusScan", "d1", null),
        ActionKind::RestrictAppExecution => ("device:d1", "restrictCodeExecution", "d1", null),
        ActionKind::RemoveAppRestriction => ("device:d1", "unrestrictCodeExecution", "d1", null),
        ActionKind::CollectInvestigationPackage => ("device:d1", "collectInvestigationPackage", "d1", null),
        ActionKind::InitiateInvestigation => ("device:d1", "startInvestigation", "d1", null),
        ActionKind::StopAndQuarantineFile => ("device:d1", "stopAndQuarantineFile", "d1", null),
        ActionKind::RunLiveResponse => ("device:d1", "liveResponse", "d1", null),
        ActionKind::OffboardDevice => ("device:d1", "offboard", "d1", null),
        ActionKind::SetDeviceValue => ("device:d1", "setDeviceValue", "d1", json!({"value": "High"})),
        ActionKind::TagDevice => ("device:d1", "addTag", "d1", json!({"tag": "seen"})),
        ActionKind::UntagDevice => ("device:d1", "removeTag", "d1", json!({"tag": "seen"})),
        ActionKind::AddIndicator => ("indicator:bad.example", "putIndicator", "bad.example", null),
        ActionKind::RemoveIndicator => ("indicator:bad.example", "deleteIndicator", "bad.example", null),
        ActionKind::ReconcileIndicators => ("indicator:set bad", "putIndicator", "bad.example", null),
        ActionKind::DisableUser => ("user:u1", "disableUser", "u1", null),
        ActionKind::EnableUser => ("user:u1", "enableUser", "u1", null),
        ActionKind::RevokeSessions => ("user:u1", "revokeSessions", "u1", null),
        ActionKind::MarkUserAsCompromised => ("user:u1", "confirmCompromised", "u1", null),
        ActionKind::DismissUserRisk => ("user:u1", "dismissRisk", "u1", null),
        ActionKind::ForceUserPasswordReset => ("user:u1", "forcePasswordReset", "u1", null),
        ActionKind::SoftDeleteEmail => ("mail:m1/a@b.example", "softDelete", "m1/a@b.example", null),
        ActionKind::HardDeleteEmail => ("mail:m1/a@b.example", "hardDelete", "m1/a@b.example", null),
        ActionKind::MoveEmailToJunk => ("mail:m1/a@b.example", "moveToJunk", "m1/a@b.example", null),
        ActionKind::MoveEmailToInbox => ("mail:m1/a@b.example", "moveToInbox", "m1/a@b.example", null),
        ActionKind::MoveEmailToDeletedItems => {
            ("mail:m1/a@b.example", "moveToDeletedItems", "m1/a@b.example", null)
        }
        ActionKind::UpdateIncident => ("incident:7", "updateIncident", "7", null),
        ActionKind::CommentIncident => ("incident:7", "commentIncident", "7", null),
        ActionKind::MergeIncidents => {
            ("incident:7+8", "mergeIncidents", "8", json!({"incidents": ["7", "8"]}))
        }
        ActionKind::UpdateAlert => ("alert:a1", "updateAlert", "a1", null),
        ActionKind::UpdateAlerts => ("alert:a0+a1", "updateAlert", "a1", null),
        ActionKind::CommentAlert => ("alert:a1", "commentAlert", "a1", null),
        ActionKind::CreateAlert => {
            let at = "2026-01-10T11:00:00.1200000Z";
            let detail = json!({"machineId": "d1", "reportId": "20", "eventTime": at});
            ("device:d1/2026-01-10T11:00:00.12Z/20", "createAlert", "made1", detail)
        }
    }
}

const fn has_mark(kind: ActionKind) -> bool {
    kind.listed_as().is_some() || matches!(kind, ActionKind::CommentIncident | ActionKind::CommentAlert)
}

/// One call, done once.
fn once(kind: ActionKind) -> (Journal, Vec<Truth>) {
    let (target, effect, to, detail) = told(kind);
    let mut events = vec![event(1, "k", (1, Intended)), event(2, "k", (1, Done))];
    for event in &mut events {
        let about = event.about.as_mut().expect("it is known");
        (about.action, about.target) = (kind, target.to_owned());
        if kind == ActionKind::ReconcileIndicators && event.state == Done {
            "1 written, 0 removed, 3 as they were".clone_into(&mut event.detail);
        }
    }
    let mut log = done(1, 90, ("k", 1)).to_vec();
    for entry in &mut log {
        let LogEntry::Effect(one) = entry else { continue };
        (one.effect, one.target, one.detail) = (effect.to_owned(), to.to_owned(), detail.clone());
        one.comment = one.comment.take().filter(|_mark| has_mark(kind));
    }
    if kind == ActionKind::UpdateAlerts {
        let mut other = vec![(String::new(), log.clone())];
        effects(&mut other).for_each(|one| "a0".clone_into(&mut one.target));
        log.extend(other.into_iter().flat_map(|(_tenant, log)| log));
    }
    (Journal { effects: events, ..Journal::default() }, vec![("contoso".to_owned(), log)])
}

/// The effects in the log of the one tenant.
fn effects(truths: &mut [Truth]) -> impl Iterator<Item = &mut huntbook::sim::EffectEntry> {
    let log = truths.iter_mut().flat_map(|(_tenant, log)| log);
    log.filter_map(|entry| match entry {
        LogEntry::Effect(effect) => Some(effect),
        LogEntry::Request(_) | LogEntry::Message(_) => None,
    })
}

/// Changes a sound history of each kind, and looks whether that is named.
#[track_caller]
fn refused(what: &str, forge: impl Fn(ActionKind, &mut Journal, &mut Vec<Truth>)) {
    for kind in ActionKind::ALL {
        let (mut journal, mut truths) = once(*kind);
        forge(*kind, &mut journal, &mut truths);
        let wrong = check(&journal, &truths, &Rules::default());
        assert!(!wrong.is_empty(), "{what}: {kind}");
    }
}

#[test]
fn each_kind_done_once_is_let_pass() {
    for kind in ActionKind::ALL {
        let (journal, truths) = once(*kind);
        assert_eq!(check(&journal, &truths, &Rules::default()), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn each_kind_done_more_often_than_it_may_have_been_sent_is_named() {
    refused("done twice", |kind, _journal, truths| {
        // What may be sent again may have arrived as often.
        let more = match kind {
            ActionKind::UpdateIncident => 15,
            kind if kind.is_repeatable() => 5,
            _ => 1,
        };
        let log = truths[0].1.clone();
        (0..more).for_each(|_again| truths[0].1.extend(log.clone()));
    });
    let (journal, mut truths) = once(ActionKind::TagDevice);
    let log = truths[0].1.clone();
    (0..4).for_each(|_again| truths[0].1.extend(log.clone()));
    assert_eq!(check(&journal, &truths, &Rules::default()), Vec::<String>::new());
}

#[test]
fn each_kind_done_without_or_before_its_intent_is_named() {
    refused("without an intent", |_kind, journal, _truths| journal.effects.clear());
    refused("before its intent", |_kind, _journal, truths| {
        effects(truths).for_each(|effect| effect.at -= SignedDuration::from_mins(1));
    });
    refused("in another tenant", |_kind, _journal, truths| truths[0].0 = "fabrikam".to_owned());
}

#[test]
fn each_kind_done_to_another_target_is_named() {
    refused("to another target", |kind, _journal, truths| {
        for effect in effects(truths) {
            effect.target = "x9".to_owned();
            if kind == ActionKind::CreateAlert {
                effect.detail["machineId"] = "x9".into();
            }
            if kind == ActionKind::MergeIncidents {
                effect.detail = json!({"incidents": ["x8", "x9"]});
            }
            // Which indicators a set has its intent does not say: how many they were its end does.
            if kind == ActionKind::ReconcileIndicators {
                effect.effect = "deleteIndicator".to_owned();
            }
        }
    });
}

#[test]
fn an_incident_that_is_merged_besides_is_named() {
    let (journal, mut truths) = once(ActionKind::MergeIncidents);
    effects(&mut truths).for_each(|effect| effect.detail = json!({"incidents": ["7", "8", "9"]}));
    says("made one at", &(journal, truths), &Rules::default());
}

#[test]
fn each_kind_taken_for_done_and_not_applied_is_named() {
    refused("not applied", |_kind, _journal, truths| {
        truths[0].1.retain(|entry| !matches!(entry, LogEntry::Effect(_)));
    });
    // Two of the same on one target, and one of them came to nothing.
    refused("one of two", |_kind, journal, _truths| {
        let again = |event: &Event| Event { n: event.n + 2, key: "l".to_owned(), ..event.clone() };
        let mut more: Vec<Event> = journal.effects.iter().map(again).collect();
        for event in &mut more {
            event.at += SignedDuration::from_hours(48);
        }
        journal.effects.extend(more);
    });
}

#[test]
fn each_kind_taken_for_not_done_and_applied_is_named() {
    refused("applied all the same", |_kind, journal, _truths| journal.effects[1].state = NotApplied);
}

#[test]
fn what_nobody_knows_may_have_been_done_or_not() {
    for kind in ActionKind::ALL {
        let (mut journal, mut truths) = once(*kind);
        let about = journal.effects[0].about.clone();
        journal.effects.truncate(1);
        for (n, state) in [(2, Unknown), (3, Parked)] {
            journal.effects.push(Event { about: about.clone(), ..event(n, "k", (1, state)) });
            assert_eq!(check(&journal, &truths, &Rules::default()), Vec::<String>::new(), "{kind}");
        }
        // A person's word is taken for what it is.
        let word = Event { about, detail: "a person says so".to_owned(), ..event(4, "k", (1, Done)) };
        journal.effects.push(word);
        truths[0].1.retain(|entry| !matches!(entry, LogEntry::Effect(_)));
        assert_eq!(check(&journal, &truths, &Rules::default()), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn what_was_in_force_before_is_not_done() {
    let (mut journal, mut truths) = once(ActionKind::DisableUser);
    journal.effects[1].detail = "it was in force already".to_owned();
    says("by the journal 0 times at most", &(journal.clone(), truths.clone()), &Rules::default());
    truths[0].1.retain(|entry| !matches!(entry, LogEntry::Effect(_)));
    assert_eq!(check(&journal, &truths, &Rules::default()), Vec::<String>::new());
}

#[test]
fn an_effect_that_no_action_has_is_named() {
    let (journal, mut truths) = once(ActionKind::HardDeleteEmail);
    let mut stray = truths.clone();
    effects(&mut stray).for_each(|effect| "cancel".clone_into(&mut effect.effect));
    truths.extend(stray);
    says("no action does that: cancel", &(journal, truths), &Rules::default());
}

#[test]
fn what_should_carry_a_mark_and_does_not_is_named() {
    let (mut journal, mut truths) = once(ActionKind::CommentIncident);
    effects(&mut truths).for_each(|effect| effect.comment = Some("why".to_owned()));
    journal.effects[1].state = Pending;
    says("done without a mark: commentIncident of 7", &(journal, truths), &Rules::default());
}

#[test]
fn a_user_and_an_incident_are_the_same_by_each_of_their_names() {
    let (mut journal, mut truths) = once(ActionKind::RevokeSessions);
    for event in &mut journal.effects {
        event.about.as_mut().expect("it is known").target = "user:ada@b.example".to_owned();
    }
    says("revokeSessions of u1", &(journal.clone(), truths.clone()), &Rules::default());
    let LogEntry::Request(request) = &mut truths[0].1[1] else { panic!("a request") };
    request.path = "/v1.0/users/Ada%40b.example/revokeSignInSessions".to_owned();
    assert_eq!(check(&journal, &truths, &Rules::default()), Vec::<String>::new());

    let (mut journal, mut truths) = once(ActionKind::MergeIncidents);
    let (more, log) = once(ActionKind::UpdateIncident);
    journal.effects.extend(more.effects.into_iter().map(|event| Event {
        n: event.n + 2,
        key: "l".to_owned(),
        at: event.at + SignedDuration::from_mins(5),
        ..event
    }));
    let late = |mut entry: LogEntry| {
        if let LogEntry::Effect(effect) = &mut entry {
            effect.target = "8".to_owned();
            effect.at += SignedDuration::from_mins(5);
        }
        entry
    };
    truths[0].1.extend(log.into_iter().flat_map(|(_tenant, log)| log).map(late));
    assert_eq!(check(&journal, &truths, &Rules::default()), Vec::<String>::new());
}
