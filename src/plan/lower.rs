//! From a document to a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::names::{Lowering, Text};
use super::{
    About, Exclusions, Guards, HuntInput, Input, Mode, Plan, Selector, Suppress, Telling, World, approval,
    cadence, chat, feed, parameter, params, query, queue,
};
use crate::action::{Impact, Step};
use crate::cadence::Windows;
use crate::diag::{Code, Sink};
use crate::expr::{Condition, Place, Reads, RowsUse};
use crate::guard::{self, CANARY_WAIT, Canary, Caps, OnExceed, Percent, Rate, Written};
use crate::hunt::{Hunt, Keep, Parameter, Threshold};
use crate::incident::Reading;
use crate::model::{Projection, Wanted};
use crate::playbook::{self, Document, Entries, Group, Tenants};
use crate::store::ContentHash;

/// Longest look-back of a hunt: the service keeps 30 days.
const PERIOD_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Columns by which people name a row; the first three are read in addition when the playbook reads none.
const NAME_COLUMNS: [&str; 3] = ["DeviceName", "AccountUpn", "RecipientEmailAddress"];

/// Title of a message that has none of its own.
const DEFAULT_TITLE: &str =
    "[{{playbook.severity}}] {{playbook.name}}: {{outcome.matched}} matched, {{outcome.acted}} acted on";
/// The same for a message about one item.
const DEFAULT_ITEM_TITLE: &str = "[{{playbook.severity}}] {{playbook.name}}: {{item.key}} {{item.outcome}}";

/// Gives a document its meaning. Reports every problem, and returns a plan only if there was no error.
pub(super) fn lower(
    document: &Document,
    version: ContentHash,
    world: &World,
    sink: &mut Sink,
) -> Option<Plan> {
    let mut lowering = Lowering::new(document, world, sink);
    let before = lowering.errors();
    let playbook = &document.playbook;
    let rule = cadence::rule(&mut lowering);
    let hunt = playbook.hunt.as_ref();
    let given = hunt.map(|hunt| parameter::parameters(&mut lowering, &hunt.query, &hunt.parameters));
    let given = given.unwrap_or_default();
    let query = hunt.and_then(|hunt| query::read(&mut lowering, (&hunt.query, &given.check), &world.queries));
    feed::columns(&mut lowering);
    let when = playbook.when.as_ref().and_then(|source| lowering.condition("/when", source, Place::When));
    let condition =
        playbook.filter.as_ref().and_then(|source| lowering.condition("/where", source, Place::Where));
    let suppress = suppress(&mut lowering);
    let steps = params::steps(&mut lowering);
    let tellings = tellings(&mut lowering);
    let guards = guards(&mut lowering, &steps);
    approval::warn_of_no_author(&mut lowering);
    let tenants = tenants(&mut lowering);
    let expires = expires(&mut lowering);
    let timed = [&when, &condition].into_iter().flatten().any(Condition::is_timed);
    let queue = queue::input(&mut lowering, if timed { Reading::Whole } else { Reading::News });
    let queue = queue.or_else(|| feed::input(&mut lowering, when.as_ref()));
    let input = input(&mut lowering, when.as_ref(), given.run, queue);
    if let Some(query) = &query {
        let period = match &input {
            Some(Input::Hunt(input)) => input.hunt.period,
            Some(Input::Incidents(_) | Input::Alerts(_) | Input::Given | Input::Feed(_)) | None => None,
        };
        query::check(&mut lowering, query, period);
    }
    let input = input?;
    chat::check_key(&mut lowering, &input);
    (lowering.errors() == before).then(|| Plan {
        about: about(playbook),
        file: document.tree.source().name.clone(),
        version,
        mode: match playbook.mode {
            playbook::Mode::Observe => Mode::Observe,
            playbook::Mode::Enforce => Mode::Enforce,
        },
        tenants,
        expires,
        input,
        enabled: playbook.enabled,
        rule: rule.filter(|_rule| playbook.enabled),
        when,
        condition,
        suppress,
        guards,
        steps,
        approvers: world.approvers.clone(),
        tellings,
        observes_first: None,
    })
}

fn about(playbook: &playbook::Playbook) -> About {
    About {
        id: playbook.id,
        name: playbook.name.clone(),
        description: playbook.description.clone(),
        severity: playbook.severity,
        tactics: playbook.tactics.iter().map(|tactic| format!("{tactic:?}")).collect(),
        relevant_techniques: playbook.relevant_techniques.clone(),
        author: playbook.author.clone(),
    }
}

fn input(
    lowering: &mut Lowering<'_>,
    when: Option<&Condition>,
    parameters: BTreeMap<String, Parameter>,
    queue: Option<Input>,
) -> Option<Input> {
    let Some(hunt) = &lowering.document.playbook.hunt else { return queue };
    for (index, name) in hunt.identity.iter().enumerate() {
        lowering.column(&format!("/hunt/identity/{index}"), name);
    }
    for (outer, mapping) in hunt.entity_mappings.iter().enumerate() {
        for (inner, field) in mapping.field_mappings.iter().enumerate() {
            let pointer = format!("/hunt/entityMappings/{outer}/fieldMappings/{inner}/columnName");
            lowering.column(&pointer, &field.column_name);
        }
    }
    let period = match &hunt.query_period {
        None => None,
        Some(text) => Some(lowering.some_time("/hunt/queryPeriod", text)?),
    };
    if period.is_some_and(|period| PERIOD_MAX < period) {
        let message = "`queryPeriod` is longer than 30 days, which is all the service keeps";
        lowering.error(Code::WrongValue, "/hunt/queryPeriod", message, "write `30d` or less");
    }
    let uses = when.map_or(&RowsUse::None, Condition::rows_use);
    let keep = match uses {
        RowsUse::Columns(_) => Keep::Everything,
        RowsUse::Count if !hunt.identity.is_empty() => Keep::Identities,
        RowsUse::Count | RowsUse::None => Keep::Matches,
    };
    let (wanted, named) = match std::mem::replace(&mut lowering.reads, Reads::All) {
        Reads::All => (Wanted::All, hunt.identity.iter().cloned().collect()),
        Reads::Only(columns) => (Wanted::Only(Arc::new(projection(columns.clone()))), columns),
    };
    let threshold = Threshold { operator: hunt.trigger_operator, value: hunt.trigger_threshold };
    let (query, identity) = (hunt.query.clone(), hunt.identity.clone());
    Some(Input::Hunt(Box::new(HuntInput {
        hunt: Hunt { query, parameters, period, threshold, identity, wanted, named },
        keep,
    })))
}

/// The columns read, and one to call a row by if none of them is a name.
fn projection(columns: BTreeSet<String>) -> Projection {
    let named = ["DeviceName", "AccountUpn", "AccountName", "RecipientEmailAddress", "UserPrincipalName"];
    let has_name = columns.iter().any(|column| named.contains(&column.as_str()));
    let extra = NAME_COLUMNS.iter().filter(|_name| !has_name).map(|name| (*name).to_owned());
    Projection::new(columns.into_iter().chain(extra))
}

fn suppress(lowering: &mut Lowering<'_>) -> Option<Suppress> {
    let suppress = lowering.document.playbook.suppress.as_ref()?;
    let hunts = lowering.hunts();
    for (index, name) in suppress.by.iter().enumerate() {
        let pointer = format!("/suppress/by/{index}");
        if hunts {
            lowering.column(&pointer, name);
            continue;
        }
        let (what, fields) = lowering.fields();
        if !fields.contains(&name.as_str()) {
            let message = format!("{what} has no `{name}`");
            let diagnostic = lowering.document.tree.error(Code::UnknownName, &pointer, message);
            lowering.push(diagnostic.nearest(name, fields.iter().copied()));
        }
    }
    let length = lowering.some_time("/suppress/for", &suppress.length)?;
    Some(Suppress { by: suppress.by.clone(), length })
}

fn tellings(lowering: &mut Lowering<'_>) -> Vec<Telling> {
    let mut tellings = Vec::new();
    for (index, notify) in lowering.document.playbook.notify.iter().enumerate() {
        let at = format!("/notify/{index}");
        let known = lowering.channel(&format!("{at}/channel"), &notify.channel);
        let condition = match &notify.condition {
            None => Some(None),
            Some(source) => lowering.condition(&format!("{at}/if"), source, Place::Notify).map(Some),
        };
        let (place, default) = match notify.group {
            Group::Run => (Text::Run, DEFAULT_TITLE),
            Group::Item => (Text::Item, DEFAULT_ITEM_TITLE),
        };
        let title = notify.title.as_deref().unwrap_or(default);
        let title = lowering.template(&format!("{at}/title"), title, place);
        let text = match &notify.text {
            None => Some(None),
            Some(source) => lowering.template(&format!("{at}/text"), source, place).map(Some),
        };
        if let (true, Some(condition), Some(title), Some(text)) = (known, condition, title, text) {
            chat::check(lowering, &notify.channel, &format!("{at}/title"), &title);
            if let Some(text) = &text {
                chat::check(lowering, &notify.channel, &format!("{at}/text"), text);
            }
            let channel = notify.channel.clone();
            tellings.push(Telling { channel, condition, group: notify.group, title, text });
        }
    }
    tellings
}

fn guards(lowering: &mut Lowering<'_>, steps: &[Step]) -> Guards {
    let own = &lowering.document.playbook.guards;
    let cool_down = own.cool_down.as_ref().and_then(|written| lowering.duration("/guards/coolDown", written));
    let (device_lists, devices) = entries(lowering, "/guards/exclude/devices", own.exclude.devices.as_ref());
    let (user_lists, users) = entries(lowering, "/guards/exclude/users", own.exclude.users.as_ref());
    let (indicator_lists, indicators) =
        entries(lowering, "/guards/exclude/indicators", own.exclude.indicators.as_ref());
    let exclusions = Exclusions {
        device_lists,
        devices,
        device_tags: own.exclude.device_tags.clone(),
        device_groups: own.exclude.device_groups.clone(),
        device_values: own.exclude.device_values.clone(),
        user_lists,
        users,
        user_roles: own.exclude.user_roles.clone(),
        indicator_lists,
        indicators,
    };
    let exclusions = exclusions.join(&lowering.world.exclusions);
    let windows = own.windows.as_ref().and_then(|written| match Windows::read(written) {
        Ok(windows) => Some(windows),
        Err(problem) => {
            let help = problem.help.unwrap_or_default();
            lowering.error(Code::WrongValue, "/guards/windows/timezone", problem.message, &help);
            None
        }
    });
    let canary = own.canary.as_ref().and_then(|canary| canary_of(lowering, canary));
    let rate = Rate { per_minute: own.max_disruptive.per_minute, per_hour: own.max_disruptive.per_hour };
    let written = Written {
        rate,
        windows,
        canary,
        observe_first: own.observe_first,
        actions: Caps { per_run: own.max_actions.per_run, per_day: own.max_actions.per_day },
        percent_of_devices: own.max_percent_of_devices.and_then(Percent::new),
        cool_down,
        times_usual: own.max_times_usual,
        on_exceed: match own.on_exceed {
            playbook::OnExceed::Halt => OnExceed::Halt,
            playbook::OnExceed::Approve => OnExceed::Approve,
        },
        exclude: guard::Exclusions::default(),
    };
    let ceilings = lowering.world.ceilings.clone();
    let disruptive = steps.iter().filter(|step| step.params.kind().impact() == Impact::Disruptive).count();
    let disruptive = u32::try_from(disruptive).unwrap_or(u32::MAX);
    for looser in guard::looser(&ceilings, &written, disruptive).into_iter().filter(|_any| !steps.is_empty())
    {
        let help = "a playbook may only tighten the guards of the settings";
        lowering.error(Code::Guard, looser.pointer, looser.message, help);
    }
    let approval = approval::on_exceed(lowering);
    Guards { ceilings, written, exclusions, approval }
}

/// The first targets of a run.
fn canary_of(lowering: &mut Lowering<'_>, written: &playbook::Canary) -> Option<Canary> {
    let at = "/guards/canary/wait";
    let wait = match &written.wait {
        Some(text) => lowering.duration(at, text)?,
        None => CANARY_WAIT,
    };
    if !(60..=3600).contains(&wait.as_secs()) {
        let message = "the first targets have between a minute and an hour";
        lowering.error(Code::WrongValue, at, message, "write `10m`, for instance");
    }
    Some(Canary { first: written.first, wait })
}

/// A list by its name, or entries written out.
fn entries(
    lowering: &mut Lowering<'_>,
    pointer: &str,
    entries: Option<&Entries>,
) -> (Vec<String>, Vec<String>) {
    match entries {
        None => (Vec::new(), Vec::new()),
        Some(Entries::Items(items)) => (Vec::new(), items.clone()),
        Some(Entries::List(name)) => {
            lowering.protecting_list(pointer, name);
            (vec![name.clone()], Vec::new())
        }
    }
}

fn tenants(lowering: &mut Lowering<'_>) -> Selector {
    match &lowering.document.playbook.tenants {
        None => Selector::All,
        Some(Tenants::Named(names)) => {
            for (index, name) in names.iter().enumerate() {
                lowering.tenant(&format!("/tenants/{index}"), name);
            }
            Selector::Names(names.iter().cloned().collect())
        }
        Some(Tenants::Tagged(wanted)) => {
            let fits = |tags: &BTreeSet<String>| wanted.tags.iter().all(|tag| tags.contains(tag));
            let world = &lowering.world.tenants;
            let names: BTreeSet<String> =
                world.iter().filter(|(_, tags)| fits(tags)).map(|(name, _)| name.clone()).collect();
            if names.is_empty() {
                let message = format!("no tenant has the tags {}", wanted.tags.join(", "));
                let help = "tenants get their tags in the settings";
                lowering.error(Code::UnknownReference, "/tenants/tags", message, help);
            }
            Selector::Names(names)
        }
    }
}

fn expires(lowering: &mut Lowering<'_>) -> Option<Timestamp> {
    let text = lowering.document.playbook.expires.as_ref()?;
    match text.parse() {
        Ok(instant) => Some(instant),
        Err(_not_an_instant) => {
            let help = "an instant with a zone is written `2027-03-31T22:00:00Z`";
            lowering.error(Code::WrongValue, "/expires", format!("`{text}` is not an instant"), help);
            None
        }
    }
}
