use std::ops::Deref;

use serde::{Deserialize, Serialize};
use springhare_amqp::Message;

use super::FromDelivery;
use super::rejection::Receiver;
use crate::convert::{ConversionError, MessageConverters};
use crate::listener::context::DeliveryContext;
use crate::listener::reply::{ReplyBody, encoded};
use crate::state::Requirements;

/// The body as a value, by its content type and the application's converters, or the listener's own
/// (`converter = ".."`): what an argument marked `#[payload]` is taken by.
///
/// Without a converter of the application's own it reads what [`Json`](super::Json) reads. Of
/// type `Option<..>` it is none for an empty body and for `null`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Payload<T>(pub T);

/// The body is no value of the type that was wanted.
#[derive(Debug, thiserror::Error)]
#[error(
    "{receiver}: {source}; publish a body that fits, or take `Result<Json<_>, JsonRejection>` to \
     handle it"
)]
pub struct PayloadRejection {
    receiver: Receiver,
    source: ConversionError,
}

impl PayloadRejection {
    /// Who received the message.
    #[must_use]
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }
}

impl<T> Deref for Payload<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Serialize> ReplyBody for Payload<T> {
    fn into_message(self, converters: &MessageConverters) -> Result<Message, ConversionError> {
        encoded(&self.0, converters)
    }
}

impl<'d, T: Deserialize<'d>> FromDelivery<'d> for Payload<T> {
    type Rejection = PayloadRejection;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, PayloadRejection> {
        let content = match cx.content() {
            Err(error) if cx.converters().takes_as_it_came(cx.properties(), &error) => {
                Ok(cx.body())
            }
            content => content,
        };
        content
            .and_then(|body| cx.converters().decode(cx.properties(), body))
            .map(Self)
            .map_err(|source| PayloadRejection { receiver: Receiver::of(cx), source })
    }

    fn require(requirements: &mut Requirements) {
        requirements.payload::<T>("application/json");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::{
        ConverterError, MessageConverter, MessageConverters, ReadBody, erased_serde,
    };
    use serde::de::value::StringDeserializer;

    fn encoded_by(encoding: &'static str) -> impl FnOnce(&mut springhare_amqp::BasicProperties) {
        let encoding = springhare_amqp::ShortString::from_static(encoding);
        |properties| properties.content_encoding = Some(encoding)
    }

    #[test]
    fn the_content_type_says_how_the_body_is_read() {
        let cx = DeliveryContext::for_test().content_type("text/plain").body("\"5\"").build();
        assert_eq!(Payload::<String>::from_delivery(&cx).unwrap().0, "\"5\"");
        assert_eq!(Payload::<&str>::from_delivery(&cx).unwrap().0, "\"5\"");
        let cx = DeliveryContext::for_test().content_type("application/json").body("5").build();
        assert_eq!(Payload::<u8>::from_delivery(&cx).unwrap().0, 5);
        assert!(Payload::<String>::from_delivery(&cx).is_err());
    }

    #[test]
    fn an_option_is_none_for_nothing() {
        for nothing in ["", "null"] {
            let cx = DeliveryContext::for_test().body(nothing).build();
            assert_eq!(Payload::<Option<u8>>::from_delivery(&cx).unwrap().0, None);
            assert!(Payload::<u8>::from_delivery(&cx).is_err());
        }
    }

    #[test]
    fn the_applications_own_converter_reads_what_it_knows() {
        #[derive(Debug)]
        struct Shouted;

        impl MessageConverter for Shouted {
            fn content_type(&self) -> &str {
                "application/x-shouted"
            }

            fn encode(&self, _: &dyn erased_serde::Serialize) -> Result<Vec<u8>, ConverterError> {
                Err(ConverterError::msg("reads only"))
            }

            fn decode<'d>(
                &self,
                body: &'d [u8],
                read: &mut ReadBody<'_, 'd>,
            ) -> Result<(), ConverterError> {
                let text = std::str::from_utf8(body)?.to_lowercase();
                let text = StringDeserializer::<serde::de::value::Error>::new(text);
                Ok(read(&mut <dyn erased_serde::Deserializer<'_>>::erase(text))?)
            }
        }

        let converters = MessageConverters::overridden_by(Shouted);
        let cx = DeliveryContext::for_test().converters(converters.clone()).body("TEA");
        let cx = cx.content_type("application/x-shouted").build();
        assert_eq!(Payload::<String>::from_delivery(&cx).unwrap().0, "tea");
        let cx = DeliveryContext::for_test().converters(converters.clone()).body("TEA");
        let cx = cx.content_type("application/x-shouted").properties(encoded_by("x-aes")).build();
        let known_to_it = Payload::<String>::from_delivery(&cx);
        assert_eq!(known_to_it.unwrap().0, "tea", "as it came");
        let cx = DeliveryContext::for_test().converters(converters).body("TEA");
        let cx = cx.content_type("application/x-unknown").build();
        let text = Payload::<String>::from_delivery(&cx).unwrap_err().to_string();
        assert!(text.contains("'application/x-unknown' can't be read as"), "{text}");
    }
}
