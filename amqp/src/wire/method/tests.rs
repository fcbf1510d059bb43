use bytes::{Bytes, BytesMut};

use super::*;
use crate::wire::{Frame, encode_body_frame};
use crate::{FieldTable, FieldValue, MessageProperties, ShortString};

/// What pika 1.x writes: frames that it made, byte for byte.
mod pika {
    pub(super) const START_OK: &[u8] = b"\x01\x00\x00\x00\x00\x00\x6a\x00\x0a\x00\x0b\
        \x00\x00\x00\x46\x07productS\x00\x00\x00\x1aPika Python Client Library\
        \x0ccapabilitiesF\x00\x00\x00\x0d\x0abasic.nackt\x01\
        \x05PLAIN\x00\x00\x00\x0c\x00guest\x00guest\x05en_US\xce";
    pub(super) const TUNE_OK: &[u8] =
        b"\x01\x00\x00\x00\x00\x00\x0c\x00\x0a\x00\x1f\x07\xff\x00\x02\x00\x00\x00\x3c\xce";
    pub(super) const DECLARE: &[u8] = b"\x01\x00\x01\x00\x00\x00\x73\x00\x32\x00\x0a\
        \x00\x00\x0atask_queue\x02\x00\x00\x00\x5d\x0dx-message-ttlI\x00\x00\xea\x60\
        \x0cx-max-lengthl\x00\x00\x00\x01\x2a\x05\xf2\x00\
        \x16x-dead-letter-exchangeS\x00\x00\x00\x03dlx\x01nV\
        \x01lA\x00\x00\x00\x0bI\x00\x00\x00\x01S\x00\x00\x00\x01a\xce";
    pub(super) const PUBLISH: &[u8] =
        b"\x01\x00\x01\x00\x00\x00\x13\x00\x3c\x00\x28\x00\x00\x00\x0atask_queue\x01\xce";
    pub(super) const BODY: &[u8] = b"\x03\x00\x01\x00\x00\x00\x05hello\xce";
    pub(super) const NACK: &[u8] =
        b"\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x78\x00\x00\x00\x00\x00\x00\x00\x07\x02\xce";
}

/// What amqplib 2.x writes.
const AMQPLIB_DECLARE: &[u8] = b"\x01\x00\x01\x00\x00\x00\x75\x00\x32\x00\x0a\x00\x00\x01q\x02\
    \x00\x00\x00\x68\x0ex-max-priorityb\x0a\x09x-expiresI\x00\x1b\x77\x40\
    \x03bigl\x00\x00\x00\x01\x2a\x05\xf2\x00\x03negb\xfb\x01fd\x3f\xf8\x00\x00\x00\x00\x00\x00\
    \x01bx\x00\x00\x00\x02\x01\x02\x02noV\x03arrA\x00\x00\x00\x08S\x00\x00\x00\x01at\x01\
    \x02tsT\x00\x00\x00\x00\x65\x53\xf1\x00\xce";

fn text(text: &'static str) -> ShortString {
    ShortString::from_static(text)
}

fn table<const N: usize>(entries: [(&'static str, FieldValue); N]) -> FieldTable {
    entries.into_iter().map(|(name, value)| (text(name), value)).collect()
}

/// The bytes are read as this method, and the method is written as these bytes.
#[track_caller]
fn assert_is(bytes: &[u8], channel: u16, method: impl Into<Method>) {
    let method = method.into();
    let frame = Frame::decode(bytes, 4096).unwrap().unwrap();
    assert_eq!(frame.channel, channel);
    assert_eq!(Method::decode(frame.payload), Ok(method.clone()));
    let mut written = BytesMut::new();
    method.encode_frame(channel, &mut written);
    assert_eq!(written, bytes);
}

#[test]
fn pikas_login() {
    assert_is(
        pika::START_OK,
        0,
        connection::StartOk {
            client_properties: table([
                ("product", "Pika Python Client Library".into()),
                ("capabilities", table([("basic.nack", true.into())]).into()),
            ]),
            mechanism: text("PLAIN"),
            response: Bytes::from_static(b"\0guest\0guest"),
            locale: text("en_US"),
        },
    );
    let tune_ok = connection::TuneOk { channel_max: 2047, frame_max: 131_072, heartbeat: 60 };
    assert_is(pika::TUNE_OK, 0, tune_ok);
}

#[test]
fn pikas_queue() {
    assert_is(
        pika::DECLARE,
        1,
        queue::Declare {
            queue: text("task_queue"),
            durable: true,
            arguments: table([
                ("x-message-ttl", 60_000.into()),
                ("x-max-length", 5_000_000_000_i64.into()),
                ("x-dead-letter-exchange", "dlx".into()),
                ("n", FieldValue::Void),
                ("l", FieldValue::Array(vec![1.into(), "a".into()])),
            ]),
            ..queue::Declare::default()
        },
    );
}

#[test]
fn pikas_messages() {
    let publish = basic::Publish {
        routing_key: text("task_queue"),
        mandatory: true,
        ..basic::Publish::default()
    };
    assert_is(pika::PUBLISH, 1, publish);
    assert_is(pika::NACK, 1, basic::Nack { delivery_tag: 7, multiple: false, requeue: true });
    let mut body = BytesMut::new();
    encode_body_frame(1, b"hello", &mut body);
    assert_eq!(body, pika::BODY);
}

#[test]
fn amqplibs_queue() {
    assert_is(
        AMQPLIB_DECLARE,
        1,
        queue::Declare {
            queue: text("q"),
            durable: true,
            arguments: table([
                ("x-max-priority", 10_i8.into()),
                ("x-expires", 1_800_000.into()),
                ("big", 5_000_000_000_i64.into()),
                ("neg", (-5_i8).into()),
                ("f", 1.5_f64.into()),
                ("b", vec![1_u8, 2].into()),
                ("no", FieldValue::Void),
                ("arr", FieldValue::Array(vec!["a".into(), true.into()])),
                ("ts", FieldValue::Timestamp(1_700_000_000)),
            ]),
            ..queue::Declare::default()
        },
    );
}

#[test]
fn a_method_that_is_not_there_is_named_by_both_numbers() {
    for (class, method) in [(50, 99), (40, 41), (61, 10), (0, 0)] {
        let payload = [class, method].map(u16::to_be_bytes).concat();
        let refused = Method::decode(&payload).unwrap_err();
        assert_eq!(refused, DecodeError::UnknownMethod { class, method });
        assert_eq!(refused.to_string(), format!("unknown method {method} of class {class}"));
    }
}

#[test]
fn reserved_fields_may_hold_anything() {
    let frame = Frame::decode(pika::PUBLISH, 4096).unwrap().unwrap();
    let mut with_ticket = frame.payload.to_vec();
    with_ticket[5] = 101;
    assert_eq!(Method::decode(&with_ticket), Method::decode(frame.payload));
    let open = b"\x00\x0a\x00\x28\x01/\x03old\x01";
    let opened: Method = connection::Open { virtual_host: text("/") }.into();
    assert_eq!(Method::decode(open), Ok(opened));
}

#[test]
fn what_is_wrong_names_its_field() {
    let not_utf8 = b"\x00\x32\x00\x1e\x00\x00\x02\xff\xfe\x00";
    assert_eq!(Method::decode(not_utf8), Err(DecodeError::NotUtf8 { field: "queue" }));
    let cut = b"\x00\x32\x00\x1e\x00\x00\x09q";
    assert_eq!(Method::decode(cut), Err(DecodeError::Truncated { field: "queue" }));
    assert_eq!(Method::decode(&[0]), Err(DecodeError::Truncated { field: "class_id" }));
    let longer = b"\x00\x5a\x00\x0a\x00\x00";
    assert_eq!(Method::decode(longer), Err(DecodeError::TrailingBytes { count: 2 }));
}

#[test]
fn passwords_are_not_printed() {
    let secret = Bytes::from_static(b"\0guest\0swordfish");
    let shown = [
        format!("{:?}", connection::StartOk { response: secret.clone(), ..Default::default() }),
        format!("{:?}", connection::SecureOk { response: secret.clone() }),
        format!("{:?}", connection::UpdateSecret { new_secret: secret, reason: text("expired") }),
    ];
    for shown in shown {
        assert!(!shown.contains("swordfish"), "{shown}");
        assert!(shown.contains("(16 bytes)"), "{shown}");
    }
}

#[test]
fn ids_are_those_of_the_specification() {
    let unbind_ok: Method = exchange::UnbindOk.into();
    assert_eq!(unbind_ok.id(), MethodId { class: 40, method: 51 });
    assert_eq!(MethodId::EXCHANGE_UNBIND_OK.name(), Some("exchange.unbind-ok"));
    assert_eq!(basic::RecoverOk::ID, MethodId::BASIC_RECOVER_OK);
    assert_eq!(MethodId { class: 60, method: 111 }, MethodId::BASIC_RECOVER_OK);
    assert_eq!(MethodId { class: 60, method: 112 }.name(), None);
}

#[test]
fn a_default_header_has_no_properties() {
    let mut header = BytesMut::new();
    crate::wire::encode_header_frame(1, 5, &MessageProperties::default(), &mut header);
    assert_eq!(header, b"\x02\0\x01\0\0\0\x0e\0\x3c\0\0\0\0\0\0\0\0\0\x05\0\0\xce"[..]);
}
