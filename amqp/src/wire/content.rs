use bytes::{BufMut, BytesMut};

use super::frame::{FRAME_OVERHEAD, FrameKind, encode_frame};
use super::method::BASIC_CLASS;
use super::{DecodeError, FRAME_END, Reader};
use crate::MessageProperties;

/// The header of a content (AMQP 0-9-1 section 4.2.6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentHeader<'a> {
    /// The class of the content; only `basic`, 60, has any.
    pub class: u16,
    /// Unused, and 0.
    pub weight: u16,
    /// The bytes of all body frames together.
    pub body_size: u64,
    /// The property flags and the list of properties, not looked at; for
    /// [`MessageProperties::parse`].
    pub properties: &'a [u8],
}

/// Class, weight and body size.
const FIXED_BYTES: usize = 12;

impl<'a> ContentHeader<'a> {
    /// Reads the payload of a header frame.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] when it is not even as long as the fields before the
    /// properties. Class, weight and properties are for the caller to judge.
    #[inline]
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        Ok(Self {
            class: reader.short("class_id")?,
            weight: reader.short("weight")?,
            body_size: reader.longlong("body_size")?,
            properties: reader.rest(),
        })
    }
}

/// Appends the header frame of a content of class `basic`.
#[inline]
pub fn encode_header_frame(
    channel: u16,
    body_size: u64,
    properties: &MessageProperties,
    out: &mut BytesMut,
) {
    out.reserve(FRAME_OVERHEAD + FIXED_BYTES + properties.encoded_len());
    encode_frame(FrameKind::Header, channel, out, |payload| {
        payload.short(BASIC_CLASS);
        payload.short(0);
        payload.longlong(body_size);
        properties.encode(payload.out());
    });
}

/// Appends a body frame. The caller cuts the body so that `payload` fits the frame size that was
/// agreed on.
#[inline]
pub fn encode_body_frame(channel: u16, payload: &[u8], out: &mut BytesMut) {
    out.reserve(payload.len() + FRAME_OVERHEAD);
    out.put_u8(FrameKind::Body.value());
    out.put_u16(channel);
    super::Writer::new(out).longstr(payload);
    out.put_u8(FRAME_END);
}
