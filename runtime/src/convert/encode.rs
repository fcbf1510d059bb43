//! A value's body: a serializer that is `serde_json`'s, but for what is a text or bytes as a
//! whole.

use bytes::Bytes;
use serde::{Serialize, Serializer};
use springhare_amqp::{BasicProperties, DeliveryMode, Message, MessageProperties, ShortString};

/// Bytes of any kind.
pub(super) const OCTETS: ShortString = ShortString::from_static("application/octet-stream");

/// Whether a content type says nothing of what the bytes are.
pub(super) fn is_octets(content_type: &str) -> bool {
    content_type.is_empty() || content_type.eq_ignore_ascii_case(&OCTETS)
}

const PERSISTENT: BasicProperties =
    BasicProperties { delivery_mode: Some(DeliveryMode::Persistent), ..BasicProperties::NONE };

/// The properties of JSON text.
static JSON: BasicProperties = BasicProperties {
    content_type: Some(ShortString::from_static("application/json")),
    ..PERSISTENT
};
/// The properties of plain text, UTF-8.
static TEXT: BasicProperties =
    BasicProperties { content_type: Some(ShortString::from_static("text/plain")), ..PERSISTENT };
/// The properties of bytes of any kind.
static BYTES: BasicProperties = BasicProperties { content_type: Some(OCTETS), ..PERSISTENT };

/// A persistent message of this content type.
pub(super) fn message(content_type: ShortString, body: impl Into<Bytes>) -> Message {
    let properties = BasicProperties { content_type: Some(content_type), ..PERSISTENT };
    Message::new(body).with_properties(properties)
}

/// A message of JSON text.
fn json(body: impl Into<Bytes>) -> Message {
    Message::new(body).with_properties(MessageProperties::from_static(&JSON))
}

/// A message of plain text.
pub(super) fn text(body: impl Into<Bytes>) -> Message {
    Message::new(body).with_properties(MessageProperties::from_static(&TEXT))
}

/// A message of bytes of any kind.
pub(super) fn octets(body: impl Into<Bytes>) -> Message {
    Message::new(body).with_properties(MessageProperties::from_static(&BYTES))
}

/// The message that a value becomes.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Message, serde_json::Error> {
    let mut json = serde_json::Serializer::new(Vec::new());
    let mut plain = None;
    value.serialize(BodySerializer { json: &mut json, plain: &mut plain })?;
    Ok(match plain {
        None => self::json(json.into_inner()),
        Some(Plain::Text(text)) => self::text(text),
        Some(Plain::Octets(bytes)) => octets(bytes),
    })
}

/// A value that is no JSON.
enum Plain {
    Text(String),
    Octets(Vec<u8>),
}

type Json = serde_json::Serializer<Vec<u8>>;

struct BodySerializer<'a> {
    json: &'a mut Json,
    plain: &'a mut Option<Plain>,
}

impl BodySerializer<'_> {
    #[expect(clippy::unnecessary_wraps, reason = "what the serializer's methods return")]
    fn text(self, text: impl Into<String>) -> Result<(), serde_json::Error> {
        *self.plain = Some(Plain::Text(text.into()));
        Ok(())
    }
}

/// Methods that are JSON's.
macro_rules! as_json {
    ($($method:ident($($argument:ident: $ty:ty),*) $(-> $compound:ident)?;)+) => {$(
        fn $method(self, $($argument: $ty),*) -> as_json!(@result $($compound)?) {
            self.json.$method($($argument),*)
        }
    )+};
    (@result) => { Result<(), serde_json::Error> };
    (@result $compound:ident) => { Result<Self::$compound, serde_json::Error> };
}

impl<'a> Serializer for BodySerializer<'a> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = <&'a mut Json as Serializer>::SerializeSeq;
    type SerializeTuple = <&'a mut Json as Serializer>::SerializeTuple;
    type SerializeTupleStruct = <&'a mut Json as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <&'a mut Json as Serializer>::SerializeTupleVariant;
    type SerializeMap = <&'a mut Json as Serializer>::SerializeMap;
    type SerializeStruct = <&'a mut Json as Serializer>::SerializeStruct;
    type SerializeStructVariant = <&'a mut Json as Serializer>::SerializeStructVariant;

    fn serialize_str(self, value: &str) -> Result<(), serde_json::Error> {
        self.text(value)
    }

    fn serialize_char(self, value: char) -> Result<(), serde_json::Error> {
        self.text(value)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), serde_json::Error> {
        self.text(variant)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), serde_json::Error> {
        *self.plain = Some(Plain::Octets(value.to_vec()));
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), serde_json::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        self.json.serialize_newtype_variant(name, index, variant, value)
    }

    as_json! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_i128(value: i128);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_u128(value: u128);
        serialize_f32(value: f32);
        serialize_f64(value: f64);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_seq(length: Option<usize>) -> SerializeSeq;
        serialize_tuple(length: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, length: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(
            name: &'static str, index: u32, variant: &'static str, length: usize
        ) -> SerializeTupleVariant;
        serialize_map(length: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, length: usize) -> SerializeStruct;
        serialize_struct_variant(
            name: &'static str, index: u32, variant: &'static str, length: usize
        ) -> SerializeStructVariant;
    }
}
