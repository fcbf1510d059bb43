//! Between `lapin`'s types and ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lapin::types::{AMQPValue, DecimalValue};
use springhare::connection::LinkError;
use springhare_amqp::{
    AmqpError, BasicProperties, DeliveryMode, FieldTable, FieldValue, Message, MethodId, ReplyCode,
    ShortString,
};
use springhare_broker::{Delivery, PublishedMessage, ReturnedMessage};

/// The protocol's error in an error of `lapin`, if it is one. `lapin` does not tell the method.
pub(super) fn amqp_error(error: &lapin::Error, method: MethodId) -> Option<AmqpError> {
    let lapin::ErrorKind::ProtocolError(error) = error.kind() else { return None };
    let code = ReplyCode::from_code(error.get_id())?;
    let text = error.get_message().as_str();
    let explanation =
        text.strip_prefix(code.name()).and_then(|rest| rest.strip_prefix(" - ")).unwrap_or(text);
    Some(AmqpError::new(code, method, explanation))
}

/// A name or key for the wire; an error for one that the wire cannot carry.
pub(super) fn to_short(text: &str) -> Result<lapin::types::ShortString, LinkError> {
    lapin::types::ShortString::try_new(text).map_err(|error| LinkError::Transport(Arc::new(error)))
}

pub(super) fn from_short(text: &lapin::types::ShortString) -> ShortString {
    ShortString::truncated(text.as_str())
}

fn short(text: &ShortString) -> lapin::types::ShortString {
    text.as_str().into()
}

pub(super) fn to_table(table: &FieldTable) -> lapin::types::FieldTable {
    let entries: BTreeMap<_, _> =
        table.iter().map(|(name, value)| (short(name), to_value(value))).collect();
    entries.into()
}

fn to_value(value: &FieldValue) -> AMQPValue {
    match value {
        FieldValue::Boolean(value) => AMQPValue::Boolean(*value),
        FieldValue::I8(n) => AMQPValue::ShortShortInt(*n),
        FieldValue::U8(n) => AMQPValue::ShortShortUInt(*n),
        FieldValue::I16(n) => AMQPValue::ShortInt(*n),
        FieldValue::U16(n) => AMQPValue::ShortUInt(*n),
        FieldValue::I32(n) => AMQPValue::LongInt(*n),
        FieldValue::U32(n) => AMQPValue::LongUInt(*n),
        FieldValue::I64(n) => AMQPValue::LongLongInt(*n),
        FieldValue::F32(n) => AMQPValue::Float(*n),
        FieldValue::F64(n) => AMQPValue::Double(*n),
        FieldValue::Decimal { scale, value } => {
            AMQPValue::DecimalValue(DecimalValue { scale: *scale, value: *value })
        }
        FieldValue::LongString(bytes) => AMQPValue::LongString(bytes.to_vec().into()),
        FieldValue::Array(values) => {
            AMQPValue::FieldArray(values.iter().map(to_value).collect::<Vec<_>>().into())
        }
        FieldValue::Timestamp(seconds) => AMQPValue::Timestamp(*seconds),
        FieldValue::Table(table) => AMQPValue::FieldTable(to_table(table)),
        FieldValue::ByteArray(bytes) => AMQPValue::ByteArray(bytes.to_vec().into()),
        FieldValue::Void => AMQPValue::Void,
        unknown => panic!("a field value that the tests do not know: {unknown:?}"),
    }
}

fn from_table(table: &lapin::types::FieldTable) -> FieldTable {
    table.into_iter().map(|(name, value)| (from_short(name), from_value(value))).collect()
}

fn from_value(value: &AMQPValue) -> FieldValue {
    match value {
        AMQPValue::Boolean(value) => FieldValue::Boolean(*value),
        AMQPValue::ShortShortInt(n) => FieldValue::I8(*n),
        AMQPValue::ShortShortUInt(n) => FieldValue::U8(*n),
        AMQPValue::ShortInt(n) => FieldValue::I16(*n),
        AMQPValue::ShortUInt(n) => FieldValue::U16(*n),
        AMQPValue::LongInt(n) => FieldValue::I32(*n),
        AMQPValue::LongUInt(n) => FieldValue::U32(*n),
        AMQPValue::LongLongInt(n) => FieldValue::I64(*n),
        AMQPValue::Float(n) => FieldValue::F32(*n),
        AMQPValue::Double(n) => FieldValue::F64(*n),
        AMQPValue::DecimalValue(n) => FieldValue::Decimal { scale: n.scale, value: n.value },
        AMQPValue::ShortString(text) => FieldValue::text(text.as_str()),
        AMQPValue::LongString(text) => {
            FieldValue::LongString(Bytes::copy_from_slice(text.as_bytes()))
        }
        AMQPValue::FieldArray(values) => {
            FieldValue::Array(values.as_slice().iter().map(from_value).collect())
        }
        AMQPValue::Timestamp(seconds) => FieldValue::Timestamp(*seconds),
        AMQPValue::FieldTable(table) => FieldValue::Table(from_table(table)),
        AMQPValue::ByteArray(bytes) => {
            FieldValue::ByteArray(Bytes::copy_from_slice(bytes.as_slice()))
        }
        AMQPValue::Void => FieldValue::Void,
    }
}

/// Calls the setter of `lapin`'s properties for each of ours that is there.
macro_rules! carry {
    ($from:ident => $to:ident: $($text:ident => $setter:ident),+ $(,)?) => {
        $( if let Some(text) = &$from.$text { $to = $to.$setter(short(text)); } )+
    };
}

pub(super) fn to_properties(from: &BasicProperties) -> lapin::BasicProperties {
    let mut to = lapin::BasicProperties::default();
    carry!(from => to:
        content_type => with_content_type, content_encoding => with_content_encoding,
        correlation_id => with_correlation_id, reply_to => with_reply_to,
        expiration => with_expiration, message_id => with_message_id, kind => with_type,
        user_id => with_user_id, app_id => with_app_id, cluster_id => with_cluster_id,
    );
    if let Some(headers) = &from.headers {
        to = to.with_headers(to_table(headers));
    }
    if let Some(mode) = from.delivery_mode {
        to = to.with_delivery_mode(mode.value());
    }
    if let Some(priority) = from.priority {
        to = to.with_priority(priority);
    }
    if let Some(timestamp) = from.timestamp {
        to = to.with_timestamp(timestamp);
    }
    to
}

fn from_properties(from: &lapin::BasicProperties) -> BasicProperties {
    let text = |text: &Option<lapin::types::ShortString>| text.as_ref().map(from_short);
    BasicProperties {
        content_type: text(from.content_type()),
        content_encoding: text(from.content_encoding()),
        headers: from.headers().as_ref().map(from_table),
        delivery_mode: from.delivery_mode().map(|mode| match mode {
            2 => DeliveryMode::Persistent,
            _ => DeliveryMode::Transient,
        }),
        priority: *from.priority(),
        correlation_id: text(from.correlation_id()),
        reply_to: text(from.reply_to()),
        expiration: text(from.expiration()),
        message_id: text(from.message_id()),
        timestamp: *from.timestamp(),
        kind: text(from.kind()),
        user_id: text(from.user_id()),
        app_id: text(from.app_id()),
        cluster_id: text(from.cluster_id()),
    }
}

fn message(delivery: lapin::message::Delivery) -> PublishedMessage {
    PublishedMessage {
        exchange: from_short(&delivery.exchange),
        routing_key: from_short(&delivery.routing_key),
        message: Message::new(delivery.data).with_properties(from_properties(&delivery.properties)),
    }
}

pub(super) fn delivery(delivery: lapin::message::Delivery) -> Delivery {
    let (delivery_tag, redelivered) = (delivery.delivery_tag, delivery.redelivered);
    // Classic queues count no deliveries.
    Delivery { delivery_tag, redelivered, delivery_count: 0, message: Arc::new(message(delivery)) }
}

pub(super) fn returned(returned: lapin::message::BasicReturnMessage) -> ReturnedMessage {
    let reply_text = from_short(&returned.reply_text);
    let reply_code = ReplyCode::from_code(returned.reply_code).unwrap_or(ReplyCode::NoRoute);
    let PublishedMessage { exchange, routing_key, message } = message(returned.delivery);
    ReturnedMessage { reply_code, reply_text, exchange, routing_key, message }
}
