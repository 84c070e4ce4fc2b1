//! `tostring`, `toint` and their like.

use super::{Args, Call, Kernel};
use crate::types::ScalarType;
use crate::value::{Dynamic, Value, cast};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "tostring" => |_, args| cast(args.get(0), ScalarType::String),
        "tobool" => |_, args| cast(args.get(0), ScalarType::Bool),
        "toint" => |_, args| cast(args.get(0), ScalarType::Int),
        "tolong" => |_, args| cast(args.get(0), ScalarType::Long),
        "toreal" => |_, args| cast(args.get(0), ScalarType::Real),
        "todecimal" => |_, args| cast(args.get(0), ScalarType::Decimal),
        "todatetime" => |_, args| cast(args.get(0), ScalarType::Datetime),
        "totimespan" => |_, args| cast(args.get(0), ScalarType::Timespan),
        "toguid" => |_, args| cast(args.get(0), ScalarType::Guid),
        "gettype" => gettype,
        "parse_json" => parse_json,
        "dynamic_to_json" => dynamic_to_json,
        _ => return None,
    })
}

fn gettype(_: &Call<'_>, args: &Args<'_>) -> Value {
    Value::from(match args.get(0) {
        Value::Dynamic(value) => value.type_name(),
        other => other.ty().name(),
    })
}

/// Text is read as JSON; what is dynamic already stays, unless it is text.
fn parse_json(_: &Call<'_>, args: &Args<'_>) -> Value {
    Value::Dynamic(match args.get(0) {
        Value::String(text) | Value::Dynamic(Dynamic::String(text)) => Dynamic::parse(text),
        other => crate::value::to_dynamic(other),
    })
}

/// Prints JSON with the properties of each bag in the order of their names.
fn dynamic_to_json(_: &Call<'_>, args: &Args<'_>) -> Value {
    Value::text(sorted(&args.dynamic(0)).to_string())
}

fn sorted(value: &Dynamic) -> Dynamic {
    match value {
        Dynamic::Array(items) => Dynamic::array(items.iter().map(sorted).collect()),
        Dynamic::Bag(bag) => {
            let mut entries: Vec<_> =
                bag.iter().map(|(name, value)| (std::sync::Arc::clone(name), sorted(value))).collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Dynamic::bag(entries.into_iter().collect())
        }
        other => other.clone(),
    }
}
