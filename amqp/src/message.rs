use bytes::Bytes;

use crate::MessageProperties;

/// What a publisher hands over and a consumer gets: properties and a body.
///
/// The body is shared, never copied: a clone of the message costs no copy of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message {
    /// Content type, headers, delivery mode and the rest of the content header.
    pub properties: MessageProperties,
    /// The body, opaque to the broker.
    pub body: Bytes,
}

impl Message {
    /// A message with this body and no properties.
    #[must_use]
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self { properties: MessageProperties::default(), body: body.into() }
    }

    /// The same message with these properties.
    #[must_use]
    pub fn with_properties(mut self, properties: impl Into<MessageProperties>) -> Self {
        self.properties = properties.into();
        self
    }
}
