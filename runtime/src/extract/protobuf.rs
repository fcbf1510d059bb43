use std::ops::Deref;

use springhare_amqp::Message;

use super::rejection::Receiver;
use super::{FromDelivery, OptionalFromDelivery};
use crate::convert::{
    ConversionError, ConverterError, IntoBody, MessageConverters, PROTOBUF_CONTENT_TYPE,
    protobuf_message,
};
use crate::listener::context::DeliveryContext;
use crate::listener::reply::ReplyBody;

/// What else says that a body is of Protocol Buffers, or nothing else.
const CONTENT_TYPES: [&str; 5] = [
    PROTOBUF_CONTENT_TYPE,
    "application/protobuf",
    "application/vnd.google.protobuf",
    "application/octet-stream",
    "",
];

/// The body as a message of Protocol Buffers, a type of `prost`'s: feature `protobuf`.
///
/// `Protobuf(&value)` sends one, and a handler that returns a `Protobuf` answers with one; the
/// content type is `application/x-protobuf`. `Option<Protobuf<T>>` is none for an empty body, which
/// without the option is a message whose fields have their defaults.
///
/// ```
/// use springhare::Protobuf;
///
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Order {
///     #[prost(uint64, tag = "1")]
///     id: u64,
/// }
///
/// async fn fulfil(Protobuf(order): Protobuf<Order>) {
///     println!("order {}", order.id);
/// }
/// # drop(fulfil(Protobuf(Order { id: 1 })));
///
/// async fn place(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
///     rabbit.convert_and_send("orders", Protobuf(&Order { id: 1 })).await
/// }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protobuf<T>(pub T);

/// The body is no such message of Protocol Buffers.
#[derive(Debug, thiserror::Error)]
#[error("{receiver}: {source}; publish a body that fits, or take a `Result` to handle it")]
pub struct ProtobufRejection {
    receiver: Receiver,
    source: ConversionError,
}

impl ProtobufRejection {
    /// Who received the message.
    #[must_use]
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }
}

impl<T: prost::Message> IntoBody for Protobuf<&T> {
    fn into_body(self, _converters: &MessageConverters) -> Result<Message, ConversionError> {
        Ok(protobuf_message(self.0))
    }
}

impl<T: prost::Message> ReplyBody for Protobuf<T> {
    fn into_message(self, _converters: &MessageConverters) -> Result<Message, ConversionError> {
        let mut message = protobuf_message(&self.0);
        message.properties.delivery_mode = None;
        Ok(message)
    }
}

impl<'d, T: prost::Message + Default> FromDelivery<'d> for Protobuf<T> {
    type Rejection = ProtobufRejection;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, ProtobufRejection> {
        read(cx)
            .map(Self)
            .map_err(|source| ProtobufRejection { receiver: Receiver::of(cx), source })
    }
}

impl<'d, T: prost::Message + Default> OptionalFromDelivery<'d> for Protobuf<T> {
    type Rejection = ProtobufRejection;

    fn optional_from_delivery(cx: &'d DeliveryContext) -> Result<Option<Self>, ProtobufRejection> {
        let is_empty = cx.body().is_empty() || cx.content().is_ok_and(|body| body.is_empty());
        if is_empty { Ok(None) } else { Self::from_delivery(cx).map(Some) }
    }
}

impl<T> Deref for Protobuf<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

fn read<T: prost::Message + Default>(cx: &DeliveryContext) -> Result<T, ConversionError> {
    let body = cx.content()?;
    let content_type = cx.properties().content_type.as_deref();
    let essence = content_type.and_then(|given| given.split(';').next()).unwrap_or_default().trim();
    let decoded = if CONTENT_TYPES.iter().any(|known| essence.eq_ignore_ascii_case(known)) {
        T::decode(&**body).map_err(ConverterError::from)
    } else {
        Err(ConverterError::msg("that is no content type of Protocol Buffers"))
    };
    decoded.map_err(|error| ConversionError::Decode {
        type_name: std::any::type_name::<T>(),
        content_type: content_type.map(str::to_owned),
        length: body.len(),
        source: error.into_source(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, prost::Message)]
    struct Order {
        #[prost(uint64, tag = "1")]
        id: u64,
    }

    #[test]
    fn what_is_sent_comes_back() {
        let sent = Protobuf(&Order { id: 7 }).into_body(&MessageConverters::new()).unwrap();
        assert_eq!(sent.properties.content_type.as_deref(), Some("application/x-protobuf"));
        assert!(sent.properties.is_persistent());
        let cx = DeliveryContext::for_test().content_type("application/x-protobuf").body(sent.body);
        let cx = cx.build();
        assert_eq!(Protobuf::<Order>::from_delivery(&cx).unwrap().id, 7);
    }

    #[test]
    fn a_body_of_another_kind_is_rejected() {
        let cx = DeliveryContext::for_test().content_type("application/json").body("{}").build();
        let text = Protobuf::<Order>::from_delivery(&cx).unwrap_err().to_string();
        assert!(text.contains("content type 'application/json', can't be read as"), "{text}");
        let cx = DeliveryContext::for_test().body("\x08").build();
        assert!(Protobuf::<Order>::from_delivery(&cx).is_err(), "cut short");
        let cx = DeliveryContext::for_test().build();
        assert!(Option::<Protobuf<Order>>::from_delivery(&cx).unwrap().is_none());
    }
}
