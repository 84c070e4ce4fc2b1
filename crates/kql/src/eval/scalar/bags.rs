//! Property bags.

use std::sync::Arc;

use super::parse::json_path;
use super::{Args, Call, Kernel};
use crate::value::{Bag, Dynamic, Value, to_dynamic, to_text};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "bag_pack" => |_, args| Value::Dynamic(pack(args.all())),
        "bag_keys" => bag_keys,
        "bag_merge" => bag_merge,
        "bag_remove_keys" => bag_remove_keys,
        "bag_has_key" => bag_has_key,
        "bag_set_key" => bag_set_key,
        "bag_zip" => bag_zip,
        "treepath" => |_, args| Value::Dynamic(treepath(&args.dynamic(0))),
        _ => return None,
    })
}

/// Keys and values alternate.
fn pack(values: &[Value]) -> Dynamic {
    let mut bag = Bag::new();
    for pair in values.chunks_exact(2) {
        if let [key, value] = pair {
            bag.set(to_text(key), to_dynamic(value));
        }
    }
    Dynamic::bag(bag)
}

fn bag_keys(_: &Call<'_>, args: &Args<'_>) -> Value {
    let keys = args
        .dynamic(0)
        .as_bag()
        .map(|bag| Dynamic::array(bag.iter().map(|(name, _)| Dynamic::String(Arc::clone(name))).collect()));
    Value::Dynamic(keys.unwrap_or_default())
}

/// The first value of a property wins; what is no bag does not count.
fn bag_merge(_: &Call<'_>, args: &Args<'_>) -> Value {
    let mut merged = Bag::new();
    let mut any = false;
    for value in args.all() {
        if let Value::Dynamic(Dynamic::Bag(bag)) = value {
            any = true;
            for (name, value) in bag.iter() {
                merged.add(Arc::clone(name), value.clone());
            }
        }
    }
    Value::Dynamic(if any { Dynamic::bag(merged) } else { Dynamic::Null })
}

/// A key is a name, or a path that starts with `$`.
fn bag_remove_keys(_: &Call<'_>, args: &Args<'_>) -> Value {
    let Some(keys) = args.array(1) else { return Value::Dynamic(Dynamic::Null) };
    let mut value = args.dynamic(0);
    if value.as_bag().is_none() {
        return Value::Dynamic(Dynamic::Null);
    }
    for key in keys {
        let Dynamic::String(key) = key else { continue };
        let path = if key.starts_with('$') { json_path(key) } else { Some(vec![key.to_string()]) };
        if let Some(path) = path {
            value = without(&value, &path);
        }
    }
    Value::Dynamic(value)
}

fn without(value: &Dynamic, path: &[String]) -> Dynamic {
    let (Some((name, deeper)), Some(bag)) = (path.split_first(), value.as_bag()) else {
        return value.clone();
    };
    let kept = bag.iter().filter_map(|(key, value)| {
        if key.as_ref() != name {
            return Some((Arc::clone(key), value.clone()));
        }
        (!deeper.is_empty()).then(|| (Arc::clone(key), without(value, deeper)))
    });
    Dynamic::bag(kept.collect())
}

fn bag_has_key(_: &Call<'_>, args: &Args<'_>) -> Value {
    let key = args.text(1);
    let value = args.dynamic(0);
    let Some(bag) = value.as_bag() else { return Value::Bool(None) };
    let path = key.starts_with('$').then(|| json_path(&key)).flatten();
    let Some(path) = path else { return Value::from(bag.get(&key).is_some()) };
    let mut here = value.clone();
    for name in &path {
        match here.as_bag().and_then(|bag| bag.get(name)).cloned() {
            Some(next) => here = next,
            None => return Value::from(false),
        }
    }
    Value::from(true)
}

fn bag_set_key(_: &Call<'_>, args: &Args<'_>) -> Value {
    let key = args.text(1);
    let path = if key.starts_with('$') { json_path(&key) } else { Some(vec![key.to_string()]) };
    let value = args.dynamic(0);
    if value.as_bag().is_none() {
        return Value::Dynamic(Dynamic::Null);
    }
    Value::Dynamic(path.map_or(Dynamic::Null, |path| with(&value, &path, &args.dynamic(2))))
}

fn with(value: &Dynamic, path: &[String], new: &Dynamic) -> Dynamic {
    let Some((name, deeper)) = path.split_first() else { return new.clone() };
    let mut bag = value.as_bag().cloned().unwrap_or_default();
    let inner = bag.get(name).cloned().unwrap_or_default();
    bag.set(Arc::from(name.as_str()), with(&inner, deeper, new));
    Dynamic::bag(bag)
}

/// Keys that are no text are left out with their values; values that are missing are null.
fn bag_zip(_: &Call<'_>, args: &Args<'_>) -> Value {
    let Some(keys) = args.array(0) else { return Value::Dynamic(Dynamic::Null) };
    let values = args.array(1).unwrap_or_default();
    let mut bag = Bag::new();
    for (index, key) in keys.iter().enumerate() {
        if let Dynamic::String(key) = key {
            bag.set(Arc::clone(key), values.get(index).cloned().unwrap_or_default());
        }
    }
    Value::Dynamic(Dynamic::bag(bag))
}

/// Lists the paths of all properties, arrays by their first element.
fn treepath(value: &Dynamic) -> Dynamic {
    fn walk(value: &Dynamic, path: &str, out: &mut Vec<Dynamic>) {
        match value {
            Dynamic::Bag(bag) => {
                for (name, value) in bag.iter() {
                    let path = format!("{path}['{name}']");
                    out.push(Dynamic::text(&path));
                    walk(value, &path, out);
                }
            }
            Dynamic::Array(items) => {
                let path = format!("{path}[0]");
                out.push(Dynamic::text(&path));
                if let Some(first) = items.first() {
                    walk(first, &path, out);
                }
            }
            _ => {}
        }
    }
    let mut paths = Vec::new();
    walk(value, "", &mut paths);
    Dynamic::array(paths)
}
