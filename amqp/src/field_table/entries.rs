use indexmap::IndexMap;

use super::FieldValue;
use crate::ShortString;

/// With more, a hash finds a name sooner than a look at each.
const FEW_MAX: usize = 8;

/// The entries of a table, in their order: mostly a few, of which a list costs least.
#[derive(Debug, Clone)]
pub(super) enum Entries {
    Few(Vec<(ShortString, FieldValue)>),
    Many(Box<IndexMap<ShortString, FieldValue, ahash::RandomState>>),
}

impl Entries {
    pub(super) fn get(&self, name: &str) -> Option<&FieldValue> {
        match self {
            Self::Few(entries) => {
                entries.iter().find(|(known, _)| known == name).map(|(_, value)| value)
            }
            Self::Many(entries) => entries.get(name),
        }
    }

    /// Puts a value in the place of what was there, or at the end.
    pub(super) fn insert(&mut self, name: ShortString, value: FieldValue) -> Option<FieldValue> {
        match self {
            Self::Few(entries) => {
                if let Some((_, old)) = entries.iter_mut().find(|(known, _)| *known == *name) {
                    return Some(std::mem::replace(old, value));
                }
                if entries.len() < FEW_MAX {
                    entries.push((name, value));
                } else {
                    let entries = entries.drain(..).chain([(name, value)]);
                    *self = Self::Many(Box::new(entries.collect()));
                }
                None
            }
            Self::Many(entries) => entries.insert(name, value),
        }
    }

    /// Takes an entry out; the others keep their order.
    pub(super) fn remove(&mut self, name: &str) -> Option<FieldValue> {
        match self {
            Self::Few(entries) => {
                let place = entries.iter().position(|(known, _)| known == name)?;
                Some(entries.remove(place).1)
            }
            Self::Many(entries) => entries.shift_remove(name),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(entries) => entries.len(),
            Self::Many(entries) => entries.len(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&ShortString, &FieldValue)> {
        let (few, many) = match self {
            Self::Few(entries) => (entries.as_slice(), None),
            Self::Many(entries) => (&[][..], Some(entries)),
        };
        let many = many.into_iter().flat_map(|entries| entries.iter());
        few.iter().map(|(name, value)| (name, value)).chain(many)
    }
}

impl Default for Entries {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

/// The order says nothing.
impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(name, value)| other.get(name) == Some(value))
    }
}

impl FromIterator<(ShortString, FieldValue)> for Entries {
    fn from_iter<I: IntoIterator<Item = (ShortString, FieldValue)>>(values: I) -> Self {
        let mut entries = Self::default();
        for (name, value) in values {
            entries.insert(name, value);
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> ShortString {
        ShortString::truncated(&number.to_string())
    }

    fn entries(numbers: impl IntoIterator<Item = usize>) -> Entries {
        numbers.into_iter().map(|number| (name(number), FieldValue::Void)).collect()
    }

    #[test]
    fn a_list_and_a_map_say_the_same() {
        for count in [1, FEW_MAX, FEW_MAX + 1, 100] {
            let mut all = entries(0..count);
            assert_eq!(matches!(all, Entries::Few(_)), count <= FEW_MAX);
            assert_eq!(all.len(), count);
            assert_eq!(all, entries((0..count).rev()), "the order says nothing");
            assert_ne!(all, entries(1..=count));
            assert_eq!(all.insert(name(0), true.into()), Some(FieldValue::Void));
            assert_eq!(all.get("0"), Some(&true.into()));
            assert_eq!(all.remove("0"), Some(true.into()));
            assert_eq!(all.remove("0"), None);
            let names: Vec<_> = all.iter().map(|(name, _)| name.clone()).collect();
            assert_eq!(names, (1..count).map(name).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_was_many_and_is_few_again_is_the_same_as_a_list() {
        let mut shrunk = entries(0..=FEW_MAX);
        shrunk.remove("0");
        assert_eq!(shrunk, entries(1..=FEW_MAX));
        assert_eq!(entries(1..=FEW_MAX), shrunk);
    }
}
