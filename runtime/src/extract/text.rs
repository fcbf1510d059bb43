use std::fmt;
use std::ops::Deref;
use std::str::Utf8Error;

use springhare_amqp::Message;

use super::rejection::Receiver;
use super::{FromDelivery, OptionalFromDelivery};
use crate::convert::{ConversionError, MessageConverters, refuse_foreign_charset};
use crate::listener::context::DeliveryContext;
use crate::listener::reply::{ReplyBody, encoded};
use crate::state::Requirements;

/// The body as a text, whatever its content type says but of the charset. `&str` borrows it instead.
///
/// `Option<Text>` is none for an empty body.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(pub String);

/// The body is no text in UTF-8.
#[derive(Debug, thiserror::Error)]
#[error("{receiver}: {source}")]
pub struct TextRejection {
    receiver: Receiver,
    source: NoText,
}

/// Why a body is no text.
#[derive(Debug, thiserror::Error)]
enum NoText {
    #[error("a body of {length} bytes is no text: {source}; publish UTF-8, or take `Bytes`")]
    NotUtf8 { length: usize, source: Utf8Error },
    #[error(transparent)]
    Unread(#[from] ConversionError),
}

impl TextRejection {
    /// Who received the message.
    #[must_use]
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }
}

impl Text {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn text_of(cx: &DeliveryContext) -> Result<&str, NoText> {
    let body = cx.content()?;
    refuse_foreign_charset(cx.properties().content_type.as_deref())?;
    std::str::from_utf8(body).map_err(|source| NoText::NotUtf8 { length: body.len(), source })
}

impl<'d> FromDelivery<'d> for &'d str {
    type Rejection = TextRejection;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, TextRejection> {
        text_of(cx).map_err(|source| TextRejection { receiver: Receiver::of(cx), source })
    }

    fn require(requirements: &mut Requirements) {
        requirements.payload::<str>("text/plain");
    }
}

impl ReplyBody for Text {
    fn into_message(self, converters: &MessageConverters) -> Result<Message, ConversionError> {
        encoded(self.0, converters)
    }
}

impl<'d> FromDelivery<'d> for Text {
    type Rejection = TextRejection;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, TextRejection> {
        <&str>::from_delivery(cx).map(|text| Self(text.to_owned()))
    }

    fn require(requirements: &mut Requirements) {
        requirements.payload::<str>("text/plain");
    }
}

impl<'d> OptionalFromDelivery<'d> for Text {
    type Rejection = TextRejection;

    fn optional_from_delivery(cx: &'d DeliveryContext) -> Result<Option<Self>, TextRejection> {
        let is_empty = cx.body().is_empty() || cx.content().is_ok_and(|body| body.is_empty());
        if is_empty { Ok(None) } else { Self::from_delivery(cx).map(Some) }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_body_as_it_stands() {
        let cx = DeliveryContext::for_test().content_type("application/json").body("\"ä\"").build();
        assert_eq!(Text::from_delivery(&cx).unwrap().as_str(), "\"ä\"");
        assert_eq!(<&str>::from_delivery(&cx).unwrap().as_ptr(), cx.body().as_ptr());
    }

    #[test]
    fn what_is_no_utf_8_is_rejected() {
        let cx = DeliveryContext::for_test().body(&b"a\xff"[..]).build();
        let text = Text::from_delivery(&cx).unwrap_err().to_string();
        assert!(text.contains("a body of 2 bytes is no text"), "{text}");
        assert!(text.ends_with("publish UTF-8, or take `Bytes`"), "{text}");
    }

    #[test]
    fn an_empty_text_is_none_where_that_is_asked_for() {
        let cx = DeliveryContext::for_test().build();
        assert_eq!(Text::from_delivery(&cx).unwrap().as_str(), "");
        assert_eq!(Option::<Text>::from_delivery(&cx).unwrap(), None);
    }

    #[cfg(feature = "compression")]
    #[test]
    fn a_text_that_is_empty_once_it_is_inflated_is_none_too() {
        let mut message = Message::new("");
        crate::convert::Compression::Gzip.compress(&mut message).unwrap();
        assert!(!message.body.is_empty());
        let encoding = message.properties.content_encoding.clone();
        let cx = DeliveryContext::for_test().body(message.body);
        let cx = cx.properties(|properties| properties.content_encoding = encoding).build();
        assert_eq!(Option::<Text>::from_delivery(&cx).unwrap(), None);
    }

    #[test]
    fn a_text_in_another_charset_or_encoding_is_rejected() {
        let cx = DeliveryContext::for_test().content_type("text/plain;charset=latin1").body("tea");
        let text = Text::from_delivery(&cx.build()).unwrap_err().to_string();
        assert!(text.contains("a text in the charset 'latin1' can't be read"), "{text}");
        let cx = DeliveryContext::for_test().body("tea");
        let br = Some(springhare_amqp::ShortString::from_static("br"));
        let cx = cx.properties(|properties| properties.content_encoding = br).build();
        let text = Text::from_delivery(&cx).unwrap_err().to_string();
        assert!(text.contains("content encoding 'br', can't be read"), "{text}");
        assert_eq!(<&[u8]>::from_delivery(&cx).unwrap(), b"tea", "bytes are as they came");
    }
}
