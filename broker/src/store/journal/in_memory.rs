//! A journal for tests: on a disk in memory, and without threads. Every append takes its steps.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::core::{Core, StepError};
use super::{Blocked, Journal, JournalSettings, Opened, Taken};
use crate::model::ids::QueueId;
use crate::model::stored::Reference;
use crate::store::disk::simulated::SimulatedDisk;
use crate::store::error::StoreError;
use crate::store::folder::Folder;
use crate::store::recovered::{RecoveredMessage, RecoveryReport};

/// What a test does by hand.
#[derive(Debug, Default)]
pub(super) struct ByHand {
    /// Whether each append takes its steps, since there are no threads.
    is_on: bool,
    /// Whether nothing is written by itself, or synced.
    holds_writes: AtomicBool,
    holds_syncs: AtomicBool,
    /// What is said of blocked publishers, if not the truth.
    blocked: Mutex<Option<Option<Blocked>>>,
}

impl ByHand {
    pub(super) fn on() -> Self {
        Self { is_on: true, ..Self::default() }
    }

    pub(super) fn blocked(&self) -> Option<Option<Blocked>> {
        *self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn appended(&self, core: &Core) {
        if self.is_on {
            // What fails is told by the next call.
            let _ = self.step(core);
        }
    }

    fn step(&self, core: &Core) -> Result<(), StepError> {
        if self.holds_writes.load(Ordering::SeqCst) {
            return Ok(());
        }
        core.write_pending()?;
        if !self.holds_syncs.load(Ordering::SeqCst) {
            core.sync_written()?;
        }
        Ok(())
    }
}

impl Journal {
    /// A journal on a disk in memory.
    pub(crate) fn in_memory() -> Self {
        Self::in_segments(JournalSettings::default().segment_bytes)
    }

    /// The same with segments of so many bytes.
    pub(crate) fn in_segments(segment_bytes: u32) -> Self {
        Self::on(SimulatedDisk::new(1), segment_bytes)
    }

    /// The same on this disk.
    pub(crate) fn on(disk: SimulatedDisk, segment_bytes: u32) -> Self {
        let seed = Some(1);
        let settings = JournalSettings { seed, segment_bytes, ..JournalSettings::default() };
        let folder = Folder::open_on(Arc::new(disk)).unwrap();
        let Opened { journal, .. } = Self::open_folder(folder, settings).unwrap();
        let mut journal = Arc::into_inner(journal).unwrap();
        journal.by_hand = ByHand::on();
        journal
    }

    /// The store is opened again, by who comes after this one: after an orderly stop, or none.
    pub(crate) fn reopened(&self, is_orderly: bool) -> Opened {
        if is_orderly {
            self.close();
        } else {
            let end = self.core.lock().end();
            let _ = self.core.flush(end);
            self.core.fail("another has the folder".to_owned());
            self.give_up_folder();
        }
        let settings = JournalSettings { seed: Some(2), ..self.core.settings.clone() };
        let folder = Folder::open_on(Arc::clone(&self.core.disk)).unwrap();
        let mut opened = Self::open_folder(folder, settings).unwrap();
        Arc::get_mut(&mut opened.journal).unwrap().by_hand = ByHand::on();
        opened
    }

    /// As a disk that has no room for messages, or has some again.
    pub(crate) fn set_full(&self, is_full: bool) {
        self.core.space.set_free(if is_full { 0 } else { u64::MAX }, 0, 1);
    }

    /// Nothing is written from now on.
    pub(crate) fn hold_writes(&self) {
        self.by_hand.holds_writes.store(true, Ordering::SeqCst);
    }

    /// Nothing is synced from now on.
    pub(crate) fn hold_syncs(&self) {
        self.by_hand.holds_syncs.store(true, Ordering::SeqCst);
    }

    /// All that was appended so far is synced.
    pub(crate) fn sync(&self) {
        let end = self.core.lock().end();
        let _ = self.core.flush(end);
    }

    /// A sync fails.
    pub(crate) fn fail(&self, text: &str) {
        self.core.fail(text.to_owned());
        self.core.tell_news();
    }

    /// Says so of blocked publishers, whatever the truth.
    pub(crate) fn set_blocked(&self, blocked: Option<Blocked>) {
        *self.by_hand.blocked.lock().unwrap_or_else(PoisonError::into_inner) = Some(blocked);
        self.core.has_news();
        self.core.tell_news();
    }

    /// All that is alive: messages with their queue, and the rest.
    pub(crate) fn alive(&self) -> BTreeSet<(Option<QueueId>, Reference)> {
        let mut log = self.core.lock();
        let queues = std::mem::take(&mut log.queues);
        let alive = queues.iter().filter(|(reference, _)| log.liveness.is_alive(**reference));
        let alive = alive.map(|(reference, queue)| (*queue, *reference)).collect();
        log.queues = queues;
        alive
    }
}

impl Opened {
    /// Gives all messages that are alive, of whatever queue.
    pub(super) fn restore_all(
        &self,
        mut take: impl FnMut(RecoveredMessage),
    ) -> Result<RecoveryReport, StoreError> {
        self.restore_messages(|message| {
            take(message);
            Taken::Yes
        })
    }
}
