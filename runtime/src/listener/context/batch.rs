//! What a batch handler's arguments are made of: several deliveries of one consumer.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "otel")]
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use springhare_broker::Delivery;

use super::DeliveryContext;
use crate::convert::parts::Parts;
use crate::listener::invoke::panicked;
use crate::listener::outcome::{ListenerError, Outcome};
#[cfg(feature = "otel")]
use crate::trace::TraceContext;

/// How many contexts are kept for the next batch.
const MESSAGES_KEPT: usize = 1 << 16;

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
    /// The deliveries that were taken apart, in their order.
    wholes: Vec<Whole>,
    verdicts: Mutex<Verdicts>,
}

/// A delivery that is several messages.
#[derive(Debug)]
struct Whole {
    context: DeliveryContext,
    /// Where its messages are in the batch.
    parts: Range<usize>,
}

/// What is known of single messages once the handler has returned.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    /// The messages that the handler does not get, and what becomes of them.
    pub(crate) aside: Vec<(usize, Outcome)>,
    /// One outcome for each message that the handler got, if it has said so.
    pub(crate) each: Option<Vec<Outcome>>,
}

impl BatchContext {
    pub(crate) fn new(consumer: DeliveryContext) -> Self {
        Self {
            consumer,
            messages: Vec::new(),
            len: 0,
            wholes: Vec::new(),
            verdicts: Mutex::default(),
        }
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

    /// Puts the messages that the last delivery is made of in its place.
    pub(crate) fn take_apart_last(&mut self, mut parts: Parts) {
        self.messages.truncate(self.len);
        let Some(whole) = self.messages.pop() else { return };
        self.len -= 1;
        while let Some(message) = parts.next() {
            self.messages.push(whole.part(message, parts.is_empty()));
        }
        let parts = self.len..self.messages.len();
        self.len = parts.end;
        self.wholes.push(Whole { context: whole, parts });
    }

    /// What the broker has delivered, and the messages that each is made of.
    pub(crate) fn deliveries(&self) -> impl Iterator<Item = (&DeliveryContext, Range<usize>)> {
        let mut wholes = self.wholes.iter().peekable();
        let mut at = 0;
        std::iter::from_fn(move || {
            if let Some(whole) = wholes.next_if(|whole| whole.parts.start == at) {
                at = whole.parts.end;
                return Some((&whole.context, whole.parts.clone()));
            }
            let context = self.messages().get(at)?;
            at += 1;
            Some((context, at - 1..at))
        })
    }

    /// Lets go of the messages.
    pub(crate) fn clear(&mut self) {
        self.messages.iter_mut().take(self.len).for_each(DeliveryContext::clear);
        // Those that were parts know their whole no more, and the room of many is not kept.
        self.messages.truncate(MESSAGES_KEPT);
        self.wholes.clear();
        self.len = 0;
        *self.verdicts() = Verdicts::default();
    }

    /// Takes out what is known of single messages.
    pub(crate) fn take_verdicts(&self) -> Verdicts {
        std::mem::take(&mut self.verdicts())
    }

    /// All messages of the batch, in the order in which they came, and among them those that the handler
    /// does not get.
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

    /// Takes a message out of the batch; once.
    pub(crate) fn set_aside(&self, index: usize, outcome: Outcome) {
        if !self.is_aside(index) {
            self.verdicts().aside.push((index, outcome));
        }
    }

    /// Whether the handler does not get this message.
    pub(crate) fn is_aside(&self, index: usize) -> bool {
        self.verdicts().aside.iter().any(|(aside, _)| *aside == index)
    }

    /// One message's part of each argument. An extractor that fails or panics takes the message out
    /// of the batch.
    pub(crate) fn take_parts<T>(
        &self,
        index: usize,
        take: impl FnOnce() -> Result<T, ListenerError>,
    ) -> Option<T> {
        if self.is_aside(index) {
            return None;
        }
        // What a panic leaves half done is the extractor's own.
        let taken = catch_unwind(AssertUnwindSafe(take));
        let taken = taken.unwrap_or_else(|panic| Err(panicked(&*panic)));
        taken.map_err(|error| self.set_aside(index, Outcome::from_rejection(error))).ok()
    }

    /// How many messages the handler gets: all but the refused ones.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.len.saturating_sub(self.verdicts().aside.len())
    }

    /// The messages that the handler gets, as far as is known: before its arguments are made an extractor
    /// may refuse one yet. [`BatchError`](crate::BatchError) counts these.
    pub fn accepted_messages(&self) -> impl Iterator<Item = &DeliveryContext> {
        let messages = self.messages().iter().enumerate();
        messages.filter(|(index, _)| !self.is_aside(*index)).map(|(_, message)| message)
    }

    /// The traces of the messages that the handler gets, as far as they have any.
    #[cfg(feature = "otel")]
    pub(crate) fn contexts(&self) -> impl Iterator<Item = Arc<TraceContext>> {
        self.accepted_messages().filter_map(|message| TraceContext::of(message.properties()))
    }

    /// What becomes of each message that the handler got.
    pub(crate) fn settle_each(&self, outcomes: Vec<Outcome>) {
        self.verdicts().each = Some(outcomes);
    }

    /// The handler has said nothing of each.
    pub(crate) fn forget_outcomes(&self) {
        self.verdicts().each = None;
    }

    /// How many of them it has acknowledged, if it has said so of each.
    pub(crate) fn acknowledged_each(&self) -> Option<usize> {
        let verdicts = self.verdicts();
        let each = verdicts.each.as_ref()?.iter();
        Some(each.filter(|outcome| matches!(outcome, Outcome::Ack)).count())
    }

    /// Both lists are whole between any two statements.
    fn verdicts(&self) -> MutexGuard<'_, Verdicts> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(not(feature = "otel"))]
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_batch_keeps_no_message_of_the_one_before() {
        let one = DeliveryContext::for_test().body("tea").build();
        let message = Arc::downgrade(&one.delivery().message);
        let mut batch = BatchContext::new(DeliveryContext::for_test().build());
        batch.push(one.delivery().clone());
        batch.push(one.delivery().clone());
        drop(one);
        assert_eq!(batch.take_parts(0, || Ok(5)), Some(5));
        assert_eq!(batch.take_parts::<()>(1, || panic!("a panic of the test")), None);
        batch.set_aside(1, Outcome::Reject);
        assert_eq!((batch.messages().len(), batch.accepted()), (2, 1));
        batch.clear();
        assert!(message.upgrade().is_none());
        assert_eq!((batch.messages().len(), batch.accepted()), (0, 0));
        batch.push(DeliveryContext::for_test().body("cake").build().delivery().clone());
        assert_eq!(batch.messages()[0].body(), "cake");
    }
}
