//! The next segment's file, allocated before it is needed.

use std::io;
use std::sync::{Arc, PoisonError};

use super::core::{Core, StepError};
use super::writer::is_full;
use crate::store::disk::DiskFile;
use crate::store::error::Failure;
use crate::store::names;

/// The file of the segment that is written next.
#[derive(Debug, Default)]
pub(super) struct Spare {
    /// Its number.
    next: u32,
    file: Option<Arc<dyn DiskFile>>,
}

impl Spare {
    pub(super) fn new(next: u32) -> Self {
        Self { next, file: None }
    }
}

impl Core {
    /// The file for this segment: the one that is there already, or a new one. What does not fit
    /// lengthens it.
    pub(super) fn allocate(&self, number: u32, size: u64) -> Result<Arc<dyn DiskFile>, StepError> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match spare.file.take().filter(|_| spare.next == number) {
            Some(file) => file,
            None => {
                let created = self.create_segment(number, size);
                created.map_err(|error| self.allocation_error(number, error))?
            }
        };
        *spare = Spare::new(number + 1);
        drop(spare);
        self.files.keep(number, &file);
        Ok(file)
    }

    /// Allocates the next segment's file if there is none. A disk that is full is no error.
    pub(super) fn prepare_spare(&self) -> Result<(), StepError> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.file.is_none() {
            let created = self.create_segment(spare.next, u64::from(self.settings.segment_bytes));
            match created.map_err(|error| self.allocation_error(spare.next, error)) {
                Ok(file) => spare.file = Some(file),
                Err(StepError::NoRoom) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        drop(spare);
        if self.space.set_unallocated(false) {
            self.has_news();
        }
        Ok(())
    }

    /// Removes the file that was allocated and is not needed.
    pub(super) fn remove_spare(&self) -> io::Result<()> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        match spare.file.take() {
            Some(_) => self.disk.remove(&names::segment(spare.next)),
            None => Ok(()),
        }
    }

    fn create_segment(&self, number: u32, size: u64) -> Result<Arc<dyn DiskFile>, CreateError> {
        let file = self.disk.create(&names::segment(number), size).map_err(CreateError::Create)?;
        // Nothing in the file is safe while its name is not.
        self.disk.sync_folder().map_err(CreateError::Sync)?;
        Ok(file)
    }

    fn allocation_error(&self, number: u32, error: CreateError) -> StepError {
        match error {
            CreateError::Create(error) if is_full(&error) => {
                self.out_of_room();
                StepError::NoRoom
            }
            CreateError::Create(error) => self.step_error("it can't be created", number, &error),
            CreateError::Sync(error) => StepError::Failed(self.fail_folder(&error)),
        }
    }

    /// The folder can't be synced.
    pub(super) fn fail_folder(&self, error: &io::Error) -> Failure {
        self.fail(format!("'{}': it can't be synced: {error}", self.disk.path().display()))
    }

    /// There is no room for more segments.
    pub(super) fn out_of_room(&self) {
        if self.space.set_unallocated(true) {
            self.has_news();
        }
    }
}

enum CreateError {
    Create(io::Error),
    Sync(io::Error),
}
