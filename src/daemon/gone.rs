//! Files that went a moment ago: whoever removes one and writes it anew does not take its playbook out of force.
//!
//! What was gone before the first look of a process is gone: nobody knows for how long.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::scan::Scan;
use super::watch::GONE;

/// The files of the last looks, and since when each is gone, if it is, by the clock that nobody sets.
#[derive(Debug, Default)]
pub(super) struct Gone(BTreeMap<String, Option<SignedDuration>>);

impl Gone {
    /// Takes a look in, and gives the files that are gone and not for long enough to count as deleted.
    pub(super) fn note(&mut self, seen: &Scan, now: SignedDuration) -> BTreeSet<String> {
        let there: BTreeSet<&str> =
            seen.playbooks.iter().chain(&seen.lists).map(|file| file.name.as_str()).collect();
        let unread = || seen.unread_playbooks.iter().chain(&seen.unread_lists);
        for (file, since) in &mut self.0 {
            if there.contains(file.as_str()) || unread().any(|unread| unread.covers(file)) {
                *since = None;
            } else {
                since.get_or_insert(now);
            }
        }
        self.0.retain(|_file, since| since.is_none_or(|since| now.saturating_sub(since) < GONE));
        for file in there {
            self.0.entry(file.to_owned()).or_default();
        }
        self.0.iter().filter(|(_file, since)| since.is_some()).map(|(file, _since)| file.clone()).collect()
    }

    /// Begins to wait anew, because a directory could not be looked at.
    pub(super) fn wait_anew(&mut self) {
        self.0.values_mut().for_each(|since| *since = None);
    }

    /// Lets what is gone count as deleted at once: a person says so.
    pub(super) fn at_once(&mut self) {
        self.0.clear();
    }

    /// How long until the first of them counts as deleted.
    pub(super) fn wait(&self, now: SignedDuration) -> Option<SignedDuration> {
        let since = self.0.values().flatten().min()?;
        Some(GONE.saturating_sub(now.saturating_sub(*since)).max(SignedDuration::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SourceFile;

    fn scan(names: &[&str]) -> Scan {
        let file = |name: &&str| SourceFile { name: (*name).to_owned(), bytes: Vec::new() };
        Scan { playbooks: names.iter().map(file).collect(), ..Scan::default() }
    }

    #[test]
    fn a_file_counts_as_deleted_when_it_has_been_gone_for_five_seconds_on_end() {
        let at = |millis| SignedDuration::from_millis(millis);
        let mut gone = Gone::default();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(gone.note(&scan(&["a", "b"]), at(0)), names(&[]));
        assert_eq!((gone.note(&scan(&["a"]), at(100)), gone.wait(at(100))), (names(&["b"]), Some(at(5_000))));
        assert_eq!((gone.note(&scan(&["a"]), at(5_099)), gone.wait(at(5_099))), (names(&["b"]), Some(at(1))));
        // It comes back, and goes once more.
        assert_eq!((gone.note(&scan(&["a", "b"]), at(5_099)), gone.wait(at(5_099))), (names(&[]), None));
        assert_eq!(gone.note(&scan(&["a"]), at(6_000)), names(&["b"]));
        assert_eq!(gone.note(&scan(&[]), at(9_000)), names(&["a", "b"]));
        assert_eq!(gone.note(&scan(&[]), at(11_000)), names(&["a"]));
        gone.wait_anew();
        assert_eq!(gone.note(&scan(&[]), at(20_000)), names(&["a"]));
        gone.at_once();
        assert_eq!((gone.note(&scan(&[]), at(20_001)), gone.wait(at(20_001))), (names(&[]), None));
    }
}
