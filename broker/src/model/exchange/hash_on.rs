use springhare_amqp::{FieldTable, FieldValue, Property};

use super::stable_hash::StableHash;
use crate::model::arguments::ArgumentError;
use crate::model::erlang::Term;
use crate::model::routed_message::RoutedMessage;

/// What a consistent-hash exchange hashes: the arguments `hash-header` and `hash-property`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum HashOn {
    /// The routing key that the message was published with, without those of `CC` and `BCC`.
    #[default]
    RoutingKey,
    /// A header, by its value and not by its type.
    Header(Box<str>),
    CorrelationId,
    MessageId,
    Timestamp,
}

pub(crate) const HASH_HEADER: &str = "hash-header";
pub(crate) const HASH_PROPERTY: &str = "hash-property";

impl HashOn {
    /// Reads the arguments of an exchange.
    ///
    /// # Errors
    ///
    /// Both arguments, or a property that is none of the three.
    pub(super) fn parse(arguments: &FieldTable) -> Result<Self, ArgumentError> {
        let text = |name| arguments.get(name).and_then(FieldValue::as_str);
        match (text(HASH_HEADER), text(HASH_PROPERTY)) {
            (None, None) => Ok(Self::RoutingKey),
            (Some(header), None) => Ok(Self::Header(header.into())),
            (None, Some("correlation_id")) => Ok(Self::CorrelationId),
            (None, Some("message_id")) => Ok(Self::MessageId),
            (None, Some("timestamp")) => Ok(Self::Timestamp),
            (None, Some(other)) => {
                Err(ArgumentError::new(format!("Unsupported property: {other}")))
            }
            (Some(_), Some(_)) => {
                let text = "hash-header and hash-property are mutually exclusive";
                Err(ArgumentError::new(text.to_owned()))
            }
        }
    }

    /// The hash of a message; all messages without what is hashed have the same.
    pub(super) fn hash(&self, message: &RoutedMessage<'_>) -> u64 {
        let text = |property| {
            let text = message.properties().text(property);
            text.map(|text| StableHash::of(text.as_bytes()))
        };
        let hash = match self {
            Self::RoutingKey => Some(StableHash::of(message.routing_key().as_bytes())),
            Self::Header(name) => {
                message.headers().and_then(|headers| headers.get(name)).map(hash_of_value)
            }
            Self::CorrelationId => text(Property::CorrelationId),
            Self::MessageId => text(Property::MessageId),
            Self::Timestamp => {
                let timestamp = message.properties().timestamp();
                timestamp.map(|seconds| StableHash::of(&seconds.to_le_bytes()))
            }
        };
        hash.unwrap_or(0)
    }
}

fn hash_of_value(value: &FieldValue) -> u64 {
    match value {
        FieldValue::LongString(bytes) | FieldValue::ByteArray(bytes) => StableHash::of(bytes),
        value => StableHash::of(Term(value).to_string().as_bytes()),
    }
}
