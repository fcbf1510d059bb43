use std::fmt::Debug;

use crate::model::message::PublishedMessage;
use crate::model::stored::{Lsn, Reference};

/// Where messages are that a queue does not have in memory: the door between the pure queue and the
/// journal.
///
/// A queue calls it while it is being changed, so it must not call back.
pub(crate) trait Pager: Debug + Send + Sync {
    /// Whether what ends there can be read back.
    fn is_written(&self, end: Lsn) -> bool;

    /// Reads messages of one segment, each by its reference and the offset where it was: as many as
    /// were asked for, and none for what can't be read.
    fn read(&self, segment: u32, messages: &[(Reference, u32)]) -> Vec<Option<PublishedMessage>>;
}
