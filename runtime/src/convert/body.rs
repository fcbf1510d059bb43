use bytes::Bytes;
use serde::Serialize;
use springhare_amqp::{DeliveryMode, Message};

use super::converters::MessageConverters;
use super::encode::{OCTETS, octets};
use super::error::ConversionError;

/// What may be a message's body.
///
/// By reference any value that `serde` can serialize: what is a text to it goes out as
/// `text/plain`, what is bytes as `application/octet-stream`, everything else as
/// `application/json`. By value, and then nothing is copied: `Bytes` and `Vec<u8>` as they are,
/// `String` as a text, and a [`Message`] with its own properties.
///
/// Content type and persistence are always set, in a `Message` where they were left open.
///
/// A slice of numbers is a list of numbers to `serde`: for raw bytes give `Bytes` or `Vec<u8>` by
/// value.
///
/// ```
/// use springhare::convert::{IntoBody, MessageConverters};
///
/// let converters = MessageConverters::new();
/// let message = "disk on fire".into_body(&converters)?;
/// assert_eq!(message.properties.content_type.as_deref(), Some("text/plain"));
/// let message = (&[1, 2, 3]).into_body(&converters)?;
/// assert_eq!(message.properties.content_type.as_deref(), Some("application/json"));
/// # Ok::<(), springhare::convert::ConversionError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a message's body",
    label = "not a body",
    note = "give a reference, `&value`, to a value whose type implements `serde::Serialize`, or \
            by value `Bytes`, `Vec<u8>`, `String` or `Message`; a type of your own gets it by \
            `#[derive(serde::Serialize)]`"
)]
pub trait IntoBody {
    /// The message that it becomes.
    ///
    /// # Errors
    ///
    /// [`ConversionError::Encode`] when the value can't be written.
    fn into_body(self, converters: &MessageConverters) -> Result<Message, ConversionError>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> IntoBody for &T {
    fn into_body(self, converters: &MessageConverters) -> Result<Message, ConversionError> {
        converters.encode(self)
    }
}

impl IntoBody for Bytes {
    fn into_body(self, _converters: &MessageConverters) -> Result<Message, ConversionError> {
        Ok(octets(self))
    }
}

impl IntoBody for Vec<u8> {
    fn into_body(self, _converters: &MessageConverters) -> Result<Message, ConversionError> {
        Ok(octets(self))
    }
}

impl IntoBody for String {
    fn into_body(self, converters: &MessageConverters) -> Result<Message, ConversionError> {
        converters.encode_text(self)
    }
}

impl IntoBody for Message {
    fn into_body(mut self, _converters: &MessageConverters) -> Result<Message, ConversionError> {
        self.properties.content_type.get_or_insert(OCTETS);
        self.properties.delivery_mode.get_or_insert(DeliveryMode::Persistent);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use springhare_amqp::{BasicProperties, ShortString};

    fn body(body: impl IntoBody) -> Message {
        body.into_body(&MessageConverters::new()).unwrap()
    }

    #[test]
    fn what_is_given_by_value_is_not_copied() {
        let bytes = Bytes::from(vec![7; 100]);
        let sent = body(bytes.clone());
        assert_eq!(sent.body.as_ptr(), bytes.as_ptr());
        assert_eq!(sent.properties.content_type.as_deref(), Some("application/octet-stream"));
        let text = "x".repeat(100);
        let start = text.as_ptr();
        let sent = body(text);
        assert_eq!(sent.body.as_ptr(), start);
        assert_eq!(sent.properties.content_type.as_deref(), Some("text/plain"));
        let vec = vec![7; 100];
        let start = vec.as_ptr();
        assert_eq!(body(vec).body.as_ptr(), start);
    }

    #[test]
    fn a_message_keeps_what_it_says() {
        let properties = BasicProperties {
            content_type: Some(ShortString::from_static("image/png")),
            delivery_mode: Some(DeliveryMode::Transient),
            ..BasicProperties::default()
        };
        let message = Message::new("x").with_properties(properties);
        assert_eq!(body(message.clone()), message);
        let sent = body(Message::new("x"));
        assert!(sent.properties.is_persistent());
        assert_eq!(sent.properties.content_type.as_deref(), Some("application/octet-stream"));
    }

    #[test]
    fn a_value_that_serde_refuses_is_an_error() {
        let map = std::collections::BTreeMap::from([((1, 2), 3)]);
        let error = (&map).into_body(&MessageConverters::new()).unwrap_err();
        assert!(error.to_string().contains("BTreeMap<(i32, i32), i32>"), "{error}");
    }
}
