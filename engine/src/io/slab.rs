//! Numbered places. A number carries the generation of its place, so a stale one finds nothing.
//!
//! ```text
//! key: | generation, 12 bits | index, 20 bits |
//! ```

/// Places of `T`, found by key in one step. Freed places are used again, the last one first.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    limit: usize,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    /// An empty slab that never holds more than `limit` values.
    pub(super) fn new(limit: usize) -> Self {
        assert!(
            limit <= 1 << INDEX_BITS,
            "an index fits its bits of the key"
        );
        Self {
            places: Vec::new(),
            free: Vec::new(),
            limit,
        }
    }

    /// Puts a value in a free place.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(index) = self.free.pop() {
            let place = &mut self.places[index as usize];
            assert!(place.value.is_none(), "a place in the free list is empty");
            place.value = Some(value);
            return key(index, place.generation);
        }
        assert!(
            self.places.len() < self.limit,
            "no more than {} at a time: the caller bounds what it has under way",
            self.limit
        );
        let index = u32::try_from(self.places.len()).expect("the limit fits 20 bits");
        self.places.push(Place {
            generation: 0,
            value: Some(value),
        });
        key(index, 0)
    }

    /// The value of this key, unless it was removed.
    pub(super) fn get(&self, key: u32) -> Option<&T> {
        let place = self.places.get(index_of(key))?;
        if place.generation == generation_of(key) {
            place.value.as_ref()
        } else {
            None
        }
    }

    /// The value of this key, unless it was removed.
    pub(super) fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        let place = self.places.get_mut(index_of(key))?;
        if place.generation == generation_of(key) {
            place.value.as_mut()
        } else {
            None
        }
    }

    /// Takes the value out. Its key finds nothing from now on.
    pub(super) fn remove(&mut self, key: u32) -> Option<T> {
        let place = self.places.get_mut(index_of(key))?;
        if place.generation != generation_of(key) {
            return None;
        }
        let value = place.value.take()?;
        place.generation = (place.generation + 1) & GENERATION_MASK;
        self.free.push(key & INDEX_MASK);
        Some(value)
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether there is no value.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every key and value, in the order of the places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.places.iter().enumerate().filter_map(|(index, place)| {
            let value = place.value.as_ref()?;
            let index = u32::try_from(index).expect("the limit fits 20 bits");
            Some((key(index, place.generation), value))
        })
    }
}

const INDEX_BITS: u32 = 20;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;
const GENERATION_MASK: u32 = (1 << (32 - INDEX_BITS)) - 1;

fn key(index: u32, generation: u32) -> u32 {
    generation << INDEX_BITS | index
}

fn index_of(key: u32) -> usize {
    (key & INDEX_MASK) as usize
}

fn generation_of(key: u32) -> u32 {
    key >> INDEX_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut slab = Slab::new(4);
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!(index_of(first), index_of(second), "the place is used again");
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&'b'));
    }

    #[test]
    fn generations_wrap_without_meeting_the_index() {
        let mut slab = Slab::new(2);
        let kept = slab.insert(0);
        for round in 0..10_000 {
            let key = slab.insert(round);
            assert_eq!(slab.get(key), Some(&round));
            assert_eq!(slab.remove(key), Some(round));
        }
        assert_eq!(slab.get(kept), Some(&0));
        assert_eq!(slab.len(), 1);
        assert_eq!(
            slab.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
            [0]
        );
    }
}
