//! Microsoft Sentinel: analytics and hunting rules as YAML, and rules exported as a template.

use serde_json::{Map, Value, json};

use super::fields::{Draft, Fields, texts};
use super::{Fate, ImportError, Imported, Kind};
use crate::playbook::EntityMapping;

/// Why fields of a rule have no place in a playbook.
const KNOWN: &[(&str, &str)] = &[
    ("requiredDataConnectors", "the query itself names the tables of Defender it reads"),
    ("version", "the file's own history says which version it is"),
    ("metadata", "about the collection the rule was part of"),
    ("customDetails", "texts name columns directly: `{{row.Column}}`"),
    ("alertDetailsOverride", "the text of a message is `title` and `text` under `notify`"),
    ("eventGroupingSettings", "`group: run` or `group: item` under `notify`"),
    ("incidentConfiguration", "huntbook tells people and acts; it does not make incidents of rows"),
    ("suppressionEnabled", "`suppress: {by: [...], for: ...}` keeps quiet by item, not by rule"),
    ("suppressionDuration", "`suppress: {by: [...], for: ...}` keeps quiet by item, not by rule"),
    ("alertRuleTemplateName", "about the rule's template"),
    ("templateVersion", "about the rule's template"),
    ("sentinelEntitiesMappings", "`entityMappings` names columns"),
    ("status", "playbooks start as `experimental`"),
    ("tags", "playbooks have no tags; tactics and techniques are carried over"),
];

/// Reads a rule.
pub(super) fn read(source: &str, object: Map<String, Value>) -> Result<Imported, ImportError> {
    let mut outer = Fields::new(object);
    let mut draft = Draft::new(source, Kind::Sentinel);
    let Some(mut rule) = outer.below("properties") else {
        return rule_of(outer, draft, "");
    };
    // A template: the rule is under `properties`, around it is what the service deploys it by.
    if let Some(kind) = outer.take("kind") {
        rule.put("kind", kind);
    }
    for key in ["type", "apiVersion", "etag"] {
        outer.take(key);
    }
    let id = outer.text("name").or_else(|| outer.text("id")).and_then(|id| last_uuid(&id));
    draft.id("name", id.map(Value::String).as_ref());
    outer.name_the_rest("", &[("id", "an address in Azure")], &mut draft);
    if let Some(name) = rule.take("displayName") {
        draft.name(name.as_str().unwrap_or_default());
    }
    rule_of(rule, draft, "properties.")
}

fn rule_of(mut rule: Fields, mut draft: Draft, prefix: &str) -> Result<Imported, ImportError> {
    draft.id("id", rule.take("id").as_ref());
    for key in ["name", "displayName"] {
        if let Some(name) = rule.text(key) {
            draft.name(unquoted(&name));
        }
    }
    if let Some(description) = rule.text("description") {
        draft.set("description", unquoted(&description).into());
    }
    if let Some(false) = rule.take("enabled").as_ref().and_then(Value::as_bool) {
        draft.note("enabled", Fate::Changed, "imported playbooks are switched off until somebody reads them");
    }
    draft.severity("severity", rule.take("severity").as_ref());
    draft.tactics("tactics", &rule.texts("tactics"));
    let techniques =
        [rule.texts("relevantTechniques"), rule.texts("techniques"), rule.texts("subTechniques")];
    draft.techniques("relevantTechniques", &techniques.concat());
    draft.query(&rule.text("query").ok_or(ImportError::NoQuery)?)?;
    let kind = rule.text("kind").unwrap_or_default();
    if kind.eq_ignore_ascii_case("nrt") {
        draft.near_real_time("kind");
    } else if !kind.is_empty() && !kind.eq_ignore_ascii_case("scheduled") {
        draft.left_out(&format!("{prefix}kind"), format!("`{kind}`: a playbook is one kind of thing"));
    }
    for key in ["queryFrequency", "queryPeriod"] {
        if let Some(length) = rule.take(key) {
            draft.length(key, key, &length);
        }
    }
    trigger(&mut rule, &mut draft);
    if let Some(mappings) = rule.take("entityMappings") {
        entities(&mappings, &mut draft);
    }
    rule.name_the_rest(prefix, KNOWN, &mut draft);
    Ok(draft.finish())
}

/// Descriptions in YAML rules are often quoted once more.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(text).trim()
}

/// The UUID at the end of a resource's name or address.
fn last_uuid(text: &str) -> Option<String> {
    let mut parts = text.split(|letter: char| !(letter.is_ascii_hexdigit() || letter == '-'));
    parts.rfind(|part| uuid::Uuid::try_parse(part).is_ok()).map(str::to_owned)
}

fn trigger(rule: &mut Fields, draft: &mut Draft) {
    if let Some(operator) = rule.text("triggerOperator") {
        let short = match operator.to_ascii_lowercase().as_str() {
            "gt" | "greaterthan" => "gt",
            "lt" | "lessthan" => "lt",
            "eq" | "equal" => "eq",
            "ne" | "notequal" => "ne",
            _ => "",
        };
        if short.is_empty() {
            draft.left_out("triggerOperator", format!("`{operator}` is not a comparison"));
        } else {
            draft.set_hunt("triggerOperator", short.into());
        }
    }
    match rule.take("triggerThreshold") {
        None => {}
        Some(value) if value.as_u64().is_some() => draft.set_hunt("triggerThreshold", value),
        Some(value) => draft.left_out("triggerThreshold", format!("`{value}` is not a number of rows")),
    }
}

/// Takes the mappings playbooks can hold; names the others.
fn entities(mappings: &Value, draft: &mut Draft) {
    let mut taken = Vec::new();
    for (index, mapping) in mappings.as_array().into_iter().flatten().enumerate() {
        let mapping = plain(mapping);
        match serde_json::from_value::<EntityMapping>(mapping.clone()) {
            Ok(_fits) => taken.push(mapping),
            Err(error) => draft.left_out(&format!("entityMappings[{index}]"), error.to_string()),
        }
    }
    if !taken.is_empty() {
        draft.set_hunt("entityMappings", Value::Array(taken));
    }
}

/// A mapping with the kind of entity in the spelling of playbooks.
fn plain(mapping: &Value) -> Value {
    let kind = mapping.get("entityType").and_then(Value::as_str).unwrap_or_default();
    let kind = match kind.to_ascii_lowercase().as_str() {
        "ip" => "IP",
        "url" => "URL",
        "dns" => "DNS",
        "account" => "Account",
        "host" => "Host",
        "file" => "File",
        _ => kind,
    };
    let fields = mapping.get("fieldMappings").and_then(Value::as_array);
    let text = |field: &Value, key: &str| texts(field.get(key).unwrap_or(&Value::Null)).concat();
    let fields: Vec<Value> = fields
        .into_iter()
        .flatten()
        .map(
            |field| json!({"identifier": text(field, "identifier"), "columnName": text(field, "columnName")}),
        )
        .collect();
    json!({"entityType": kind, "fieldMappings": fields})
}
