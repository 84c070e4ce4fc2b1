//! A document taken apart at its top: the members of an object, the items of an array, each by its extent alone.
//!
//! What is inside a part is not judged: one that cannot be read (`NaN`, `1e400`, bytes that are no text) says nothing
//! about its neighbours.

use super::scan::Scanner;
use super::value::skip_space;

/// The members of the object that a document is, each with its key as it is written; `None` if it is none.
#[must_use]
pub fn members(document: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut all = Vec::new();
    parts(document, *b"{}", |at| {
        let key = extent(document, at).filter(|_| document.get(at) == Some(&b'"'))?;
        let colon = skip_space(document, at + key.len());
        let from = skip_space(document, colon + 1);
        let value = extent(document, from).filter(|_| document.get(colon) == Some(&b':'))?;
        all.push((key, value));
        Some(from + value.len())
    })?;
    Some(all)
}

/// The items of the array that a document is; `None` if it is none.
#[must_use]
pub fn items(document: &[u8]) -> Option<Vec<&[u8]>> {
    let mut all = Vec::new();
    parts(document, *b"[]", |at| {
        let item = extent(document, at)?;
        all.push(item);
        Some(at + item.len())
    })?;
    Some(all)
}

/// Goes through what stands between two brackets and commas, and nothing else; `part` says where each part ends.
fn parts(
    document: &[u8],
    [open, close]: [u8; 2],
    mut part: impl FnMut(usize) -> Option<usize>,
) -> Option<()> {
    let from = skip_space(document, 0);
    (document.get(from) == Some(&open)).then_some(())?;
    let mut at = skip_space(document, from + 1);
    if document.get(at) != Some(&close) {
        loop {
            at = skip_space(document, part(at)?);
            match *document.get(at)? {
                b',' => at = skip_space(document, at + 1),
                end if end == close => break,
                _other => return None,
            }
        }
    }
    (skip_space(document, at + 1) == document.len()).then_some(())
}

/// The value that begins at `at`.
fn extent(document: &[u8], at: usize) -> Option<&[u8]> {
    let rest = document.get(at..)?;
    if matches!(rest.first()?, b',' | b':' | b']' | b'}') {
        return None;
    }
    rest.get(..Scanner::new().scan(rest)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[track_caller]
    fn check(array: &str, wanted: Option<&[&str]>) {
        let found = items(array.as_bytes());
        let wanted = wanted.map(|parts| parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>());
        assert_eq!(found, wanted, "{array}");
    }

    #[test]
    fn an_item_that_cannot_be_read_ends_where_its_brackets_do() {
        check(r#" [ {"a":1} , NaN,1e400 ,"]," ] "#, Some(&[r#"{"a":1}"#, "NaN", "1e400", r#""],""#]));
        check(r#"[{"a":NaN,"b":[}]},2]"#, None);
        check(r#"[{"a":]},{"b":"\ud800"}]"#, None);
        check(r#"[{"a":nul,"b":},{"b":"\ud800"}]"#, Some(&[r#"{"a":nul,"b":}"#, r#"{"b":"\ud800"}"#]));
        check("[]", Some(&[]));
    }

    #[test]
    fn what_is_no_array_has_no_items() {
        for bad in ["", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1}", "[1]x", "{}", "1", "\"[]\"", "[:]"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        for bad in
            ["", "{", "{1:2}", r#"{"a"}"#, r#"{"a":}"#, r#"{"a":1,}"#, r#"{"a" 1}"#, r#"{"a":1}}"#, "[]"]
        {
            assert_eq!(members(bad.as_bytes()), None, "{bad}");
        }
    }

    /// Any document, not deep.
    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<String>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..4)
                    .prop_map(|all| Value::Object(all.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_parts_are_those_of_the_other_reader(document in document(), pretty in any::<bool>()) {
            let text = if pretty {
                serde_json::to_string_pretty(&document).unwrap()
            } else {
                document.to_string()
            };
            let read = |part: &[u8]| serde_json::from_slice::<Value>(part).unwrap();
            let found = items(text.as_bytes()).map(|all| all.into_iter().map(read).collect::<Vec<_>>());
            prop_assert_eq!(found.as_ref(), document.as_array());
            let found = members(text.as_bytes());
            let found = found.map(|all| {
                all.into_iter().map(|(key, value)| (read(key).as_str().unwrap().to_owned(), read(value))).collect()
            });
            prop_assert_eq!(found.as_ref(), document.as_object());
        }
    }
}
