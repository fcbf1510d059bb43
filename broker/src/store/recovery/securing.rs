//! Making sure that what was read of the last segment is on the disk.

use std::io::ErrorKind;

use super::RecoveredSegment;
use crate::store::disk::{Disk, DiskFile, read_exact};
use crate::store::error::StoreError;
use crate::store::format::encode::put_clean;
use crate::store::format::frame::{Frame, seal_frames_with};
use crate::store::format::record::Record;

/// Bytes that are read and written at a time.
const STEP_BYTES: usize = 1 << 20;

/// Makes what was read of the last segment safe, and its name. All others were synced before anything
/// came after them.
///
/// When a sync fails, Linux goes on showing what was written though the disk does not have it, and
/// says of the next sync that it was done. So after an end that was not in order the segment is
/// written over itself.
///
/// # Errors
///
/// It can't be opened, written or synced.
pub(super) fn secure(
    disk: &dyn Disk,
    last: &RecoveredSegment,
    was_clean: bool,
) -> Result<(), StoreError> {
    let name = last.found.name();
    let file = disk.open(&name).map_err(StoreError::io(disk, &name, "it can't be opened"))?;
    if !was_clean {
        let written = write_again(&*file, last.end);
        written.map_err(StoreError::io(disk, &name, "it can't be written"))?;
    }
    file.sync_data().map_err(StoreError::io(disk, &name, "it can't be synced"))?;
    disk.sync_folder().map_err(StoreError::io(disk, "", "it can't be synced"))
}

/// Says in the place of a clean stop that all below this reference may have been delivered: a broker
/// runs that has no room to say anything else. Only where the stop before was found to be clean: else
/// anything may be in that place.
///
/// # Errors
///
/// It can't be opened, written or synced; that there is no room even for this is no error.
pub(crate) fn doubt_clean_stop(
    disk: &dyn Disk,
    last: &RecoveredSegment,
    delivered_below: u64,
) -> Result<(), StoreError> {
    let name = last.found.name();
    let mut clean = Vec::new();
    put_clean(&mut clean, delivered_below);
    seal_frames_with(&mut clean, last.found.generation, |_, _| {});
    let Some(at) = u64::from(last.end).checked_sub(clean.len() as u64) else { return Ok(()) };
    let file = disk.open(&name).map_err(StoreError::io(disk, &name, "it can't be opened"))?;
    let mut known = vec![0; clean.len()];
    read_exact(&*file, &mut known, at).map_err(StoreError::io(disk, &name, "it can't be read"))?;
    let is_clean = Frame::decode(&known).is_some_and(|frame| {
        frame.generation == last.found.generation
            && matches!(Record::decode(&frame), Some(Record::Clean { .. }))
    });
    if !is_clean {
        return Ok(());
    }
    let written = match file.write_at(&clean, at) {
        // Some file systems need room even for what is written over.
        Err(error) if error.kind() == ErrorKind::StorageFull => {
            let folder = disk.path().display();
            tracing::warn!("'{folder}': what is delivered now may come again as if it were new");
            Ok(())
        }
        written => written.and_then(|()| file.sync_data()),
    };
    written.map_err(StoreError::io(disk, &name, "it can't be written"))
}

fn write_again(file: &dyn DiskFile, end: u32) -> std::io::Result<()> {
    let mut buffer = vec![0; STEP_BYTES.min(usize::try_from(end).unwrap_or(STEP_BYTES))];
    let mut at = 0;
    while at < u64::from(end) {
        let rest = usize::try_from(u64::from(end) - at).unwrap_or(usize::MAX).min(buffer.len());
        let count = file.read_at(buffer.get_mut(..rest).unwrap_or_default(), at)?;
        if count == 0 {
            break;
        }
        file.write_at(buffer.get(..count).unwrap_or_default(), at)?;
        at += count as u64;
    }
    Ok(())
}
