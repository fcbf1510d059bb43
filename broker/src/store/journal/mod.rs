//! The journal while the broker runs.
//!
//! # Layout
//!
//! - `log`, `append`, `chunks`: what is under the append lock; records are encoded into chunks.
//! - `late`: what is said of messages while no more can be lined up.
//! - `liveness`, `home`, `moved`, `segment`: which references are alive, and where.
//! - `core`, `writer`, `spare`, `space`, `waiters`: writing and syncing, step by step.
//! - `maintenance`, `compaction`: giving segments up.
//! - `read`, `files`: reading back.
//! - `threads`: what takes the steps.

mod append;
mod chunks;
mod close;
mod compaction;
mod core;
mod files;
mod home;
#[cfg(test)]
mod in_memory;
mod late;
mod liveness;
mod log;
mod maintenance;
mod moved;
mod open;
mod read;
mod segment;
mod settings;
mod space;
mod spare;
#[cfg(test)]
mod tests;
mod threads;
mod waiters;
mod writer;

use std::sync::Arc;
use std::task::{Poll, Waker};

use self::core::{Appended, Core};
use super::disk::FolderLock;
use super::error::Failure;
use crate::model::message::PublishedMessage;
use crate::model::pager::ReadBack;
use crate::model::stored::{Lsn, Reference};
use threads::Threads;

pub(crate) use append::Append;

use append::{delayed_bound, message_bound};
pub(crate) use open::{Opened, Taken};
pub(crate) use settings::JournalSettings;
pub(crate) use space::Blocked;

/// Who is told that [`Journal::blocked`] or [`Journal::failure`] may have changed. No lock of the
/// journal is held.
pub(crate) trait JournalObserver: std::fmt::Debug + Send + Sync {
    fn changed(&self);
}

/// The journal.
#[derive(Debug)]
pub(crate) struct Journal {
    core: Arc<Core>,
    threads: Threads,
    /// Keeps other processes out of the folder.
    lock: std::sync::Mutex<Option<FolderLock>>,
    #[cfg(test)]
    by_hand: in_memory::ByHand,
}

impl Journal {
    /// Appends records, each of which survives or not by itself; `bytes` is no less than what all take,
    /// as with [`Self::append_together`]. `write` must not block. What it returns, and what has to be
    /// synced for all of it to be safe.
    ///
    /// # Errors
    ///
    /// Nothing was appended.
    pub(crate) fn append<T>(
        &self,
        bytes: usize,
        write: impl FnOnce(&mut Append<'_>) -> T,
    ) -> Result<(T, Lsn), Failure> {
        self.append_as(Appended::Messages, bytes, None, write)
    }

    /// Appends records that survive together or not at all. `bytes` is no less than what they take:
    /// the sum of [`Self::message_bound`], [`Self::delayed_bound`], and [`Self::SMALL_BOUND`] for every
    /// other.
    ///
    /// # Errors
    ///
    /// Nothing was appended.
    pub(crate) fn append_together<T>(
        &self,
        bytes: usize,
        write: impl FnOnce(&mut Append<'_>) -> T,
    ) -> Result<(T, Lsn), Failure> {
        self.append_as(Appended::Messages, bytes, Some(bytes), write)
    }

    /// Appends what makes room, or is small: it is taken when there is no room for messages too.
    /// With `together` these are so many bytes at the most, and survive together or not at all.
    ///
    /// # Errors
    ///
    /// Nothing was appended: the store has failed.
    pub(crate) fn append_always<T>(
        &self,
        together: Option<usize>,
        write: impl FnOnce(&mut Append<'_>) -> T,
    ) -> Result<(T, Lsn), Failure> {
        self.append_as(Appended::Changes, 0, together, write)
    }

    /// Appends that messages have come back. Nobody waits for it: where much waits to be written
    /// it may come later than what is appended afterwards.
    pub(crate) fn append_returned(&self, write: impl FnOnce(&mut Append<'_>)) {
        // A journal that takes nothing more has failed, and said so.
        let _ = self.append_as(Appended::Returns, 0, None, write);
    }

    fn append_as<T>(
        &self,
        kind: Appended,
        bytes: usize,
        together: Option<usize>,
        write: impl FnOnce(&mut Append<'_>) -> T,
    ) -> Result<(T, Lsn), Failure> {
        let appended = self.core.append(kind, bytes, together, write);
        #[cfg(test)]
        self.by_hand.appended(&self.core);
        appended
    }

    /// What a message takes at the most, in bytes, without what it replaces.
    pub(crate) fn message_bound(message: &PublishedMessage, queues: usize) -> usize {
        message_bound(message, queues)
    }

    /// What a message takes at the most that waits at this delayed exchange.
    pub(crate) fn delayed_bound(
        message: &PublishedMessage,
        virtual_host: &str,
        exchange: &str,
    ) -> usize {
        delayed_bound(message, virtual_host, exchange)
    }

    /// What a definition takes at the most beside its content, and a settled or returned message.
    pub(crate) const SMALL_BOUND: usize = 96;

    /// Settles; when the store has failed this does nothing, and they come back at the next start.
    pub(crate) fn settle(&self, references: &[Reference]) {
        if !references.is_empty() {
            let settle = |append: &mut Append<'_>| append.settle(references);
            let _ = self.append_as(Appended::Settlements, 0, None, settle);
        }
    }

    /// Whether what ends there is written, so that it can be read back (not: whether it is safe).
    pub(crate) fn is_written(&self, lsn: Lsn) -> bool {
        self.core.is_written(lsn)
    }

    /// Whether all up to there is safe; else the waker is called when it is, or can't be any more.
    pub(crate) fn poll_synced(&self, lsn: Lsn, waker: &Waker) -> Poll<Result<(), Failure>> {
        self.core.poll_safe(lsn, waker)
    }

    /// Whether all up to there is safe by now.
    pub(crate) fn is_synced(&self, lsn: Lsn) -> bool {
        self.core.is_safe(lsn)
    }

    /// Why publishers are to wait, if they are.
    pub(crate) fn blocked(&self) -> Option<Blocked> {
        #[cfg(test)]
        if let Some(blocked) = self.by_hand.blocked() {
            return blocked;
        }
        self.core.blocked()
    }

    /// Why nothing is appended any more, if that is so.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.core.failure().cloned()
    }

    /// Has somebody told of changes.
    pub(crate) fn observe(&self, observer: Arc<dyn JournalObserver>) {
        self.core.observe(observer);
    }

    /// Reads messages of one segment back: each with its reference, since it may have been moved
    /// since, and the offset where it was. What is damaged is reported.
    pub(crate) fn read(&self, segment: u32, messages: &[(Reference, u32)]) -> Vec<ReadBack> {
        self.core.read(segment, messages)
    }

    /// How many times a segment was synced.
    #[cfg(test)]
    pub(crate) fn syncs(&self) -> u64 {
        self.core.syncs()
    }

    /// Writes and syncs all, marks the end as clean and gives the folder up. What comes later is
    /// refused.
    pub(crate) fn close(&self) {
        self.threads.stop(&self.core);
        self.core.close();
        self.core.tell_news();
        self.give_up_folder();
    }

    fn give_up_folder(&self) {
        drop(self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
    }
}

/// A journal that is dropped without being closed writes what it has; the next start finds that the
/// end is not clean.
impl Drop for Journal {
    fn drop(&mut self) {
        self.threads.stop(&self.core);
    }
}
