use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::BasicProperties;

/// The properties of one message: [`BasicProperties`], read and changed through this handle.
///
/// Most messages of a program have the same few properties. Such a set is a constant that costs
/// a message nothing; the first change gives the message a set of its own.
///
/// ```
/// use springhare_amqp::{BasicProperties, MessageProperties};
///
/// static PLAIN: BasicProperties = BasicProperties::NONE;
///
/// let mut properties = MessageProperties::from_static(&PLAIN);
/// properties.priority = Some(4);
/// assert_eq!((properties.priority, PLAIN.priority), (Some(4), None));
/// ```
#[derive(Clone)]
pub struct MessageProperties(Repr);

#[derive(Clone)]
enum Repr {
    Constant(&'static BasicProperties),
    Own(Box<BasicProperties>),
}

impl MessageProperties {
    /// Properties that stand in the program.
    #[must_use]
    pub const fn from_static(properties: &'static BasicProperties) -> Self {
        Self(Repr::Constant(properties))
    }
}

impl Deref for MessageProperties {
    type Target = BasicProperties;

    fn deref(&self) -> &BasicProperties {
        match &self.0 {
            Repr::Constant(properties) => properties,
            Repr::Own(properties) => properties,
        }
    }
}

impl DerefMut for MessageProperties {
    fn deref_mut(&mut self) -> &mut BasicProperties {
        if let Repr::Constant(properties) = self.0 {
            self.0 = Repr::Own(Box::new(properties.clone()));
        }
        match &mut self.0 {
            Repr::Own(properties) => properties,
            Repr::Constant(_) => unreachable!("the properties were made the message's own above"),
        }
    }
}

impl Default for MessageProperties {
    fn default() -> Self {
        static NONE: BasicProperties = BasicProperties::NONE;
        Self::from_static(&NONE)
    }
}

impl From<BasicProperties> for MessageProperties {
    fn from(properties: BasicProperties) -> Self {
        Self(Repr::Own(Box::new(properties)))
    }
}

impl From<MessageProperties> for BasicProperties {
    fn from(properties: MessageProperties) -> Self {
        match properties.0 {
            Repr::Constant(properties) => properties.clone(),
            Repr::Own(properties) => *properties,
        }
    }
}

impl PartialEq for MessageProperties {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for MessageProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ShortString;

    #[test]
    fn a_change_is_the_messages_own() {
        static TEXT: BasicProperties = BasicProperties {
            content_type: Some(ShortString::from_static("text/plain")),
            ..BasicProperties::NONE
        };
        let shared = MessageProperties::from_static(&TEXT);
        let mut changed = shared.clone();
        assert_eq!(changed, shared);
        changed.message_id = Some(ShortString::from_static("1"));
        assert_ne!(changed, shared);
        assert_eq!(changed.content_type, TEXT.content_type);
        assert_eq!(shared.message_id, None);
    }
}
