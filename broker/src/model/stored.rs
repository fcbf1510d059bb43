//! What the pure model knows of the journal: numbers and places.

use std::num::NonZeroU64;

/// Stands for one thing that the journal keeps until it is settled: a message in one queue, a message
/// that is delayed, a definition. Counts up in the order in which these come, and is never given
/// twice, also not after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reference(NonZeroU64);

impl Reference {
    /// The first one of a journal.
    pub(crate) const FIRST: Self = Self(NonZeroU64::MIN);

    /// The reference with this number; none for 0.
    pub(crate) fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// Its number.
    pub(crate) fn number(self) -> u64 {
        self.0.get()
    }

    /// The one that comes so many after this.
    #[must_use]
    pub(crate) fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

/// How much of the journal comes before something: its log sequence number. What ends there is safe
/// once the journal is synced that far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lsn(pub(crate) u64);

impl Lsn {
    /// Nothing has to be waited for.
    pub(crate) const NONE: Self = Self(0);
}

/// Where a record lies in the journal's segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    /// In bytes from the segment's start.
    pub(crate) offset: u32,
    /// The whole record, in bytes.
    pub(crate) length: u32,
}

/// Where a message lies, and when it is safe there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) place: Place,
    /// The end of its record.
    pub(crate) end: Lsn,
}
