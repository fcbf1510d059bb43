use std::fmt;

use bytes::{BufMut, BytesMut};

use super::Writer;

/// What a client sends first (AMQP 0-9-1 section 4.2.2), and a server that wants another version
/// answers.
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

/// The size of frames that every peer takes, in bytes (`frame-min-size`).
pub const FRAME_MIN_SIZE: usize = 4096;

/// The bytes of a frame beside its payload: kind, channel, size and end.
pub const FRAME_OVERHEAD: usize = HEAD_BYTES + 1;

/// The last byte of a frame (`frame-end`).
pub const FRAME_END: u8 = 0xCE;

/// The bytes before the payload.
const HEAD_BYTES: usize = 7;

/// What a frame carries (section 4.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// 1: a method.
    Method,
    /// 2: the header of a content.
    Header,
    /// 3: a part of a content's body.
    Body,
    /// 8: a sign of life.
    Heartbeat,
}

impl FrameKind {
    /// The kind's number on the wire.
    #[must_use]
    pub const fn value(self) -> u8 {
        match self {
            Self::Method => 1,
            Self::Header => 2,
            Self::Body => 3,
            Self::Heartbeat => 8,
        }
    }

    #[inline]
    fn from_value(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Method),
            2 => Some(Self::Header),
            3 => Some(Self::Body),
            8 => Some(Self::Heartbeat),
            _ => None,
        }
    }
}

/// One frame, its payload still where it was received (section 4.2.3).
///
/// ```
/// use springhare_amqp::wire::{FRAME_MIN_SIZE, Frame, FrameKind};
///
/// let received = [8, 0, 0, 0, 0, 0, 0, 0xCE, 1];
/// let frame = Frame::decode(&received, FRAME_MIN_SIZE)?.expect("it is whole");
/// assert_eq!((frame.kind, frame.channel, frame.encoded_len()), (FrameKind::Heartbeat, 0, 8));
/// assert_eq!(Frame::decode(&received[8..], FRAME_MIN_SIZE)?, None);
/// # Ok::<(), springhare_amqp::wire::FrameError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the payload is.
    pub kind: FrameKind,
    /// The channel; 0 is the connection itself.
    pub channel: u16,
    /// The payload, not looked at.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the start of `bytes`; none while it is not whole.
    ///
    /// `frame_max` counts the whole frame, payload and [`FRAME_OVERHEAD`], as the negotiated
    /// `frame-max` does. RabbitMQ takes frames that are 8 bytes larger than that, since some
    /// clients count the payload alone.
    ///
    /// # Errors
    ///
    /// [`FrameError`]: a size beyond `frame_max` as soon as the seven bytes before the payload show
    /// it, a wrong end and then an unknown kind once the frame is whole, as RabbitMQ has it.
    #[inline]
    pub fn decode(bytes: &'a [u8], frame_max: usize) -> Result<Option<Self>, FrameError> {
        let Some((&[kind, c0, c1, s0, s1, s2, s3], after_head)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        let channel = u16::from_be_bytes([c0, c1]);
        let size = u32::from_be_bytes([s0, s1, s2, s3]);
        let max = frame_max.saturating_sub(FRAME_OVERHEAD);
        let length = match usize::try_from(size) {
            Ok(length) if length <= max => length,
            _ => return Err(FrameError::TooLarge { kind, channel, size, max }),
        };
        let Some((payload, after_payload)) = after_head.split_at_checked(length) else {
            return Ok(None);
        };
        match (after_payload.first(), FrameKind::from_value(kind)) {
            (None, _) => Ok(None),
            (Some(&FRAME_END), Some(kind)) => Ok(Some(Self { kind, channel, payload })),
            (Some(&FRAME_END), None) => {
                let payload = PayloadStart::of(payload);
                Err(FrameError::UnknownKind { kind, channel, size, payload })
            }
            (Some(&end), _) => {
                let payload = PayloadStart::of(payload);
                Err(FrameError::WrongEnd { kind, channel, size, end, payload })
            }
        }
    }

    /// The bytes that the whole frame takes.
    #[inline]
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.payload.len() + FRAME_OVERHEAD
    }
}

/// Bytes that are no frame. As a text it is what RabbitMQ explains a 501 with:
/// `type 1, all octets = <<>>: {frame_too_large,5000,4088}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The first byte is none of a [`FrameKind`].
    #[error("type {kind}, {payload}: unknown_frame")]
    UnknownKind {
        /// The kind's number.
        kind: u8,
        /// The channel.
        channel: u16,
        /// The size that the payload is said to have, in bytes.
        size: u32,
        /// The payload's first bytes.
        payload: PayloadStart,
    },
    /// The payload is said to be larger than a frame may be.
    #[error("type {kind}, all octets = <<>>: {{frame_too_large,{size},{max}}}")]
    TooLarge {
        /// The kind's number.
        kind: u8,
        /// The channel.
        channel: u16,
        /// The size that the payload is said to have, in bytes.
        size: u32,
        /// The largest payload, in bytes: `frame_max` without [`FRAME_OVERHEAD`].
        max: usize,
    },
    /// Something else stands where [`FRAME_END`] should.
    #[error("type {kind}, {payload}: {{invalid_frame_end_marker,{end}}}")]
    WrongEnd {
        /// The kind's number.
        kind: u8,
        /// The channel.
        channel: u16,
        /// The size of the payload, in bytes.
        size: u32,
        /// The byte after the payload.
        end: u8,
        /// The payload's first bytes.
        payload: PayloadStart,
    },
}

/// The first bytes of a payload that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadStart {
    bytes: [u8; Self::MAX],
    length: usize,
    is_whole: bool,
}

impl PayloadStart {
    /// How many bytes are kept.
    pub const MAX: usize = 16;

    /// The start of this payload.
    #[cold]
    #[must_use]
    pub fn of(payload: &[u8]) -> Self {
        let is_whole = payload.len() <= Self::MAX;
        let mut start = Self { bytes: [0; Self::MAX], length: 0, is_whole };
        for (kept, byte) in start.bytes.iter_mut().zip(payload) {
            *kept = *byte;
            start.length += 1;
        }
        start
    }

    /// The bytes, at most [`Self::MAX`].
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// `all octets = <<1,2>>` or `first 16 octets = <<"printable text...">>`, as Erlang prints.
impl fmt::Display for PayloadStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.as_bytes();
        f.write_str(if self.is_whole { "all octets = <<" } else { "first 16 octets = <<" })?;
        if !bytes.is_empty() && bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            f.write_str("\"")?;
            for &byte in bytes {
                if matches!(byte, b'"' | b'\\') {
                    f.write_str("\\")?;
                }
                write!(f, "{}", char::from(byte))?;
            }
            return f.write_str("\">>");
        }
        for (index, byte) in bytes.iter().enumerate() {
            write!(f, "{}{byte}", if index == 0 { "" } else { "," })?;
        }
        f.write_str(">>")
    }
}

/// Appends a frame whose payload is what `write` writes.
#[inline]
pub(crate) fn encode_frame(
    kind: FrameKind,
    channel: u16,
    out: &mut BytesMut,
    write: impl FnOnce(&mut Writer<'_>),
) {
    out.put_u8(kind.value());
    out.put_u16(channel);
    Writer::new(out).counted(write);
    out.put_u8(FRAME_END);
}

/// Appends a heartbeat (section 4.2.7), which is always of channel 0.
#[inline]
pub fn encode_heartbeat(out: &mut BytesMut) {
    encode_frame(FrameKind::Heartbeat, 0, out, |_| {});
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Option<Frame<'_>>, FrameError> {
        Frame::decode(bytes, FRAME_MIN_SIZE)
    }

    #[test]
    fn a_frame_is_decoded_once_it_is_whole() {
        let bytes = b"\x03\x01\x02\x00\x00\x00\x03abc\xcerest";
        for end in 0..11 {
            assert_eq!(decode(&bytes[..end]), Ok(None), "{end} bytes");
        }
        let frame = decode(bytes).unwrap().unwrap();
        assert_eq!(frame, Frame { kind: FrameKind::Body, channel: 258, payload: b"abc" });
        assert_eq!(frame.encoded_len(), 11);
    }

    #[test]
    fn the_largest_frame_counts_its_overhead() {
        let largest = [&[3, 0, 1, 0, 0, 0x0f, 0xf8][..], &[7; 4088], &[FRAME_END]].concat();
        assert_eq!(largest.len(), FRAME_MIN_SIZE);
        assert_eq!(decode(&largest).unwrap().unwrap().payload.len(), 4088);
        // One more is refused before it has arrived.
        let refused = decode(&[3, 0, 1, 0, 0, 0x0f, 0xf9]).unwrap_err();
        assert_eq!(refused.to_string(), "type 3, all octets = <<>>: {frame_too_large,4089,4088}");
        assert_eq!(refused, FrameError::TooLarge { kind: 3, channel: 1, size: 4089, max: 4088 });
        assert!(decode(&[1, 0, 0, 0xff, 0xff, 0xff, 0xff]).is_err());
    }

    #[test]
    fn an_unknown_kind_shows_its_payload() {
        let bytes = b"\x04\x00\x05\x00\x00\x00\x02\x01\x02\xce";
        assert_eq!(decode(&bytes[..9]), Ok(None), "its text needs the payload");
        let refused = decode(bytes).unwrap_err();
        assert_eq!(refused.to_string(), "type 4, all octets = <<1,2>>: unknown_frame");
        // Of two faults the end is the first, and a size that is none comes before both.
        let refused = decode(b"\x04\x00\x05\x00\x00\x00\x00\x01").unwrap_err();
        assert!(matches!(refused, FrameError::WrongEnd { end: 1, .. }), "{refused:?}");
        let refused = decode(b"AMQP\x00\x00\x09\x01").unwrap_err();
        assert!(matches!(refused, FrameError::TooLarge { kind: b'A', .. }), "{refused:?}");
    }

    #[test]
    fn a_wrong_end_shows_the_first_octets_as_erlang_does() {
        let refused = decode(b"\x03\x00\x01\x00\x00\x00\x04a\"b\\\x00").unwrap_err();
        assert_eq!(
            refused.to_string(),
            r#"type 3, all octets = <<"a\"b\\">>: {invalid_frame_end_marker,0}"#
        );
        let long = [&[1, 0, 2, 0, 0, 0, 17][..], &[9; 17], &[1]].concat();
        let refused = decode(&long).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "type 1, first 16 octets = <<9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9>>: \
             {invalid_frame_end_marker,1}"
        );
    }

    #[test]
    fn a_heartbeat_is_eight_bytes() {
        let mut out = BytesMut::new();
        encode_heartbeat(&mut out);
        assert_eq!(out, [8, 0, 0, 0, 0, 0, 0, 0xce][..]);
    }
}
