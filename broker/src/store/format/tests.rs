use std::sync::Arc;

use proptest::prelude::*;
use springhare_amqp::{BasicProperties, DeliveryMode, Message, ShortString};

use super::encode::*;
use super::frame::{FRAME_BYTES, Flags, Frame, put_frame, seal_frames};
use super::record::{Kind, Record, ReturnedRecord};
use crate::model::carbon_copies::CarbonCopies;
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::stored::Reference;

const GENERATION: u32 = 0x5eed_0001;

fn reference(number: u64) -> Reference {
    Reference::new(number).unwrap()
}

fn references(numbers: &[u64]) -> Vec<Reference> {
    numbers.iter().copied().map(reference).collect()
}

/// A frame that was written and sealed.
fn sealed(put: impl FnOnce(&mut Vec<u8>) -> usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let length = put(&mut bytes);
    assert_eq!(length, bytes.len());
    seal_frames(&mut bytes, GENERATION);
    bytes
}

fn decoded(bytes: &[u8]) -> (Frame<'_>, Record<'_>) {
    let frame = Frame::decode(bytes).unwrap();
    assert_eq!((frame.length(), frame.generation), (bytes.len(), GENERATION));
    (frame, Record::decode(&frame).unwrap())
}

fn published() -> impl Strategy<Value = PublishedMessage> {
    let copies = proptest::option::of((prop::collection::vec(".{0,300}", 1..4), 0_usize..4));
    let properties = (proptest::option::of("[a-z]{0,9}"), proptest::option::of(0_u8..10));
    (".{0,9}", ".{0,9}", copies, properties, any::<Vec<u8>>()).prop_map(
        |(exchange, key, copies, (content_type, priority), body)| {
            let properties = BasicProperties {
                content_type: content_type.map(|text| ShortString::truncated(&text)),
                priority,
                ..BasicProperties::NONE
            };
            let message = Message::new(body).with_properties(properties);
            let copies = copies.map(|(keys, open)| {
                let open = open.min(keys.len());
                Arc::new(CarbonCopies::new(keys.into_iter().map(Box::from).collect(), open))
            });
            let (exchange, key) = (ShortString::truncated(&exchange), ShortString::truncated(&key));
            PublishedMessage::new(exchange, key, message).with_copies(copies)
        },
    )
}

proptest! {
    #[test]
    fn a_message_is_read_as_it_was_written(
        first in 1_u64..1 << 50,
        published_at in 0_u64..1 << 50,
        queues in prop::collection::vec(0_u64..1 << 40, 1..5),
        replaced in prop::collection::vec(1_u64..1 << 50, 0..5),
        message in published(),
        kept: u8,
    ) {
        let replaces = references(&replaced);
        let envelope =
            MessageEnvelope { first: reference(first), published_at, replaces: &replaces };
        let ids: Vec<_> = queues.iter().copied().map(QueueId).collect();
        let bytes = sealed(|out| put_message(out, envelope, &ids, &message));
        let (_, Record::Message(record)) = decoded(&bytes) else { panic!("a message") };
        prop_assert_eq!((record.first.number(), record.published_at), (first, published_at));
        let numbered: Vec<_> = ids.iter().copied().zip((first..).map(reference)).collect();
        prop_assert_eq!(&record.queues.collect::<Vec<_>>(), &numbered);
        let settled = record.replaces.flat_map(|run| run.references());
        prop_assert_eq!(settled.collect::<Vec<_>>(), replaces);
        prop_assert_eq!(record.content.to_message(), Some(message));

        // And moved, with some of its queues.
        let alive: Vec<_> = numbered.iter().enumerate()
            .filter(|(index, _)| kept >> index & 1 == 1).map(|(_, alive)| *alive).collect();
        let moved = sealed(|out| put_moved_message(out, &record, &alive));
        let (frame, Record::Message(copy)) = decoded(&moved) else { panic!("a message") };
        prop_assert!(frame.flags.has(Flags::MOVED));
        prop_assert_eq!(copy.queues.collect::<Vec<_>>(), alive);
        prop_assert_eq!(copy.published_at, published_at);
        prop_assert_eq!(copy.replaces.count(), 0);
        prop_assert_eq!(copy.content, record.content);
    }

    #[test]
    fn a_delayed_message_is_read_as_it_was_written(
        number in 1_u64..1 << 50,
        due in 0_u64..1 << 50,
        host in ".{0,9}",
        exchange in ".{0,9}",
        message in published(),
    ) {
        let bytes = sealed(|out| put_delayed(out, reference(number), due, (&host, &exchange), &message));
        let (frame, Record::Delayed(record)) = decoded(&bytes) else { panic!("a delayed one") };
        prop_assert_eq!((record.reference.number(), record.due), (number, due));
        prop_assert_eq!((record.virtual_host, record.exchange), (&host[..], &exchange[..]));
        prop_assert_eq!(record.content.to_message(), Some(message));

        let moved = sealed(|out| put_moved(out, &frame));
        let (copy, _) = decoded(&moved);
        prop_assert_eq!(copy.flags, frame.flags.with(Flags::MOVED));
        prop_assert_eq!(copy.payload, frame.payload);
    }

    #[test]
    fn the_others_are_read_as_they_were_written(
        number in 1_u64..1 << 50,
        content: Vec<u8>,
        settled in prop::collection::vec(1_u64..1 << 50, 1..50),
        delivery_count: u32,
        retry_at in proptest::option::of(0_u64..1 << 50),
    ) {
        let bytes = sealed(|out| put_definition(out, reference(number), &content));
        let (_, Record::Definition { reference: read, content: same }) = decoded(&bytes) else {
            panic!("a definition")
        };
        prop_assert_eq!((read.number(), same), (number, &content[..]));

        let bytes = sealed(|out| put_settle(out, &references(&settled)));
        let (_, Record::Settle(runs)) = decoded(&bytes) else { panic!("settled ones") };
        let read: Vec<_> = runs.flat_map(|run| run.references()).collect();
        prop_assert_eq!(read, references(&settled));

        let returned = ReturnedRecord { reference: reference(number), delivery_count, retry_at };
        for is_moved in [false, true] {
            let put = if is_moved { put_moved_returned } else { put_returned };
            let bytes = sealed(|out| put(out, returned));
            let (frame, Record::Returned(same)) = decoded(&bytes) else { panic!("one returned") };
            prop_assert_eq!((same, frame.flags.has(Flags::MOVED)), (returned, is_moved));
        }
    }

    #[test]
    fn marks_are_read_as_they_were_written(number: u32) {
        let bytes = sealed(|out| put_synced_to(out, number));
        let is_same = matches!(decoded(&bytes).1, Record::SyncedTo { offset } if offset == number);
        prop_assert!(is_same);
        let bytes = sealed(|out| put_removed(out, number));
        let is_same = matches!(decoded(&bytes).1, Record::Removed { segment } if segment == number);
        prop_assert!(is_same);
        let bytes = sealed(|out| put_clean(out, u64::from(number)));
        let Record::Clean { delivered_below } = decoded(&bytes).1 else { panic!() };
        prop_assert_eq!(delivered_below, u64::from(number));
        let bytes = sealed(|out| put_frame(out, Kind::Clean.number(), Flags::NONE, |_| {}));
        let is_same = matches!(decoded(&bytes).1, Record::Clean { delivered_below: 1 });
        prop_assert!(is_same);
    }

    /// What a frame with the right checksum has may still be anything.
    #[test]
    fn any_payload_is_read_or_not(kind in 0_u8..10, flags: u8, payload: Vec<u8>) {
        let frame = Frame { generation: 1, kind, flags: Flags::from_bits(flags), payload: &payload };
        if let Some(Record::Message(record)) = Record::decode(&frame) {
            prop_assert!(record.queues.count() <= payload.len());
            let _ = record.content.to_message();
        }
    }

    #[test]
    fn a_record_that_ends_early_is_none_or_has_a_shorter_end(
        message in published(),
        queues in prop::collection::vec(0_u64..1 << 40, 1..5),
    ) {
        let envelope = MessageEnvelope {
            first: reference(7), published_at: 1 << 40, replaces: &references(&[1, 2, 5]),
        };
        let ids: Vec<_> = queues.into_iter().map(QueueId).collect();
        let bytes = sealed(|out| put_message(out, envelope, &ids, &message));
        let (frame, _) = decoded(&bytes);
        for end in 0..frame.payload.len() {
            let cut = Frame { payload: &frame.payload[..end], ..frame };
            if let Some(record) = Record::decode(&cut) {
                let Record::Message(record) = record else { panic!("a message") };
                prop_assert!(message.message.body.starts_with(record.content.body));
            }
        }
    }
}

#[test]
fn a_plain_message_of_a_kibibyte_costs_60_bytes_at_most() {
    let properties = BasicProperties {
        delivery_mode: Some(DeliveryMode::Persistent),
        content_type: Some(ShortString::from_static("application/json")),
        ..BasicProperties::NONE
    };
    let message = Message::new(vec![0; 1024]).with_properties(properties);
    let key = ShortString::from_static("orders");
    let message = PublishedMessage::new(ShortString::default(), key, message);
    let published_at = 1_760_000_000_000;
    let envelope =
        MessageEnvelope { first: reference(10_000_000_000), published_at, replaces: &[] };
    let length = put_message(&mut Vec::new(), envelope, &[QueueId(1234)], &message);
    assert!(length - 1024 <= 60, "{length}");
}

#[test]
fn kinds_are_what_their_numbers_say() {
    for kind in Kind::ALL {
        assert_eq!(Kind::from_number(kind.number()), Some(kind));
    }
    assert_eq!(Kind::from_number(0), None);
    assert_eq!(FRAME_BYTES, 14);
}
