//! For tests: documents with one odd value each.

use serde_json::{Value, json};

/// Puts each odd value in each place of a good document at or below a pointer, and gives the document's text.
pub(crate) fn for_each_oddity(good: &Value, below: &str, mut each: impl FnMut(&str)) {
    let odd = json!([
        null, true, -1, 1.5, 1e30, 4_294_967_296_u64, "", "x", "none", [], ["x", "x"], {}, {"x": 1}
    ]);
    let mut pointers = Vec::new();
    collect(good, String::new(), &mut pointers);
    pointers.retain(|pointer| pointer.starts_with(below));
    for pointer in pointers {
        for value in odd.as_array().into_iter().flatten() {
            let mut document = good.clone();
            if let Some(place) = document.pointer_mut(&pointer) {
                *place = value.clone();
                each(&document.to_string());
            }
        }
    }
}

/// Every place of a document.
fn collect(value: &Value, at: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, inner)| collect(inner, format!("{at}/{key}"), pointers));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, inner)| collect(inner, format!("{at}/{n}"), pointers));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    pointers.push(at);
}
