//! What all rejections have in common: who received the message that does not fit.

use std::fmt;

use springhare_amqp::ShortString;

use crate::listener::context::DeliveryContext;

/// Who received a message: a listener, from a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    listener: String,
    queue: ShortString,
}

impl Receiver {
    pub(crate) fn of(cx: &DeliveryContext) -> Self {
        Self { listener: cx.listener_id().to_owned(), queue: cx.queue().clone() }
    }

    /// The listener's id.
    #[must_use]
    pub fn listener(&self) -> &str {
        &self.listener
    }

    /// The queue's name.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.queue
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "listener '{}', queue '{}'", self.listener, self.queue)
    }
}
