//! What the codec allocates for a message on its way in and out.
#![expect(clippy::unwrap_used, reason = "a test ends with a panic")]

use bytes::BytesMut;
use springhare_amqp::wire::method::basic::{Ack, Deliver, Publish};
use springhare_amqp::wire::{
    ContentHeader, FRAME_MIN_SIZE, Frame, Method, encode_body_frame, encode_header_frame,
    encode_method_frame,
};
use springhare_amqp::{BasicProperties, DeliveryMode, MessageProperties, ShortString};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const BODY: &[u8] = &[7; 1000];

/// The frames of a publish, with these properties.
fn publish(properties: &MessageProperties) -> BytesMut {
    let publish = Publish {
        exchange: ShortString::from_static("orders"),
        routing_key: ShortString::from_static("orders.created.eu"),
        ..Publish::default()
    };
    let mut out = BytesMut::new();
    encode_method_frame(1, &publish, &mut out);
    encode_header_frame(1, BODY.len().try_into().unwrap(), properties, &mut out);
    encode_body_frame(1, BODY, &mut out);
    out
}

/// Decodes the three frames and gives what is kept of them.
fn receive(bytes: &[u8]) -> (Method, MessageProperties, &[u8]) {
    let method = Frame::decode(bytes, FRAME_MIN_SIZE).unwrap().unwrap();
    let rest = bytes.get(method.encoded_len()..).unwrap();
    let header = Frame::decode(rest, FRAME_MIN_SIZE).unwrap().unwrap();
    let rest = rest.get(header.encoded_len()..).unwrap();
    let body = Frame::decode(rest, FRAME_MIN_SIZE).unwrap().unwrap();
    let properties = ContentHeader::decode(header.payload).unwrap().properties;
    let properties = MessageProperties::parse(properties).unwrap();
    (Method::decode(method.payload).unwrap(), properties, body.payload)
}

fn deliver(tag: u64, properties: &MessageProperties, out: &mut BytesMut) {
    let deliver = Deliver {
        consumer_tag: ShortString::from_static("consumer-1"),
        delivery_tag: tag,
        redelivered: false,
        exchange: ShortString::from_static("orders"),
        routing_key: ShortString::from_static("orders.created.eu"),
    };
    encode_method_frame(1, &deliver, out);
    encode_header_frame(1, BODY.len().try_into().unwrap(), properties, out);
    encode_body_frame(1, BODY, out);
}

/// How many allocations this makes.
fn allocations_of<T>(run: impl FnOnce() -> T) -> u64 {
    let before = dhat::HeapStats::get().total_blocks;
    let kept = run();
    let after = dhat::HeapStats::get().total_blocks;
    drop(kept);
    after - before
}

#[test]
fn a_message_costs_no_allocation_but_for_its_properties() {
    // The sets that are kept for all messages are made at the first look.
    MessageProperties::parse(&[0, 0]).unwrap();
    let _profiler = dhat::Profiler::builder().testing().build();
    let none = publish(&MessageProperties::default());
    let persistent = publish(&MessageProperties::from(BasicProperties {
        delivery_mode: Some(DeliveryMode::Persistent),
        ..BasicProperties::NONE
    }));
    let typical = publish(&MessageProperties::from(BasicProperties {
        content_type: Some(ShortString::from_static("application/json")),
        delivery_mode: Some(DeliveryMode::Persistent),
        message_id: Some(ShortString::from_static("0190a1f2-7f3c-7a2b-9c4d")),
        ..BasicProperties::NONE
    }));
    assert_eq!(allocations_of(|| receive(&none)), 0);
    assert_eq!(allocations_of(|| receive(&persistent)), 0);
    assert_eq!(allocations_of(|| receive(&typical)), 1, "the properties, shared from then on");

    let (_, properties, _) = receive(&typical);
    let mut out = BytesMut::with_capacity(4096);
    let sending = allocations_of(|| {
        for tag in 0..3 {
            deliver(tag, &properties, &mut out);
        }
    });
    assert_eq!(sending, 0);
    let mut ack = BytesMut::with_capacity(64);
    encode_method_frame(1, &Ack { delivery_tag: 7, multiple: true }, &mut ack);
    let frame = Frame::decode(&ack, FRAME_MIN_SIZE).unwrap().unwrap();
    assert_eq!(allocations_of(|| Method::decode(frame.payload)), 0);
}
