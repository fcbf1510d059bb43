use std::collections::HashMap;

use super::format::references::Run;
use crate::model::stored::Reference;

/// References in a chunk, as a power of two.
const CHUNK_BITS: u32 = 12;

const WORDS: usize = 1 << (CHUNK_BITS - u64::BITS.trailing_zeros());

type Chunk = Box<[u64; WORDS]>;

/// A set of references: a bit for each, in chunks of 4,096 that are there when something is in them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct ReferenceSet {
    chunks: HashMap<u64, Chunk>,
}

impl ReferenceSet {
    /// Adds one; whether it was not there.
    pub(crate) fn insert(&mut self, reference: Reference) -> bool {
        let (chunk, word, bit) = place(reference.number());
        let words = self.chunks.entry(chunk).or_insert_with(|| Box::new([0; WORDS]));
        match words.get_mut(word) {
            Some(word) => {
                let is_new = *word & bit == 0;
                *word |= bit;
                is_new
            }
            None => false,
        }
    }

    /// Adds all of a run.
    pub(crate) fn insert_run(&mut self, run: Run) {
        for reference in run.references() {
            self.insert(reference);
        }
    }

    #[inline]
    pub(crate) fn contains(&self, reference: Reference) -> bool {
        let (chunk, word, bit) = place(reference.number());
        let words = self.chunks.get(&chunk);
        words.and_then(|words| words.get(word)).is_some_and(|word| word & bit != 0)
    }

    /// Looks several up, of which most are near each other.
    pub(crate) fn lookup(&self) -> Lookup<'_> {
        Lookup { set: self, chunk: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }
}

/// Remembers the chunk of what was looked up last.
#[derive(Debug)]
pub(crate) struct Lookup<'s> {
    set: &'s ReferenceSet,
    chunk: Option<(u64, Option<&'s Chunk>)>,
}

impl Lookup<'_> {
    #[inline]
    pub(crate) fn contains(&mut self, reference: Reference) -> bool {
        let (number, word, bit) = place(reference.number());
        let chunk = match self.chunk {
            Some((last, chunk)) if last == number => chunk,
            _ => {
                let chunk = self.set.chunks.get(&number);
                self.chunk = Some((number, chunk));
                chunk
            }
        };
        chunk.and_then(|words| words.get(word)).is_some_and(|word| word & bit != 0)
    }
}

#[inline]
fn place(number: u64) -> (u64, usize, u64) {
    let within = number & ((1 << CHUNK_BITS) - 1);
    let word = usize::try_from(within / u64::from(u64::BITS)).unwrap_or_default();
    (number >> CHUNK_BITS, word, 1 << (within % u64::from(u64::BITS)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn reference(number: u64) -> Reference {
        Reference::new(number).unwrap()
    }

    proptest! {
        #[test]
        fn it_is_a_set(numbers in prop::collection::vec(1_u64..20_000, 0..200), asked in 1_u64..20_000) {
            let mut set = ReferenceSet::default();
            let mut naive = BTreeSet::new();
            for number in &numbers {
                prop_assert_eq!(set.insert(reference(*number)), naive.insert(*number));
            }
            let mut lookup = set.lookup();
            for number in numbers.iter().chain([&asked]) {
                prop_assert_eq!(lookup.contains(reference(*number)), naive.contains(number));
                prop_assert_eq!(set.contains(reference(*number)), naive.contains(number));
            }
        }
    }
}
