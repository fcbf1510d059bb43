use springhare_amqp::wire::{ContentHeader, Frame, FrameKind};
use springhare_perf::stamp::Stamp;

use super::verification::{Faults, Verification};
use crate::connection::method;
use crate::error::LoadError;
use crate::histogram::Histogram;

/// `basic.deliver`: class 60, method 60.
const DELIVER: [u8; 4] = [0, 60, 0, 60];

/// Puts a consumer's frames together to deliveries and checks each.
#[derive(Debug)]
pub(super) struct Reception {
    body_bytes: usize,
    delivery_tag: u64,
    queue: usize,
    /// The size of the body that is awaited; none when no content is open.
    expected: Option<usize>,
    /// The parts of a body that did not come in one frame.
    parts: Vec<u8>,
    verification: Verification,
    latency: Histogram,
}

impl Reception {
    /// Of bodies of this size.
    pub(super) fn new(body_bytes: usize, verification: Verification) -> Self {
        Self {
            body_bytes,
            delivery_tag: 0,
            queue: 0,
            expected: None,
            parts: Vec::new(),
            verification,
            latency: Histogram::default(),
        }
    }

    /// Takes the next frame; returns the delivery's tag when it ends one.
    #[inline]
    pub(super) fn take(&mut self, frame: Frame<'_>, now: u64) -> Result<Option<u64>, LoadError> {
        match frame.kind {
            FrameKind::Method => self.take_method(frame)?,
            FrameKind::Header => {
                let header = ContentHeader::decode(frame.payload)?;
                let size = usize::try_from(header.body_size).ok();
                if size != Some(self.body_bytes) {
                    self.verification.corrupt();
                }
                self.expected = size;
                self.parts.clear();
            }
            FrameKind::Body => return Ok(self.take_body(frame.payload, now)),
            FrameKind::Heartbeat => {}
        }
        Ok(None)
    }

    #[inline]
    fn take_method(&mut self, frame: Frame<'_>) -> Result<(), LoadError> {
        let Some(delivery) = Delivery::of(frame.payload) else {
            return method(frame).map(drop);
        };
        self.delivery_tag = delivery.tag;
        self.queue = number(delivery.consumer_tag).unwrap_or(usize::MAX);
        if delivery.redelivered {
            self.verification.redelivered();
        }
        Ok(())
    }

    #[inline]
    fn take_body(&mut self, part: &[u8], now: u64) -> Option<u64> {
        let expected = self.expected?;
        if self.parts.is_empty() && part.len() == expected {
            return self.end(Stamp::read(part), now);
        }
        self.parts.extend_from_slice(part);
        if self.parts.len() < expected {
            return None;
        }
        let is_whole = self.parts.len() == expected;
        let stamp = if is_whole { Stamp::read(&self.parts) } else { None };
        self.end(stamp, now)
    }

    #[inline]
    fn end(&mut self, stamp: Option<Stamp>, now: u64) -> Option<u64> {
        self.expected = None;
        match stamp {
            Some(stamp) => {
                self.verification.delivered(self.queue, stamp);
                self.latency.record(now.saturating_sub(stamp.at));
            }
            None => self.verification.corrupt(),
        }
        Some(self.delivery_tag)
    }

    /// What was wrong, given how many messages were sent, and the time from publish to delivery.
    pub(super) fn into_results(self, sent: u64) -> (Faults, Histogram) {
        (self.verification.into_faults(sent), self.latency)
    }
}

/// What a consumer looks at of `basic.deliver`. The names are not decoded: there are millions.
#[derive(Debug, PartialEq, Eq)]
struct Delivery<'a> {
    consumer_tag: &'a [u8],
    tag: u64,
    redelivered: bool,
}

impl<'a> Delivery<'a> {
    #[inline]
    fn of(payload: &'a [u8]) -> Option<Self> {
        let (&length, rest) = payload.strip_prefix(&DELIVER)?.split_first()?;
        let (consumer_tag, rest) = rest.split_at_checked(length.into())?;
        let (tag, rest) = rest.split_first_chunk()?;
        let redelivered = rest.first()? & 1 == 1;
        Some(Self { consumer_tag, tag: u64::from_be_bytes(*tag), redelivered })
    }
}

/// The consumer tags are the numbers of the queues.
#[inline]
fn number(digits: &[u8]) -> Option<usize> {
    digits.iter().try_fold(0_usize, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use springhare_amqp::wire::method::basic::Deliver;
    use springhare_amqp::wire::method::connection::Close;
    use springhare_amqp::wire::{
        encode_body_frame, encode_header_frame, encode_heartbeat, encode_method_frame,
    };
    use springhare_amqp::{MessageProperties, ShortString};

    use super::*;

    fn deliver(queue: usize, tag: u64, out: &mut BytesMut) {
        let consumer_tag = ShortString::new(queue.to_string()).unwrap();
        let routing_key = ShortString::from_static("key");
        let deliver =
            Deliver { consumer_tag, delivery_tag: tag, routing_key, ..Deliver::default() };
        encode_method_frame(1, &deliver, out);
    }

    fn body(sequence: u64, size: usize) -> Vec<u8> {
        let mut body = vec![b'x'; size];
        Stamp { producer: 0, sequence, at: 100 }.write(&mut body);
        body
    }

    /// Takes all frames, and returns the tags of what they end.
    fn take_all(reception: &mut Reception, mut bytes: &[u8]) -> Result<Vec<u64>, LoadError> {
        let mut tags = Vec::new();
        while let Some(frame) = Frame::decode(bytes, 1 << 20)? {
            bytes = &bytes[frame.encoded_len()..];
            tags.extend(reception.take(frame, 150)?);
        }
        Ok(tags)
    }

    #[test]
    fn deliveries_end_with_their_body_however_it_is_cut() {
        for cut in [1, 15, 40, 63, 64] {
            let mut reception = Reception::new(64, Verification::new(2, 1));
            let mut sent = BytesMut::new();
            for sequence in 0..2 {
                deliver(1, sequence + 10, &mut sent);
                encode_header_frame(1, 64, &MessageProperties::default(), &mut sent);
                for part in body(sequence, 64).chunks(cut) {
                    encode_body_frame(1, part, &mut sent);
                    encode_heartbeat(&mut sent);
                }
            }
            assert_eq!(take_all(&mut reception, &sent).unwrap(), [10, 11]);
            let (faults, latency) = reception.into_results(2);
            assert!(faults.is_none(), "cut to {cut}: {faults:?}");
            assert_eq!(latency.max(), 50);
        }
    }

    #[test]
    fn another_size_another_queue_and_another_body_are_corrupt() {
        let mut reception = Reception::new(64, Verification::new(1, 1));
        let mut sent = BytesMut::new();
        for (queue, body) in [(0, body(0, 63)), (1, body(1, 64)), (0, vec![b'x'; 64])] {
            deliver(queue, 1, &mut sent);
            encode_header_frame(1, body.len() as u64, &MessageProperties::default(), &mut sent);
            encode_body_frame(1, &body, &mut sent);
        }
        assert_eq!(take_all(&mut reception, &sent).unwrap().len(), 3);
        let (faults, _) = reception.into_results(0);
        assert_eq!(faults, Faults { corrupt: 3, ..Faults::default() });
    }

    #[test]
    fn the_fast_way_reads_what_the_codec_writes() {
        let mut sent = BytesMut::new();
        let consumer_tag = ShortString::from_static("417");
        let deliver = Deliver {
            consumer_tag,
            delivery_tag: 9,
            redelivered: true,
            exchange: ShortString::from_static("ex"),
            routing_key: ShortString::from_static("key"),
        };
        encode_method_frame(1, &deliver, &mut sent);
        let frame = Frame::decode(&sent, 4096).unwrap().unwrap();
        let expected = Delivery { consumer_tag: b"417", tag: 9, redelivered: true };
        assert_eq!(Delivery::of(frame.payload), Some(expected));
        assert_eq!(number(b"417"), Some(417));
        assert_eq!(number(b"4x"), None);
        assert!((0..17).all(|end| Delivery::of(&frame.payload[..end]).is_none()));
    }

    #[test]
    fn a_close_is_an_error() {
        let mut reception = Reception::new(64, Verification::new(1, 1));
        let mut sent = BytesMut::new();
        let reply_text = ShortString::from_static("NO");
        encode_method_frame(
            0,
            &Close { reply_code: 530, reply_text, ..Close::default() },
            &mut sent,
        );
        let error = take_all(&mut reception, &sent).unwrap_err();
        assert!(matches!(error, LoadError::Closed { code: 530, .. }), "{error}");
    }
}
