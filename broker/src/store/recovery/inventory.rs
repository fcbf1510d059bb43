use std::collections::{BTreeMap, BTreeSet};

use super::segment_reader::SegmentReader;
use super::walk::Tail;
use crate::store::disk::{Disk, DiskEntry};
use crate::store::error::StoreError;
use crate::store::format::frame::{FRAME_BYTES, Frame, announced_length};
use crate::store::format::header::{FORMAT_VERSION, FoundHeader, HEADER_BYTES, SegmentHeader};
use crate::store::format::index::Index;
use crate::store::names;

/// The files of a store, and what their headers say.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// By their numbers.
    pub(crate) segments: Vec<FoundSegment>,
    /// Files that have nothing in them, or nothing that is needed.
    pub(crate) unused: Vec<String>,
    /// Segments of which not a record can be told.
    /// Whether there is anything behind their headers, beside their numbers.
    pub(crate) unreadable: Vec<(u32, bool)>,
    /// Files that are other segments than their names say.
    pub(crate) misnamed: Vec<u32>,
    /// The number that the next segment gets.
    pub(crate) next_segment: u32,
    /// Segments whose index is there.
    pub(crate) indexed: BTreeSet<u32>,
}

/// A segment's file.
#[derive(Debug, Clone)]
pub(crate) struct FoundSegment {
    pub(crate) number: u32,
    pub(crate) generation: u32,
    /// None if it is damaged.
    pub(crate) header: Option<SegmentHeader>,
    pub(crate) file_bytes: u64,
    pub(crate) tail: Tail,
}

impl FoundSegment {
    pub(crate) fn name(&self) -> String {
        names::segment(self.number)
    }

    /// Whether its file was another segment before, as far as that is known.
    pub(crate) fn is_reused(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.is_reused)
    }

    /// Opens it.
    pub(crate) fn reader(&self, disk: &dyn Disk) -> Result<SegmentReader, StoreError> {
        let name = self.name();
        let opened = disk.open(&name).and_then(SegmentReader::new);
        opened.map_err(StoreError::io(disk, &name, "it can't be opened"))
    }
}

impl Inventory {
    /// Looks at all files.
    ///
    /// # Errors
    ///
    /// A file can't be opened, or is of a later version.
    pub(crate) fn take(disk: &dyn Disk) -> Result<Self, StoreError> {
        let entries = disk.list().map_err(StoreError::io(disk, "", "it can't be listed"))?;
        let mut inventory = Self::default();
        let mut files = BTreeMap::new();
        for DiskEntry { name, bytes } in entries {
            if let Some(number) = names::segment_number(&name) {
                files.insert(number, bytes);
            } else if let Some(number) = names::index_number(&name) {
                inventory.indexed.insert(number);
            } else if name.ends_with(names::UNFINISHED) || name.ends_with(names::GIVEN_UP) {
                inventory.unused.push(name);
            }
        }
        let orphaned = inventory.indexed.iter().filter(|number| !files.contains_key(number));
        inventory.unused.extend(orphaned.map(|number| names::index(*number)));
        let known = files.keys().chain(&inventory.indexed).max().copied().unwrap_or_default();
        for (number, bytes) in files {
            inventory.look_at(disk, number, bytes)?;
        }
        let others = inventory.segments.iter().filter_map(|segment| segment.header.as_ref());
        let others = others.filter_map(|header| header.others.last()).map(|range| *range.end());
        inventory.next_segment = others.fold(known, u32::max).saturating_add(1);
        inventory.find_tails();
        Ok(inventory)
    }

    fn look_at(&mut self, disk: &dyn Disk, number: u32, bytes: u64) -> Result<(), StoreError> {
        let name = names::segment(number);
        let file = disk.open(&name).map_err(StoreError::io(disk, &name, "it can't be opened"))?;
        let mut head = vec![0; HEADER_BYTES];
        // What can't be read is as damaged as what is wrong.
        let count = file.read_at(&mut head, 0).unwrap_or_default();
        head.truncate(count);
        let mut has_records = false;
        let (generation, header) = match SegmentHeader::decode(&head) {
            FoundHeader::Header(header) if header.number == number => {
                (Some(header.generation), Some(header))
            }
            FoundHeader::Newer { version } => {
                let path = disk.path().join(name);
                return Err(StoreError::Newer { path, version, known: FORMAT_VERSION });
            }
            FoundHeader::Spare => {
                self.unused.push(name);
                return Ok(());
            }
            // Another segment under this name: what is in it is in that one, or was given up.
            FoundHeader::Header(_) => {
                self.misnamed.push(number);
                return Ok(());
            }
            FoundHeader::Damaged | FoundHeader::Unused => {
                let opened = SegmentReader::new(file);
                let mut reader =
                    opened.map_err(StoreError::io(disk, &name, "it can't be opened"))?;
                if reader.data_end(0) == 0 && reader.unreadable().is_none() {
                    self.unused.push(name);
                    return Ok(());
                }
                let start = HEADER_BYTES as u64;
                has_records = reader.data_end(start) > start || reader.unreadable().is_some();
                (guess_generation(disk, number, &mut reader), None)
            }
        };
        match generation {
            Some(generation) => {
                let tail = Tail::Sealed { end: None };
                let file_bytes = bytes;
                self.segments.push(FoundSegment { number, generation, header, file_bytes, tail });
            }
            None => self.unreadable.push((number, has_records)),
        }
        Ok(())
    }

    /// The last segment is open; all others ended where the next one says.
    fn find_tails(&mut self) {
        let mut next: Option<SegmentHeader> = None;
        let mut is_last = true;
        for segment in self.segments.iter_mut().rev() {
            let before = |header: &SegmentHeader| {
                let number = header.others.last().map(|range| *range.end());
                (number == Some(segment.number)).then_some(header.previous_end)
            };
            segment.tail = match is_last {
                true => Tail::Open,
                false => Tail::Sealed { end: next.as_ref().and_then(before) },
            };
            is_last = false;
            next = segment.header.clone();
        }
    }

    /// Segments that should be there and are not, as far as the last one knows, at most so many;
    /// `is_removed` are those that were removed on purpose.
    pub(crate) fn missing(&self, max: usize, is_removed: impl Fn(u32) -> bool) -> Vec<u32> {
        let there = self.segments.iter().map(|segment| segment.number);
        let there: BTreeSet<u32> =
            there.chain(self.unreadable.iter().map(|(number, _)| *number)).collect();
        let headers = self.segments.iter().rev().filter_map(|segment| segment.header.as_ref());
        let others = headers.take(1).flat_map(|header| header.others.clone()).flatten();
        let is_missing = |number: &u32| !there.contains(number) && !is_removed(*number);
        others.filter(is_missing).take(max).collect()
    }

    /// Whether the last segment that is there was not the last one: its index is written once there
    /// is another.
    pub(crate) fn lacks_the_last(&self) -> bool {
        self.segments.last().is_some_and(|segment| self.indexed.contains(&segment.number))
    }
}

/// What the first frame says, or the index.
fn guess_generation(disk: &dyn Disk, number: u32, reader: &mut SegmentReader) -> Option<u32> {
    let start = HEADER_BYTES as u64;
    let length = announced_length(reader.bytes(start, FRAME_BYTES))?;
    let is_in = length as u64 <= reader.length().saturating_sub(start);
    if is_in && let Some(frame) = Frame::decode(reader.bytes(start, length)) {
        return Some(frame.generation);
    }
    let index = read_index(disk, number, reader.length())?;
    Index::decode(&index).map(|index| index.generation)
}

/// The bytes of an index's file; none if there is none, it can't be read, or it is larger than the
/// segment.
pub(crate) fn read_index(disk: &dyn Disk, number: u32, segment_bytes: u64) -> Option<Vec<u8>> {
    let file = disk.open(&names::index(number)).ok()?;
    let length = file.length().ok().filter(|length| *length <= segment_bytes)?;
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    let count = file.read_at(&mut bytes, 0).ok()?;
    bytes.truncate(count);
    Some(bytes)
}
