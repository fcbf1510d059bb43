//! Bytes that are cut, changed or made up: an answer, and no panic.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use springhare_amqp::wire::{
    ContentHeader, FRAME_MIN_SIZE, Frame, Method, decode_table, encode_body_frame, encode_table,
};
use springhare_amqp::{MessageProperties, Property};

use crate::schema::method_payload;
use crate::strategies::{odd_table, properties, table};

/// Everything that reads bytes reads these.
fn read_all(bytes: &[u8]) {
    for frame_max in [0, FRAME_MIN_SIZE, usize::MAX] {
        if let Ok(Some(frame)) = Frame::decode(bytes, frame_max) {
            assert!(frame.encoded_len() <= bytes.len());
        }
    }
    if let Ok(method) = Method::decode(bytes) {
        assert!(method.id().name().is_some(), "{method:?}");
    }
    if let Ok(header) = ContentHeader::decode(bytes) {
        assert_eq!(header.properties.len() + 12, bytes.len());
    }
    let _ = decode_table(bytes);
    if let Ok(properties) = MessageProperties::parse(bytes) {
        // What passed the check can be decoded.
        assert_eq!(properties.has(Property::Headers), properties.headers.is_some());
        assert_eq!(properties.has(Property::AppId), properties.app_id.is_some());
        assert_eq!(properties.encoded_len(), bytes.len());
    }
}

fn encoded(properties: &MessageProperties) -> Vec<u8> {
    let mut out = BytesMut::new();
    properties.encode(&mut out);
    out.to_vec()
}

fn encoded_table() -> impl Strategy<Value = Vec<u8>> {
    table().prop_map(|table| {
        let mut out = BytesMut::new();
        encode_table(&table, &mut out);
        out.to_vec()
    })
}

/// What is well-formed.
fn valid() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        method_payload(),
        properties().prop_map(|properties| encoded(&properties.into())),
        encoded_table(),
        odd_table(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    #[test]
    fn changed_bytes_are_read_or_refused(
        mut bytes in valid(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for (place, byte) in changes {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
        }
        read_all(&bytes);
    }
}

// Each case tries every length.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_cut_method_is_an_error(payload in method_payload()) {
        for end in 0..payload.len() {
            prop_assert!(Method::decode(&payload[..end]).is_err(), "{end} of {}", payload.len());
        }
        let longer = [&payload[..], &[0]].concat();
        prop_assert!(Method::decode(&longer).is_err());
    }

    #[test]
    fn cut_properties_are_an_error(properties in properties()) {
        let bytes = encoded(&properties.into());
        for end in 0..bytes.len() {
            prop_assert!(MessageProperties::parse(&bytes[..end]).is_err());
        }
        prop_assert!(MessageProperties::parse(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn a_cut_table_is_an_error(bytes in prop_oneof![encoded_table(), odd_table()]) {
        for end in 0..bytes.len() {
            prop_assert!(decode_table(&bytes[..end]).is_err());
        }
        prop_assert!(decode_table(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn a_cut_frame_is_none(channel: u16, body in vec(any::<u8>(), 0..100)) {
        let mut bytes = BytesMut::new();
        encode_body_frame(channel, &body, &mut bytes);
        for end in 0..bytes.len() {
            prop_assert_eq!(Frame::decode(&bytes[..end], FRAME_MIN_SIZE), Ok(None));
        }
    }
}

#[test]
fn a_cut_header_is_an_error() {
    let header = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3];
    for end in 0..header.len() {
        assert!(ContentHeader::decode(&header[..end]).is_err(), "{end}");
    }
    let read = ContentHeader::decode(&header).unwrap();
    assert_eq!((read.class, read.body_size, read.properties), (60, 3, &[][..]));
}
