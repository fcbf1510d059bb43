//! The index of a sealed segment: all its records without the contents of messages, so that a start
//! need not read them. It says nothing that the segment does not say, and can always be made anew.
//!
//! Magic, version, the segment's number and generation, its end; an entry for each record; a checksum
//! of all that. An entry says little of what the entries before it let expect: a plain message takes
//! five to nine bytes.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use read::{Entry, EntryRecord, Index};
pub(crate) use write::IndexWriter;

use super::varint::{unzigzag, zigzag};
use crate::model::stored::Reference;

const MAGIC: &[u8; 8] = b"SHINDEX\0";

/// The version of indexes that is written and read: one of another is made anew.
const INDEX_VERSION: u32 = 1;

/// Where the segment's end is.
const END_AT: usize = 20;

const CHECKSUM_BYTES: usize = 4;

/// In the byte of the kind: the record does not begin where the one before has ended.
const HAS_GAP: u8 = 0x80;

/// What is left out of a message's entry since it is as expected, and what is in it.
mod bits {
    /// The first reference is the next one.
    pub(super) const NEXT: u8 = 1;
    /// The queues are those of the message before.
    pub(super) const SAME_QUEUES: u8 = 1 << 1;
    /// All but the body is as long as in the message before.
    pub(super) const SAME_OVERHEAD: u8 = 1 << 2;
    pub(super) const EXPIRES: u8 = 1 << 3;
    pub(super) const PRIORITY: u8 = 1 << 4;
    pub(super) const MOVED: u8 = 1 << 5;
    pub(super) const REPLACES: u8 = 1 << 6;
    pub(super) const SPARSE: u8 = 1 << 7;
}

/// What the entries before an entry let expect of it.
#[derive(Debug, Clone, Copy, Default)]
struct Expected {
    offset: u32,
    reference: u64,
    published_at: u64,
    overhead: u32,
}

impl Expected {
    fn distance(&self, reference: Reference) -> u64 {
        distance(self.reference, reference.number())
    }

    fn at_distance(&self, distance: u64) -> Option<Reference> {
        Reference::new(at_distance(self.reference, distance))
    }
}

/// How far it is from one number to the other; small if they are near.
fn distance(from: u64, to: u64) -> u64 {
    zigzag(to.wrapping_sub(from).cast_signed())
}

fn at_distance(from: u64, distance: u64) -> u64 {
    from.wrapping_add(unzigzag(distance).cast_unsigned())
}
