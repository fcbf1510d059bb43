//! What a queue has to tell the journal.

use std::time::Duration;

use super::run::Run;
use crate::model::stored::Reference;

/// What became of messages that the journal keeps, since it was last asked for.
#[derive(Debug, Default)]
pub(crate) struct JournalChanges {
    /// These are done with.
    pub(crate) settled: SettledReferences,
    /// These have come back, in the order in which they did.
    pub(crate) returned: Vec<ReturnedReference>,
    /// What is settled was the front of a stream, which begins with this offset now.
    pub(crate) stream_start: Option<u64>,
}

/// A message that has come back to its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReturnedReference {
    pub(crate) reference: Reference,
    pub(crate) delivery_count: u32,
    /// When it is ready again, by the broker's clock, if it waits for that.
    pub(crate) retry_at: Option<Duration>,
}

/// References that are done with.
///
/// Of messages that were not in memory there may be millions: they stay in their runs, which take
/// less.
#[derive(Debug, Default)]
pub(crate) struct SettledReferences {
    references: Vec<Reference>,
    runs: Vec<Run>,
}

impl SettledReferences {
    pub(crate) fn is_empty(&self) -> bool {
        self.references.is_empty() && self.runs.is_empty()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.references.len() + self.runs.iter().map(Run::len).sum::<usize>()
    }

    /// Adds a message that the journal may keep.
    pub(crate) fn add(&mut self, reference: Option<Reference>) {
        self.references.extend(reference);
    }

    /// Adds messages that the journal keeps.
    pub(crate) fn extend(&mut self, references: impl IntoIterator<Item = Reference>) {
        self.references.extend(references);
    }

    pub(super) fn add_run(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// Gives them away in pieces of `max` at the most.
    pub(crate) fn in_pieces(self, max: usize, mut give: impl FnMut(&[Reference])) {
        for piece in self.references.chunks(max.max(1)) {
            give(piece);
        }
        let mut piece = Vec::new();
        for run in self.runs {
            for reference in run.references() {
                piece.push(reference);
                if piece.len() >= max {
                    give(&piece);
                    piece.clear();
                }
            }
        }
        if !piece.is_empty() {
            give(&piece);
        }
    }

    /// All of them.
    #[cfg(test)]
    pub(crate) fn all(self) -> Vec<Reference> {
        let mut all = Vec::new();
        self.in_pieces(usize::MAX, |piece| all.extend_from_slice(piece));
        all
    }
}
