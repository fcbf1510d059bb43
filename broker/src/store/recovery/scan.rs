use super::inventory::FoundSegment;
use super::segment_reader::SegmentReader;
use super::walk::{Step, Tail, Walk};
use crate::store::format::frame::Flags;
use crate::store::format::index::IndexWriter;
use crate::store::format::record::Record;

/// What a segment has, from its own bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Its index.
    pub(crate) index: Vec<u8>,
    /// Where its records end.
    pub(crate) end: u32,
    /// Bytes behind it of a write that was not finished.
    pub(crate) torn: u64,
    pub(crate) damages: Vec<Damage>,
    /// If the last record is that of an orderly stop: below which reference all may have been delivered.
    pub(crate) clean: Option<u64>,
}

/// Bytes of a segment that are not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) kind: DamageKind,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DamageKind {
    /// No whole record begins there.
    Unreadable,
    /// A whole record that means nothing.
    Senseless,
    /// Whole records of a group that is not whole, and which take something away.
    HalfAGroup,
    /// The file ends before them.
    CutOff,
    /// The index has other bytes than one that is made of the segment.
    OtherIndex,
    /// The disk gave an error.
    DiskError,
}

impl DamageKind {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Unreadable => "their checksum is wrong",
            Self::Senseless => "they are no record that this version knows",
            Self::HalfAGroup => "the records that they belong to are not whole",
            Self::CutOff => "the file ends before them",
            Self::OtherIndex => "its index has other bytes",
            Self::DiskError => "the disk can't read them",
        }
    }
}

/// Reads a segment.
pub(crate) fn scan(reader: &mut SegmentReader, segment: &FoundSegment, tail: Tail) -> Scan {
    let FoundSegment { number, generation, .. } = *segment;
    let mut scanner = Scanner {
        index: IndexWriter::new(number, generation),
        damages: Vec::new(),
        clean: None,
        group: None,
    };
    let mut walk = Walk::new(generation, tail, segment.is_reused());
    let (end, torn) = loop {
        match walk.step(reader) {
            Step::Frame { offset, length, flags } => scanner.frame(reader, offset, length, flags),
            Step::Damage { from, to } => scanner.damage(from, to, DamageKind::Unreadable),
            Step::End { at, torn } => break scanner.end(reader, tail, at, torn),
        }
    };
    if let Some((from, to)) = reader.unreadable() {
        scanner.damages.push(Damage { from, to, kind: DamageKind::DiskError });
    }
    let end = u32::try_from(end).unwrap_or(u32::MAX);
    let Scanner { index, damages, clean, .. } = scanner;
    let clean = clean.filter(|_| torn == 0 && damages.is_empty());
    Scan { index: index.finish(end), end, torn, damages, clean }
}

/// Frames of a group that is not at its end.
#[derive(Debug)]
struct Group {
    frames: Vec<(u32, u32)>,
    /// Some of it is damaged.
    is_broken: bool,
}

#[derive(Debug)]
struct Scanner {
    index: IndexWriter,
    damages: Vec<Damage>,
    clean: Option<u64>,
    group: Option<Group>,
}

impl Scanner {
    fn frame(&mut self, reader: &mut SegmentReader, offset: u32, length: u32, flags: Flags) {
        let Some(frame) = reader.known_frame(offset, length) else { return };
        let record = match Record::decode(&frame) {
            // It belongs to nobody.
            Some(Record::SyncedTo { .. }) => return,
            Some(record) => record,
            None => {
                let (from, to) = (u64::from(offset), u64::from(offset) + u64::from(length));
                return self.damage(from, to, DamageKind::Senseless);
            }
        };
        self.clean = match record {
            Record::Clean { delivered_below } => Some(delivered_below),
            _ => None,
        };
        let (continues, is_open) = (flags.has(Flags::CONTINUES), flags.has(Flags::MORE));
        if !continues && !is_open && self.group.is_none() {
            self.index.push(offset, length, flags, &record);
            return;
        }
        if !continues {
            self.give_up_group(reader);
        }
        let group =
            self.group.get_or_insert_with(|| Group { frames: Vec::new(), is_broken: continues });
        group.frames.push((offset, length));
        if !is_open && let Some(group) = self.group.take() {
            self.close_group(reader, &group);
        }
    }

    fn damage(&mut self, from: u64, to: u64, kind: DamageKind) {
        self.clean = None;
        self.damages.push(Damage { from, to, kind });
        // What comes next may belong to it or not, and says which.
        if let Some(group) = &mut self.group {
            group.is_broken = true;
        }
    }

    /// The records end there; where what is kept ends, and how much behind it is torn.
    fn end(&mut self, reader: &mut SegmentReader, tail: Tail, at: u64, torn: u64) -> (u64, u64) {
        let begin = self.group.as_ref().and_then(|group| group.frames.first());
        match (tail, begin) {
            // The rest of the group was not written any more.
            (Tail::Open, Some((begin, _))) => {
                let begin = u64::from(*begin);
                (begin, at + torn - begin)
            }
            _ => {
                self.give_up_group(reader);
                (at, torn)
            }
        }
    }

    /// The group that is open has no end.
    fn give_up_group(&mut self, reader: &mut SegmentReader) {
        if let Some(group) = self.group.take() {
            self.close_group(reader, &Group { is_broken: true, ..group });
        }
    }

    fn close_group(&mut self, reader: &mut SegmentReader, group: &Group) {
        for (offset, length) in &group.frames {
            let Some(frame) = reader.known_frame(*offset, *length) else { continue };
            let Some(record) = Record::decode(&frame) else { continue };
            if !group.is_broken || adds(&record) {
                self.index.push(*offset, *length, frame.flags, &record);
            } else {
                let (from, to) = (u64::from(*offset), u64::from(*offset) + u64::from(*length));
                self.damages.push(Damage { from, to, kind: DamageKind::HalfAGroup });
            }
        }
    }
}

/// Of a group that damage has hit, what adds something is kept: something may come back that was
/// done with, but nothing is lost with what is damaged.
fn adds(record: &Record<'_>) -> bool {
    matches!(record, Record::Message(_) | Record::Delayed(_) | Record::Definition { .. })
}
