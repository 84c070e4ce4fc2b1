//! When an incident or alert is the same as one that was dealt with.
//!
//! It is, as long as its id is; an incident that was merged goes by the id of the one it became part of, and is known
//! by its own too. It is news once more when what the playbook's filter asks about has changed: its severity was
//! raised, or a tag that the filter names has come. Nothing else that happens to it is: comments, owners,
//! statuses, tags of the playbook's own. So nothing that a playbook does is news to it.

use std::collections::BTreeSet;

use super::{AlertFilter, Filter};
use crate::model::{Alert, AlertSeverity, Incident, Term};
use crate::store::{ContentHash, Identity};

/// The tags that a playbook itself puts on incidents or takes off, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnTags {
    /// These.
    These(BTreeSet<String>),
    /// Any: a text is filled in.
    Any,
}

impl Default for OwnTags {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl OwnTags {
    fn holds(&self, tag: &str) -> bool {
        match self {
            Self::These(tags) => tags.contains(tag),
            Self::Any => true,
        }
    }
}

/// What an incident or alert is known by, under one of its ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Itself.
    pub identity: Identity,
    /// What else must have been so when it was dealt with.
    pub asked: Vec<Identity>,
    /// All that is so, to be kept when it is dealt with.
    pub so: Vec<Identity>,
}

/// Something of an incident or alert that a filter can ask about, in lower case.
type Fact = (&'static str, String);

impl Filter {
    /// What an incident is known by under an id.
    #[must_use]
    pub fn name(&self, id: &str, incident: &Incident) -> Name {
        let among = |list: &[String], text: &str| list.iter().any(|one| one.eq_ignore_ascii_case(text));
        let tags: BTreeSet<String> = incident.custom_tags.iter().map(|tag| tag.to_lowercase()).collect();
        let mut asked: Vec<Fact> = Vec::new();
        if !self.severity.is_empty() {
            asked.extend(severities(&incident.severity).pop());
        }
        let wanted = tags.iter().filter(|tag| among(&self.tags_any, tag) && !self.own_tags.holds(tag));
        asked.extend(wanted.map(|tag| ("tag", tag.clone())));
        let mut so = severities(&incident.severity);
        so.extend(tags.into_iter().map(|tag| ("tag", tag)));
        name(id, (&asked, &so))
    }
}

impl AlertFilter {
    /// What an alert is known by.
    #[must_use]
    pub fn name(&self, alert: &Alert) -> Name {
        let so = severities(&alert.severity);
        let asked =
            if self.severity.is_empty() { &[] } else { so.last_chunk::<1>().map_or(&[][..], |last| last) };
        name(alert.id.as_str(), (asked, &so))
    }
}

/// The identity of an incident or alert by its id alone.
#[must_use]
pub fn identity(id: &str) -> Identity {
    let digest = ContentHash::of(id.as_bytes()).0;
    digest.first_chunk().copied().unwrap_or_default()
}

fn name(id: &str, (asked, so): (&[Fact], &[Fact])) -> Name {
    let marks = |facts: &[Fact]| {
        let text = |(what, value): &Fact| format!("{id}\n{what}\n{value}");
        facts.iter().map(|fact| identity(&text(fact))).collect()
    };
    Name { identity: identity(id), asked: marks(asked), so: marks(so) }
}

/// A severity and those below it, the lowest first: what was dealt with when it was high is no news when it is low.
fn severities(severity: &Term<AlertSeverity>) -> Vec<Fact> {
    let Some(place) = AlertSeverity::ALL.iter().position(|one| *severity == *one) else {
        let Term::Other(word) = severity else { return Vec::new() };
        return vec![("severity", word.to_lowercase())];
    };
    AlertSeverity::ALL.iter().take(place.saturating_add(1)).map(|one| ("severity", one.to_string())).collect()
}
