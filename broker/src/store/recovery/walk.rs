use super::segment_reader::SegmentReader;
use crate::store::format::frame::Flags;
use crate::store::format::header::HEADER_BYTES;
use crate::store::format::record::Record;

/// What is known of where a segment's records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// It is the last segment: what was not synced may be torn.
    Open,
    /// All of it was synced, up to there if that is known.
    Sealed { end: Option<u32> },
}

/// What is found in a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A whole frame; what is in it may still make no sense.
    Frame { offset: u32, length: u32, flags: Flags },
    /// Bytes that were whole once.
    Damage { from: u64, to: u64 },
    /// Nothing comes any more. What was being written when the broker ended is torn.
    End { at: u64, torn: u64 },
}

/// Goes through a segment, frame by frame, and over what is damaged.
#[derive(Debug)]
pub(crate) struct Walk {
    generation: u32,
    tail: Tail,
    is_reused: bool,
    at: u64,
    /// How far the segment is known to be synced.
    synced: u64,
    /// Whether all marks that there are were looked for.
    knows_synced: bool,
    /// Where the last whole frame ends that was seen when they were.
    whole: u64,
}

impl Walk {
    /// `is_reused` says that the file was another segment before.
    pub(crate) fn new(generation: u32, tail: Tail, is_reused: bool) -> Self {
        let at = HEADER_BYTES as u64;
        Self { generation, tail, is_reused, at, synced: at, knows_synced: false, whole: at }
    }

    /// What comes next; nothing more is asked after the end.
    pub(crate) fn step(&mut self, reader: &mut SegmentReader) -> Step {
        let end = match self.tail {
            Tail::Sealed { end: Some(end) } => u64::from(end),
            _ => u64::MAX,
        };
        if self.at >= end {
            return Step::End { at: end, torn: 0 };
        }
        if let Some(step) = self.frame(reader) {
            return step;
        }
        let from = self.at;
        match self.tail {
            Tail::Open => self.open_end(reader, from),
            Tail::Sealed { .. } => {
                let next = reader.find_frame(from + 1, self.generation).filter(|next| *next < end);
                let known = (end < u64::MAX).then_some(end);
                // Behind the last record of a file that was another segment there is what is left
                // of that.
                let to = next.or(known).unwrap_or_else(|| match self.is_reused {
                    true => from,
                    false => reader.data_end(from),
                });
                self.at = to;
                if to > from { Step::Damage { from, to } } else { Step::End { at: from, torn: 0 } }
            }
        }
    }

    /// The frame here, if there is one.
    fn frame(&mut self, reader: &mut SegmentReader) -> Option<Step> {
        let frame = reader.frame(self.at, self.generation)?;
        let offset = u32::try_from(self.at).ok()?;
        let length = u32::try_from(frame.length()).ok()?;
        let flags = frame.flags;
        self.synced = self.synced.max(mark(self.at, Record::decode(&frame)));
        self.at += u64::from(length);
        Some(Step::Frame { offset, length, flags })
    }

    /// No frame is here: was one, that was synced?
    fn open_end(&mut self, reader: &mut SegmentReader, from: u64) -> Step {
        if !self.knows_synced {
            self.knows_synced = true;
            self.find_marks(reader, from);
        }
        let next = match self.synced > from {
            true => reader.find_frame(from + 1, self.generation),
            false => None,
        };
        match next {
            Some(to) => {
                self.at = to;
                Step::Damage { from, to }
            }
            None => Step::End { at: from, torn: self.torn_end(reader, from) - from },
        }
    }

    /// Where that ends which was written from there on. In a file that was another segment no more
    /// is sure than what says that it is of this one.
    fn torn_end(&self, reader: &mut SegmentReader, from: u64) -> u64 {
        if !self.is_reused {
            return reader.data_end(from);
        }
        let begun = reader.begun_frame(from, self.generation).map_or(from, |length| from + length);
        begun.max(self.whole).min(reader.length())
    }

    /// Looks at all whole frames from there on.
    fn find_marks(&mut self, reader: &mut SegmentReader, from: u64) {
        let mut next = reader.find_frame(from + 1, self.generation);
        while let Some(at) = next {
            let Some(frame) = reader.frame(at, self.generation) else { break };
            let end = at + frame.length() as u64;
            self.whole = end;
            self.synced = self.synced.max(mark(at, Record::decode(&frame)));
            next = match reader.frame(end, self.generation) {
                Some(_) => Some(end),
                None => reader.find_frame(end, self.generation),
            };
        }
    }
}

/// How far a record says that its segment was synced before it.
fn mark(at: u64, record: Option<Record<'_>>) -> u64 {
    match record {
        Some(Record::SyncedTo { offset }) => u64::from(offset).min(at),
        Some(Record::Clean { .. }) => at,
        _ => 0,
    }
}
