//! What the journal in memory keeps, for tests: what is alive, and what a broker that is started again
//! would find.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use springhare_amqp::{Property, ShortString};

use super::recovered::{RecoveredDefinition, RecoveredDelayed, RecoveredMessage};
use super::{Failure, Journal};
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::stored::Reference;

/// What is alive.
#[derive(Debug, Default)]
pub(super) struct Alive {
    messages: BTreeMap<Reference, Message>,
    delayed: BTreeMap<Reference, RecoveredDelayed>,
    definitions: BTreeMap<Reference, Vec<u8>>,
    /// No messages are taken.
    pub(super) is_full: bool,
}

#[derive(Debug)]
struct Message {
    queue: QueueId,
    published_at: Duration,
    message: PublishedMessage,
    returned: Option<(u32, Option<Duration>)>,
}

impl Alive {
    pub(super) fn message(
        &mut self,
        message: &PublishedMessage,
        first: Reference,
        queues: &[QueueId],
        published_at: Duration,
    ) {
        for (queue, more) in queues.iter().zip(0..) {
            let message = message.clone();
            let message = Message { queue: *queue, published_at, message, returned: None };
            self.messages.insert(first.plus(more), message);
        }
    }

    pub(super) fn delayed(
        &mut self,
        reference: Reference,
        message: &PublishedMessage,
        (virtual_host, exchange): (&str, &str),
        due: Duration,
    ) {
        let delayed = RecoveredDelayed {
            reference,
            virtual_host: ShortString::new(virtual_host).unwrap(),
            exchange: ShortString::new(exchange).unwrap(),
            due: u64::try_from(due.as_millis()).unwrap(),
            message: message.clone(),
        };
        self.delayed.insert(reference, delayed);
    }

    pub(super) fn definition(&mut self, reference: Reference, content: &[u8]) {
        self.definitions.insert(reference, content.to_vec());
    }

    pub(super) fn settle(&mut self, references: &[Reference]) {
        for reference in references {
            let was_alive = self.messages.remove(reference).is_some()
                | self.delayed.remove(reference).is_some()
                | self.definitions.remove(reference).is_some();
            assert!(was_alive, "{reference:?} is settled twice");
        }
    }

    pub(super) fn returned(&mut self, reference: Reference, count: u32, at: Option<Duration>) {
        if let Some(message) = self.messages.get_mut(&reference) {
            message.returned = Some((count, at));
        }
    }
}

impl Journal {
    /// What is alive: messages with their queue, delayed ones and definitions without.
    pub(crate) fn alive(&self) -> BTreeSet<(Option<QueueId>, Reference)> {
        let state = self.lock();
        let Alive { messages, delayed, definitions, .. } = &state.alive;
        let messages =
            messages.iter().map(|(reference, message)| (Some(message.queue), *reference));
        let others = delayed.keys().chain(definitions.keys()).map(|reference| (None, *reference));
        messages.chain(others).collect()
    }

    /// As a disk that is full, or has room again.
    pub(crate) fn set_full(&self, is_full: bool) {
        self.lock().alive.is_full = is_full;
    }

    pub(super) fn fullness(&self) -> Result<(), Failure> {
        if self.lock().alive.is_full { Err(Failure::Full) } else { Ok(()) }
    }

    /// What a broker that is started again finds.
    pub(crate) fn recovered(
        &self,
    ) -> (Vec<RecoveredMessage>, Vec<RecoveredDelayed>, Vec<RecoveredDefinition>) {
        let state = self.lock();
        let Alive { messages, delayed, definitions, .. } = &state.alive;
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap();
        let messages = messages.iter().map(|(reference, message)| {
            let properties = &message.message.message.properties;
            RecoveredMessage {
                queue: message.queue,
                reference: *reference,
                place: message.message.stored().unwrap().place,
                body_len: u32::try_from(message.message.message.body.len()).unwrap(),
                published_at: milliseconds(message.published_at),
                expiration: properties
                    .text(Property::Expiration)
                    .map(|expiration| expiration.parse().unwrap()),
                priority: properties.priority().unwrap_or(0),
                delivery_count: message.returned.map_or(0, |(count, _)| count),
                redelivered: message.returned.is_some(),
                retry_at: message.returned.and_then(|(_, at)| at).map(milliseconds),
            }
        });
        let definitions = definitions.iter().map(|(reference, content)| RecoveredDefinition {
            reference: *reference,
            content: content.clone().into(),
        });
        (messages.collect(), delayed.values().cloned().collect(), definitions.collect())
    }
}
