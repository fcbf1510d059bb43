use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

/// A persistent map for sizes that are mostly tiny: a clone is O(1), a change copies a path.
///
/// Up to [`FEW_MAX`] entries are one shared list, searched from its start, which is both
/// smaller and faster than a hash map's node; beyond that it is a persistent hash map. A
/// topology holds thousands of these maps, nearly all with an entry or two.
#[derive(Debug, Clone, Default)]
pub(crate) enum SmallMap<K, V> {
    /// Nothing, without an allocation.
    #[default]
    Empty,
    /// A few entries in the order they came.
    Few(Arc<Vec<(K, V)>>),
    /// More than a few.
    Many(imbl::HashMap<K, V>),
}

/// The most entries that are kept as a list.
const FEW_MAX: usize = 8;
/// A hash map that shrinks to this many entries becomes a list again; less than [`FEW_MAX`], so
/// that a map which grows and shrinks by one entry does not change its form each time.
const FEW_AGAIN: usize = 4;

impl<K: Clone + Eq + Hash, V: Clone> SmallMap<K, V> {
    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Few(entries) => entries.len(),
            Self::Many(map) => map.len(),
        }
    }

    /// Whether there is no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value under `key`.
    pub(crate) fn get<B>(&self, key: &B) -> Option<&V>
    where
        K: Borrow<B>,
        B: Eq + Hash + ?Sized,
    {
        match self {
            Self::Empty => None,
            Self::Few(entries) => {
                entries.iter().find(|(present, _)| present.borrow() == key).map(|(_, value)| value)
            }
            Self::Many(map) => map.get(key),
        }
    }

    /// The value under `key`, to be changed; what is shared is copied first.
    pub(crate) fn get_mut<B>(&mut self, key: &B) -> Option<&mut V>
    where
        K: Borrow<B>,
        B: Eq + Hash + ?Sized,
    {
        match self {
            Self::Empty => None,
            Self::Few(entries) => {
                let place = entries.iter().position(|(present, _)| present.borrow() == key)?;
                Arc::make_mut(entries).get_mut(place).map(|(_, value)| value)
            }
            Self::Many(map) => map.get_mut(key),
        }
    }

    /// The value under `key`, which is put there first when nothing is.
    pub(crate) fn get_or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        self.prepare_for(&key);
        match self {
            Self::Many(map) => map.entry(key).or_insert_with(value),
            Self::Empty | Self::Few(_) => {
                let entries = Arc::make_mut(self.few());
                let place = entries.iter().position(|(present, _)| *present == key);
                let place = place.unwrap_or_else(|| {
                    entries.push((key, value()));
                    entries.len() - 1
                });
                #[expect(clippy::indexing_slicing, reason = "the place was found or pushed above")]
                &mut entries[place].1
            }
        }
    }

    /// Puts `value` under `key`; returns what was there.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(present) = self.get_mut(&key) {
            return Some(std::mem::replace(present, value));
        }
        self.get_or_insert_with(key, || value);
        None
    }

    /// Takes the entry under `key` out.
    pub(crate) fn remove<B>(&mut self, key: &B) -> Option<V>
    where
        K: Borrow<B>,
        B: Eq + Hash + ?Sized,
    {
        let removed = match self {
            Self::Empty => None,
            Self::Few(entries) => {
                let place = entries.iter().position(|(present, _)| present.borrow() == key)?;
                Some(Arc::make_mut(entries).swap_remove(place).1)
            }
            Self::Many(map) => map.remove(key),
        };
        match self {
            Self::Few(entries) if entries.is_empty() => *self = Self::Empty,
            Self::Many(map) if map.len() <= FEW_AGAIN => {
                *self = Self::Few(Arc::new(std::mem::take(map).into_iter().collect()));
            }
            _ => {}
        }
        removed
    }

    /// The entries, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let (few, many) = match self {
            Self::Empty => (None, None),
            Self::Few(entries) => (Some(entries.iter()), None),
            Self::Many(map) => (None, Some(map.iter())),
        };
        few.into_iter().flatten().map(|(key, value)| (key, value)).chain(many.into_iter().flatten())
    }

    /// Turns a full list into a hash map when `key` would be one too many.
    fn prepare_for(&mut self, key: &K) {
        if let Self::Few(entries) = self
            && entries.len() >= FEW_MAX
            && !entries.iter().any(|(present, _)| present == key)
        {
            *self = Self::Many(entries.iter().cloned().collect());
        }
    }

    /// The list of a map that is no hash map.
    fn few(&mut self) -> &mut Arc<Vec<(K, V)>> {
        if !matches!(self, Self::Few(_)) {
            *self = Self::Few(Arc::new(Vec::with_capacity(1)));
        }
        match self {
            Self::Few(entries) => entries,
            Self::Empty | Self::Many(_) => unreachable!("it was made a list above"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_behaves_as_a_map_does(changes in proptest::collection::vec((0u8..24, any::<Option<u16>>()), 0..200)) {
            let mut map = SmallMap::default();
            let mut naive = HashMap::new();
            for (key, change) in changes {
                let before = (map.clone(), naive.clone());
                match change {
                    Some(value) => prop_assert_eq!(map.insert(key, value), naive.insert(key, value)),
                    None => prop_assert_eq!(map.remove(&key), naive.remove(&key)),
                }
                prop_assert_eq!(map.len(), naive.len());
                prop_assert_eq!(map.is_empty(), naive.is_empty());
                prop_assert_eq!(entries(&map), naive.clone());
                // A clone taken before the change is not touched by it.
                prop_assert_eq!(entries(&before.0), before.1);
            }
        }
    }

    fn entries(map: &SmallMap<u8, u16>) -> HashMap<u8, u16> {
        map.iter().map(|(key, value)| (*key, *value)).collect()
    }

    #[test]
    fn it_changes_its_form_as_it_grows_and_shrinks() {
        let mut map = SmallMap::default();
        for key in 0..=FEW_MAX {
            assert!(!matches!(map, SmallMap::Many(_)));
            map.insert(key, ());
        }
        assert!(matches!(map, SmallMap::Many(_)));
        for key in 0..=FEW_MAX {
            map.remove(&key);
        }
        assert!(matches!(map, SmallMap::Empty));
    }
}
