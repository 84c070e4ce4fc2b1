//! One application in fifty tenants at once, in random order and among faults: nothing of one tenant ever reaches
//! another, and what is wrong with some leaves the others as they are.
//!
//! All tenants stand behind one address, as they do at the services, so a call with the token of another tenant would
//! be done there. Each has its own devices, users and words; ids of incidents, the indicator and the keys of one
//! query's rows are the same everywhere. The tenants' own logs say what was done.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test helpers; what is missing fails the test"
)]

#[path = "history/mod.rs"]
mod history;
#[path = "fleet/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};

use huntbook::engine::{Report, RunState};
use huntbook::sim::RequestEntry;
use world::{Fleet, Lot, PLAYBOOKS, Script, TENANTS, markers};

/// What a tenant must have been asked to do, each once, when nothing is wrong with it.
fn expected(place: usize) -> BTreeSet<String> {
    let own = |text: &str| text.replace('#', &format!("{place:02}"));
    let device = |number: usize| world::device(place, number);
    let mut all: BTreeSet<String> = ["isolate", "addTag"]
        .into_iter()
        .flat_map(|what| [0, 1].map(|number| format!("{what} {}", device(number))))
        .collect();
    all.extend([
        format!("disableUser {}", world::user(place)),
        own("putIndicator 203.0.113.7"),
        own("commentIncident 4101"),
    ]);
    all
}

/// What its log says was done in a tenant, and how often.
fn done(fleet: &Fleet, place: usize) -> BTreeMap<String, usize> {
    let mut done = BTreeMap::new();
    for effect in fleet.sims[place].effects() {
        let target = match effect.effect.as_str() {
            "putIndicator" => effect.detail["indicatorValue"].as_str().unwrap().to_owned(),
            _ => effect.target.clone(),
        };
        *done.entry(format!("{} {target}", effect.effect)).or_default() += 1;
    }
    done
}

/// A text that belongs to a tenant speaks of no other.
#[track_caller]
fn only_of(place: usize, text: &str) {
    let others = markers(text).into_iter().filter(|marker| *marker != place).collect::<Vec<_>>();
    assert!(others.is_empty(), "of tenant {place}, and speaks of {others:?}: {text}");
}

/// What reached a tenant is its own.
fn nothing_strayed(fleet: &Fleet, place: usize) {
    let sim = &fleet.sims[place];
    for request in sim.requests() {
        only_of(place, &format!("{} {}", request.path, request.query));
    }
    for effect in sim.effects() {
        only_of(place, &serde_json::to_string(&effect).unwrap());
    }
    let done = done(fleet, place);
    assert!(done.keys().all(|what| expected(place).contains(what)), "{place}: {done:?}");
    assert!(done.values().all(|times| *times == 1), "{place}: {done:?}");
}

/// What a tenant has been through shows in what was done in it.
fn the_lot_shows(fleet: &Fleet, place: usize) {
    let (lot, done) = (fleet.lots[place], done(fleet, place));
    let is_api = |request: &&RequestEntry| !request.path.ends_with("/token");
    match lot {
        // Throttled or slow, served by a busy authority or a strange one for a while: all is done in the end.
        Lot::Well | Lot::Throttled | Lot::Slow | Lot::Stumbling | Lot::Strayed => {
            let all: BTreeSet<String> = done.into_keys().collect();
            assert_eq!(all, expected(place), "{place} {lot:?}");
        }
        // The first isolation was done and its answer lost: it is never sent again, and nobody may say what was.
        Lot::Cut => assert!(done.keys().any(|what| what.starts_with("isolate")), "{place}: {done:?}"),
        Lot::Barred => {
            assert_eq!(fleet.sims[place].requests().iter().filter(is_api).count(), 0, "{place}");
            assert!(!fleet.sims[place].requests().is_empty(), "{place}: it was tried");
        }
        Lot::Unprivileged => assert!(done.is_empty(), "{place}: {done:?}"),
    }
}

/// A run is of its own tenant throughout.
fn the_run_is_its_own(report: &Report) -> usize {
    let place: usize = report.tenant.strip_prefix('t').unwrap().parse().unwrap();
    let mut report = report.clone();
    // Whose token it was that came astray is said, and only that.
    let reason = report.reason.take().unwrap_or_default();
    only_of(place, reason.split(" (it says").next().unwrap());
    only_of(place, &serde_json::to_string(&report).unwrap());
    place
}

async fn the_journal_is_apart(fleet: &Fleet) -> usize {
    let mut seen = 0;
    for (_, event) in fleet.events().await {
        let Some(tenant) = event["tenant"].as_str() else { continue };
        only_of(tenant.strip_prefix('t').unwrap().parse().unwrap(), &event.to_string());
        seen += 1;
    }
    seen
}

/// Each message is of one tenant, and names it.
fn the_messages_are_apart(fleet: &Fleet) -> usize {
    let messages = fleet.sims[0].messages();
    for message in &messages {
        let of: BTreeSet<usize> = markers(&message.body).into_iter().collect();
        assert_eq!(of.len(), 1, "{}", message.body);
    }
    messages.len()
}

/// The whole of it, for one order of things.
async fn play(seed: u64) {
    let mut fleet = Fleet::build(seed).await;
    let mut reports = Vec::new();
    for round in 0..3 {
        // In the last round nothing is scripted any more; consents and roles stay as they are.
        fleet.trouble(if round < 2 { Script::On } else { Script::Off });
        reports.extend(fleet.round().await);
        fleet.restart().await;
    }
    assert_eq!(reports.len(), 3 * TENANTS * PLAYBOOKS.len());
    let mut failed: BTreeSet<usize> = BTreeSet::new();
    for report in &reports {
        let place = the_run_is_its_own(report);
        if report.state == RunState::Failed {
            failed.insert(place);
        }
    }
    for place in 0..TENANTS {
        nothing_strayed(&fleet, place);
        the_lot_shows(&fleet, place);
    }
    history::hold(fleet.store(), &fleet.truths(), &history::Rules::default()).await;
    assert!(TENANTS * 5 < the_journal_is_apart(&fleet).await);
    assert!(TENANTS < the_messages_are_apart(&fleet));

    // All of it happened.
    let of = |wanted: Lot| (0..TENANTS).filter(|place| fleet.lots[*place] == wanted).collect::<BTreeSet<_>>();
    for lot in Lot::ALL {
        assert!(3 <= of(lot).len(), "{lot:?}");
    }
    let hit: BTreeSet<usize> = (0..TENANTS)
        .filter(|place| fleet.sims[*place].requests().iter().any(|request| request.fault.is_some()))
        .collect();
    for lot in [Lot::Throttled, Lot::Slow, Lot::Stumbling, Lot::Strayed, Lot::Cut] {
        assert!(of(lot).is_subset(&hit), "{lot:?}");
    }
    for lot in [Lot::Barred, Lot::Unprivileged, Lot::Strayed] {
        assert!(of(lot).is_subset(&failed), "{lot:?}");
    }
    assert!(of(Lot::Well).is_disjoint(&failed));
    let reasons: BTreeSet<String> = reports.iter().filter_map(|report| report.reason.clone()).collect();
    let told =
        |words: &str| assert!(reasons.iter().any(|reason| reason.contains(words)), "{words}: {reasons:?}");
    told("the token is not for tenant");
    for number in [65_001, 700_016, 7_000_112, 500_011, 650_052] {
        told(&format!("AADSTS{number}"));
    }
    assert!(!fleet.parked().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_tenants_among_faults_do_not_mix() {
    for seed in [1, 2] {
        play(seed).await;
    }
}
