//! Whether addresses belong to networks, and whether texts hold addresses.

use std::sync::Arc;

use super::ip::{V4, V6};
use super::{Args, Call, Kernel};
use crate::value::{Dynamic, Value, to_text};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "ipv4_is_in_range" => |_, args| Value::Bool(in_v4(&args.text(0), &args.text(1))),
        "ipv4_is_in_any_range" => |_, args| any_range(args, in_v4),
        "ipv6_is_in_range" => |_, args| Value::Bool(in_v6(&args.text(0), &args.text(1))),
        "ipv6_is_in_any_range" => |_, args| any_range(args, in_v6),
        "has_ipv4" => |_, args| {
            Value::from(has_any(args, |found, wanted| found == wanted && V4::parse(wanted).is_some()))
        },
        "has_any_ipv4" => |_, args| {
            Value::from(has_any(args, |found, wanted| found == wanted && V4::parse(wanted).is_some()))
        },
        "has_ipv4_prefix" | "has_any_ipv4_prefix" => has_prefix,
        _ => return None,
    })
}

fn in_v4(address: &str, network: &str) -> Option<bool> {
    Some(V4::parse(network)?.contains(V4::parse(address)?))
}

fn in_v6(address: &str, network: &str) -> Option<bool> {
    Some(V6::parse(network)?.contains(V6::parse(address)?))
}

/// Kinds of addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::eval) enum AddressFamily {
    V4,
    V6,
}

/// Whether an address belongs to a network, for lookups.
pub(in crate::eval) fn is_in_network(address: &str, network: &str, family: AddressFamily) -> bool {
    let inside = match family {
        AddressFamily::V4 => in_v4(address, network),
        AddressFamily::V6 => in_v6(address, network),
    };
    inside == Some(true)
}

/// Returns the texts of the arguments from the second on; arrays stand for their elements.
fn candidates(args: &Args<'_>) -> Vec<Arc<str>> {
    let spread = |value: &Value| match value {
        Value::Dynamic(Dynamic::Array(items)) => {
            items.iter().map(|item| to_text(&Value::Dynamic(item.clone()))).collect()
        }
        other => vec![to_text(other)],
    };
    args.from(1).iter().flat_map(spread).collect()
}

/// Networks that are none do not count, unless there is no other.
fn any_range(args: &Args<'_>, test: fn(&str, &str) -> Option<bool>) -> Value {
    let address = args.text(0);
    let mut result = None;
    for network in candidates(args) {
        match test(&address, &network) {
            Some(true) => return Value::from(true),
            Some(false) => result = Some(false),
            None => {}
        }
    }
    Value::Bool(result)
}

/// The addresses in a text: letters and digits must not touch them.
fn addresses(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| {
        !(character.is_ascii_digit() || character == '.' || character.is_alphanumeric())
    })
    .map(|word| word.trim_matches('.'))
    .filter(|word| V4::parse(word).is_some())
}

fn has_any(args: &Args<'_>, test: fn(&str, &str) -> bool) -> bool {
    let text = args.text(0);
    candidates(args).iter().any(|wanted| addresses(&text).any(|found| test(found, wanted)))
}

fn has_prefix(_: &Call<'_>, args: &Args<'_>) -> Value {
    Value::from(has_any(args, |found, wanted| {
        // A prefix is a whole address, or ends with a dot.
        let is_whole = V4::parse(wanted).is_some();
        if is_whole { found == wanted } else { wanted.ends_with('.') && found.starts_with(wanted) }
    }))
}
