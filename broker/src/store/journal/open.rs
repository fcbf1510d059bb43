//! The start of a journal, and its end.

use std::sync::{Arc, Mutex};

use super::core::{Core, StepError};
use super::files::index_name;
use super::liveness::Liveness;
use super::log::Log;
use super::threads::Threads;
use super::{Journal, JournalSettings};
use crate::model::ids::QueueId;
use crate::model::stored::Reference;
use crate::store::disk::Disk;
use crate::store::error::{Failure, StoreError};
use crate::store::format::encode::put_clean;
use crate::store::format::frame::FRAME_BYTES;
use crate::store::recovered::{
    RecoveredDefinition, RecoveredDelayed, RecoveredMessage, RecoveryReport,
};

/// A store that was opened, before its messages are in their queues.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) journal: Arc<Journal>,
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
        &self,
        _is_there: impl Fn(QueueId) -> bool,
        _take: impl FnMut(RecoveredMessage),
    ) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Core {
    /// Writes and syncs all, and says that this is the end. What can't be done of that is told by the
    /// next start.
    pub(super) fn close(&self) {
        let closed = self.write_end();
        if let Err(StepError::NoRoom) = closed {
            tracing::error!("the disk is full: not all could be written before the stop");
        }
        self.set_closed(Failure::Failed("it is closed".to_owned()));
    }

    fn write_end(&self) -> Result<(), StepError> {
        let end = self.lock().end();
        self.flush(end)?;
        let end = self.append_step(|log| {
            log.append(FRAME_BYTES, put_clean);
        })?;
        self.flush(end)?;
        let last = self.lock_writer().segment.take();
        self.lock_writer().sealed.extend(last);
        self.finish_sealed();
        let synced = self.remove_spare().and_then(|()| self.disk.sync_folder());
        if let Err(error) = synced {
            tracing::warn!(%error, "the store's folder can't be tidied up");
        }
        Ok(())
    }
}

impl Journal {
    /// A journal that begins in an empty folder.
    pub(super) fn begin(disk: Arc<dyn Disk>, settings: JournalSettings) -> Self {
        let seed = settings.seed.unwrap_or_default();
        let liveness = Liveness::new([], 1, Reference::FIRST.number());
        let log = Log::new(liveness, (1, 0), settings.segment_bytes, seed);
        Self {
            core: Arc::new(Core::new(disk, settings, log)),
            threads: Threads::default(),
            lock: Mutex::default(),
            #[cfg(test)]
            by_hand: super::in_memory::ByHand::default(),
        }
    }
}
