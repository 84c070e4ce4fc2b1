//! Custom detection rules of Defender, as Microsoft Graph gives them.

use serde_json::{Map, Value, json};

use super::fields::{Draft, Fields, capital};
use super::response::response_actions;
use super::{Fate, ImportError, Imported, Kind};

const KNOWN: &[(&str, &str)] = &[
    ("@odata.type", "about the API"),
    ("@odata.context", "about the API"),
    ("detectorId", "the service's own id of the detection"),
    ("createdBy", "about the rule in the service"),
    ("createdDateTime", "about the rule in the service"),
    ("lastModifiedBy", "about the rule in the service"),
    ("lastModifiedDateTime", "about the rule in the service"),
    ("lastRunDetails", "about the rule in the service"),
];

const KNOWN_ALERT: &[(&str, &str)] = &[
    ("title", "the title of a message is `title` under `notify`"),
    ("recommendedActions", "write what to do into the `text` of a message"),
    ("customDetails", "texts name columns directly: `{{row.Column}}`"),
];

/// Reads a rule.
pub(super) fn read(source: &str, object: Map<String, Value>) -> Result<Imported, ImportError> {
    let mut rule = Fields::new(object);
    let mut draft = Draft::new(source, Kind::CustomDetection);
    draft.id("id", rule.take("id").as_ref());
    if let Some(name) = rule.text("displayName").or_else(|| rule.text("name")) {
        draft.name(&name);
    }
    if rule.take("isEnabled").is_some() {
        draft.note(
            "isEnabled",
            Fate::Changed,
            "imported playbooks are switched off until somebody reads them",
        );
    }
    let mut condition = rule.below("queryCondition").ok_or(ImportError::NoQuery)?;
    draft.query(&condition.text("queryText").ok_or(ImportError::NoQuery)?)?;
    condition.name_the_rest("queryCondition.", KNOWN, &mut draft);
    if let Some(mut schedule) = rule.below("schedule") {
        if let Some(period) = schedule.text("period") {
            cadence(&period, &mut draft);
        }
        schedule.name_the_rest(
            "schedule.",
            &[("nextRunDateTime", "about the rule in the service")],
            &mut draft,
        );
    }
    if let Some(mut action) = rule.below("detectionAction") {
        if let Some(alert) = action.below("alertTemplate") {
            alert_template(alert, &mut draft);
        }
        if let Some(responses) = action.take("responseActions") {
            response_actions(&responses, &mut draft);
        }
        let scope = [("organizationalScope", "`tenants` and `guards.exclude` say where a playbook acts")];
        action.name_the_rest("detectionAction.", &scope, &mut draft);
    }
    rule.name_the_rest("", KNOWN, &mut draft);
    Ok(draft.finish())
}

/// The rule's period is its cadence; its look-back follows from it.
///
/// Source: the service's page on custom detection rules, "Rule frequency": a rule that runs every 24 hours
/// looks back 30 days, every 12 hours 48 hours, every 3 hours 12 hours, every hour 4 hours.
fn cadence(period: &str, draft: &mut Draft) {
    let (frequency, look_back) = match period.to_ascii_uppercase().as_str() {
        "1H" | "PT1H" => ("1h", "4h"),
        "3H" | "PT3H" => ("3h", "12h"),
        "12H" | "PT12H" => ("12h", "48h"),
        "24H" | "1D" | "P1D" | "PT24H" => ("24h", "30d"),
        "0" => return draft.near_real_time("schedule.period"),
        _ => {
            draft.left_out("schedule.period", format!("`{period}` is not a period of custom detections"));
            return;
        }
    };
    draft.set_hunt("queryFrequency", frequency.into());
    draft.set_hunt("queryPeriod", look_back.into());
    draft.note("queryPeriod", Fate::FilledIn, format!("what the service looks back: {look_back}"));
}

fn alert_template(mut alert: Fields, draft: &mut Draft) {
    if let Some(text) = alert.text("description") {
        draft.set("description", text.into());
    }
    draft.severity("detectionAction.alertTemplate.severity", alert.take("severity").as_ref());
    draft.tactics("detectionAction.alertTemplate.category", &alert.texts("category"));
    draft.techniques("detectionAction.alertTemplate.mitreTechniques", &alert.texts("mitreTechniques"));
    if let Some(assets) = alert.take("impactedAssets") {
        impacted_assets(&assets, draft);
    }
    alert.name_the_rest("detectionAction.alertTemplate.", KNOWN_ALERT, draft);
}

/// The last part of an `OData` type: `isolateDeviceResponseAction`.
pub(super) fn kind_of(value: &Value) -> &str {
    let name = value.get("@odata.type").and_then(Value::as_str).unwrap_or_default();
    name.rsplit('.').next().unwrap_or_default()
}

fn impacted_assets(assets: &Value, draft: &mut Draft) {
    let mut mappings = Vec::new();
    for asset in assets.as_array().into_iter().flatten() {
        let identifier = asset.get("identifier").and_then(Value::as_str).map(capital).unwrap_or_default();
        let (kind, name) = match kind_of(asset) {
            "impactedDeviceAsset" => {
                ("Host", if identifier.ends_with("Id") { "AzureID" } else { "HostName" })
            }
            "impactedUserAsset" => ("Account", user_identifier(&identifier)),
            "impactedMailboxAsset" => ("Mailbox", "MailboxPrimaryAddress"),
            other => {
                let field = "detectionAction.alertTemplate.impactedAssets";
                draft.left_out(field, format!("`{other}` is not a kind of entity"));
                continue;
            }
        };
        mappings.push(json!({
            "entityType": kind,
            "fieldMappings": [{"identifier": name, "columnName": identifier}],
        }));
    }
    if !mappings.is_empty() {
        draft.set_hunt("entityMappings", Value::Array(mappings));
    }
}

fn user_identifier(column: &str) -> &'static str {
    if column.ends_with("ObjectId") {
        "AadUserId"
    } else if column.ends_with("Sid") {
        "Sid"
    } else {
        "FullName"
    }
}
