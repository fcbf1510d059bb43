//! Random values as clients may send them.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use springhare_amqp::{BasicProperties, DeliveryMode, FieldTable, FieldValue, ShortString};

pub(crate) fn short_string() -> impl Strategy<Value = ShortString> {
    prop_oneof![
        4 => "[a-z.*#]{0,23}",
        2 => "\\PC{0,60}",
        1 => "[ -~]{200,255}",
    ]
    .prop_map(|text| ShortString::new(text).unwrap())
}

pub(crate) fn long_string() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..80).prop_map(Bytes::from)
}

pub(crate) fn table() -> impl Strategy<Value = FieldTable> {
    vec((short_string(), value()), 0..6).prop_map(FieldTable::from_iter)
}

fn value() -> impl Strategy<Value = FieldValue> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(FieldValue::Boolean),
        any::<i8>().prop_map(FieldValue::I8),
        any::<u8>().prop_map(FieldValue::U8),
        any::<i16>().prop_map(FieldValue::I16),
        any::<u16>().prop_map(FieldValue::U16),
        any::<i32>().prop_map(FieldValue::I32),
        any::<u32>().prop_map(FieldValue::U32),
        any::<i64>().prop_map(FieldValue::I64),
        any::<f32>().prop_map(FieldValue::F32),
        any::<f64>().prop_map(FieldValue::F64),
        any::<(u8, u32)>().prop_map(|(scale, value)| FieldValue::Decimal { scale, value }),
        long_string().prop_map(FieldValue::LongString),
        any::<u64>().prop_map(FieldValue::Timestamp),
        long_string().prop_map(FieldValue::ByteArray),
        Just(FieldValue::Void),
    ];
    leaf.prop_recursive(4, 24, 4, |value| {
        let entries = vec((short_string(), value.clone()), 0..4);
        prop_oneof![
            vec(value, 0..4).prop_map(FieldValue::Array),
            entries.prop_map(|entries| FieldValue::Table(FieldTable::from_iter(entries))),
        ]
    })
}

pub(crate) fn properties() -> impl Strategy<Value = BasicProperties> {
    let mode = prop_oneof![Just(DeliveryMode::Transient), Just(DeliveryMode::Persistent)];
    let texts = vec(option::of(short_string()), 10);
    (texts, option::of(table()), option::of(mode), option::of(0..=255u8), any::<Option<u64>>())
        .prop_map(|(mut texts, headers, delivery_mode, priority, timestamp)| {
            let mut text = || texts.pop().flatten();
            BasicProperties {
                content_type: text(),
                content_encoding: text(),
                headers,
                delivery_mode,
                priority,
                correlation_id: text(),
                reply_to: text(),
                expiration: text(),
                message_id: text(),
                timestamp,
                kind: text(),
                user_id: text(),
                app_id: text(),
                cluster_id: text(),
            }
        })
}

/// The bytes of a table as a peer may write it and we would not: names twice, letters that mean
/// the same, booleans that are 7, and names that are not UTF-8.
pub(crate) fn odd_table() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![Just(b"cc".to_vec()), vec(any::<u8>(), 0..4)];
    let value = prop_oneof![
        any::<u8>().prop_map(|value| vec![b't', value]),
        any::<[u8; 8]>().prop_map(|value| [&b"L"[..], &value].concat()),
        any::<[u8; 4]>().prop_map(|value| [&b"f"[..], &value].concat()),
        Just(b"V".to_vec()),
        Just(b"A\x00\x00\x00\x02VV".to_vec()),
        Just(b"F\x00\x00\x00\x04\x00V\x00V".to_vec()),
    ];
    vec((name, value), 0..5).prop_map(|entries| {
        let entries = entries.into_iter().flat_map(|(name, value)| {
            [vec![u8::try_from(name.len()).unwrap()], name, value].concat()
        });
        let entries: Vec<u8> = entries.collect();
        [u32::try_from(entries.len()).unwrap().to_be_bytes().to_vec(), entries].concat()
    })
}
