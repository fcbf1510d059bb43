use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};
use springhare_amqp::{BasicProperties, Message, ShortString};

use super::rejection::Receiver;
use super::{FromDelivery, OptionalFromDelivery};
use crate::convert::{ConversionError, MessageConverters, decode};
use crate::listener::context::DeliveryContext;
use crate::listener::reply::ReplyBody;
use crate::state::Requirements;

/// The body as a value, read from JSON.
///
/// A body of `text/plain` is read too, as the text it is where `T` asks for a text and as JSON
/// otherwise: what [`convert_and_send`](crate::RabbitTemplate::convert_and_send) sent comes back.
/// A `T` may borrow from the body.
///
/// `Option<Json<T>>` is none for an empty body and for `null`; `Result<Json<T>, JsonRejection>`
/// hands a body that does not fit to the handler, which is otherwise fatal for the message.
///
/// ```
/// use serde::Deserialize;
/// use springhare::Json;
///
/// #[derive(Deserialize)]
/// struct Order { id: u64 }
///
/// async fn fulfil(Json(order): Json<Order>) {
///     println!("order {}", order.id);
/// }
/// # drop(fulfil(Json(Order { id: 1 })));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T>(pub T);

/// The body is no JSON of the type that was wanted.
#[derive(Debug, thiserror::Error)]
#[error(
    "{receiver}: {source}; publish a body that fits, or take `Result<Json<_>, JsonRejection>` to \
     handle it"
)]
pub struct JsonRejection {
    receiver: Receiver,
    source: ConversionError,
}

impl JsonRejection {
    /// Who received the message.
    #[must_use]
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }
}

impl<T: Serialize> ReplyBody for Json<T> {
    fn into_message(self, _converters: &MessageConverters) -> Result<Message, ConversionError> {
        let body = serde_json::to_vec(&self.0).map_err(|error| ConversionError::Encode {
            type_name: std::any::type_name::<T>(),
            source: error.into(),
        })?;
        let content_type = Some(ShortString::from_static("application/json"));
        let properties = BasicProperties { content_type, ..BasicProperties::default() };
        Ok(Message::new(body).with_properties(properties))
    }
}

impl<'d, T: Deserialize<'d>> FromDelivery<'d> for Json<T> {
    type Rejection = JsonRejection;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, JsonRejection> {
        cx.content()
            .and_then(|body| decode(cx.properties().content_type.as_deref(), body))
            .map(Self)
            .map_err(|source| JsonRejection { receiver: Receiver::of(cx), source })
    }

    fn require(requirements: &mut Requirements) {
        requirements.payload::<T>("application/json");
    }
}

impl<'d, T: Deserialize<'d>> OptionalFromDelivery<'d> for Json<T> {
    type Rejection = JsonRejection;

    fn optional_from_delivery(cx: &'d DeliveryContext) -> Result<Option<Self>, JsonRejection> {
        match cx.content() {
            Ok(body) if matches!(body.trim_ascii(), b"" | b"null") => Ok(None),
            _ => Self::from_delivery(cx).map(Some),
        }
    }
}

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> From<T> for Json<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::outcome::{Disposition, ListenerError, Outcome};

    #[derive(Debug, PartialEq, Deserialize)]
    struct Event<'d> {
        id: u8,
        name: &'d str,
    }

    const EVENT: Event<'static> = Event { id: 1, name: "start" };

    #[test]
    fn a_value_may_borrow_from_the_body() {
        let cx = DeliveryContext::for_test().body("{\"id\":1,\"name\":\"start\"}").build();
        let Json(event) = Json::<Event<'_>>::from_delivery(&cx).unwrap();
        assert_eq!(event, EVENT);
        assert!(cx.body().as_ptr_range().contains(&event.name.as_ptr()));
    }

    #[test]
    fn nothing_is_none_and_a_bad_body_stays_fatal() {
        for nothing in ["", "null", " null\n"] {
            let cx = DeliveryContext::for_test().body(nothing).build();
            assert_eq!(Option::<Json<Event<'_>>>::from_delivery(&cx).unwrap(), None);
        }
        let cx = DeliveryContext::for_test().body("{}").build();
        assert!(Option::<Json<Event<'_>>>::from_delivery(&cx).is_err());
        let cx = DeliveryContext::for_test().body("{\"id\":1,\"name\":\"start\"}").build();
        assert_eq!(Option::<Json<Event<'_>>>::from_delivery(&cx).unwrap(), Some(Json(EVENT)));
    }

    #[test]
    fn a_handler_may_receive_the_rejection() {
        let cx = DeliveryContext::for_test().body("{").build();
        let received = Result::<Json<u8>, JsonRejection>::from_delivery(&cx).unwrap();
        let rejection = received.unwrap_err();
        let converted = Result::<Json<u8>, ListenerError>::from_delivery(&cx).unwrap();
        assert!(converted.unwrap_err().source().is::<JsonRejection>());
        assert_eq!(rejection.receiver().queue(), "test");
        let text = rejection.to_string();
        assert!(text.starts_with("listener 'test::listener', queue 'test': a body of 1 bytes"));
        let outcome = Outcome::from_rejection(rejection);
        let Outcome::Failed(error) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.disposition(), Disposition::Fatal);
        assert!(error.find::<ConversionError>().is_some());
    }
}
