//! What is in the tenant now. Everything is in memory; time enters only as `now`.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::call::Refusal;
use super::machine_action::{Action, Kind, Status};
use super::seed::{Reach, SimData, SimIdentityAccount, shown_at, stamp};
use super::{SimError, SimIdentity};

/// Who made what is there at the start.
const SOMEBODY: &str = "00000000-0000-4000-8000-00000000feed";

/// What a limit by the minute looks at.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Since when users have been signed in, unless their sessions are revoked.
const SESSIONS_VALID_FROM: &str = "2025-01-01T08:00:00Z";

/// An object as the API shows it.
pub(super) type Object = Map<String, Value>;

/// A device: what the API shows, and what it does not.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) view: Object,
    pub(super) reach: Reach,
    /// `Full`, `Selective`, `UnManagedDevice`, or none.
    pub(super) isolation: Option<String>,
    pub(super) restricted: bool,
    pub(super) offboarded: bool,
    pub(super) scans: u32,
}

impl Machine {
    /// A text member of the view.
    pub(super) fn text(&self, name: &str) -> &str {
        self.view.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn take(&mut self, action: &Action) {
        match action.kind {
            Kind::Isolate => self.isolation.clone_from(&action.scope),
            Kind::Unisolate => self.isolation = None,
            Kind::RestrictCodeExecution => self.restricted = true,
            Kind::UnrestrictCodeExecution => self.restricted = false,
            Kind::RunAntiVirusScan => self.scans += 1,
            Kind::Offboard => self.offboarded = true,
            Kind::StopAndQuarantineFile | Kind::CollectInvestigationPackage | Kind::LiveResponse => {}
        }
    }
}

/// A user: what the API shows, and what it does not.
#[derive(Debug)]
pub(super) struct User {
    pub(super) view: Object,
    pub(super) privileged: bool,
    pub(super) roles: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) revoked: u32,
    /// Its risk, as level and state.
    pub(super) risk: Option<(&'static str, &'static str)>,
    pub(super) identity: Option<SimIdentityAccount>,
}

/// Everything in the tenant.
#[derive(Debug)]
pub(super) struct State {
    pub(super) identity: SimIdentity,
    /// By id, in lower case.
    pub(super) machines: IndexMap<String, Machine>,
    /// By object id, in lower case.
    pub(super) users: IndexMap<String, User>,
    /// By id.
    pub(super) incidents: IndexMap<String, Object>,
    /// By id.
    pub(super) alerts: IndexMap<String, Object>,
    /// By number, in the order they were made.
    pub(super) indicators: IndexMap<u64, Object>,
    /// In the order they were accepted.
    pub(super) actions: Vec<Action>,
    /// When methods with a limit of their own were called in the last minute.
    pub(super) calls: BTreeMap<&'static str, Vec<Timestamp>>,
    /// When somebody's risk was last set.
    pub(super) risk_at: Option<Timestamp>,
    made: u64,
}

impl State {
    /// Fills a tenant; relative times in the data count from `start`.
    pub(super) fn new(identity: SimIdentity, data: &SimData, start: Timestamp) -> Result<Self, SimError> {
        let mut state = Self {
            identity,
            machines: IndexMap::new(),
            users: IndexMap::new(),
            incidents: IndexMap::new(),
            alerts: IndexMap::new(),
            indicators: IndexMap::new(),
            actions: Vec::new(),
            calls: BTreeMap::new(),
            risk_at: None,
            made: 0,
        };
        for machine in &data.machines {
            let mut view = shown_at(machine, start)?;
            view.shift_remove("reach");
            view.shift_remove("mergedTo");
            view.insert("ipAddresses".to_owned(), json!([]));
            let machine = Machine {
                view,
                reach: machine.reach,
                isolation: None,
                restricted: false,
                offboarded: false,
                scans: 0,
            };
            state.machines.insert(machine.text("id").to_ascii_lowercase(), machine);
        }
        for user in &data.users {
            let mut view = shown_at(user, start)?;
            for unseen in ["privileged", "roles", "groups"] {
                view.shift_remove(unseen);
            }
            view.shift_remove("identity");
            view.insert("signInSessionsValidFromDateTime".to_owned(), SESSIONS_VALID_FROM.into());
            let identity = user.identity.clone();
            let (roles, groups) = (user.directory_roles(), user.groups.clone());
            let user_state =
                User { view, privileged: user.privileged, roles, groups, revoked: 0, risk: None, identity };
            state.users.insert(user.id.to_ascii_lowercase(), user_state);
        }
        state.add_cases(data, start)?;
        for indicator in &data.indicators {
            let number = state.number();
            let mut view = shown_at(indicator, start)?;
            view.insert("id".to_owned(), number.to_string().into());
            view.insert("createdBy".to_owned(), SOMEBODY.into());
            state.indicators.insert(number, view);
        }
        Ok(state)
    }

    /// Changes incidents and alerts, as somebody would who writes on them.
    pub(super) fn touch(&mut self, ids: &[String], now: Timestamp) {
        for id in ids {
            for object in [self.incidents.get_mut(id), self.alerts.get_mut(id)].into_iter().flatten() {
                object.insert("lastUpdateDateTime".to_owned(), stamp(now).into());
            }
        }
    }

    /// Adds incidents and alerts; one whose id is there takes its place.
    pub(super) fn add_cases(&mut self, data: &SimData, start: Timestamp) -> Result<(), SimError> {
        let tenant = self.identity.tenant_id.to_string();
        for incident in &data.incidents {
            let mut view = shown_at(incident, start)?;
            let url = format!("https://security.microsoft.com/incidents/{}?tid={tenant}", incident.id);
            view.insert("incidentWebUrl".to_owned(), url.into());
            view.insert("tenantId".to_owned(), tenant.clone().into());
            self.incidents.insert(incident.id.clone(), view);
        }
        for alert in &data.alerts {
            let mut view = shown_at(alert, start)?;
            let url = format!("https://security.microsoft.com/alerts/{}?tid={tenant}", alert.id);
            view.insert("alertWebUrl".to_owned(), url.into());
            let incident = alert.incident_id.as_ref();
            let url =
                incident.map(|id| format!("https://security.microsoft.com/incidents/{id}?tid={tenant}"));
            view.insert("incidentWebUrl".to_owned(), url.into());
            view.insert("providerAlertId".to_owned(), alert.id.clone().into());
            view.insert("tenantId".to_owned(), tenant.clone().into());
            self.alerts.insert(alert.id.clone(), view);
        }
        Ok(())
    }

    /// Counts a call against what its method takes in a minute.
    pub(super) fn admit(&mut self, method: &'static str, most: usize, now: Timestamp) -> Result<(), Refusal> {
        let calls = self.calls.entry(method).or_default();
        calls.retain(|at| at.duration_until(now) < MINUTE);
        if calls.len() < most {
            calls.push(now);
            return Ok(());
        }
        let wait = calls.first().map_or(MINUTE, |first| MINUTE - first.duration_until(now));
        let text = format!("API calls quota exceeded! maximum allowed {most} per 00:01:00");
        Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", text).after(wait.as_secs() + 1))
    }

    /// A number nothing else has.
    pub(super) const fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// A GUID nothing else has; the same one in the same run of events.
    pub(super) fn guid(&mut self) -> String {
        let name = format!("action {}", self.number());
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
    }

    /// Brings the tenant to where it stands now: actions start and end, in the order of their times.
    pub(super) fn settle(&mut self, now: Timestamp) {
        let mut ended: Vec<(Timestamp, usize)> = Vec::new();
        for (index, action) in self.actions.iter_mut().enumerate() {
            if let Some(at) = action.settle(now) {
                ended.push((at, index));
            }
        }
        ended.sort_unstable();
        for action in ended.into_iter().filter_map(|(_, index)| self.actions.get(index)) {
            if action.status == Status::Succeeded
                && let Some(machine) = self.machines.get_mut(&action.machine)
            {
                machine.take(action);
            }
        }
    }

    /// A device by id, or by its name in DNS.
    pub(super) fn machine(&self, id: &str) -> Option<&Machine> {
        self.machines.get(&id.to_ascii_lowercase()).or_else(|| {
            self.machines.values().find(|machine| machine.text("computerDnsName").eq_ignore_ascii_case(id))
        })
    }

    /// A user by object id, or by sign-in name.
    pub(super) fn user_mut(&mut self, id: &str) -> Option<&mut User> {
        let key = id.to_ascii_lowercase();
        let index = self.users.get_index_of(&key).or_else(|| {
            self.users.values().position(|user| {
                user.view
                    .get("userPrincipalName")
                    .and_then(Value::as_str)
                    .is_some_and(|name| name.eq_ignore_ascii_case(id))
            })
        })?;
        self.users.get_index_mut(index).map(|(_, user)| user)
    }

    /// The alerts of an incident, oldest first.
    pub(super) fn alerts_of(&self, incident: &str) -> Vec<&Object> {
        let belongs = |alert: &&Object| alert.get("incidentId").and_then(Value::as_str) == Some(incident);
        self.alerts.values().filter(belongs).collect()
    }

    /// Everything, for a test to look at; with what the APIs do not show.
    pub(super) fn snapshot(&self) -> Value {
        let machines: Map<String, Value> = self
            .machines
            .iter()
            .map(|(id, machine)| {
                let value = json!({
                    "computerDnsName": machine.text("computerDnsName"),
                    "isolation": machine.isolation,
                    "restricted": machine.restricted,
                    "offboarded": machine.offboarded,
                    "scans": machine.scans,
                    "machineTags": machine.view.get("machineTags"),
                });
                (id.clone(), value)
            })
            .collect();
        let users: Map<String, Value> = self
            .users
            .iter()
            .map(|(id, user)| {
                let value = json!({
                    "userPrincipalName": user.view.get("userPrincipalName"),
                    "accountEnabled": user.view.get("accountEnabled"),
                    "sessionsRevoked": user.revoked,
                    "riskLevel": user.risk.map(|(level, _)| level),
                });
                (id.clone(), value)
            })
            .collect();
        json!({
            "machines": machines,
            "users": users,
            "incidents": self.incidents.values().collect::<Vec<_>>(),
            "alerts": self.alerts.values().collect::<Vec<_>>(),
            "indicators": self.indicators.values().collect::<Vec<_>>(),
            "machineActions": self.actions.iter().map(Action::view).collect::<Vec<_>>(),
        })
    }
}
