//! The parser and its limits.

use std::sync::Arc;

use serde_yaml::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_yaml::{Error, Options, Spanned};

use super::explain::explain;
use super::node::{Node, Raw};
use super::{ALIASES_MAX, DEPTH_MAX, NODES_MAX, REPLAYED_MAX};
use crate::diag::{Sink, SourceText};

/// Parses a text. A duplicate key is reported, and the text read again with the first one in force.
pub(super) fn parse(source: &Arc<SourceText>, sink: &mut Sink) -> Option<Node> {
    for duplicates in [DuplicateKeyPolicy::Error, DuplicateKeyPolicy::FirstWins] {
        match serde_yaml::from_str_with_options::<Spanned<Raw>>(&source.text, options(duplicates)) {
            Ok(raw) => return Some(Node::new(raw, source.text.len())),
            Err(error) => {
                let again = matches!(error.without_snippet(), Error::DuplicateMappingKey { .. });
                sink.push(explain(source, error.without_snippet()));
                if !again {
                    return None;
                }
            }
        }
    }
    None
}

/// The limits and the strict reading of YAML.
fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_aliases: ALIASES_MAX,
            max_anchors: ALIASES_MAX,
        },
        alias_limits: serde_yaml::alias_limits! {
            max_total_replayed_events: REPLAYED_MAX,
            max_replay_stack_depth: 4,
        },
        duplicate_keys: duplicate_keys,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        ignore_binary_tag_for_string: true,
        with_snippet: false,
    }
}
