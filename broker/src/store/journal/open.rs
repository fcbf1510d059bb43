//! The start of a journal.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::core::{Core, StepError};
use super::liveness::{Found, Liveness};
use super::log::Log;
use super::segment::Segment;
use super::threads::Threads;
use super::{Journal, JournalSettings};
use crate::model::ids::QueueId;
use crate::store::disk::Disk;
use crate::store::error::StoreError;
use crate::store::folder::Folder;
use crate::store::names;
use crate::store::recovered::{
    RecoveredDefinition, RecoveredDelayed, RecoveredMessage, RecoveryReport,
};
use crate::store::recovery::{Alive, Recovered, doubt_clean_stop, recover, write_index};

/// References that are settled in one record when their queue is gone.
const SETTLED_TOGETHER: usize = 1 << 14;

/// Messages that are known to be alive under one lock.
const RESTORED_TOGETHER: usize = 256;

/// A store that was opened, before its messages are in their queues.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) journal: Arc<Journal>,
    pub(crate) definitions: Vec<RecoveredDefinition>,
    pub(crate) delayed: Vec<RecoveredDelayed>,
    /// The largest number of a queue that anything in the journal names.
    pub(crate) highest_queue: QueueId,
    pub(crate) report: RecoveryReport,
    /// What the messages are restored from; once.
    recovered: Mutex<Option<Recovered>>,
}

/// Whether a message has a queue to go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Yes,
    No,
}

impl Journal {
    /// Opens the store in this folder, or makes one.
    ///
    /// Nothing is given up before the messages are [restored](Opened::restore_messages).
    ///
    /// # Errors
    ///
    /// The folder can't be used as a store; the text says why, and what to do.
    pub(crate) fn open(path: &Path, settings: JournalSettings) -> Result<Opened, StoreError> {
        let opened = Self::open_folder(Folder::open(path)?, settings)?;
        let Self { threads, core, .. } = &*opened.journal;
        threads.start_committers(core).map_err(thread_error(&*core.disk))?;
        Ok(opened)
    }

    /// The same without threads.
    pub(super) fn open_folder(
        folder: Folder,
        settings: JournalSettings,
    ) -> Result<Opened, StoreError> {
        let Folder { disk, lock, damages } = folder;
        let mut recovered = recover(&*disk)?;
        recovered.report.damages.splice(0..0, damages);
        tidy_up(&*disk, &recovered)?;
        let liveness = liveness_of(&recovered);
        let number = recovered.next_segment;
        let previous_end = recovered.segments.last().map_or(0, |segment| segment.end);
        let seed = settings.seed.map_or_else(|| draw_seed(&*disk), Ok)?;
        let mut log = Log::new(liveness, (number, previous_end), settings.segment_bytes, seed);
        log.delivered_below = recovered.delivered_below;
        let journal = Self {
            core: Arc::new(Core::new(disk, settings, log)),
            threads: Threads::default(),
            lock: Mutex::new(Some(lock)),
            #[cfg(test)]
            by_hand: super::in_memory::ByHand::default(),
        };
        journal.begin_segment(&recovered)?;
        Ok(Opened {
            journal: Arc::new(journal),
            definitions: std::mem::take(&mut recovered.definitions),
            delayed: std::mem::take(&mut recovered.delayed),
            highest_queue: recovered.highest_queue,
            report: recovered.report.clone(),
            recovered: Mutex::new(Some(recovered)),
        })
    }

    /// The first segment of this run is there before anything else is changed; so is the index of
    /// what was the last one then. On a disk that is full it comes later.
    fn begin_segment(&self, recovered: &Recovered) -> Result<(), StoreError> {
        let Recovered { segments, next_reference, report, .. } = recovered;
        let core = &*self.core;
        core.look_at_free_space();
        match core.write_pending() {
            Ok(_) => {}
            Err(StepError::NoRoom) if segments.is_empty() => {
                let path = core.disk.path().into();
                let bytes = u64::from(core.settings.segment_bytes);
                return Err(StoreError::NoRoom { path, bytes });
            }
            Err(StepError::NoRoom) => {
                tracing::error!(
                    "the disk of '{}' is full: no message is taken until there is room",
                    core.disk.path().display()
                );
                // What is delivered meanwhile is nowhere said.
                return match segments.last() {
                    Some(last) if report.was_clean => {
                        doubt_clean_stop(&*core.disk, last, *next_reference)
                    }
                    _ => Ok(()),
                };
            }
            Err(StepError::Failed(failure)) => {
                let error = std::io::Error::other(failure.to_string());
                return Err(StoreError::io(&*core.disk, "", "it can't be written")(error));
            }
        }
        for segment in segments {
            if let Some(index) = &segment.index
                && let Err(error) = write_index(&*core.disk, segment.found.number, index)
            {
                tracing::debug!(%error, "a segment has no index, and is read instead");
            }
        }
        Ok(())
    }
}

impl Opened {
    /// Gives all messages that are alive, by their references where nothing was moved. One that is
    /// not taken belongs to a queue that is not there any more, and is settled. What there was is told.
    ///
    /// # Errors
    ///
    /// A file can't be read any more.
    pub(crate) fn restore_messages(
        &self,
        mut take: impl FnMut(RecoveredMessage) -> Taken,
    ) -> Result<RecoveryReport, StoreError> {
        let recovered = self.recovered.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut recovered) = recovered else { return Ok(self.report.clone()) };
        let core = &self.journal.core;
        let mut homeless = Vec::new();
        let mut give = |batch: &mut Vec<Alive>| {
            {
                let mut log = core.lock();
                batch.retain(|alive| log.restore(alive));
            }
            for alive in batch.drain(..) {
                let Alive::Message(message) = alive else { continue };
                let reference = message.reference;
                if take(message) == Taken::No {
                    homeless.push(reference);
                }
            }
        };
        let mut batch = Vec::with_capacity(RESTORED_TOGETHER);
        recovered.restore(&*core.disk, |alive| {
            batch.push(alive);
            if batch.len() == RESTORED_TOGETHER {
                give(&mut batch);
            }
        })?;
        give(&mut batch);
        core.lock().liveness.restored();
        for references in homeless.chunks(SETTLED_TOGETHER) {
            self.journal.settle(references);
        }
        if self.journal.threads.are_running() {
            let started = self.journal.threads.start_maintenance(core);
            started.map_err(thread_error(&*core.disk))?;
        }
        Ok(recovered.report)
    }
}

impl Log {
    /// This is alive, unless it was settled before it was known to be.
    fn restore(&mut self, alive: &Alive) -> bool {
        let (reference, place) = match alive {
            Alive::Message(message) => (message.reference, message.place),
            Alive::Delayed { reference, place } | Alive::Definition { reference, place } => {
                (*reference, *place)
            }
        };
        let is_alive = self.liveness.restore(reference, place.segment, place.offset);
        #[cfg(test)]
        if is_alive {
            let queue = match alive {
                Alive::Message(message) => Some(message.queue),
                Alive::Delayed { .. } | Alive::Definition { .. } => None,
            };
            self.queues.insert(reference, queue);
        }
        is_alive
    }
}

/// What a broker that ended has left is as it was found from now on: what comes next relies on it.
fn tidy_up(disk: &dyn Disk, recovered: &Recovered) -> Result<(), StoreError> {
    if let Some(last) = recovered.segments.last() {
        let name = last.found.name();
        let file = disk.open(&name).map_err(StoreError::io(disk, &name, "it can't be opened"))?;
        if last.may_be_cut && last.found.file_bytes > u64::from(last.end) {
            let cut = file.set_length(u64::from(last.end));
            cut.map_err(StoreError::io(disk, &name, "what is torn can't be cut off"))?;
        }
        file.sync_data().map_err(StoreError::io(disk, &name, "it can't be synced"))?;
    }
    for name in &recovered.unused {
        match disk.remove(name) {
            // It was half an index, which the recovery has made whole.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => removed.map_err(StoreError::io(disk, name, "it can't be removed"))?,
        }
    }
    disk.sync_folder().map_err(StoreError::io(disk, "", "it can't be synced"))
}

fn liveness_of(recovered: &Recovered) -> Liveness {
    let mut found: Vec<Found> = Vec::with_capacity(recovered.segments.len());
    for segment in &recovered.segments {
        let summary = &segment.summary;
        let before = found.last().map_or(0, |before| before.end);
        let first = segment.first.max(before);
        let end = summary.range.as_ref().map_or(first, |range| first.max(range.end() + 1));
        let moved = summary.moved.as_ref().map(|range| (*range.start(), *range.end()));
        let segment = Segment {
            number: segment.found.number,
            generation: segment.found.generation,
            end: segment.end,
            references: summary.references,
            bytes: summary.bytes,
            copies: 0,
            copied: moved,
            settled: summary.settled,
            returned: summary.returned,
            is_sealed: true,
            is_going: false,
            is_left: false,
            is_unread: false,
            is_quarantined: false,
            worth_below: u32::MAX,
        };
        found.push(Found { segment, first, end });
    }
    Liveness::new(found, recovered.next_segment, recovered.next_reference)
}

fn draw_seed(disk: &dyn Disk) -> Result<u64, StoreError> {
    let drawn = getrandom::u64().map_err(std::io::Error::other);
    drawn.map_err(StoreError::io(disk, names::MARK, "the system gives no random number"))
}

fn thread_error(disk: &dyn Disk) -> impl FnOnce(std::io::Error) -> StoreError {
    StoreError::io(disk, "", "its threads can't be started")
}
