use smallvec::SmallVec;

use super::destinations::{Destinations, Target};

/// What a message matches at one exchange: destinations in as many parts as there are patterns that
/// match, none of them empty; or one destination that was chosen among all.
#[derive(Debug)]
pub(crate) struct Found<'t, Q> {
    sets: SmallVec<[&'t Destinations<Q>; 8]>,
    chosen: Option<&'t Target<Q>>,
    /// How many sets there were when the repeated ones were taken out last.
    distinct: usize,
}

/// How many sets may be there twice before they are looked through.
const REPEATED_MAX: usize = 64;

impl<Q> Default for Found<'_, Q> {
    fn default() -> Self {
        Self { sets: SmallVec::new(), chosen: None, distinct: 0 }
    }
}

impl<'t, Q: Clone> Found<'t, Q> {
    /// Whether nothing matches.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts() == 0
    }

    /// How many parts there are: each has a destination at most once.
    pub(crate) fn parts(&self) -> usize {
        self.sets.len() + usize::from(self.chosen.is_some())
    }

    /// All that was found.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &'t Target<Q>> {
        self.sets.iter().flat_map(|set| set.targets()).chain(self.chosen)
    }

    pub(crate) fn clear(&mut self) {
        self.sets.clear();
        self.chosen = None;
        self.distinct = 0;
    }

    pub(crate) fn extend(&mut self, sets: impl IntoIterator<Item = &'t Destinations<Q>>) {
        self.sets.extend(sets);
    }

    pub(crate) fn choose(&mut self, target: Option<&'t Target<Q>>) {
        self.chosen = target;
    }

    /// One of several keys was looked up: what they find alike is kept once, before it grows.
    pub(super) fn next_key(&mut self) {
        if self.sets.len() > 2 * self.distinct + REPEATED_MAX {
            self.collapse();
        }
    }

    /// Takes out the sets that are there more than once.
    pub(super) fn collapse(&mut self) {
        let place = |set: &&Destinations<Q>| std::ptr::from_ref(*set).addr();
        self.sets.sort_unstable_by_key(place);
        self.sets.dedup_by_key(|set| place(set));
        self.distinct = self.sets.len();
    }
}
