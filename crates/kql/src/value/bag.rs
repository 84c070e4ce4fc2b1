//! Property bags.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Dynamic;

/// From this many properties on, names are found by an index.
const INDEXED_FROM: usize = 16;

/// A property bag; properties keep the order in which they were first put in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bag {
    entries: Vec<(Arc<str>, Dynamic)>,
    index: BTreeMap<Arc<str>, usize>,
    depth: u8,
}

impl Bag {
    /// Creates an empty bag.
    pub fn new() -> Self {
        Self::default()
    }

    fn place(&self, name: &str) -> Option<usize> {
        if self.entries.len() < INDEXED_FROM {
            return self.entries.iter().position(|(key, _)| key.as_ref() == name);
        }
        self.index.get(name).copied()
    }

    /// Returns the value of a property.
    pub fn get(&self, name: &str) -> Option<&Dynamic> {
        self.entries.get(self.place(name)?).map(|(_, value)| value)
    }

    /// Sets a property, whether it is there or not.
    pub fn set(&mut self, name: Arc<str>, value: Dynamic) {
        self.depth = self.depth.max(value.depth());
        match self.place(&name).and_then(|place| self.entries.get_mut(place)) {
            Some((_, old)) => *old = value,
            None => self.push(name, value),
        }
    }

    /// Sets a property unless it is there.
    pub fn add(&mut self, name: Arc<str>, value: Dynamic) {
        if self.place(&name).is_none() {
            self.depth = self.depth.max(value.depth());
            self.push(name, value);
        }
    }

    fn push(&mut self, name: Arc<str>, value: Dynamic) {
        let place = self.entries.len();
        self.entries.push((Arc::clone(&name), value));
        if place + 1 == INDEXED_FROM {
            self.index =
                self.entries.iter().enumerate().map(|(place, (key, _))| (Arc::clone(key), place)).collect();
        } else if place >= INDEXED_FROM {
            self.index.insert(name, place);
        }
    }

    /// Returns the properties in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Dynamic)> {
        self.entries.iter().map(|(name, value)| (name, value))
    }

    /// Returns the property at a place.
    pub fn entry(&self, place: usize) -> Option<(&Arc<str>, &Dynamic)> {
        self.entries.get(place).map(|(name, value)| (name, value))
    }

    /// Returns the number of properties.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no properties.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns how deep the values are nested.
    pub const fn depth(&self) -> u8 {
        self.depth
    }
}

impl FromIterator<(Arc<str>, Dynamic)> for Bag {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Dynamic)>>(entries: I) -> Self {
        let mut bag = Self::new();
        for (name, value) in entries {
            bag.set(name, value);
        }
        bag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_stays_and_names_are_found() {
        let mut bag: Bag = (0..40).map(|n| (Arc::from(format!("k{n}")), Dynamic::Long(n))).collect();
        bag.set(Arc::from("k3"), Dynamic::Long(-3));
        bag.add(Arc::from("k4"), Dynamic::Long(-4));
        bag.add(Arc::from("new"), Dynamic::Null);
        assert_eq!(bag.get("k3"), Some(&Dynamic::Long(-3)));
        assert_eq!(bag.get("k4"), Some(&Dynamic::Long(4)));
        assert_eq!(bag.get("k39"), Some(&Dynamic::Long(39)));
        assert_eq!(bag.get("K39"), None);
        assert_eq!(bag.entry(40).map(|(name, _)| name.as_ref()), Some("new"));
        assert_eq!(bag.len(), 41);
    }
}
