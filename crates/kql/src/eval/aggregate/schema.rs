//! `buildschema`: the types that occur in dynamic values.

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use super::{Input, Kernel};
use crate::types::ScalarType;
use crate::value::{Bag, Cells, Dynamic, Value, to_dynamic};

pub(super) fn find(name: &str) -> Option<Kernel> {
    (name == "buildschema").then_some(build)
}

/// How the elements of an array are called.
const ELEMENTS: &str = "`indexer`";

/// What occurs in one place, in the order of first appearance.
#[derive(Clone, Default)]
struct Types {
    scalars: IndexSet<&'static str>,
    parts: Option<IndexMap<Arc<str>, Self>>,
}

impl Types {
    fn add(&mut self, value: &Dynamic) {
        let name = match value {
            Dynamic::Null => return,
            Dynamic::Bool(_) => "bool",
            Dynamic::Long(_) => "long",
            Dynamic::Real(_) => "double",
            Dynamic::Array(items) => {
                let elements = self.parts.get_or_insert_default().entry(Arc::from(ELEMENTS)).or_default();
                items.iter().for_each(|item| elements.add(item));
                return;
            }
            Dynamic::Bag(bag) => {
                let parts = self.parts.get_or_insert_default();
                bag.iter().for_each(|(name, value)| parts.entry(Arc::clone(name)).or_default().add(value));
                return;
            }
            _ => "string",
        };
        self.scalars.insert(name);
    }

    fn print(self) -> Dynamic {
        let mut all: Vec<Dynamic> = self.scalars.into_iter().map(Dynamic::text).collect();
        if let Some(parts) = self.parts {
            let parts: Bag = parts.into_iter().map(|(name, types)| (name, types.print())).collect();
            all.push(Dynamic::bag(parts));
        }
        if all.len() == 1 { all.pop().unwrap_or_default() } else { Dynamic::array(all) }
    }
}

fn build(input: &Input) -> Vec<Cells> {
    let Some(column) = input.args.first() else { return Vec::new() };
    let add = |types: &mut Types, row| types.add(&to_dynamic(&column.get(row)));
    vec![input.fold(Types::default(), add, ScalarType::Dynamic, |types| Value::Dynamic(types.print()))]
}
