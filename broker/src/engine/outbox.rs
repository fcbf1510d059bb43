use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use springhare_amqp::{AmqpError, ShortString};

use super::channel_cell::ChannelCell;
use super::limiter::ChannelLimiter;
use crate::model::ids::ConsumerId;
use crate::model::outlet::{Offered, Outlet};
use crate::model::queue::{QueueMessage, SettlementMode};

/// The deliveries of one consumer that it has not read yet.
///
/// Its queue pushes, its reader takes. It is bounded in bytes: a reader that does not read is
/// not served any more, and costs no more memory.
#[derive(Debug)]
pub(crate) struct Outbox {
    consumer: ConsumerId,
    tag: ShortString,
    settlement: SettlementMode,
    max_bytes: usize,
    limiter: Arc<ChannelLimiter>,
    channel: Weak<ChannelCell>,
    state: Mutex<OutboxState>,
}

#[derive(Debug, Default)]
struct OutboxState {
    messages: VecDeque<QueueMessage>,
    bytes: usize,
    /// A message was refused for want of room: the queue waits to hear of room.
    refused: bool,
    reader: Option<Waker>,
    /// Somebody is about to wake the reader.
    waking: bool,
    end: Option<ConsumerEnd>,
}

/// Why a consumer gets nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsumerEnd {
    /// Its user cancelled it, or closed the channel.
    CancelledByUser,
    /// The broker cancelled it: its queue was deleted (`basic.cancel` from the server).
    CancelledByBroker,
    /// Its channel or connection was closed by an error.
    Closed(AmqpError),
}

/// What a reader found.
#[derive(Debug)]
pub(crate) enum Read {
    /// Messages were moved to the buffer; whether the queue waits to hear of room.
    Messages {
        room_awaited: bool,
    },
    /// Nothing yet: the reader is woken when there is.
    Empty,
    Ended,
}

impl Outbox {
    pub(crate) fn new(
        consumer: ConsumerId,
        tag: ShortString,
        settlement: SettlementMode,
        max_bytes: usize,
        limiter: Arc<ChannelLimiter>,
        channel: Weak<ChannelCell>,
    ) -> Self {
        let state = Mutex::new(OutboxState::default());
        Self { consumer, tag, settlement, max_bytes, limiter, channel, state }
    }

    pub(crate) fn settlement(&self) -> SettlementMode {
        self.settlement
    }

    /// Moves up to `max` messages to `take`, or registers the reader.
    pub(crate) fn read(
        &self,
        max: usize,
        reader: &Waker,
        mut take: impl FnMut(QueueMessage),
    ) -> Read {
        let mut state = self.lock();
        if state.messages.is_empty() {
            if state.end.is_some() {
                return Read::Ended;
            }
            if !state.reader.as_ref().is_some_and(|known| known.will_wake(reader)) {
                state.reader = Some(reader.clone());
            }
            return Read::Empty;
        }
        if state.messages.len() <= max {
            // Everything: the lock is let go before the messages are looked at.
            let mut all = std::mem::take(&mut state.messages);
            state.bytes = 0;
            let room_awaited = std::mem::take(&mut state.refused);
            drop(state);
            for message in all.drain(..) {
                take(message);
            }
            self.give_back_buffer(all);
            return Read::Messages { room_awaited };
        }
        for _ in 0..max {
            let Some(message) = state.messages.pop_front() else { break };
            state.bytes = state.bytes.saturating_sub(cost(&message));
            take(message);
        }
        let room_awaited = state.bytes < self.max_bytes / 2 && std::mem::take(&mut state.refused);
        Read::Messages { room_awaited }
    }

    /// Ends the consumer and returns what was not read: it goes back to the queue.
    pub(crate) fn end(&self, end: ConsumerEnd) -> Vec<QueueMessage> {
        let (unread, reader) = {
            let mut state = self.lock();
            state.end.get_or_insert(end);
            state.bytes = 0;
            (std::mem::take(&mut state.messages), state.reader.take())
        };
        if let Some(reader) = reader {
            reader.wake();
        }
        if self.settlement == SettlementMode::Explicit {
            self.limiter.release(u32::try_from(unread.len()).unwrap_or(u32::MAX));
        }
        unread.into()
    }

    /// Why the consumer ended, if it has.
    pub(crate) fn ended(&self) -> Option<ConsumerEnd> {
        self.lock().end.clone()
    }

    /// Keeps the emptied buffer for the next messages, unless some have come meanwhile.
    fn give_back_buffer(&self, buffer: VecDeque<QueueMessage>) {
        let mut state = self.lock();
        if state.messages.capacity() == 0 {
            state.messages = buffer;
        }
    }

    fn lock(&self) -> MutexGuard<'_, OutboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet for Outbox {
    fn offer(&self, message: QueueMessage) -> Result<Offered, QueueMessage> {
        let mut state = self.lock();
        if state.end.is_some() || state.bytes >= self.max_bytes {
            state.refused = true;
            return Err(message);
        }
        if self.settlement == SettlementMode::Explicit && !self.limiter.acquire() {
            return Err(message);
        }
        state.bytes += cost(&message);
        state.messages.push_back(message);
        if state.reader.is_some() && !state.waking {
            state.waking = true;
            return Ok(Offered::WakeReader);
        }
        Ok(Offered::Quietly)
    }

    fn wake(&self) {
        let reader = {
            let mut state = self.lock();
            state.waking = false;
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn cancelled(&self, consumer: ConsumerId) {
        debug_assert_eq!(self.consumer, consumer);
        if let Some(channel) = self.channel.upgrade() {
            channel.forget_consumer(&self.tag, consumer);
        }
        let reader = {
            let mut state = self.lock();
            state.end.get_or_insert(ConsumerEnd::CancelledByBroker);
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// What a waiting delivery counts for, in bytes.
fn cost(message: &QueueMessage) -> usize {
    size_of::<QueueMessage>() + message.message.message.body.len()
}
