//! Writing what was appended, and syncing it: the two steps that the committers take.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::chunks::Chunk;
use super::core::{Core, Step, StepError};
use super::log::{FIRST_FRAME, Log};
use super::spare::SegmentFile;
use crate::config::Durability;
use crate::model::stored::Lsn;
use crate::store::disk::DiskFile;
use crate::store::error::Failure;
use crate::store::format::frame::seal_frames_with;
use crate::store::format::header::{COPY_BYTES, SegmentHeader};
use crate::store::format::index::IndexWriter;
use crate::store::format::record::Record;
use crate::store::names;

/// What is written ahead of the records.
const AHEAD_BYTES: usize = 1 << 20;

/// The largest write after which something is written ahead.
const AHEAD_WRITE_MAX: usize = 32 << 10;

/// Where the writer is.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// The segment that is written to.
    pub(super) segment: Option<Writing>,
    /// Segments that are full and synced, for which the rest is still to be done.
    pub(super) sealed: Vec<Writing>,
}

/// A segment that is written to.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) number: u32,
    pub(super) generation: u32,
    pub(super) file: Arc<dyn DiskFile>,
    /// Whether the file was another segment before.
    is_reused: bool,
    /// The bytes that are written.
    pub(super) length: u32,
    /// The bytes of the file.
    pub(super) size: u64,
    /// Up to where something was written, be it of another segment or zeros.
    prepared: u64,
    /// What is in it.
    pub(super) index: IndexWriter,
    /// Where it ends in the journal, once it is full.
    pub(super) end: Lsn,
}

impl Writing {
    /// Gives back what was allocated and not used.
    pub(super) fn cut(&self) -> io::Result<()> {
        match self.size > u64::from(self.length) {
            true => self.file.set_length(u64::from(self.length)),
            false => Ok(()),
        }
    }

    /// After a small write that went beyond what was written before, zeros are written ahead: the
    /// syncs that follow have no new blocks to note down. Large writes would gain nothing.
    fn prepare(&mut self, written: usize) {
        let end = u64::from(self.length);
        if end <= self.prepared {
            return;
        }
        self.prepared = end;
        let ahead = self.size.saturating_sub(end).min(AHEAD_BYTES as u64);
        if written > AHEAD_WRITE_MAX || ahead == 0 {
            return;
        }
        let zeros = vec![0; usize::try_from(ahead).unwrap_or_default()];
        // Nothing is missed if it fails.
        if self.file.write_at(&zeros, end).is_ok() {
            self.prepared = end + ahead;
        }
    }
}

impl Log {
    /// Whether a step of writing has anything to do.
    pub(super) fn can_be_written(&self) -> bool {
        !self.chunks.is_empty() && !self.progress.is_writing && !self.progress.is_stalled
    }

    /// Whether somebody waits for a step of syncing, or will: nobody does for settlements. They are
    /// synced with what comes after them, or by the next maintenance.
    pub(super) fn wants_sync(&self) -> bool {
        self.progress.wanted > self.progress.synced && self.can_be_synced()
    }

    /// Whether a step of syncing has anything to do.
    pub(super) fn can_be_synced(&self) -> bool {
        self.progress.written > self.progress.synced && !self.progress.is_syncing
    }
}

impl Core {
    /// Writes what waits, unless somebody else does.
    pub(super) fn write_pending(&self) -> Result<Step, StepError> {
        let (mut batch, start) = {
            let mut log = self.lock();
            if let Some(failure) = &log.failure {
                return Err(StepError::Failed(failure.clone()));
            }
            if log.progress.is_stalled && !log.chunks.is_empty() {
                return Err(StepError::NoRoom);
            }
            if !log.can_be_written() {
                return Ok(Step::Nothing);
            }
            log.progress.is_writing = true;
            (log.chunks.take(), log.progress.written)
        };
        let mut writer = self.lock_writer();
        let (mut written, mut done) = (start, Vec::with_capacity(batch.len()));
        let outcome = self.write_chunks(&mut writer, &mut batch, &mut written, &mut done);
        let file = writer.segment.as_ref().map(|segment| Arc::clone(&segment.file));
        drop(writer);
        self.end_writing(batch, written, done, file);
        self.tell_news();
        outcome.map(|()| Step::Done)
    }

    fn write_chunks(
        &self,
        writer: &mut Writer,
        batch: &mut VecDeque<Chunk>,
        written: &mut u64,
        done: &mut Vec<Vec<u8>>,
    ) -> Result<(), StepError> {
        while let Some(chunk) = batch.front_mut() {
            self.write_chunk(writer, chunk, *written)?;
            *written += chunk.bytes.len() as u64;
            self.set_written(*written);
            done.extend(batch.pop_front().map(|chunk| chunk.bytes));
        }
        Ok(())
    }

    fn write_chunk(
        &self,
        writer: &mut Writer,
        chunk: &mut Chunk,
        written: u64,
    ) -> Result<(), StepError> {
        if let Some(begin) = &chunk.begins {
            let is_open = writer.segment.as_ref().is_some_and(|own| own.number == chunk.segment);
            if !is_open {
                self.end_segment(writer, Lsn(written))?;
                let SegmentFile { file, is_reused } = self.allocate(chunk.segment, begin.size)?;
                let usual = u64::from(self.settings.segment_bytes);
                let prepared = if is_reused { usual } else { 0 };
                self.space.allocated(begin.size);
                self.lock().progress.unallocated -= begin.size;
                writer.segment = Some(Writing {
                    number: chunk.segment,
                    generation: chunk.generation,
                    file,
                    is_reused,
                    length: FIRST_FRAME,
                    size: begin.size,
                    prepared,
                    index: IndexWriter::new(chunk.segment, chunk.generation),
                    end: Lsn::NONE,
                });
            }
            self.write_header(writer, &begin.header)?;
            chunk.begins = None;
        }
        if !chunk.is_sealed {
            chunk.is_sealed = true;
            seal(writer, chunk);
        }
        self.write_records(writer, chunk)
    }

    /// No record is on the disk without the header that says whose it is. Of a file that was another
    /// segment one copy of it is whole at every moment: it is that segment no more, or this one.
    fn write_header(&self, writer: &mut Writer, header: &SegmentHeader) -> Result<(), StepError> {
        let Some(is_reused) = writer.segment.as_ref().map(|segment| segment.is_reused) else {
            return Ok(());
        };
        let bytes = SegmentHeader { is_reused, ..header.clone() }.encode();
        let (first, second) = bytes.split_at(COPY_BYTES);
        self.write(writer, first, 0)?;
        if is_reused {
            self.sync_segment(writer)?;
        }
        self.write(writer, second, first.len() as u64)?;
        self.sync_segment(writer)
    }

    fn write_records(&self, writer: &mut Writer, chunk: &Chunk) -> Result<(), StepError> {
        self.write(writer, &chunk.bytes, u64::from(chunk.offset))?;
        let Some(segment) = &mut writer.segment else { return Ok(()) };
        let length = u32::try_from(chunk.bytes.len()).unwrap_or(u32::MAX);
        let length = length.saturating_add(chunk.offset);
        segment.length = segment.length.max(length);
        segment.prepare(chunk.bytes.len());
        Ok(())
    }

    fn write(&self, writer: &Writer, bytes: &[u8], offset: u64) -> Result<(), StepError> {
        let Some(segment) = &writer.segment else { return Ok(()) };
        let written = segment.file.write_at(bytes, offset);
        written.map_err(|error| self.step_error("it can't be written", segment.number, &error))
    }

    fn sync_segment(&self, writer: &Writer) -> Result<(), StepError> {
        let Some(segment) = &writer.segment else { return Ok(()) };
        self.sync_file(segment.number, &*segment.file).map_err(StepError::Failed)
    }

    /// Before anything is written to the next segment the last one is synced: what is not whole in
    /// any but the last was damaged.
    fn end_segment(&self, writer: &mut Writer, end: Lsn) -> Result<(), StepError> {
        self.sync_segment(writer)?;
        let Some(segment) = writer.segment.take() else { return Ok(()) };
        let segment = Writing { end, ..segment };
        self.set_synced(end.0);
        let mut log = self.lock();
        log.progress.synced = log.progress.synced.max(end.0);
        log.liveness.sealed(segment.number, segment.generation, segment.length);
        drop(log);
        writer.sealed.push(segment);
        self.maintenance.wake();
        Ok(())
    }

    fn end_writing(
        &self,
        rest: VecDeque<Chunk>,
        written: u64,
        done: Vec<Vec<u8>>,
        file: Option<Arc<dyn DiskFile>>,
    ) {
        let mut log = self.lock();
        log.progress.is_writing = false;
        log.progress.written = written;
        log.progress.file = file;
        if log.failure.is_none() {
            for bytes in done {
                log.chunks.recycle(bytes);
            }
            if !rest.is_empty() {
                log.put_back(rest);
            }
        }
        if log.failure.is_none() && log.backlog() <= self.backlog_max() / 2 {
            log.put_late();
        }
        // Below half of it: who waits does not start and stop with each write.
        if log.progress.is_backlogged && log.backlog() <= self.backlog_max() / 2 {
            log.progress.is_backlogged = false;
            self.space.set_backlogged(false);
            self.has_news();
        }
        let wakes = log.progress.idle > 0 && log.can_be_written();
        let has_waiting = log.progress.flushing > 0;
        drop(log);
        if wakes {
            self.work.notify_one();
        }
        if has_waiting {
            self.stepped.notify_all();
        }
    }

    /// Syncs what is written, unless somebody else does.
    pub(super) fn sync_written(&self) -> Result<Step, StepError> {
        let (number, file, target) = {
            let mut log = self.lock();
            if let Some(failure) = &log.failure {
                return Err(StepError::Failed(failure.clone()));
            }
            if !log.can_be_synced() {
                return Ok(Step::Nothing);
            }
            log.progress.is_syncing = true;
            (log.segment(), log.progress.file.clone(), log.progress.written)
        };
        let outcome = match file {
            Some(file) => self.sync_file(number, &*file),
            None => Ok(()),
        };
        if outcome.is_ok() {
            self.set_synced(target);
        }
        let mut log = self.lock();
        log.progress.is_syncing = false;
        if outcome.is_ok() {
            log.progress.synced = log.progress.synced.max(target);
        }
        let has_waiting = log.progress.flushing > 0;
        drop(log);
        if has_waiting {
            self.stepped.notify_all();
        }
        self.tell_news();
        outcome.map(|()| Step::Done).map_err(StepError::Failed)
    }

    /// Writes and syncs until all up to there is safe.
    pub(super) fn flush(&self, end: Lsn) -> Result<(), StepError> {
        while !self.is_synced(end) {
            let steps = [self.write_pending()?, self.sync_written()?];
            if steps.contains(&Step::Done) {
                continue;
            }
            let mut log = self.lock();
            // Somebody else is at it; whoever it is takes the lock when it is done.
            if !self.is_synced(end) && (log.progress.is_writing || log.progress.is_syncing) {
                log.progress.flushing += 1;
                log = self.stepped.wait(log).unwrap_or_else(PoisonError::into_inner);
                log.progress.flushing -= 1;
            }
        }
        self.leave_the_rest();
        Ok(())
    }

    /// While somebody else than a committer synced, a committer may have written, found that it need
    /// not sync, and gone to sleep: it is woken for the rest.
    pub(super) fn leave_the_rest(&self) {
        let log = self.lock();
        let wakes = log.progress.idle > 0 && (log.wants_sync() || log.can_be_written());
        drop(log);
        if wakes {
            self.work.notify_one();
        }
    }

    /// Whether the committers sync, and not only who makes room.
    pub(super) fn syncs_always(&self) -> bool {
        self.settings.durability == Durability::Disk
    }

    fn sync_file(&self, number: u32, file: &dyn DiskFile) -> Result<(), Failure> {
        let _one = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = self.failure() {
            return Err(failure.clone());
        }
        self.count_sync();
        file.sync_data().map_err(|error| {
            let path = self.disk.path().join(names::segment(number));
            self.fail(format!("'{}': it can't be synced: {error}", path.display()))
        })
    }

    /// What an error of a write means: a full disk is waited for, anything else is the end.
    pub(super) fn step_error(&self, what: &str, number: u32, error: &io::Error) -> StepError {
        if is_full(error) {
            self.out_of_room();
            return StepError::NoRoom;
        }
        let path = self.disk.path().join(names::segment(number));
        StepError::Failed(self.fail(format!("'{}': {what}: {error}", path.display())))
    }

    pub(super) fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fills in what frames need to be found whole, and puts them into the segment's index.
fn seal(writer: &mut Writer, chunk: &mut Chunk) {
    let Some(segment) = &mut writer.segment else { return };
    let start = chunk.offset;
    seal_frames_with(&mut chunk.bytes, chunk.generation, |offset, frame| {
        let place = (u32::try_from(offset), u32::try_from(frame.length()));
        if let ((Ok(offset), Ok(length)), Some(record)) = (place, Record::decode(frame)) {
            segment.index.push(start.saturating_add(offset), length, frame.flags, &record);
        }
    });
}

/// Whether an error says that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
