//! The inputs that poll: incidents and alerts.

use std::collections::BTreeSet;

use super::Input;
use super::names::Lowering;
use crate::incident::{AlertFilter, Alerts, Filter, OwnTags, Owner, Reading, Window};
use crate::playbook::{ActionBody, DurationText};

/// Understands `incidents` or `alerts`; nothing, if there is neither or one has problems.
pub(super) fn input(lowering: &mut Lowering<'_>, reading: Reading) -> Option<Input> {
    let incidents = incidents(lowering, reading).map(Input::Incidents);
    incidents.or_else(|| alerts(lowering, reading).map(Input::Alerts))
}

fn incidents(lowering: &mut Lowering<'_>, reading: Reading) -> Option<Filter> {
    let incidents = lowering.document.playbook.incidents.as_ref()?;
    let filter = &incidents.filter;
    let window = window(lowering, ("/incidents", &filter.updated_within, &incidents.look_back), reading)?;
    let own_tags = own_tags(lowering);
    Some(Filter {
        status: filter.status.clone(),
        severity: filter.severity.clone(),
        window,
        service_source: filter.service_source.clone(),
        assigned_to: filter.assigned_to.as_deref().map(owner),
        tags_any: filter.tags.any.clone(),
        tags_none: filter.tags.none.clone(),
        own_tags,
        alerts: if incidents.expand_alerts { Alerts::Expanded } else { Alerts::Left },
    })
}

/// How far back incidents or alerts are asked for.
fn window(
    lowering: &mut Lowering<'_>,
    (at, within, look_back): (&str, &Option<DurationText>, &Option<DurationText>),
    reading: Reading,
) -> Option<Window> {
    let within = match within {
        None => None,
        Some(text) => Some(lowering.duration(&format!("{at}/filter/updatedWithin"), text)?),
    };
    let look_back = match look_back {
        None => Window::default().look_back,
        Some(text) => lowering.some_time(&format!("{at}/lookBack"), text)?,
    };
    Some(Window { within, look_back, reading })
}

fn owner(written: &str) -> Owner {
    match written {
        "none" => Owner::Nobody,
        "any" => Owner::Anybody,
        person => Owner::Person(person.to_owned()),
    }
}

fn alerts(lowering: &mut Lowering<'_>, reading: Reading) -> Option<AlertFilter> {
    let alerts = lowering.document.playbook.alerts.as_ref()?;
    let filter = &alerts.filter;
    let window = window(lowering, ("/alerts", &filter.updated_within, &alerts.look_back), reading)?;
    Some(AlertFilter {
        status: filter.status.clone(),
        severity: filter.severity.clone(),
        window,
        service_source: filter.service_source.clone(),
        detection_source: filter.detection_source.clone(),
        category: filter.category.clone(),
        assigned_to: filter.assigned_to.as_deref().map(owner),
    })
}

/// The tags that the playbook itself puts on incidents or takes off.
fn own_tags(lowering: &Lowering<'_>) -> OwnTags {
    let actions = lowering.document.playbook.actions.iter();
    let changes = actions.filter_map(|action| match &action.body {
        ActionBody::UpdateIncident(update) => Some(&update.tags),
        _ => None,
    });
    let tags: BTreeSet<String> = changes
        .flat_map(|change| change.add.iter().chain(&change.remove))
        .map(|tag| tag.to_lowercase())
        .collect();
    if tags.iter().any(|tag| tag.contains("{{")) { OwnTags::Any } else { OwnTags::These(tags) }
}
