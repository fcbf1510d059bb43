use std::any::type_name;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use springhare_amqp::{BasicProperties, Message, ShortString};

use super::decode::decode;
use super::encode::{self, encode, message};
use super::error::ConversionError;

/// Takes a value out of a body's deserializer; see [`MessageConverter::decode`].
pub type ReadBody<'a, 'd> =
    dyn FnMut(&mut dyn erased_serde::Deserializer<'d>) -> Result<(), erased_serde::Error> + 'a;

/// A format of the application's own, in place of JSON: CBOR, MessagePack, a signed envelope.
///
/// ```
/// use springhare::convert::{ConverterError, MessageConverter, ReadBody, erased_serde};
///
/// /// JSON for people to read.
/// #[derive(Debug)]
/// struct Pretty;
///
/// impl MessageConverter for Pretty {
///     fn content_type(&self) -> &str {
///         "application/x-pretty+json"
///     }
///
///     fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, ConverterError> {
///         Ok(serde_json::to_vec_pretty(value)?)
///     }
///
///     fn decode<'d>(&self, body: &'d [u8], read: &mut ReadBody<'_, 'd>) -> Result<(), ConverterError> {
///         let mut json = serde_json::Deserializer::from_slice(body);
///         Ok(read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json))?)
///     }
/// }
/// ```
pub trait MessageConverter: fmt::Debug + Send + Sync + 'static {
    /// The content type of what it writes, 255 bytes at most.
    fn content_type(&self) -> &str;

    /// Whether it reads bodies of this content type; without more, of its own.
    fn reads(&self, content_type: &str) -> bool {
        content_type.eq_ignore_ascii_case(self.content_type())
    }

    /// Writes a value.
    ///
    /// # Errors
    ///
    /// Whatever keeps the value from being written.
    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, ConverterError>;

    /// Reads a body: hands a deserializer of it to `read`, once.
    ///
    /// # Errors
    ///
    /// Whatever keeps the body from being read, `read`'s own error among it.
    fn decode<'d>(&self, body: &'d [u8], read: &mut ReadBody<'_, 'd>)
    -> Result<(), ConverterError>;
}

/// What a converter failed with: any error, by `?`.
pub struct ConverterError(Box<dyn StdError + Send + Sync>);

impl ConverterError {
    /// A failure that is only a text.
    #[must_use]
    pub fn msg(text: impl fmt::Display) -> Self {
        Self(text.to_string().into())
    }

    /// The error itself.
    #[must_use]
    pub fn source(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0
    }
}

#[diagnostic::do_not_recommend]
impl<E: StdError + Send + Sync + 'static> From<E> for ConverterError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for ConverterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ConverterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// How values become bodies and bodies values: by the content type, with converters of the
/// application's own before the built-in ones. A clone is the same set.
#[derive(Debug, Clone, Default)]
pub struct MessageConverters {
    own: Option<Arc<dyn MessageConverter>>,
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
        Self { own: Some(Arc::new(converter)) }
    }

    /// A persistent message with `value` as its body.
    ///
    /// # Errors
    ///
    /// [`ConversionError::Encode`] when the value can't be written.
    pub fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Message, ConversionError> {
        let encoded = match &self.own {
            None => encode(value).map_err(ConverterError::from),
            Some(own) => own
                .encode(&value)
                .map(|body| message(ShortString::truncated(own.content_type()), body)),
        };
        let type_name = type_name::<T>();
        encoded.map_err(|error| ConversionError::Encode { type_name, source: error.0 })
    }

    /// A persistent message with `text` as its body; not copied unless a converter rewrites it.
    pub(super) fn encode_text(&self, text: String) -> Result<Message, ConversionError> {
        if self.own.is_some() { self.encode(&text) } else { Ok(encode::text(text)) }
    }

    /// The value that the body is.
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
        match &self.own {
            Some(own) if content_type.is_some_and(|given| own.reads(given)) => {
                decode_by(&**own, body).map_err(|error| ConversionError::Decode {
                    type_name: type_name::<T>(),
                    content_type: content_type.map(str::to_owned),
                    length: body.len(),
                    source: error.0,
                })
            }
            _ => decode(content_type, body),
        }
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
    use crate::convert::IntoBody;

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
}
