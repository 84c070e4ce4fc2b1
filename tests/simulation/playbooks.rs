//! Fifty playbooks of ten kinds, and the rows that their hunts find.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use huntbook::action::Approvers;
use huntbook::expr::Language;
use huntbook::guard::Ceilings;
use huntbook::model::{List, Lists};
use huntbook::plan::{Exclusions, Queries, World};
use huntbook::sim::{HuntColumn, HuntFault, HuntTable, HuntWindow, Hunter};
use huntbook::tenant::ActionKind;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::dice::Dice;

pub(crate) const TENANTS: usize = 4;
pub(crate) const PLAYBOOKS: usize = 50;
pub(crate) const MACHINES: u64 = 60;
pub(crate) const USERS: u64 = 30;
/// Actions of each playbook in a run and in a day.
pub(crate) const CAPS: (usize, usize) = (5, 12);
/// The playbooks whose actions people are asked about are of this kind.
const ASKS: usize = 5;

pub(crate) fn tenant(place: usize) -> String {
    format!("t{place}")
}

pub(crate) fn device(place: usize, number: u64) -> String {
    format!("de71ce{place:02}{number:032x}")
}

pub(crate) fn user(place: usize, number: u64) -> String {
    format!("05e4ee{place:02}-0000-4000-8000-{number:012}")
}

pub(crate) fn id(number: usize) -> String {
    format!("2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b{number:04}")
}

/// What asks people, for the checker.
pub(crate) fn asks() -> BTreeSet<(String, ActionKind)> {
    (0..PLAYBOOKS)
        .filter(|number| number % 10 == ASKS)
        .map(|number| (id(number), ActionKind::IsolateDevice))
        .collect()
}

/// A playbook in one of its versions.
pub(crate) fn playbook(number: usize, version: u32) -> String {
    let device = "device: \"{{row.DeviceId}}\"";
    let isolate = format!("  - isolateDevice: {{{device}, comment: \"{{{{row.Key}}}}\"}}\n");
    let tag = format!("  - tagDevice: {{{device}, tag: found}}\n");
    let actions = match number % 10 {
        0 => format!("{isolate}    revertAfter: 4h\n"),
        1 => format!("{isolate}{tag}"),
        2 => "  - disableUser: {user: \"{{row.User}}\"}\n    revertAfter: 8h\n".to_owned(),
        3 => "  - addIndicator: {indicatorValue: \"{{row.RemoteIP}}\", indicatorType: ipAddress, action: block, \
              title: found, description: found, expiresIn: 30d}\n"
            .to_owned(),
        4 => "  - commentIncident: {incident: \"{{incident.id}}\", comment: seen}\n".to_owned(),
        ASKS => {
            format!("{isolate}    approval: {{channel: soc, minimum: 1, timeout: 60m}}\n    revertAfter: 3h\n")
        }
        6 => format!("  - restrictAppExecution: {{{device}, comment: contain}}\n"),
        7 => format!("  - runAntivirusScan: {{{device}, comment: scan}}\n{tag}"),
        8 => isolate,
        _ => format!(
            "  - collectInvestigationPackage: {{{device}, comment: look}}\n  - revokeSessions: {{user: \"{{{{row.User}}}}\"}}\n"
        ),
    };
    let (schedule, period) = schedule(number);
    let input = if number % 10 == 4 {
        "incidents: {filter: {severity: [high]}}\n".to_owned()
    } else {
        format!(
            "hunt:\n  query: DeviceEvents | where ActionType == \"P{number:02}\" | project Key = ReportId, DeviceId, \
             DeviceName, User = AccountName, RemoteIP\n  queryPeriod: {period}\n  identity: [Key]\n"
        )
    };
    let mode = if number % 10 == 8 { "observe" } else { "enforce" };
    let (run, day) = CAPS;
    format!(
        "schema: 1\nid: {}\nname: P{number:02}\ndescription: version {version}\nmode: {mode}\nseverity: High\n{input}\
         schedule: {{{schedule}}}\nguards: {{maxActions: {{perRun: {run}, perDay: {day}}}}}\nactions:\n{actions}notify:\n  \
         - {{channel: soc, title: \"{{{{outcome.acted}}}}\"}}\n",
        id(number)
    )
}

/// Whether a playbook runs at half past two: on one day a year there is none.
pub(crate) fn is_at_half_past_two(playbook: &str) -> bool {
    (5..PLAYBOOKS).filter(|number| number % 4 == 1).any(|number| id(number) == playbook)
}

/// When a playbook runs, and how far back it looks.
fn schedule(number: usize) -> (String, &'static str) {
    match number {
        0 => ("every: 2h, catchUp: latest".to_owned(), "5h"),
        1..5 => ("every: 6h, catchUp: all".to_owned(), "9h"),
        _ => {
            // The hour that summer time takes away is among them.
            let (minute, hour) = ((number % 2) * 30, number % 4 + 1);
            let catch_up = ["latest", "all", "none"][number % 3];
            let day = ["*/2", "*/3", "*/5"][number % 3];
            (
                format!("cron: \"{minute} {hour} {day} * *\", timezone: Europe/Berlin, catchUp: {catch_up}"),
                "3d",
            )
        }
    }
}

/// What playbooks are compiled in.
pub(crate) fn world() -> World {
    World {
        language: Language::new(),
        lists: [List::new("none", ["nobody"])].into_iter().collect::<Lists>(),
        channels: BTreeSet::from(["soc".to_owned()]),
        chats: BTreeMap::new(),
        alerts: None,
        tenants: (0..TENANTS).map(|place| (tenant(place), BTreeSet::new())).collect::<BTreeMap<_, _>>(),
        ceilings: Ceilings { all_targets_per_day: Some(1000), ..Ceilings::default().on_a_stage() },
        exclusions: Exclusions::default(),
        queries: Queries::Trusted,
        approvers: Approvers::new([("duty".to_owned(), "1000".to_owned())]),
    }
}

/// Rows of a tenant: the same for the same hour, whoever asks when.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) place: usize,
    pub(crate) seed: u64,
    /// How often something is found.
    pub(crate) finds: Finds,
}

/// How often a hunt finds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finds {
    /// Now and then, and sometimes more than guards let pass.
    Sometimes,
    /// One row, which is new in each hour.
    Steadily,
}

impl Hunter for Rows {
    fn answer(&self, query: &str, window: HuntWindow, _now: Timestamp) -> Result<HuntTable, HuntFault> {
        let columns = ["Key", "DeviceId", "DeviceName", "User", "RemoteIP"];
        let columns = columns.map(|name| HuntColumn::new(name, "String")).to_vec();
        let number =
            query.split_once("\"P").and_then(|(_, rest)| rest.get(..2)?.parse::<u64>().ok()).unwrap_or(0);
        let hour = |at: Timestamp| u64::try_from(at.as_second() / 3600).unwrap_or(0);
        let mut rows = Vec::new();
        let to = hour(window.to);
        for hour in hour(window.from) + 1..=to {
            let mut dice = Dice::new(self.seed ^ (hour << 16) ^ (number << 8) ^ self.place as u64);
            // Few, and now and then more than the guards let pass.
            let count = match (self.finds, dice.below(500)) {
                (Finds::Steadily, _) => u64::from(hour == to),
                (Finds::Sometimes, 0) => 9,
                (Finds::Sometimes, 1..10) => 1,
                (Finds::Sometimes, _) => 0,
            };
            for nth in 0..count {
                let machine = dice.below(MACHINES);
                rows.push(json!({
                    "Key": format!("{hour}-{nth}"), "DeviceId": device(self.place, machine),
                    "DeviceName": format!("host{machine}"), "User": user(self.place, dice.below(USERS)),
                    "RemoteIP": format!("203.0.113.{}", dice.below(250)),
                }));
            }
        }
        let rows =
            rows.into_iter().filter_map(|row| if let Value::Object(row) = row { Some(row) } else { None });
        Ok(HuntTable::new(columns, rows.collect()))
    }
}

/// Everything in a tenant at the start.
pub(crate) fn data(place: usize) -> Value {
    let machines: Vec<Value> = (0..MACHINES)
        .map(|number| {
            let reach = if number == 0 { "failing" } else { "online" };
            json!({"id": device(place, number), "computerDnsName": format!("host{number}.example"), "firstSeen": "-90d", "reach": reach,
                "lastSeen": "-1m", "osPlatform": "Windows11", "healthStatus": "Active", "onboardingStatus": "Onboarded"})
        })
        .collect();
    let users: Vec<Value> = (0..USERS)
        .map(|number| {
            let mut name = String::new();
            write!(name, "u{number}@t{place}.example").unwrap();
            json!({"id": user(place, number), "userPrincipalName": name, "displayName": name})
        })
        .collect();
    json!({"machines": machines, "users": users})
}
