//! A journal that is too simple to be wrong: a map of messages.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::{Pager, ReadBack};
use crate::model::message::PublishedMessage;
use crate::model::stored::{Lsn, Place, Reference, Stored};

/// How many messages a segment has.
const SEGMENT: u64 = 5;

#[derive(Debug, Default)]
pub(crate) struct Disk(Mutex<Contents>);

#[derive(Debug, Default)]
struct Contents {
    next: u64,
    messages: BTreeMap<(u32, u32), (Reference, PublishedMessage)>,
    /// What ends later is not written yet.
    written: u64,
    reads: usize,
    /// From this one on nothing can be read now.
    fails_from: Option<Reference>,
}

impl Disk {
    /// Keeps a message.
    pub(crate) fn append(&self, message: &PublishedMessage) -> Reference {
        let mut contents = self.0.lock().unwrap();
        contents.next += 1;
        let number = contents.next;
        let segment = u32::try_from(number / SEGMENT).unwrap();
        let offset = u32::try_from(number % SEGMENT * 1_000).unwrap();
        let place = Place { segment, offset, length: 1_000 };
        message.set_stored(Stored { place, end: Lsn(number) });
        let reference = Reference::new(number).unwrap();
        contents.messages.insert((segment, offset), (reference, message.clone()));
        reference
    }

    /// Writes all so far.
    pub(crate) fn write(&self) {
        let mut contents = self.0.lock().unwrap();
        contents.written = contents.next;
    }

    /// This one can't be read any more.
    pub(crate) fn damage(&self, reference: Reference) {
        self.0.lock().unwrap().messages.retain(|_, (known, _)| *known != reference);
    }

    /// From this one on nothing can be read now; with none, all can.
    pub(crate) fn fail_from(&self, first: Option<Reference>) {
        self.0.lock().unwrap().fails_from = first;
    }

    /// How often something was read.
    pub(crate) fn reads(&self) -> usize {
        self.0.lock().unwrap().reads
    }
}

impl Pager for Disk {
    fn is_written(&self, end: Lsn) -> bool {
        end.0 <= self.0.lock().unwrap().written
    }

    fn read(&self, segment: u32, messages: &[(Reference, u32)]) -> Vec<ReadBack> {
        let mut contents = self.0.lock().unwrap();
        contents.reads += 1;
        let read = |(reference, offset): &(Reference, u32)| {
            if contents.fails_from.is_some_and(|first| *reference >= first) {
                return ReadBack::NotNow;
            }
            match contents.messages.get(&(segment, *offset)) {
                Some((known, message)) => {
                    assert_eq!(known, reference);
                    ReadBack::Message(message.clone())
                }
                None => ReadBack::Lost,
            }
        };
        messages.iter().map(read).collect()
    }
}
