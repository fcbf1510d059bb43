use std::borrow::Cow;
use std::ops::{ControlFlow, Range};
use std::sync::OnceLock;

use bytes::BytesMut;
use smallvec::SmallVec;

use crate::property::{FLAGS_BYTES, Walked};
use crate::wire::{DecodeError, Reader, Writer, encode_table};
use crate::{BasicProperties, FieldTable, FieldValue, Property, ShortString};

/// The bytes of a table's length.
const LENGTH_BYTES: usize = 4;

/// Headers that are encoded once and added to many messages.
#[derive(Debug, Clone)]
pub struct HeaderEntries {
    table: FieldTable,
    encoded: BytesMut,
}

impl HeaderEntries {
    /// The entries of a table.
    #[must_use]
    pub fn encode(table: FieldTable) -> Self {
        let mut encoded = BytesMut::new();
        encode_table(&table, &mut encoded);
        Self { table, encoded }
    }

    pub(crate) fn table(&self) -> &FieldTable {
        &self.table
    }

    /// As a table has them, without its length.
    fn bytes(&self) -> &[u8] {
        self.encoded.get(LENGTH_BYTES..).unwrap_or_default()
    }
}

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

    /// The text of a property that is one; nothing else is decoded, and it is not kept.
    pub(crate) fn text(&self, property: Property) -> Option<ShortString> {
        if !self.has(property) {
            return None;
        }
        let range = BasicProperties::range_of(&self.bytes, property).ok()?;
        Reader::new(self.bytes.get(range)?).shortstr_lossy("property").ok()
    }

    /// The same with another text for `property`, which is there; all else stays as it was sent.
    pub(crate) fn with_text(&self, property: Property, text: &ShortString) -> Option<Self> {
        let range = BasicProperties::range_of(&self.bytes, property).ok()?;
        let mut value = BytesMut::new();
        Writer::new(&mut value).shortstr(text);
        self.spliced(range, &value, 0)
    }

    /// The same with a header more, which is not there yet; all else stays as it was sent.
    pub(crate) fn with_header(&self, name: &ShortString, value: &FieldValue) -> Option<Self> {
        let entry: FieldTable = std::iter::once((name.clone(), value.clone())).collect();
        self.with_headers(&HeaderEntries::encode(entry))
    }

    /// The same with several headers more, none of which is there yet.
    pub(crate) fn with_headers(&self, added: &HeaderEntries) -> Option<Self> {
        let range = BasicProperties::range_of(&self.bytes, Property::Headers).ok()?;
        let entries = self.bytes.get(range.clone())?.get(LENGTH_BYTES..).unwrap_or_default();
        let length = u32::try_from(entries.len() + added.bytes().len()).ok()?;
        let table = [&length.to_be_bytes()[..], entries, added.bytes()].concat();
        self.spliced(range, &table, Property::Headers.flag())
    }

    /// The same without an expiration; all else stays as it was sent.
    pub(crate) fn without_expiration(&self) -> Option<Self> {
        let range = BasicProperties::range_of(&self.bytes, Property::Expiration).ok()?;
        let flags = self.walked.flags & !Property::Expiration.flag();
        self.spliced_with_flags(range, &[], flags)
    }

    /// The same without the headers of this name, of which there may be none; all else stays as it
    /// was sent.
    pub(crate) fn without_header(&self, name: &str) -> Option<Self> {
        let range = BasicProperties::range_of(&self.bytes, Property::Headers).ok()?;
        let mut entries = Vec::new();
        let _all = Reader::new(self.bytes.get(range.clone())?).each_entry(|found, entry| {
            if found != name.as_bytes() {
                entries.extend_from_slice(entry);
            }
            ControlFlow::Continue(())
        });
        let length = u32::try_from(entries.len()).ok()?;
        self.spliced(range, &[&length.to_be_bytes()[..], &entries].concat(), 0)
    }

    /// Seconds since 1970-01-01 UTC; nothing else is decoded.
    pub(crate) fn timestamp(&self) -> Option<u64> {
        if !self.has(Property::Timestamp) {
            return None;
        }
        let range = BasicProperties::range_of(&self.bytes, Property::Timestamp).ok()?;
        Reader::new(self.bytes.get(range)?).longlong("timestamp").ok()
    }

    /// The same with `new` in the place of what stands in `range`, and these flags set too.
    fn spliced(&self, range: Range<usize>, new: &[u8], flags: u16) -> Option<Self> {
        self.spliced_with_flags(range, new, self.walked.flags | flags)
    }

    fn spliced_with_flags(&self, range: Range<usize>, new: &[u8], flags: u16) -> Option<Self> {
        let before = self.bytes.get(FLAGS_BYTES..range.start)?;
        let after = self.bytes.get(range.end..)?;
        let mut bytes =
            SmallVec::with_capacity(FLAGS_BYTES + before.len() + new.len() + after.len());
        for part in [&flags.to_be_bytes()[..], before, new, after] {
            bytes.extend_from_slice(part);
        }
        // What is changed comes not before the headers, so these begin where they did; or they are
        // what is new.
        let headers_at = match self.walked.bytes_from_headers {
            0 => range.start,
            known => self.bytes.len() - known,
        };
        debug_assert!(headers_at <= range.start);
        let has_headers = flags & Property::Headers.flag() != 0;
        let bytes_from_headers = if has_headers { bytes.len() - headers_at } else { 0 };
        let walked = Walked { flags, bytes_from_headers, ..self.walked };
        Some(Self { bytes, walked, decoded: OnceLock::new() })
    }

    /// Whether the headers have an entry with one of these names, found without decoding them.
    pub(crate) fn has_any_header(&self, names: &[&str]) -> bool {
        let start = self.bytes.len().saturating_sub(self.walked.bytes_from_headers);
        let headers = self.bytes.get(start..).unwrap_or_default();
        let is_wanted = |found: &[u8]| names.iter().any(|name| name.as_bytes() == found);
        let walk = Reader::new(headers).each_entry(|found, _| match is_wanted(found) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        });
        walk.is_break()
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
        assert!(properties.has_any_header(&["CC", "retries"]));
        assert!(!properties.has_any_header(&["CC", "BCC"]));
        assert_eq!(MessageProperties::timestamp(&properties), Some(1_700_000_000));
        assert!(properties.is_persistent());
        assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
        assert_eq!(properties.header("retries"), Some(&FieldValue::I32(3)));
        assert_eq!(properties.timestamp, Some(1_700_000_000));
        assert_eq!(properties.kind.as_deref(), Some("t"));
        let own = MessageProperties::from(BasicProperties::clone(&properties));
        assert_eq!(own, properties);
        let mut written = BytesMut::new();
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
        let mut written = BytesMut::new();
        properties.encode(&mut written);
        assert_eq!(written, bytes[..]);
        // After a change they are the message's own, and texts again.
        properties.priority = Some(1);
        written.clear();
        properties.encode(&mut written);
        assert_eq!(written, b"\x08\x08\x01\x04\xef\xbf\xbda"[..]);
    }

    #[test]
    fn a_text_or_a_header_is_changed_and_nothing_else() {
        let bytes = b"\xa2\x00\x02\xfft\x00\x00\x00\x0a\x01aV\x01aI\x00\x00\x00\x01\x01q";
        let mut properties = MessageProperties::parse(bytes).unwrap();
        assert_eq!(properties.text(Property::ReplyTo).as_deref(), Some("q"));
        assert_eq!(properties.text(Property::UserId), None);
        properties.set_reply_to(ShortString::from_static("other"));
        let mut written = BytesMut::new();
        properties.encode(&mut written);
        let expected = [&bytes[..bytes.len() - 2], b"\x05other"].concat();
        assert_eq!(written, expected[..]);
        properties.set_header(ShortString::from_static("n"), FieldValue::I8(3));
        written.clear();
        properties.encode(&mut written);
        let expected = [&expected[..5], b"\0\0\0\x0e", &expected[9..19], b"\x01nb\x03\x05other"];
        assert_eq!(written, expected.concat()[..]);
        assert_eq!(properties.header("n"), Some(&FieldValue::I8(3)));
        // The second time it is there, and takes the place of the first.
        properties.set_header(ShortString::from_static("n"), FieldValue::I8(4));
        assert_eq!(properties.header("n"), Some(&FieldValue::I8(4)));
        for without in [&b"\x00\x00"[..], b"\x10\x00\x02", b"\x88\x00\x01t\x04"] {
            let mut properties = MessageProperties::parse(without).unwrap();
            let before = BasicProperties::clone(&properties);
            properties.set_header(ShortString::from_static("n"), FieldValue::Void);
            assert_eq!(properties.header("n"), Some(&FieldValue::Void));
            let mut after = BasicProperties::clone(&properties);
            after.headers = None;
            assert_eq!(after, before);
        }
    }

    #[test]
    fn a_header_is_taken_out_and_nothing_else() {
        let bytes =
            b"\xa2\x00\x02\xfft\x00\x00\x00\x10\x01aV\x01bV\x01aI\x00\x00\x00\x01\x01cV\x01q";
        let mut properties = MessageProperties::parse(bytes).unwrap();
        properties.remove_header("d");
        assert_eq!(encoded(&properties), bytes[..]);
        properties.remove_header("a");
        assert_eq!(encoded(&properties), b"\xa2\x00\x02\xfft\0\0\0\x06\x01bV\x01cV\x01q"[..]);
        properties.remove_header("b");
        properties.remove_header("c");
        assert_eq!(encoded(&properties), b"\xa2\x00\x02\xfft\0\0\0\0\x01q"[..]);
        let mut own = MessageProperties::from(BasicProperties::clone(&properties));
        own.set_header(ShortString::from_static("a"), FieldValue::Void);
        own.remove_header("a");
        assert_eq!(own, properties);
        let mut none = MessageProperties::default();
        none.remove_header("a");
        assert_eq!(none, MessageProperties::default());
    }

    #[test]
    fn headers_are_added_and_an_expiration_taken_out_and_nothing_else() {
        let table: FieldTable =
            [(ShortString::from_static("n"), FieldValue::I8(3))].into_iter().collect();
        let entries = HeaderEntries::encode(table);
        let constant = MessageProperties::default();
        let own = MessageProperties::from(BasicProperties::NONE);
        let known = MessageProperties::parse(&[0, 0]).unwrap();
        for mut properties in [constant, own, known] {
            properties.add_headers(&entries);
            assert_eq!(encoded(&properties), b"\x20\x00\0\0\0\x04\x01nb\x03"[..]);
            assert_eq!(properties.take_expiration(), None);
        }
        // A type that is no UTF-8, a header, an expiration.
        let bytes = b"\x21\x20\x00\x00\x00\x03\x01aV\x025s\x01\xff";
        let mut properties = MessageProperties::parse(bytes).unwrap();
        assert_eq!(properties.take_expiration().as_deref(), Some("5s"));
        properties.add_headers(&entries);
        assert_eq!(encoded(&properties), b"\x20\x20\0\0\0\x07\x01aV\x01nb\x03\x01\xff"[..]);
        let mut own = MessageProperties::from(BasicProperties::NONE);
        own.expiration = Some(ShortString::from_static("7"));
        assert_eq!(own.take_expiration().as_deref(), Some("7"));
        assert_eq!(own, MessageProperties::default());
    }

    /// Deeper than anybody may send: these are a program's own, and stay so.
    #[test]
    fn headers_are_added_to_what_cannot_be_decoded_again() {
        let deep = (0..100).fold(FieldValue::Void, |inner, _| FieldValue::Array(vec![inner]));
        let mut properties = MessageProperties::from(BasicProperties::NONE);
        properties.set_header(ShortString::from_static("deep"), deep);
        let table: FieldTable =
            [(ShortString::from_static("n"), FieldValue::I8(3))].into_iter().collect();
        properties.add_headers(&HeaderEntries::encode(table));
        assert_eq!(properties.header("n"), Some(&FieldValue::I8(3)));
        assert!(properties.has_header("deep"));
    }

    #[test]
    fn what_says_the_same_is_the_same() {
        let sent = MessageProperties::parse(PIKA).unwrap();
        assert!(sent.is_same(&sent.clone()));
        assert!(sent.is_same(&MessageProperties::parse(PIKA).unwrap()));
        let own = || MessageProperties::from(BasicProperties::clone(&sent));
        assert!(own().is_same(&own()) && !own().is_same(&MessageProperties::default()));
        assert!(MessageProperties::default().is_same(&MessageProperties::default()));
        let known = || MessageProperties::parse(&[0x10, 0, 2]).unwrap();
        assert!(known().is_same(&known()) && !known().is_same(&sent));
    }

    fn encoded(properties: &MessageProperties) -> BytesMut {
        let mut written = BytesMut::new();
        properties.encode(&mut written);
        written
    }
}
