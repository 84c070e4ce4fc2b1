//! Sets of indicators that huntbook owns, and what has to change so that a tenant has exactly the wanted ones.
//!
//! An indicator belongs to a set if the same app made it and its title begins with the set's mark. All others are
//! left as they are, those with a value of the set too: the service keeps one indicator for each value, so writing
//! ours would change theirs.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::envelope::shown;
use super::{ActionKind, Indicator, IndicatorAction, IndicatorType, IndicatorValue, TenantError, TokenFacts};

/// Most indicators of a tenant. Source: the indicator pages.
const TENANT_MAX: usize = 15_000;

/// Most characters shown of what others wrote.
const SHOWN_MAX: usize = 64;

/// Values named in a sentence; the rest is counted.
const NAMED_MAX: usize = 5;

/// The indicators there are to be, and how many may go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IndicatorSet {
    /// Its name.
    pub name: String,
    /// What there is to be; titles begin with [`IndicatorSet::mark`].
    pub wanted: Vec<Indicator>,
    /// Most that are removed at a time.
    pub removed_max: u32,
    /// The same, in percent of those the set has.
    pub removed_percent_max: u8,
    /// Most that come into force anew at a time.
    pub added_max: u32,
}

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

/// What has to change.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// New, or to be written anew: something about it changed, or half of its time is over.
    pub add: Vec<Indicator>,
    /// Of these, how many are new.
    pub new: usize,
    /// Not wanted any more.
    pub remove: Vec<StoredIndicator>,
    /// As they are to be.
    pub kept: usize,
    /// Wanted, and there as somebody else's.
    pub foreign: Vec<String>,
    /// How many the set has.
    pub owned: usize,
    /// How many there are in all, as far as the app sees.
    pub present: usize,
}

/// What came of a set.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// How many were written.
    pub added: usize,
    /// How many were removed.
    pub removed: usize,
    /// How many were as they are to be.
    pub kept: usize,
    /// How many are somebody else's.
    pub foreign: usize,
    /// What the tenant did not take, and why.
    pub refused: Vec<(String, String)>,
}

impl IndicatorSet {
    /// What the title of each of its indicators begins with.
    #[must_use]
    pub fn mark(name: &str) -> String {
        format!("[huntbook:{name}] ")
    }

    /// Compares with what is there. `app` is who we are there.
    #[must_use]
    pub fn difference(&self, present: &[StoredIndicator], app: &str, now: Timestamp) -> Difference {
        let key = |kind: &str, value: &str| (kind.to_lowercase(), value.to_lowercase());
        let mark = Self::mark(&self.name);
        let is_ours = |stored: &StoredIndicator| {
            stored.is_made_by(app) && stored.title.as_deref().is_some_and(|title| title.starts_with(&mark))
        };
        let mut there: BTreeMap<(String, String), &StoredIndicator> =
            present.iter().map(|one| (key(&one.indicator_type, &one.indicator_value), one)).collect();
        let owned = present.iter().filter(|stored| is_ours(stored)).count();
        let mut difference = Difference { owned, present: present.len(), ..Difference::default() };
        for wanted in &self.wanted {
            let kind = format!("{:?}", wanted.indicator_type);
            match there.remove(&key(&kind, wanted.indicator_value.as_str())) {
                None => {
                    difference.new += 1;
                    difference.add.push(wanted.clone());
                }
                Some(stored) if !is_ours(stored) => difference.foreign.push(stored.indicator_value.clone()),
                Some(stored) if is_as_wanted(stored, wanted, now) => difference.kept += 1,
                Some(_other) => difference.add.push(wanted.clone()),
            }
        }
        difference.remove = there.into_values().filter(|stored| is_ours(stored)).cloned().collect();
        difference
    }
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
    fn is_made_by(&self, app: &str) -> bool {
        !app.is_empty() && self.created_by.as_deref().is_some_and(|by| by.eq_ignore_ascii_case(app))
    }

    /// Whether we made it, as the app or as the person that our token is for; `None` if nobody says who we are, or who made
    /// it.
    pub(super) fn is_ours(&self, us: &TokenFacts) -> Option<bool> {
        let mut names = [&us.app_id, &us.user_id, &us.user_name].into_iter().flatten().peekable();
        let by = self.created_by.as_deref().filter(|by| !by.is_empty() && names.peek().is_some())?;
        Some(names.any(|name| by.eq_ignore_ascii_case(name)))
    }

    /// Whether it is about a value.
    pub(super) fn is_about(&self, kind: IndicatorType, value: &IndicatorValue) -> bool {
        self.indicator_type.eq_ignore_ascii_case(&format!("{kind:?}"))
            && self.indicator_value.eq_ignore_ascii_case(value.as_str())
    }

    /// Whether it does the same.
    pub(super) fn does(&self, action: IndicatorAction) -> bool {
        self.action.eq_ignore_ascii_case(&format!("{action:?}"))
    }
}

/// Whether a stored indicator does what is wanted, and for at least half of the time wanted. The description tells
/// of a run and is not compared.
fn is_as_wanted(stored: &StoredIndicator, wanted: &Indicator, now: Timestamp) -> bool {
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

impl Difference {
    /// What has to change about the set, if that may be.
    ///
    /// # Errors
    ///
    /// [`TenantError::LeftAsItIs`] if too much would change or there is no room.
    pub fn allowed(self, set: &IndicatorSet) -> Result<Self, TenantError> {
        match self.forbidden(set) {
            Some(reason) => {
                let operation = ActionKind::ReconcileIndicators.as_str();
                Err(TenantError::LeftAsItIs { operation, reason })
            }
            None => Ok(self),
        }
    }

    /// Why a set is left as it is: what should be small is large, or there is no room.
    #[must_use]
    pub fn forbidden(&self, set: &IndicatorSet) -> Option<String> {
        let removed = self.remove.len();
        let most = usize::try_from(set.removed_max).unwrap_or(usize::MAX);
        let percent = usize::from(set.removed_percent_max);
        let after = self.present.saturating_sub(removed).saturating_add(self.new);
        if set.wanted.is_empty() {
            Some("nothing is wanted: an empty list is taken for a broken one".to_owned())
        } else if most < removed {
            Some(format!("{removed} would be removed, and {most} may be at a time"))
        } else if self.owned.saturating_mul(percent) < removed.saturating_mul(100) {
            let owned = self.owned;
            Some(format!("{removed} of {owned} would be removed, and {percent} % may be at a time"))
        } else if usize::try_from(set.added_max).unwrap_or(usize::MAX) < self.new {
            Some(format!(
                "{} would come into force, and {} may at a time (`maxAdded`)",
                self.new, set.added_max
            ))
        } else if TENANT_MAX < after {
            Some(format!("there would be {after} indicators, and a tenant has at most {TENANT_MAX}"))
        } else {
            None
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { add, remove, kept, foreign, .. } = self;
        let added = add.iter().map(|one| one.indicator_value.as_str());
        let removed = remove.iter().map(|one| one.indicator_value.as_str());
        write!(f, "{} to be written{}, ", add.len(), named(added))?;
        write!(f, "{} to be removed{}, {kept} as they are", remove.len(), named(removed))?;
        if !foreign.is_empty() {
            write!(f, ", {} left to others{}", foreign.len(), named(foreign.iter().map(String::as_str)))?;
        }
        Ok(())
    }
}

impl fmt::Display for Reconciled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { added, removed, kept, foreign, refused } = self;
        write!(f, "{added} written, {removed} removed, {kept} as they were")?;
        if 0 < *foreign {
            write!(f, ", {foreign} left to others")?;
        }
        if !refused.is_empty() {
            let each = refused.iter().take(NAMED_MAX).map(|(value, why)| format!("{value}: {why}"));
            write!(f, ", {} refused ({})", refused.len(), each.collect::<Vec<_>>().join("; "))?;
        }
        Ok(())
    }
}

fn named<'v>(values: impl Iterator<Item = &'v str>) -> String {
    let named: Vec<&str> = values.take(NAMED_MAX + 1).collect();
    let (first, rest) = named.split_at(named.len().min(NAMED_MAX));
    match (first, rest) {
        ([], _) => String::new(),
        (first, []) => format!(" ({})", first.join(", ")),
        (first, _) => format!(" ({}, …)", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-03-01T12:00:00Z";

    fn wanted(domain: &str, expires: Option<&str>) -> Indicator {
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

    fn stored(domain: &str, by: &str, expires: Option<&str>) -> StoredIndicator {
        StoredIndicator {
            id: "1".to_owned(),
            indicator_value: domain.to_owned(),
            indicator_type: "DomainName".to_owned(),
            action: "Block".to_owned(),
            title: Some("[huntbook:bad] t".to_owned()),
            severity: None,
            created_by: Some(by.to_owned()),
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

    fn set(wanted: Vec<Indicator>) -> IndicatorSet {
        IndicatorSet { name: "bad".to_owned(), wanted, removed_max: 2, removed_percent_max: 50, added_max: 3 }
    }

    #[test]
    fn what_is_ours_follows_the_list_and_the_rest_is_left_alone() {
        let mut other_set = stored("other.example", "app", None);
        other_set.title = Some("[huntbook:worse] t".to_owned());
        let present = [
            stored("kept.example", "app", None),
            stored("gone.example", "app", None),
            stored("theirs.example", "somebody", None),
            stored("alone.example", "somebody", None),
            other_set,
        ];
        let wanted =
            ["kept.example", "new.example", "theirs.example", "other.example"].map(|one| wanted(one, None));
        let found = set(wanted.to_vec()).difference(&present, "APP", NOW.parse().unwrap());
        let text = "1 to be written (new.example), 1 to be removed (gone.example), 1 as they are, 2 left to others (theirs.example, other.example)";
        assert_eq!(found.to_string(), text);
        assert_eq!((found.owned, found.new), (2, 1));
    }

    #[test]
    fn nothing_is_ours_if_nobody_says_who_we_are() {
        let there = [stored("kept.example", "", None), stored("gone.example", "", None)];
        let found = set(vec![wanted("kept.example", None)]).difference(&there, "", NOW.parse().unwrap());
        assert_eq!((found.owned, found.remove.len(), found.foreign.len()), (0, 0, 1));
    }

    #[test]
    fn what_lasts_less_than_half_of_its_time_is_written_anew() {
        let ends = "2026-03-31T12:00:00Z";
        for (left, kept) in [("2026-03-16T12:00:00Z", 1), ("2026-03-16T11:59:59Z", 0), (NOW, 0)] {
            let set = set(vec![wanted("a.example", Some(ends))]);
            let found =
                set.difference(&[stored("a.example", "app", Some(left))], "app", NOW.parse().unwrap());
            assert_eq!((found.kept, found.add.len(), found.new), (kept, 1 - kept, 0), "{left}");
        }
    }

    #[test]
    fn whether_it_raises_an_alert_is_part_of_it() {
        let mut loud = wanted("a.example", None);
        loud.generate_alert = true;
        let found =
            set(vec![loud]).difference(&[stored("a.example", "app", None)], "app", NOW.parse().unwrap());
        assert_eq!((found.kept, found.add.len(), found.new), (0, 1, 0));
    }

    #[track_caller]
    fn check(wanted_count: usize, removed: usize, present: usize, expect: Option<&str>) {
        let set = set(vec![wanted("a.example", None); wanted_count]);
        let remove = vec![stored("b.example", "app", None); removed];
        let difference = Difference { remove, owned: 4, present, new: 1, ..Difference::default() };
        assert_eq!(difference.forbidden(&set).as_deref(), expect);
    }

    #[test]
    fn a_set_is_left_as_it_is_if_too_much_would_go_or_there_is_no_room() {
        check(1, 2, 4, None);
        check(0, 0, 4, Some("nothing is wanted: an empty list is taken for a broken one"));
        check(1, 3, 4, Some("3 would be removed, and 2 may be at a time"));
        check(1, 0, 14_999, None);
        check(1, 0, 15_000, Some("there would be 15001 indicators, and a tenant has at most 15000"));
        check(1, 1, 15_000, None);
        let few = Difference {
            remove: vec![stored("b.example", "app", None); 2],
            owned: 3,
            ..Difference::default()
        };
        let why = few.forbidden(&set(vec![wanted("a.example", None)]));
        assert_eq!(why.as_deref(), Some("2 of 3 would be removed, and 50 % may be at a time"));
        let many = Difference { new: 4, ..Difference::default() };
        let why = many.forbidden(&set(vec![wanted("a.example", None)]));
        assert_eq!(why.as_deref(), Some("4 would come into force, and 3 may at a time (`maxAdded`)"));
    }
}
