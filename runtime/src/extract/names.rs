//! Where the message came through, and the names that its publisher gave it.

use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;

use springhare_amqp::ShortString;

use super::rejection::Receiver;
use super::{FromDelivery, OptionalFromDelivery};
use crate::listener::context::DeliveryContext;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Dereferences to `str`.
        #[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ShortString);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl From<ShortString> for $name {
            fn from(text: ShortString) -> Self {
                Self(text)
            }
        }

        /// Takes as much of the text as a short string holds, 255 bytes; for a handler's unit
        /// test.
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(ShortString::truncated(text))
            }
        }

        impl From<$name> for ShortString {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }
    };
}

/// A name that every delivery has.
macro_rules! delivery_name {
    ($(#[$doc:meta])* $name:ident = $accessor:ident) => {
        name!($(#[$doc])* $name);

        impl<'d> FromDelivery<'d> for $name {
            type Rejection = Infallible;

            fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
                Ok(Self(cx.$accessor().clone()))
            }
        }
    };
}

/// A name that the publisher may have given.
macro_rules! property_name {
    ($(#[$doc:meta])* $name:ident = $property:ident) => {
        name!(
            $(#[$doc])*
            ///
            /// A message without it is rejected; `Option` of it is none then.
            $name
        );

        impl<'d> FromDelivery<'d> for $name {
            type Rejection = PropertyRejection;

            fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, PropertyRejection> {
                cx.properties().$property.clone().map(Self).ok_or_else(|| {
                    PropertyRejection::new(cx, stringify!($property), stringify!($name))
                })
            }
        }

        impl<'d> OptionalFromDelivery<'d> for $name {
            type Rejection = Infallible;

            fn optional_from_delivery(cx: &'d DeliveryContext) -> Result<Option<Self>, Infallible> {
                Ok(cx.properties().$property.clone().map(Self))
            }
        }
    };
}

/// The message lacks a property that the handler needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{receiver}: the message has no property `{property}`; publish it with one, or take \
     `Option<{extractor}>`"
)]
pub struct PropertyRejection {
    receiver: Receiver,
    property: &'static str,
    extractor: &'static str,
}

impl PropertyRejection {
    pub(super) fn new(
        cx: &DeliveryContext,
        property: &'static str,
        extractor: &'static str,
    ) -> Self {
        Self { receiver: Receiver::of(cx), property, extractor }
    }

    /// Who received the message.
    #[must_use]
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// The property's name.
    #[must_use]
    pub fn property(&self) -> &'static str {
        self.property
    }
}

delivery_name! {
    /// The routing key that the message was published with.
    RoutingKey = routing_key
}

delivery_name! {
    /// The exchange that the message was published to; empty for the default exchange.
    ExchangeName = exchange
}

delivery_name! {
    /// The queue that the message came from.
    QueueName = queue
}

delivery_name! {
    /// The consumer that got the message.
    ConsumerTag = consumer_tag
}

property_name! {
    /// The message's id, as its publisher chose it.
    MessageId = message_id
}

property_name! {
    /// Which request the message answers.
    CorrelationId = correlation_id
}

property_name! {
    /// The queue that a reply is to be sent to.
    ReplyTo = reply_to
}

property_name! {
    /// The user that the message was published as; the broker has made sure of it.
    UserId = user_id
}

property_name! {
    /// The application that published the message, as it calls itself.
    AppId = app_id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_knows_its_way() {
        let cx = DeliveryContext::for_test().route("logs", "kern.error").build();
        assert_eq!(RoutingKey::from_delivery(&cx).unwrap(), "kern.error");
        assert_eq!(ExchangeName::from_delivery(&cx).unwrap().as_str(), "logs");
        assert_eq!(QueueName::from_delivery(&cx).unwrap(), "test");
        assert_eq!(ConsumerTag::from_delivery(&cx).unwrap(), "ctag-test");
        let key = RoutingKey::from("kern.error");
        assert_eq!(key.split('.').next(), Some("kern"));
        assert_eq!(format!("{key:>12}"), "  kern.error");
    }

    #[test]
    fn a_property_that_is_missing_is_named_with_the_remedy() {
        let cx = DeliveryContext::for_test().build();
        let rejection = MessageId::from_delivery(&cx).unwrap_err();
        assert_eq!(rejection.property(), "message_id");
        assert_eq!(
            rejection.to_string(),
            "listener 'test::listener', queue 'test': the message has no property `message_id`; \
             publish it with one, or take `Option<MessageId>`"
        );
        assert_eq!(Option::<CorrelationId>::from_delivery(&cx), Ok(None));
        assert_eq!(Option::<ReplyTo>::from_delivery(&cx), Ok(None));
    }

    #[test]
    fn a_property_that_is_there_is_taken() {
        let cx = DeliveryContext::for_test()
            .properties(|properties| properties.message_id = Some(ShortString::from_static("m-1")))
            .build();
        assert_eq!(MessageId::from_delivery(&cx).unwrap(), "m-1");
        assert_eq!(Option::<MessageId>::from_delivery(&cx).unwrap(), Some(MessageId::from("m-1")));
    }
}
