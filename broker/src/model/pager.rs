//! Messages that are on the disk alone, as the pure model knows them.

#[cfg(test)]
mod disk;

use std::fmt::Debug;
use std::time::Duration;

#[cfg(test)]
pub(crate) use disk::Disk;

use super::message::PublishedMessage;
use super::stored::{Lsn, Reference};

/// How long who could not read messages back waits until it tries again.
pub(crate) const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Where messages are that are not in memory: the door between the pure model and the journal.
///
/// Who is being changed calls it, so it must not call back.
pub(crate) trait Pager: Debug + Send + Sync {
    /// Whether what ends there can be read back.
    fn is_written(&self, end: Lsn) -> bool;

    /// Reads messages of one segment, each by its reference and the offset where it was: as many
    /// outcomes as were asked for.
    fn read(&self, segment: u32, messages: &[(Reference, u32)]) -> Vec<ReadBack>;
}

/// What became of reading a message back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ReadBack {
    Message(PublishedMessage),
    /// It is damaged, or gone, for good.
    Lost,
    /// The disk does not give it now; it is tried again [later](READ_AGAIN_AFTER).
    NotNow,
}

/// The next message can't be read now, though it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotReadNow;
