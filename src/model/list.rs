//! Named lists: what `in lists.NAME` looks into and `guards.exclude` names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A list of texts, compared without regard to case and surrounding white space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    name: Box<str>,
    entries: Vec<Box<str>>,
    folded: BTreeSet<Box<str>>,
}

impl List {
    /// Makes a list; entries are trimmed, empty ones dropped, repeats (whatever their case) kept once.
    #[must_use]
    pub fn new<S: AsRef<str>>(name: &str, entries: impl IntoIterator<Item = S>) -> Self {
        let mut list = Self { name: name.into(), entries: Vec::new(), folded: BTreeSet::new() };
        for entry in entries {
            let entry = entry.as_ref().trim();
            if !entry.is_empty() && list.folded.insert(entry.to_lowercase().into()) {
                list.entries.push(entry.into());
            }
        }
        list
    }

    /// The name by which conditions and guards call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether `text` is an entry, whatever its case and surrounding white space.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        let text = text.trim();
        // Most rows are lower case already; the exact look-up saves the copy.
        self.folded.contains(text) || self.folded.contains(text.to_lowercase().as_str())
    }

    /// The entries as they were written, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(AsRef::as_ref)
    }

    /// The entries in lower case, sorted.
    pub fn folded(&self) -> impl ExactSizeIterator<Item = &str> {
        self.folded.iter().map(AsRef::as_ref)
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Every list of a set of playbooks, by name. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lists(BTreeMap<String, Arc<List>>);

impl Lists {
    /// Looks a list up by its exact name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<List>> {
        self.0.get(name)
    }

    /// Adds a list under its own name; gives back the one it replaces.
    pub fn insert(&mut self, list: List) -> Option<Arc<List>> {
        self.0.insert(list.name.to_string(), Arc::new(list))
    }

    /// Adds a list, if there is one.
    pub fn extend_with(&mut self, list: Option<List>) {
        if let Some(list) = list {
            self.insert(list);
        }
    }

    /// The names, sorted.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The lists, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<List>> {
        self.0.values()
    }
}

impl FromIterator<List> for Lists {
    fn from_iter<I: IntoIterator<Item = List>>(lists: I) -> Self {
        let mut all = Self::default();
        for list in lists {
            all.insert(list);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_finds_its_entries_whatever_their_case() {
        let list = List::new("hosts", [" DC01 ", "dc01", "", "Straße"]);
        assert_eq!(list.iter().collect::<Vec<_>>(), ["DC01", "Straße"]);
        assert!(list.contains("dc01") && list.contains(" Dc01") && list.contains("STRAßE"));
        assert!(!list.contains("dc0") && !list.contains(""));
    }
}
