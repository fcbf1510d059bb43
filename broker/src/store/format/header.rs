//! The header of a segment: twice, so that one damaged sector does not cost the generation.

use std::ops::RangeInclusive;

use super::varint::{Fields, put_varint};

/// What the header takes at the start of a segment; the first frame begins there.
pub(crate) const HEADER_BYTES: usize = 4096;

/// The version of the format that is written. Every version from 1 on is read.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// What each of the two copies takes.
pub(crate) const COPY_BYTES: usize = HEADER_BYTES / 2;

const MAGIC: &[u8; 8] = b"SHSEGMNT";

/// What a file begins with that is to become another segment.
const SPARE_MAGIC: &[u8; 8] = b"SHSPARE\0";

/// What is set in a header's last field if the file was another segment before.
const REUSED: u8 = 1;

/// The checksum at the end of each copy.
const CHECKSUM_BYTES: usize = 4;

/// The end of the other segments, and the last field.
const AFTER_OTHERS: usize = 2;

/// What a segment says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: u32,
    /// Which frames are this segment's own; never 0.
    pub(crate) generation: u32,
    /// The reference that was next when the segment was created.
    pub(crate) next_reference: u64,
    /// Where the last record of the segment before it has ended, which is synced; 0 if there was none.
    pub(crate) previous_end: u32,
    /// The segments that were there, this one not among them, in ascending order. Of so many that
    /// they do not fit, the last ones.
    pub(crate) others: Vec<RangeInclusive<u32>>,
    /// Whether the file was another segment before: what is left of that lies behind the records.
    pub(crate) is_reused: bool,
}

/// What is at the start of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FoundHeader {
    Header(SegmentHeader),
    /// Nothing was ever written.
    Unused,
    /// Another segment was here, of which nothing is needed.
    Spare,
    /// Of a version that this one does not know.
    Newer {
        version: u32,
    },
    /// What was written is not to be read any more.
    Damaged,
}

impl SegmentHeader {
    /// The bytes that a segment begins with.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(HEADER_BYTES);
        copy.extend_from_slice(MAGIC);
        copy.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        copy.extend_from_slice(&self.number.to_le_bytes());
        copy.extend_from_slice(&self.generation.to_le_bytes());
        copy.extend_from_slice(&self.next_reference.to_le_bytes());
        copy.extend_from_slice(&self.previous_end.to_le_bytes());
        self.encode_others(&mut copy);
        copy.push(0);
        copy.push(if self.is_reused { REUSED } else { 0 });
        twice(copy)
    }

    /// From the last to the first, each by its distance from the one before and its length; a
    /// distance of 0 ends them.
    fn encode_others(&self, copy: &mut Vec<u8>) {
        let mut above = self.number;
        for others in self.others.iter().rev() {
            let (first, last) = (*others.start(), *others.end());
            let mut run = Vec::new();
            put_varint(&mut run, u64::from(above.saturating_sub(last)));
            put_varint(&mut run, u64::from(last.saturating_sub(first)));
            if copy.len() + run.len() + AFTER_OTHERS > COPY_BYTES - CHECKSUM_BYTES {
                break;
            }
            copy.extend_from_slice(&run);
            above = first;
        }
    }

    /// What the bytes at the start of a segment say.
    pub(crate) fn decode(bytes: &[u8]) -> FoundHeader {
        let bytes = bytes.get(..HEADER_BYTES).unwrap_or(bytes);
        if bytes.iter().all(|byte| *byte == 0) {
            return FoundHeader::Unused;
        }
        let mut copies = bytes.chunks(COPY_BYTES).map(Self::decode_copy);
        let readable = copies.find(|found| *found != FoundHeader::Damaged);
        readable.unwrap_or(FoundHeader::Damaged)
    }

    fn decode_copy(copy: &[u8]) -> FoundHeader {
        let found = (|| {
            let (summed, checksum) = copy.split_at_checked(COPY_BYTES - CHECKSUM_BYTES)?;
            let is_right = crc32c::crc32c(summed).to_le_bytes() == *checksum;
            let mut fields = Fields::new(summed);
            let magic = fields.take(MAGIC.len()).filter(|_| is_right)?;
            if magic == SPARE_MAGIC {
                return Some(FoundHeader::Spare);
            }
            if magic != MAGIC {
                return None;
            }
            let version = fields.u32()?;
            if version > FORMAT_VERSION {
                return Some(FoundHeader::Newer { version });
            }
            let (number, generation) = (fields.u32()?, fields.u32()?);
            let (next_reference, previous_end) = (fields.u64()?, fields.u32()?);
            let others = decode_others(number, &mut fields)?;
            let is_reused = fields.byte() == Some(REUSED);
            let header =
                Self { number, generation, next_reference, previous_end, others, is_reused };
            Some(FoundHeader::Header(header))
        })();
        found.unwrap_or(FoundHeader::Damaged)
    }
}

/// What a file begins with that is to become another segment.
pub(crate) fn spare_header() -> Vec<u8> {
    twice(SPARE_MAGIC.to_vec())
}

/// A whole header of this copy.
fn twice(mut copy: Vec<u8>) -> Vec<u8> {
    copy.resize(COPY_BYTES - CHECKSUM_BYTES, 0);
    copy.extend_from_slice(&crc32c::crc32c(&copy).to_le_bytes());
    copy.extend_from_within(..);
    copy
}

fn decode_others(number: u32, fields: &mut Fields<'_>) -> Option<Vec<RangeInclusive<u32>>> {
    let mut others = Vec::new();
    let mut above = number;
    while !fields.is_empty() {
        let distance = fields.varint_u32()?;
        if distance == 0 {
            break;
        }
        let last = above.checked_sub(distance)?;
        let first = last.checked_sub(fields.varint_u32()?)?;
        others.push(first..=last);
        above = first;
    }
    others.reverse();
    Some(others)
}

/// Numbers in ascending order as the ranges that they make.
pub(crate) fn ranges(numbers: impl IntoIterator<Item = u32>) -> Vec<RangeInclusive<u32>> {
    let mut ranges: Vec<RangeInclusive<u32>> = Vec::new();
    for number in numbers {
        match ranges.last_mut().filter(|range| range.end().checked_add(1) == Some(number)) {
            Some(range) => *range = *range.start()..=number,
            None => ranges.push(number..=number),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(others: &[u32]) -> SegmentHeader {
        let others = ranges(others.iter().copied());
        SegmentHeader {
            number: 4000,
            generation: 0xdead_beef,
            next_reference: 1 << 40,
            previous_end: 1 << 20,
            others,
            is_reused: false,
        }
    }

    proptest! {
        #[test]
        fn a_header_is_read_as_it_was_written(
            others in prop::collection::btree_set(1_u32..4000, 0..900),
            is_reused: bool,
        ) {
            let others: Vec<u32> = others.into_iter().collect();
            let header = SegmentHeader { is_reused, ..header(&others) };
            let bytes = header.encode();
            prop_assert_eq!(bytes.len(), HEADER_BYTES);
            prop_assert_eq!(SegmentHeader::decode(&bytes), FoundHeader::Header(header));
        }

        #[test]
        fn anything_is_read_or_not(mut bytes: Vec<u8>, number in 1_u32..9) {
            let found = SegmentHeader::decode(&bytes);
            prop_assert!(matches!(found, FoundHeader::Damaged | FoundHeader::Unused));
            let _ = decode_others(number, &mut Fields::new(&bytes));
            bytes.resize(COPY_BYTES - CHECKSUM_BYTES, 0);
            bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
            prop_assert_eq!(SegmentHeader::decode(&bytes), FoundHeader::Damaged);
        }
    }

    #[test]
    fn of_too_many_others_the_last_are_kept() {
        let all: Vec<u32> = (1..4000).step_by(2).collect();
        let FoundHeader::Header(found) = SegmentHeader::decode(&header(&all).encode()) else {
            panic!("it is whole");
        };
        assert!(found.others.len() > 900);
        assert_eq!(found.others.last(), Some(&(3999..=3999)));
        assert!(ranges(all).ends_with(&found.others));
    }

    #[test]
    fn one_copy_is_enough() {
        let header = header(&[1, 2, 3, 7]);
        let bytes = header.encode();
        for byte in 0..HEADER_BYTES {
            let mut flipped = bytes.clone();
            flipped[byte] ^= 1 << (byte % 8);
            assert_eq!(SegmentHeader::decode(&flipped), FoundHeader::Header(header.clone()));
        }
        let mut torn = bytes.clone();
        torn[..COPY_BYTES].fill(0);
        assert_eq!(SegmentHeader::decode(&torn), FoundHeader::Header(header.clone()));
        assert_eq!(SegmentHeader::decode(&bytes[..COPY_BYTES]), FoundHeader::Header(header));
        torn[COPY_BYTES] ^= 1;
        assert_eq!(SegmentHeader::decode(&torn), FoundHeader::Damaged);
        assert_eq!(SegmentHeader::decode(&bytes[..100]), FoundHeader::Damaged);
        assert_eq!(SegmentHeader::decode(&[]), FoundHeader::Unused);
        assert_eq!(SegmentHeader::decode(&[0; HEADER_BYTES]), FoundHeader::Unused);
    }

    #[test]
    fn a_spare_file_is_told_by_either_copy() {
        let spare = spare_header();
        assert_eq!(spare.len(), HEADER_BYTES);
        assert_eq!(SegmentHeader::decode(&spare), FoundHeader::Spare);
        // The first copy of a segment's header is being written over it.
        let header = SegmentHeader { is_reused: true, ..header(&[1]) };
        let bytes = header.encode();
        for written in 0..COPY_BYTES {
            let half = [&bytes[..written], &spare[written..]].concat();
            assert_eq!(SegmentHeader::decode(&half), FoundHeader::Spare, "{written} bytes");
        }
        let first = [&bytes[..COPY_BYTES], &spare[COPY_BYTES..]].concat();
        assert_eq!(SegmentHeader::decode(&first), FoundHeader::Header(header));
    }

    #[test]
    fn a_newer_version_is_told() {
        let mut copy = header(&[]).encode();
        copy.truncate(COPY_BYTES - CHECKSUM_BYTES);
        copy[MAGIC.len()] = 2;
        copy.extend_from_slice(&crc32c::crc32c(&copy).to_le_bytes());
        assert_eq!(SegmentHeader::decode(&copy), FoundHeader::Newer { version: 2 });
    }
}
