use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use springhare_amqp::wire::method::basic;
use springhare_amqp::wire::{
    EncodeMethod, FRAME_END, FRAME_OVERHEAD, FrameKind, encode_body_frame, encode_header_frame,
    encode_heartbeat, encode_method_frame,
};
use springhare_amqp::{MessageProperties, ShortString};

/// A piece of a body of this many bytes or more is written from where it is; a smaller one is
/// copied to its frame, so that many small ones are one piece to write.
const BODY_IN_PLACE_MIN: usize = 8 << 10;

/// What the buffer for new frames keeps when it is empty.
const BUFFER_KEPT_MAX: usize = 64 << 10;

/// How many pieces one write may have.
const PIECES_MAX: usize = 64;

/// The bytes of a `basic.deliver` beside its texts: class, method, tag and flags.
const DELIVER_FIXED_BYTES: usize = 2 + 2 + 8 + 1;

/// The bytes of a content header with few properties.
const HEADER_BYTES: usize = 64;

/// A message on its way to a consumer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery<'m> {
    pub(crate) consumer_tag: &'m ShortString,
    pub(crate) delivery_tag: u64,
    pub(crate) redelivered: bool,
    pub(crate) exchange: &'m ShortString,
    pub(crate) routing_key: &'m ShortString,
    pub(crate) properties: &'m MessageProperties,
    pub(crate) body: &'m Bytes,
}

/// What is to be written to the peer, in order.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Written first.
    pieces: VecDeque<Bytes>,
    pieces_bytes: usize,
    /// Frames that were encoded since.
    buffer: BytesMut,
}

impl Output {
    /// The bytes that wait to be written.
    pub(crate) fn len(&self) -> usize {
        self.pieces_bytes + self.buffer.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.buffer.is_empty()
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub(crate) fn heartbeat(&mut self) {
        encode_heartbeat(&mut self.buffer);
    }

    pub(crate) fn method<M: EncodeMethod>(&mut self, channel: u16, method: &M) {
        encode_method_frame(channel, method, &mut self.buffer);
    }

    /// A method that carries a content, in frames of `frame_max` bytes at the most.
    pub(crate) fn content<M: EncodeMethod>(
        &mut self,
        channel: u16,
        method: &M,
        properties: &MessageProperties,
        body: &Bytes,
        frame_max: usize,
    ) {
        self.method(channel, method);
        self.message(channel, properties, body, frame_max);
    }

    /// A `basic.deliver` with its content: field by field, since it is what a broker sends most.
    pub(crate) fn delivery(&mut self, channel: u16, delivery: &Delivery<'_>, frame_max: usize) {
        let Delivery { consumer_tag, delivery_tag, redelivered, exchange, routing_key, .. } =
            *delivery;
        let texts = [consumer_tag, exchange, routing_key];
        let text_bytes: usize = texts.iter().map(|text| 1 + text.len()).sum();
        let size = DELIVER_FIXED_BYTES + text_bytes;
        let small_body = delivery.body.len().min(BODY_IN_PLACE_MIN);
        self.buffer.reserve(size + small_body + 3 * FRAME_OVERHEAD + HEADER_BYTES);
        self.buffer.put_u8(FrameKind::Method.value());
        self.buffer.put_u16(channel);
        self.buffer.put_u32(u32::try_from(size).unwrap_or(u32::MAX));
        self.buffer.put_u16(basic::Deliver::ID.class);
        self.buffer.put_u16(basic::Deliver::ID.method);
        self.short_string(consumer_tag);
        self.buffer.put_u64(delivery_tag);
        self.buffer.put_u8(u8::from(redelivered));
        self.short_string(exchange);
        self.short_string(routing_key);
        self.buffer.put_u8(FRAME_END);
        self.message(channel, delivery.properties, delivery.body, frame_max);
    }

    fn short_string(&mut self, text: &ShortString) {
        self.buffer.put_u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.buffer.extend_from_slice(text.as_bytes());
    }

    /// The header and body of a content whose method was written.
    pub(crate) fn message(
        &mut self,
        channel: u16,
        properties: &MessageProperties,
        body: &Bytes,
        frame_max: usize,
    ) {
        let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
        encode_header_frame(channel, size, properties, &mut self.buffer);
        let piece_max = frame_max.saturating_sub(FRAME_OVERHEAD).max(1);
        let mut rest = 0..body.len();
        while !rest.is_empty() {
            let end = rest.end.min(rest.start.saturating_add(piece_max));
            self.body_frame(channel, body, rest.start..end);
            rest.start = end;
        }
    }

    fn body_frame(&mut self, channel: u16, body: &Bytes, part: std::ops::Range<usize>) {
        if part.len() < BODY_IN_PLACE_MIN {
            if let Some(payload) = body.get(part) {
                encode_body_frame(channel, payload, &mut self.buffer);
            }
            return;
        }
        let size = u32::try_from(part.len()).unwrap_or(u32::MAX);
        self.buffer.put_u8(FrameKind::Body.value());
        self.buffer.put_u16(channel);
        self.buffer.put_u32(size);
        self.push_buffer();
        self.push_piece(body.slice(part));
        self.buffer.put_u8(FRAME_END);
    }

    fn push_buffer(&mut self) {
        if !self.buffer.is_empty() {
            let frames = self.buffer.split().freeze();
            self.push_piece(frames);
        }
    }

    fn push_piece(&mut self, piece: Bytes) {
        self.pieces_bytes += piece.len();
        self.pieces.push_back(piece);
    }

    /// What is to be written next, in `slices`; how many of them are filled.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; PIECES_MAX]) -> usize {
        let pieces = self.pieces.iter().map(|piece| &**piece);
        let buffer = (!self.buffer.is_empty()).then_some(&*self.buffer);
        let mut filled = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces.chain(buffer)) {
            *slice = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    /// An array for [`slices`](Self::slices).
    pub(crate) fn no_slices<'a>() -> [IoSlice<'a>; PIECES_MAX] {
        [IoSlice::new(&[]); PIECES_MAX]
    }

    /// The first `count` bytes were written.
    pub(crate) fn written(&mut self, mut count: usize) {
        while let Some(piece) = self.pieces.front_mut().filter(|_| count > 0) {
            let written = count.min(piece.len());
            piece.advance(written);
            count -= written;
            self.pieces_bytes -= written;
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
        self.buffer.advance(count.min(self.buffer.len()));
        if self.buffer.is_empty() {
            if self.buffer.capacity() > BUFFER_KEPT_MAX {
                self.buffer = BytesMut::new();
            } else {
                self.buffer.clear();
            }
        }
    }

    /// Lets go of the memory that is kept for the next frames: the connection idles.
    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            self.buffer = BytesMut::new();
            self.pieces = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(output: &Output) -> Vec<u8> {
        let mut slices = Output::no_slices();
        let filled = output.slices(&mut slices);
        slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn a_large_body_is_written_from_where_it_is_in_frames_that_fit() {
        let body = Bytes::from(vec![7; 20_000]);
        let mut output = Output::default();
        output.message(1, &MessageProperties::default(), &body, 16_384);
        let bytes = all(&output);
        assert_eq!(bytes.len(), output.len());
        // Header frame: 7 + 14 + 1; then 16,376 and 3,624 bytes of the body, framed.
        assert_eq!(bytes.len(), 22 + 20_000 + 2 * 8);
        assert_eq!(bytes[22..29], [3, 0, 1, 0, 0, 0x3f, 0xf8]);
        assert_eq!(bytes[22 + 7 + 16_376], FRAME_END);
        assert_eq!(output.pieces.len(), 2, "the second part is small and copied");
    }

    #[test]
    fn a_delivery_is_what_the_codec_makes_of_it() {
        let (tag, key) = (ShortString::from_static("ctag"), ShortString::from_static("a.b"));
        let body = Bytes::from_static(b"tea");
        let properties = MessageProperties::default();
        let mut by_hand = Output::default();
        by_hand.delivery(
            7,
            &Delivery {
                consumer_tag: &tag,
                delivery_tag: 1 << 40,
                redelivered: true,
                exchange: &ShortString::EMPTY,
                routing_key: &key,
                properties: &properties,
                body: &body,
            },
            4096,
        );
        let mut by_codec = Output::default();
        let method = basic::Deliver {
            consumer_tag: tag,
            delivery_tag: 1 << 40,
            redelivered: true,
            exchange: ShortString::EMPTY,
            routing_key: key,
        };
        by_codec.content(7, &method, &properties, &body, 4096);
        assert_eq!(all(&by_hand), all(&by_codec));
    }

    #[test]
    fn what_was_written_is_gone_wherever_the_write_stopped() {
        let body = Bytes::from((0..=255).cycle().take(40_000).collect::<Vec<u8>>());
        let mut output = Output::default();
        output.heartbeat();
        output.message(3, &MessageProperties::default(), &body, 131_072);
        output.heartbeat();
        let bytes = all(&output);
        let mut seen = Vec::new();
        for step in [1, 7, 22, 100, 39_000, usize::MAX] {
            let now = all(&output);
            let step = step.min(now.len());
            seen.extend_from_slice(&now[..step]);
            output.written(step);
        }
        assert_eq!(seen, bytes);
        assert_eq!((output.is_empty(), output.len()), (true, 0));
    }
}
