use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock};

use bytes::BytesMut;

use crate::wire::DecodeError;
use crate::{
    BasicProperties, DeliveryMode, EncodedProperties, FieldTable, FieldValue, HeaderEntries,
    Property, ShortString,
};

/// The properties of one message: [`BasicProperties`], read and changed through this handle.
///
/// Most messages of a program have the same few properties. Such a set is a constant that costs
/// a message nothing. What came from a network stays [as it was sent](EncodedProperties) and is
/// decoded at the first look. In both cases the first change gives the message a set of its own.
///
/// ```
/// use springhare_amqp::{BasicProperties, MessageProperties};
///
/// static PLAIN: BasicProperties = BasicProperties::NONE;
///
/// let mut properties = MessageProperties::from_static(&PLAIN);
/// properties.priority = Some(4);
/// assert_eq!((properties.priority, PLAIN.priority), (Some(4), None));
/// ```
#[derive(Clone)]
pub struct MessageProperties(Repr);

#[derive(Clone)]
enum Repr {
    Constant(&'static BasicProperties),
    Own(Box<BasicProperties>),
    Encoded(Arc<EncodedProperties>),
    /// One of the few sets that so many messages have that nothing is counted for them.
    Known(&'static EncodedProperties),
}

/// What properties take on the wire without their headers: the flags, and at most 14 texts.
const OTHERS_BYTES_MAX: usize = 2 + 14 * 256;

/// No properties, and a delivery mode alone.
static KNOWN: LazyLock<Vec<EncodedProperties>> = LazyLock::new(|| {
    let encoded: [&[u8]; 3] = [&[0, 0], &[0x10, 0, 1], &[0x10, 0, 2]];
    encoded.into_iter().flat_map(EncodedProperties::parse).collect()
});

impl MessageProperties {
    /// Properties that stand in the program.
    #[must_use]
    pub const fn from_static(properties: &'static BasicProperties) -> Self {
        Self(Repr::Constant(properties))
    }

    /// Properties as they were sent.
    #[inline]
    #[must_use]
    pub fn from_encoded(properties: Arc<EncodedProperties>) -> Self {
        Self(Repr::Encoded(properties))
    }

    /// Takes the property flags and the list of properties, which take all of `bytes`; no
    /// properties, and a delivery mode alone, cost no allocation.
    ///
    /// # Errors
    ///
    /// As [`EncodedProperties::parse`].
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let known = KNOWN.iter().find(|known| known.as_bytes() == bytes);
        match known {
            Some(known) => Ok(Self(Repr::Known(known))),
            None => {
                EncodedProperties::parse(bytes).map(|parsed| Self::from_encoded(Arc::new(parsed)))
            }
        }
    }

    /// The property flags and the list of properties, borrowed where they are kept as they were sent.
    #[must_use]
    pub fn encoded(&self) -> Cow<'_, [u8]> {
        match &self.0 {
            Repr::Encoded(properties) => Cow::Borrowed(properties.as_bytes()),
            Repr::Known(properties) => Cow::Borrowed(properties.as_bytes()),
            Repr::Constant(_) | Repr::Own(_) => {
                let mut bytes = BytesMut::new();
                self.encode(&mut bytes);
                Cow::Owned(bytes.into())
            }
        }
    }

    /// Whether `property` is there; encoded properties are not decoded for it.
    #[inline]
    #[must_use]
    pub fn has(&self, property: Property) -> bool {
        match &self.0 {
            Repr::Constant(properties) => properties.has(property),
            Repr::Own(properties) => properties.has(property),
            Repr::Encoded(properties) => properties.has(property),
            Repr::Known(properties) => properties.has(property),
        }
    }

    /// Whether one of these properties is there; encoded properties are not decoded for it.
    #[inline]
    #[must_use]
    pub fn has_any(&self, properties: &[Property]) -> bool {
        properties.iter().any(|property| self.has(*property))
    }

    /// The headers, for one look: those of encoded properties are decoded for it and not kept.
    #[must_use]
    pub fn headers_once(&self) -> Option<Cow<'_, FieldTable>> {
        match &self.0 {
            Repr::Constant(properties) => properties.headers.as_ref().map(Cow::Borrowed),
            Repr::Own(properties) => properties.headers.as_ref().map(Cow::Borrowed),
            Repr::Encoded(properties) => properties.headers_once(),
            Repr::Known(_) => None,
        }
    }

    /// Whether headers stand deeper in one another than [`TABLE_DEPTH_MAX`](crate::wire::TABLE_DEPTH_MAX):
    /// these properties can be sent, and not read.
    #[must_use]
    pub fn are_too_deep(&self) -> bool {
        let headers = match &self.0 {
            Repr::Constant(properties) => properties.headers.as_ref(),
            Repr::Own(properties) => properties.headers.as_ref(),
            // They were read.
            Repr::Encoded(_) | Repr::Known(_) => None,
        };
        headers.is_some_and(|headers| headers.is_deeper_than(crate::wire::TABLE_DEPTH_MAX))
    }

    /// The text of a property that is one; of encoded properties nothing else is decoded, and
    /// nothing is kept.
    #[must_use]
    pub fn text(&self, property: Property) -> Option<ShortString> {
        match &self.0 {
            Repr::Constant(properties) => properties.text(property).cloned(),
            Repr::Own(properties) => properties.text(property).cloned(),
            Repr::Encoded(properties) => properties.text(property),
            Repr::Known(_) => None,
        }
    }

    /// Puts another address where the reply goes to; what else was sent stays as it was.
    pub fn set_reply_to(&mut self, address: ShortString) {
        let spliced = match &self.0 {
            Repr::Encoded(properties) => properties.with_text(Property::ReplyTo, &address),
            _ => None,
        };
        match spliced {
            Some(properties) => *self = Self::from_encoded(Arc::new(properties)),
            None => self.reply_to = Some(address),
        }
    }

    /// Puts a header in; what else was sent stays as it was, unless the header was there.
    pub fn set_header(&mut self, name: ShortString, value: FieldValue) {
        let spliced = match &self.0 {
            Repr::Encoded(properties) if !self.has_header(&name) => {
                properties.with_header(&name, &value)
            }
            Repr::Known(properties) => properties.with_header(&name, &value),
            _ => None,
        };
        match spliced {
            Some(properties) => *self = Self::from_encoded(Arc::new(properties)),
            None => {
                self.headers.get_or_insert_default().set(name, value);
            }
        }
    }

    /// Puts headers in, none of which is there yet; what else was sent stays as it was.
    pub fn add_headers(&mut self, entries: &HeaderEntries) {
        let encoded = match &self.0 {
            Repr::Encoded(properties) => properties.with_headers(entries),
            Repr::Known(properties) => properties.with_headers(entries),
            Repr::Constant(_) | Repr::Own(_) => {
                let mut bytes = BytesMut::new();
                self.encode(&mut bytes);
                let parsed = EncodedProperties::parse(&bytes).ok();
                parsed.and_then(|properties| properties.with_headers(entries))
            }
        };
        match encoded {
            Some(properties) => *self = Self::from_encoded(Arc::new(properties)),
            None => {
                let headers = self.headers.get_or_insert_default();
                for (name, value) in entries.table().iter() {
                    headers.set(name.clone(), value.clone());
                }
            }
        }
    }

    /// Takes `expiration` out; what else was sent stays as it was.
    pub fn take_expiration(&mut self) -> Option<ShortString> {
        let expiration = self.text(Property::Expiration)?;
        let without = match &self.0 {
            Repr::Encoded(properties) => properties.without_expiration(),
            _ => None,
        };
        match without {
            Some(properties) => *self = Self::from_encoded(Arc::new(properties)),
            None => self.expiration = None,
        }
        Some(expiration)
    }

    /// Whether both say the same and are kept alike: a cheap look, and `false` says nothing.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::Constant(a), Repr::Constant(b)) => std::ptr::eq(*a, *b),
            (Repr::Encoded(a), Repr::Encoded(b)) => a.as_bytes() == b.as_bytes(),
            (Repr::Own(a), Repr::Own(b)) => a == b,
            (Repr::Known(a), Repr::Known(b)) => std::ptr::eq(*a, *b),
            _ => false,
        }
    }

    /// Takes the headers of this name out; what else was sent stays as it was.
    pub fn remove_header(&mut self, name: &str) {
        if !self.has_header(name) {
            return;
        }
        let spliced = match &self.0 {
            Repr::Encoded(properties) => properties.without_header(name),
            _ => None,
        };
        match spliced {
            Some(properties) => *self = Self::from_encoded(Arc::new(properties)),
            None => {
                if let Some(headers) = &mut self.headers {
                    headers.remove(name);
                }
            }
        }
    }

    /// Takes no more memory than the properties have bytes, until somebody reads them: what was
    /// decoded and changed is encoded again.
    pub fn compact(&mut self) {
        if let Repr::Own(properties) = &self.0 {
            let mut bytes = BytesMut::new();
            properties.encode(&mut bytes);
            if let Ok(encoded) = Self::parse(&bytes) {
                *self = encoded;
            }
        }
    }

    /// Whether there is a header `name`; encoded properties are not decoded for it.
    #[must_use]
    pub fn has_header(&self, name: &str) -> bool {
        self.has_any_header(&[name])
    }

    /// Whether there is a header with one of these names; encoded properties are not decoded for it.
    #[must_use]
    pub fn has_any_header(&self, names: &[&str]) -> bool {
        let has_any = |properties: &BasicProperties| {
            properties
                .headers
                .as_ref()
                .is_some_and(|headers| names.iter().any(|name| headers.contains(name)))
        };
        match &self.0 {
            Repr::Constant(properties) => has_any(properties),
            Repr::Own(properties) => has_any(properties),
            Repr::Encoded(properties) => {
                properties.has(Property::Headers) && properties.has_any_header(names)
            }
            Repr::Known(_) => false,
        }
    }

    /// The field of the same name; nothing else of encoded properties is decoded for it.
    #[must_use]
    pub fn timestamp(&self) -> Option<u64> {
        match &self.0 {
            Repr::Constant(properties) => properties.timestamp,
            Repr::Own(properties) => properties.timestamp,
            Repr::Encoded(properties) => properties.timestamp(),
            Repr::Known(_) => None,
        }
    }

    /// The field of the same name; encoded properties are not decoded for it.
    #[inline]
    #[must_use]
    pub fn delivery_mode(&self) -> Option<DeliveryMode> {
        match &self.0 {
            Repr::Constant(properties) => properties.delivery_mode,
            Repr::Own(properties) => properties.delivery_mode,
            Repr::Encoded(properties) => properties.walked().delivery_mode,
            Repr::Known(properties) => properties.walked().delivery_mode,
        }
    }

    /// Whether the message asks to be kept on disk; encoded properties are not decoded for it.
    #[inline]
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.delivery_mode() == Some(DeliveryMode::Persistent)
    }

    /// The field of the same name; encoded properties are not decoded for it.
    #[inline]
    #[must_use]
    pub fn priority(&self) -> Option<u8> {
        match &self.0 {
            Repr::Constant(properties) => properties.priority,
            Repr::Own(properties) => properties.priority,
            Repr::Encoded(properties) => properties.walked().priority,
            Repr::Known(properties) => properties.walked().priority,
        }
    }

    /// The bytes that the property flags and the list of properties take on the wire.
    #[inline]
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        match &self.0 {
            Repr::Constant(properties) => properties.encoded_len(),
            Repr::Own(properties) => properties.encoded_len(),
            Repr::Encoded(properties) => properties.as_bytes().len(),
            Repr::Known(properties) => properties.as_bytes().len(),
        }
    }

    /// Whether they take more than so many bytes on the wire: mostly a look at the headers says it.
    #[must_use]
    pub fn are_longer_than(&self, bytes: usize) -> bool {
        let are_short = |properties: &BasicProperties| {
            let headers = properties.headers.as_ref().map_or(0, FieldTable::encoded_len);
            headers.saturating_add(OTHERS_BYTES_MAX) <= bytes
        };
        match &self.0 {
            Repr::Constant(properties) if are_short(properties) => false,
            Repr::Own(properties) if are_short(properties) => false,
            _ => self.encoded_len() > bytes,
        }
    }

    /// Appends the property flags and the list of properties: what was sent, byte for byte, if
    /// nothing was changed since.
    #[inline]
    pub fn encode(&self, out: &mut BytesMut) {
        match &self.0 {
            Repr::Constant(properties) => properties.encode(out),
            Repr::Own(properties) => properties.encode(out),
            Repr::Encoded(properties) => out.extend_from_slice(properties.as_bytes()),
            Repr::Known(properties) => out.extend_from_slice(properties.as_bytes()),
        }
    }
}

impl Deref for MessageProperties {
    type Target = BasicProperties;

    fn deref(&self) -> &BasicProperties {
        match &self.0 {
            Repr::Constant(properties) => properties,
            Repr::Own(properties) => properties,
            Repr::Encoded(properties) => properties.decoded(),
            Repr::Known(properties) => properties.decoded(),
        }
    }
}

impl DerefMut for MessageProperties {
    fn deref_mut(&mut self) -> &mut BasicProperties {
        match &self.0 {
            Repr::Constant(properties) => self.0 = Repr::Own(Box::new((*properties).clone())),
            Repr::Encoded(properties) => {
                self.0 = Repr::Own(Box::new(properties.decoded().clone()));
            }
            Repr::Known(properties) => {
                self.0 = Repr::Own(Box::new(properties.decoded().clone()));
            }
            Repr::Own(_) => {}
        }
        match &mut self.0 {
            Repr::Own(properties) => properties,
            _ => unreachable!("the properties were made the message's own above"),
        }
    }
}

impl Default for MessageProperties {
    fn default() -> Self {
        static NONE: BasicProperties = BasicProperties::NONE;
        Self::from_static(&NONE)
    }
}

impl From<BasicProperties> for MessageProperties {
    fn from(properties: BasicProperties) -> Self {
        Self(Repr::Own(Box::new(properties)))
    }
}

impl From<MessageProperties> for BasicProperties {
    fn from(properties: MessageProperties) -> Self {
        match properties.0 {
            Repr::Constant(properties) => properties.clone(),
            Repr::Own(properties) => *properties,
            Repr::Encoded(properties) => properties.decoded().clone(),
            Repr::Known(properties) => properties.decoded().clone(),
        }
    }
}

/// By what they say, however they are kept.
impl PartialEq for MessageProperties {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for MessageProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ShortString;

    #[test]
    fn a_change_is_the_messages_own() {
        static TEXT: BasicProperties = BasicProperties {
            content_type: Some(ShortString::from_static("text/plain")),
            ..BasicProperties::NONE
        };
        let shared = MessageProperties::from_static(&TEXT);
        let mut changed = shared.clone();
        assert_eq!(changed, shared);
        changed.message_id = Some(ShortString::from_static("1"));
        assert_ne!(changed, shared);
        assert_eq!(changed.content_type, TEXT.content_type);
        assert_eq!(shared.message_id, None);
    }
}
