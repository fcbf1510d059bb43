use std::ops::Range;

use bytes::BytesMut;

use crate::wire::{DecodeError, Reader, Writer};
use crate::{BasicProperties, DeliveryMode, FieldTable, ShortString};

/// A value of a property, as it stands in the property list.
///
/// Texts need not be UTF-8 there, as in RabbitMQ: what is not is read as U+FFFD.
trait PropertyValue: Sized {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError>;

    /// Goes over the value as `read` would, and allocates nothing.
    fn walk(
        reader: &mut Reader<'_>,
        field: &'static str,
        walked: &mut Walked,
    ) -> Result<(), DecodeError>;

    fn write(&self, writer: &mut Writer<'_>);

    fn encoded_len(&self) -> usize;

    /// The text, of the type that is one.
    fn as_text(&self) -> Option<&ShortString> {
        None
    }
}

impl PropertyValue for ShortString {
    fn as_text(&self) -> Option<&ShortString> {
        Some(self)
    }

    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        reader.shortstr_lossy(field)
    }

    #[inline]
    fn walk(
        reader: &mut Reader<'_>,
        field: &'static str,
        _: &mut Walked,
    ) -> Result<(), DecodeError> {
        reader.short_bytes(field).map(drop)
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) {
        writer.shortstr(self);
    }

    #[inline]
    fn encoded_len(&self) -> usize {
        1 + self.len()
    }
}

impl PropertyValue for FieldTable {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        reader.table(field)
    }

    fn walk(
        reader: &mut Reader<'_>,
        field: &'static str,
        walked: &mut Walked,
    ) -> Result<(), DecodeError> {
        walked.bytes_from_headers = reader.rest().len();
        reader.walk_table(field)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.table(self);
    }

    fn encoded_len(&self) -> usize {
        self.encoded_len()
    }
}

impl PropertyValue for DeliveryMode {
    #[inline]
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        match reader.octet(field)? {
            1 => Ok(Self::Transient),
            2 => Ok(Self::Persistent),
            value => Err(DecodeError::UnknownDeliveryMode { value }),
        }
    }

    #[inline]
    fn walk(
        reader: &mut Reader<'_>,
        field: &'static str,
        walked: &mut Walked,
    ) -> Result<(), DecodeError> {
        walked.delivery_mode = Some(Self::read(reader, field)?);
        Ok(())
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) {
        writer.octet(self.value());
    }

    #[inline]
    fn encoded_len(&self) -> usize {
        1
    }
}

/// The priority.
impl PropertyValue for u8 {
    #[inline]
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        reader.octet(field)
    }

    #[inline]
    fn walk(
        reader: &mut Reader<'_>,
        field: &'static str,
        walked: &mut Walked,
    ) -> Result<(), DecodeError> {
        walked.priority = Some(reader.octet(field)?);
        Ok(())
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) {
        writer.octet(*self);
    }

    #[inline]
    fn encoded_len(&self) -> usize {
        1
    }
}

/// The timestamp.
impl PropertyValue for u64 {
    #[inline]
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        reader.longlong(field)
    }

    #[inline]
    fn walk(
        reader: &mut Reader<'_>,
        field: &'static str,
        _: &mut Walked,
    ) -> Result<(), DecodeError> {
        reader.longlong(field).map(drop)
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) {
        writer.longlong(*self);
    }

    #[inline]
    fn encoded_len(&self) -> usize {
        8
    }
}

/// What going over encoded properties shows without decoding them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Walked {
    pub(crate) flags: u16,
    pub(crate) delivery_mode: Option<DeliveryMode>,
    pub(crate) priority: Option<u8>,
    /// How many bytes there are from the start of the headers to the end; 0 without headers.
    pub(crate) bytes_from_headers: usize,
}

/// The bytes of the property flags.
pub(crate) const FLAGS_BYTES: usize = 2;

/// The flag that announces another word of flags.
const CONTINUATION: u16 = 1;

/// The flags at the start of encoded properties. The bit between the last property and the
/// continuation has no meaning, and is ignored as RabbitMQ does.
#[inline]
fn read_flags(reader: &mut Reader<'_>) -> Result<u16, DecodeError> {
    let flags = reader.short("property_flags")?;
    if flags & CONTINUATION != 0 {
        return Err(DecodeError::ContinuedFlags { flags });
    }
    Ok(flags)
}

macro_rules! properties {
    ($( $(#[$doc:meta])* $name:ident $field:ident $bit:literal; )+) => {
        /// The properties of the class `basic`, in the order in which they stand on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Property {
            $( $(#[$doc])* $name, )+
        }

        impl Property {
            /// Its bit in the property flags.
            #[inline]
            pub(crate) const fn flag(self) -> u16 {
                match self { $( Self::$name => 1 << $bit, )+ }
            }
        }

        impl BasicProperties {
            /// Whether `property` is there.
            #[inline]
            #[must_use]
            pub fn has(&self, property: Property) -> bool {
                match property { $( Property::$name => self.$field.is_some(), )+ }
            }

            /// The bytes that the property flags and the list of properties take.
            #[must_use]
            pub fn encoded_len(&self) -> usize {
                FLAGS_BYTES $( + self.$field.as_ref().map_or(0, PropertyValue::encoded_len) )+
            }

            /// Appends the property flags and the list of properties.
            pub(crate) fn encode(&self, out: &mut BytesMut) {
                let flags =
                    0 $( | if self.$field.is_some() { Property::$name.flag() } else { 0 } )+;
                let mut writer = Writer::new(out);
                writer.short(flags);
                $(
                    if let Some(value) = &self.$field {
                        value.write(&mut writer);
                    }
                )+
            }

            /// Reads the property flags and the list of properties, which take all of `bytes`.
            pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
                let mut reader = Reader::new(bytes);
                let flags = read_flags(&mut reader)?;
                let mut properties = Self::NONE;
                $(
                    if flags & Property::$name.flag() != 0 {
                        properties.$field =
                            Some(PropertyValue::read(&mut reader, stringify!($field))?);
                    }
                )+
                reader.finish()?;
                Ok(properties)
            }

            /// Where `wanted` stands in `bytes`; where it would, empty, if it is not there.
            pub(crate) fn range_of(
                bytes: &[u8],
                wanted: Property,
            ) -> Result<Range<usize>, DecodeError> {
                let mut reader = Reader::new(bytes);
                let flags = read_flags(&mut reader)?;
                let mut walked = Walked::default();
                $(
                    let start = bytes.len() - reader.rest().len();
                    if flags & Property::$name.flag() != 0 {
                        walk_as(
                            |properties: &Self| &properties.$field,
                            &mut reader,
                            stringify!($field),
                            &mut walked,
                        )?;
                    }
                    if wanted == Property::$name {
                        return Ok(start..bytes.len() - reader.rest().len());
                    }
                )+
                Ok(bytes.len()..bytes.len())
            }

            /// The text of a property that is one.
            pub(crate) fn text(&self, property: Property) -> Option<&ShortString> {
                match property {
                    $( Property::$name => {
                        self.$field.as_ref().and_then(PropertyValue::as_text)
                    } )+
                }
            }

            /// Goes over the property flags and the list of properties as [`Self::decode`] would,
            /// and allocates nothing.
            pub(crate) fn walk(bytes: &[u8]) -> Result<Walked, DecodeError> {
                let mut reader = Reader::new(bytes);
                let flags = read_flags(&mut reader)?;
                let mut walked = Walked { flags, ..Walked::default() };
                $(
                    if flags & Property::$name.flag() != 0 {
                        walk_as(
                            |properties: &Self| &properties.$field,
                            &mut reader,
                            stringify!($field),
                            &mut walked,
                        )?;
                    }
                )+
                reader.finish()?;
                Ok(walked)
            }
        }
    };
}

/// Goes over a value of the type that this property has.
#[inline]
fn walk_as<T: PropertyValue>(
    _: impl Fn(&BasicProperties) -> &Option<T>,
    reader: &mut Reader<'_>,
    field: &'static str,
    walked: &mut Walked,
) -> Result<(), DecodeError> {
    T::walk(reader, field, walked)
}

properties! {
    /// `content-type`
    ContentType content_type 15;
    /// `content-encoding`
    ContentEncoding content_encoding 14;
    /// `headers`
    Headers headers 13;
    /// `delivery-mode`
    DeliveryMode delivery_mode 12;
    /// `priority`
    Priority priority 11;
    /// `correlation-id`
    CorrelationId correlation_id 10;
    /// `reply-to`
    ReplyTo reply_to 9;
    /// `expiration`
    Expiration expiration 8;
    /// `message-id`
    MessageId message_id 7;
    /// `timestamp`
    Timestamp timestamp 6;
    /// `type`
    Kind kind 5;
    /// `user-id`
    UserId user_id 4;
    /// `app-id`
    AppId app_id 3;
    /// `cluster-id`
    ClusterId cluster_id 2;
}
