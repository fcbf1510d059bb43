//! What a message's `x-death` says: where it was before it was dead-lettered, and why.

use springhare_amqp::{BasicProperties, FieldTable, FieldValue};

/// One entry of `x-death`: a queue that the message was dead-lettered from, for one reason.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeathEntry<'m>(&'m FieldTable);

impl<'m> DeathEntry<'m> {
    /// The entries, the last death first. What is no entry is passed over: anybody may write the
    /// header.
    pub(crate) fn all(
        properties: &'m BasicProperties,
    ) -> impl DoubleEndedIterator<Item = DeathEntry<'m>> {
        let deaths = properties.headers.as_ref().and_then(|headers| headers.get("x-death"));
        let deaths = match deaths {
            Some(FieldValue::Array(deaths)) => deaths.as_slice(),
            _ => &[],
        };
        deaths.iter().filter_map(|death| match death {
            FieldValue::Table(death) => Some(Self(death)),
            _ => None,
        })
    }

    /// A text of it: `queue`, `exchange`, `reason`, `original-expiration`.
    pub(crate) fn text(self, name: &str) -> Option<&'m str> {
        self.0.get(name)?.as_str()
    }

    /// The keys that it was published with, the routing key first.
    pub(crate) fn routing_keys(self) -> impl Iterator<Item = &'m str> {
        let keys = match self.0.get("routing-keys") {
            Some(FieldValue::Array(keys)) => keys.as_slice(),
            _ => &[],
        };
        keys.iter().filter_map(FieldValue::as_str)
    }

    /// Another value of it: `count`, `time`.
    pub(crate) fn value(self, name: &str) -> Option<&'m FieldValue> {
        self.0.get(name)
    }
}
