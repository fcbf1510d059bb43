//! What one codec writes, the other reads, and means the same by it.

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, WriteContext, gen_frame, parse_frame};
use amq_protocol::protocol::basic::AMQPProperties;
use amq_protocol::protocol::{self as theirs, AMQPClass};
use amq_protocol::types::{self, AMQPValue};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use springhare_amqp::wire::{
    self, ContentHeader, FRAME_END, Frame, FrameKind, Method, encode_body_frame,
    encode_header_frame, encode_heartbeat, method as ours,
};
use springhare_amqp::{BasicProperties, FieldTable, FieldValue, MessageProperties, ShortString};

use crate::schema::method_payload;
use crate::strategies::{properties, table};

const FRAME_MAX: usize = 1 << 20;

/// Whether a value of ours is the same as one of theirs.
trait Same<Theirs> {
    fn same(&self, theirs: &Theirs) -> bool;
}

macro_rules! same_as_itself {
    ($($type:ty),+) => {$(
        impl Same<$type> for $type {
            fn same(&self, theirs: &$type) -> bool {
                self == theirs
            }
        }
    )+};
}

same_as_itself!(bool, u8, u16, u32, u64);

impl Same<types::ShortString> for ShortString {
    fn same(&self, theirs: &types::ShortString) -> bool {
        self == theirs.as_str()
    }
}

impl Same<types::LongString> for Bytes {
    fn same(&self, theirs: &types::LongString) -> bool {
        self == theirs.as_bytes()
    }
}

impl Same<types::FieldTable> for FieldTable {
    fn same(&self, theirs: &types::FieldTable) -> bool {
        self.len() == theirs.inner().len()
            && theirs
                .into_iter()
                .all(|(name, theirs)| self.get(name.as_str()).is_some_and(|ours| ours.same(theirs)))
    }
}

impl Same<AMQPValue> for FieldValue {
    fn same(&self, theirs: &AMQPValue) -> bool {
        match (self, theirs) {
            (Self::Boolean(ours), AMQPValue::Boolean(theirs)) => ours == theirs,
            (Self::I8(ours), AMQPValue::ShortShortInt(theirs)) => ours == theirs,
            (Self::U8(ours), AMQPValue::ShortShortUInt(theirs)) => ours == theirs,
            (Self::I16(ours), AMQPValue::ShortInt(theirs)) => ours == theirs,
            (Self::U16(ours), AMQPValue::ShortUInt(theirs)) => ours == theirs,
            (Self::I32(ours), AMQPValue::LongInt(theirs)) => ours == theirs,
            (Self::U32(ours), AMQPValue::LongUInt(theirs)) => ours == theirs,
            (Self::I64(ours), AMQPValue::LongLongInt(theirs)) => ours == theirs,
            (Self::F32(ours), AMQPValue::Float(theirs)) => ours == theirs,
            (Self::F64(ours), AMQPValue::Double(theirs)) => ours == theirs,
            (Self::Decimal { scale, value }, AMQPValue::DecimalValue(theirs)) => {
                (*scale, *value) == (theirs.scale, theirs.value)
            }
            (Self::LongString(ours), AMQPValue::LongString(theirs)) => ours.same(theirs),
            (Self::Array(ours), AMQPValue::FieldArray(theirs)) => {
                let theirs = theirs.as_slice();
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.same(b))
            }
            (Self::Timestamp(ours), AMQPValue::Timestamp(theirs)) => ours == theirs,
            (Self::Table(ours), AMQPValue::FieldTable(theirs)) => ours.same(theirs),
            (Self::ByteArray(ours), AMQPValue::ByteArray(theirs)) => ours == theirs.as_slice(),
            (Self::Void, AMQPValue::Void) => true,
            _ => false,
        }
    }
}

/// `class { Method(field, ..) }` for all methods with arguments: those of the same class and
/// method with the same values under the same names are the same.
macro_rules! same_methods {
    ($(
        $class:ident $module:ident { $( $method:ident($($field:ident),*) )+ }
    )+) => {
        fn same_method(ours: &Method, theirs: &AMQPClass) -> bool {
            match (ours, theirs) {
                $($(
                    (
                        Method::$class(ours::$module::Method::$method(ours)),
                        AMQPClass::$class(theirs::$module::AMQPMethod::$method(theirs)),
                    ) => {
                        let _ = (ours, theirs);
                        true $( && ours.$field.same(&theirs_field!(theirs, $field)) )*
                    }
                )+)+
                _ => false,
            }
        }
    };
}

macro_rules! theirs_field {
    ($theirs:ident, no_wait) => {
        $theirs.nowait
    };
    ($theirs:ident, $field:ident) => {
        $theirs.$field
    };
}

same_methods! {
    Connection connection {
        Start(version_major, version_minor, server_properties, mechanisms, locales)
        StartOk(client_properties, mechanism, response, locale)
        Secure(challenge)
        SecureOk(response)
        Tune(channel_max, frame_max, heartbeat)
        TuneOk(channel_max, frame_max, heartbeat)
        Open(virtual_host)
        OpenOk()
        Close(reply_code, reply_text, class_id, method_id)
        CloseOk()
        Blocked(reason)
        Unblocked()
        UpdateSecret(new_secret, reason)
        UpdateSecretOk()
    }
    Channel channel {
        Open() OpenOk() Flow(active) FlowOk(active)
        Close(reply_code, reply_text, class_id, method_id)
        CloseOk()
    }
    Access access { Request(realm, exclusive, passive, active, write, read) RequestOk() }
    Exchange exchange {
        Declare(exchange, kind, passive, durable, auto_delete, internal, no_wait, arguments)
        DeclareOk()
        Delete(exchange, if_unused, no_wait)
        DeleteOk()
        Bind(destination, source, routing_key, no_wait, arguments)
        BindOk()
        Unbind(destination, source, routing_key, no_wait, arguments)
        UnbindOk()
    }
    Queue queue {
        Declare(queue, passive, durable, exclusive, auto_delete, no_wait, arguments)
        DeclareOk(queue, message_count, consumer_count)
        Bind(queue, exchange, routing_key, no_wait, arguments)
        BindOk()
        Purge(queue, no_wait)
        PurgeOk(message_count)
        Delete(queue, if_unused, if_empty, no_wait)
        DeleteOk(message_count)
        Unbind(queue, exchange, routing_key, arguments)
        UnbindOk()
    }
    Basic basic {
        Qos(prefetch_count, global)
        QosOk()
        Consume(queue, consumer_tag, no_local, no_ack, exclusive, no_wait, arguments)
        ConsumeOk(consumer_tag)
        Cancel(consumer_tag, no_wait)
        CancelOk(consumer_tag)
        Publish(exchange, routing_key, mandatory, immediate)
        Return(reply_code, reply_text, exchange, routing_key)
        Deliver(consumer_tag, delivery_tag, redelivered, exchange, routing_key)
        Get(queue, no_ack)
        GetOk(delivery_tag, redelivered, exchange, routing_key, message_count)
        GetEmpty()
        Ack(delivery_tag, multiple)
        Reject(delivery_tag, requeue)
        RecoverAsync(requeue)
        Recover(requeue)
        RecoverOk()
        Nack(delivery_tag, multiple, requeue)
    }
    Confirm confirm { Select(no_wait) SelectOk() }
    Tx tx { Select() SelectOk() Commit() CommitOk() Rollback() RollbackOk() }
}

fn same_properties(ours: &BasicProperties, theirs: &AMQPProperties) -> bool {
    fn same<Ours: Same<Theirs>, Theirs>(ours: Option<&Ours>, theirs: &Option<Theirs>) -> bool {
        match (ours, theirs) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => ours.same(theirs),
            _ => false,
        }
    }
    let mode = ours.delivery_mode.map(|mode| mode.value());
    same(ours.content_type.as_ref(), theirs.content_type())
        && same(ours.content_encoding.as_ref(), theirs.content_encoding())
        && same(ours.headers.as_ref(), theirs.headers())
        && same(mode.as_ref(), theirs.delivery_mode())
        && same(ours.priority.as_ref(), theirs.priority())
        && same(ours.correlation_id.as_ref(), theirs.correlation_id())
        && same(ours.reply_to.as_ref(), theirs.reply_to())
        && same(ours.expiration.as_ref(), theirs.expiration())
        && same(ours.message_id.as_ref(), theirs.message_id())
        && same(ours.timestamp.as_ref(), theirs.timestamp())
        && same(ours.kind.as_ref(), theirs.kind())
        && same(ours.user_id.as_ref(), theirs.user_id())
        && same(ours.app_id.as_ref(), theirs.app_id())
        && same(ours.cluster_id.as_ref(), theirs.cluster_id())
}

/// The frame that they read from all of `bytes`.
fn read_by_them(bytes: &[u8]) -> AMQPFrame {
    let (rest, frame) = parse_frame(bytes).unwrap();
    assert!(rest.is_empty(), "{} bytes are left of a frame", rest.len());
    frame
}

fn written_by_them(frame: &AMQPFrame) -> Vec<u8> {
    gen_frame(frame)(WriteContext::from(Vec::new())).unwrap().into_inner().0
}

/// The frame that we read from all of `bytes`.
fn read_by_us(bytes: &[u8]) -> Frame<'_> {
    let frame = Frame::decode(bytes, FRAME_MAX).unwrap().unwrap();
    assert_eq!(frame.encoded_len(), bytes.len());
    frame
}

fn method_frame(channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[1][..], &channel.to_be_bytes(), &size, payload, &[FRAME_END]].concat()
}

/// What is left when `amq-protocol` has read and written it: it knows two fields as constants.
fn as_they_know_it(method: Method) -> Method {
    match method {
        Method::Basic(ours::basic::Method::Qos(qos)) => {
            ours::basic::Qos { prefetch_size: 0, ..qos }.into()
        }
        Method::Access(ours::access::Method::RequestOk(_)) => {
            ours::access::RequestOk { ticket: 1 }.into()
        }
        method => method,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn methods(channel: u16, payload in method_payload()) {
        let sent = method_frame(channel, &payload);
        let frame = read_by_us(&sent);
        prop_assert_eq!((frame.kind, frame.channel), (FrameKind::Method, channel));
        let ours = Method::decode(frame.payload).unwrap();
        let mut written = BytesMut::new();
        ours.encode_frame(channel, &mut written);
        prop_assert_eq!(&written[..], &sent[..]);

        let theirs = read_by_them(&sent);
        let AMQPFrame::Method(their_channel, their_method) = &theirs else {
            return Err(TestCaseError::fail(format!("{theirs:?}")));
        };
        prop_assert_eq!(*their_channel, channel);
        prop_assert!(same_method(&ours, their_method), "{ours:?} is not {theirs:?}");

        let again = written_by_them(&theirs);
        let again = Method::decode(read_by_us(&again).payload).unwrap();
        prop_assert_eq!(again, as_they_know_it(ours));
    }

    #[test]
    fn contents(channel: u16, body_size: u64, properties in properties()) {
        let mut sent = BytesMut::new();
        encode_header_frame(channel, body_size, &properties.clone().into(), &mut sent);
        let theirs = read_by_them(&sent);
        let AMQPFrame::Header(their_channel, header) = &theirs else {
            return Err(TestCaseError::fail(format!("{theirs:?}")));
        };
        prop_assert_eq!((*their_channel, header.class_id), (channel, 60));
        prop_assert_eq!(header.body_size, body_size);
        prop_assert!(same_properties(&properties, &header.properties), "{theirs:?}");

        let again = written_by_them(&theirs);
        let frame = read_by_us(&again);
        prop_assert_eq!((frame.kind, frame.channel), (FrameKind::Header, channel));
        let header = ContentHeader::decode(frame.payload).unwrap();
        prop_assert_eq!((header.class, header.weight), (60, 0));
        prop_assert_eq!(header.body_size, body_size);
        let read = MessageProperties::parse(header.properties).unwrap();
        prop_assert_eq!(&*read, &properties);
    }

    #[test]
    fn tables(table in table()) {
        let mut written = BytesMut::new();
        wire::encode_table(&table, &mut written);
        prop_assert_eq!(written.len(), table.encoded_len());
        let (rest, theirs) = types::parsing::parse_field_table(&written[..]).unwrap();
        prop_assert!(rest.is_empty());
        prop_assert!(table.same(&theirs), "{table:?} is not {theirs:?}");
        let again = types::generation::gen_field_table(&theirs)(WriteContext::from(Vec::new()));
        let again = again.unwrap().into_inner().0;
        prop_assert_eq!(wire::decode_table(&again).unwrap(), table);
    }

    #[test]
    fn bodies(channel: u16, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut sent = BytesMut::new();
        encode_body_frame(channel, &body, &mut sent);
        let theirs = read_by_them(&sent);
        prop_assert_eq!(&theirs, &AMQPFrame::Body(channel, body.clone()));
        let again = written_by_them(&theirs);
        prop_assert_eq!(&again[..], &sent[..]);
        let frame = read_by_us(&again);
        prop_assert_eq!(frame, Frame { kind: FrameKind::Body, channel, payload: &body });
    }
}

#[test]
fn heartbeats() {
    let mut sent = BytesMut::new();
    encode_heartbeat(&mut sent);
    assert_eq!(read_by_them(&sent), AMQPFrame::Heartbeat);
    assert_eq!(sent, written_by_them(&AMQPFrame::Heartbeat));
}

#[test]
fn no_properties() {
    let header =
        AMQPContentHeader { class_id: 60, body_size: 3, properties: AMQPProperties::default() };
    let sent = written_by_them(&AMQPFrame::Header(1, header));
    let header = ContentHeader::decode(read_by_us(&sent).payload).unwrap();
    assert_eq!(MessageProperties::parse(header.properties).unwrap(), MessageProperties::default());
}
