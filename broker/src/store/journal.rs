use std::task::{Poll, Waker};
use std::time::Duration;

use super::error::{Failure, StoreError};
use super::recovered::{RecoveredDefinition, RecoveredDelayed, RecoveredMessage, RecoveryReport};
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::stored::{Lsn, Place, Reference, Stored};

/// Why publishers are to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// There is little room left on the disk.
    DiskLow,
    /// Much waits to be written.
    Backlog,
}

/// Who is told that [`Journal::blocked`] or [`Journal::failure`] may have changed.
pub(crate) trait JournalObserver: std::fmt::Debug + Send + Sync {
    fn changed(&self);
}

/// The journal.
#[derive(Debug)]
pub(crate) struct Journal {
    state: std::sync::Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    next: u64,
    lsn: u64,
    messages: std::collections::BTreeMap<(u32, u32), PublishedMessage>,
    #[cfg(test)]
    hand: hand::Hand,
    #[cfg(test)]
    pub(super) alive: super::stand_in::Alive,
}

/// A store that was opened, before its messages are in their queues.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) journal: Journal,
    pub(crate) definitions: Vec<RecoveredDefinition>,
    pub(crate) delayed: Vec<RecoveredDelayed>,
    /// The largest number of a queue that anything in the journal names.
    pub(crate) highest_queue: QueueId,
    pub(crate) report: RecoveryReport,
}

impl Opened {
    /// Gives all messages that are alive, by their references where nothing was moved; what belongs
    /// to a queue that is not there any more (`is_there`) is settled.
    pub(crate) fn restore_messages(
        &mut self,
        _is_there: impl Fn(QueueId) -> bool,
        _take: impl FnMut(RecoveredMessage),
    ) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What is appended in one step; see [`Journal::append`].
#[derive(Debug)]
pub(crate) struct Append<'j> {
    state: &'j mut State,
}

impl Append<'_> {
    /// A message, for these queues: its reference in the first of them, from which the others count
    /// up. `published_at` is the time since 1970. With `replaces` these are settled in the same
    /// record: the message takes their place.
    pub(crate) fn message(
        &mut self,
        message: &PublishedMessage,
        queues: &[QueueId],
        published_at: Duration,
        replaces: &[Reference],
    ) -> Reference {
        let first = self.state.next + 1;
        self.state.next += queues.len() as u64;
        self.state.lsn += 1;
        let offset = u32::try_from(self.state.lsn).unwrap_or(u32::MAX);
        let segment = 1 + offset / 7;
        let place = Place { segment, offset, length: 1 };
        message.set_stored(Stored { place, end: Lsn(self.state.lsn) });
        self.state.messages.insert((segment, offset), message.clone());
        let first = Reference::new(first).unwrap_or(Reference::FIRST);
        #[cfg(test)]
        self.state.alive.message(message, first, queues, published_at);
        let _ = published_at;
        self.settle(replaces);
        first
    }

    /// A message that waits at a delayed exchange until `due`, the time since 1970.
    pub(crate) fn delayed(
        &mut self,
        message: &PublishedMessage,
        virtual_host: &str,
        exchange: &str,
        due: Duration,
    ) -> Reference {
        self.state.next += 1;
        self.state.lsn += 1;
        let reference = Reference::new(self.state.next).unwrap_or(Reference::FIRST);
        #[cfg(test)]
        self.state.alive.delayed(reference, message, (virtual_host, exchange), due);
        let _ = (message, virtual_host, exchange, due);
        reference
    }

    /// A definition, as the engine encodes it.
    pub(crate) fn definition(&mut self, content: &[u8]) -> Reference {
        self.state.next += 1;
        self.state.lsn += 1;
        let reference = Reference::new(self.state.next).unwrap_or(Reference::FIRST);
        #[cfg(test)]
        self.state.alive.definition(reference, content);
        let _ = content;
        reference
    }

    /// These are done with, for ever.
    pub(crate) fn settle(&mut self, references: &[Reference]) {
        #[cfg(test)]
        self.state.alive.settle(references);
        let _ = references;
    }

    /// A message has come back to its queue: its failed deliveries, and when it is tried again (the
    /// time since 1970) if it waits for that.
    pub(crate) fn returned(
        &mut self,
        reference: Reference,
        delivery_count: u32,
        retry_at: Option<Duration>,
    ) {
        #[cfg(test)]
        self.state.alive.returned(reference, delivery_count, retry_at);
        let _ = (reference, delivery_count, retry_at);
    }
}

impl Journal {
    /// Appends records, each of which survives or not by itself. `write` must not block. What it
    /// returns, and what has to be synced for all of it to be safe.
    ///
    /// # Errors
    ///
    /// Nothing was appended.
    pub(crate) fn append<T>(
        &self,
        write: impl FnOnce(&mut Append<'_>) -> T,
    ) -> Result<(T, Lsn), Failure> {
        #[cfg(test)]
        self.fullness()?;
        self.append_always(None, write)
    }

    /// Appends what makes room, or is small: it is taken when there is no room for messages too.
    /// With `together` these are so many bytes at the most, and survive together or not at all.
    ///
    /// # Errors
    ///
    /// Nothing was appended: the store has failed.
    pub(crate) fn append_always<T>(
        &self,
        _together: Option<usize>,
        write: impl FnOnce(&mut Append<'_>) -> T,
    ) -> Result<(T, Lsn), Failure> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        #[cfg(test)]
        if let Some(failure) = &state.hand.failure {
            return Err(failure.clone());
        }
        let result = write(&mut Append { state: &mut state });
        Ok((result, Lsn(state.lsn)))
    }

    /// Appends records that survive together or not at all. `bytes` is no less than what they take:
    /// the sum of [`Self::message_bound`] and [`Self::SMALL_BOUND`] for every other.
    ///
    /// # Errors
    ///
    /// Nothing was appended.
    pub(crate) fn append_together<T>(
        &self,
        _bytes: usize,
        write: impl FnOnce(&mut Append<'_>) -> T,
    ) -> Result<(T, Lsn), Failure> {
        self.append(write)
    }

    /// What a message takes at the most, in bytes, without what it replaces.
    pub(crate) fn message_bound(message: &PublishedMessage, queues: usize) -> usize {
        message.charge() + 1024 + 20 * queues
    }

    /// What a definition takes at the most beside its content, and a settled or returned message.
    pub(crate) const SMALL_BOUND: usize = 64;

    /// Settles; when the store has failed this does nothing, and they come back at the next start.
    pub(crate) fn settle(&self, references: &[Reference]) {
        if !references.is_empty() {
            let _ = self.append_always(None, |append| append.settle(references));
        }
    }

    /// Whether what ends there is written, so that it can be read back (not: whether it is safe).
    pub(crate) fn is_written(&self, _lsn: Lsn) -> bool {
        true
    }

    /// Whether all up to there is safe; else the waker is called when it is, or can't be any more.
    pub(crate) fn poll_synced(&self, lsn: Lsn, waker: &Waker) -> Poll<Result<(), Failure>> {
        #[cfg(test)]
        return self.poll_hand(lsn, waker);
        #[cfg(not(test))]
        {
            let _ = (lsn, waker);
            Poll::Ready(Ok(()))
        }
    }

    /// Tells whenever [`blocked`](Self::blocked) or [`failure`](Self::failure) may have changed,
    /// without a lock of the journal.
    pub(crate) fn observe(&self, observer: std::sync::Arc<dyn JournalObserver>) {
        #[cfg(test)]
        self.lock().hand.observers.push(observer);
        #[cfg(not(test))]
        let _ = observer;
    }

    /// Why publishers are to wait, if they are.
    pub(crate) fn blocked(&self) -> Option<Blocked> {
        #[cfg(test)]
        return self.lock().hand.blocked;
        #[cfg(not(test))]
        None
    }

    /// Why nothing is appended any more, if that is so.
    pub(crate) fn failure(&self) -> Option<Failure> {
        #[cfg(test)]
        return self.lock().hand.failure.clone();
        #[cfg(not(test))]
        None
    }

    /// Reads messages of one segment back: each with its reference, since it may have been moved
    /// since, and the offset where it was. What is damaged is none, and reported.
    pub(crate) fn read(
        &self,
        segment: u32,
        messages: &[(Reference, u32)],
    ) -> Vec<Option<PublishedMessage>> {
        let state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let read =
            |(_, offset): &(Reference, u32)| state.messages.get(&(segment, *offset)).cloned();
        messages.iter().map(read).collect()
    }

    /// Writes and syncs all, marks the end as clean and gives the folder up. What comes later is
    /// refused.
    pub(crate) fn close(&self) {}

    /// A journal that keeps everything in memory.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Self {
        Self { state: std::sync::Mutex::default() }
    }
}

/// A journal whose disk a test moves by hand.
#[cfg(test)]
mod hand {
    use std::sync::{Arc, MutexGuard, PoisonError};
    use std::task::{Poll, Waker};

    use super::{Blocked, Failure, Journal, JournalObserver, Lsn, State};

    #[derive(Debug, Default)]
    pub(super) struct Hand {
        /// What is synced while syncs are held; none if all is at once.
        held_at: Option<u64>,
        waiting: Vec<Waker>,
        pub(super) failure: Option<Failure>,
        pub(super) blocked: Option<Blocked>,
        pub(super) observers: Vec<Arc<dyn JournalObserver>>,
    }

    impl Journal {
        /// From now on nothing more is synced.
        pub(crate) fn hold_syncs(&self) {
            let mut state = self.lock();
            state.hand.held_at = Some(state.lsn);
        }

        /// Syncs all that was held back; what comes is held back all the same.
        pub(crate) fn sync(&self) {
            self.hold_syncs();
            self.wake();
        }

        /// As a sync that fails.
        pub(crate) fn fail(&self, reason: &str) {
            self.lock().hand.failure = Some(Failure::Failed(reason.to_owned()));
            self.wake();
            self.tell();
        }

        /// As a disk that fills, or has room again.
        pub(crate) fn set_blocked(&self, blocked: Option<Blocked>) {
            self.lock().hand.blocked = blocked;
            self.tell();
        }

        pub(super) fn poll_hand(&self, lsn: Lsn, waker: &Waker) -> Poll<Result<(), Failure>> {
            let mut state = self.lock();
            if state.hand.held_at.is_none_or(|synced| lsn.0 <= synced) {
                return Poll::Ready(Ok(()));
            }
            if let Some(failure) = &state.hand.failure {
                return Poll::Ready(Err(failure.clone()));
            }
            state.hand.waiting.push(waker.clone());
            Poll::Pending
        }

        pub(in crate::store) fn lock(&self) -> MutexGuard<'_, State> {
            self.state.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn wake(&self) {
            let waiting = std::mem::take(&mut self.lock().hand.waiting);
            waiting.into_iter().for_each(Waker::wake);
        }

        fn tell(&self) {
            let observers = self.lock().hand.observers.clone();
            observers.iter().for_each(|observer| observer.changed());
        }
    }
}
