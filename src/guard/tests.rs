//! Verdicts as a table: limits, what was done before and what is wanted in; codes out.

use std::ops::RangeInclusive;

use super::*;

fn device(number: u32) -> Target {
    Target::device(&format!("{number:040x}").parse().unwrap())
        .named(&format!("PC{number:02}.contoso.example"))
        .tagged(["workstation"])
        .merged_with([])
}

fn user(name: &str) -> Target {
    Target::user(&name.parse().unwrap())
}

fn on(action: &str, target: Target) -> Candidate {
    let destructive = !matches!(action, "tagDevice" | "updateIncident");
    Candidate {
        seq: 0,
        action: action.to_owned(),
        target,
        others: vec![],
        detail: String::new(),
        destructive,
        approved: 0,
    }
}

fn isolate(numbers: impl IntoIterator<Item = u32>) -> Vec<Candidate> {
    numbers.into_iter().map(|number| on("isolateDevice", device(number))).collect()
}

/// What the settings say when they say nothing, where nobody looks at how many devices there are.
fn ceilings() -> Ceilings {
    Ceilings::default().on_a_stage()
}

fn limits() -> GuardLimits {
    tighten(&ceilings(), &Written::default())
}

fn without(exclude: Exclusions) -> GuardLimits {
    GuardLimits { exclude, ..limits() }
}

fn now() -> Timestamp {
    "2026-01-10T12:00:00Z".parse().unwrap()
}

fn keys(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<String> {
    numbers.into_iter().map(|number| device(number).key()).collect()
}

/// Compares the codes of the verdicts; `ok` is an admission.
#[track_caller]
fn check(limits: &GuardLimits, counts: &Counts, candidates: &[Candidate], expect: &[&str]) {
    let verdicts = admit(limits, counts, candidates, now());
    let codes: Vec<&str> = verdicts
        .each
        .iter()
        .map(|verdict| match verdict {
            Verdict::Admitted => "ok",
            Verdict::Refused(reason) => reason.code(),
            Verdict::Waits(..) => "waits",
        })
        .collect();
    assert_eq!(codes, expect, "{verdicts:?}");
    let halted = codes.iter().any(|code| code.starts_with("halted"));
    assert_eq!(halted, verdicts.halted.is_some());
    assert!(!halted || !codes.contains(&"ok"), "a halted run takes nothing");
}

#[track_caller]
fn sentence(limits: &GuardLimits, counts: &Counts, candidates: &[Candidate], expect: &str) {
    match admit(limits, counts, candidates, now()).each.last() {
        Some(Verdict::Refused(reason)) => assert_eq!(reason.to_string(), expect),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_within_its_limits_is_admitted() {
    check(&limits(), &Counts::default(), &[], &[]);
    check(&limits(), &Counts::default(), &isolate(1..=5), &["ok"; 5]);
}

#[test]
fn a_sixth_target_halts_the_whole_run() {
    check(&limits(), &Counts::default(), &isolate(1..=6), &["haltedRunTargets"; 6]);
    let sentence_for_people =
        "the run was halted: disruptive actions on 6 targets in this run; 5 are allowed";
    sentence(&limits(), &Counts::default(), &isolate(1..=6), sentence_for_people);
}

#[test]
fn what_is_refused_by_itself_does_not_count() {
    let limits = without(Exclusions::default().devices(["pc06"]));
    check(&limits, &Counts::default(), &isolate(1..=6), &["ok", "ok", "ok", "ok", "ok", "excludedDevice"]);
}

#[test]
fn several_actions_on_one_target_count_as_one_target() {
    let mut candidates = isolate(1..=5);
    candidates.extend((1..=5).map(|number| on("runAntivirusScan", device(number))));
    check(&limits(), &Counts::default(), &candidates, &["ok"; 10]);
}

#[test]
fn what_was_done_before_counts() {
    let run = Counts { used: Used { run_targets: keys(1..=5), ..Used::default() }, ..Counts::default() };
    check(&limits(), &run, &isolate([5]), &["ok"]);
    check(&limits(), &run, &isolate([6]), &["haltedRunTargets"]);
    let day = Counts { used: Used { day_targets: keys(1..=19), ..Used::default() }, ..Counts::default() };
    check(&limits(), &day, &isolate([20]), &["ok"]);
    check(&limits(), &day, &isolate([20, 21]), &["haltedDayTargets"; 2]);
    let tenant =
        Counts { used: Used { tenant_targets: keys(1..=50), ..Used::default() }, ..Counts::default() };
    check(&limits(), &tenant, &isolate([50]), &["ok"]);
    check(&limits(), &tenant, &isolate([51]), &["haltedTenantTargets"]);
}

#[test]
fn what_gives_back_is_in_no_limit_of_what_is_taken_and_has_a_rate_of_its_own() {
    for (_takes, gives) in OPPOSITES {
        assert!(gives_back(gives), "{gives}");
    }
    assert_eq!(OPPOSITES.len(), GIVES_BACK.len());
    let release = |numbers: RangeInclusive<u32>| {
        numbers.map(|number| on("releaseDevice", device(number))).collect::<Vec<_>>()
    };
    let percent = Percent::new(1.0);
    let actions = Caps { per_run: Some(20), per_day: Some(3) };
    let written = Written { percent_of_devices: percent, actions, ..Written::default() };
    let limits = tighten(&ceilings(), &written);
    let used = Used {
        run_targets: keys(1..=5),
        day_targets: keys(1..=20),
        tenant_targets: keys(1..=50),
        day_devices: keys(1..=50),
        day_actions: 4,
        tenant_actions: 1001,
        elsewhere: 1000,
        taken: Rates { minute: 1000, hour: 1000 },
        ..Used::default()
    };
    let full = Counts { used: used.clone(), fleet: Some(100), ..Counts::default() };
    check(&limits, &full, &release(51..=60), &["ok"; 10]);
    check(&limits, &full, &release(51..=71), &["haltedRunActions"; 21]);
    let busy = Used { given_back: Rates { minute: 1000, hour: 0 }, ..used };
    check(&limits, &Counts { used: busy, ..full }, &release(51..=51), &["haltedMinute"]);
    // And it takes no room from what takes, nor time.
    let given = Used { given_back: Rates { minute: 1000, hour: 1000 }, ..Used::default() };
    let counts = Counts { used: given, fleet: Some(100), ..Counts::default() };
    check(&limits, &counts, &isolate([1]), &["ok"]);
    let mut both = release(51..=53);
    both.extend(isolate([1]));
    check(&limits, &Counts { fleet: Some(100), ..Counts::default() }, &both, &["ok"; 4]);
}

#[test]
fn a_playbooks_own_numbers_count_every_action() {
    let actions = Caps { per_run: Some(2), per_day: Some(3) };
    let limits = tighten(&ceilings(), &Written { actions, ..Written::default() });
    let tags = |number: u32| (1..=number).map(|one| on("tagDevice", device(one))).collect::<Vec<_>>();
    check(&limits, &Counts::default(), &tags(2), &["ok"; 2]);
    check(&limits, &Counts::default(), &tags(3), &["haltedRunActions"; 3]);
    let day = Counts { used: Used { day_actions: 2, ..Used::default() }, ..Counts::default() };
    check(&limits, &day, &tags(1), &["ok"]);
    check(&limits, &day, &tags(2), &["haltedDayActions"; 2]);
    let none = tighten(
        &ceilings(),
        &Written { actions: Caps { per_run: Some(0), per_day: None }, ..Written::default() },
    );
    check(&none, &Counts::default(), &tags(1), &["haltedRunActions"]);
}

#[test]
fn a_rate_is_reached_and_not_passed() {
    let rate = limits().numbers.rate;
    let (minute, hour) = (rate.per_minute.unwrap(), rate.per_hour.unwrap());
    let after = |minute, hour| {
        let used = Used { taken: Rates { minute, hour }, ..Used::default() };
        Counts { used, ..Counts::default() }
    };
    check(&limits(), &after(minute - 1, 0), &isolate([1]), &["ok"]);
    check(&limits(), &after(minute, 0), &isolate([1]), &["haltedMinute"]);
    check(&limits(), &after(0, hour - 1), &isolate([1]), &["ok"]);
    check(&limits(), &after(0, hour), &isolate([1]), &["haltedHour"]);
}

#[test]
fn a_rate_and_what_is_unusual_are_of_the_moment() {
    for (exceeded, expect) in [
        (Exceeded::Minute { limit: 1, wanted: 2 }, true),
        (Exceeded::Hour { limit: 1, wanted: 2 }, true),
        (Exceeded::Unusual { matched: 31, usual: 3, times: 10 }, true),
        (Exceeded::RunActions { limit: 1, wanted: 2 }, false),
        (Exceeded::DayTargets { limit: 1, wanted: 2 }, false),
    ] {
        assert_eq!(exceeded.is_of_the_moment(), expect, "{exceeded}");
    }
}

#[test]
fn harmless_actions_have_a_ceiling_of_their_own() {
    let tags = |count: u32| (1..=count).map(|one| on("tagDevice", device(one))).collect::<Vec<_>>();
    check(&limits(), &Counts::default(), &tags(200), &["ok"; 200]);
    check(&limits(), &Counts::default(), &tags(201), &["haltedRunActions"; 201]);
    let day = Counts { used: Used { tenant_actions: 999, ..Used::default() }, ..Counts::default() };
    check(&limits(), &day, &tags(1), &["ok"]);
    check(&limits(), &day, &tags(2), &["haltedTenantActions"; 2]);
}

#[test]
fn far_more_matches_than_usual_halt_the_run() {
    let counts = |matched, usual| Counts { matched: (matched, usual), ..Counts::default() };
    check(&limits(), &counts(30, Some(3)), &isolate([1]), &["ok"]);
    check(&limits(), &counts(31, Some(3)), &isolate([1]), &["haltedUnusual"]);
    // A playbook that finds nothing for weeks may find something.
    check(&limits(), &counts(20, Some(0)), &isolate([1]), &["ok"]);
    check(&limits(), &counts(21, Some(0)), &isolate([1]), &["haltedUnusual"]);
    check(&limits(), &counts(5000, None), &isolate([1]), &["ok"]);
    let five = tighten(&ceilings(), &Written { times_usual: Some(5), ..Written::default() });
    check(&five, &counts(26, Some(5)), &isolate([1]), &["haltedUnusual"]);
    let sentence_for_people = "the run was halted: 31 items; 3 are usual, and 10 times as many are allowed";
    sentence(&limits(), &counts(31, Some(3)), &isolate([1]), sentence_for_people);
}

#[test]
fn only_what_takes_something_from_a_device_or_a_user_cools_down() {
    assert!(cools_down("isolateDevice", TargetKind::Device));
    assert!(cools_down("disableUser", TargetKind::User));
    assert!(cools_down("revokeSessions", TargetKind::User));
    assert!(!cools_down("releaseDevice", TargetKind::Device));
    assert!(!cools_down("enableUser", TargetKind::User));
    assert!(!cools_down("addIndicator", TargetKind::Indicator));
}

#[test]
fn the_share_of_devices_is_limited() {
    let written = Written { percent_of_devices: Percent::new(1.0), ..Written::default() };
    let limits = tighten(&ceilings(), &written);
    let fleet = |fleet: Option<u64>| Counts { fleet, ..Counts::default() };
    check(&limits, &fleet(Some(300)), &isolate(1..=3), &["ok"; 3]);
    check(&limits, &fleet(Some(299)), &isolate(1..=3), &["haltedShare"; 3]);
    check(&limits, &fleet(Some(10)), &isolate([1]), &["ok"]);
    check(&limits, &fleet(None), &isolate([1]), &["waits"]);
    check(&limits, &fleet(Some(0)), &isolate([1]), &["waits"]);
    check(&limits, &fleet(None), &[on("disableUser", user("dana@contoso.example"))], &["ok"]);
    let used = Used { day_devices: keys(1..=3), ..Used::default() };
    let day = Counts { fleet: Some(300), used, ..Counts::default() };
    check(&limits, &day, &isolate([3]), &["ok"]);
    check(&limits, &day, &isolate([4]), &["haltedShare"]);
    sentence(
        &limits,
        &fleet(Some(299)),
        &isolate(1..=3),
        "the run was halted: 3 devices in 24 hours; 1 % of 299 devices, 2, are allowed",
    );
}

#[test]
fn a_device_is_excluded_by_id_or_name() {
    for entry in ["pc01", "PC01.CONTOSO.example", "pc01.contoso.example.", &format!(" {:040X} ", 1)] {
        let limits = without(Exclusions::default().devices([entry]));
        check(&limits, &Counts::default(), &isolate([1, 2]), &["excludedDevice", "ok"]);
    }
    for entry in ["pc01.fabrikam.example", "pc0", "pc011", "contoso.example"] {
        let limits = without(Exclusions::default().devices([entry]));
        check(&limits, &Counts::default(), &isolate([1]), &["ok"]);
    }
    let short = on("isolateDevice", Target::device(&format!("{:040x}", 9).parse().unwrap()).named("DC01"));
    let limits = without(Exclusions::default().devices(["dc01.contoso.example"]));
    check(&limits, &Counts::default(), &[short], &["excludedDevice"]);
}

#[test]
fn a_device_is_excluded_by_tag() {
    let limits = without(Exclusions::default().device_tags(["Tier0"]));
    let mut domain_controller = on("isolateDevice", device(1));
    domain_controller.target = domain_controller.target.tagged(["x", " TIER0"]);
    check(
        &limits,
        &Counts::default(),
        &[domain_controller, on("isolateDevice", device(2))],
        &["excludedTag", "ok"],
    );
}

#[test]
fn an_indicator_is_excluded_with_all_below_it_and_whatever_would_hit_it() {
    for (entry, indicator, expect) in [
        ("login.contoso.example", "login.contoso.example", "excludedIndicator"),
        ("*.Contoso.example", "login.contoso.example", "excludedIndicator"),
        ("login.contoso.example", "contoso.example", "excludedIndicator"),
        ("contoso.example", "https://login.contoso.example:8443/x?y", "excludedIndicator"),
        ("https://login.contoso.example/x", "contoso.example", "excludedIndicator"),
        ("https://a.example/X", "https://a.example/X", "excludedIndicator"),
        ("203.0.113.7", "http://203.0.113.7/x", "excludedIndicator"),
        ("203.0.113.7", "203.0.113.7", "excludedIndicator"),
        ("2001:db8::7", "http://[2001:db8::7]:80/", "excludedIndicator"),
        ("ABCDEF", "abcdef", "excludedIndicator"),
        ("contoso.example", "notcontoso.example", "ok"),
        ("contoso.example", "contoso.example.evil.example", "ok"),
        ("https://a.example/x", "https://a.example/y", "ok"),
        ("login.contoso.example", "https://contoso.example/", "ok"),
        ("203.0.113.7", "203.0.113.70", "ok"),
    ] {
        let limits = without(Exclusions::default().indicators([entry]));
        let candidate = on("addIndicator", Target::of(TargetKind::Indicator, indicator));
        check(&limits, &Counts::default(), &[candidate], &[expect]);
    }
}

#[test]
fn a_user_is_excluded_by_id_or_name() {
    let candidate = on("disableUser", user("Break.Glass@contoso.example"));
    for (entry, expect) in [
        ("break.glass@contoso.example", "excludedUser"),
        ("BREAK.GLASS", "excludedUser"),
        ("CONTOSO\\break.glass", "excludedUser"),
        ("break.glass@fabrikam.example", "ok"),
        ("break", "ok"),
    ] {
        let limits = without(Exclusions::default().users([entry]));
        check(&limits, &Counts::default(), std::slice::from_ref(&candidate), &[expect]);
    }
    let id = "0f3a1b2c-0000-4000-8000-000000000001";
    let limits = without(Exclusions::default().users([id]));
    check(&limits, &Counts::default(), &[on("disableUser", user(&id.to_uppercase()))], &["excludedUser"]);
    let known_by_both = on("disableUser", user("dana@contoso.example").named(id));
    check(&limits, &Counts::default(), &[known_by_both], &["excludedUser"]);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let nameless = || Target::device(&format!("{:040x}", 1).parse().unwrap());
    let by_name = without(Exclusions::default().devices(["dc01"]));
    check(&by_name, &Counts::default(), &[on("isolateDevice", nameless())], &["identityUnknown"]);
    check(&by_name, &Counts::default(), &[on("tagDevice", nameless())], &["ok"]);
    let by_tag = without(Exclusions::default().device_tags(["tier0"]));
    check(&by_tag, &Counts::default(), &[on("isolateDevice", nameless().named("x"))], &["tagsUnknown"]);
    let no_tags: [&str; 0] = [];
    check(&by_tag, &Counts::default(), &[on("isolateDevice", nameless().tagged(no_tags))], &["ok"]);
    let by_id = without(Exclusions::default().users(["0f3a1b2c-0000-4000-8000-000000000001"]));
    check(
        &by_id,
        &Counts::default(),
        &[on("disableUser", user("dana@contoso.example"))],
        &["identityUnknown"],
    );
    assert!(
        by_name.exclude.needs_names(TargetKind::Device)
            && !by_name.exclude.needs_features(TargetKind::Device)
    );
    assert!(by_tag.exclude.needs_features(TargetKind::Device) && by_id.exclude.needs_names(TargetKind::User));
}

#[test]
fn settings_and_playbook_exclude_together() {
    let ceilings = Ceilings { exclude: Exclusions::default().devices(["pc01"]), ..ceilings() };
    let written = Written { exclude: Exclusions::default().devices(["pc02"]), ..Written::default() };
    let limits = tighten(&ceilings, &written);
    check(&limits, &Counts::default(), &isolate(1..=3), &["excludedDevice", "excludedDevice", "ok"]);
}

#[test]
fn opposites_in_one_run_are_both_refused() {
    let candidates =
        [on("isolateDevice", device(1)), on("releaseDevice", device(1)), on("releaseDevice", device(2))];
    check(&limits(), &Counts::default(), &candidates, &["conflict", "conflict", "ok"]);
}

#[test]
fn the_opposite_of_a_moment_ago_is_refused() {
    let had = |minutes: i64| {
        let at = now().checked_sub(SignedDuration::from_mins(minutes)).unwrap();
        let recent = Recent { target: device(1).key(), action: "isolateDevice".to_owned(), at };
        Counts { recent: vec![recent], ..Counts::default() }
    };
    let release = [on("releaseDevice", device(1))];
    check(&limits(), &had(9), &release, &["recentOpposite"]);
    check(&limits(), &had(10), &release, &["ok"]);
    check(&limits(), &had(1), &isolate([1]), &["ok"]);
    check(&limits(), &had(-60), &release, &["recentOpposite"]);
}

#[test]
fn the_same_disruption_twice_in_a_run_is_refused_once() {
    check(&limits(), &Counts::default(), &isolate([1, 1, 2]), &["ok", "repeated", "ok"]);
    let tag = on("tagDevice", device(1));
    check(&limits(), &Counts::default(), &[tag.clone(), tag], &["ok", "ok"]);
    let taken = BTreeSet::from([("isolateDevice".to_owned(), device(1).key())]);
    let before = Counts { taken, ..Counts::default() };
    check(&limits(), &before, &isolate([1, 2]), &["repeated", "ok"]);
}

#[test]
fn a_hostile_name_is_shown_escaped() {
    let target = Target::device(&format!("{:040x}", 1).parse().unwrap()).named("\u{1b}[31mdc01");
    let limits = without(Exclusions::default().devices([format!("{:040x}", 1)]));
    let expect = format!("device `\\u{{1b}}[31mdc01` is excluded (`{:040x}`)", 1);
    sentence(&limits, &Counts::default(), &[on("isolateDevice", target)], &expect);
}

fn with_leave(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    for candidate in &mut candidates {
        candidate.approved = 1;
    }
    candidates
}

/// A playbook that allows itself two targets, under settings that allow eight.
fn asks() -> GuardLimits {
    let ceilings = Ceilings { targets: Caps { per_run: Some(8), per_day: Some(8) }, ..ceilings() };
    let actions = Caps { per_run: Some(2), per_day: None };
    tighten(&ceilings, &Written { actions, on_exceed: OnExceed::Approve, ..Written::default() })
}

#[test]
fn what_passes_the_playbooks_limit_waits_if_it_says_so() {
    check(&asks(), &Counts::default(), &isolate(1..=2), &["ok"; 2]);
    check(&asks(), &Counts::default(), &isolate(1..=3), &["waits"; 3]);
}

#[test]
fn leave_takes_an_action_past_the_playbooks_limit_and_never_past_the_settings() {
    check(&asks(), &Counts::default(), &with_leave(isolate(1..=8)), &["ok"; 8]);
    check(&asks(), &Counts::default(), &with_leave(isolate(1..=9)), &["haltedRunTargets"; 9]);
    check(&asks(), &Counts::default(), &isolate(1..=9), &["haltedRunTargets"; 9]);
    let used = Used { run_targets: keys(1..=8), run_actions: 8, ..Used::default() };
    let full = Counts { used, ..Counts::default() };
    check(&asks(), &full, &with_leave(isolate([9])), &["haltedRunTargets"]);
}

#[test]
fn leave_opens_no_exclusion() {
    let limits =
        GuardLimits { exclude: Exclusions::default().device_tags(&["workstation".to_owned()]), ..asks() };
    check(&limits, &Counts::default(), &with_leave(isolate([1])), &["excludedTag"]);
}

fn by_share() -> GuardLimits {
    tighten(
        &Ceilings { targets: Caps { per_run: Some(500), per_day: Some(500) }, ..Ceilings::default() },
        &Written::default(),
    )
}

fn of(fleet: u64) -> Counts {
    Counts { fleet: Some(fleet), ..Counts::default() }
}

fn by(people: u32, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    for candidate in &mut candidates {
        candidate.approved = people;
    }
    candidates
}

#[test]
fn a_tenants_day_is_a_share_of_its_devices_and_one_at_least() {
    let limits = tighten(&Ceilings::default(), &Written::default());
    check(&limits, &of(30), &isolate([1]), &["ok"]);
    check(&limits, &of(30), &isolate([1, 2]), &["haltedTenantShare"; 2]);
    check(&limits, &of(250), &isolate(1..=5), &["ok"; 5]);
    let said = "the run was halted: disruptive actions on 2 devices and users in this tenant in 24 hours; 2 % of 30 \
                devices, 1, are allowed (`guards.maxTargetsOfTenant` in the settings says otherwise)";
    sentence(&limits, &of(30), &isolate([1, 2]), said);
    let had = |fleet: u64, had| {
        let used = Used { tenant_targets: keys(had), ..Used::default() };
        Counts { used, ..of(fleet) }
    };
    check(&limits, &had(250, 1..=5), &isolate([5]), &["ok"]);
    check(&limits, &had(250, 1..=5), &isolate([6]), &["haltedTenantShare"]);
    check(&limits, &had(30, 1..=1), &[on("disableUser", user("a@contoso.example"))], &["haltedTenantShare"]);
    // What gives something back, and what is neither a device nor a user, is no share of them.
    check(&limits, &had(30, 1..=1), &[on("releaseDevice", device(2))], &["ok"]);
    let indicator = || on("addIndicator", Target::of(TargetKind::Indicator, "evil.example"));
    check(&limits, &had(30, 1..=1), &[indicator()], &["ok"]);
    let settings = Ceilings { tenant_targets_per_day: Some(2), ..Ceilings::default() };
    let limits = GuardLimits { numbers: tighten(&settings, &Written::default()).numbers, ..limits };
    check(&limits, &had(1000, 1..=1), &isolate([2]), &["ok"]);
    check(&limits, &had(1000, 1..=1), &isolate([2, 3]), &["haltedTenantTargets"; 2]);
}

#[test]
fn where_nobody_knows_how_many_devices_there_are_people_are_asked() {
    let limits = tighten(&Ceilings::default(), &Written::default());
    for fleet in [None, Some(0)] {
        let counts = Counts { fleet, ..Counts::default() };
        check(&limits, &counts, &isolate([1]), &["waits"]);
        check(&limits, &counts, &[on("disableUser", user("a@contoso.example"))], &["waits"]);
        check(&limits, &counts, &[on("tagDevice", device(1))], &["ok"]);
        check(&limits, &counts, &[on("releaseDevice", device(1))], &["ok"]);
        check(&limits, &counts, &by(1, isolate([1])), &["ok"]);
        check(&limits, &counts, &isolate(1..=6), &["haltedRunTargets"; 6]);
    }
}

#[test]
fn a_run_on_many_of_the_devices_waits_for_two_people_and_on_too_many_for_nobody() {
    let limits = by_share();
    check(&limits, &of(100), &isolate(1..=5), &["ok"; 5]);
    check(&limits, &of(100), &isolate(1..=6), &["waits"; 6]);
    check(&limits, &of(100), &by(1, isolate(1..=6)), &["haltedRunShareAsked"; 6]);
    check(&limits, &of(100), &by(2, isolate(1..=6)), &["ok"; 6]);
    check(&limits, &of(100), &isolate(1..=11), &["haltedRunShare"; 11]);
    check(&limits, &of(100), &by(3, isolate(1..=11)), &["haltedRunShare"; 11]);
    let verdicts = admit(&limits, &of(100), &isolate(1..=6), now());
    assert!(verdicts.each.iter().all(|verdict| matches!(verdict, Verdict::Waits(_, 2))), "{verdicts:?}");
    // One device is a share of any fleet.
    check(&limits, &of(7), &isolate([1]), &["ok"]);
    check(&limits, &of(30), &isolate(1..=2), &["waits"; 2]);
    // What the run has had counts, and users are no devices.
    let had = Counts { used: Used { run_targets: keys(1..=10), ..Used::default() }, ..of(100) };
    check(&limits, &had, &isolate([10]), &["waits"]);
    check(&limits, &had, &isolate([11]), &["haltedRunShare"]);
    check(&limits, &had, &[on("disableUser", user("a@contoso.example"))], &["ok"]);
    let raised = RunShare { freely: Percent::new(20.0), approved: None };
    let caps = Caps { per_run: Some(500), per_day: Some(500) };
    let limits =
        tighten(&Ceilings { targets: caps, run_share: raised, ..Ceilings::default() }, &Written::default());
    check(&limits, &of(100), &isolate(1..=20), &["ok"; 20]);
    check(&limits, &of(100), &isolate(1..=21), &["haltedRunShare"; 21]);
}

#[test]
fn groups_values_roles_and_merged_ids_protect_and_what_is_not_known_of_them_too() {
    let machine = |feature, has: &[&str]| on("isolateDevice", device(1).having(feature, has));
    for (feature, codes) in [
        (Feature::Group, ["excludedGroup", "groupUnknown"]),
        (Feature::Value, ["excludedValue", "valueUnknown"]),
    ] {
        let limits = without(Exclusions::default().having(feature, ["High"]));
        check(&limits, &Counts::default(), &[machine(feature, &["HIGH "])], &[codes[0]]);
        check(&limits, &Counts::default(), &[machine(feature, &[])], &["ok"]);
        check(&limits, &Counts::default(), &isolate([1]), &[codes[1]]);
        check(&limits, &Counts::default(), &[on("tagDevice", device(1))], &["ok"]);
        check(&limits, &Counts::default(), &[on("disableUser", user("a@contoso.example"))], &["ok"]);
    }
    let limits = without(Exclusions::default().having(Feature::Role, ["Global Administrator"]));
    let person = |roles: &[&str]| on("disableUser", user("a@contoso.example").having(Feature::Role, roles));
    check(&limits, &Counts::default(), &[person(&["Global Administrator"])], &["excludedRole"]);
    check(&limits, &Counts::default(), &[person(&["Reader"])], &["ok"]);
    check(&limits, &Counts::default(), &[on("disableUser", user("a@contoso.example"))], &["rolesUnknown"]);

    let limits = without(Exclusions::default().devices([format!("{:040x}", 7)]));
    let merged = on("isolateDevice", device(1).merged_with([format!("{:040x}", 7)]));
    check(&limits, &Counts::default(), &[merged], &["excludedDevice"]);
    check(&limits, &Counts::default(), &isolate([1]), &["ok"]);
    let unknown = |action| on(action, Target::device(&format!("{:040x}", 1).parse().unwrap()));
    check(&limits, &Counts::default(), &[unknown("isolateDevice")], &["identityUnknown"]);
    check(&limits, &Counts::default(), &[unknown("tagDevice")], &["ok"]);
}

#[test]
fn an_entry_of_a_list_names_it() {
    let indicator = || on("addIndicator", Target::of(TargetKind::Indicator, "evil.example"));
    for (exclude, candidate) in [
        (Exclusions::default().listed_devices("vip", ["pc01"]), isolate([1]).remove(0)),
        (Exclusions::default().listed_users("vip", ["a@b.example"]), on("disableUser", user("a@b.example"))),
        (Exclusions::default().listed_indicators("vip", ["evil.example"]), indicator()),
    ] {
        let reason = excluded(&exclude, &candidate).map(|reason| reason.to_string()).unwrap_or_default();
        assert!(reason.contains("vip"), "{reason}");
    }
    assert_eq!(excluded(&Exclusions::default().devices(["pc01"]), &isolate([2])[0]), None);
}

#[test]
fn names_are_looked_up_where_an_entry_may_be_one() {
    let needs = |exclude: &Exclusions| {
        [TargetKind::Device, TargetKind::User, TargetKind::Incident].map(|kind| exclude.needs_names(kind))
    };
    assert_eq!(needs(&Exclusions::default().devices([format!("{:040x}", 1)])), [false; 3]);
    assert_eq!(needs(&Exclusions::default().devices(["dc01"])), [true, false, false]);
    let merged = |entry: String| Exclusions::default().devices([entry]).needs_merged();
    assert_eq!([merged(format!("{:040x}", 1)), merged("dc01".to_owned())], [true, false]);
    assert_eq!(needs(&Exclusions::default().users(["a@b.example"])), [false, true, false]);
}

#[test]
fn what_only_looks_like_an_id_is_a_name() {
    let id = "0f3e8a10-5b7c-4d21-9e64-000000000001";
    let by_id = || vec![on("disableUser", user(id))];
    let other = "1f3e8a10-5b7c-4d21-9e64-000000000001";
    check(&without(Exclusions::default().users([other])), &Counts::default(), &by_id(), &["ok"]);
    // Digits without dashes, and dashes without an id: accounts may be called so.
    for name in [other.replace('-', ""), "-".repeat(36)] {
        let limits = without(Exclusions::default().users([name]));
        check(&limits, &Counts::default(), &by_id(), &["identityUnknown"]);
    }
}

#[test]
fn a_target_goes_by_one_id_and_only_a_users_may_be_a_name() {
    let names = |kind, id| Target::of(kind, id).names().len();
    assert_eq!([names(TargetKind::User, "a@b.example"), names(TargetKind::User, "a")], [1, 0]);
    assert_eq!([names(TargetKind::Indicator, "a@b.example"), names(TargetKind::Email, "a")], [0, 0]);
    assert_eq!(user("a@b.example").known_as("AA11").id(), "aa11");
    assert_eq!(user("a@b.example").known_as("").id(), "a@b.example");
}

#[test]
fn of_two_canaries_the_stricter_counts() {
    let canary = |first, minutes| Some(Canary { first, wait: SignedDuration::from_mins(minutes) });
    let with = |house, own| {
        let ceilings = Ceilings { canary: house, ..Ceilings::default() };
        tighten(&ceilings, &Written { canary: own, ..Written::default() }).canary
    };
    assert_eq!(with(canary(3, 10), canary(2, 20)), canary(2, 10));
    assert_eq!([with(canary(3, 10), None), with(None, canary(2, 20))], [canary(3, 10), canary(2, 20)]);
}

#[test]
fn a_share_is_of_devices_and_people_may_say_yes_to_more_at_once() {
    let limits = tighten(&Ceilings::default(), &Written::default());
    assert!(limits.numbers.needs_fleet([(TargetKind::Device, true)]));
    assert!(!limits.numbers.needs_fleet([(TargetKind::Incident, false)]));
    let rate = |numbers: &Numbers| (numbers.rate.per_minute, numbers.rate.per_hour);
    assert_eq!(rate(&limits.numbers), (Some(PER_MINUTE), Some(PER_HOUR)));
    assert_eq!(rate(&limits.ceilings), (None, None));
    // What a run is allowed in a day by the settings is on purpose only if it is more than usual.
    let usual = Caps { per_run: None, per_day: Some(TENANT_TARGETS_PER_DAY) };
    let ceilings = Ceilings { targets: usual, ..Ceilings::default() };
    assert_eq!(tighten(&ceilings, &Written::default()).numbers.tenant_share, ceilings.tenant_share);
}

#[test]
fn a_halted_run_is_told_of_the_playbooks_own_limit_first() {
    let actions = Caps { per_run: Some(2), per_day: None };
    let own = tighten(&Ceilings::default(), &Written { actions, ..Written::default() });
    check(&own, &Counts::default(), &isolate(1..=201), &["haltedRunActions"; 201]);
    let verdicts = admit(&own, &Counts::default(), &isolate(1..=201), now());
    assert_eq!(verdicts.halted, Some(Exceeded::RunActions { limit: 2, wanted: 201 }));
    assert!(!verdicts.is_unusual());
}

#[test]
fn a_run_held_for_its_many_matches_says_so() {
    let counts = Counts { matched: (1_000, Some(1)), ..Counts::default() };
    assert!(admit(&limits(), &counts, &isolate([1]), now()).is_unusual());
}

#[test]
fn nothing_is_taken_away_outside_the_windows() {
    let never = crate::model::WindowsText {
        timezone: None,
        only: vec![],
        never: vec![crate::model::WindowText { days: vec![], from: None, to: None }],
    };
    let windows = crate::cadence::Windows::read(&never).unwrap();
    let shut = GuardLimits { windows: vec![windows], ..limits() };
    assert!(shut.shut(Leave::None, now()).is_some() && shut.shut(Leave::Given, now()).is_none());
    check(&shut, &Counts::default(), &isolate([1]), &["haltedWindow"]);
}

#[test]
fn a_tag_protects_by_default_and_what_is_needed_to_know_that_is_said() {
    let by_tag = Ceilings::protected_by_tag();
    let tagged = on("isolateDevice", device(1).tagged(["hb-protect"]));
    assert!(excluded(&by_tag, &tagged).is_some());
    assert!(excluded(&by_tag, &on("isolateDevice", device(1))).is_none());
    assert!(by_tag.needs(Feature::Tag) && !by_tag.needs(Feature::Value));
    assert!(!Exclusions::default().needs(Feature::Tag));
}
