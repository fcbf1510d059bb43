//! What need not be in memory: it is read back from the journal.

use crate::model::pager::{Pager, ReadBack};
use crate::model::stored::{Lsn, Reference};
use crate::store::Journal;

impl Pager for Journal {
    fn is_written(&self, end: Lsn) -> bool {
        Self::is_written(self, end)
    }

    fn read(&self, segment: u32, messages: &[(Reference, u32)]) -> Vec<ReadBack> {
        Self::read(self, segment, messages)
    }
}
