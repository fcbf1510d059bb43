//! The messages that go out when a handler has succeeded.

use std::sync::{Mutex, PoisonError};

use springhare_broker::Publish;

use super::context::DeliveryContext;
use super::outcome::{ListenerError, Outcome};
use super::reply::passes;
use crate::error::{Error, Result};

/// How many messages an outbox holds.
pub(crate) const OUTBOX_MESSAGES_MAX: usize = 10_000;
/// How many bytes their bodies may have together.
pub(crate) const OUTBOX_BYTES_MAX: usize = 64 << 20;

/// What a handler has put into its outbox so far.
#[derive(Debug, Default)]
pub(crate) struct Outgoing(Mutex<Messages>);

#[derive(Debug, Default)]
struct Messages {
    publishes: Vec<Publish>,
    bytes: usize,
}

impl Outgoing {
    /// Adds a message.
    ///
    /// # Errors
    ///
    /// [`Error::OutboxFull`] when there is no room for it.
    pub(crate) fn put(&self, publish: Publish) -> Result<()> {
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = messages.bytes.saturating_add(publish.message.body.len());
        if messages.publishes.len() >= OUTBOX_MESSAGES_MAX || bytes > OUTBOX_BYTES_MAX {
            let (messages, bytes) = (OUTBOX_MESSAGES_MAX, OUTBOX_BYTES_MAX);
            return Err(Error::OutboxFull { messages, bytes });
        }
        messages.bytes = bytes;
        messages.publishes.push(publish);
        Ok(())
    }

    fn take(&self) -> Vec<Publish> {
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *messages).publishes
    }
}

/// Whether something goes out before this outcome takes effect.
pub(super) fn is_to_send(context: &DeliveryContext, outcome: &Outcome) -> bool {
    context.has_outgoing() && is_for(outcome)
}

/// Whether an outcome is one that an outbox goes out for.
pub(crate) fn is_for(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Ack | Outcome::Reply(_))
}

/// Drops what a handler has put into its outbox that has failed.
pub(crate) fn discard(context: &DeliveryContext) {
    if context.has_outgoing() {
        drop(context.outgoing().take());
    }
}

/// Sends what the handler has put into its outbox, and what becomes of its message then: it fails for
/// good where trying again would only send anew what did go out.
pub(super) async fn send(context: &DeliveryContext, outcome: Outcome) -> Outcome {
    let publishes = context.outgoing().take();
    match context.template().send_prepared(publishes).await {
        Ok(()) => outcome,
        Err(error) if passes(&error.error) => Outcome::Failed(ListenerError::new(error)),
        Err(error) => Outcome::Failed(ListenerError::fatal(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use springhare_amqp::{Message, ShortString};

    fn publish(body: Vec<u8>) -> Publish {
        Publish {
            exchange: ShortString::EMPTY,
            routing_key: ShortString::from_static("orders"),
            mandatory: true,
            message: Message::new(body),
        }
    }

    #[test]
    fn an_outbox_is_full_by_bytes_and_by_messages() {
        let outgoing = Outgoing::default();
        outgoing.put(publish(vec![0; OUTBOX_BYTES_MAX])).unwrap();
        let error = outgoing.put(publish(vec![0])).unwrap_err().to_string();
        assert!(error.starts_with("the outbox is full"), "{error}");
        assert_eq!(outgoing.take().len(), 1);
        for _ in 0..OUTBOX_MESSAGES_MAX {
            outgoing.put(publish(Vec::new())).unwrap();
        }
        assert!(outgoing.put(publish(Vec::new())).is_err());
    }
}
