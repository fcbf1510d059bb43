//! What the codec costs a message: decoding a publish, encoding a delivery.
//!
//! `cargo bench -p springhare-benches --bench codec`

use std::hint::black_box;

use bytes::BytesMut;
use springhare_amqp::wire::method::basic::{Deliver, Publish};
use springhare_amqp::wire::{
    ContentHeader, DecodeError, FRAME_MIN_SIZE, Frame, FrameError, Method, encode_body_frame,
    encode_header_frame, encode_method_frame,
};
use springhare_amqp::{BasicProperties, DeliveryMode, FieldTable, MessageProperties, ShortString};
use springhare_benches::{Way, report};

const ROUNDS: usize = 11;
const MESSAGES: u32 = 1_000_000;
const BODY: &[u8] = &[7; 100];
const BODY_SIZE: u64 = 100;

#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Payload(#[from] DecodeError),
    #[error("the frame is not whole")]
    NotWhole,
}

fn typical() -> BasicProperties {
    BasicProperties {
        content_type: Some(ShortString::from_static("application/json")),
        delivery_mode: Some(DeliveryMode::Persistent),
        message_id: Some(ShortString::from_static("0190a1f2-7f3c-7a2b-9c4d")),
        ..BasicProperties::NONE
    }
}

fn with_headers() -> BasicProperties {
    let entry = |name, value: &str| (ShortString::from_static(name), value.into());
    let headers = [
        entry("__TypeId__", "com.example.OrderCreated"),
        entry("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        entry("tenant", "eu-7"),
    ];
    BasicProperties { headers: Some(FieldTable::from_iter(headers)), ..typical() }
}

fn published(properties: &MessageProperties) -> BytesMut {
    let publish = Publish {
        exchange: ShortString::from_static("orders"),
        routing_key: ShortString::from_static("orders.created.eu"),
        ..Publish::default()
    };
    let mut out = BytesMut::new();
    encode_method_frame(1, &publish, &mut out);
    encode_header_frame(1, BODY_SIZE, properties, &mut out);
    encode_body_frame(1, BODY, &mut out);
    out
}

fn frame<'a>(rest: &mut &'a [u8]) -> Result<Frame<'a>, Unreadable> {
    let frame = Frame::decode(rest, FRAME_MIN_SIZE)?.ok_or(Unreadable::NotWhole)?;
    *rest = rest.get(frame.encoded_len()..).unwrap_or_default();
    Ok(frame)
}

fn receive(mut bytes: &[u8]) -> Result<(Method, MessageProperties, &[u8]), Unreadable> {
    let method = Method::decode(frame(&mut bytes)?.payload)?;
    let header = ContentHeader::decode(frame(&mut bytes)?.payload)?;
    let properties = MessageProperties::parse(header.properties)?;
    Ok((method, properties, frame(&mut bytes)?.payload))
}

fn send(deliver: &Deliver, properties: &MessageProperties, out: &mut BytesMut) {
    encode_method_frame(1, deliver, out);
    encode_header_frame(1, BODY_SIZE, properties, out);
    encode_body_frame(1, BODY, out);
}

fn main() -> Result<(), Unreadable> {
    let sets = [BasicProperties::NONE, typical(), with_headers()].map(|set| published(&set.into()));
    let names = ["no properties", "three properties", "and three headers"];
    let mut decoding = names.map(|name| Way::new(format!("decode a publish, {name}")));
    let mut reading = Way::new("the same, and look at a header");
    let mut encoding = names.map(|name| Way::new(format!("encode a delivery, {name}")));
    let deliver = Deliver {
        consumer_tag: ShortString::from_static("consumer-1"),
        delivery_tag: 7,
        redelivered: false,
        exchange: ShortString::from_static("orders"),
        routing_key: ShortString::from_static("orders.created.eu"),
    };
    let mut out = BytesMut::with_capacity(4096);
    for _ in 0..ROUNDS {
        for (way, bytes) in decoding.iter_mut().zip(&sets) {
            way.measure(MESSAGES, || {
                for _ in 0..MESSAGES {
                    let _ = black_box(receive(black_box(bytes)));
                }
            });
        }
        if let Some(bytes) = sets.last() {
            reading.measure(MESSAGES, || {
                for _ in 0..MESSAGES {
                    let received = receive(black_box(bytes));
                    black_box(received.is_ok_and(|(_, read, _)| read.header("tenant").is_some()));
                }
            });
        }
        for (way, bytes) in encoding.iter_mut().zip(&sets) {
            let (_, properties, _) = receive(bytes)?;
            way.measure(MESSAGES, || {
                for _ in 0..MESSAGES {
                    out.clear();
                    send(black_box(&deliver), &properties, &mut out);
                    black_box(&out);
                }
            });
        }
    }
    let mut decoding = Vec::from(decoding);
    decoding.push(reading);
    report("three frames to a message", &decoding);
    report("a message to three frames", &encoding);
    Ok(())
}
