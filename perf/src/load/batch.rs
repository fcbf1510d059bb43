use bytes::BytesMut;
use springhare_amqp::wire::method::basic::Publish;
use springhare_amqp::wire::{
    FRAME_OVERHEAD, encode_body_frame, encode_header_frame, encode_method_frame,
};
use springhare_amqp::{MessageProperties, ShortString};
use springhare_perf::stamp::Stamp;

use crate::connection::CHANNEL;

/// Publishes that are encoded once and sent again and again; only their stamps change.
#[derive(Debug)]
pub(super) struct Batch {
    bytes: BytesMut,
    messages: Vec<Span>,
    body_bytes: usize,
}

/// Where a message stands in the bytes.
#[derive(Debug)]
struct Span {
    start: usize,
    body: usize,
    end: usize,
}

impl Batch {
    /// Of messages whose body is of this size, and fits a frame.
    pub(super) fn new(body_bytes: usize) -> Self {
        Self { bytes: BytesMut::new(), messages: Vec::new(), body_bytes }
    }

    /// Appends a message.
    pub(super) fn push(
        &mut self,
        exchange: &ShortString,
        routing_key: &ShortString,
        properties: &MessageProperties,
    ) {
        let start = self.bytes.len();
        let publish = Publish {
            exchange: exchange.clone(),
            routing_key: routing_key.clone(),
            ..Publish::default()
        };
        encode_method_frame(CHANNEL, &publish, &mut self.bytes);
        encode_header_frame(CHANNEL, self.body_bytes as u64, properties, &mut self.bytes);
        // The frame's end follows the body; what else is around it is before.
        let body = self.bytes.len() + FRAME_OVERHEAD - 1;
        encode_body_frame(CHANNEL, &vec![b'x'; self.body_bytes], &mut self.bytes);
        self.messages.push(Span { start, body, end: self.bytes.len() });
    }

    /// How many messages there are.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// The size of all of it.
    pub(super) fn encoded_len(&self) -> usize {
        self.bytes.len()
    }

    /// Stamps messages from `first` on, until `next` has no stamp, the batch is at its end or
    /// `bytes_max` are reached; returns where it stopped.
    pub(super) fn stamp(
        &mut self,
        first: usize,
        bytes_max: usize,
        mut next: impl FnMut() -> Option<Stamp>,
    ) -> usize {
        let spans = self.messages.get(first..).unwrap_or_default();
        let start = spans.first().map_or(0, |span| span.start);
        let mut stop = first;
        for span in spans {
            if span.start - start >= bytes_max {
                break;
            }
            let Some(stamp) = next() else { break };
            if let Some(body) = self.bytes.get_mut(span.body..span.body + self.body_bytes) {
                stamp.write(body);
            }
            stop += 1;
        }
        stop
    }

    /// The messages from `first` on and before `end`, as they are sent.
    pub(super) fn encoded(&self, first: usize, end: usize) -> &[u8] {
        let start = self.messages.get(first).map_or(0, |span| span.start);
        let end = end.checked_sub(1).and_then(|last| self.messages.get(last));
        self.bytes.get(start..end.map_or(0, |span| span.end)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use springhare_amqp::wire::{ContentHeader, Frame, FrameKind, Method};

    use super::*;

    fn batch(count: usize, body_bytes: usize) -> Batch {
        let mut batch = Batch::new(body_bytes);
        for index in 0..count {
            let key = ShortString::new("k".repeat(index + 1)).unwrap();
            batch.push(&ShortString::from_static("ex"), &key, &MessageProperties::default());
        }
        batch
    }

    fn frames(mut bytes: &[u8]) -> Vec<Frame<'_>> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let frame = Frame::decode(bytes, 1 << 20).unwrap().unwrap();
            bytes = &bytes[frame.encoded_len()..];
            frames.push(frame);
        }
        frames
    }

    fn stamps(producer: u16, count: u64) -> impl FnMut() -> Option<Stamp> {
        let mut sequences = 0..count;
        move || Some(Stamp { producer, sequence: sequences.next()?, at: 77 })
    }

    #[test]
    fn stamped_messages_are_whole_publishes() {
        for size in [16, 1024] {
            let mut batch = batch(5, size);
            assert_eq!(batch.stamp(1, usize::MAX, stamps(2, 3)), 4);
            let frames = frames(batch.encoded(1, 4));
            assert_eq!(frames.len(), 9);
            for (index, message) in frames.chunks(3).enumerate() {
                let [method, header, body] = message else { panic!("three frames a message") };
                assert!(message.iter().all(|frame| frame.channel == CHANNEL));
                let key = ShortString::new("k".repeat(index + 2)).unwrap();
                let exchange = ShortString::from_static("ex");
                let publish = Publish { exchange, routing_key: key, ..Publish::default() };
                assert_eq!(Method::decode(method.payload).unwrap(), publish.into());
                let header = ContentHeader::decode(header.payload).unwrap();
                assert_eq!((header.class, header.body_size), (60, size as u64));
                assert_eq!((body.kind, body.payload.len()), (FrameKind::Body, size));
                let stamp = Stamp { producer: 2, sequence: index as u64, at: 77 };
                assert_eq!(Stamp::read(body.payload), Some(stamp));
            }
        }
    }

    #[test]
    fn a_write_ends_where_the_bytes_the_stamps_or_the_messages_end() {
        let mut batch = batch(5, 16);
        assert_eq!(batch.stamp(0, 1, stamps(0, 9)), 1);
        let two = batch.encoded(0, 2).len();
        assert_eq!(batch.stamp(0, two, stamps(0, 9)), 2);
        assert_eq!(batch.stamp(0, two + 1, stamps(0, 9)), 3);
        assert_eq!(batch.stamp(0, usize::MAX, stamps(0, 9)), 5);
        assert_eq!(batch.stamp(3, usize::MAX, stamps(0, 1)), 4);
        assert_eq!(batch.stamp(3, usize::MAX, stamps(0, 0)), 3);
        assert_eq!(batch.encoded(0, 5).len(), batch.encoded_len());
        assert!(batch.encoded(3, 3).is_empty());
    }

    #[test]
    fn stamping_again_changes_the_stamps_alone() {
        let mut batch = batch(3, 64);
        batch.stamp(0, usize::MAX, stamps(0, 3));
        let before = batch.encoded(0, 3).to_vec();
        batch.stamp(0, usize::MAX, stamps(1, 3));
        let changed = before.iter().zip(batch.encoded(0, 3)).filter(|(old, new)| old != new);
        // The lower byte of the producer at the start, and of its complement at the end.
        assert_eq!(changed.count(), 6);
    }
}
