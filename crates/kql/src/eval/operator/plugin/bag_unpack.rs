//! `bag_unpack`: the properties of a bag become columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{EvalError, Plugin, Table};
use crate::plan::{ExprKind, PluginArg};
use crate::types::{Column, ScalarType, Schema};
use crate::value::{Batch, Cells, Dynamic, Value, cast, to_dynamic, to_text};

/// What happens if a property is named like a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Conflict {
    Error,
    ReplaceSource,
    KeepSource,
}

struct Options {
    prefix: String,
    conflict: Conflict,
    ignored: Vec<Arc<str>>,
}

/// The bag's column goes, columns for its properties come at the end, in the order of their
/// names.
pub(super) fn bag_unpack(plugin: &Plugin<'_, '_>) -> Result<Table, EvalError> {
    let bag_place = plugin.column(0)?;
    let options = options(plugin)?;
    let table = plugin.table;
    let bags = table.batch.column_or_null(bag_place, ScalarType::Dynamic);
    let types = match &plugin.call.declared {
        Some(declared) => declared_types(plugin, declared, bag_place, &options),
        None => found_types(&bags, &options),
    };
    let mut columns: Vec<Column> = Vec::new();
    let mut cells: Vec<Arc<Cells>> = Vec::new();
    let unpacked = |name: &str, ty: ScalarType| {
        let property = name.strip_prefix(options.prefix.as_str()).unwrap_or(name);
        let values = bags.values().map(|bag| cast(&Value::Dynamic(to_dynamic(&bag).property(property)), ty));
        Arc::new(Cells::from_values(ty, values))
    };
    for (place, column) in table.schema.columns.iter().enumerate() {
        let same_name = types.get(column.name.as_ref());
        if place == bag_place {
            // A property named like the bag takes its place.
            if let Some(ty) = same_name {
                columns.push(Column::new(Arc::clone(&column.name), *ty));
                cells.push(unpacked(&column.name, *ty));
            }
            continue;
        }
        if same_name.is_some() {
            match options.conflict {
                Conflict::Error => {
                    return Err(EvalError::refused(format!(
                        "bag_unpack: there is a column `{}`",
                        column.name
                    )));
                }
                Conflict::ReplaceSource => continue,
                Conflict::KeepSource => {}
            }
        }
        columns.push(column.clone());
        cells.push(table.batch.column_or_null(place, column.ty));
    }
    for (name, ty) in &types {
        if columns.iter().any(|column| column.name.as_ref() == name) {
            continue;
        }
        cells.push(unpacked(name, *ty));
        columns.push(Column::new(name.as_str(), *ty));
    }
    let rows = table.batch.rows();
    Ok(Table { schema: Schema::new(columns), batch: Batch::new(cells, rows) })
}

fn options(plugin: &Plugin<'_, '_>) -> Result<Options, EvalError> {
    let mut options = Options { prefix: String::new(), conflict: Conflict::Error, ignored: Vec::new() };
    for (index, arg) in plugin.call.args.iter().enumerate().skip(1) {
        let PluginArg::Scalar(expr) = arg else { continue };
        let value = plugin.machine.constant(expr)?;
        match &value {
            Value::Dynamic(Dynamic::Array(items)) => {
                options.ignored = items.iter().map(|item| to_text(&Value::Dynamic(item.clone()))).collect();
            }
            other => match to_text(other).as_ref() {
                "error" => options.conflict = Conflict::Error,
                "replace_source" => options.conflict = Conflict::ReplaceSource,
                "keep_source" => options.conflict = Conflict::KeepSource,
                prefix if index == 1 => prefix.clone_into(&mut options.prefix),
                _ if matches!(expr.kind, ExprKind::Literal(_)) => {
                    return Err(plugin.wrong("an option that is not known"));
                }
                _ => {}
            },
        }
    }
    Ok(options)
}

/// The columns the author promised, without those that were there before.
fn declared_types(
    plugin: &Plugin<'_, '_>,
    declared: &[Column],
    bag_place: usize,
    options: &Options,
) -> BTreeMap<String, ScalarType> {
    let before = |column: &&Column| {
        let place = plugin.table.schema.find(&column.name);
        place.is_none_or(|place| place == bag_place) || options.conflict == Conflict::ReplaceSource
    };
    declared.iter().filter(before).map(|column| (column.name.to_string(), column.ty)).collect()
}

/// Finds the properties and a type for each: what all values have in common, or dynamic.
fn found_types(bags: &Cells, options: &Options) -> BTreeMap<String, ScalarType> {
    let mut types: BTreeMap<String, ScalarType> = BTreeMap::new();
    for bag in bags.values() {
        let Value::Dynamic(Dynamic::Bag(bag)) = bag else { continue };
        for (name, value) in bag.iter().filter(|(name, _)| !options.ignored.contains(name)) {
            let ty = match value {
                Dynamic::Null => ScalarType::Unknown,
                Dynamic::Array(_) | Dynamic::Bag(_) => ScalarType::Dynamic,
                scalar => scalar.clone().into_scalar().ty(),
            };
            let known = types.entry(format!("{}{name}", options.prefix)).or_insert(ty);
            *known = match (*known, ty) {
                (known, ScalarType::Unknown) => known,
                (ScalarType::Unknown, ty) => ty,
                (known, ty) if known == ty => known,
                (ScalarType::Long, ScalarType::Real) | (ScalarType::Real, ScalarType::Long) => {
                    ScalarType::Real
                }
                _ => ScalarType::Dynamic,
            };
        }
    }
    for ty in types.values_mut() {
        if ty.is_unknown() {
            *ty = ScalarType::Dynamic;
        }
    }
    types
}
