//! Deliveries to a consumer behind a socket: each is written out at once, without a copy or a
//! handle of its own.

use std::task::Waker;

use super::channel_cell::ChannelCell;
use super::consume::StartedConsumer;
use super::outbox::Read;
use crate::model::message::PublishedMessage;
use crate::model::queue::QueueMessage;

/// What a consumer had to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// Messages were delivered; there may be more.
    Some,
    /// Nothing: the reader is woken when there is.
    Nothing,
    /// Nothing any more: the consumer has ended.
    Ended,
}

/// A message as it is delivered.
#[derive(Debug)]
pub(crate) struct DeliveredMessage<'m> {
    pub(crate) delivery_tag: u64,
    pub(crate) redelivered: bool,
    pub(crate) message: &'m PublishedMessage,
}

impl ChannelCell {
    /// Gives what waits for the consumer, about `max_bytes` of it, to `send`, each message with
    /// its delivery tag.
    pub(crate) fn deliver(
        &self,
        consumer: &StartedConsumer,
        max_bytes: usize,
        reader: &Waker,
        mut send: impl FnMut(DeliveredMessage<'_>),
    ) -> Delivered {
        let mut state = self.lock();
        let channel = &mut state.channel;
        if !channel.is_open() {
            return Delivered::Ended;
        }
        let read = consumer.outbox.read_bytes(max_bytes, reader, |message: QueueMessage| {
            let redelivered = message.redelivered;
            let shown = consumer.as_delivered(&message);
            let shown = shown.as_deref().unwrap_or(&message.message);
            let delivery_tag = channel.next_delivery_tag();
            send(DeliveredMessage { delivery_tag, redelivered, message: shown });
            consumer.delivered(channel, message);
        });
        drop(state);
        match read {
            Read::Empty => Delivered::Nothing,
            Read::Ended => Delivered::Ended,
            Read::Messages { room_awaited } => {
                if room_awaited {
                    consumer.resume();
                }
                Delivered::Some
            }
        }
    }
}
