//! The parts of a message that is several. They share its delivery tag.

use std::sync::Arc;

use springhare_amqp::Message;
use springhare_broker::{Delivery, PublishedMessage};

use super::DeliveryContext;
use crate::channel::Settlement;
use crate::convert::parts::Parts;
use crate::listener::outcome::ListenerError;

/// What a part has of the whole.
#[derive(Debug)]
pub(in crate::listener) struct Part {
    /// There is one settlement for all.
    settlement: Arc<Settlement>,
    is_last: bool,
}

impl DeliveryContext {
    /// Whether this is the last message of a batch that a producer has made, one that listeners take
    /// apart. It is false for a message that came alone.
    #[must_use]
    pub fn is_last_in_batch(&self) -> bool {
        self.of_whole().is_some_and(|part| part.is_last)
    }

    /// The messages that the delivery's is made of.
    ///
    /// # Errors
    ///
    /// [`ListenerError`] when it can't be taken apart, which is for good.
    pub(in crate::listener) fn parts(&self) -> Result<Parts, ListenerError> {
        let parts = Parts::of(self.message()).map_err(ListenerError::fatal)?;
        parts.map_err(ListenerError::fatal)
    }

    /// A context for one of them.
    pub(in crate::listener) fn part(&self, message: Message, is_last: bool) -> Self {
        let PublishedMessage { exchange, routing_key, .. } = &**self.published();
        let message = PublishedMessage::new(exchange.clone(), routing_key.clone(), message);
        let mut part = self.sibling();
        part.deliver(Delivery { message: Arc::new(message), ..self.delivery.clone() });
        part.attempt = self.attempt;
        part.failed_here = self.failed_here;
        let settlement = Arc::clone(self.settlement.get_or_init(|| self.new_settlement()));
        // A context that is just made has none.
        let _ = part.extras().part.set(Part { settlement, is_last });
        part
    }

    /// The settlement for whoever takes the delivery tag: a part has the whole's.
    pub(super) fn new_settlement(&self) -> Arc<Settlement> {
        match self.of_whole() {
            Some(part) => Arc::clone(&part.settlement),
            None => Settlement::new(Arc::clone(&self.served.listener_id)),
        }
    }

    fn of_whole(&self) -> Option<&Part> {
        self.extras.get()?.part.get()
    }
}
