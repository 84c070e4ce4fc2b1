//! What a tenant answers, kept for tests and for replays.
//!
//! Reads only: hunts, incidents, and the devices and users that a playbook's actions would be aimed at.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::fixture::Tables;
use crate::action::TargetKind;
use crate::diag::Chain;
use crate::hunt::{Hunt, Unfilled};
use crate::incident::{self, Reading};
use crate::kql::{Query, Schema, words};
use crate::model::{Alert, Incident, Lists, RowView, Wanted};
use crate::plan::{Input, Plan};
use crate::rows::{ColumnKind, Flow};
use crate::tenant::{HuntLimits, HuntQuery, Tenant, TenantError};
use crate::text::{counted, cut};

/// Most devices, and most users, looked up for one recording. A playbook that acts on more is halted by its
/// guards anyway.
const LOOKED_UP_MAX: usize = 200;

/// How far back a guard counts the devices, and how far back they can be asked for.
const FLEET_PERIOD: SignedDuration = SignedDuration::from_hours(7 * 24);
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Every device that has reported within a week, once.
const FLEET_QUERY: &str =
    "DeviceInfo | where Timestamp > ago(7d) | summarize Timestamp = max(Timestamp) by DeviceId";

/// Columns that hold the id of a device, and of a user.
const DEVICE_COLUMNS: [&str; 2] = ["DeviceId", "MachineId"];
const USER_COLUMNS: [&str; 6] = [
    "AccountObjectId",
    "AccountUpn",
    "UserPrincipalName",
    "InitiatingProcessAccountObjectId",
    "InitiatingProcessAccountUpn",
    "RecipientObjectId",
];

/// What is recorded of a hunt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The answer to the playbook's query.
    Answer,
    /// The tables it looks at, so that the query itself can be changed and tried.
    Tables,
}

/// What to record.
#[derive(Debug, Clone)]
pub struct RecordOptions {
    /// Answer or tables.
    pub subject: Subject,
    /// Most rows of each.
    pub rows_max: u64,
    /// How far back, if not as far as the playbook looks.
    pub period: Option<SignedDuration>,
    /// The tables there can be.
    pub schema: Schema,
}

/// Objects, in order.
pub(super) type Objects = Vec<Map<String, Value>>;

/// What a tenant answered. As it was, with all personal data: see [`scrub`](super::scrub()).
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// The answer to the playbook's query: columns as the API names them, and rows.
    pub(super) answer: Option<(Vec<Value>, Objects)>,
    pub(super) tables: Tables,
    pub(super) machines: Objects,
    pub(super) users: Objects,
    pub(super) incidents: Objects,
    pub(super) alerts: Objects,
    /// The entries of the playbook's lists that occur in all this.
    pub(super) lists: BTreeMap<String, Vec<String>>,
    /// The names of those that go into the playbook's query.
    pub(super) asked: BTreeSet<String>,
    /// What is missing from it, for people.
    pub warnings: Vec<String>,
}

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The tenant did not answer, or not completely.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// There is nothing to put in the place of a parameter of the query.
    #[error(transparent)]
    Unfilled(#[from] Unfilled),
}

/// Asks a tenant for what a playbook would see at `now`.
///
/// # Errors
///
/// That of the hunt or of the incidents. A device or user that cannot be looked up is a warning.
pub async fn record(
    plan: &Plan,
    tenant: &dyn Tenant,
    options: &RecordOptions,
    (lists, now): (&Lists, Timestamp),
) -> Result<Recording, RecordError> {
    let mut recording = Recording::default();
    match &plan.input {
        Input::Hunt(input) => match options.subject {
            Subject::Answer => recording.hunt((&input.hunt, lists), tenant, options).await?,
            Subject::Tables => recording.tables((&input.hunt, lists), tenant, options).await?,
        },
        Input::Incidents(filter) => {
            let start = filter.window.start((None, Reading::Whole), now);
            let found = incident::collect(tenant, filter, (start.from, now)).await?;
            recording.cases(found.wanted.iter().map(|wanted| &wanted.incident));
        }
        Input::Alerts(filter) => {
            let start = filter.window.start((None, Reading::Whole), now);
            for alert in &incident::collect_alerts(tenant, filter, (start.from, now)).await?.alerts {
                recording.alert(alert);
            }
        }
        Input::Given => {}
        Input::Feed(_) => {
            let text =
                "a feed is not recorded: give a test its document, `given: {documents: {ADDRESS: FILE}}`";
            recording.warnings.push(text.to_owned());
        }
    }
    recording.targets(plan, tenant).await;
    if plan.guards.written.percent_of_devices.or(plan.guards.ceilings.percent_of_devices).is_some() {
        recording.fleet(plan, tenant, options).await?;
    }
    recording.keep_lists(plan, lists);
    Ok(recording)
}

impl Recording {
    async fn hunt(
        &mut self,
        (hunt, lists): (&Hunt, &Lists),
        tenant: &dyn Tenant,
        options: &RecordOptions,
    ) -> Result<(), RecordError> {
        let query = hunt.filled(lists)?;
        let query = HuntQuery { query, timespan: options.period.or(hunt.period) };
        let (columns, rows) = self.ask("the answer", &query, tenant, options).await?;
        self.answer = Some((columns, rows));
        Ok(())
    }

    async fn tables(
        &mut self,
        (hunt, lists): (&Hunt, &Lists),
        tenant: &dyn Tenant,
        options: &RecordOptions,
    ) -> Result<(), RecordError> {
        let filled = hunt.filled(lists)?;
        for (table, query) in tables_of((&hunt.query, &filled), &options.schema) {
            let query = Hunt { query, ..hunt.clone() }.filled(lists)?;
            let query = HuntQuery { query, timespan: options.period.or(hunt.period) };
            self.table(table, &query, tenant, options).await?;
        }
        Ok(())
    }

    async fn table(
        &mut self,
        table: String,
        query: &HuntQuery,
        tenant: &dyn Tenant,
        options: &RecordOptions,
    ) -> Result<(), TenantError> {
        let (_, mut rows) = self.ask(&format!("table `{table}`"), query, tenant, options).await?;
        for row in &mut rows {
            row.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
        }
        self.tables.insert(table, rows);
        Ok(())
    }

    /// Runs one query and takes every column.
    async fn ask(
        &mut self,
        what: &str,
        query: &HuntQuery,
        tenant: &dyn Tenant,
        options: &RecordOptions,
    ) -> Result<(Vec<Value>, Objects), TenantError> {
        let mut rows = Objects::new();
        let mut on_row = |row: &RowView<'_>| {
            let cells = row.cells.iter().map(|cell| cell.to_cell().to_json());
            rows.push(row.projection.names().map(str::to_owned).zip(cells).collect());
            Flow::Continue
        };
        let limits = HuntLimits { rows_max: options.rows_max, ..HuntLimits::default() };
        let answer = tenant.hunt(query, &Wanted::All, &limits, &mut on_row).await?;
        if answer.truncated {
            self.warnings.push(format!("{what} was cut off at {}", counted(rows.len(), "row")));
        }
        if answer.quarantined > 0 {
            self.warnings
                .push(format!("{what} had {} that could not be read", counted(answer.quarantined, "row")));
        }
        let column =
            |column: &crate::rows::Column| json!({"name": column.name, "type": api_name(column.kind)});
        Ok((answer.columns.iter().map(column).collect(), rows))
    }

    fn alert(&mut self, alert: &Alert) {
        let Ok(value) = serde_json::to_value(alert) else { return };
        self.alerts.push(kept(value, &["alertWebUrl", "devices", "users"]));
    }

    fn cases<'a>(&mut self, incidents: impl Iterator<Item = &'a Incident>) {
        for incident in incidents {
            for alert in &incident.alerts {
                self.alert(alert);
            }
            let Ok(value) = serde_json::to_value(incident) else { continue };
            let mut object = kept(value, &["incidentWebUrl", "alerts", "redirectIncidentId"]);
            if let Some(Value::Array(comments)) = object.get_mut("comments") {
                for comment in comments.iter_mut().filter_map(Value::as_object_mut) {
                    let by = comment.remove("createdBy").unwrap_or_else(|| "".into());
                    comment.insert("createdByDisplayName".to_owned(), by);
                }
            }
            self.incidents.push(object);
        }
    }

    /// The devices that have reported within a week: a guard counts them.
    async fn fleet(
        &mut self,
        plan: &Plan,
        tenant: &dyn Tenant,
        options: &RecordOptions,
    ) -> Result<(), TenantError> {
        if let Input::Hunt(input) = &plan.input
            && self.tables.contains_key("DeviceInfo")
        {
            // What the query itself looks at may be some of the devices, and of a shorter time.
            let back = options.period.or(input.hunt.period).unwrap_or_default() + FLEET_PERIOD;
            let query = HuntQuery { query: "DeviceInfo".to_owned(), timespan: Some(back.min(KEPT)) };
            return self.table("DeviceInfo".to_owned(), &query, tenant, options).await;
        }
        let query = HuntQuery { query: FLEET_QUERY.to_owned(), timespan: None };
        let (_, rows) = self.ask("the list of devices", &query, tenant, options).await?;
        self.tables.insert("DeviceInfo".to_owned(), rows);
        Ok(())
    }

    /// Looks up what the playbook's actions would be aimed at.
    async fn targets(&mut self, plan: &Plan, tenant: &dyn Tenant) {
        let targets: Vec<TargetKind> =
            plan.steps.iter().map(|step| step.params.kind().spec().target).collect();
        if targets.contains(&TargetKind::Device) {
            for id in self.ids(&DEVICE_COLUMNS, "mdeDeviceId") {
                let Ok(device) = id.parse() else { continue };
                let found = tenant.machine(&device).await.map(|machine| json!(machine));
                let (kept, warning) = looked_up("device", &id, found);
                self.machines.extend(kept);
                self.warnings.extend(warning);
            }
        }
        if targets.contains(&TargetKind::User) {
            let mut known = BTreeSet::new();
            for id in self.ids(&USER_COLUMNS, "azureAdUserId") {
                let Ok(user) = id.parse() else { continue };
                let found = tenant.user(&user).await.map(|user| json!(user));
                let (kept, warning) = looked_up("user", &id, found);
                self.users.extend(
                    kept.map(named)
                        .filter(|user| known.insert(user.get("id").cloned().map(|id| id.to_string()))),
                );
                self.warnings.extend(warning);
            }
        }
        self.named_cases(&targets, tenant).await;
    }

    /// Looks up the alerts and incidents that rows name.
    async fn named_cases(&mut self, targets: &[TargetKind], tenant: &dyn Tenant) {
        if self.incidents.is_empty() && targets.contains(&TargetKind::Incident) {
            for id in self.ids(&["IncidentId"], "") {
                let Ok(id) = id.parse() else { continue };
                match tenant.incident(&id).await {
                    Ok(incident) => self.cases(std::iter::once(&incident)),
                    Err(error) => self.warnings.extend(missing("incident", id.as_str(), &error)),
                }
            }
        }
        if self.alerts.is_empty() && targets.contains(&TargetKind::Alert) {
            for id in self.ids(&["AlertId"], "") {
                let Ok(id) = id.parse() else { continue };
                match tenant.alert(&id).await {
                    Ok(alert) => self.alert(&alert),
                    Err(error) => self.warnings.extend(missing("alert", id.as_str(), &error)),
                }
            }
        }
    }

    /// The distinct texts in some columns, and under a key of evidence.
    fn ids(&mut self, columns: &[&str], evidence: &str) -> Vec<String> {
        let mut ids = BTreeSet::new();
        let answer = self.answer.iter().flat_map(|(_, rows)| rows);
        for row in answer.chain(self.tables.values().flatten()) {
            let texts = columns.iter().filter_map(|column| row.get(*column)?.as_str());
            ids.extend(texts.filter(|text| !text.is_empty()).map(str::to_owned));
        }
        for alert in &self.alerts {
            find(alert.get("evidence").unwrap_or(&Value::Null), evidence, &mut ids);
        }
        if LOOKED_UP_MAX < ids.len() {
            self.warnings.push(format!("of {} devices or users {LOOKED_UP_MAX} were looked up", ids.len()));
        }
        ids.into_iter().take(LOOKED_UP_MAX).collect()
    }
}

/// An object without its nulls and without some of its keys.
fn kept(value: Value, drop: &[&str]) -> Map<String, Value> {
    let Value::Object(mut object) = value else { return Map::new() };
    object.retain(|key, value| !value.is_null() && !drop.contains(&key.as_str()));
    object
}

/// What became of a look-up.
fn looked_up(
    what: &str,
    id: &str,
    found: Result<Value, TenantError>,
) -> (Option<Map<String, Value>>, Option<String>) {
    match found {
        Ok(value) => (Some(kept(value, &["onPremisesSamAccountName"])), None),
        Err(error) => (None, missing(what, id, &error)),
    }
}

/// Why something could not be looked up. That there is no such thing any more is nothing to warn of.
fn missing(what: &str, id: &str, error: &TenantError) -> Option<String> {
    let is_gone = error.refused().is_some_and(|refused| refused.status == 404);
    (!is_gone).then(|| format!("{what} {id} could not be looked up: {}", Chain(error)))
}

/// A user with the names that every user of a fixture has.
fn named(mut user: Map<String, Value>) -> Map<String, Value> {
    let name = user.get("userPrincipalName").cloned().unwrap_or_else(|| "".into());
    user.entry("userPrincipalName").or_insert_with(|| name.clone());
    user.entry("displayName").or_insert(name);
    user
}

/// Every text under a key, however deep.
fn find(value: &Value, key: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                match value.as_str() {
                    Some(text) if name == key => drop(out.insert(text.to_owned())),
                    _ => find(value, key, out),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| find(value, key, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The API's word for what a column holds.
const fn api_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text | ColumnKind::Other => "String",
        ColumnKind::DateTime => "DateTime",
        ColumnKind::Integer => "Int64",
        ColumnKind::Real => "Double",
        ColumnKind::Bool => "SByte",
        ColumnKind::Json => "Object",
    }
}

/// The tables a query looks at, each with the query that fetches what it needs of it: for the first one only
/// the rows that the query's leading filters keep. Taken apart is the query as it was written, so that what is on a
/// list is no part of it.
fn tables_of((written, filled): (&str, &str), schema: &Schema) -> BTreeMap<String, String> {
    let read = Query::read(filled, schema);
    let mut tables: BTreeMap<String, String> =
        read.tables().map(|table| (table.to_owned(), table.to_owned())).collect();
    let words = words(written);
    // A pattern, or a name made of a text, may stand for the first table once more.
    let is_named = !words.bare.iter().any(|word| ["union", "search", "find", "table"].contains(word));
    let stages = cut(written, '|');
    if let Some((first, rest)) = stages.split_first()
        && let Some(whole) = tables.get_mut(first.trim())
        && is_named
        && words.bare.iter().filter(|word| **word == first.trim()).count() == 1
        && !words.quoted.iter().any(|text| text == first.trim())
    {
        let filters = rest.iter().take_while(|stage| stage.trim_start().starts_with("where "));
        // What a filter means by now is not what it will mean when the recording is played.
        let filters = filters.filter(|stage| !["ago(", "now("].iter().any(|call| stage.contains(call)));
        for filter in filters {
            whole.push_str("\n| ");
            whole.push_str(filter.trim());
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expect: &[(&str, &str)]) {
        let tables = tables_of((query, query), &Schema::defender());
        let found: Vec<(&str, &str)> =
            tables.iter().map(|(name, query)| (name.as_str(), query.as_str())).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn the_leading_filters_go_along_and_other_tables_come_whole() {
        check(
            "DeviceEvents\n| where A has \"a|b\" // not | here\n| where B in ('x', @\"\\\")\n| summarize count() by C",
            &[(
                "DeviceEvents",
                "DeviceEvents\n| where A has \"a|b\" // not | here\n| where B in ('x', @\"\\\")",
            )],
        );
        check(
            "DeviceEvents | where A == 1 | join (DeviceInfo | where B == 2) on DeviceId",
            &[("DeviceEvents", "DeviceEvents\n| where A == 1"), ("DeviceInfo", "DeviceInfo")],
        );
        check(
            "let x = DeviceEvents | where A == 1; DeviceEvents | where B == 2 | union x",
            &[("DeviceEvents", "DeviceEvents")],
        );
        check(
            "DeviceEvents | where Timestamp > ago(1h) | where A == 1",
            &[("DeviceEvents", "DeviceEvents\n| where A == 1")],
        );
        check("DeviceEvents | where A == 1 | union DeviceEven*", &[("DeviceEvents", "DeviceEvents")]);
        check(
            "DeviceEvents | where A == 'find' // union",
            &[("DeviceEvents", "DeviceEvents\n| where A == 'find' // union")],
        );
        check(
            "DeviceEvents | where A == 1 | join ['DeviceEvents'] on B",
            &[("DeviceEvents", "DeviceEvents")],
        );
        check("print 'DeviceEvents' // and DeviceInfo", &[]);
    }
}
