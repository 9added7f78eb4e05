//! Maps that keep the order of their entries.
//!
//! Most maps are JSON objects of a few members, for which comparing a key with each is quicker than
//! hashing it. Past [`INDEX_FROM`] entries an index of hashes is kept, so that a large object costs
//! no more than time in proportion to its size.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use hashbrown::HashTable;

use super::Value;

const INDEX_FROM: usize = 24;

/// Keys with unpredictable hashes: what comes from outside cannot be made to collide.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Java's `Map<?, ?>`.
#[derive(Clone, Default)]
pub struct Map<'a> {
    entries: Vec<(Value<'a>, Value<'a>)>,
    /// The places of the entries by their keys' hashes. Absent in small maps.
    index: Option<Box<HashTable<usize>>>,
}

impl<'a> Map<'a> {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_capacity(entries: usize) -> Self {
        Self {
            entries: Vec::with_capacity(entries),
            index: None,
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Value<'a>, &Value<'a>)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    pub fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut Value<'a>> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// A key that is there keeps its place and gets the new value; the old one is answered.
    pub fn insert(
        &mut self,
        key: impl Into<Value<'a>>,
        value: impl Into<Value<'a>>,
    ) -> Option<Value<'a>> {
        let (key, value) = (key.into(), value.into());
        if let Some(place) = self.place(&key) {
            return Some(std::mem::replace(&mut self.entries[place].1, value));
        }
        self.entries.push((key, value));
        let last = self.entries.len() - 1;
        match &mut self.index {
            Some(index) => index_entry(index, &self.entries, last),
            None if self.entries.len() >= INDEX_FROM => self.make_index(),
            None => {}
        }
        None
    }

    fn make_index(&mut self) {
        let mut index = HashTable::with_capacity(self.entries.len() * 2);
        for place in 0..self.entries.len() {
            index_entry(&mut index, &self.entries, place);
        }
        self.index = Some(Box::new(index));
    }

    fn place(&self, key: &Value<'_>) -> Option<usize> {
        match &self.index {
            Some(index) => {
                let same = |&place: &usize| self.entries[place].0 == *key;
                index.find(HASHER.hash_one(key), same).copied()
            }
            None => self.entries.iter().position(|(have, _)| have == key),
        }
    }

    pub fn get(&self, key: &Value<'_>) -> Option<&Value<'a>> {
        self.place(key).map(|place| &self.entries[place].1)
    }

    /// The value of a key that is a string.
    pub fn get_str(&self, key: &str) -> Option<&Value<'a>> {
        if self.index.is_some() {
            return self.get(&Value::from(key));
        }
        let found = self
            .entries
            .iter()
            .find(|(have, _)| have.as_str() == Some(key));
        found.map(|(_, value)| value)
    }

    pub fn get_str_mut(&mut self, key: &str) -> Option<&mut Value<'a>> {
        let place = self.place(&Value::from(key))?;
        Some(&mut self.entries[place].1)
    }

    pub fn contains_str(&self, key: &str) -> bool {
        self.get_str(key).is_some()
    }

    /// Takes an entry out; those behind it keep their order.
    pub fn remove_str(&mut self, key: &str) -> Option<Value<'a>> {
        let place = self.place(&Value::from(key))?;
        self.index = None;
        Some(self.entries.remove(place).1)
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&Value<'a>, &Value<'a>) -> bool) {
        self.index = None;
        self.entries.retain(|(key, value)| keep(key, value));
    }

    pub fn into_owned(self) -> Map<'static> {
        let owned = |(key, value): (Value<'_>, Value<'_>)| (key.into_owned(), value.into_owned());
        Map {
            entries: self.entries.into_iter().map(owned).collect(),
            index: self.index,
        }
    }
}

fn index_entry(index: &mut HashTable<usize>, entries: &[(Value<'_>, Value<'_>)], place: usize) {
    let hash = |&place: &usize| HASHER.hash_one(&entries[place].0);
    index.insert_unique(hash(&place), place, hash);
}

impl<'a> IntoIterator for Map<'a> {
    type Item = (Value<'a>, Value<'a>);
    type IntoIter = std::vec::IntoIter<(Value<'a>, Value<'a>)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a, K: Into<Value<'a>>, V: Into<Value<'a>>> FromIterator<(K, V)> for Map<'a> {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(entries: T) -> Self {
        let mut map = Self::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

/// Equal whatever the order is, as in Java.
impl PartialEq for Map<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && (self.entries == other.entries
                || self
                    .iter()
                    .all(|(key, value)| other.get(key) == Some(value)))
    }
}

impl Eq for Map<'_> {}

impl fmt::Debug for Map<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
