//! The client against the simulated tenant, whose log says what really happened.

use std::collections::BTreeSet;
use std::sync::Arc;

use huntbook::http::{Applied, Gate, Open};
use huntbook::model::{
    AlertCategory, AlertSeverity, Classification, Determination, IncidentStatus, MergeReason, Secret, Term,
    Wanted,
};
use huntbook::rows::Flow;
use huntbook::sim::{
    Apply, CannedHunter, Completion, Duplicates, Fault, HuntColumn, HuntTable, Reach, RetryAfterAs, Sim,
    SimApp, SimOptions,
};
use huntbook::tenant::{
    AccountAt, ActionKind, ActionStatus, AlertPatch, Audience, Client, ClientOptions, DeviceValue,
    EndpointOverrides, HuntLimits, HuntQuery, HuntingApi, IdentityProvider, IncidentPatch, IncidentQuery,
    Indicator, IndicatorAction, IndicatorSet, IndicatorType, IndicatorValue, IsolationType, LiveCommand,
    MailRemedy, MailTarget, MasteredAccount, NewAlert, Operation, Receipt, Reconciled, RemoteState, ScanType,
    Tenant as _, TenantError,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::bench::{EagerClock, door};

pub(crate) const DEVICE: &str = "1a5c0e7b94d2f3861a5c0e7b94d2f3861a5c0e7b";
pub(crate) const USER: &str = "maja.berg@contoso.example";
const ALERT: &str = "da4101a001_1";

pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) clock: EagerClock,
    pub(crate) tenant: Client,
}

impl World {
    pub(crate) async fn start(change: impl FnOnce(&mut SimOptions)) -> Self {
        Self::start_with(HuntingApi::Graph, change).await
    }

    pub(crate) async fn start_with(hunting: HuntingApi, change: impl FnOnce(&mut SimOptions)) -> Self {
        let mut options = SimOptions::sample().unwrap();
        options.data = serde_json::from_str(include_str!("../fixtures/sim.json")).unwrap();
        change(&mut options);
        let clock = EagerClock::default();
        let sim = Sim::start(options, Arc::new(clock.clone())).await.unwrap();
        let tenant = client(&sim, &clock, hunting);
        Self { sim, clock, tenant }
    }

    pub(crate) fn effects(&self) -> Vec<String> {
        self.sim.effects().into_iter().map(|effect| format!("{} {}", effect.effect, effect.target)).collect()
    }
}

const SYNCED: &str = "jon.holm@contoso.example";
const DISABLED: &str = "old.hand@contoso.example";
const MAIL: &str = "73ca4154-58d8-43d0-a890-08dc18c52e6d";

fn mastered() -> MasteredAccount {
    MasteredAccount {
        identity: "6d0f1c52-0000-4be3-8d0f-9a550d5c2f01".parse().unwrap(),
        account: "256db173-930a-4991-9061-0d51a9a93ba5".parse().unwrap(),
        provider: IdentityProvider::ActiveDirectory,
    }
}

fn new_alert() -> NewAlert {
    NewAlert {
        machine_id: DEVICE.parse().unwrap(),
        event_time: "2026-01-10T11:00:00Z".parse().unwrap(),
        report_id: "20776".to_owned(),
        severity: AlertSeverity::High,
        title: "Seen in a hunt".to_owned(),
        description: "D".to_owned(),
        recommended_action: "Ask".to_owned(),
        category: AlertCategory::Execution,
    }
}

fn remediate(remedy: MailRemedy) -> Operation {
    let mail = MailTarget {
        network_message_id: MAIL.parse().unwrap(),
        recipient_email_address: USER.parse().unwrap(),
    };
    Operation::RemediateEmail { remedy, mail, comment: "hb:1 why".to_owned() }
}

fn client(sim: &Sim, clock: &EagerClock, hunting: HuntingApi) -> Client {
    let (tenant_id, secret) = (SimOptions::TENANT_ID.parse().unwrap(), SimApp::SECRET.to_owned());
    let options = ClientOptions {
        endpoints: EndpointOverrides::under(sim.url()),
        hunting,
        ..ClientOptions::with_secret("contoso", tenant_id, SimApp::CLIENT_ID, Secret::new(secret))
    };
    Client::open(options, door(Arc::new(clock.clone())), Arc::new(clock.clone())).unwrap()
}

pub(crate) fn isolate() -> Operation {
    Operation::IsolateDevice {
        device: DEVICE.parse().unwrap(),
        isolation_type: IsolationType::Full,
        comment: "hb:1 why".to_owned(),
    }
}

/// One of each, with what the log must say of it.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn operations() -> Vec<(Operation, String)> {
    let device = || DEVICE.parse().unwrap();
    let user = || USER.parse().unwrap();
    let incident = || "4101".parse().unwrap();
    let comment = || "hb:1 why".to_owned();
    let of_device = |effect: &str| format!("{effect} {DEVICE}");
    let indicator = Indicator {
        indicator_value: IndicatorValue::parse(IndicatorType::IpAddress, "203.0.113.7").unwrap(),
        indicator_type: IndicatorType::IpAddress,
        action: IndicatorAction::Block,
        title: "T".to_owned(),
        description: "D".to_owned(),
        severity: Some(AlertSeverity::High),
        recommended_actions: None,
        expiration_time: None,
        generate_alert: true,
        rbac_group_names: vec![],
    };
    let patch = IncidentPatch {
        status: Some(IncidentStatus::Resolved),
        classification: Some(Classification::TruePositive),
        determination: Some(Determination::CompromisedAccount),
        tags_add: vec!["triaged".to_owned()],
        tags_remove: vec!["NEW".to_owned()],
        ..IncidentPatch::default()
    };
    let alert = AlertPatch { assigned_to: Some(USER.to_owned()), ..AlertPatch::default() };
    let scan_type = ScanType::Quick;
    vec![
        (isolate(), of_device("isolate")),
        (Operation::ReleaseDevice { device: device(), comment: comment() }, of_device("unisolate")),
        (
            Operation::RunAntivirusScan { device: device(), scan_type, comment: comment() },
            of_device("runAntiVirusScan"),
        ),
        (
            Operation::RestrictAppExecution { device: device(), comment: comment() },
            of_device("restrictCodeExecution"),
        ),
        (
            Operation::RemoveAppRestriction { device: device(), comment: comment() },
            of_device("unrestrictCodeExecution"),
        ),
        (
            Operation::CollectInvestigationPackage { device: device(), comment: comment() },
            of_device("collectInvestigationPackage"),
        ),
        (
            Operation::InitiateInvestigation { device: device(), comment: comment() },
            of_device("startInvestigation"),
        ),
        (
            Operation::StopAndQuarantineFile {
                device: device(),
                sha1: "a".repeat(40).parse().unwrap(),
                comment: comment(),
            },
            of_device("stopAndQuarantineFile"),
        ),
        (live_response(), of_device("liveResponse")),
        (Operation::OffboardDevice { device: device(), comment: comment() }, of_device("offboard")),
        (
            Operation::SetDeviceValue { device: device(), value: DeviceValue::High },
            of_device("setDeviceValue"),
        ),
        (Operation::TagDevice { device: device(), tag: "seen".to_owned() }, of_device("addTag")),
        (Operation::UntagDevice { device: device(), tag: "seen".to_owned() }, of_device("removeTag")),
        (Operation::AddIndicator(indicator.clone()), "putIndicator".to_owned()),
        (
            Operation::RemoveIndicator {
                indicator_type: IndicatorType::IpAddress,
                value: indicator.indicator_value.clone(),
                added: None,
            },
            "deleteIndicator 203.0.113.7".to_owned(),
        ),
        (
            Operation::ReconcileIndicators(Box::new(set(vec![indicator]))),
            "putIndicator 203.0.113.7".to_owned(),
        ),
        (Operation::DisableUser { user: user(), at: AccountAt::Entra }, "disableUser".to_owned()),
        (
            Operation::EnableUser { user: DISABLED.parse().unwrap(), at: AccountAt::Entra },
            "enableUser".to_owned(),
        ),
        (Operation::RevokeSessions { user: user() }, "revokeSessions".to_owned()),
        (Operation::MarkUserAsCompromised { user: user() }, "confirmCompromised".to_owned()),
        (Operation::DismissUserRisk { user: user() }, "dismissRisk".to_owned()),
        (
            Operation::ForceUserPasswordReset { user: SYNCED.parse().unwrap(), account: mastered() },
            "forcePasswordReset".to_owned(),
        ),
        (remediate(MailRemedy::SoftDelete), format!("softDelete {MAIL}/{USER}")),
        (remediate(MailRemedy::HardDelete), format!("hardDelete {MAIL}/{USER}")),
        (remediate(MailRemedy::MoveToJunk), format!("moveToJunk {MAIL}/{USER}")),
        (remediate(MailRemedy::MoveToInbox), format!("moveToInbox {MAIL}/{USER}")),
        (remediate(MailRemedy::MoveToDeletedItems), format!("moveToDeletedItems {MAIL}/{USER}")),
        (Operation::UpdateIncident { incident: incident(), patch }, "updateIncident 4101".to_owned()),
        (
            Operation::CommentIncident { incident: incident(), comment: comment() },
            "commentIncident 4101".to_owned(),
        ),
        (
            Operation::MergeIncidents {
                incidents: vec!["4103".parse().unwrap(), "4102".parse().unwrap()],
                comment: comment(),
                reasons: vec![MergeReason::SameActor],
            },
            "mergeIncidents 4103".to_owned(),
        ),
        (
            Operation::UpdateAlert { alert: ALERT.parse().unwrap(), patch: alert.clone() },
            format!("updateAlert {ALERT}"),
        ),
        (
            Operation::UpdateAlerts {
                alerts: vec![ALERT.parse().unwrap()],
                patch: AlertPatch { determination: Some(Determination::Malware), ..alert },
                comment: Some(comment()),
            },
            format!("updateAlert {ALERT}"),
        ),
        (
            Operation::CommentAlert { alert: ALERT.parse().unwrap(), comment: comment() },
            format!("commentAlert {ALERT}"),
        ),
        (Operation::CreateAlert(Box::new(new_alert())), "createAlert hb".to_owned()),
    ]
}

pub(crate) fn live_response() -> Operation {
    let commands = vec![
        LiveCommand::PutFile { name: "tool.exe".to_owned() },
        LiveCommand::RunScript { name: "collect.ps1".to_owned(), args: None },
    ];
    Operation::RunLiveResponse { device: DEVICE.parse().unwrap(), commands, comment: "hb:1 why".to_owned() }
}

#[tokio::test]
async fn one_session_runs_on_a_device_and_leaves_what_its_scripts_say() {
    let world = World::start(|_| {}).await;
    let id = world.tenant.apply(&live_response(), &Open).await.unwrap().remote_id.unwrap();
    let error = world.tenant.apply(&live_response(), &Open).await.unwrap_err();
    assert_eq!((error.refused().unwrap().status, error.applied()), (400, Applied::No));
    assert!(world.tenant.live_result(&id, 1).await.unwrap().is_none(), "it goes on");
    world.clock.advance(SignedDuration::from_secs(30));
    let commands = world.tenant.machine_action(&id).await.unwrap().commands.unwrap();
    let states: Vec<_> = commands.iter().map(|command| command.command_status.as_deref().unwrap()).collect();
    assert_eq!(states, ["Completed", "Completed"]);
    assert!(world.tenant.live_result(&id, 1).await.unwrap().is_some());
    assert!(world.tenant.live_result(&id, 0).await.unwrap().is_none(), "a file was put: there is no result");
}

#[tokio::test]
async fn actions_may_end_in_another_order_and_one_that_nobody_picks_up_times_out() {
    let world = World::start(|options| options.completion = Completion::LastFirst).await;
    world.tenant.apply(&isolate(), &Open).await.unwrap();
    let release =
        Operation::ReleaseDevice { device: DEVICE.parse().unwrap(), comment: "hb:1 why".to_owned() };
    world.tenant.apply(&release, &Open).await.unwrap();
    world.clock.advance(SignedDuration::from_secs(30));
    assert_eq!(world.sim.state()["machines"][DEVICE]["isolation"], "Full", "released, then isolated");
    let away = |options: &mut SimOptions| options.data.machines[0].reach = Reach::Offline;
    let world = World::start(away).await;
    let id = world.tenant.apply(&isolate(), &Open).await.unwrap().remote_id.unwrap();
    for (hours, status) in [(71, ActionStatus::Pending), (1, ActionStatus::TimeOut)] {
        world.clock.advance(SignedDuration::from_hours(hours));
        assert_eq!(world.tenant.machine_action(&id).await.unwrap().status, Term::Known(status));
    }
}

/// A set of these.
fn set(wanted: Vec<Indicator>) -> IndicatorSet {
    IndicatorSet {
        name: "bad".to_owned(),
        wanted,
        removed_max: 1,
        removed_percent_max: 100,
        added_max: 15_000,
    }
}

/// Carries out what has to change about a set, if that may be.
pub(crate) async fn reconcile(
    tenant: &Client,
    set: &IndicatorSet,
    gate: &dyn Gate,
) -> Result<Reconciled, TenantError> {
    let difference = tenant.difference(set).await?.allowed(set)?;
    tenant.reconcile(&difference, gate).await
}

/// Domains that are to be blocked as members of the set.
pub(crate) fn domains(names: &[&str]) -> IndicatorSet {
    let one = |name: &&str| Indicator {
        indicator_value: IndicatorValue::parse(IndicatorType::DomainName, name).unwrap(),
        indicator_type: IndicatorType::DomainName,
        action: IndicatorAction::Block,
        title: format!("{}t", IndicatorSet::mark("bad")),
        description: "D".to_owned(),
        severity: Some(AlertSeverity::High),
        recommended_actions: None,
        expiration_time: None,
        generate_alert: true,
        rbac_group_names: vec![],
    };
    set(names.iter().map(one).collect())
}

#[tokio::test]
async fn a_set_follows_what_is_wanted_and_leaves_others_alone() {
    let world = World::start(|_| {}).await;
    let by_hand = domains(&["theirs.example"]).wanted.remove(0);
    let by_hand = Indicator { title: "by hand".to_owned(), ..by_hand };
    world.tenant.apply(&Operation::AddIndicator(by_hand), &Open).await.unwrap();
    let first = domains(&["a.example", "b.example", "c.example", "theirs.example"]);
    assert_eq!(
        world.tenant.difference(&first).await.unwrap().to_string(),
        "3 to be written (a.example, b.example, c.example), 0 to be removed, 0 as they are, 1 left to others (theirs.example)"
    );
    let done = reconcile(&world.tenant, &first, &Open).await.unwrap();
    assert_eq!(done.to_string(), "3 written, 0 removed, 0 as they were, 1 left to others");
    let again = reconcile(&world.tenant, &first, &Open).await.unwrap();
    assert_eq!(again.to_string(), "0 written, 0 removed, 3 as they were, 1 left to others");
    let next = domains(&["a.example", "b.example", "d.example"]);
    let done = reconcile(&world.tenant, &next, &Open).await.unwrap();
    assert_eq!(done.to_string(), "1 written, 1 removed, 2 as they were");
    // Two would go, and one may at a time; and a list that is empty is taken for a broken one.
    let before = world.effects().len();
    for (wanted, why) in [
        (domains(&["a.example"]), "2 would be removed, and 1 may be at a time"),
        (domains(&[]), "nothing is wanted"),
    ] {
        let error = reconcile(&world.tenant, &wanted, &Open).await.unwrap_err();
        assert!(error.to_string().contains(why) && error.applied() == Applied::No, "{error}");
    }
    assert_eq!(world.effects().len(), before);
}

#[tokio::test]
async fn a_batch_with_one_that_is_gone_is_removed_one_by_one() {
    let world = World::start(|_| {}).await;
    reconcile(&world.tenant, &domains(&["a.example", "b.example"]), &Open).await.unwrap();
    let fault = Fault { status: Some(404), ..Fault::on("POST /api/indicators/BatchDelete") };
    world.sim.set_faults(vec![fault]).unwrap();
    let done = reconcile(&world.tenant, &domains(&["a.example"]), &Open).await.unwrap();
    assert_eq!(done.to_string(), "0 written, 1 removed, 1 as they were");
    assert_eq!(world.effects().last().unwrap(), "deleteIndicator b.example");
}

#[tokio::test]
async fn a_package_is_there_when_it_is_gathered() {
    let world = World::start(|_| {}).await;
    let collect = Operation::CollectInvestigationPackage {
        device: DEVICE.parse().unwrap(),
        comment: "hb:1 why".to_owned(),
    };
    let id = world.tenant.apply(&collect, &Open).await.unwrap().remote_id.unwrap();
    assert!(world.tenant.package(&id).await.unwrap().is_none());
    world.clock.advance(SignedDuration::from_secs(30));
    let link = world.tenant.package(&id).await.unwrap().unwrap();
    assert!(link.expose().starts_with(world.sim.url()), "the quotes are gone");
}

#[tokio::test]
async fn every_operation_has_its_effect_once() {
    let kinds: Vec<ActionKind> = operations().iter().map(|(operation, _effect)| operation.kind()).collect();
    assert_eq!(kinds, ActionKind::ALL);
    let world = World::start(|_| {}).await;
    for (operation, effect) in operations() {
        let before = world.effects().len();
        let receipt = world.tenant.apply(&operation, &Open).await.unwrap();
        assert_ne!(receipt.state, RemoteState::AlreadyInForce, "{operation}");
        let effects = world.effects();
        assert_eq!(effects.len(), before + 1, "{operation}: {effects:?}");
        assert!(effects[before].starts_with(&effect), "{effects:?}");
        world.clock.advance(SignedDuration::from_secs(30));
    }
    let incident = world.tenant.incident(&"4101".parse().unwrap()).await.unwrap();
    assert!(incident.status == IncidentStatus::Resolved);
    assert_eq!(incident.determination, Some(Term::Known(Determination::CompromisedAccount)));
    assert_eq!(incident.custom_tags, ["keep", "triaged"]);
    assert_eq!(incident.comments.last().unwrap().comment, "hb:1 why");
}

#[tokio::test]
async fn no_operation_reaches_a_tenant_with_the_token_of_another() {
    const OTHER: &str = "5b8e0d1c-93f4-4a26-8c57-2f6e1d7a9b04";
    let world = World::start(|_| {}).await;
    let mut options = SimOptions::sample().unwrap();
    options.data = serde_json::from_str(include_str!("../fixtures/sim.json")).unwrap();
    options.identity.tenant_id = OTHER.parse().unwrap();
    options.identity.domain = "fabrikam.example".to_owned();
    let other = world.sim.beside(options).unwrap();
    let listed: BTreeSet<_> = operations().iter().map(|(operation, _)| operation.kind()).collect();
    assert!(ActionKind::ALL.iter().all(|kind| listed.contains(kind)), "each kind is in the table");
    for (operation, effect) in operations() {
        // The authority answers for one tenant with what it would have issued for another.
        let url = format!("{}/{OTHER}/oauth2/v2.0/token", world.sim.url());
        let scope = match operation.kind().audience() {
            Audience::Graph => "https://graph.microsoft.com/.default",
            Audience::Mde => "https://api.securitycenter.microsoft.com/.default",
            Audience::Xdr => "https://api.security.microsoft.com/.default",
        };
        let form = [("grant_type", "client_credentials"), ("client_id", SimApp::CLIENT_ID)];
        let form = form.into_iter().chain([("client_secret", SimApp::SECRET), ("scope", scope)]);
        let form: Vec<_> = form.collect();
        let strayed: Value =
            reqwest::Client::new().post(url).form(&form).send().await.unwrap().json().await.unwrap();
        assert!(strayed["access_token"].is_string());
        let fault =
            Fault { status: Some(200), body: Some(strayed), ..Fault::on("POST /*/oauth2/v2.0/token") };
        world.sim.set_faults(vec![fault]).unwrap();
        let asked = other.requests().len();
        let before = world.effects().len();
        let tenant = client(&world.sim, &world.clock, HuntingApi::Graph);
        let error = tenant.apply(&operation, &Open).await.unwrap_err();
        let cause = if let TenantError::NotBegun { source, .. } = &error { source } else { &error };
        assert!(matches!(cause, TenantError::WrongTenant { .. }), "{operation}: {error:?}");
        assert_eq!(error.applied(), Applied::No);
        assert_eq!(other.requests().len(), asked, "{operation}: nothing came to the other");
        assert_eq!((other.effects().len(), world.effects().len()), (0, before), "{operation}");

        // That very operation has its effect where it belongs.
        world.sim.set_faults(Vec::new()).unwrap();
        tenant.apply(&operation, &Open).await.unwrap();
        assert!(world.effects()[before].starts_with(&effect), "{operation}");
        world.clock.advance(SignedDuration::from_secs(30));
    }
}

#[tokio::test]
async fn the_role_we_name_is_the_role_that_is_missing() {
    for (operation, _effect) in operations() {
        let roles = operation.kind().permission().roles;
        let without = |options: &mut SimOptions| {
            options.apps = vec![roles.iter().fold(SimApp::sample(), |app, role| app.without(role))];
        };
        let world = World::start(without).await;
        let error = world.tenant.apply(&operation, &Open).await.unwrap_err();
        assert_eq!(error.refused().unwrap().status, 403, "{operation}: {error}");
        assert!(roles.iter().all(|role| error.to_string().contains(role)), "{error}");
        assert!(world.effects().is_empty());

        // Each of them is enough, with what reading needs.
        for role in roles {
            let only = |options: &mut SimOptions| {
                let mut app = SimApp::sample();
                app.roles.retain(|granted| granted == role || granted.contains(".Read.All"));
                options.apps = vec![app];
            };
            let world = World::start(only).await;
            world
                .tenant
                .apply(&operation, &Open)
                .await
                .unwrap_or_else(|error| panic!("{operation} with {role}: {error}"));
        }
    }
}

#[tokio::test]
async fn a_synchronised_account_is_switched_where_it_is_mastered() {
    let world = World::start(|_| {}).await;
    let user = || SYNCED.parse().unwrap();
    let error = world
        .tenant
        .apply(&Operation::DisableUser { user: user(), at: AccountAt::Entra }, &Open)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the account `jon.holm@contoso.example` is synchronised from a domain, whose next synchronisation would undo \
         it: name its `identityAccount` to change it there, or say `untilSync: true`"
    );
    assert!(world.effects().is_empty());
    let at = AccountAt::Mastered(mastered());
    world.tenant.apply(&Operation::DisableUser { user: user(), at: at.clone() }, &Open).await.unwrap();
    world.tenant.apply(&Operation::EnableUser { user: user(), at: at.clone() }, &Open).await.unwrap();
    let kinds: Vec<String> = world.sim.effects().into_iter().map(|effect| effect.effect).collect();
    assert_eq!(kinds, ["disableUser", "enableUser"]);
    // The identity is not this user's.
    let other = Operation::DisableUser { user: USER.parse().unwrap(), at };
    let error = world.tenant.apply(&other, &Open).await.unwrap_err();
    assert_eq!((error.applied(), world.effects().len()), (Applied::No, 2), "{error:?}");
}

#[tokio::test]
async fn risk_is_told_once_a_second_and_waited_for() {
    let world = World::start(|_| {}).await;
    let user: huntbook::model::UserId = USER.parse().unwrap();
    world.tenant.apply(&Operation::MarkUserAsCompromised { user: user.clone() }, &Open).await.unwrap();
    world.tenant.apply(&Operation::DismissUserRisk { user }, &Open).await.unwrap();
    let effects = world.sim.effects();
    let [first, second] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(SignedDuration::from_secs(1) <= first.at.duration_until(second.at), "{effects:?}");
}

#[tokio::test]
async fn an_isolation_is_pending_then_done_and_not_added_twice() {
    let world = World::start(|_| {}).await;
    let receipt = world.tenant.apply(&isolate(), &Open).await.unwrap();
    assert_eq!(receipt.state, RemoteState::Pending);
    let second = world.tenant.apply(&isolate(), &Open).await.unwrap();
    let under_way = Receipt { state: RemoteState::UnderWay, ..receipt.clone() };
    assert_eq!(second, under_way, "it is the one under way");
    let id = receipt.remote_id.unwrap();
    world.clock.advance(SignedDuration::from_secs(10));
    let action = world.tenant.machine_action(&id).await.unwrap();
    assert_eq!(action.status, Term::Known(ActionStatus::Succeeded));
    let since = huntbook::clock::Clock::now(&world.clock).checked_sub(SignedDuration::from_hours(1)).unwrap();
    let listed = world.tenant.machine_actions(&DEVICE.parse().unwrap(), since).await.unwrap();
    assert_eq!(listed, [action]);
    assert_eq!(world.effects().len(), 1);

    let world = World::start(|options| options.duplicates = Duplicates::Returned).await;
    let first = world.tenant.apply(&isolate(), &Open).await.unwrap();
    assert_eq!(world.tenant.apply(&isolate(), &Open).await.unwrap(), first);
}

#[tokio::test]
async fn an_action_that_is_answered_with_is_told_apart_by_its_mark_and_by_what_it_does() {
    let returned = || World::start(|options| options.duplicates = Duplicates::Returned);
    let isolation = |isolation_type, comment: &str| Operation::IsolateDevice {
        device: DEVICE.parse().unwrap(),
        isolation_type,
        comment: comment.to_owned(),
    };
    let full = |comment: &str| isolation(IsolationType::Full, comment);
    let (first, again) = ("[hb:1:00000000:1:75da7e85bb] why", "[hb:1:00000000:2:0123456789] why");
    let world = returned().await;
    let receipt = world.tenant.apply(&full(first), &Open).await.unwrap();
    assert_eq!(world.tenant.apply(&full(again), &Open).await.unwrap(), receipt, "an attempt before");
    let another = world.tenant.apply(&full(&again.replace("0000:2", "0001:2")), &Open).await.unwrap();
    assert_eq!(another, Receipt { state: RemoteState::UnderWay, ..receipt });

    // Also where the service refuses it as under way.
    let world = World::start(|_| {}).await;
    let receipt = world.tenant.apply(&full(first), &Open).await.unwrap();
    assert_eq!(world.tenant.apply(&full(again), &Open).await.unwrap(), receipt, "an attempt before");

    // What goes less far, and another session, do not stand for what was asked for.
    let world = returned().await;
    world.tenant.apply(&isolation(IsolationType::Selective, "by hand"), &Open).await.unwrap();
    let error = world.tenant.apply(&full(first), &Open).await.unwrap_err();
    assert!(matches!(error, TenantError::OtherAction { .. }), "{error:?}");
    assert_eq!((error.applied(), world.effects().len()), (Applied::Unknown, 1));
    let world = returned().await;
    let Operation::RunLiveResponse { device, commands, .. } = live_response() else { panic!("a session") };
    world.tenant.apply(&live_response(), &Open).await.unwrap();
    let ours = Operation::RunLiveResponse { device, commands, comment: first.to_owned() };
    let error = world.tenant.apply(&ours, &Open).await.unwrap_err();
    assert!(matches!(error, TenantError::OtherAction { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_said_of_a_failed_action_is_true() {
    let on = || Fault::on("POST /api/machines/*/isolate");
    let once = |fault: Fault| vec![Fault { times: Some(1), ..fault }];
    // The answer is lost after the act, or before it: nobody can tell, and nothing is repeated.
    for (apply, effects) in [(Apply::Before, 1), (Apply::Not, 0)] {
        for fault in [
            Fault { reset: true, ..on() },
            Fault { status: Some(500), ..on() },
            Fault { status: Some(503), ..on() },
        ] {
            let world = World::start(|options| options.faults = once(Fault { apply, ..fault.clone() })).await;
            let error = world.tenant.apply(&isolate(), &Open).await.unwrap_err();
            assert_eq!(error.applied(), Applied::Unknown, "{fault:?}");
            assert_eq!(world.effects().len(), effects, "{fault:?}");
        }
    }
    // The answer is cut: the act happened.
    let world = World::start(|options| options.faults = once(Fault { truncate: Some(20), ..on() })).await;
    let error = world.tenant.apply(&isolate(), &Open).await.unwrap_err();
    assert_eq!((error.applied(), world.effects().len()), (Applied::Unknown, 1));
    // Throttled: it did not, and is done once when the time has come.
    for retry_after_as in [RetryAfterAs::Seconds, RetryAfterAs::Date, RetryAfterAs::Body] {
        let fault = Fault { status: Some(429), retry_after: Some(23), retry_after_as, ..on() };
        let world = World::start(|options| options.faults = once(fault)).await;
        world.tenant.apply(&isolate(), &Open).await.unwrap();
        assert_eq!(world.effects().len(), 1);
        let waits = world.clock.waits();
        assert!(
            waits.iter().any(|wait| (22..=26).contains(&wait.as_secs())),
            "{retry_after_as:?}: {waits:?}"
        );
    }
}

#[tokio::test]
async fn incidents_are_filtered_there_and_read_over_all_pages() {
    let world = World::start(|options| options.page_size = 1).await;
    let all = world.tenant.incidents(&IncidentQuery::default()).await.unwrap();
    assert_eq!((all.incidents.len(), all.quarantined.len(), all.truncated), (3, 0, false));
    let query = IncidentQuery {
        status: vec![IncidentStatus::Active, IncidentStatus::InProgress],
        severity: vec![AlertSeverity::High, AlertSeverity::Medium],
        updated_after: huntbook::clock::Clock::now(&world.clock)
            .checked_sub(SignedDuration::from_hours(1))
            .ok(),
        expand_alerts: true,
        ..IncidentQuery::default()
    };
    let found = world.tenant.incidents(&query).await.unwrap();
    let [incident] = found.incidents.as_slice() else { panic!("{found:?}") };
    assert_eq!(incident.id.as_str(), "4101");
    let alert = incident.alerts.first().unwrap();
    assert_eq!(alert.devices.first().unwrap().mde_device_id.as_deref(), Some(DEVICE));
    assert_eq!(alert.users.first().unwrap().user_principal_name.as_deref(), Some(USER));
    assert_eq!(world.tenant.alert(&alert.id).await.unwrap().title, alert.title);
}

#[tokio::test]
async fn a_hunt_goes_to_the_endpoint_that_is_set() {
    for (api, path) in [
        (HuntingApi::Graph, "/v1.0/security/runHuntingQuery"),
        (HuntingApi::Xdr, "/xdr/api/advancedhunting/run"),
        (HuntingApi::Mde, "/mde/api/advancedqueries/run"),
    ] {
        let table = HuntTable::new(
            vec![HuntColumn::new("A", "String")],
            vec![json!({"A": "x"}).as_object().unwrap().clone()],
        );
        let world = World::start_with(api, |options| {
            options.hunter = Arc::new(CannedHunter::new().when("DeviceEvents", Ok(table)));
        })
        .await;
        let query =
            HuntQuery { query: "DeviceEvents".to_owned(), timespan: Some(SignedDuration::from_hours(36)) };
        let limits = HuntLimits::default();
        let answer = world.tenant.hunt(&query, &Wanted::All, &limits, &mut |_| Flow::Continue).await.unwrap();
        assert_eq!((answer.rows, answer.truncated), (1, false));
        assert!(world.sim.requests().iter().any(|request| request.path.ends_with(path)));
        let broken = HuntQuery { query: "NoSuchTable".to_owned(), timespan: None };
        let error =
            world.tenant.hunt(&broken, &Wanted::All, &limits, &mut |_| Flow::Continue).await.unwrap_err();
        assert!(matches!(error, TenantError::Refused(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_device_and_the_tokens_are_known() {
    let world = World::start(|_| {}).await;
    let machine = world.tenant.machine(&DEVICE.parse().unwrap()).await.unwrap();
    assert_eq!(machine.computer_dns_name.as_deref(), Some("wks-014.contoso.example"));
    for audience in Audience::ALL {
        let facts = world.tenant.token_facts(audience).await.unwrap();
        assert_eq!(facts.tenant_id.as_deref(), Some(SimOptions::TENANT_ID));
        assert_eq!(facts.app_id.as_deref(), Some(SimApp::CLIENT_ID));
        assert!(!facts.roles.is_empty());
    }
}
