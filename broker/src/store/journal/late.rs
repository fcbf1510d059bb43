//! What is said of messages while more waits to be written than should: it is not lined up with the
//! rest, but gathered, so that it takes no more memory than the messages did.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::stored::Reference;
use crate::store::format::record::ReturnedRecord;

/// What is written of it in one step under the append lock.
const WRITTEN_AT_ONCE: usize = 1 << 12;

/// Settlements and returns that nobody waits for, each reference once.
#[derive(Debug, Default)]
pub(super) struct Late {
    settled: BTreeSet<Reference>,
    returned: BTreeMap<Reference, ReturnedRecord>,
}

impl Late {
    pub(super) fn is_empty(&self) -> bool {
        self.settled.is_empty() && self.returned.is_empty()
    }

    pub(super) fn settle(&mut self, references: &[Reference]) {
        for reference in references {
            self.returned.remove(reference);
            self.settled.insert(*reference);
        }
    }

    /// The last word counts.
    pub(super) fn return_again(&mut self, record: ReturnedRecord) {
        self.returned.insert(record.reference, record);
    }

    /// Takes what is to be written next: settlements, or else returns.
    pub(super) fn take(&mut self) -> (Vec<Reference>, Vec<ReturnedRecord>) {
        let settled: Vec<_> =
            std::iter::from_fn(|| self.settled.pop_first()).take(WRITTEN_AT_ONCE).collect();
        let rest = WRITTEN_AT_ONCE - settled.len();
        let returned = std::iter::from_fn(|| self.returned.pop_first()).take(rest);
        let returned = returned.map(|(_, record)| record).collect();
        (settled, returned)
    }

    /// Nothing is written any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
