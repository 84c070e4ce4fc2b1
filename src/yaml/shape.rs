//! Questions to a schema and to a value of some shape.

use serde_json::Value;

use crate::diag::nearest;

/// The keys a map may have.
pub(super) fn keys(schema: &Value) -> Vec<&str> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.map(|all| all.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// The path of the first map of the schema, breadth first, that has `key` and lies around or below the map
/// `at`, if it is not the top. A key of the same name elsewhere is another key.
pub(super) fn home_of(schema: &Value, at: &str, key: &str) -> Option<String> {
    let steps = at.split('/').filter(|step| !step.is_empty() && !step.bytes().all(|b| b.is_ascii_digit()));
    let here: Vec<&str> = steps.collect();
    let mut level = vec![(Vec::new(), schema)];
    for _depth in 0..6 {
        let mut next = Vec::new();
        for (path, schema) in level {
            let inner = schema.get("items").unwrap_or(schema);
            for (name, property) in inner.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if name == key && !path.is_empty() {
                    return Some(path.join("."));
                }
                let path: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
                if path.iter().zip(&here).all(|(one, other)| one == other) {
                    next.push((path, property));
                }
            }
        }
        level = next;
    }
    None
}

/// Whether a missing key is there with a typing error.
pub(super) fn misspelt(value: &Value, schema: &Value, property: &str) -> bool {
    let known = keys(schema);
    let written = value.as_object().into_iter().flat_map(|map| map.keys());
    written.filter(|key| !known.contains(&key.as_str())).any(|key| nearest(key, [property]).is_some())
}

/// Whether a schema takes references to secrets.
pub(super) fn is_secret(schema: &Value) -> bool {
    schema.get("x-secret").is_some()
}

/// The types a schema accepts.
pub(super) fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The keys of branches that are nothing but `required: [key]`.
pub(super) fn required_alternatives<'a>(branches: &[&'a Value]) -> Vec<&'a str> {
    let only = |branch: &'a Value| {
        let map = branch.as_object().filter(|map| map.len() == 1)?;
        map.get("required")?.get(0)?.as_str()
    };
    branches.iter().map(|branch| only(branch)).collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// Whether a value is of a schema's type.
pub(super) fn fits(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => value.is_null(),
    }
}

/// The boolean a word of YAML 1.1 meant.
pub(super) fn boolean(text: &str) -> Option<&'static str> {
    match text.trim().to_lowercase().as_str() {
        "yes" | "on" | "y" | "true" => Some("true"),
        "no" | "off" | "n" | "false" => Some("false"),
        _ => None,
    }
}

/// Index of the first entry that was there before.
pub(super) fn repeated(value: &Value) -> Option<usize> {
    let mut seen = std::collections::BTreeSet::new();
    value.as_array()?.iter().position(|item| !seen.insert(item.to_string()))
}

/// Escapes a key for a pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Which of JSON's types a value has.
pub(super) fn kind_of(value: &Value) -> std::mem::Discriminant<Value> {
    std::mem::discriminant(value)
}
