//! The message, its properties and its headers.

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use springhare_amqp::{BasicProperties, FieldTable, Message, ShortString};
use springhare_broker::PublishedMessage;

use super::FromDelivery;
use crate::listener::context::DeliveryContext;

/// The message with all its properties; the body is shared.
impl<'d> FromDelivery<'d> for Message {
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
        Ok(cx.message().clone())
    }
}

/// The message's properties; dereferences to [`BasicProperties`]. Shared, not copied.
#[derive(Debug, Clone, PartialEq)]
pub struct Properties(Arc<PublishedMessage>);

impl Properties {
    /// These properties; a handler's unit test makes its argument so.
    #[must_use]
    pub fn new(properties: BasicProperties) -> Self {
        Self(Arc::new(PublishedMessage::new(
            ShortString::EMPTY,
            ShortString::EMPTY,
            Message::default().with_properties(properties),
        )))
    }
}

impl<'d> FromDelivery<'d> for Properties {
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
        Ok(Self(Arc::clone(cx.published())))
    }
}

impl Deref for Properties {
    type Target = BasicProperties;

    fn deref(&self) -> &BasicProperties {
        &self.0.message.properties
    }
}

/// The message's headers, empty where it has none; dereferences to [`FieldTable`]. Shared, not
/// copied.
#[derive(Debug, Clone, PartialEq)]
pub struct Headers(Properties);

static NO_HEADERS: LazyLock<FieldTable> = LazyLock::new(FieldTable::new);

impl Headers {
    /// These headers; a handler's unit test makes its argument so.
    #[must_use]
    pub fn new(headers: FieldTable) -> Self {
        Self(Properties::new(BasicProperties {
            headers: Some(headers),
            ..BasicProperties::default()
        }))
    }
}

impl<'d> FromDelivery<'d> for Headers {
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
        Properties::from_delivery(cx).map(Self)
    }
}

impl Deref for Headers {
    type Target = FieldTable;

    fn deref(&self) -> &FieldTable {
        self.0.headers.as_ref().unwrap_or_else(|| &NO_HEADERS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use springhare_amqp::FieldValue;

    #[test]
    fn the_message_comes_whole() {
        let cx = DeliveryContext::for_test().body("tea").content_type("text/plain").build();
        let message = Message::from_delivery(&cx).unwrap();
        assert_eq!(&*message.body, b"tea");
        assert_eq!(message.properties.content_type.as_deref(), Some("text/plain"));
        let properties = Properties::from_delivery(&cx).unwrap();
        assert_eq!(*properties, *message.properties);
        assert_eq!(*Properties::new((*message.properties).clone()), *message.properties);
    }

    #[test]
    fn headers_are_a_table_even_where_there_are_none() {
        let cx = DeliveryContext::for_test().build();
        assert!(Headers::from_delivery(&cx).unwrap().is_empty());
        let cx = DeliveryContext::for_test().header("x-id", 5).build();
        let headers = Headers::from_delivery(&cx).unwrap();
        assert_eq!(headers.get("x-id"), Some(&FieldValue::I32(5)));
        let made = Headers::new((*headers).clone());
        assert_eq!(*made, *headers);
    }
}
