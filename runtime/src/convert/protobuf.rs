use springhare_amqp::{Message, ShortString};

use super::encode::message;

/// The content type of Protocol Buffers.
pub(crate) const PROTOBUF_CONTENT_TYPE: &str = "application/x-protobuf";

/// A persistent message with `value` as its body.
pub(crate) fn protobuf_message(value: &impl prost::Message) -> Message {
    message(ShortString::from_static(PROTOBUF_CONTENT_TYPE), value.encode_to_vec())
}
