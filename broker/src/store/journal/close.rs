//! The end of a journal.

use super::core::{Core, StepError};
use crate::store::error::Failure;
use crate::store::format::encode::put_clean;
use crate::store::format::frame::FRAME_BYTES;

impl Core {
    /// Writes and syncs all, and says that this is the end. What can't be done of that is found by
    /// the next start.
    pub(super) fn close(&self) {
        if let Err(StepError::NoRoom) = self.write_end() {
            tracing::error!(
                "the disk of '{}' is full: not all could be written before the stop",
                self.disk.path().display()
            );
        }
        self.set_closed(&Failure::Closed);
    }

    fn write_end(&self) -> Result<(), StepError> {
        self.try_stalled_again();
        self.lock().is_closed = true;
        let end = loop {
            let mut log = self.lock();
            if log.late.is_empty() {
                break log.end();
            }
            log.put_late();
        };
        self.flush(end)?;
        // Where this is found, all before it was synced.
        let end = self.append_step(|log| {
            let delivered_below = log.delivered_below;
            log.append(FRAME_BYTES + 8, |out| put_clean(out, delivered_below));
        })?;
        self.flush(end)?;
        self.finish_sealed();
        // The index of the last segment comes with the next one.
        if let Some(last) = self.lock_writer().segment.take() {
            let _ = last.cut();
        }
        let tidied = self.remove_spare().and_then(|()| self.disk.sync_folder());
        if let Err(error) = tidied {
            tracing::warn!(%error, "the store's folder can't be tidied up; the next start does it");
        }
        Ok(())
    }
}
