//! What is alive when a broker starts, from what is in the files.
//!
//! `inventory` looks at the files and their headers. For each segment there is an index, its file or
//! made by `scan`, which goes through the segment by `walk` and so tells a torn tail from damage. The
//! first pass over all indexes (`collect`) finds what is settled; the second (`restore`) gives what is
//! not.

mod collect;
mod indexed;
mod inventory;
mod restore;
mod scan;
mod securing;
mod segment_reader;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::HashMap;

pub(crate) use collect::SegmentSummary;
pub(crate) use indexed::{index_of, write_index};
pub(crate) use inventory::{FoundSegment, Inventory};
pub(crate) use restore::Alive;
pub(crate) use scan::DamageKind;
pub(crate) use securing::doubt_clean_stop;
pub(crate) use walk::{Step, Tail, Walk};
#[cfg(any(test, feature = "simulation"))]
pub(crate) use {scan::scan, segment_reader::SegmentReader};

use crate::model::ids::QueueId;
use crate::model::stored::{Place, Reference};
use crate::store::disk::{Disk, Keep, read_exact};
use crate::store::error::StoreError;
use crate::store::format::frame::Frame;
use crate::store::format::index::Index;
use crate::store::format::record::{Record, ReturnedRecord};
use crate::store::names;
use crate::store::recovered::{RecoveredDefinition, RecoveredDelayed, RecoveryReport};
use crate::store::reference_set::ReferenceSet;
use collect::Collected;
use indexed::{Indexed, compared_index_of, read_index_of};
use scan::Damage;
use securing::secure;

/// Damaged places of a segment that are told one by one.
const DAMAGES_TOLD_MAX: usize = 16;

/// What the files of a store say, before its messages are given out.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// Those that are alive, in the order of their references.
    pub(crate) definitions: Vec<RecoveredDefinition>,
    /// Those that are alive, in the order of their references.
    pub(crate) delayed: Vec<RecoveredDelayed>,
    pub(crate) highest_queue: QueueId,
    /// The first reference that is still to be given.
    pub(crate) next_reference: u64,
    /// What is below may have been delivered, though nothing else says so.
    pub(crate) delivered_below: u64,
    /// The number of the next segment.
    pub(crate) next_segment: u32,
    /// In the order of their numbers.
    pub(crate) segments: Vec<RecoveredSegment>,
    /// Files that are to be removed: nothing in them is needed.
    pub(crate) unused: Vec<String>,
    /// What is settled in the segments that there are.
    pub(crate) settled: ReferenceSet,
    pub(crate) returned: HashMap<Reference, ReturnedRecord>,
    /// What has a copy in a later segment.
    moved: ReferenceSet,
    pub(crate) report: RecoveryReport,
}

/// A segment, and what it has.
#[derive(Debug)]
pub(crate) struct RecoveredSegment {
    pub(crate) found: FoundSegment,
    /// The reference that was next when it was created.
    pub(crate) first: u64,
    /// Where its records end: the last one is to be cut off there, if it may be.
    pub(crate) end: u32,
    /// Whether nobody needs what is torn: the segment is not damaged, or all of it is kept elsewhere.
    pub(crate) may_be_cut: bool,
    pub(crate) summary: SegmentSummary,
    /// Its index, where there is none on the disk: that of the last segment is to be written once
    /// there is another.
    pub(crate) index: Option<Vec<u8>>,
}

/// What is done about what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repair {
    /// Damaged segments are put into quarantine, and those without an index get one.
    Files,
    /// Nothing is written; but every byte is looked at.
    Nothing,
}

/// Reads what the files say. Damaged segments are in quarantine then, and those without an index have
/// one; nothing else is changed.
///
/// # Errors
///
/// A file can't be opened, or is of a later version. Damage is no error.
pub(crate) fn recover(disk: &dyn Disk) -> Result<Recovered, StoreError> {
    recover_with(disk, Repair::Files)
}

/// The same, but every byte of all segments is read, indexes are compared with them, and nothing is
/// written.
///
/// # Errors
///
/// As [`recover`].
pub(crate) fn inspect(disk: &dyn Disk) -> Result<Recovered, StoreError> {
    recover_with(disk, Repair::Nothing)
}

fn recover_with(disk: &dyn Disk, repair: Repair) -> Result<Recovered, StoreError> {
    let mut inventory = Inventory::take(disk)?;
    let mut report = RecoveryReport {
        was_clean: inventory.segments.is_empty(),
        segments: inventory.segments.len() as u64,
        ..RecoveryReport::default()
    };
    let mut collected = Collected::default();
    let mut clean = None;
    let mut segments = Vec::with_capacity(inventory.segments.len());
    for found in inventory.segments.iter().rev() {
        let mut indexed = match repair {
            Repair::Files => index_of(disk, found)?,
            Repair::Nothing => compared_index_of(disk, found)?,
        };
        let mut add = |indexed: &Indexed| collected.add(Index::decode_unchecked(&indexed.bytes)?);
        let mut summary = add(&indexed);
        if summary.is_none() {
            // Its checksum was right, and it is nonsense: the segment itself counts.
            indexed = read_index_of(disk, found)?;
            summary = add(&indexed);
        }
        if let (Tail::Open, Some(read)) = (found.tail, &indexed.read) {
            clean = read.clean;
            report.was_clean = clean.is_some();
        }
        let segment = keep(found, indexed, summary.unwrap_or_default(), &mut report);
        segments.push(match repair {
            Repair::Files => repaired(disk, segment, &mut report)?,
            Repair::Nothing => segment.0,
        });
    }
    segments.reverse();
    tell_missing(&inventory, &collected, &mut report);
    tell_unreadable(disk, repair, &mut inventory, &mut report);

    let firsts = segments.iter().map(|segment| segment.first);
    let next_reference = firsts.fold(collected.reference_end, u64::max).max(1);
    // After another end nobody knows what was delivered of all that there is.
    let delivered_below = clean.unwrap_or(next_reference);
    let delayed = delayed(disk, repair, &inventory.segments, &collected, &mut report);
    let highest_queue = collected.highest_queue();
    let definition = |(reference, content)| RecoveredDefinition { reference, content };
    Ok(Recovered {
        definitions: collected.definitions.into_iter().map(definition).collect(),
        delayed,
        highest_queue,
        next_reference,
        delivered_below,
        next_segment: inventory.next_segment,
        segments,
        unused: inventory.unused,
        settled: collected.settled,
        returned: collected.returned,
        moved: collected.moved,
        report,
    })
}

/// What reading a segment has found is told. Whether that is damage is said with it.
fn keep(
    found: &FoundSegment,
    indexed: Indexed,
    summary: SegmentSummary,
    report: &mut RecoveryReport,
) -> (RecoveredSegment, IsDamaged) {
    let mut is_damaged = IsDamaged::No;
    let Indexed { bytes, end, read } = indexed;
    let index = read.is_some().then_some(bytes);
    report.torn_bytes += read.as_ref().map_or(0, |read| read.torn);
    // The header is looked at in any case.
    let damages = damage_texts(found, read.as_ref().map_or(&[], |read| &read.damages));
    if !damages.is_empty() {
        is_damaged = IsDamaged::Yes;
    }
    report.damages.extend(damages);
    let lowest = summary.range.as_ref().map_or(1, |range| *range.start());
    let first = found.header.as_ref().map_or(lowest, |header| header.next_reference);
    let found = found.clone();
    (RecoveredSegment { found, first, end, may_be_cut: true, summary, index }, is_damaged)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IsDamaged {
    Yes,
    No,
}

/// A damaged segment is kept aside, the last one is safe, and one that was read has an index.
fn repaired(
    disk: &dyn Disk,
    (mut segment, is_damaged): (RecoveredSegment, IsDamaged),
    report: &mut RecoveryReport,
) -> Result<RecoveredSegment, StoreError> {
    if is_damaged == IsDamaged::Yes {
        let kept = set_aside(disk, &segment.found.name(), segment.found.tail);
        segment.may_be_cut = kept.is_ok();
        report.damages.push(kept.unwrap_or_else(|told| told));
    }
    if segment.found.tail == Tail::Open {
        // Its index comes when there is another: where there is one, so is a successor.
        secure(disk, &segment, report.was_clean)?;
    } else if let Some(bytes) = &segment.index
        && write_index(disk, segment.found.number, bytes).is_ok()
    {
        segment.index = None;
    }
    Ok(segment)
}

fn damage_texts(found: &FoundSegment, damages: &[Damage]) -> Vec<String> {
    let name = found.name();
    let mut told = Vec::new();
    if found.header.is_none() {
        told.push(format!("'{name}': its header is damaged"));
    }
    for Damage { from, to, kind } in damages.iter().take(DAMAGES_TOLD_MAX) {
        told.push(match kind {
            DamageKind::OtherIndex => {
                format!("'{}' says something else than '{name}'", names::index(found.number))
            }
            _ => format!("'{name}': {} bytes from {from} on: {}", to - from, kind.text()),
        });
    }
    if damages.len() > DAMAGES_TOLD_MAX {
        told.push(format!("'{name}': {} more places", damages.len() - DAMAGES_TOLD_MAX));
    }
    told
}

/// Keeps a damaged file, and says so; or that it could not be kept.
fn set_aside(disk: &dyn Disk, name: &str, tail: Tail) -> Result<String, String> {
    let folder = names::QUARANTINE;
    // The last one is cut off where its records end.
    let keep = if tail == Tail::Open { Keep::Copy } else { Keep::File };
    match disk.quarantine(name, name, keep) {
        Ok(()) => Ok(format!("'{name}' is kept as it is in the folder '{folder}'")),
        Err(error) => {
            let what = "can't be kept in the folder";
            Err(format!("'{name}' {what} '{folder}' ({error}): copy it yourself"))
        }
    }
}

/// Keeps a file of which nothing can be used, and has it removed from where it is once it is kept.
fn give_up(
    disk: &dyn Disk,
    name: String,
    repair: Repair,
    inventory: &mut Inventory,
) -> Option<String> {
    if repair != Repair::Files {
        return None;
    }
    let folder = names::QUARANTINE;
    Some(match disk.quarantine(&name, &name, Keep::File) {
        Ok(()) => {
            let told = format!("'{name}' is in the folder '{folder}' now");
            inventory.unused.push(name);
            told
        }
        Err(error) => format!("'{name}' can't be kept in '{folder}' ({error}), and stays"),
    })
}

/// Segments of which not a record can be told: the last one was only being created.
fn tell_unreadable(
    disk: &dyn Disk,
    repair: Repair,
    inventory: &mut Inventory,
    report: &mut RecoveryReport,
) {
    for number in std::mem::take(&mut inventory.misnamed) {
        let name = names::segment(number);
        report.damages.push(format!("'{name}': it is another segment than its name says"));
        report.damages.extend(give_up(disk, name, repair, inventory));
    }
    let last = inventory.segments.last().map(|segment| segment.number);
    for (number, has_records) in std::mem::take(&mut inventory.unreadable) {
        let name = names::segment(number);
        let was_used = has_records || Some(number) < last || inventory.indexed.contains(&number);
        if was_used {
            report.damages.push(format!("'{name}': nothing in it can be read"));
            report.damages.extend(give_up(disk, name, repair, inventory));
        } else {
            // It was only being created.
            inventory.unused.push(name);
        }
    }
}

fn tell_missing(inventory: &Inventory, collected: &Collected, report: &mut RecoveryReport) {
    let is_removed = |number| collected.removed.contains(&number);
    let missing = inventory.missing(DAMAGES_TOLD_MAX, is_removed);
    let missing = missing.into_iter().map(names::segment);
    report.damages.extend(missing.map(|name| format!("'{name}' is missing, and what was in it")));
    if inventory.lacks_the_last()
        && let Some(last) = inventory.segments.last()
    {
        let name = last.name();
        report.damages.push(format!("what came after '{name}' is missing"));
    }
}

/// Reads of the messages that wait at delayed exchanges where that is, and until when.
fn delayed(
    disk: &dyn Disk,
    repair: Repair,
    segments: &[FoundSegment],
    collected: &Collected,
    report: &mut RecoveryReport,
) -> Vec<RecoveredDelayed> {
    let mut found = Vec::with_capacity(collected.delayed.len());
    let mut open = None;
    let mut bytes = Vec::new();
    for (reference, place) in &collected.delayed {
        let name = names::segment(place.segment);
        if open.as_ref().is_none_or(|(segment, _)| *segment != place.segment) {
            open = disk.open(&name).ok().map(|file| (place.segment, file));
        }
        bytes.resize(usize::try_from(place.length).unwrap_or_default(), 0);
        let read = open.as_ref().is_some_and(|(_, file)| {
            read_exact(&**file, &mut bytes, u64::from(place.offset)).is_ok()
        });
        let message = if read { recovered_delayed(&bytes, *place) } else { None };
        match message {
            Some(message) if message.reference == *reference => {
                found.push(message);
            }
            _ => {
                let offset = place.offset;
                let what = "a delayed message can't be read, and stays where it is";
                report.damages.push(format!("'{name}', from {offset} on: {what}"));
                if repair == Repair::Files {
                    let segment = segments.iter().find(|it| it.number == place.segment);
                    let tail = segment.map_or(Tail::Open, |segment| segment.tail);
                    let kept = set_aside(disk, &name, tail);
                    report.damages.push(kept.unwrap_or_else(|told| told));
                }
            }
        }
    }
    found
}

fn recovered_delayed(bytes: &[u8], place: Place) -> Option<RecoveredDelayed> {
    let frame = Frame::decode(bytes)?;
    let Record::Delayed(record) = Record::decode(&frame)? else { return None };
    let name = |name: &str| springhare_amqp::ShortString::new(name).ok();
    Some(RecoveredDelayed {
        reference: record.reference,
        virtual_host: name(record.virtual_host)?,
        exchange: name(record.exchange)?,
        due: record.due,
        place,
        body_len: record.content.body.len() as u64,
    })
}
