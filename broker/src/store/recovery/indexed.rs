use super::inventory::{FoundSegment, read_index};
use super::scan::{Damage, DamageKind, scan};
use super::walk::Tail;
use crate::store::disk::Disk;
use crate::store::error::StoreError;
use crate::store::format::index::Index;
use crate::store::names;

/// The index of a segment, wherever it comes from.
#[derive(Debug)]
pub(crate) struct Indexed {
    pub(crate) bytes: Vec<u8>,
    /// Where the records end.
    pub(crate) end: u32,
    /// What the segment was found to be, if it was read.
    pub(crate) read: Option<Read>,
}

/// What reading a segment has found.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) torn: u64,
    pub(crate) damages: Vec<Damage>,
    /// As in [`Scan::clean`](super::scan::Scan::clean).
    pub(crate) clean: Option<u64>,
}

/// The index of a segment: its file, if it has one that fits, or else what the segment says.
///
/// # Errors
///
/// The segment can't be opened.
pub(crate) fn index_of(disk: &dyn Disk, segment: &FoundSegment) -> Result<Indexed, StoreError> {
    if let Some(indexed) = stored_index(disk, segment) {
        return Ok(indexed);
    }
    read_index_of(disk, segment)
}

/// What the segment says, and whether the index that is on the disk says the same.
///
/// # Errors
///
/// The segment can't be opened.
pub(super) fn compared_index_of(
    disk: &dyn Disk,
    segment: &FoundSegment,
) -> Result<Indexed, StoreError> {
    let mut indexed = read_index_of(disk, segment)?;
    let stored = read_index(disk, segment.number, u64::MAX);
    if let (Some(stored), Some(read)) = (stored, &mut indexed.read)
        && stored != indexed.bytes
    {
        let to = stored.len() as u64;
        read.damages.push(Damage { from: 0, to, kind: DamageKind::OtherIndex });
    }
    Ok(indexed)
}

/// What the segment says.
///
/// # Errors
///
/// The segment can't be opened.
pub(super) fn read_index_of(
    disk: &dyn Disk,
    segment: &FoundSegment,
) -> Result<Indexed, StoreError> {
    let mut reader = segment.reader(disk)?;
    let length = u32::try_from(reader.length()).unwrap_or(u32::MAX);
    let (tail, cut_off) = match segment.tail {
        Tail::Sealed { end: Some(end) } if end > length => {
            (Tail::Sealed { end: Some(length) }, Some((length, end)))
        }
        tail => (tail, None),
    };
    let found = scan(&mut reader, segment, tail);
    let mut read = Read { torn: found.torn, damages: found.damages, clean: found.clean };
    read.damages.extend(cut_off.map(|(from, to)| Damage {
        from: from.into(),
        to: to.into(),
        kind: DamageKind::CutOff,
    }));
    Ok(Indexed { bytes: found.index, end: found.end, read: Some(read) })
}

/// The index that is on the disk, if it is of this segment as it is now.
fn stored_index(disk: &dyn Disk, segment: &FoundSegment) -> Option<Indexed> {
    let Tail::Sealed { end: known } = segment.tail else { return None };
    let bytes = read_index(disk, segment.number, segment.file_bytes)?;
    let index = Index::decode(&bytes)?;
    let end = index.end;
    let is_its = index.number == segment.number && index.generation == segment.generation;
    // A segment that was cut off has less than its index says; one that was cut off before the index
    // was made has less than the next segment says.
    let has_all = u64::from(end) <= segment.file_bytes;
    let ends_there =
        known.is_none_or(|known| u64::from(end) == u64::from(known).min(segment.file_bytes));
    let is_right = is_its && has_all && ends_there;
    is_right.then_some(Indexed { bytes, end, read: None })
}

/// Stores an index, so that the segment need not be read again; it is no loss if that fails.
///
/// # Errors
///
/// It is not there, or not whole; no one would take it for whole.
pub(crate) fn write_index(disk: &dyn Disk, number: u32, bytes: &[u8]) -> std::io::Result<()> {
    let name = names::index(number);
    let unfinished = format!("{name}{}", names::UNFINISHED);
    let _ = disk.remove(&unfinished);
    let file = disk.create(&unfinished, 0)?;
    file.write_at(bytes, 0)?;
    file.sync_data()?;
    disk.rename(&unfinished, &name)
}
