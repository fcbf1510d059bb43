//! Queues whose messages need not be in memory: what was taken out is read back from the journal.

use crate::model::message::PublishedMessage;
use crate::model::queue::Pager;
use crate::model::stored::{Lsn, Reference};
use crate::store::Journal;

impl Pager for Journal {
    fn is_written(&self, end: Lsn) -> bool {
        Self::is_written(self, end)
    }

    fn read(&self, segment: u32, messages: &[(Reference, u32)]) -> Vec<Option<PublishedMessage>> {
        Self::read(self, segment, messages)
    }
}
