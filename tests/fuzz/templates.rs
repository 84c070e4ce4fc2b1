//! Texts with `{{...}}`.

use std::sync::LazyLock;

use huntbook::text::{OUTPUT_BYTES_MAX, Template};
use serde_json::{Value, json};

/// A word that stands in the data, at a name of its own.
const SECRET: &str = "Tr0ub4dor";

static DATA: LazyLock<Value> = LazyLock::new(|| {
    let row = json!({
        "DeviceId": "aa11", "DeviceName": "ws-017.contoso.example", "FileName": "{{kept.word}}{{#each rows}}",
        "Timestamp": "2026-01-10T11:30:00.1234567Z", "Files": 42, "Share": 2.5, "Admin": true, "None": null,
        "Tags": ["a", "b"], "Extra": {"k": {"deep": [1, 2]}}, "\u{202e}": "x",
    });
    json!({
        "rows": [row, row, {}], "items": [{"row": row}], "row": row, "run": {"id": "r1", "tenant": "contoso"},
        "now": "2026-01-10T12:00:00Z", "count": 3, "kept": {"word": SECRET},
    })
});

/// Compiles and renders the text. Places are in it, what is rendered keeps to its limit and is the same each time, and
/// what the text does not name is not in it, whatever the data look like.
pub(crate) fn check(bytes: &[u8]) {
    let source = String::from_utf8_lossy(bytes);
    let template = match Template::compile(&source) {
        Ok(template) => template,
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(source.get(problem.range.clone()).is_some(), "{problem:?} in {source:?}");
            }
            return;
        }
    };
    assert_eq!(template.source(), source);
    for reference in template.references() {
        assert!(source.get(reference.range.clone()).is_some(), "{reference:?} in {source:?}");
    }
    let Ok(text) = template.render(&DATA) else { return };
    assert!(text.len() <= OUTPUT_BYTES_MAX, "{} bytes of {source:?}", text.len());
    assert_eq!(template.render(&DATA).ok().as_ref(), Some(&text));
    let names_it = template.references().iter().any(|reference| {
        reference.path.is_empty() || ["kept", "this", "@root"].contains(&reference.path[0].as_str())
    });
    assert!(names_it || source.contains(SECRET) || !text.contains(SECRET), "{source:?} gives {text:?}");
    if !source.contains("{{") && !source.contains('\\') {
        assert_eq!(text, source);
    }
}
