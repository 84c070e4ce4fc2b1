//! Incidents and alerts as they come in: partial and shifting lists, late, future and merged ones, echoes, races.
//! The rows are those of the failure table that the incident queue is built after.

use huntbook::action::Approval;
use huntbook::engine::{Report, RunState, StepState};
use huntbook::guard::MAX_AGE;
use huntbook::sim::{Fault, SimAlert, SimData, SimIncident, SimOptions};
use huntbook::store::Watermark;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{House, NOW, states};

const LIST: &str = "GET /graph/v1.0/security/incidents";

/// A playbook over the queue; `rest` is added at its end.
fn triage(filter: &str, rest: &str) -> String {
    format!(
        "schema: 1\nid: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e78\nname: Triage\nmode: enforce\nseverity: Low\n\
         incidents:\n  filter: {{{filter}}}\n{rest}"
    )
}

const COMMENT: &str =
    "actions:\n  - commentIncident: {incident: \"{{incident.id}}\", comment: \"{{run.id}}\"}\n";

fn poll() -> String {
    triage("status: [active]", COMMENT)
}

fn incident(id: &str, updated: &str) -> SimIncident {
    SimIncident {
        id: id.to_owned(),
        display_name: format!("Incident {id}"),
        last_update_date_time: updated.to_owned(),
        created_date_time: "-20d".to_owned(),
        ..SimIncident::default()
    }
}

fn cases(incidents: impl IntoIterator<Item = SimIncident>) -> SimData {
    SimData { incidents: incidents.into_iter().collect(), ..SimData::default() }
}

impl House {
    /// A tenant with these incidents and no alerts, which gives pages of two.
    async fn with_cases(incidents: impl IntoIterator<Item = SimIncident>) -> Self {
        let incidents: Vec<SimIncident> = incidents.into_iter().collect();
        Self::with(0, |options| {
            (options.data.incidents, options.data.alerts) = (incidents, Vec::new());
            options.page_size = 2;
        })
        .await
    }

    fn arrives(&self, incidents: impl IntoIterator<Item = SimIncident>) {
        self.sim.add_cases(&cases(incidents)).expect("the times are times");
    }

    fn faults(&self, script: Value) {
        self.sim.set_faults(Fault::script(script).expect("a script")).expect("it fits");
    }

    async fn polled_to(&self) -> Option<Watermark> {
        let playbook = self.plan(&poll()).about.id;
        self.engine.store.watermark("contoso", playbook).await.expect("it can be read")
    }

    /// The incidents that were commented on, sorted.
    fn commented(&self) -> Vec<String> {
        let effects = self.sim.effects().into_iter().filter(|effect| effect.effect == "commentIncident");
        let mut ids: Vec<String> = effects.map(|effect| effect.target).collect();
        ids.sort();
        ids
    }

    /// An incident as it is in the tenant.
    fn incident(&self, id: &str) -> Value {
        let state = self.sim.state();
        let all = state.pointer("/incidents").and_then(Value::as_array).expect("a list");
        all.iter().find(|incident| incident.get("id") == Some(&json!(id))).expect("it is there").clone()
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// An incident as the list shows it.
fn shown(id: &str, updated: &str) -> Value {
    json!({
        "id": id, "displayName": "x", "status": "active", "severity": "medium", "lastUpdateDateTime": updated,
        "customTags": [], "redirectIncidentId": null,
    })
}

#[tokio::test]
async fn row_23_of_a_list_that_is_not_whole_nothing_is_kept_and_the_watermark_stays() {
    let house = House::with_cases([incident("1", "-30m")]).await;
    assert_eq!(house.run(&poll()).await.counts.acted, 1);
    let before = house.polled_to().await;
    assert_eq!(before.map(|mark| mark.at), Some(at("2026-03-01T11:30:00Z")));
    house.arrives([incident("2", "-4m"), incident("3", "-5m"), incident("4", "-6m")]);
    let link = |query: &str| format!("{}/graph/v1.0/security/incidents?{query}", house.sim.url());
    let page = |link: &str| {
        let value = [shown("2", "2026-03-01T11:56:00Z"), shown("9", "2026-02-01T00:00:00Z")];
        json!({"value": value, "@odata.nextLink": link})
    };
    for (what, fault) in [
        ("cut", json!({"match": LIST, "body": "{\"value\": [{\"id\": \"2\""})),
        ("refused later", json!({"match": LIST, "status": 400, "after": 1})),
        ("in circles", json!({"match": LIST, "body": page(&link("$skip=2"))})),
        ("elsewhere", json!({"match": LIST, "body": page("https://graph.contoso.example/x")})),
        (
            "link lost",
            json!({"match": LIST, "body": {
                "value": [shown("2", "2026-02-01T00:00:00Z")], "@odata.count": 3,
            }}),
        ),
    ] {
        house.clock.advance(minutes(1));
        house.faults(fault);
        let report = house.run(&poll()).await;
        assert_eq!((report.state, report.counts.matched), (RunState::Failed, 0), "{what}: {report:?}");
        assert_eq!(house.polled_to().await, before, "{what}");
    }
    house.faults(json!([]));
    assert_eq!(house.run(&poll()).await.counts.acted, 3);
    assert_eq!(house.commented(), ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn row_24_one_that_cannot_be_read_is_set_aside_and_the_others_are_dealt_with() {
    let house = House::with_cases([incident("1", "-30m"), incident("2", "-20m")]).await;
    let good = [shown("1", "2026-03-01T11:30:00Z"), shown("2", "2026-03-01T11:40:00Z")];
    let [first, second] = good;
    let body = json!({"value": [first, {"id": "../users", "status": "active"}, second]});
    house.faults(json!({"match": LIST, "body": body}));
    let report = house.run(&poll()).await;
    assert_eq!((report.counts.quarantined, report.counts.acted), (1, 2), "{report:?}");
    assert_eq!(house.commented(), ["1", "2"]);
}

#[tokio::test]
async fn row_25_doubles_in_a_page_across_pages_and_across_polls_are_one() {
    let house = House::with_cases([incident("1", "-30m"), incident("2", "-20m")]).await;
    let one = || shown("1", "2026-03-01T11:30:00Z");
    house.faults(json!({"match": LIST, "body": {"value": [one(), one()]}}));
    assert_eq!(house.run(&poll()).await.counts.acted, 1);
    // A service that does not filter by time is leafed through; its second page repeats what the first had.
    let link = format!("{}/graph/v1.0/security/incidents?$skip=2", house.sim.url());
    let old = shown("7", "2026-01-01T00:00:00Z");
    let first = json!({"value": [old, one()], "@odata.nextLink": link});
    let second = json!({"value": [one(), shown("2", "2026-03-01T11:40:00Z")]});
    house.faults(json!([
        {"match": LIST, "body": first, "times": 2}, {"match": LIST, "body": second, "times": 1},
    ]));
    let report = house.run(&triage("status: [active], updatedWithin: 1h", COMMENT)).await;
    assert_eq!((report.counts.hunted, report.counts.duplicates, report.counts.acted), (2, 1, 1));
    assert_eq!(house.commented(), ["1", "2"]);
}

#[tokio::test]
async fn row_26_what_changes_while_the_list_is_read_hides_no_other() {
    for after in 0..10 {
        let all = (1..=7).map(|n| incident(&n.to_string(), &format!("-{}m", n * 7)));
        let house = House::with_cases(all).await;
        // Newest first, each change pushes the others down by one while the pages are counted.
        house.faults(json!([
            {"match": LIST, "touch": ["7"], "after": after, "times": 1},
            {"match": LIST, "touch": ["4", "5"], "after": after / 2, "times": 1},
        ]));
        let report = house.run(&poll()).await;
        assert_eq!(report.counts.acted, 7, "after {after}: {report:?}");
        assert_eq!(house.commented(), ["1", "2", "3", "4", "5", "6", "7"], "after {after}");
    }
}

#[tokio::test]
async fn row_26_many_that_changed_in_one_instant_are_leafed_through() {
    let house = House::with_cases((10..17).map(|n| incident(&n.to_string(), "-10m"))).await;
    assert_eq!(house.run(&poll()).await.counts.acted, 7);
}

#[tokio::test]
async fn row_27_late_ones_are_met_by_looking_back_and_by_the_sweep_of_a_day() {
    let house = House::with_cases([incident("1", "-10m")]).await;
    house.run(&poll()).await;
    house.clock.advance(minutes(20));
    // It became visible now, with a change of long before what is known.
    house.arrives([incident("2", "-65m")]);
    let second = house.run(&poll()).await;
    assert_eq!((second.counts.acted, second.counts.duplicates), (1, 1), "{second:?}");

    house.clock.advance(hours(8));
    house.arrives([incident("3", "-5m")]);
    assert_eq!(house.run(&poll()).await.counts.acted, 1);
    house.arrives([incident("4", "-7h")]);
    house.clock.advance(minutes(5));
    let narrow = house.run(&poll()).await;
    assert_eq!((narrow.counts.hunted, narrow.counts.matched), (1, 0), "only the last hour: {narrow:?}");
    house.clock.advance(hours(16));
    let sweep = house.run(&poll()).await;
    assert_eq!((sweep.counts.duplicates, sweep.counts.acted), (1, 1), "a day: {sweep:?}");
    assert_eq!(house.commented(), ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn row_27_what_changed_while_nobody_polled_is_met_however_long_that_was() {
    let house = House::with_cases([incident("1", "-10m")]).await;
    house.run(&poll()).await;
    house.clock.advance(hours(80));
    house.arrives([incident("2", "-79h")]);
    let house = house.restart().await;
    assert_eq!(house.run(&poll()).await.counts.acted, 1);
    assert_eq!(house.commented(), ["1", "2"]);
}

#[tokio::test]
async fn row_27_what_was_left_undone_is_met_again_however_long_ago_it_changed() {
    let house = House::with_cases([incident("1", "-10m")]).await;
    house.faults(json!({"match": "POST /graph/v1.0/security/incidents/1/comments", "status": 403}));
    assert_eq!(house.run(&poll()).await.counts.failed, 1);
    house.faults(json!([]));
    house.clock.advance(hours(6));
    house.arrives([incident("2", "-1m")]);
    assert_eq!(house.run(&poll()).await.counts.acted, 2);
    assert_eq!(house.polled_to().await.and_then(|mark| mark.owed), None, "nothing is owed any more");
}

#[tokio::test]
async fn row_28_a_change_in_the_future_or_in_the_past_does_not_move_the_watermark_wrongly() {
    let house = House::with_cases([incident("1", "2026-03-01T15:00:00Z")]).await;
    assert_eq!(house.run(&poll()).await.counts.acted, 1);
    let mark = house.polled_to().await.map(|mark| mark.at);
    assert_eq!(mark, Some(at(NOW) - minutes(2)), "two minutes before what the service's clock says");
    house.clock.advance(minutes(10));
    // The comment has set its time to now; somebody sets it ahead again.
    house.arrives([incident("1", "2026-03-01T15:00:00Z"), incident("2", "-8m")]);
    assert_eq!(house.run(&poll()).await.counts.acted, 1);
    let later = house.polled_to().await.map(|mark| mark.at);
    assert_eq!(later, Some(at("2026-03-01T12:08:00Z")));
    // What is in the future now is on every list, and known; a clock turned back moves nothing back.
    house.arrives([incident("1", "2026-03-01T11:30:00Z")]);
    house.clock.advance(minutes(-5));
    assert_eq!(house.run(&poll()).await.counts.matched, 0);
    assert_eq!(house.polled_to().await.map(|mark| mark.at), later);
}

#[tokio::test]
async fn row_29_what_a_playbook_does_to_an_incident_is_no_news_to_it_and_what_its_filter_asks_about_is() {
    let house = House::with_cases([incident("1", "-10m")]).await;
    let text = triage(
        "status: [active], severity: [medium, high]",
        "actions:\n  - updateIncident: {incident: \"{{incident.id}}\", tags: {add: [seen]}, comment: seen}\n",
    );
    assert_eq!(house.run(&text).await.counts.acted, 1);
    for _poll in 0..3 {
        house.clock.advance(minutes(5));
        let again = house.run(&text).await;
        assert_eq!((again.counts.hunted, again.counts.matched), (1, 0), "our own change: {again:?}");
    }
    let change = |severity: &str, updated: &str| SimIncident {
        severity: severity.to_owned(),
        custom_tags: vec!["seen".to_owned(), "theirs".to_owned()],
        ..incident("1", updated)
    };
    house.arrives([change("medium", "-1m")]);
    assert_eq!(house.run(&text).await.counts.matched, 0, "nothing that the filter asks about");
    house.arrives([change("high", "-1m")]);
    assert_eq!(house.run(&text).await.counts.matched, 1, "it was raised");
    house.arrives([change("medium", "-1m")]);
    assert_eq!(house.run(&text).await.counts.matched, 0, "it was lowered");
    house.arrives([change("high", "-1m")]);
    assert_eq!(house.run(&text).await.counts.matched, 0, "and raised again");
    // A tag that the filter asks for is a word of somebody; of the playbook's own it is an echo.
    let tagged = |rest: &str| triage("tags: {any: [seen, contain]}", rest);
    let own = "actions:\n  - updateIncident: {incident: \"{{incident.id}}\", tags: {add: [contain]}}\n";
    assert_eq!(house.run(&tagged(own)).await.counts.matched, 0);
    let asked = SimIncident { custom_tags: vec!["contain".to_owned()], ..change("high", "-1m") };
    house.arrives([asked]);
    assert_eq!(house.run(&tagged(own)).await.counts.matched, 0, "an echo");
    assert_eq!(house.run(&tagged(COMMENT)).await.counts.matched, 1, "a word");
}

#[tokio::test]
async fn row_30_a_merged_incident_goes_by_the_one_it_became_part_of() {
    let old = |id: &str| incident(id, "-9d");
    let house =
        House::with_cases([incident("1", "-10m"), old("20"), incident("3", "-8m"), old("40"), old("50")])
            .await;
    let text = triage("status: [active], severity: [medium]", COMMENT);
    let first = house.run(&text).await;
    assert_eq!((first.counts.acted, house.commented()), (2, vec!["1".to_owned(), "3".to_owned()]));
    let merged = |id: &str, into: &str| SimIncident {
        status: "redirected".to_owned(),
        redirect_incident_id: Some(into.to_owned()),
        ..incident(id, "-1m")
    };
    house.clock.advance(minutes(5));
    // One was dealt with before it became part of another; one was not; one went by way of a third; one is lost.
    house.arrives([merged("1", "20"), merged("6", "7"), merged("7", "40"), merged("8", "404")]);
    let second = house.run(&text).await;
    assert_eq!((second.counts.acted, second.counts.duplicates), (1, 2), "{second:?}");
    assert_eq!(house.commented(), ["1", "3", "40"], "under the id that it has now");
    // Both know of each other from now on.
    house.arrives([incident("20", "-1m"), incident("40", "-1m"), merged("3", "40"), merged("9", "20")]);
    let third = house.run(&text).await;
    assert_eq!((third.counts.hunted, third.counts.matched), (2, 0), "{third:?}");
}

#[tokio::test]
async fn row_31_tags_are_merged_and_written_again_if_somebody_wrote_in_between() {
    let tagged = SimIncident { custom_tags: vec!["theirs".to_owned()], ..incident("1", "-10m") };
    let house = House::with_cases([tagged]).await;
    // The write is lost to another writer's: the answer shows what they left.
    let mut theirs = shown("1", "2026-03-01T12:00:00Z");
    theirs["customTags"] = json!(["theirs", "newer"]);
    house.faults(json!({
        "match": "PATCH /graph/v1.0/security/incidents/1", "status": 200, "body": theirs, "times": 1,
    }));
    let text = triage(
        "status: [active]",
        "actions:\n  - updateIncident: {incident: \"{{incident.id}}\", tags: {add: [ours]}}\n",
    );
    assert_eq!(house.run(&text).await.counts.acted, 1);
    assert_eq!(house.incident("1")["customTags"], json!(["theirs", "ours"]));
    let patches = house.sim.requests().iter().filter(|request| request.method == "PATCH").count();
    assert_eq!(patches, 2, "once more after it did not hold");
}

#[tokio::test]
async fn row_32_what_a_person_has_set_since_is_left() {
    let taken = SimIncident { assigned_to: Some("dana@contoso.example".to_owned()), ..incident("1", "-10m") };
    let house = House::with_cases([taken]).await;
    // The list is of a moment before she took it.
    house.faults(json!({"match": LIST, "body": {"value": [shown("1", "2026-03-01T11:50:00Z")]}}));
    let text = triage(
        "assignedTo: none",
        "actions:\n  - updateIncident: {incident: \"{{incident.id}}\", assignedTo: soc@contoso.example}\n",
    );
    let report = house.run(&text).await;
    assert_eq!(states(&report), [StepState::Failed], "{report:?}");
    let reason = report.items[0].steps[0].reason.clone().unwrap_or_default();
    assert!(reason.contains("dana@contoso.example"), "{reason}");
    assert_eq!(house.incident("1")["assignedTo"], "dana@contoso.example");
}

/// What conditions say of time, or new conditions say, is asked of all that may be wanted.
#[tokio::test]
async fn a_condition_on_time_and_a_new_text_see_what_has_not_changed() {
    let house = House::with_cases([incident("1", "-7h"), incident("2", "-10m")]).await;
    let timed =
        triage("status: [active]", &format!("where: incident.lastUpdateDateTime < ago(\"8h\")\n{COMMENT}"));
    assert_eq!(house.run(&timed).await.counts.matched, 0);
    house.clock.advance(hours(2));
    assert_eq!(house.run(&timed).await.counts.acted, 1);
    assert_eq!(house.commented(), ["1"]);
    let high = triage("status: [active], severity: [high]", COMMENT);
    house.run(&high).await;
    house.clock.advance(hours(3));
    assert_eq!(house.run(&high).await.counts.hunted, 0);
    assert_eq!(house.run(&poll()).await.counts.acted, 1, "another text begins anew");
}

#[tokio::test]
async fn alerts_are_polled_likewise() {
    let alert = |id: &str, severity: &str, updated: &str| SimAlert {
        id: id.to_owned(),
        title: id.to_owned(),
        severity: severity.to_owned(),
        status: "new".to_owned(),
        last_update_date_time: updated.to_owned(),
        ..SimAlert::default()
    };
    let house = House::with(0, |options| {
        options.data.alerts = (1..=5).map(|n| alert(&format!("da{n}"), "low", &format!("-{n}m"))).collect();
        options.page_size = 2;
    })
    .await;
    let text = poll()
        .replace("incidents:\n  filter: {status: [active]}", "alerts:\n  filter: {severity: [low, high]}");
    let text = text
        .replace("commentIncident: {incident: \"{{incident.id}}\"", "commentAlert: {alert: \"{{alert.id}}\"");
    house.faults(json!({"match": "GET /graph/v1.0/security/alerts_v2", "touch": ["da5"], "times": 1}));
    let first: Report = house.run(&text).await;
    assert_eq!(first.counts.acted, 5, "{first:?}");
    assert_eq!(house.polled_to().await.map(|mark| mark.at), Some(at(NOW) - minutes(2)));
    house.clock.advance(minutes(30));
    let late = [alert("da6", "low", "-50m"), alert("da1", "high", "-1m"), alert("da2", "low", "-1m")];
    house.sim.add_cases(&SimData { alerts: late.into(), ..SimData::default() }).unwrap();
    let second = house.run(&text).await;
    assert_eq!(second.counts.acted, 2, "one late, one raised: {second:?}");
}

#[tokio::test]
async fn row_58_what_changed_days_ago_is_not_disrupted_unasked() {
    let mut house = House::with_cases([incident("3", "-10m")]).await;
    house.ceilings.max_age = MAX_AGE;
    let machines = SimOptions::sample().expect("the sample").data.machines;
    let isolate = |incident: &str, device: &str| {
        format!(
            "  - {{id: on{incident}, if: incident.id == \"{incident}\", isolateDevice: {{device: {device}, comment: test}}}}\n"
        )
    };
    let steps = [isolate("1", &machines[0].id), isolate("2", &machines[1].id)].concat();
    let harmless = format!(
        "  - {{id: seen, if: incident.id == \"1\", tagDevice: {{device: {}, tag: seen}}}}\n",
        machines[0].id
    );
    let text = triage("status: [active]", &format!("actions:\n{harmless}{steps}"));
    assert_eq!(house.run(&text).await.counts.matched, 1);
    house.clock.advance(hours(80));
    house.arrives([incident("1", "-25h"), incident("2", "-23h")]);
    let report = house.run(&text).await;
    assert_eq!(report.counts.acted, 1, "{report:?}");
    let old = report.items.iter().find(|item| item.key.contains('1')).expect("it was polled");
    let why = old.steps.iter().filter_map(|step| step.reason.as_deref()).find(|why| why.contains("maxAge"));
    let expect = "it is about something of 2026-03-03T19:00:00Z, more than 24h ago (`guards.maxAge`); nobody is named \
                  who could say yes to it";
    assert!(why.is_some_and(|why| why.starts_with(expect)), "{old:?}");
    assert_eq!(house.sim.effects().len(), 1, "nothing is done before it, or it would count as dealt with");
    let approval = Approval { channel: "soc".to_owned(), minimum: 1, timeout: SignedDuration::from_mins(30) };
    house.approvers = house.approvers.clone().asked_by(Some(approval));
    assert_eq!(house.run(&text).await.counts.pending_approval, 1, "it comes back, and people are asked");
}

#[tokio::test]
async fn what_was_done_stays_so_when_another_call_of_its_step_is_given_up() {
    let house = House::with_cases([incident("1", "-10m")]).await;
    let text = triage(
        "status: [active]",
        "actions:\n  - updateIncident: {incident: \"{{incident.id}}\", tags: {add: [seen]}, comment: seen}\n    \
         approval: {channel: soc, timeout: 30m}\n",
    );
    let run = house.run(&text).await.run;
    let open = house.engine.store.approvals_of(run).await.unwrap();
    assert_eq!(open.len(), 2, "the change and the comment are two calls");
    house.approve(&open[0].id).await;
    house.go_on(&text).await;
    house.clock.advance(minutes(31));
    house.go_on(&text.replace("severity: Low", "severity: Medium")).await;
    let report: Report = {
        let detail = house.engine.store.run(run).await.unwrap().expect("it is kept");
        serde_json::from_value(detail.run.report).expect("a report")
    };
    assert_eq!(states(&report), [StepState::Done, StepState::Void], "{report:?}");
}
