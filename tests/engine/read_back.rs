//! What leaves its own behind at the tenant, and whose answer was lost: comments by their mark, revoked sessions by the
//! time from which on sessions count, the switch of an account by its state.

use huntbook::clock::{Clock as _, ManualClock};
use huntbook::engine::ItemOutcome::Acted;
use huntbook::engine::{Doubts, Report, StepState};
use huntbook::http::Open;
use huntbook::model::MergeReason;
use huntbook::sim::{Apply, Fault, SimOptions};
use huntbook::store::{EffectState, Speaker};
use huntbook::tenant::{AccountAt, Operation};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::doubt::change;
use crate::{House, outcomes, playbook, states};

const COMMENT: &str =
    "actions:\n  - commentIncident: {incident: \"4101\", comment: \"{{row.DeviceName}} was here\"}\n";
const COMMENT_ALERT: &str =
    "actions:\n  - commentAlert: {alert: \"da4101a001_1\", comment: \"{{row.DeviceName}} was here\"}\n";
const REVOKE: &str = "actions:\n  - revokeSessions: {user: \"{{row.User}}\"}\n";
const DISABLE: &str = "actions:\n  - disableUser: {user: \"{{row.User}}\"}\n";
/// What is sent, what is read afterwards, and how often that is read before.
type Calls = (&'static str, &'static str, u32);
const COMMENTS: &str = "POST /graph/**/comments";
const REVOCATIONS: &str = "POST /graph/**/revokeSignInSessions";
const USER: &str = "GET /graph/v1.0/users/*";
const INCIDENT: &str = "GET /graph/v1.0/security/incidents/*";
const INCIDENT_COMMENT: Calls = (COMMENTS, INCIDENT, 1);
const ALERT_COMMENT: Calls = (COMMENTS, "GET /graph/v1.0/security/alerts_v2/*", 0);
const REVOCATION: Calls = (REVOCATIONS, USER, 0);
const SWITCH: Calls = ("PATCH /graph/v1.0/users/*", USER, 2);

const TEN_MINUTES: SignedDuration = SignedDuration::from_mins(10);
const A_MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A house whose tenant took a call, or did not, and did not answer; nor did it say anything of it right afterwards.
struct Lost {
    house: House,
    doubts: Doubts,
    text: String,
}

impl Lost {
    async fn call(action: &str, faults: Calls, apply: Apply) -> Self {
        Self::call_in(House::with_rows(1).await, action, faults, apply).await
    }

    async fn call_in(house: House, action: &str, calls: Calls, apply: Apply) -> Self {
        Self::call_of(house, action, calls, (apply, &[StepState::Parked])).await
    }

    async fn call_of(
        house: House,
        action: &str,
        (sent, read, before): Calls,
        (apply, came): (Apply, &[StepState]),
    ) -> Self {
        let lost = Fault { reset: true, times: Some(1), apply, ..Fault::on(sent) };
        let mute = Fault { status: Some(403), after: before, times: Some(1), ..Fault::on(read) };
        house.sim.set_faults(vec![lost, mute]).expect("sound faults");
        let text = playbook(action);
        let report = house.run(&text).await;
        assert_eq!(states(&report), came, "{:?}", report.items);
        house.sim.set_faults(Vec::new()).expect("no faults are sound");
        let mut lost = Self { house, doubts: Doubts::default(), text };
        assert_eq!(lost.look(SignedDuration::ZERO).await, [], "it may be on its way");
        lost
    }

    async fn look(&mut self, time: SignedDuration) -> Vec<EffectState> {
        self.house.clock.advance(time);
        let settled = self.house.engine.look_into("contoso", &mut self.doubts).await;
        settled.expect("the journal is fine").into_iter().map(|effect| effect.state).collect()
    }

    /// What the tenant answers from here on.
    fn shows(&self, read: &str, body: Value) {
        let fault = Fault { status: Some(200), body: Some(body), ..Fault::on(read) };
        self.house.sim.set_faults(vec![fault]).expect("a sound fault");
    }

    async fn run(&self) -> Report {
        self.house.run(&self.text).await
    }
}

/// What somebody else does in the tenant.
async fn by_hand(house: &House, operation: &Operation) {
    house.forge();
    let tenant = house.engine.tenants.values().next().expect("there is one");
    tenant.apply(operation, &Open).await.expect("it is taken");
}

const TAKEN: Apply = Apply::Before;
const LOST: Apply = Apply::Not;

fn comment(mark: &str) -> Operation {
    let incident = "4101".parse().expect("an id");
    Operation::CommentIncident { incident, comment: format!("{mark} was here") }
}

#[tokio::test]
async fn a_comment_whose_answer_was_lost_is_read_back_by_its_mark_at_once() {
    for action in [COMMENT, COMMENT_ALERT] {
        let house = House::with_rows(1).await;
        let lost = Fault { reset: true, times: Some(1), apply: TAKEN, ..Fault::on(COMMENTS) };
        house.sim.set_faults(vec![lost]).expect("a sound fault");
        let report = house.run(&playbook(action)).await;
        assert_eq!((states(&report), outcomes(&report)), (vec![StepState::Done], vec![Acted]));
        let effects = house.sim.effects();
        let written = effects[0].comment.clone().expect("a comment");
        assert!(written.starts_with("[hb:1:") && written.ends_with("] host0 was here"), "{written}");
        assert_eq!(effects.len(), 1);
    }
}

#[tokio::test]
async fn a_comment_that_is_shown_later_is_found_and_one_that_never_came_is_written_by_the_next_run() {
    for (action, calls) in [(COMMENT, INCIDENT_COMMENT), (COMMENT_ALERT, ALERT_COMMENT)] {
        let mut lost = Lost::call(action, calls, TAKEN).await;
        assert_eq!(lost.look(TEN_MINUTES.saturating_sub(A_MINUTE)).await, []);
        assert_eq!(lost.look(A_MINUTE).await, [EffectState::Done]);
        let report = lost.run().await;
        assert_eq!((report.counts.matched, lost.house.applied().len()), (0, 1));

        let mut lost = Lost::call(action, calls, LOST).await;
        assert_eq!(lost.look(TEN_MINUTES).await, [], "one look proves nothing");
        assert_eq!(lost.look(A_MINUTE).await, [EffectState::NotApplied]);
        assert_eq!(outcomes(&lost.run().await), [Acted]);
        assert_eq!(lost.house.applied().len(), 1);
    }
}

#[tokio::test]
async fn a_comment_of_somebody_elses_is_not_ours() {
    let mut lost = Lost::call(COMMENT, INCIDENT_COMMENT, LOST).await;
    by_hand(&lost.house, &comment("host0")).await;
    by_hand(&lost.house, &comment("[hb:1:abc:1:0123456789] host0")).await;
    assert_eq!(lost.look(TEN_MINUTES).await, []);
    assert_eq!(lost.look(A_MINUTE).await, [EffectState::NotApplied]);
}

#[tokio::test]
async fn nothing_is_concluded_from_an_incident_that_was_merged_or_does_not_answer() {
    let mut lost = Lost::call(COMMENT, INCIDENT_COMMENT, LOST).await;
    let refused = Fault { status: Some(403), times: Some(1), ..Fault::on(INCIDENT) };
    lost.house.sim.set_faults(vec![refused]).expect("a sound fault");
    assert_eq!(lost.look(TEN_MINUTES).await, []);
    let incidents = ["4101", "4102"].map(|id| id.parse().expect("an id")).to_vec();
    let (comment, reasons) = ("one matter".to_owned(), vec![MergeReason::ALL[0]]);
    by_hand(&lost.house, &Operation::MergeIncidents { incidents, comment, reasons }).await;
    for _look in 0..5 {
        assert_eq!(lost.look(A_MINUTE).await, []);
    }
}

#[tokio::test]
async fn sessions_whose_revocation_was_not_answered_are_read_back_by_when_they_count_from() {
    let house = House::with_rows(1).await;
    let lost = Fault { reset: true, times: Some(1), apply: TAKEN, ..Fault::on(REVOCATIONS) };
    house.sim.set_faults(vec![lost]).expect("a sound fault");
    assert_eq!(states(&house.run(&playbook(REVOKE)).await), [StepState::Done], "at once");

    let mut lost = Lost::call(REVOKE, REVOCATION, TAKEN).await;
    assert_eq!(lost.look(TEN_MINUTES).await, [EffectState::Done], "or later");
    assert_eq!(lost.run().await.counts.matched, 0);

    let mut lost = Lost::call(REVOKE, REVOCATION, LOST).await;
    assert_eq!(lost.look(TEN_MINUTES).await, []);
    assert_eq!(lost.look(A_MINUTE).await, [EffectState::NotApplied]);
    assert_eq!(outcomes(&lost.run().await), [Acted]);
    assert_eq!(lost.house.applied().len(), 1);
}

#[tokio::test]
async fn a_revocation_of_the_day_before_proves_nothing_and_one_since_is_as_good() {
    for (before, expect) in [(true, vec![]), (false, vec![EffectState::Done])] {
        let house = House::with_rows(1).await;
        let user = "maja.berg@contoso.example".parse().expect("a user");
        let revoke = Operation::RevokeSessions { user };
        if before {
            by_hand(&house, &revoke).await;
            house.clock.advance(SignedDuration::from_hours(1));
        }
        let mut lost = Lost::call_in(house, REVOKE, REVOCATION, LOST).await;
        if !before {
            by_hand(&lost.house, &revoke).await;
        }
        assert_eq!(lost.look(TEN_MINUTES).await, expect);
        assert_eq!(lost.look(A_MINUTE).await, []);
    }
}

#[tokio::test]
async fn a_revocation_of_the_hour_before_is_not_taken_for_one_whose_answer_was_lost_just_now() {
    let house = House::with_rows(1).await;
    by_hand(
        &house,
        &Operation::RevokeSessions { user: "maja.berg@contoso.example".parse().expect("a user") },
    )
    .await;
    house.clock.advance(SignedDuration::from_hours(1));
    let lost = Fault { reset: true, times: Some(1), apply: LOST, ..Fault::on(REVOCATIONS) };
    house.sim.set_faults(vec![lost]).expect("a sound fault");
    assert_eq!(states(&house.run(&playbook(REVOKE)).await), [StepState::Parked]);
}

/// A house whose clock is ahead of its tenant's by less than matters, and the tenant's clock.
async fn ahead() -> (House, ManualClock) {
    let mut house = House::with_rows(1).await;
    let (theirs, by) = (house.clock.clone(), SignedDuration::from_mins(4));
    house.goes_ahead(by);
    house.clock = ManualClock::new(theirs.now() + by);
    (house.restart().await, theirs)
}

#[tokio::test]
async fn when_sessions_were_revoked_is_told_by_the_clock_of_the_tenant() {
    let (house, _theirs) = ahead().await;
    let lost = Fault { reset: true, times: Some(1), apply: TAKEN, ..Fault::on(REVOCATIONS) };
    house.sim.set_faults(vec![lost]).expect("a sound fault");
    assert_eq!(states(&house.run(&playbook(REVOKE)).await), [StepState::Done], "at once");

    let (house, theirs) = ahead().await;
    let lost = Fault { reset: true, times: Some(1), apply: TAKEN, ..Fault::on(REVOCATIONS) };
    let mute = Fault { status: Some(403), times: Some(1), ..Fault::on(USER) };
    house.sim.set_faults(vec![lost, mute]).expect("sound faults");
    assert_eq!(states(&house.run(&playbook(REVOKE)).await), [StepState::Parked]);
    let mut lost = Lost { house, doubts: Doubts::default(), text: playbook(REVOKE) };
    // It is first known to be in doubt a while after it was sent.
    for time in [A_MINUTE, TEN_MINUTES] {
        theirs.advance(time);
        let found = lost.look(time).await;
        assert_eq!(found, if time == A_MINUTE { vec![] } else { vec![EffectState::Done] });
    }
}

#[tokio::test]
async fn an_account_that_is_off_was_switched_off_and_one_that_is_on_is_left_to_people() {
    let mut lost = Lost::call_in(House::with_rows(1).await.watched(), DISABLE, SWITCH, TAKEN).await;
    assert_eq!(lost.look(TEN_MINUTES).await, [EffectState::Done]);
    let titles = lost.house.titles().await;
    let told = "disableUser is in doubt no more: the account is as it was to be, whoever did it".to_owned();
    assert!(titles.contains(&told), "{titles:?}");
    let done = lost.house.engine.store.effects_in(EffectState::Done).await.unwrap();
    assert_eq!(done[0].detail.as_deref(), Some("no answer came, and the account is as it was to be"));
    let mut lost = Lost::call(DISABLE, SWITCH, LOST).await;
    for _look in 0..15 {
        assert_eq!(lost.look(A_MINUTE).await, [], "people may have switched it on again");
    }
    assert_eq!(lost.house.applied(), Vec::<String>::new());
}

#[tokio::test]
async fn an_account_that_is_mastered_elsewhere_is_not_read_back_from_entra_id() {
    let elsewhere = DISABLE.replace(
        "}\"}\n",
        "}\", identityAccount: {id: \"6d0f1c52-0000-4be3-8d0f-9a550d5c2f01\", \
         accountId: \"256db173-930a-4991-9061-0d51a9a93ba5\", identityProvider: activeDirectory}}\n",
    );
    let name = "maja.berg@contoso.example";
    let mastered = |options: &mut SimOptions| {
        let account = json!({"accountId": "256db173-930a-4991-9061-0d51a9a93ba5", "identityProvider": "activeDirectory"});
        let identity = json!({"id": "6d0f1c52-0000-4be3-8d0f-9a550d5c2f01", "accounts": [account]});
        let user = options.data.users.iter_mut().find(|user| user.user_principal_name == name);
        let user = user.expect("the sample has her");
        user.identity = serde_json::from_value(identity).expect("an identity");
        user.security_identifier = Some("S-1-12-1-1444905166-1281032461-2424471194-34654511".to_owned());
    };
    let house = House::with(1, mastered).await;
    let user = name.parse().expect("a user");
    by_hand(&house, &Operation::DisableUser { user, at: AccountAt::Entra }).await;
    let lost = Fault { reset: true, times: Some(1), apply: LOST, ..Fault::on("POST /graph/**/invokeAction") };
    house.sim.set_faults(vec![lost]).expect("a sound fault");
    let report = house.run(&playbook(&elsewhere)).await;
    assert_eq!(states(&report), [StepState::Parked], "{:?}", report.items);
}

#[tokio::test]
async fn incidents_whose_merge_was_not_answered_are_merged_if_they_are_one() {
    let text = playbook(
        "actions:\n  - mergeIncidents: {incidents: [\"4101\", \"4102\"], comment: test, reasons: [sameActor]}\n    \
         approval: {channel: soc}\n",
    );
    for (apply, state) in [(TAKEN, StepState::Done), (LOST, StepState::Parked)] {
        let house = House::with_rows(1).await;
        let asked = house.run(&text).await;
        assert_eq!(states(&asked), [StepState::PendingApproval], "{:?}", asked.items);
        house.say_yes().await;
        let lost =
            Fault { reset: true, times: Some(1), apply, ..Fault::on("POST /graph/**/*mergeIncidents") };
        house.sim.set_faults(vec![lost]).expect("a sound fault");
        house.go_on(&text).await;
        assert_eq!(states(&house.run_of(asked.run).await), [state]);
    }
}

#[tokio::test]
async fn an_indicator_whose_answer_was_lost_is_read_back_by_what_it_says() {
    let text = playbook(
        "actions:\n  - addIndicator: {indicatorValue: evil.example.com, indicatorType: domainName, action: block, \
         title: t, description: d}\n",
    );
    for (apply, state) in [(TAKEN, StepState::Done), (LOST, StepState::Parked)] {
        let house = House::with_rows(1).await;
        let lost = Fault { reset: true, times: Some(1), apply, ..Fault::on("POST /mde/api/indicators") };
        house.sim.set_faults(vec![lost]).expect("a sound fault");
        let report = house.run(&text).await;
        assert_eq!(states(&report), [state], "{:?}", report.items);
    }
}

#[tokio::test]
async fn a_tenant_that_leaves_comments_out_or_times_that_are_none_prove_nothing() {
    let mut lost = Lost::call(COMMENT, INCIDENT_COMMENT, LOST).await;
    for body in [json!({"id": "4101", "comments": null}), json!({"id": "4101"}), cut_off()] {
        lost.shows(INCIDENT, body);
        for _look in 0..12 {
            assert_eq!(lost.look(A_MINUTE).await, []);
        }
    }
    let mut lost = Lost::call(REVOKE, REVOCATION, LOST).await;
    for time in [json!(null), json!("soon"), json!("")] {
        let user = "maja.berg@contoso.example";
        lost.shows(
            USER,
            json!({"id": "7", "userPrincipalName": user, "signInSessionsValidFromDateTime": time}),
        );
        for _look in 0..12 {
            assert_eq!(lost.look(A_MINUTE).await, []);
        }
    }
}

/// Comments of which there are more.
fn cut_off() -> Value {
    json!({"id": "4101", "comments": [], "comments@odata.nextLink": "https://graph.contoso.example/more"})
}

#[tokio::test]
async fn where_others_of_its_item_were_done_people_are_told_that_nothing_writes_a_comment_again() {
    let both =
        COMMENT.replace("actions:\n", "actions:\n  - tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}\n");
    let house = House::with_rows(1).await.watched();
    let mut lost =
        Lost::call_of(house, &both, INCIDENT_COMMENT, (LOST, &[StepState::Done, StepState::Parked])).await;
    assert_eq!(lost.look(TEN_MINUTES).await, []);
    assert_eq!(lost.look(A_MINUTE).await, [EffectState::NotApplied]);
    let told = lost.house.alerts().await;
    assert!(told.iter().any(|(title, _text)| title.contains("nothing does it again")), "{told:?}");
    assert_eq!(lost.run().await.counts.matched, 0);
}

#[tokio::test]
async fn an_account_that_nobody_knows_who_switched_off_is_switched_on_again_for_people_only() {
    let with_end = DISABLE.replace("}\"}\n", "}\"}\n    revertAfter: 4h\n");
    let house = House::with_rows(1).await.watched();
    let mut lost = Lost::call_in(house, &with_end, SWITCH, LOST).await;
    let user = "maja.berg@contoso.example".parse().expect("a user");
    by_hand(&lost.house, &Operation::DisableUser { user, at: AccountAt::Entra }).await;
    assert_eq!(lost.look(TEN_MINUTES).await, [EffectState::Done]);
    let told = lost.house.alerts().await;
    let kept = told.iter().filter(|(title, _text)| title.contains("is not taken back")).count();
    assert_eq!(kept, 1, "{told:?}");
    lost.house.clock.advance(SignedDuration::from_hours(5));
    lost.house.take_back().await;
    assert_eq!(lost.house.applied().len(), 1, "{:?}", lost.house.applied());
    let stands = lost.house.stands().await;
    assert!(stands[0].reason.as_deref().is_some_and(|why| why.contains("nobody knows who")), "{stands:?}");
}

#[tokio::test]
async fn an_account_that_is_off_at_once_may_be_somebody_elses_doing_too() {
    let with_end = DISABLE.replace("}\"}\n", "}\"}\n    revertAfter: 4h\n");
    let house = House::with_rows(1).await.watched();
    let lost = Fault { reset: true, times: Some(1), apply: TAKEN, ..Fault::on(SWITCH.0) };
    house.sim.set_faults(vec![lost]).expect("a sound fault");
    let report = house.run(&playbook(&with_end)).await;
    assert_eq!(states(&report), [StepState::Done], "{:?}", report.items);
    let told = house.alerts().await;
    assert!(told.iter().any(|(title, _text)| title.contains("is not taken back")), "{told:?}");
    house.clock.advance(SignedDuration::from_hours(5));
    house.take_back().await;
    assert_eq!(house.applied().len(), 1, "{:?}", house.applied());
}

#[tokio::test]
async fn what_people_have_asked_for_while_an_account_was_in_doubt_is_done() {
    let mut lost = Lost::call(DISABLE, SWITCH, TAKEN).await;
    let stands = lost.house.stands().await;
    let by = Speaker { account: "maja".to_owned(), uid: None, reason: None };
    lost.house.engine.store.hear_revert(&stands[0].effect, &by).await.expect("it stands");
    assert_eq!(lost.look(TEN_MINUTES).await, [EffectState::Done]);
    lost.house.take_back().await;
    let applied = lost.house.applied();
    assert!(applied.len() == 2 && applied[1].starts_with("enable"), "{applied:?}");
}

#[tokio::test]
async fn comments_that_were_sent_without_a_mark_are_left_to_people() {
    let mut lost = Lost::call(COMMENT, INCIDENT_COMMENT, TAKEN).await;
    // As if the journal had come from a huntbook that did not mark them.
    change(lost.house.journal(), "UPDATE facts SET value = value + 1 WHERE name = 'commentsMarkedSince'")
        .await;
    lost.house = lost.house.restart().await;
    for _look in 0..20 {
        assert_eq!(lost.look(A_MINUTE).await, []);
    }
}
