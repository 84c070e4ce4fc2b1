//! Sets of indicators that huntbook owns, and what has to change so that a tenant has exactly the wanted ones.
//!
//! An indicator belongs to a set if the same app made it and its title begins with the set's mark. All others are
//! left as they are, those with a value of the set too: the service keeps one indicator for each value, so writing
//! ours would change theirs.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::stored_indicator::{StoredIndicator, is_as_wanted};
use super::{ActionKind, Indicator, TenantError};

/// Most indicators of a tenant. Source: the indicator pages.
const TENANT_MAX: usize = 15_000;

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
    use crate::tenant::stored_indicator::tests::{stored, wanted};

    const NOW: &str = "2026-03-01T12:00:00Z";

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
