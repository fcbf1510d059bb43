use crate::{FieldTable, FieldValue, ShortString};

/// Whether a message outlives the broker: the `delivery-mode` property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryMode {
    /// 1: gone when the broker stops.
    Transient,
    /// 2: kept on disk in durable queues.
    Persistent,
}

impl DeliveryMode {
    /// The property's value on the wire.
    #[must_use]
    pub fn value(self) -> u8 {
        match self {
            Self::Transient => 1,
            Self::Persistent => 2,
        }
    }
}

/// The properties of a content of class `basic` (AMQP 0-9-1 section 1.8, `basic`).
///
/// All are optional and all are the application's own: the broker reads `delivery_mode`,
/// `expiration`, `priority`, `user_id` and a few headers, and carries the rest as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BasicProperties {
    /// The MIME type of the body: `application/json`, `text/plain`.
    pub content_type: Option<ShortString>,
    /// The encoding of the body: `gzip`, `utf-8`.
    pub content_encoding: Option<ShortString>,
    /// Named values of the application, and the arguments of headers exchanges.
    pub headers: Option<FieldTable>,
    /// Whether the message is kept on disk.
    pub delivery_mode: Option<DeliveryMode>,
    /// The priority, for queues with `x-max-priority`; 0 to 255.
    pub priority: Option<u8>,
    /// Which request a reply answers.
    pub correlation_id: Option<ShortString>,
    /// The queue that a reply is sent to.
    pub reply_to: Option<ShortString>,
    /// Time to live in milliseconds, as a text.
    pub expiration: Option<ShortString>,
    /// The application's id of the message.
    pub message_id: Option<ShortString>,
    /// Seconds since 1970-01-01 UTC.
    pub timestamp: Option<u64>,
    /// The application's type of the message (the property `type`).
    pub kind: Option<ShortString>,
    /// The user that published, checked by the broker when present.
    pub user_id: Option<ShortString>,
    /// The application that published.
    pub app_id: Option<ShortString>,
    /// Deprecated since AMQP 0-9-1, carried all the same.
    pub cluster_id: Option<ShortString>,
}

impl BasicProperties {
    /// No properties.
    pub const NONE: Self = Self {
        content_type: None,
        content_encoding: None,
        headers: None,
        delivery_mode: None,
        priority: None,
        correlation_id: None,
        reply_to: None,
        expiration: None,
        message_id: None,
        timestamp: None,
        kind: None,
        user_id: None,
        app_id: None,
        cluster_id: None,
    };

    /// The header `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&FieldValue> {
        self.headers.as_ref()?.get(name)
    }

    /// Whether the message asks to be kept on disk.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.delivery_mode == Some(DeliveryMode::Persistent)
    }
}
