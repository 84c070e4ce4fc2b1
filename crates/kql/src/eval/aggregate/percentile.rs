//! Percentiles: the value below or at which so many percent of the values lie.
//!
//! The service estimates percentiles of many values; these are exact.

use super::{Input, Kernel};
use crate::types::ScalarType;
use crate::value::{Cells, Dynamic, Value, sort_order, to_dynamic, to_long, to_real};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "percentile" | "percentiles" => |input| columns(input, 1),
        "percentilew" | "percentilesw" => |input| columns(input, 2),
        "percentiles_array" => |input| arrays(input, 1),
        "percentilesw_array" => |input| arrays(input, 2),
        _ => return None,
    })
}

/// Values of a group with their weights, in order.
type Weighted = Vec<(Value, i64)>;

/// Percentages are the arguments from `first` on, or the elements of an array; a weight comes
/// before them if `first` is two.
fn columns(input: &Input, first: usize) -> Vec<Cells> {
    let groups = weighted(input, first);
    let ty = input.args.first().map_or(ScalarType::Dynamic, |column| column.ty());
    let column = |percentage: f64| {
        let values =
            groups.iter().map(|group| percentile(group, percentage).unwrap_or_else(|| Value::null(ty)));
        Cells::from_values(ty, values)
    };
    percentages(input, first).into_iter().map(column).collect()
}

fn arrays(input: &Input, first: usize) -> Vec<Cells> {
    let percentages = percentages(input, first);
    let array = |group: &Weighted| {
        let item = |percentage: &f64| {
            percentile(group, *percentage).map_or(Dynamic::Null, |value| to_dynamic(&value))
        };
        Value::Dynamic(Dynamic::array(percentages.iter().map(item).collect()))
    };
    vec![Cells::from_values(ScalarType::Dynamic, weighted(input, first).iter().map(array))]
}

fn percentages(input: &Input, first: usize) -> Vec<f64> {
    let constants = (first..input.args.len()).filter_map(|arg| input.constant(arg));
    let spread = |value: Value| match value {
        Value::Dynamic(Dynamic::Array(items)) => items.iter().cloned().map(Value::Dynamic).collect(),
        other => vec![other],
    };
    let percentages: Vec<f64> = constants.flat_map(spread).filter_map(|value| to_real(&value)).collect();
    if percentages.is_empty() { vec![0.0; input.results.len()] } else { percentages }
}

fn weighted(input: &Input, first: usize) -> Vec<Weighted> {
    let mut groups: Vec<Weighted> = vec![Vec::new(); input.count];
    for (row, group) in input.rows() {
        let Some(value) = input.get(0, row).filter(|value| !value.is_null()) else { continue };
        let weight = if first == 2 { input.get(1, row).and_then(|weight| to_long(&weight)) } else { Some(1) };
        if let (Some(group), Some(weight)) = (groups.get_mut(group), weight.filter(|weight| *weight > 0)) {
            group.push((value, weight));
        }
    }
    for group in &mut groups {
        group.sort_by(|(a, _), (b, _)| sort_order(a, b));
    }
    groups
}

fn percentile(group: &Weighted, percentage: f64) -> Option<Value> {
    let total: i64 = group.iter().map(|(_, weight)| *weight).fold(0, i64::saturating_add);
    #[expect(clippy::cast_precision_loss, reason = "reals have 53 bits")]
    let wanted = total as f64 * percentage / 100.0;
    let mut reached = 0_i64;
    for (value, weight) in group {
        reached = reached.saturating_add(*weight);
        #[expect(clippy::cast_precision_loss, reason = "reals have 53 bits")]
        if reached as f64 >= wanted {
            return Some(value.clone());
        }
    }
    group.last().map(|(value, _)| value.clone())
}
