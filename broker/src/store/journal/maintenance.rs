//! What is done beside writing: files are allocated ahead, sealed segments get their indexes, dead
//! ones are removed.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::core::{Core, Step, StepError};
use super::liveness::Due;
use super::space::Blocked;
use super::writer::Writing;
use crate::model::stored::Lsn;
use crate::store::names;
use crate::store::recovery::write_index;

/// Segments that are given up before it is looked at the rest again.
const REMOVED_MAX: usize = 16;

/// Tells the maintenance thread that there is something to do.
#[derive(Debug, Default)]
pub(super) struct Maintenance {
    state: Mutex<Calls>,
    called: Condvar,
}

#[derive(Debug, Default)]
struct Calls {
    is_due: bool,
    is_stopping: bool,
}

impl Maintenance {
    /// There is something to do.
    pub(super) fn wake(&self) {
        self.lock().is_due = true;
        self.called.notify_one();
    }

    /// There will be nothing more.
    pub(super) fn stop(&self) {
        self.lock().is_stopping = true;
        self.called.notify_one();
    }

    /// Waits until there is something to do, or for so long; whether to go on.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let calls = self.lock();
        let waits = |calls: &mut Calls| !calls.is_due && !calls.is_stopping;
        let waited = self.called.wait_timeout_while(calls, time, waits);
        let (mut calls, _) = waited.unwrap_or_else(PoisonError::into_inner);
        calls.is_due = false;
        !calls.is_stopping
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// One round of all that is to be done.
    pub(super) fn maintain(&self) -> Result<(), StepError> {
        let outcome = self.maintain_in_order();
        self.tell_news();
        outcome
    }

    fn maintain_in_order(&self) -> Result<(), StepError> {
        self.prepare_spare()?;
        self.look_at_free_space();
        self.finish_sealed();
        if self.try_stalled_again() {
            // Nothing can be given up before what waits is written: more would only wait too.
            let end = self.lock().end();
            self.flush(end)?;
        }
        for _ in 0..REMOVED_MAX {
            if self.remove_next()? == Step::Nothing {
                return Ok(());
            }
            self.look_at_free_space();
        }
        self.maintenance.wake();
        Ok(())
    }

    pub(super) fn look_at_free_space(&self) {
        // A disk that does not say is used until it is full.
        let Ok(free) = self.disk.free_space() else { return };
        let (limit, hard) = (self.settings.disk_free_limit, self.settings.disk_free_hard_limit);
        if self.space.set_free(free, limit, hard) {
            self.has_news();
        }
        let has_room = free >= hard.saturating_add(u64::from(self.settings.segment_bytes));
        if !has_room || self.space.blocked() == Some(Blocked::DiskLow) {
            self.remove_given_up();
        }
    }

    /// Lets the committers try what found no room; whether there was any.
    pub(super) fn try_stalled_again(&self) -> bool {
        let mut log = self.lock();
        let was_stalled = std::mem::take(&mut log.progress.is_stalled);
        drop(log);
        if was_stalled {
            self.work.notify_one();
        }
        was_stalled
    }

    /// Cuts off what sealed segments do not need, and writes their indexes: what fails of that is
    /// not missed. A segment that has an index and no successor would be known to have lost that.
    pub(super) fn finish_sealed(&self) {
        let sealed: Vec<Writing> = {
            let mut writer = self.lock_writer();
            let ready = |segment: &mut Writing| self.is_synced(Lsn(segment.end.0 + 1));
            writer.sealed.extract_if(.., ready).collect()
        };
        for segment in sealed {
            if let Err(error) = segment.cut() {
                tracing::debug!(%error, "a segment keeps what it does not need");
            }
            let index = segment.index.finish(segment.length);
            if let Err(error) = write_index(&*self.disk, segment.number, &index) {
                tracing::debug!(%error, "a segment has no index, and is read instead");
            }
        }
    }

    /// Removes the next segment that is dead or worth compacting, if there is one.
    fn remove_next(&self) -> Result<Step, StepError> {
        let due = {
            let mut log = self.lock();
            log.has_dead = false;
            log.liveness.due(self.settings.worth_bytes())
        };
        match due {
            None => Ok(Step::Nothing),
            Some(Due::Remove(number)) => self.remove(number),
            Some(Due::Compact(number)) => self.compact(number),
        }
    }

    /// Removes a segment's file, of which nothing is needed. That is safe before anything is done
    /// that relies on it.
    pub(super) fn remove(&self, number: u32) -> Result<Step, StepError> {
        let end = self.append_removed(number)?;
        self.flush(end)?;
        // What is still to be done for it is not worth it any more.
        self.lock_writer().sealed.retain(|sealed| sealed.number != number);
        let given_up = self.give_up(number).and_then(|given_up| {
            // The index says nothing without the segment.
            let _ = self.disk.remove(&names::index(number));
            self.disk.sync_folder().map(|()| given_up)
        });
        let given_up = match given_up {
            Ok(given_up) => given_up,
            Err(error) => {
                let path = self.disk.path().join(names::segment(number));
                let text = format!("'{}': it can't be removed: {error}", path.display());
                return Err(StepError::Failed(self.fail(text)));
            }
        };
        self.files.forget(number);
        let is_in_quarantine = {
            let mut log = self.lock();
            let is_in_quarantine = log.liveness.is_quarantined(number);
            log.liveness.removed(number);
            is_in_quarantine
        };
        if let Some(file) = given_up {
            self.keep_given_up(file, is_in_quarantine);
        }
        Ok(Step::Done)
    }
}
