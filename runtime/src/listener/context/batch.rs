//! What a batch handler's arguments are made of: several deliveries of one consumer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use springhare_broker::Delivery;

use super::DeliveryContext;
use crate::listener::outcome::{ListenerError, Outcome};

/// The messages of one batch: what [`FromBatch`](crate::FromBatch) takes arguments from.
///
/// A consumer has one and puts each batch into it in turn.
#[derive(Debug)]
pub struct BatchContext {
    /// Holds no delivery: what all messages have in common.
    consumer: DeliveryContext,
    /// Made once, and used again for each batch.
    messages: Vec<DeliveryContext>,
    /// How many of them hold a message.
    len: usize,
    verdicts: Mutex<Verdicts>,
}

/// What is known of single messages once the handler has returned.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    /// The messages that an extractor could not read, and why, in their order.
    pub(crate) refused: Vec<(usize, ListenerError)>,
    /// One outcome for each message that the handler got, if it has said so.
    pub(crate) each: Option<Vec<Outcome>>,
}

impl BatchContext {
    pub(crate) fn new(consumer: DeliveryContext) -> Self {
        Self { consumer, messages: Vec::new(), len: 0, verdicts: Mutex::default() }
    }

    /// Puts this delivery behind those of the batch.
    pub(crate) fn push(&mut self, delivery: Delivery) {
        if self.len == self.messages.len() {
            self.messages.push(self.consumer.sibling());
        }
        if let Some(message) = self.messages.get_mut(self.len) {
            message.deliver(delivery);
            self.len += 1;
        }
    }

    /// Lets go of the messages.
    pub(crate) fn clear(&mut self) {
        self.messages.iter_mut().take(self.len).for_each(DeliveryContext::clear);
        self.len = 0;
        *self.verdicts() = Verdicts::default();
    }

    /// Forgets what the handler has done with the messages: it is called again.
    pub(crate) fn renew(&mut self) {
        self.messages.iter_mut().take(self.len).for_each(DeliveryContext::renew);
        *self.verdicts() = Verdicts::default();
    }

    /// Takes out what is known of single messages.
    pub(crate) fn take_verdicts(&self) -> Verdicts {
        std::mem::take(&mut self.verdicts())
    }

    /// All messages of the batch, in the order in which they came.
    #[must_use]
    pub fn messages(&self) -> &[DeliveryContext] {
        self.messages.get(..self.len).unwrap_or_default()
    }

    /// What all messages have in common: listener, queue, consumer, channel, the application's
    /// values. Its delivery is empty.
    #[must_use]
    pub fn consumer(&self) -> &DeliveryContext {
        &self.consumer
    }

    /// Takes a message out of the batch that an extractor can't read. Messages are to be refused
    /// in their order.
    pub fn refuse(&self, index: usize, rejection: impl Into<ListenerError>) {
        self.verdicts().refused.push((index, rejection.into()));
    }

    /// How many messages the handler gets: all but the refused ones.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.len.saturating_sub(self.verdicts().refused.len())
    }

    /// What becomes of each message that the handler got.
    pub(crate) fn settle_each(&self, outcomes: Vec<Outcome>) {
        self.verdicts().each = Some(outcomes);
    }

    /// Both lists are whole between any two statements.
    fn verdicts(&self) -> MutexGuard<'_, Verdicts> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_keeps_no_message_of_the_one_before() {
        let one = DeliveryContext::for_test().body("tea").build();
        let message = std::sync::Arc::downgrade(&one.delivery().message);
        let mut batch = BatchContext::new(DeliveryContext::for_test().build());
        batch.push(one.delivery().clone());
        batch.push(one.delivery().clone());
        drop(one);
        batch.refuse(1, ListenerError::msg("no"));
        assert_eq!((batch.messages().len(), batch.accepted()), (2, 1));
        batch.clear();
        assert!(message.upgrade().is_none());
        assert_eq!((batch.messages().len(), batch.accepted()), (0, 0));
        batch.push(DeliveryContext::for_test().body("cake").build().delivery().clone());
        assert_eq!(batch.messages()[0].body(), "cake");
    }
}
