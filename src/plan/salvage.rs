//! What can be said about a file whose shape is refused: its expressions, texts and cron are checked all
//! the same, so that one pass tells everything.

use indexmap::IndexMap;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::cadence::check_cron;
use super::names::{Lowering, Text};
use super::{Queries, World, parameter};
use crate::diag::Sink;
use crate::expr::Place;
use crate::playbook::{ActionBody, Document, ParameterValue, Playbook};
use crate::yaml::{self, Tree};

/// Checks the parts of a refused file that can be checked by themselves.
pub(super) fn salvage(name: &str, bytes: &[u8], world: &World, sink: &mut Sink) {
    // What is wrong with the text itself has been said.
    let Some(tree) = yaml::parse(name, bytes, &mut Sink::new()) else { return };
    let Some(playbook) = stand_in(tree.value()) else { return };
    let document = Document { tree, playbook };
    let mut lowering = Lowering::new(&document, world, sink);
    let tree = &document.tree;
    let query = match (text(tree, "/hunt/query"), &world.queries) {
        (Some(query), Queries::Checked(schema) | Queries::CheckedWithoutPeriod(schema, _)) => {
            // Without what they are meant to be, nothing can be said about a query with parameters.
            parameters(tree).and_then(|written| {
                let given = parameter::parameters(&mut lowering, query, &written);
                super::query::read_alone(&mut lowering, (query, &given.check), schema)
            })
        }
        _ => None,
    };
    condition(&mut lowering, tree, "/when", Place::When);
    condition(&mut lowering, tree, "/where", Place::Where);
    for at in elements(tree, "/actions") {
        condition(&mut lowering, tree, &format!("{at}/if"), Place::Action);
        for key in ActionBody::KEYS {
            texts(&mut lowering, tree, &format!("{at}/{key}"));
        }
    }
    for at in elements(tree, "/notify") {
        condition(&mut lowering, tree, &format!("{at}/if"), Place::Notify);
        let item = text(tree, &format!("{at}/group")) == Some("item");
        let place = if item { Text::Item } else { Text::Run };
        for key in ["title", "text"] {
            let pointer = format!("{at}/{key}");
            if let Some(source) = text(tree, &pointer) {
                lowering.template(&pointer, source, place);
            }
        }
        if let Some(channel) = text(tree, &format!("{at}/channel")) {
            lowering.channel(&format!("{at}/channel"), channel);
        }
    }
    if let Some(cron) = text(tree, "/schedule/cron") {
        check_cron(&mut lowering, cron, text(tree, "/schedule/timezone"));
    }
    if let Some(query) = query {
        // How far back it looks, which says whether it needs a filter of its own, is among what cannot be read.
        super::query::check(&mut lowering, &query, Some(SignedDuration::MAX));
    }
}

/// A playbook of the same kind of input, to stand in for the one that cannot be read.
fn stand_in(value: &Value) -> Option<Playbook> {
    let mut playbook = json!({
        "schema": 1, "id": "00000000-0000-4000-8000-000000000000", "name": "stand-in", "severity": "Low",
    });
    let input = match value.get("incidents") {
        Some(_) => ("incidents", json!({})),
        None => ("hunt", json!({"query": "stand-in"})),
    };
    playbook.as_object_mut()?.insert(input.0.to_owned(), input.1);
    serde_json::from_value(playbook).ok()
}

/// What the parameters of the query are, if all of them can be read.
fn parameters(tree: &Tree) -> Option<IndexMap<String, ParameterValue>> {
    let written = tree.value().pointer("/hunt/parameters");
    written.map_or_else(|| Some(IndexMap::new()), |written| serde_json::from_value(written.clone()).ok())
}

/// A text. Of an empty one it was said already that it is.
fn text<'a>(tree: &'a Tree, pointer: &str) -> Option<&'a str> {
    tree.value().pointer(pointer).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}

/// Pointers of the elements of a list.
fn elements(tree: &Tree, pointer: &str) -> Vec<String> {
    let list = tree.value().pointer(pointer).and_then(Value::as_array);
    (0..list.map_or(0, Vec::len)).map(|index| format!("{pointer}/{index}")).collect()
}

fn condition(lowering: &mut Lowering<'_>, tree: &Tree, pointer: &str, place: Place) {
    if let Some(source) = text(tree, pointer) {
        lowering.condition(pointer, source, place);
    }
}

/// Checks the texts among an action's parameters: those that hold an interpolation.
fn texts(lowering: &mut Lowering<'_>, tree: &Tree, at: &str) {
    let Some(parameters) = tree.value().pointer(at).and_then(Value::as_object) else { return };
    for (key, value) in parameters {
        if let Some(source) = value.as_str().filter(|text| text.contains("{{")) {
            lowering.template(&format!("{at}/{key}"), source, Text::Action);
        }
    }
}
