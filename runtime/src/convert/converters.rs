use std::any::type_name;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use springhare_amqp::{BasicProperties, Message, ShortString};

use super::codecs;
use super::converter::{ConverterError, MessageConverter};
use super::decode::decode;
use super::encode::{self, encode, message};
use super::encoding::content;
use super::error::ConversionError;

/// How values become bodies and bodies values.
///
/// Bodies are read by their content type: by the application's own converters first, then as text,
/// bytes and JSON, then by the codecs whose features are on. Values are written as text, bytes and
/// JSON, or by the one converter that was chosen for that. A clone is the same set.
///
/// ```
/// use springhare::convert::MessageConverters;
///
/// let converters = MessageConverters::new();
/// let message = converters.encode(&[1, 2, 3])?;
/// assert_eq!(converters.read::<Vec<u8>>(&message)?, [1, 2, 3]);
/// # Ok::<(), springhare::convert::ConversionError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MessageConverters {
    /// None for text, bytes and JSON.
    writer: Option<Arc<dyn MessageConverter>>,
    /// The first that reads a content type has it.
    readers: Vec<Arc<dyn MessageConverter>>,
    /// Reads what says nothing of its content: a listener's own converter.
    unmarked: Option<Arc<dyn MessageConverter>>,
}

impl MessageConverters {
    /// Text, bytes and JSON.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `converter` writes every value, and reads what it [reads](MessageConverter::reads); other
    /// content types are read as before.
    #[must_use]
    pub fn overridden_by(converter: impl MessageConverter) -> Self {
        Self::new().written_by(converter)
    }

    /// `converter` reads what it [reads](MessageConverter::reads), after those that were given
    /// before it; it writes nothing.
    #[must_use]
    pub fn read_by(self, converter: impl MessageConverter) -> Self {
        self.with_reader(Arc::new(converter))
    }

    /// `converter` writes every value from now on, and reads before the others.
    #[must_use]
    pub fn written_by(self, converter: impl MessageConverter) -> Self {
        self.with_writer(Arc::new(converter))
    }

    pub(super) fn with_writer(mut self, converter: Arc<dyn MessageConverter>) -> Self {
        self.readers.insert(0, Arc::clone(&converter));
        self.writer = Some(converter);
        self
    }

    pub(crate) fn with_reader(mut self, converter: Arc<dyn MessageConverter>) -> Self {
        self.readers.push(converter);
        self
    }

    /// These, but for one listener that has a converter of its own: it writes, and reads what says
    /// nothing of its content, too. None for text, bytes and JSON.
    pub(super) fn for_listener(&self, converter: Option<Arc<dyn MessageConverter>>) -> Self {
        match converter {
            Some(own) => Self { unmarked: Some(Arc::clone(&own)), ..self.clone().with_writer(own) },
            None => Self { writer: None, ..self.clone() },
        }
    }

    /// A persistent message with `value` as its body.
    ///
    /// # Errors
    ///
    /// [`ConversionError::Encode`] when the value can't be written.
    pub fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Message, ConversionError> {
        let encoded = match &self.writer {
            None => encode(value).map_err(ConverterError::from),
            Some(writer) => writer
                .encode(&value)
                .map(|body| message(ShortString::truncated(writer.content_type()), body)),
        };
        let type_name = type_name::<T>();
        encoded.map_err(|error| ConversionError::Encode { type_name, source: error.into_source() })
    }

    /// A persistent message with `text` as its body; not copied unless a converter rewrites it.
    pub(super) fn encode_text(&self, text: String) -> Result<Message, ConversionError> {
        if self.writer.is_some() { self.encode(&text) } else { Ok(encode::text(text)) }
    }

    /// The value that the body is, which may borrow from it. A compressed body is inflated before:
    /// [`read`](Self::read) does so, and [`DeliveryContext::content`](crate::DeliveryContext::content).
    ///
    /// # Errors
    ///
    /// [`ConversionError`] when the body does not fit `T`, or its content type is unknown.
    pub fn decode<'d, T: Deserialize<'d>>(
        &self,
        properties: &BasicProperties,
        body: &'d [u8],
    ) -> Result<T, ConversionError> {
        let content_type = properties.content_type.as_deref();
        let Some(reader) = self.reader(content_type) else { return decode(content_type, body) };
        decode_by(reader, body).map_err(|error| ConversionError::Decode {
            type_name: type_name::<T>(),
            content_type: content_type.map(str::to_owned),
            length: body.len(),
            source: error.into_source(),
        })
    }

    /// The value that a message's body is, inflated if it is compressed.
    ///
    /// # Errors
    ///
    /// [`ConversionError`] when the body does not fit `T`, or its content type, its content encoding
    /// or its charset is unknown.
    pub fn read<T: DeserializeOwned>(&self, message: &Message) -> Result<T, ConversionError> {
        let inflated = match content(&message.properties, &message.body) {
            Err(error) if self.takes_as_it_came(&message.properties, &error) => None,
            content => content?,
        };
        self.decode(&message.properties, inflated.as_ref().unwrap_or(&message.body))
    }

    /// Whether who reads the body knows a content encoding that is unknown here.
    pub(crate) fn takes_as_it_came(
        &self,
        properties: &BasicProperties,
        error: &ConversionError,
    ) -> bool {
        let ConversionError::UnknownEncoding { encoding, .. } = error else { return false };
        let reader = self.reader(properties.content_type.as_deref());
        reader.is_some_and(|reader| reader.unwraps(encoding))
    }

    /// Who reads bodies of this content type, if text, bytes and JSON don't.
    fn reader(&self, content_type: Option<&str>) -> Option<&dyn MessageConverter> {
        let own = match content_type {
            Some(given) => self.readers.iter().find(|reader| reader.reads(given)),
            None => None,
        };
        if let Some(own) = own {
            return Some(&**own);
        }
        if content_type.is_none_or(encode::is_octets) {
            return self.unmarked.as_deref();
        }
        content_type.and_then(codecs::reading)
    }
}

fn decode_by<'d, T: Deserialize<'d>>(
    converter: &dyn MessageConverter,
    body: &'d [u8],
) -> Result<T, ConverterError> {
    let mut value = None;
    converter.decode(body, &mut |deserializer| {
        value = Some(erased_serde::deserialize(deserializer)?);
        Ok(())
    })?;
    value.ok_or_else(|| ConverterError::msg("the converter handed no deserializer on"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::{IntoBody, ReadBody};

    /// JSON behind a mark, so that it can be told from plain JSON.
    #[derive(Debug)]
    struct Marked;

    impl MessageConverter for Marked {
        fn content_type(&self) -> &str {
            "application/x-marked"
        }

        fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, ConverterError> {
            let mut body = b"!".to_vec();
            serde_json::to_writer(&mut body, value)?;
            Ok(body)
        }

        fn decode<'d>(
            &self,
            body: &'d [u8],
            read: &mut ReadBody<'_, 'd>,
        ) -> Result<(), ConverterError> {
            let json = body.strip_prefix(b"!").ok_or_else(|| ConverterError::msg("no mark"))?;
            let mut json = serde_json::Deserializer::from_slice(json);
            Ok(read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json))?)
        }
    }

    #[test]
    fn a_converter_of_the_applications_own_overrides_text_and_json() {
        let converters = MessageConverters::overridden_by(Marked);
        let message = "tea".into_body(&converters).unwrap();
        assert_eq!(&*message.body, b"!\"tea\"");
        assert_eq!(message.properties.content_type.as_deref(), Some("application/x-marked"));
        assert!(message.properties.is_persistent());
        let read: &str = converters.decode(&message.properties, &message.body).unwrap();
        assert_eq!(read, "tea");
    }

    #[test]
    fn other_content_types_are_read_as_before() {
        let sent = 5_u8;
        let sent = (&sent).into_body(&MessageConverters::new()).unwrap();
        let read: u8 =
            MessageConverters::overridden_by(Marked).decode(&sent.properties, &sent.body).unwrap();
        assert_eq!(read, 5);
    }

    #[test]
    fn a_failing_converter_is_named_with_the_type() {
        let sent = message(ShortString::from_static("application/x-marked"), "oops");
        let error = MessageConverters::overridden_by(Marked)
            .decode::<u8>(&sent.properties, &sent.body)
            .unwrap_err();
        let text = error.to_string();
        assert_eq!(
            text,
            "a body of 4 bytes, content type 'application/x-marked', can't be read as `u8`: no mark"
        );
    }

    #[test]
    fn the_first_reader_of_a_content_type_has_it_and_the_writer_comes_first() {
        let sent = message(ShortString::from_static("application/x-marked"), "!5");
        let converters = MessageConverters::new().read_by(Marked);
        assert_eq!(converters.read::<u8>(&sent).unwrap(), 5);
        let written = converters.encode(&5_u8).unwrap();
        assert_eq!(written.properties.content_type.as_deref(), Some("application/json"));
        let converters = converters.written_by(Marked);
        assert_eq!(&*converters.encode(&5_u8).unwrap().body, b"!5");
    }

    #[test]
    fn a_converter_of_the_applications_own_gets_what_only_it_can_unwrap() {
        let mut sent = message(ShortString::from_static("application/x-marked"), "!5");
        sent.properties.content_encoding = Some(ShortString::from_static("x-aes"));
        let converters = MessageConverters::new();
        let error = converters.read::<u8>(&sent).unwrap_err();
        assert!(matches!(error, ConversionError::UnknownEncoding { .. }), "{error}");
        assert_eq!(converters.read_by(Marked).read::<u8>(&sent).unwrap(), 5);
    }

    #[test]
    fn a_listeners_own_converter_reads_what_has_no_content_type_and_writes() {
        let all = MessageConverters::new();
        let own = all.for_listener(Some(Arc::new(Marked)));
        let bare = Message::new("!5");
        assert_eq!(own.read::<u8>(&bare).unwrap(), 5);
        assert!(all.read::<u8>(&bare).is_err());
        let json = (&7_u8).into_body(&all).unwrap();
        assert_eq!(own.read::<u8>(&json).unwrap(), 7, "what says what it is, is that");
        assert_eq!(&*own.encode(&5_u8).unwrap().body, b"!5");
        let plain = own.for_listener(None);
        assert_eq!(&*plain.encode(&5_u8).unwrap().body, b"5");
    }
}
