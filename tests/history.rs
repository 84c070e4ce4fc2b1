//! The checker of histories names what is wrong with a history: one that cannot fail would show nothing.

#[path = "history/mod.rs"]
mod history;
#[path = "history/kinds.rs"]
mod kinds;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use history::{About, Asked, Event, Journal, Own, Place, Rules, Said, Truth, assert_holds, check, hold};
use huntbook::clock::SystemClock;
use huntbook::playbook::OnError;
use huntbook::sim::{EffectEntry, LogEntry, RequestEntry, SimApp};
use huntbook::store::ApprovalState::{Approved, Awaiting, Consumed};
use huntbook::store::EffectState::{self, Done, Intended, NotApplied, Parked, Pending, Unknown};
use huntbook::store::Store;
use huntbook::tenant::ActionKind;
use jiff::{SignedDuration, Timestamp};

const PLAYBOOK: &str = "p";

/// Tests with a simulated tenant whose histories nobody holds against it, and why.
const UNHELD: &[(&str, &str)] = &[
    ("doctor", "it only looks"),
    ("readme", "it shows what people see"),
    ("record", "it only reads"),
    ("schema_pull", "it only reads"),
    ("secrets", "its tenants are one, with an app each, and the checker knows one app"),
    ("sim", "the tenant itself is on trial"),
    ("sim_client", "the tenant itself is on trial"),
    ("sim_tls", "the tenant itself is on trial"),
    ("tenant", "calls without a journal"),
];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_770_000_000 + second).expect("it is in range")
}

/// A call: a key of its own, and the device of that name.
fn event(n: i64, key: &str, (attempt, state): (u64, EffectState)) -> Event {
    let about = About {
        run: "r".to_owned(),
        item: n,
        step: "isolateDevice".to_owned(),
        tenant: "contoso".to_owned(),
        playbook: PLAYBOOK.to_owned(),
        action: ActionKind::IsolateDevice,
        target: format!("device:{key}"),
    };
    let (key, detail) = (key.to_owned(), String::new());
    Event { n, at: at(n * 60), key, attempt, state, detail, remote: None, about: Some(about) }
}

/// What the tenant says was done: a request of ours and its effect.
fn done(seq: u64, second: i64, (key, attempt): (&str, u64)) -> [LogEntry; 2] {
    let request = RequestEntry {
        seq,
        at: at(second),
        method: "POST".to_owned(),
        path: String::new(),
        query: String::new(),
        app: Some(SimApp::CLIENT_ID.to_owned()),
        status: Some(201),
        fault: None,
        bytes: 0,
        note: None,
    };
    let effect = EffectEntry {
        seq,
        at: at(second),
        effect: "isolate".to_owned(),
        target: key.to_owned(),
        comment: Some(format!("[hb:1:{key}:{attempt}:0123456789] isolated")),
        action: Some(format!("action-{seq}")),
        detail: serde_json::Value::Null,
    };
    [LogEntry::Effect(effect), LogEntry::Request(request)]
}

/// Two calls: one simple, one whose first request got lost.
fn sound() -> (Journal, Vec<Truth>) {
    let effects = vec![
        event(1, "a", (1, Intended)),
        event(2, "a", (1, Pending)),
        event(3, "b", (1, Intended)),
        event(4, "b", (1, Unknown)),
        event(5, "b", (1, Parked)),
        Event {
            detail: "no answer came, and two looks at the tenant, a minute apart, do not show it".to_owned(),
            ..event(6, "b", (1, NotApplied))
        },
        event(7, "b", (2, Intended)),
        event(8, "b", (2, Pending)),
        event(9, "a", (1, Done)),
    ];
    let log = [done(1, 90, ("a", 1)), done(2, 450, ("b", 2))].concat();
    (Journal { effects, ..Journal::default() }, vec![("contoso".to_owned(), log)])
}

/// The first thing that is said of a history.
#[track_caller]
fn says(what: &str, (journal, truths): &(Journal, Vec<Truth>), rules: &Rules) {
    let wrong = check(journal, truths, rules);
    assert!(wrong.iter().any(|one| one.contains(what)), "{what}: {wrong:?}");
}

#[tokio::test]
async fn a_journal_without_anything_holds_and_an_action_that_it_does_not_know_does_not() {
    let store = Store::scratch(Arc::new(SystemClock)).await.expect("a journal");
    hold(&store, &[], &Rules::default()).await;
    let stray = (Journal::read(&store).await, vec![("contoso".to_owned(), done(1, 90, ("a", 1)).to_vec())]);
    says("done without an intent", &stray, &Rules::default());
}

#[test]
fn a_sound_history_is_let_pass() {
    let (journal, truths) = sound();
    let caps = BTreeMap::from([(PLAYBOOK.to_owned(), (2, 2))]);
    assert_holds(&journal, &truths, &Rules { caps, tenant_targets: Some(2), ..Rules::default() });
}

#[test]
fn what_is_done_twice_or_without_or_before_its_intent_is_named() {
    let rules = Rules::default();
    let mut twice = sound();
    twice.1[0].1.extend(done(3, 500, ("a", 1)));
    says("done twice", &twice, &rules);

    let mut stray = sound();
    stray.1[0].1.extend(done(3, 500, ("c", 1)));
    says("done without an intent", &stray, &rules);
    // A call of somebody else is nobody's business here.
    let LogEntry::Request(request) = stray.1[0].1.last_mut().expect("one") else { panic!("a request") };
    request.app = Some("somebody".to_owned());
    assert_eq!(check(&stray.0, &stray.1, &rules), Vec::<String>::new());

    let (journal, _) = sound();
    let early = [done(1, 59, ("a", 1)), done(2, 450, ("b", 2))].concat();
    let mut early = (journal, vec![("contoso".to_owned(), early)]);
    says("done before its intent", &early, &rules);
    let skewed = Rules { skew: SignedDuration::from_secs(1), ..Rules::default() };
    assert_eq!(check(&early.0, &early.1, &skewed), Vec::<String>::new());

    // Whose clock was an hour ahead for a minute goes on from there, a little slower, until the two meet.
    let hour = SignedDuration::from_hours(1);
    let ahead = |from: i64| Rules {
        ahead: vec![(at(from), hour), (at(from + 60), SignedDuration::ZERO)],
        ..Rules::default()
    };
    assert_eq!(check(&early.0, &early.1, &ahead(-30_000)), Vec::<String>::new());
    says("done before its intent", &early, &ahead(-40_000));
    says("done before its intent", &early, &ahead(60));

    early.1[0].0 = "fabrikam".to_owned();
    says("another call was intended", &early, &skewed);
}

#[test]
fn what_carries_no_mark_is_counted() {
    let (mut journal, mut truths) = sound();
    for event in &mut journal.effects {
        let about = event.about.as_mut().expect("it is known");
        (about.action, about.target) = (ActionKind::DisableUser, "user:u".to_owned());
    }
    for entry in &mut truths[0].1 {
        if let LogEntry::Effect(effect) = entry {
            (effect.effect, effect.target, effect.comment) = ("disableUser".to_owned(), "u".to_owned(), None);
        }
    }
    let of = |truths: &[Truth]| {
        let wrong = check(&journal, truths, &Rules::default());
        wrong.into_iter().filter(|one| !one.contains("under way")).collect::<Vec<_>>()
    };
    assert_eq!(of(&truths), Vec::<String>::new());
    let mut more = truths.clone();
    more[0].1.extend(truths[0].1.clone());
    says(
        "done 4 times, intended 3 times, and by the journal 2 times",
        &(journal.clone(), more),
        &Rules::default(),
    );
    if let LogEntry::Effect(effect) = &mut truths[0].1[0] {
        effect.at = at(0);
    }
    says("before it was intended", &(journal.clone(), truths.clone()), &Rules::default());
    // The second of them is done between its own intent and the first one's.
    for (entry, second) in truths[0].1.iter_mut().step_by(2).zip([90, 100]) {
        let LogEntry::Effect(effect) = entry else { panic!("an effect") };
        effect.at = at(second);
    }
    says("before it was intended", &(journal, truths), &Rules::default());
}

#[test]
fn a_wrong_belief_is_named() {
    let rules = Rules::default();
    let mut lost = sound();
    lost.1[0].1.drain(..2);
    says("taken for done, and was not", &lost, &rules);

    let mut late = sound();
    late.1[0].1.extend(done(3, 1_000, ("b", 1)));
    says("taken for not done, and was", &late, &rules);

    let mut found = sound();
    found.0.effects.truncate(5);
    found.0.effects.push(Event {
        detail: "no answer came, and the tenant has it, by its mark".to_owned(),
        ..event(6, "b", (1, Pending))
    });
    found.1[0].1.truncate(2);
    says("found, and was never done", &found, &rules);
}

#[test]
fn an_effect_that_goes_where_it_may_not_is_named() {
    let rules = Rules::default();
    for (place, (attempt, state), what) in [
        (2, (1, Done), "Done follows None"),
        (6, (1, Intended), "attempt 1 follows 1"),
        (8, (1, Intended), "Intended follows Some((Pending"),
    ] {
        let mut history = sound();
        let known = &mut history.0.effects[place];
        (known.attempt, known.state) = (attempt, state);
        says(what, &history, &rules);
    }
    let mut history = sound();
    history.0.effects[3].at = at(0);
    says("its time goes back", &history, &rules);
    history.0.broken.push("effects: Broken".to_owned());
    says("effects: Broken", &history, &rules);
}

#[test]
fn a_cap_that_does_not_hold_is_named() {
    let caps =
        |run, day| Rules { caps: BTreeMap::from([(PLAYBOOK.to_owned(), (run, day))]), ..Rules::default() };
    says("2 actions in run r", &sound(), &caps(1, 2));
    says("2 actions of p in the day", &sound(), &caps(2, 1));
    says("2 targets in contoso", &sound(), &Rules { tenant_targets: Some(1), ..Rules::default() });
    // A day later there is room again.
    let mut history = sound();
    for event in history.0.effects.iter_mut().skip(2) {
        event.at += SignedDuration::from_hours(24);
    }
    for entry in history.1[0].1.iter_mut().skip(2) {
        if let LogEntry::Effect(effect) = entry {
            effect.at += SignedDuration::from_hours(24);
        }
    }
    assert_eq!(check(&history.0, &history.1, &caps(2, 1)), Vec::<String>::new());
}

#[test]
fn what_a_version_does_not_allow_itself_is_named() {
    let own = |per_run, per_day| {
        let (mut journal, truths) = sound();
        journal.own.insert("r".to_owned(), Own { per_run, per_day, ..Own::default() });
        (journal, truths)
    };
    let rules = Rules::default();
    says("is action 2 of p in its run", &own(Some(1), None), &rules);
    says("is action 2 of p in a day", &own(None, Some(1)), &rules);
    let (journal, truths) = own(Some(2), Some(2));
    assert_holds(&journal, &truths, &rules);
}

/// The calls of one item: of its step `a`, and then of `b`, whose first request got lost.
fn two_steps(on_error: OnError) -> (Journal, Vec<Truth>) {
    let (mut journal, truths) = sound();
    for event in &mut journal.effects {
        let about = event.about.as_mut().expect("it is known");
        (about.item, about.step) = (0, event.key.clone());
    }
    let steps = ["a", "b"].map(|step| Place { step: step.to_owned(), on_error });
    journal.own.insert("r".to_owned(), Own { steps: Some(steps.into()), ..Own::default() });
    (journal, truths)
}

#[test]
fn a_step_out_of_its_order_is_named() {
    let rules = Rules::default();
    let holds = |(journal, truths): &(Journal, Vec<Truth>)| {
        assert_eq!(check(journal, truths, &Rules::default()), Vec::<String>::new());
    };
    holds(&two_steps(OnError::Stop));
    let turned = |on_error| {
        let (mut journal, truths) = two_steps(on_error);
        let own = journal.own.get_mut("r").expect("it is there");
        own.steps = own.steps.take().map(|steps| steps.iter().rev().cloned().collect());
        (journal, truths)
    };
    says("`b` of item 0 of r (b) intended after `a`", &turned(OnError::Stop), &rules);
    // A step that the others go on without may come after them, and so may that of another item.
    holds(&turned(OnError::Continue));
    let mut another = turned(OnError::Stop);
    for event in another.0.effects.iter_mut().filter(|event| event.key == "b") {
        event.about.as_mut().expect("it is known").item = 1;
    }
    holds(&another);

    let mut in_doubt = two_steps(OnError::Stop);
    in_doubt.0.effects[1].state = Unknown;
    says("`b` of item 0 of r (b) intended while nobody knows about `a`", &in_doubt, &rules);
    in_doubt.0.effects.insert(2, event(3, "a", (1, Parked)));
    in_doubt.0.effects[2].about = in_doubt.0.effects[1].about.clone();
    says("intended while nobody knows about `a`", &in_doubt, &rules);

    let mut unknown = two_steps(OnError::Stop);
    for event in &mut unknown.0.effects {
        event.about.as_mut().expect("it is known").step.push('x');
    }
    says("a step that its version does not have", &unknown, &rules);
}

#[test]
fn a_call_without_leave_is_named() {
    let rules = Rules {
        asks: BTreeSet::from([(PLAYBOOK.to_owned(), ActionKind::IsolateDevice)]),
        ..Rules::default()
    };
    says("intended without leave", &sound(), &rules);
    let ask = |n: i64, key: &str, second, state| Asked {
        n,
        approval: format!("ask-{key}"),
        effect: Some(key.to_owned()),
        state,
        at: at(second),
    };
    let mut history = sound();
    history.0.approvals = ["a", "b"]
        .into_iter()
        .zip([0, 3])
        .flat_map(|(key, n)| {
            [(1, Awaiting), (2, Approved), (3, Consumed)].map(|(step, state)| ask(n + step, key, 30, state))
        })
        .collect();
    assert_eq!(check(&history.0, &history.1, &rules), Vec::<String>::new());
    history.0.approvals.push(ask(7, "a", 40, Consumed));
    says("Consumed follows Some(Consumed)", &history, &rules);
    history.0.approvals[2].at = at(70);
    history.0.approvals.pop();
    says("intended without leave", &history, &rules);
}

#[test]
fn an_intent_under_a_stop_is_named() {
    let said = |second, stops, tenant: Option<&str>| Said {
        at: at(second),
        stops,
        tenant: tenant.map(str::to_owned),
        playbook: None,
    };
    let mut history = sound();
    history.0.stops = vec![said(10, true, None), said(50, false, None), said(100, true, Some("fabrikam"))];
    assert_eq!(check(&history.0, &history.1, &Rules::default()), Vec::<String>::new());
    history.0.stops.push(said(170, true, Some("contoso")));
    says("while a stop stood", &history, &Rules::default());
    history.0.stops.push(said(500, false, Some("contoso")));
    says("while a stop stood", &history, &Rules::default());
}

#[test]
fn what_is_taken_from_a_target_twice_is_named() {
    let rules = Rules::default();
    // Another run, or another playbook: another key.
    let again = |target: &str, n: i64, state: (u64, EffectState)| {
        let mut event = event(n, "c", state);
        event.about.as_mut().expect("it is known").target = target.to_owned();
        event
    };
    let (_, truths) = sound();
    let with = |more: Vec<Event>, at: usize| {
        let (mut journal, _) = sound();
        journal.effects.splice(at..at, more);
        (journal, truths.clone())
    };
    says("was under way", &with(vec![again("device:a", 3, (1, Intended))], 2), &rules);
    says("was cooling down", &with(vec![again("device:a", 10, (1, Intended))], 9), &rules);
    let found = |history: &(Journal, Vec<Truth>), rules: &Rules| {
        let wrong = check(&history.0, &history.1, rules);
        wrong.iter().any(|one| one.contains("cooling down") || one.contains("under way"))
    };
    assert!(!found(&with(vec![again("device:d", 10, (1, Intended))], 9), &rules), "another target");
    let shorter = Rules { cool_down: Some(SignedDuration::from_secs(60)), ..Rules::default() };
    assert!(!found(&with(vec![again("device:a", 10, (1, Intended))], 9), &shorter), "its time is over");
    let mut in_vain = with(Vec::new(), 0);
    in_vain.0.effects.truncate(6);
    in_vain.0.effects.push(again("device:b", 7, (1, Intended)));
    assert!(!found(&in_vain, &rules), "it came to nothing before");
    let mut allowed = with(vec![again("device:a", 10, (1, Intended))], 9);
    let spent =
        Asked { n: 1, approval: "ask".to_owned(), effect: Some("c".to_owned()), state: Consumed, at: at(0) };
    allowed.0.approvals.push(spent);
    assert!(!found(&allowed, &rules), "people gave leave");
}

/// What starts a simulated tenant in the tests' own process.
const TENANTS: [&str; 2] = ["Sim::start(", "Sim::in_memory("];

/// The files that a path stands for.
fn files(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let entries = std::fs::read_dir(path).expect("a folder").map(|entry| entry.expect("a file").path());
    entries.flat_map(|path| files(&path)).collect()
}

/// The files of a test: its own, its folder's, and those that `#[path]` names, wherever they are.
fn parts(test: &Path) -> BTreeSet<PathBuf> {
    let mut parts = BTreeSet::new();
    let mut more = files(&test.with_extension(""));
    more.push(test.to_owned());
    while let Some(file) = more.pop() {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        if !parts.insert(file.clone()) {
            continue;
        }
        for (_, rest) in
            text.match_indices("#[path = \"").map(|(place, begin)| text.split_at(place + begin.len()))
        {
            let named = rest.split('"').next().and_then(|named| Some(file.parent()?.join(named)));
            let named = named.expect("a file in a folder");
            // A module that is a folder has its own modules beside it.
            more.extend(files(if named.ends_with("mod.rs") {
                named.parent().expect("its folder")
            } else {
                &named
            }));
        }
    }
    parts
}

/// Whether a test or a part of it starts a tenant.
fn has_tenant(test: &Path) -> bool {
    let starts = |part: &PathBuf| {
        let text = std::fs::read_to_string(part).expect("it was read");
        TENANTS.iter().any(|start| text.contains(start))
    };
    parts(test).iter().any(starts)
}

#[test]
fn a_part_of_a_test_is_found_wherever_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is ours");
        std::fs::write(&path, text).expect("it is ours");
        path
    };
    put("own/a.rs", "");
    put("far/mod.rs", "mod beside;");
    put("far/beside.rs", "#[path = \"../other.rs\"]\nmod other;");
    let plain = put("plain.rs", "#[path = \"far/mod.rs\"]\nmod far;");
    let own = put("own.rs", "");
    assert!(!has_tenant(&plain) && !has_tenant(&own));
    put("other.rs", "Sim::in_memory(");
    assert!(has_tenant(&plain) && !has_tenant(&own));
    put("own/a.rs", "Sim::start(");
    assert!(has_tenant(&own));
}

#[test]
fn whoever_has_a_tenant_holds_the_journal_against_it_or_says_why_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("the tests") {
        let path = entry.expect("a file").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() || name == "history" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let (has_tenant, is_held) = (has_tenant(&path), text.contains("\nmod history;"));
        let is_listed = UNHELD.iter().any(|(unheld, _why)| *unheld == name);
        let is_said_once = if has_tenant { is_held != is_listed } else { !is_listed };
        if !is_said_once {
            wrong.push(name);
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "each is held, or listed with a reason, and not both");
}
