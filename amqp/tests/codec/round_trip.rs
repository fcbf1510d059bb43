//! What was read is written again as it was.

use bytes::BytesMut;
use proptest::prelude::*;
use springhare_amqp::wire::{decode_table, encode_table};
use springhare_amqp::{BasicProperties, EncodedProperties, MessageProperties, Property};

use crate::strategies::{odd_table, properties, table};

const PROPERTIES: [Property; 14] = [
    Property::ContentType,
    Property::ContentEncoding,
    Property::Headers,
    Property::DeliveryMode,
    Property::Priority,
    Property::CorrelationId,
    Property::ReplyTo,
    Property::Expiration,
    Property::MessageId,
    Property::Timestamp,
    Property::Kind,
    Property::UserId,
    Property::AppId,
    Property::ClusterId,
];

fn encoded(properties: &MessageProperties) -> BytesMut {
    let mut out = BytesMut::new();
    properties.encode(&mut out);
    assert_eq!(out.len(), properties.encoded_len());
    out
}

/// What is answered without decoding is what decoding says.
fn assert_answers_agree(properties: &MessageProperties) {
    let decoded: &BasicProperties = properties;
    for property in PROPERTIES {
        assert_eq!(properties.has(property), decoded.has(property), "{property:?}");
    }
    assert_eq!(properties.delivery_mode(), decoded.delivery_mode);
    assert_eq!(properties.is_persistent(), decoded.is_persistent());
    assert_eq!(properties.priority(), decoded.priority);
    assert_eq!(properties.timestamp(), decoded.timestamp);
    let names = ["cc", "a", "x-death"];
    for name in names {
        assert_eq!(properties.has_header(name), decoded.header(name).is_some(), "{name}");
        let (mut without, mut expected) = (properties.clone(), decoded.clone());
        without.remove_header(name);
        if let Some(headers) = &mut expected.headers {
            headers.remove(name);
        }
        // As text, since a number that is none equals nothing.
        assert_eq!(format!("{:?}", *without), format!("{expected:?}"), "{name}");
    }
    let has_any = names.iter().any(|name| decoded.header(name).is_some());
    assert_eq!(properties.has_any_header(&names), has_any);
    for (name, _) in decoded.headers.iter().flat_map(|headers| headers.iter()) {
        let was_replaced = name.contains('\u{fffd}');
        assert!(properties.has_header(name) || was_replaced, "{name}");
    }
}

proptest! {
    #[test]
    fn of_properties(properties in properties()) {
        let own = MessageProperties::from(properties);
        let sent = encoded(&own);
        let read = MessageProperties::parse(&sent).unwrap();
        prop_assert_eq!(&read, &own);
        prop_assert_eq!(encoded(&read), sent);
        assert_answers_agree(&own);
        assert_answers_agree(&read);
    }

    #[test]
    fn of_tables(table in table()) {
        let mut sent = BytesMut::new();
        encode_table(&table, &mut sent);
        let read = decode_table(&sent).unwrap();
        let mut again = BytesMut::new();
        encode_table(&read, &mut again);
        prop_assert_eq!(again, sent);
        prop_assert_eq!(read, table);
    }

    /// As `odd_table` says, and with a reserved flag and an application that is not UTF-8.
    #[test]
    fn of_properties_that_we_would_not_write(headers in odd_table(), app in any::<[u8; 3]>()) {
        let sent = [&[0x20, 0x0a][..], &headers, &[3], &app].concat();
        let read = MessageProperties::parse(&sent).unwrap();
        prop_assert_eq!(&encoded(&read)[..], &sent[..]);
        assert_answers_agree(&read);
        // A look at them changes nothing.
        prop_assert_eq!(&encoded(&read)[..], &sent[..]);
        let kept = EncodedProperties::parse(&sent).unwrap();
        prop_assert_eq!(kept.as_bytes(), &sent[..]);
    }
}
