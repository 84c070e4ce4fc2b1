//! Arrays as sets.

use indexmap::IndexMap;

use super::{Args, Call, Kernel};
use crate::value::{Dynamic, KeyWriter, Value};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "set_union" => set_union,
        "set_intersect" => set_intersect,
        "set_difference" => set_difference,
        "set_equals" => set_equals,
        "set_has_element" => set_has_element,
        "jaccard_index" => jaccard_index,
        _ => return None,
    })
}

/// Different elements by their key, in the order of first appearance.
type Set = IndexMap<Vec<u8>, Dynamic>;

fn key(value: &Dynamic) -> Vec<u8> {
    let mut writer = KeyWriter::new();
    writer.push(&Value::Dynamic(value.clone()));
    writer.bytes().to_vec()
}

fn set(items: &[Dynamic]) -> Set {
    let mut set = Set::new();
    for item in items {
        set.entry(key(item)).or_insert_with(|| item.clone());
    }
    set
}

fn array(set: Set) -> Value {
    Value::Dynamic(Dynamic::array(set.into_values().collect()))
}

/// Returns the arguments as sets; nothing if one of them is no array.
fn sets(args: &Args<'_>) -> Option<Vec<Set>> {
    (0..args.len()).map(|index| args.array(index).map(set)).collect()
}

fn set_union(_: &Call<'_>, args: &Args<'_>) -> Value {
    let Some(sets) = sets(args) else { return Value::Dynamic(Dynamic::Null) };
    let mut all = Set::new();
    for (key, item) in sets.into_iter().flatten() {
        all.entry(key).or_insert(item);
    }
    array(all)
}

fn set_intersect(_: &Call<'_>, args: &Args<'_>) -> Value {
    let Some(mut sets) = sets(args) else { return Value::Dynamic(Dynamic::Null) };
    let mut first = if sets.is_empty() { Set::new() } else { sets.remove(0) };
    first.retain(|key, _| sets.iter().all(|set| set.contains_key(key)));
    array(first)
}

fn set_difference(_: &Call<'_>, args: &Args<'_>) -> Value {
    let Some(mut sets) = sets(args) else { return Value::Dynamic(Dynamic::Null) };
    let mut first = if sets.is_empty() { Set::new() } else { sets.remove(0) };
    first.retain(|key, _| !sets.iter().any(|set| set.contains_key(key)));
    array(first)
}

fn set_equals(_: &Call<'_>, args: &Args<'_>) -> Value {
    let equal = sets(args).map(|sets| match sets.as_slice() {
        [a, b] => a.len() == b.len() && a.keys().all(|key| b.contains_key(key)),
        _ => false,
    });
    Value::Bool(equal)
}

fn set_has_element(_: &Call<'_>, args: &Args<'_>) -> Value {
    let wanted = key(&args.dynamic(1));
    Value::Bool(args.array(0).map(|items| items.iter().any(|item| key(item) == wanted)))
}

fn jaccard_index(_: &Call<'_>, args: &Args<'_>) -> Value {
    let index = sets(args).and_then(|sets| match sets.as_slice() {
        [a, b] => {
            let common = a.keys().filter(|key| b.contains_key(*key)).count();
            let all = a.len() + b.len() - common;
            #[expect(clippy::cast_precision_loss, reason = "sizes of arrays")]
            Some(if all == 0 { f64::NAN } else { common as f64 / all as f64 })
        }
        _ => None,
    });
    Value::Real(index)
}
