//! Aggregates that collect values: lists, sets and bags.

use indexmap::IndexSet;

use super::{Input, Kernel};
use crate::types::ScalarType;
use crate::value::{Bag, Cells, Dynamic, KeyWriter, Value, to_dynamic, to_long};

/// The most elements a collection has, as in the service.
const ELEMENTS_MAX: usize = 1_048_576;

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "make_list" => |input| list(input, Nulls::Skip),
        "make_list_if" => |input| list(&input.filtered(1), Nulls::Skip),
        "make_list_with_nulls" => |input| list(input, Nulls::Keep),
        "make_set" => set,
        "make_set_if" => |input| set(&input.filtered(1)),
        "make_bag" => bag,
        "make_bag_if" => |input| bag(&input.filtered(1)),
        _ => return None,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    Keep,
    Skip,
}

fn size_max(input: &Input) -> usize {
    let size = input.constant(1).and_then(|value| to_long(&value));
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(ELEMENTS_MAX).min(ELEMENTS_MAX)
}

/// Returns what a value adds to a collection: an array its elements, anything else itself.
fn elements(value: &Value) -> Vec<Dynamic> {
    match value {
        Value::Dynamic(Dynamic::Array(items)) => items.to_vec(),
        other => vec![to_dynamic(other)],
    }
}

/// A null of type dynamic is an element, other nulls are not.
fn list(input: &Input, nulls: Nulls) -> Vec<Cells> {
    let Some(column) = input.args.first() else { return Vec::new() };
    let size = size_max(input);
    let keep_nulls = nulls == Nulls::Keep || column.ty() == ScalarType::Dynamic;
    let add = |items: &mut Vec<Dynamic>, row| {
        if items.len() < size {
            let value = column.get(row);
            if keep_nulls || !value.is_null() {
                items.extend(elements(&value).into_iter().take(size - items.len()));
            }
        }
    };
    vec![input.fold(Vec::new(), add, ScalarType::Dynamic, |items| Value::Dynamic(Dynamic::array(items)))]
}

fn set(input: &Input) -> Vec<Cells> {
    let Some(column) = input.args.first() else { return Vec::new() };
    let size = size_max(input);
    let mut key = KeyWriter::new();
    let add = |(known, items): &mut (IndexSet<Box<[u8]>>, Vec<Dynamic>), row| {
        if items.len() >= size {
            return;
        }
        key.clear();
        key.push_cell(column, row);
        if known.contains(key.bytes()) {
            return;
        }
        let value = column.get(row);
        if let Value::Dynamic(Dynamic::Array(_)) = value {
            for item in elements(&value) {
                key.clear();
                key.push(&Value::Dynamic(item.clone()));
                if items.len() < size && item != Dynamic::Null && known.insert(Box::from(key.bytes())) {
                    items.push(item);
                }
            }
        } else if !value.is_null() {
            known.insert(Box::from(key.bytes()));
            items.push(to_dynamic(&value));
        }
    };
    vec![input.fold((IndexSet::new(), Vec::new()), add, ScalarType::Dynamic, |(_, items)| {
        Value::Dynamic(Dynamic::array(items))
    })]
}

/// The first value of a property wins.
fn bag(input: &Input) -> Vec<Cells> {
    let Some(column) = input.args.first() else { return Vec::new() };
    let size = size_max(input);
    let add = |bag: &mut Bag, row| {
        if let Value::Dynamic(Dynamic::Bag(more)) = column.get(row) {
            for (name, value) in more.iter() {
                if bag.len() < size {
                    bag.add(name.clone(), value.clone());
                }
            }
        }
    };
    vec![input.fold(Bag::new(), add, ScalarType::Dynamic, |bag| Value::Dynamic(Dynamic::bag(bag)))]
}
