use std::borrow::Cow;
use std::sync::OnceLock;

use smallvec::SmallVec;

use crate::property::Walked;
use crate::wire::{DecodeError, FIELD_VALUE_MEMORY_MAX, Reader};
use crate::{BasicProperties, FieldTable, Property};

/// Properties as a publisher sent them: the very bytes, checked, and decoded only when somebody
/// asks for what they say.
///
/// Consumers get the same bytes again: the order of headers, headers of the same name and texts
/// that are not UTF-8 are as they were, though a decoded view can't show them.
#[derive(Debug)]
pub struct EncodedProperties {
    /// Flags and list. A content type, a delivery mode and an id or two fit in place.
    bytes: SmallVec<[u8; 64]>,
    walked: Walked,
    decoded: OnceLock<Box<BasicProperties>>,
}

impl EncodedProperties {
    /// Keeps a copy of the property flags and the list of properties, which take all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for what could not be decoded later, and for a delivery mode other than 1
    /// and 2.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let walked = BasicProperties::walk(bytes)?;
        Ok(Self { bytes: SmallVec::from_slice(bytes), walked, decoded: OnceLock::new() })
    }

    /// The bytes as they were sent.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[inline]
    pub(crate) fn has(&self, property: Property) -> bool {
        self.walked.flags & property.flag() != 0
    }

    #[inline]
    pub(crate) fn walked(&self) -> &Walked {
        &self.walked
    }

    pub(crate) fn decoded(&self) -> &BasicProperties {
        // It was walked, and what can be walked can be decoded.
        self.decoded.get_or_init(|| {
            Box::new(BasicProperties::decode(&self.bytes).unwrap_or(BasicProperties::NONE))
        })
    }

    /// The headers, decoded for one look unless all is decoded already.
    pub(crate) fn headers_once(&self) -> Option<Cow<'_, FieldTable>> {
        if !self.has(Property::Headers) {
            return None;
        }
        match self.decoded.get() {
            Some(decoded) => decoded.headers.as_ref().map(Cow::Borrowed),
            None => BasicProperties::decode(&self.bytes).ok()?.headers.map(Cow::Owned),
        }
    }

    /// Whether the headers have an entry `name`, found without decoding them.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        let start = self.bytes.len().saturating_sub(self.walked.bytes_from_headers);
        let headers = self.bytes.get(start..).unwrap_or_default();
        Reader::new(headers).table_has(name)
    }

    /// The most memory that the bytes and what is decoded from them take.
    pub(crate) fn memory_max(&self) -> usize {
        // The counters of the `Arc` that shares them.
        let shared = 2 * size_of::<usize>();
        shared
            + size_of::<Self>()
            + size_of::<BasicProperties>()
            + 2 * self.bytes.len()
            + self.walked.field_values * FIELD_VALUE_MEMORY_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeliveryMode, FieldValue, MessageProperties};

    /// What pika writes for a content type, a header, mode 2, a timestamp and a type.
    const PIKA: &[u8] = b"\xb0\x60\x0atext/plain\x00\x00\x00\x0d\x07retriesI\x00\x00\x00\x03\
        \x02\x00\x00\x00\x00\x65\x53\xf1\x00\x01t";

    #[test]
    fn pikas_properties_are_read() {
        let properties = MessageProperties::parse(PIKA).unwrap();
        assert!(properties.has(Property::Timestamp) && !properties.has(Property::Priority));
        assert!(properties.has_header("retries") && !properties.has_header("retrie"));
        assert!(properties.is_persistent());
        assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
        assert_eq!(properties.header("retries"), Some(&FieldValue::I32(3)));
        assert_eq!(properties.timestamp, Some(1_700_000_000));
        assert_eq!(properties.kind.as_deref(), Some("t"));
        let own = MessageProperties::from(BasicProperties::clone(&properties));
        assert_eq!(own, properties);
        let mut written = bytes::BytesMut::new();
        own.encode(&mut written);
        assert_eq!(written, PIKA);
    }

    #[test]
    fn a_delivery_mode_is_1_or_2() {
        for value in [0, 3, 255] {
            let refused = EncodedProperties::parse(&[0x10, 0, value]).unwrap_err();
            assert_eq!(refused, DecodeError::UnknownDeliveryMode { value });
            assert_eq!(MessageProperties::parse(&[0x10, 0, value]).unwrap_err(), refused);
        }
        for mode in [DeliveryMode::Transient, DeliveryMode::Persistent] {
            let properties = MessageProperties::parse(&[0x10, 0, mode.value()]).unwrap();
            assert_eq!(properties.delivery_mode, Some(mode));
            assert_eq!(properties.memory_max(), 0, "it is a constant");
        }
    }

    #[test]
    fn flags_that_announce_more_flags_are_refused() {
        let refused = EncodedProperties::parse(&[0, 1, 0, 0]).unwrap_err();
        assert_eq!(refused, DecodeError::ContinuedFlags { flags: 1 });
        assert!(EncodedProperties::parse(&[0, 2]).is_ok(), "the reserved one is ignored");
    }

    #[test]
    fn a_text_need_not_be_utf8() {
        let bytes = b"\x00\x08\x02\xffa";
        let mut properties = MessageProperties::parse(bytes).unwrap();
        assert_eq!(properties.app_id.as_deref(), Some("\u{fffd}a"));
        let mut written = bytes::BytesMut::new();
        properties.encode(&mut written);
        assert_eq!(written, bytes[..]);
        // After a change they are the message's own, and texts again.
        properties.priority = Some(1);
        written.clear();
        properties.encode(&mut written);
        assert_eq!(written, b"\x08\x08\x01\x04\xef\xbf\xbda"[..]);
    }

    #[test]
    fn what_can_be_decoded_is_charged_before_it_is() {
        let voids = [&[0x20, 0, 0, 0, 0x10, 7, 0, b'A', 0, 0, 0x10, 1][..], &[b'V'; 0x1001]];
        let properties = MessageProperties::parse(&voids.concat()).unwrap();
        let values = 0x1003;
        assert!(properties.memory_max() > values * size_of::<FieldValue>());
    }
}
