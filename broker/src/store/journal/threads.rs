//! The threads of a journal: two that write and sync, and one for the rest. All that they do are
//! steps of the core.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::core::{Core, Step, StepError};

/// While one syncs, the other writes.
const COMMITTERS: usize = 2;

/// How often it is looked how much is free on the disk, and whether segments can be given up.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);

/// How long what is written may not be synced where nobody waits for it.
const SYNC_INTERVAL: Duration = Duration::from_millis(200);

/// Threads that run.
#[derive(Debug, Default)]
pub(super) struct Threads {
    running: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    /// Starts those that write and sync.
    pub(super) fn start_committers(&self, core: &Arc<Core>) -> io::Result<()> {
        for number in 1..=COMMITTERS {
            self.start(&format!("journal-commit-{number}"), core, commit)?;
        }
        Ok(())
    }

    /// Starts the one that does the rest.
    pub(super) fn start_maintenance(&self, core: &Arc<Core>) -> io::Result<()> {
        self.start("journal-maintain", core, maintain)
    }

    fn start(&self, name: &str, core: &Arc<Core>, run: fn(&Core)) -> io::Result<()> {
        let guard = Guard(Arc::clone(core));
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || run(&guard.0))?;
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// Whether there are any.
    pub(super) fn are_running(&self) -> bool {
        !self.running.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Ends all of them; what waits is written and synced before.
    pub(super) fn stop(&self, core: &Core) {
        core.lock().is_stopping = true;
        core.work.notify_all();
        core.maintenance.stop();
        let running =
            std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in running {
            // One that has panicked has made the store fail.
            let _ = thread.join();
        }
    }
}

/// Makes the store fail if its thread panics: nobody would be told that anything is safe.
struct Guard(Arc<Core>);

impl Drop for Guard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail("a thread of the store has panicked; this is a bug".to_owned());
            self.0.tell_news();
        }
    }
}

/// Writes what waits, and syncs it if nobody does.
fn commit(core: &Core) {
    loop {
        let steps = [core.write_pending(), sync(core)];
        if steps.iter().any(|step| matches!(step, Err(StepError::Failed(_)))) {
            return;
        }
        if steps.iter().any(|step| matches!(step, Ok(Step::Done))) {
            continue;
        }
        let mut log = core.lock();
        if log.can_be_written() || core.syncs_always() && log.wants_sync() {
            continue;
        }
        if log.is_stopping || log.failure.is_some() {
            return;
        }
        log.progress.idle += 1;
        log = core.work.wait(log).unwrap_or_else(PoisonError::into_inner);
        log.progress.idle -= 1;
    }
}

fn sync(core: &Core) -> Result<Step, StepError> {
    let is_wanted = core.syncs_always() && core.lock().wants_sync();
    if is_wanted { core.sync_written() } else { Ok(Step::Nothing) }
}

fn maintain(core: &Core) {
    let interval = if core.syncs_always() { MAINTENANCE_INTERVAL } else { SYNC_INTERVAL };
    loop {
        if let Err(StepError::Failed(_)) = core.maintain() {
            return;
        }
        // What nobody waits for.
        if let Err(StepError::Failed(_)) = core.sync_written() {
            return;
        }
        core.leave_the_rest();
        if !core.maintenance.wait(interval) {
            return;
        }
    }
}

/// Waits until all up to there is synced, as the threads do it.
#[cfg(test)]
pub(super) fn wait_until_safe(core: &Core, lsn: crate::model::stored::Lsn) {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::task::Waker::from(Arc::new(Unpark(thread::current())));
    while core.poll_safe(lsn, &waker).is_pending() {
        thread::park();
    }
}
