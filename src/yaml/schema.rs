//! Generated JSON schemas, made fit for editors.

use serde_json::{Map, Value};

/// Tidies a generated schema: no `null` alternatives (YAML authors leave a key out instead), one-line
/// descriptions, no machine-only number formats; `title` names the whole.
#[must_use]
pub fn tidy(mut schema: Value, title: &str) -> Value {
    visit(&mut schema);
    let Value::Object(mut rest) = schema else { return schema };
    let mut map = Map::new();
    // What a reader wants to see first.
    map.extend(rest.shift_remove("$schema").map(|uri| ("$schema".to_owned(), uri)));
    map.insert("title".to_owned(), title.into());
    map.extend(rest.shift_remove("description").map(|text| ("description".to_owned(), text)));
    rest.shift_remove("title");
    map.extend(rest);
    Value::Object(map)
}

/// Tidies one schema and those inside it.
fn visit(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            drop_null(map);
            map.remove("format");
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = one_line(text);
            }
            for (key, inner) in map.iter_mut() {
                match (key.as_str(), inner) {
                    ("properties" | "patternProperties" | "definitions", Value::Object(inner)) => {
                        inner.values_mut().for_each(visit);
                    }
                    ("items" | "additionalProperties", inner) => visit(inner),
                    ("anyOf" | "oneOf" | "allOf", Value::Array(inner)) => inner.iter_mut().for_each(visit),
                    _ => {}
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(visit),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Makes closed sets cheap to check: `oneOf` of constants, which editors want for its descriptions, becomes
/// `enum`. A wrong value is then one error and not one for each constant.
pub(super) fn compact(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let branches = map.get("oneOf").and_then(Value::as_array);
            let words = branches
                .and_then(|all| all.iter().map(|branch| branch.get("const")).collect::<Option<Vec<_>>>());
            if let Some(words) = words {
                let words = words.into_iter().cloned().collect::<Vec<_>>();
                map.remove("oneOf");
                map.insert("enum".to_owned(), words.into());
            }
            map.values_mut().for_each(compact);
        }
        Value::Array(list) => list.iter_mut().for_each(compact),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Removes the `null` that an optional field brings.
fn drop_null(map: &mut Map<String, Value>) {
    if map.get("default").is_some_and(Value::is_null) {
        map.remove("default");
    }
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = map.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let is_null = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "null");
    let Some(Value::Array(branches)) = map.get_mut("anyOf") else { return };
    branches.retain(|branch| !is_null(branch));
    if branches.len() == 1
        && let Some(Value::Array(mut only)) = map.shift_remove("anyOf")
        && let Some(Value::Object(inner)) = only.pop()
    {
        // What the field says about itself goes before what its type says.
        for (key, value) in inner {
            map.entry(key).or_insert(value);
        }
        drop_null(map);
    }
}

/// Joins the lines of a doc comment; an empty line stays a paragraph.
fn one_line(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}
