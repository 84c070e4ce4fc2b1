//! An indicator as the tenant has it: whose it is, and whether it does what is wanted.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;

use super::envelope::shown;
use super::{Indicator, IndicatorAction, IndicatorType, IndicatorValue, TokenFacts};

/// Most characters shown of what others wrote.
const SHOWN_MAX: usize = 64;

/// An indicator as the tenant has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredIndicator {
    /// Its number, as a text.
    pub id: String,
    /// What it looks at.
    pub indicator_value: String,
    /// What that is.
    pub indicator_type: String,
    /// What happens.
    #[serde(default)]
    pub action: String,
    /// Its title.
    #[serde(default)]
    pub title: Option<String>,
    /// Severity of its alerts.
    #[serde(default)]
    pub severity: Option<String>,
    /// The app or person who made it.
    #[serde(default)]
    pub created_by: Option<String>,
    /// What who made it is called.
    #[serde(default)]
    pub created_by_display_name: Option<String>,
    /// The same, by another name.
    #[serde(default)]
    pub source: Option<String>,
    /// What who changed it last is called.
    #[serde(default)]
    pub last_updated_by: Option<String>,
    /// When it ends.
    #[serde(default)]
    pub expiration_time: Option<Timestamp>,
    /// Whether meeting it raises an alert.
    #[serde(default)]
    pub generate_alert: Option<bool>,
    /// The device groups it applies to; empty for all.
    #[serde(default, deserialize_with = "none_for_null")]
    pub rbac_group_names: Vec<String>,
}

/// The service writes `null` for an empty list.
fn none_for_null<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(value)?.unwrap_or_default())
}

/// Says of each of these whether it is there as it is wanted, made by `app`.
pub(super) fn in_force(
    wanted: &[Indicator],
    present: &[StoredIndicator],
    (app, now): (&str, Timestamp),
) -> Vec<bool> {
    let mut there: BTreeMap<String, Vec<&StoredIndicator>> = BTreeMap::new();
    for stored in present {
        there.entry(stored.indicator_value.to_lowercase()).or_default().push(stored);
    }
    let is_there = |wanted: &Indicator| {
        let kind = format!("{:?}", wanted.indicator_type);
        there.get(&wanted.indicator_value.as_str().to_lowercase()).into_iter().flatten().any(|stored| {
            stored.is_made_by(app)
                && stored.indicator_type.eq_ignore_ascii_case(&kind)
                && is_as_wanted(stored, wanted, now)
        })
    };
    wanted.iter().map(is_there).collect()
}

/// What others have made of a value: there is one indicator for each, so writing ours would change theirs, and taking ours
/// away would take theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OthersHave {
    /// Whether it does all that was wanted.
    pub is_enough: bool,
    /// What it says, for people.
    pub what: String,
}

/// Says of each of these what others have made of its value.
pub(super) fn others_have(
    wanted: &[Indicator],
    present: &[StoredIndicator],
    us: &TokenFacts,
) -> Vec<Option<OthersHave>> {
    let others: Vec<&StoredIndicator> =
        present.iter().filter(|stored| stored.is_ours(us) == Some(false)).collect();
    let of = |one: &Indicator| {
        let about = others.iter().filter(|stored| stored.is_about(one.indicator_type, &one.indicator_value));
        let is_enough = |stored: &&&StoredIndicator| stored.is_enough_for(one);
        let theirs = about.clone().find(is_enough).or_else(|| about.clone().next())?;
        Some(OthersHave { is_enough: theirs.is_enough_for(one), what: theirs.to_string() })
    };
    wanted.iter().map(of).collect()
}

/// What is left of an indicator that we have added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndicatorLeft {
    /// It is there.
    Ours,
    /// There is none of its value.
    Nothing,
    /// What is there is others', or does something else; for people.
    Others(String),
    /// Nobody says who made what is there, or others have changed it since; for people.
    Unclear(String),
}

/// Says what is left of an indicator of a value that we have added: one that did what was `added`, if that is known.
pub(super) fn left_of(
    (kind, value): (IndicatorType, &IndicatorValue),
    added: Option<IndicatorAction>,
    (present, us): (&[StoredIndicator], &TokenFacts),
) -> IndicatorLeft {
    let about: Vec<_> = present.iter().filter(|stored| stored.is_about(kind, value)).collect();
    let Some(first) = about.first() else { return IndicatorLeft::Nothing };
    let Some(added) = added else { return IndicatorLeft::Ours };
    let mut alike = about.iter().filter(|stored| stored.may_be_ours(added, us)).peekable();
    if alike.peek().is_none() {
        return IndicatorLeft::Others(first.to_string());
    }
    match alike.find(|stored| stored.is_ours(us).is_none() || stored.changed_by().is_some()) {
        Some(unclear) => IndicatorLeft::Unclear(match unclear.changed_by() {
            Some(by) => format!("{unclear}, changed by `{}`", shown(by, SHOWN_MAX)),
            None => unclear.to_string(),
        }),
        None => IndicatorLeft::Ours,
    }
}

impl fmt::Display for StoredIndicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", shown(&self.action, SHOWN_MAX))?;
        if !self.rbac_group_names.is_empty() {
            write!(f, " for {}", shown(&self.rbac_group_names.join(", "), SHOWN_MAX))?;
        }
        self.expiration_time.map_or(Ok(()), |end| write!(f, " until {end:.0}"))
    }
}

impl StoredIndicator {
    /// Whether it does the same, for all devices that are wanted and as long.
    fn is_enough_for(&self, wanted: &Indicator) -> bool {
        let groups = &self.rbac_group_names;
        let lasts = self.expiration_time.is_none_or(|end| wanted.expiration_time.is_some_and(|to| to <= end));
        let reaches = groups.is_empty()
            || (!wanted.rbac_group_names.is_empty()
                && wanted.rbac_group_names.iter().all(|group| groups.contains(group)));
        self.does(wanted.action) && lasts && reaches
    }

    /// Whether an app made it. A token that does not say whose it is proves nothing.
    pub(super) fn is_made_by(&self, app: &str) -> bool {
        !app.is_empty() && self.created_by.as_deref().is_some_and(|by| by.eq_ignore_ascii_case(app))
    }

    /// Whether we made it, as the app or as the person that our token is for; `None` if nobody says who we are, or who made
    /// it.
    fn is_ours(&self, us: &TokenFacts) -> Option<bool> {
        let mut names = [&us.app_id, &us.user_id, &us.user_name].into_iter().flatten().peekable();
        let by = self.created_by.as_deref().filter(|by| !by.is_empty() && names.peek().is_some())?;
        Some(names.any(|name| by.eq_ignore_ascii_case(name)))
    }

    /// Whether it does what we have `added` and nobody says that others made it.
    pub(super) fn may_be_ours(&self, added: IndicatorAction, us: &TokenFacts) -> bool {
        self.does(added) && self.is_ours(us) != Some(false)
    }

    /// Who changed it last, if that is not who made it, as far as the names tell.
    fn changed_by(&self) -> Option<&str> {
        let maker = [&self.created_by, &self.created_by_display_name, &self.source];
        let mut maker = maker.into_iter().flatten().filter(|name| !name.is_empty());
        let by = self.last_updated_by.as_deref().filter(|by| !by.is_empty())?;
        let is_named = self.created_by_display_name.is_some() || self.source.is_some();
        (is_named && !maker.any(|name| by.eq_ignore_ascii_case(name))).then_some(by)
    }

    /// Whether it is about a value.
    pub(super) fn is_about(&self, kind: IndicatorType, value: &IndicatorValue) -> bool {
        self.indicator_type.eq_ignore_ascii_case(&format!("{kind:?}"))
            && self.indicator_value.eq_ignore_ascii_case(value.as_str())
    }

    /// Whether it does the same.
    fn does(&self, action: IndicatorAction) -> bool {
        self.action.eq_ignore_ascii_case(&format!("{action:?}"))
    }
}

/// Whether a stored indicator does what is wanted, and for at least half of the time wanted. The description tells
/// of a run and is not compared.
pub(super) fn is_as_wanted(stored: &StoredIndicator, wanted: &Indicator, now: Timestamp) -> bool {
    let severity = wanted.severity.map(|severity| format!("{severity:?}"));
    let same_severity = severity.is_none_or(|wanted| {
        stored.severity.as_deref().is_some_and(|stored| stored.eq_ignore_ascii_case(&wanted))
    });
    let lasts = match (stored.expiration_time, wanted.expiration_time) {
        (None, None) => true,
        (Some(stored), Some(wanted)) => {
            now < stored && now.duration_until(wanted) <= now.duration_until(stored).saturating_mul(2)
        }
        (None, Some(_)) | (Some(_), None) => false,
    };
    same_severity
        && lasts
        && stored.generate_alert.is_none_or(|stored| stored == wanted.generate_alert)
        && stored.action.eq_ignore_ascii_case(&format!("{:?}", wanted.action))
        && stored.title.as_deref() == Some(wanted.title.as_str())
}

#[cfg(test)]
pub(in crate::tenant) mod tests {
    use super::*;

    pub(in crate::tenant) fn wanted(domain: &str, expires: Option<&str>) -> Indicator {
        let kind = IndicatorType::DomainName;
        Indicator {
            indicator_value: IndicatorValue::parse(kind, domain).unwrap(),
            indicator_type: kind,
            action: IndicatorAction::Block,
            title: "[huntbook:bad] t".to_owned(),
            description: "run".to_owned(),
            severity: None,
            recommended_actions: None,
            expiration_time: expires.map(|at| at.parse().unwrap()),
            generate_alert: false,
            rbac_group_names: vec![],
        }
    }

    pub(in crate::tenant) fn stored(domain: &str, by: &str, expires: Option<&str>) -> StoredIndicator {
        StoredIndicator {
            id: "1".to_owned(),
            indicator_value: domain.to_owned(),
            indicator_type: "DomainName".to_owned(),
            action: "Block".to_owned(),
            title: Some("[huntbook:bad] t".to_owned()),
            severity: None,
            created_by: Some(by.to_owned()),
            created_by_display_name: None,
            source: None,
            last_updated_by: None,
            expiration_time: expires.map(|at| at.parse().unwrap()),
            generate_alert: Some(false),
            rbac_group_names: Vec::new(),
        }
    }

    #[test]
    fn what_others_have_is_enough_if_it_does_all_that_is_wanted() {
        let us = TokenFacts { app_id: Some("us".to_owned()), ..TokenFacts::default() };
        let tell = |change: &dyn Fn(&mut StoredIndicator), for_days: Option<&str>| {
            let mut theirs = stored("a.example", "them", None);
            change(&mut theirs);
            let wanted = [wanted("a.example", for_days), wanted("b.example", None)];
            let [first, second] = others_have(&wanted, &[theirs], &us).try_into().unwrap();
            assert_eq!(second, None, "of another value");
            first.map(|theirs| (theirs.is_enough, theirs.what))
        };
        let says = |is_enough, what: &str| Some((is_enough, what.to_owned()));
        assert_eq!(tell(&|_theirs| {}, None), says(true, "`Block`"));
        assert_eq!(tell(&|theirs| theirs.action = "Allowed".to_owned(), None), says(false, "`Allowed`"));
        assert_eq!(tell(&|theirs| theirs.created_by = Some("US".to_owned()), None), None, "ours");
        assert_eq!(tell(&|theirs| theirs.created_by = None, None), None, "nobody knows whose");
        assert_eq!(tell(&|theirs| theirs.indicator_type = "Url".to_owned(), None), None);
        let ends = |theirs: &mut StoredIndicator| {
            theirs.expiration_time = Some("2026-03-02T00:00:00Z".parse().unwrap());
        };
        let ended = "`Block` until 2026-03-02T00:00:00Z";
        assert_eq!(tell(&ends, None), says(false, ended), "for good is wanted");
        assert_eq!(tell(&ends, Some("2026-03-01T23:59:59Z")), says(true, ended));
        assert_eq!(tell(&ends, Some("2026-03-02T00:00:01Z")), says(false, ended));
        let lab = |theirs: &mut StoredIndicator| theirs.rbac_group_names = vec!["Lab".to_owned()];
        assert_eq!(tell(&lab, None), says(false, "`Block` for Lab"), "all devices are wanted");
    }

    #[test]
    fn what_is_left_of_ours_is_what_does_the_same_and_is_not_anothers() {
        let us = TokenFacts { app_id: Some("us".to_owned()), ..TokenFacts::default() };
        let value = wanted("a.example", None).indicator_value;
        let tell = |present: &[StoredIndicator], us: &TokenFacts| {
            left_of((IndicatorType::DomainName, &value), Some(IndicatorAction::Block), (present, us))
        };
        let (ours, theirs) = (stored("A.example", "US", None), stored("a.example", "them", None));
        let others = |what: &str| IndicatorLeft::Others(what.to_owned());
        assert_eq!(tell(&[], &us), IndicatorLeft::Nothing);
        assert_eq!(tell(&[stored("b.example", "us", None)], &us), IndicatorLeft::Nothing);
        assert_eq!(tell(&[theirs.clone(), ours.clone()], &us), IndicatorLeft::Ours);
        let named = |by: &str| StoredIndicator {
            source: Some("Huntbook".to_owned()),
            last_updated_by: Some(by.to_owned()),
            ..ours.clone()
        };
        assert_eq!(tell(&[named("huntbook")], &us), IndicatorLeft::Ours);
        let changed = IndicatorLeft::Unclear("`Block`, changed by `ann`".to_owned());
        assert_eq!(tell(&[named("ann")], &us), changed);
        assert_eq!(tell(&[theirs], &us), others("`Block`"));
        let changed = StoredIndicator { action: "Audit".to_owned(), ..ours.clone() };
        assert_eq!(tell(std::slice::from_ref(&changed), &us), others("`Audit`"));
        let unsaid = StoredIndicator { created_by: None, ..ours.clone() };
        let unclear = IndicatorLeft::Unclear("`Block`".to_owned());
        assert_eq!(tell(&[ours.clone(), unsaid], &us), unclear, "they go together");
        let nobody = TokenFacts::default();
        assert_eq!(tell(&[ours], &nobody), IndicatorLeft::Unclear("`Block`".to_owned()));
        let whichever = left_of((IndicatorType::DomainName, &value), None, (&[changed], &nobody));
        assert_eq!(whichever, IndicatorLeft::Ours, "nobody knows what was added");
    }
}
