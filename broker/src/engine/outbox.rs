use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use smallvec::SmallVec;
use springhare_amqp::{AmqpError, ShortString};

use super::channel_cell::ChannelCell;
use super::limiter::ChannelLimiter;
use super::memory::MessageMemory;
use super::shared::Shared;
use crate::model::ids::ConsumerId;
use crate::model::outlet::{Offered, Outlet, Reader};
use crate::model::queue::{QueueMessage, Ready, SettlementMode};
use crate::model::stored::Reference;
use crate::store::Journal;

/// The deliveries of one consumer that it has not read yet.
///
/// Its queue pushes, its reader takes. It is bounded in bytes: a reader that does not read is
/// not served any more, and costs no more memory.
#[derive(Debug)]
pub(crate) struct Outbox {
    consumer: ConsumerId,
    tag: ShortString,
    settlement: SettlementMode,
    counted: Counted,
    limiter: Arc<ChannelLimiter>,
    /// Its memory counts what a queue has given away for good and nobody has read yet, and its journal
    /// is told what somebody has.
    shared: Arc<Shared>,
    channel: Weak<ChannelCell>,
    state: Mutex<OutboxState>,
}

#[derive(Debug, Default)]
struct OutboxState {
    messages: VecDeque<QueueMessage>,
    bytes: usize,
    /// What its messages count for at the memory mark, if that is counted here.
    charge: u64,
    /// A message was refused for want of room: the queue waits to hear of room.
    refused: bool,
    reader: Option<Waker>,
    /// Somebody is about to wake the reader.
    waking: bool,
    /// Credit of the channel was taken and not used, and another consumer may have missed it.
    has_given_credit_back: bool,
    end: Option<ConsumerEnd>,
}

/// Who counts the memory of what waits in an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Its queue, until it is settled.
    ByQueue,
    /// The outbox: nobody settles it, or a stream has read it back for this consumer alone.
    Here,
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

/// What an outbox leaves at its end.
#[derive(Debug)]
#[must_use = "the messages go back to their queue, and the reader is to be woken"]
pub(crate) struct Unread {
    messages: Vec<QueueMessage>,
    reader: Option<Waker>,
}

impl Unread {
    /// Wakes the reader, once no lock is held, and gives the messages.
    pub(crate) fn wake_reader(self) -> Vec<QueueMessage> {
        if let Some(reader) = self.reader {
            reader.wake();
        }
        self.messages
    }
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
        (settlement, counted): (SettlementMode, Counted),
        limiter: Arc<ChannelLimiter>,
        shared: Arc<Shared>,
        channel: Weak<ChannelCell>,
    ) -> Self {
        let state = Mutex::new(OutboxState::default());
        Self { consumer, tag, settlement, counted, limiter, shared, channel, state }
    }

    pub(crate) fn settlement(&self) -> SettlementMode {
        self.settlement
    }

    /// Moves up to `max` messages to `take`, or registers the reader. What nobody acknowledges is
    /// settled by that.
    pub(crate) fn read(
        &self,
        max: usize,
        reader: &Waker,
        mut take: impl FnMut(QueueMessage),
    ) -> Read {
        let mut given_away = GivenAway::of(self);
        let mut take = |message: QueueMessage| {
            given_away.add(&message);
            take(message);
        };
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
            let charge = std::mem::take(&mut state.charge);
            let room_awaited = std::mem::take(&mut state.refused);
            drop(state);
            for message in all.drain(..) {
                take(message);
            }
            self.memory().free(charge);
            self.give_back_buffer(all);
            return Read::Messages { room_awaited };
        }
        let mut charge = 0;
        for _ in 0..max {
            let Some(message) = state.messages.pop_front() else { break };
            state.bytes = state.bytes.saturating_sub(cost(&message));
            charge += u64::from(message.charge);
            take(message);
        }
        // Nothing, where the queue counts a message until it is settled.
        let charge = charge.min(state.charge);
        state.charge -= charge;
        self.memory().free(charge);
        let room_awaited = state.bytes < self.max_bytes() / 2 && std::mem::take(&mut state.refused);
        Read::Messages { room_awaited }
    }

    /// Moves messages of about `max_bytes` together, at least one, to `take`, or registers the
    /// reader.
    pub(crate) fn read_bytes(
        &self,
        max_bytes: usize,
        reader: &Waker,
        mut take: impl FnMut(QueueMessage),
    ) -> Read {
        let max = {
            let state = self.lock();
            if state.bytes <= max_bytes {
                usize::MAX
            } else {
                let mut left = max_bytes;
                let fits = |message: &&QueueMessage| {
                    let fits = left > 0;
                    left = left.saturating_sub(cost(message));
                    fits
                };
                state.messages.iter().take_while(fits).count()
            }
        };
        self.read(max.max(1), reader, &mut take)
    }

    /// The place in its queue that the next message has.
    pub(crate) fn front_position(&self) -> Option<u64> {
        self.lock().messages.front().map(|message| message.position)
    }

    /// Ends the consumer and returns what was not read: it goes back to the queue.
    ///
    /// Called with the channel's lock held, so that nothing is received of a consumer that its
    /// channel has given up.
    pub(crate) fn end(&self, end: ConsumerEnd) -> Unread {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        state.bytes = 0;
        self.memory().free(std::mem::take(&mut state.charge));
        let messages = Vec::from(std::mem::take(&mut state.messages));
        if self.settlement == SettlementMode::Explicit {
            self.limiter.release(messages.len());
        }
        Unread { messages, reader: state.reader.take() }
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

    fn max_bytes(&self) -> usize {
        self.shared.config().outbox_max_bytes
    }

    fn memory(&self) -> &MessageMemory {
        self.shared.memory()
    }

    fn lock(&self) -> MutexGuard<'_, OutboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a consumer never read whose queue is gone, is gone with it. Otherwise it was taken out before.
impl Drop for Outbox {
    fn drop(&mut self) {
        let (charge, messages, end) = {
            let mut state = self.lock();
            (state.charge, std::mem::take(&mut state.messages), state.end.take())
        };
        self.memory().free(charge);
        if let (Some(journal), Some(ConsumerEnd::CancelledByBroker)) = (self.shared.journal(), end)
        {
            let settled = messages.iter().filter_map(|message| message.reference);
            journal.settle(&settled.collect::<Vec<_>>());
        }
    }
}

/// Messages that are read from an outbox and that nobody acknowledges: the journal is told once all are.
struct GivenAway<'o> {
    journal: Option<&'o Journal>,
    references: SmallVec<[Reference; 8]>,
}

impl<'o> GivenAway<'o> {
    fn of(outbox: &'o Outbox) -> Self {
        let is_meant = outbox.settlement == SettlementMode::Automatic;
        let journal = outbox.shared.journal().filter(|_| is_meant);
        Self { journal: journal.map(AsRef::as_ref), references: SmallVec::new() }
    }

    fn add(&mut self, message: &QueueMessage) {
        if self.journal.is_some() {
            self.references.extend(message.reference);
        }
    }
}

impl Drop for GivenAway<'_> {
    fn drop(&mut self) {
        if let Some(journal) = self.journal {
            journal.settle(&self.references);
        }
    }
}

impl Outbox {
    /// Takes a message that is in no queue, if there is room for it.
    pub(crate) fn offer_one(&self, message: QueueMessage) -> Offered {
        let mut message = Some(message);
        self.take_from(1, || message.take())
    }

    /// Takes messages, as [`Outlet::offer`] does.
    fn take_from(&self, max: usize, mut next: impl FnMut() -> Option<QueueMessage>) -> Offered {
        let mut state = self.lock();
        let allowed = match self.settlement {
            SettlementMode::Explicit => self.limiter.acquire(max),
            SettlementMode::Automatic => max,
        };
        let (mut taken, mut charge) = (0, 0);
        while taken < allowed {
            if state.end.is_some() || state.bytes >= self.max_bytes() {
                state.refused = true;
                break;
            }
            let Some(message) = next() else { break };
            taken += 1;
            charge += u64::from(message.charge);
            state.bytes += cost(&message);
            state.messages.push_back(message);
        }
        match self.settlement {
            SettlementMode::Explicit => {
                let unused = allowed - taken;
                self.limiter.release(unused);
                // The rest has expired while it was taken.
                state.has_given_credit_back |=
                    unused > 0 && !state.refused && self.limiter.is_limited();
            }
            SettlementMode::Automatic => {}
        }
        if self.counted == Counted::Here {
            state.charge += charge;
            self.memory().grow(charge);
        }
        let mut reader = Reader::Awake;
        let has_reader = taken > 0 && state.reader.is_some();
        if (has_reader || state.has_given_credit_back) && !state.waking {
            state.waking = true;
            reader = Reader::Asleep;
        }
        Offered { taken, charge, reader }
    }
}

impl Outlet for Outbox {
    fn offer(&self, ready: &mut Ready, max: usize) -> Offered {
        self.take_from(max, || ready.pop_front())
    }

    fn wake(&self) {
        let (reader, has_given_credit_back) = {
            let mut state = self.lock();
            state.waking = false;
            let reader = if state.messages.is_empty() { None } else { state.reader.take() };
            (reader, std::mem::take(&mut state.has_given_credit_back))
        };
        if let Some(reader) = reader {
            reader.wake();
        }
        if has_given_credit_back && let Some(channel) = self.channel.upgrade() {
            channel.resume_limited();
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
    size_of::<QueueMessage>() + message.message.content_len()
}
