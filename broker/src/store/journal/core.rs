//! The journal without its threads: every step is a call, so that a simulation can take them in any
//! order.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};

use super::JournalObserver;
use super::append::Append;
use super::files::OpenFiles;
use super::log::Log;
use super::maintenance::Maintenance;
use super::settings::JournalSettings;
use super::space::{Blocked, Space};
use super::spare::Spare;
use super::waiters::Waiters;
use super::writer::Writer;
use crate::config::Durability;
use crate::model::stored::Lsn;
use crate::store::disk::Disk;
use crate::store::error::Failure;

/// All of the journal.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) settings: JournalSettings,
    /// The append lock. Nothing is written or read under it.
    log: Mutex<Log>,
    /// There is something to write or to sync, or a step is done that others may wait for.
    pub(super) work: Condvar,
    /// How far the journal is written, and synced.
    written: AtomicU64,
    synced: AtomicU64,
    /// Whether somebody waits for a step of another is told through this.
    pub(super) stepped: Condvar,
    /// Who writes has it; taken before the append lock, if both are.
    pub(super) writer: Mutex<Writer>,
    /// Held for each sync: the operating system tells of a failure once.
    pub(super) syncing: Mutex<()>,
    /// The next segment's file; may be held for as long as one is allocated.
    pub(super) spare: Mutex<Spare>,
    pub(super) maintenance: Maintenance,
    pub(super) files: OpenFiles,
    pub(super) space: Space,
    /// How many syncs of segments there were.
    syncs: AtomicU64,
    waiters: Waiters,
    failure: OnceLock<Failure>,
    observers: Mutex<Vec<Arc<dyn JournalObserver>>>,
    /// Whether the observers are to be told something.
    has_news: AtomicBool,
}

/// Why a step of writing was not done to its end.
#[derive(Debug)]
pub(super) enum StepError {
    /// There is no room on the disk; it is tried again.
    NoRoom,
    /// The store has failed.
    Failed(Failure),
}

/// Whether a step did anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Done,
    /// There is nothing to do, or somebody else does it.
    Nothing,
}

impl Core {
    pub(super) fn new(disk: Arc<dyn Disk>, settings: JournalSettings, log: Log) -> Self {
        let start = log.end().0;
        let spare = Mutex::new(Spare::new(log.segment()));
        Self {
            files: OpenFiles::new(Arc::clone(&disk)),
            disk,
            settings,
            log: Mutex::new(log),
            work: Condvar::new(),
            stepped: Condvar::new(),
            written: AtomicU64::new(start),
            synced: AtomicU64::new(start),
            writer: Mutex::default(),
            syncing: Mutex::new(()),
            spare,
            maintenance: Maintenance::default(),
            syncs: AtomicU64::new(0),
            space: Space::default(),
            waiters: Waiters::default(),
            failure: OnceLock::new(),
            observers: Mutex::default(),
            has_news: AtomicBool::new(false),
        }
    }

    /// The append lock. A panic under it is one of a caller between two records: each is whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends records, and wakes who writes them. `bytes` is the most that messages take, and
    /// `group` the most that records take which belong together.
    pub(super) fn append<T>(
        &self,
        kind: Appended,
        bytes: usize,
        group: Option<usize>,
        write: impl FnOnce(&mut Append<'_>) -> T,
    ) -> Result<(T, Lsn), Failure> {
        let mut log = self.lock_to_append(kind)?;
        if kind == Appended::Messages && self.refuses(&log, bytes) {
            drop(log);
            self.tell_news();
            return Err(Failure::Full);
        }
        if let Some(bytes) = group {
            log.begin_group(bytes);
        }
        let is_late = kind.may_be_late() && self.takes_no_more(&log);
        let result = write(&mut Append { log: &mut log, is_late });
        log.end_group();
        let end = log.end();
        if kind != Appended::Settlements {
            log.progress.wanted = end.0;
        }
        let is_backlog = log.backlog() > self.backlog_max();
        if is_backlog && !std::mem::replace(&mut log.progress.is_backlogged, true) {
            self.space.set_backlogged(true);
            self.has_news();
        }
        let wakes = log.progress.idle > 0 && log.can_be_written();
        let has_dead = std::mem::take(&mut log.has_dead);
        drop(log);
        if wakes {
            self.work.notify_one();
        }
        if has_dead {
            self.maintenance.wake();
        }
        self.tell_news();
        Ok((result, end))
    }

    /// The append lock, if something may be appended. Before changes comes what is late: who waits for
    /// them may have settled something before.
    fn lock_to_append(&self, kind: Appended) -> Result<MutexGuard<'_, Log>, Failure> {
        loop {
            let mut log = self.lock();
            if let Some(failure) = &log.failure {
                return Err(failure.clone());
            }
            if log.is_closed {
                return Err(Failure::Closed);
            }
            if kind != Appended::Changes || log.late.is_empty() {
                return Ok(log);
            }
            // Others have their turn before the next step. It ends: no message is taken meanwhile, and
            // each is settled once.
            log.put_late();
        }
    }

    /// Whether messages of so many bytes are refused now: there is no room for them. What is taken
    /// must find a place on the disk, since all that comes later waits behind it.
    fn refuses(&self, log: &Log, bytes: usize) -> bool {
        if self.space.is_full() || self.takes_no_more(log) {
            return true;
        }
        let needed = log.bytes_to_allocate(bytes);
        let taken = log.progress.unallocated.saturating_add(needed);
        let has_room = self.space.has_room(taken, self.settings.disk_free_hard_limit);
        // Smaller ones may find room where a large one does not.
        if !has_room && needed <= u64::from(self.settings.segment_bytes) {
            self.out_of_room();
        }
        !has_room
    }

    /// Whether so much waits to be written that nothing is lined up any more that need not be.
    fn takes_no_more(&self, log: &Log) -> bool {
        log.backlog() > self.backlog_max().saturating_mul(2)
    }

    pub(super) fn backlog_max(&self) -> u64 {
        self.settings.backlog_max_bytes as u64
    }

    pub(super) fn is_written(&self, lsn: Lsn) -> bool {
        lsn.0 <= self.written.load(Ordering::Acquire)
    }

    /// How far it is written.
    #[cfg(test)]
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// How far it is synced.
    #[cfg(test)]
    pub(super) fn synced(&self) -> u64 {
        self.synced.load(Ordering::SeqCst)
    }

    /// Whether all up to there is on the disk, whatever was promised.
    pub(super) fn is_synced(&self, lsn: Lsn) -> bool {
        lsn.0 <= self.synced.load(Ordering::SeqCst)
    }

    /// Whether all up to there is as safe as was promised.
    pub(super) fn is_safe(&self, lsn: Lsn) -> bool {
        match self.settings.durability {
            Durability::Disk => self.is_synced(lsn),
            Durability::Memory | Durability::Os => lsn.0 <= self.written.load(Ordering::SeqCst),
        }
    }

    pub(super) fn poll_safe(&self, lsn: Lsn, waker: &Waker) -> Poll<Result<(), Failure>> {
        let ready = || match self.failure.get() {
            _ if self.is_safe(lsn) => Some(Ok(())),
            Some(failure) => Some(Err(failure.clone())),
            None => None,
        };
        match ready() {
            Some(ready) => Poll::Ready(ready),
            None if self.waits(lsn, waker, || ready().is_some()) => {
                ready().map_or(Poll::Pending, Poll::Ready)
            }
            None => Poll::Pending,
        }
    }

    /// Sees that all up to there is synced soon, and that the waker is called then; whether it is so
    /// already.
    fn waits(&self, lsn: Lsn, waker: &Waker, is_ready: impl Fn() -> bool) -> bool {
        if self.waiters.wait(lsn.0, waker, is_ready) {
            return true;
        }
        let mut log = self.lock();
        // Mostly it was so from the start.
        if log.progress.wanted < lsn.0 {
            log.progress.wanted = lsn.0;
            let wakes = log.progress.idle > 0 && log.wants_sync();
            drop(log);
            if wakes {
                self.work.notify_one();
            }
        }
        false
    }

    /// All up to there is written.
    pub(super) fn set_written(&self, lsn: u64) {
        self.written.fetch_max(lsn, Ordering::SeqCst);
        if self.settings.durability != Durability::Disk {
            self.waiters.wake(lsn);
        }
    }

    /// All up to there is synced.
    pub(super) fn set_synced(&self, lsn: u64) {
        self.synced.fetch_max(lsn, Ordering::SeqCst);
        if self.settings.durability == Durability::Disk {
            self.waiters.wake(lsn);
        }
    }

    pub(super) fn count_sync(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    /// How many syncs of segments there were.
    #[cfg(test)]
    pub(super) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.get()
    }

    /// Something has failed after which nobody knows what the disk has: nothing is appended, and
    /// nothing more is said to be safe.
    pub(super) fn fail(&self, text: String) -> Failure {
        let failure = Failure::Failed(text);
        if self.failure.set(failure.clone()).is_ok() {
            tracing::error!(folder = %self.disk.path().display(), "{failure}");
        }
        let failure = self.failure.get().cloned().unwrap_or(failure);
        self.stop_appending(&failure);
        failure
    }

    /// Refuses what is appended from now on, wakes all who wait, and tells the observers.
    fn stop_appending(&self, failure: &Failure) {
        let mut log = self.lock();
        log.failure.get_or_insert_with(|| failure.clone());
        log.chunks.clear();
        log.late.clear();
        drop(log);
        self.work.notify_all();
        self.stepped.notify_all();
        self.waiters.wake_all();
        self.has_news();
    }

    /// Refuses what is appended from now on, since the journal is closed. Whoever still waits for
    /// something to be safe is answered.
    pub(super) fn set_closed(&self, failure: &Failure) {
        let _ = self.failure.set(failure.clone());
        self.stop_appending(failure);
    }

    pub(super) fn blocked(&self) -> Option<Blocked> {
        self.space.blocked().filter(|_| self.failure.get().is_none())
    }

    pub(super) fn observe(&self, observer: Arc<dyn JournalObserver>) {
        self.observers.lock().unwrap_or_else(PoisonError::into_inner).push(observer);
    }

    /// The observers are to be told, once no lock is held.
    pub(super) fn has_news(&self) {
        self.has_news.store(true, Ordering::SeqCst);
    }

    /// Tells the observers if there is anything to tell. No lock is held.
    pub(super) fn tell_news(&self) {
        let has_news = self.has_news.load(Ordering::Relaxed);
        if !has_news || !self.has_news.swap(false, Ordering::SeqCst) {
            return;
        }
        let observers = self.observers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for observer in observers {
            observer.changed();
        }
    }
}

/// What is appended, for when there is little room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Appended {
    /// What takes room: refused if there is none.
    Messages,
    /// What makes room, or is small: always taken.
    Changes,
    /// That messages have come back: as changes, but nobody waits for it.
    Returns,
    /// As returns, and not synced for its own sake: what is lost of it is delivered again.
    Settlements,
}

impl Appended {
    /// Whether it may be written later than what is appended after it.
    fn may_be_late(self) -> bool {
        matches!(self, Self::Returns | Self::Settlements)
    }
}
