//! What is held in force although its file is gone, or much of it: a mount that is gone or a copy that broke off
//! is more likely than the end of everybody's work, and whoever meant it can say so.

use std::collections::BTreeSet;

use super::edit::Review;
use super::generation::{Generation, Instead, Live, LiveListFile, Refused, lists_of};
use crate::model::List;
use crate::plan::World;

/// Fewest playbooks for "most of them vanished" to mean anything.
const VANISH_MIN: usize = 3;
/// Which part of the entries of a list that protects may be gone at once, one in so many: a copy that broke
/// off loses more, the edit of a day less.
const LOSS_SHARE: usize = 4;
/// Fewest entries for "many of them are gone" to mean anything: one or two are somebody's edit.
const LOSS_MIN: usize = 3;

/// How many entries of one list another one lacks.
pub(super) fn lost(before: &List, now: &List) -> usize {
    before.folded().filter(|entry| !now.contains(entry)).count()
}

/// Whether too much of a list that protects is gone at once.
fn is_large(lost: usize, of: usize) -> bool {
    LOSS_MIN <= lost && of <= lost.saturating_mul(LOSS_SHARE)
}

impl Generation {
    /// When half of the playbooks or more vanish at once they stay in force, and people are told.
    pub(super) fn hold_vanished(&mut self, before: &Self) {
        let gone: Vec<&Live> = before
            .playbooks
            .iter()
            .filter(|(id, _)| !self.playbooks.contains_key(id))
            .map(|(_, live)| live)
            .collect();
        if gone.len() < VANISH_MIN || gone.len() * 2 < before.playbooks.len() {
            return;
        }
        for live in gone {
            self.held.insert(live.plan.about.id);
            self.playbooks.insert(live.plan.about.id, live.clone());
        }
    }

    /// Keeps lists whose files are gone or empty while something in force may need them: a playbook that is
    /// refused (for want of the list, perhaps) or held, or one whose guards or settings are protected by it. A
    /// list that protects is also kept when much of it is gone at once: it must not take its protection along.
    /// What is new in its file counts with it, so that it holds nothing back.
    pub(super) fn hold_lists(
        &mut self,
        before: &Self,
        playbooks: &BTreeSet<String>,
        (base, review): (&World, &Review),
    ) {
        let fell_back =
            |refused: &Refused| refused.instead == Instead::LastGood && playbooks.contains(&refused.file);
        let needed = !self.held.is_empty() || self.refused.iter().any(fell_back);
        let mut protecting: BTreeSet<String> = base.exclusions.lists().map(str::to_owned).collect();
        for live in self.playbooks.values() {
            protecting.extend(live.plan.guards.exclusions.lists().map(str::to_owned));
        }
        for (name, live) in &before.list_files {
            let (protects, all) = (protecting.contains(name), live.list.len());
            let hold = match self.list_files.get(name) {
                None => needed || protects,
                Some(now) if now.list.is_empty() => 0 < all && (needed || protects),
                Some(now) => protects && is_large(lost(&live.list, &now.list), all),
            };
            let now = self.list_files.get(name);
            let edit = if protects { review.of_list(live, now) } else { None };
            let stays = edit.is_some() || (hold && !review.has_confirmed(live, now));
            if stays {
                match edit {
                    Some((digest, waiting)) => drop(self.edits.insert(digest, waiting)),
                    None => drop(self.held_lists.insert(name.clone())),
                }
                if let Some(instead) = self.list_files.insert(name.clone(), live.clone()) {
                    self.list_files_instead.insert(name.clone(), instead);
                }
            }
        }
        self.lists = lists_of(&self.list_files, &self.list_files_instead);
    }

    /// The same without what is held: a person says that it is gone on purpose.
    #[must_use]
    pub(super) fn released(&self) -> Self {
        let mut released = Self { number: self.number + 1, ..self.clone() };
        for id in std::mem::take(&mut released.held) {
            released.playbooks.remove(&id);
        }
        for name in std::mem::take(&mut released.held_lists) {
            match released.list_files_instead.remove(&name) {
                Some(instead) => released.list_files.insert(name, instead),
                None => released.list_files.remove(&name),
            };
        }
        released.lists = lists_of(&released.list_files, &released.list_files_instead);
        released
    }

    /// The files of what is held.
    pub(super) fn held_files(&self) -> Vec<String> {
        let playbooks = self.held.iter().filter_map(|id| self.playbooks.get(id)).map(|live| &live.file);
        let lists = self.held_lists.iter().filter_map(|name| self.list_files.get(name));
        playbooks.chain(lists.map(|live: &LiveListFile| &live.file)).cloned().collect()
    }

    /// What is gone of a list that is held: all of it, or so many of its entries.
    pub(super) fn loss(&self, name: &str) -> Option<(usize, usize)> {
        let live = self.list_files.get(name)?;
        let instead = self.list_files_instead.get(name)?;
        Some((lost(&live.list, &instead.list), live.list.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_of_a_day_is_told_from_a_copy_that_broke_off() {
        let list = |entries: std::ops::Range<u32>| List::new("vip", entries.map(|n| format!("host{n}")));
        let check = |before: u32, now: std::ops::Range<u32>| {
            let before = list(0..before);
            is_large(lost(&before, &list(now)), before.len())
        };
        assert!(!check(100, 0..76));
        assert!(check(100, 0..75), "a quarter");
        assert!(check(100, 50..150), "others in their place protect nothing");
        assert!(!check(4, 0..2), "two entries are somebody's edit");
        assert!(check(4, 0..1));
        assert!(!check(3, 0..9));
    }
}
