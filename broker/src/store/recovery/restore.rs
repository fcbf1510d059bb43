use super::Recovered;
use super::indexed::index_of;
use crate::model::stored::{Place, Reference};
use crate::store::disk::Disk;
use crate::store::error::StoreError;
use crate::store::format::index::{Entry, EntryRecord, Index};
use crate::store::recovered::RecoveredMessage;
use crate::store::reference_set::{Lookup, ReferenceSet};

/// Something that was appended and not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Alive {
    /// A message in a queue.
    Message(RecoveredMessage),
    /// A delayed message.
    Delayed { reference: Reference, place: Place },
    /// A definition.
    Definition { reference: Reference, place: Place },
}

impl Recovered {
    /// Gives all that is alive, each once, in the order in which it lies in the segments: by its
    /// reference, but for what was moved.
    ///
    /// # Errors
    ///
    /// A segment can't be opened any more.
    pub(crate) fn restore(
        &mut self,
        disk: &dyn Disk,
        mut take: impl FnMut(Alive),
    ) -> Result<(), StoreError> {
        let mut restore = Restore {
            settled: self.settled.lookup(),
            moved: &self.moved,
            taken: ReferenceSet::default(),
        };
        let mut messages = 0;
        for segment in &self.segments {
            let read;
            let bytes = match &segment.index {
                Some(bytes) => bytes,
                None => {
                    read = index_of(disk, &segment.found)?.bytes;
                    &read
                }
            };
            let Some(index) = Index::decode_unchecked(bytes) else { continue };
            for Entry { offset, length, record } in index.entries() {
                let place = Place { segment: index.number, offset, length };
                match record {
                    EntryRecord::Message(entry) => {
                        for (queue, reference) in entry.queues {
                            if !restore.is_alive_here(reference, entry.is_moved) {
                                continue;
                            }
                            messages += 1;
                            let returned = self.returned.get(&reference);
                            take(Alive::Message(RecoveredMessage {
                                queue,
                                reference,
                                place,
                                body_len: entry.body_len,
                                published_at: entry.published_at,
                                expiration: entry.expiration,
                                priority: entry.priority.unwrap_or_default(),
                                delivery_count: returned.map_or(0, |it| it.delivery_count),
                                redelivered: returned.is_some()
                                    || reference.number() < self.delivered_below,
                                retry_at: returned.and_then(|it| it.retry_at),
                            }));
                        }
                    }
                    EntryRecord::Delayed { reference, is_moved }
                        if restore.is_alive_here(reference, is_moved) =>
                    {
                        messages += 1;
                        take(Alive::Delayed { reference, place });
                    }
                    EntryRecord::Definition { reference, is_moved, .. }
                        if restore.is_alive_here(reference, is_moved) =>
                    {
                        take(Alive::Definition { reference, place });
                    }
                    _ => {}
                }
            }
        }
        self.report.messages = messages;
        Ok(())
    }
}

/// Tells what is alive, and each once: when a broker ended while it moved records, both the original
/// and the copy are there.
struct Restore<'r> {
    settled: Lookup<'r>,
    moved: &'r ReferenceSet,
    /// Of those that were moved.
    taken: ReferenceSet,
}

impl Restore<'_> {
    #[inline]
    fn is_alive_here(&mut self, reference: Reference, is_moved: bool) -> bool {
        if self.settled.contains(reference) {
            return false;
        }
        if self.moved.is_empty() || !self.moved.contains(reference) {
            return true;
        }
        is_moved && self.taken.insert(reference)
    }
}
