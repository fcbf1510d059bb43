//! The frame around each record: a checksum of all that follows it, the payload's length, the
//! segment's generation, the kind, flags.

use super::varint::Fields;

/// The bytes of a frame beside its payload.
pub(crate) const FRAME_BYTES: usize = 4 + 4 + 4 + 1 + 1;

/// The checksum comes first and is not part of what it sums up.
const CHECKSUM_BYTES: usize = 4;

/// Where the generation is.
pub(crate) const GENERATION_AT: usize = 8;

/// Where the kind is, and behind it the flags.
const KIND_AT: usize = 12;

/// Where the flags are.
const FLAGS_AT: usize = 13;

/// What is said of a record beside its kind; each kind takes its own of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    /// No flags.
    pub(crate) const NONE: Self = Self(0);
    /// The next frame survives with this one or not at all.
    pub(crate) const MORE: Self = Self(1);
    /// The record is a copy of one in an older segment, with the same references.
    pub(crate) const MOVED: Self = Self(1 << 1);
    /// A message's references do not count up by ones, since some are settled.
    pub(crate) const SPARSE: Self = Self(1 << 2);
    /// A message settles others.
    pub(crate) const REPLACES: Self = Self(1 << 3);
    /// A message is routed by more keys than its own.
    pub(crate) const COPIES: Self = Self(1 << 4);
    /// The frame before survives with this one or not at all.
    pub(crate) const CONTINUES: Self = Self(1 << 5);

    /// Flags as they are stored.
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    #[inline]
    pub(crate) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 == flag.0
    }

    #[must_use]
    #[inline]
    pub(crate) const fn with(self, flag: Self) -> Self {
        Self(self.0 | flag.0)
    }

    #[must_use]
    pub(crate) const fn without(self, flag: Self) -> Self {
        Self(self.0 & !flag.0)
    }
}

/// A frame, whose checksum was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) generation: u32,
    pub(crate) kind: u8,
    pub(crate) flags: Flags,
    pub(crate) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the start of `bytes`, if one is there and whole.
    #[inline]
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let frame = Self::decode_unchecked(bytes)?;
        let checksum = u32::from_le_bytes(*bytes.first_chunk()?);
        let summed = bytes.get(CHECKSUM_BYTES..frame.length())?;
        (crc32c::crc32c(summed) == checksum).then_some(frame)
    }

    /// The frame at the start of `bytes`, which is known to be whole.
    #[inline]
    pub(crate) fn decode_unchecked(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes.get(CHECKSUM_BYTES..)?);
        let length = usize::try_from(fields.u32()?).ok()?;
        let generation = fields.u32()?;
        let kind = fields.byte()?;
        let flags = Flags(fields.byte()?);
        let payload = fields.take(length)?;
        Some(Self { generation, kind, flags, payload })
    }

    /// The whole frame's bytes.
    #[inline]
    pub(crate) fn length(&self) -> usize {
        FRAME_BYTES + self.payload.len()
    }
}

/// The length of the frame that `bytes` begin with, if it tells the truth.
pub(crate) fn announced_length(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    usize::try_from(length).ok()?.checked_add(FRAME_BYTES)
}

/// Appends a frame, whose payload `write` appends. Checksum and generation are left to be
/// [sealed](seal_frames_with). What it returns is the frame's length.
///
/// A payload of 4 GiB or more has no length that could be written, and is never read again: who
/// appends must know that it is less.
#[inline]
pub(crate) fn put_frame(
    out: &mut Vec<u8>,
    kind: u8,
    flags: Flags,
    write: impl FnOnce(&mut Vec<u8>),
) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_BYTES - 2]);
    out.extend_from_slice(&[kind, flags.0]);
    write(out);
    let length = out.len() - start;
    let payload = u32::try_from(length - FRAME_BYTES).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(start + 4..start + 8) {
        field.copy_from_slice(&payload.to_le_bytes());
    }
    length
}

/// Says of all frames, which `bytes` are made of, that they survive together or not at all; before
/// they are sealed.
pub(crate) fn join_frames(mut bytes: &mut [u8]) {
    let mut joined = Flags::NONE;
    while let Some(length) = announced_length(bytes).filter(|length| *length <= bytes.len()) {
        let (frame, rest) = bytes.split_at_mut(length);
        if let Some(flags) = frame.get_mut(FLAGS_AT) {
            let more = if rest.is_empty() { Flags::NONE } else { Flags::MORE };
            *flags = Flags(*flags).with(joined).with(more).0;
        }
        joined = Flags::CONTINUES;
        bytes = rest;
    }
}

/// Fills generation and checksum of all frames in, which `bytes` are made of.
#[cfg(any(test, feature = "simulation"))]
pub(crate) fn seal_frames(bytes: &mut [u8], generation: u32) {
    seal_frames_with(bytes, generation, |_, _| {});
}

/// Fills generation and checksum of all frames in, which `bytes` are made of, and gives each frame
/// with its place in them.
pub(crate) fn seal_frames_with(
    mut bytes: &mut [u8],
    generation: u32,
    mut take: impl FnMut(usize, &Frame<'_>),
) {
    let mut offset = 0;
    while let Some(length) = announced_length(bytes).filter(|length| *length <= bytes.len()) {
        let (frame, rest) = bytes.split_at_mut(length);
        if let Some(field) = frame.get_mut(GENERATION_AT..GENERATION_AT + 4) {
            field.copy_from_slice(&generation.to_le_bytes());
        }
        let checksum = crc32c::crc32c(frame.get(CHECKSUM_BYTES..).unwrap_or_default());
        if let Some(field) = frame.first_chunk_mut() {
            *field = checksum.to_le_bytes();
        }
        if let (Some([kind, flags]), Some(payload)) =
            (frame.get(KIND_AT..FRAME_BYTES), frame.get(FRAME_BYTES..))
        {
            take(offset, &Frame { generation, kind: *kind, flags: Flags(*flags), payload });
        }
        offset += length;
        bytes = rest;
    }
    debug_assert!(bytes.is_empty(), "frames are whole");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealed(generation: u32, frames: &[(u8, u8, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, flags, payload) in frames {
            let length =
                put_frame(&mut bytes, *kind, Flags(*flags), |out| out.extend_from_slice(payload));
            assert_eq!(length, FRAME_BYTES + payload.len());
        }
        seal_frames(&mut bytes, generation);
        bytes
    }

    proptest! {
        #[test]
        fn frames_are_read_as_they_were_written(
            generation: u32,
            frames: Vec<(u8, u8, Vec<u8>)>,
        ) {
            let bytes = sealed(generation, &frames);
            let mut rest = &bytes[..];
            for (kind, flags, payload) in &frames {
                let frame = Frame::decode(rest).unwrap();
                let expected =
                    Frame { generation, kind: *kind, flags: Flags(*flags), payload };
                prop_assert_eq!(frame, expected);
                rest = &rest[frame.length()..];
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn anything_is_read_or_not(bytes: Vec<u8>) {
            prop_assert_eq!(Frame::decode(&bytes), None, "no such luck in a test's life");
        }
    }

    #[test]
    fn every_bit_counts() {
        let bytes = sealed(7, &[(1, 2, b"payload".to_vec())]);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Frame::decode(&flipped), None, "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert_eq!(Frame::decode(&bytes[..end]), None, "the first {end} bytes");
        }
    }

    #[test]
    fn joined_frames_say_so() {
        let mut bytes = Vec::new();
        for kind in 0..3 {
            put_frame(&mut bytes, kind, Flags::MOVED, |out| out.extend_from_slice(b"payload"));
        }
        join_frames(&mut bytes);
        seal_frames(&mut bytes, 1);
        let mut rest = &bytes[..];
        let expected = [Flags::MORE, Flags::MORE.with(Flags::CONTINUES), Flags::CONTINUES];
        for flags in expected {
            let frame = Frame::decode(rest).unwrap();
            assert_eq!(frame.flags, flags.with(Flags::MOVED));
            rest = &rest[frame.length()..];
        }
        let mut one = sealed(1, &[(1, 0, vec![])]);
        join_frames(&mut one);
        seal_frames(&mut one, 1);
        assert_eq!(Frame::decode(&one).unwrap().flags, Flags::NONE);
    }

    #[test]
    fn zeros_are_no_frame() {
        assert_eq!(Frame::decode(&[0; 4096]), None);
    }
}
