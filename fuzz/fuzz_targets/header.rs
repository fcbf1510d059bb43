//! The payload of a header frame: properties are kept as they are, and what can be kept can be
//! decoded.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use springhare_amqp::wire::ContentHeader;
use springhare_amqp::{MessageProperties, Property};

fuzz_target!(|payload: &[u8]| {
    let Ok(header) = ContentHeader::decode(payload) else { return };
    let Ok(properties) = MessageProperties::parse(header.properties) else { return };
    let mut kept = BytesMut::new();
    properties.encode(&mut kept);
    assert_eq!(kept, header.properties);

    assert_eq!(properties.delivery_mode(), properties.delivery_mode);
    assert_eq!(properties.priority(), properties.priority);
    assert_eq!(properties.has(Property::Headers), properties.headers.is_some());
    assert_eq!(properties.has(Property::Kind), properties.kind.is_some());
    for (name, _) in properties.headers.iter().flat_map(|headers| headers.iter()) {
        assert!(properties.has_header(name) || name.contains('\u{fffd}'));
    }

    let mut changed = properties.clone();
    changed.priority = Some(9);
    let mut written = BytesMut::new();
    changed.encode(&mut written);
    assert_eq!(written.len(), changed.encoded_len());
    let again = MessageProperties::parse(&written).expect("ours are properties");
    assert_eq!(format!("{again:?}"), format!("{changed:?}"));
});
