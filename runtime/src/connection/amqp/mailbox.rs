use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use springhare_amqp::ShortString;
use springhare_broker::{ConsumerEnd, Delivery, NoAck};

/// The most deliveries that wait for a consumer without a prefetch before the connection reads no
/// more.
const DELIVERIES_MAX: usize = 20_000;
/// The same in bytes of their bodies and properties.
const BYTES_MAX: usize = 16 << 20;
/// So many times as much is never kept, whoever waits for an answer on the connection.
const HARD_FACTOR: usize = 8;

/// What bounds the deliveries that wait for a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// The broker, by the prefetch count.
    Prefetch,
    /// Nothing but the mailbox.
    Mailbox,
}

/// How full a mailbox is that bounds itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Room,
    /// Nothing more is to be read.
    Full,
    /// Not even for an answer.
    Overfull,
}

/// What was delivered to a consumer and not taken over yet.
///
/// With acknowledgements the prefetch count bounds it. Without, or with none, the broker sends
/// whatever it has: then the connection reads no more while it is full, so that the broker's own
/// back pressure begins.
#[derive(Debug)]
pub(super) struct Mailbox {
    /// Known once the consumer has started.
    tag: OnceLock<ShortString>,
    no_ack: NoAck,
    bound: Bound,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    deliveries: VecDeque<Delivery>,
    bytes: usize,
    reader: Option<Waker>,
    end: Option<ConsumerEnd>,
    /// Its consumer was dropped: what comes is handed back.
    is_abandoned: bool,
}

/// What a mailbox did with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It waits for the consumer; that is how full the mailbox is by now.
    Kept(Level),
    /// Nobody will take it over: it goes back to its queue.
    HandedBack,
    /// Nobody will, and it was settled when it was sent.
    Dropped,
}

impl Mailbox {
    pub(super) fn new(no_ack: NoAck, bound: Bound) -> Self {
        Self { tag: OnceLock::new(), no_ack, bound, state: Mutex::default() }
    }

    /// The consumer has started, under this tag.
    pub(super) fn start(&self, tag: ShortString) {
        // Told once: a consumer starts once.
        let _ = self.tag.set(tag);
    }

    pub(super) fn tag(&self) -> &ShortString {
        static NOT_STARTED: ShortString = ShortString::EMPTY;
        self.tag.get().unwrap_or(&NOT_STARTED)
    }

    pub(super) fn push(&self, delivery: Delivery) -> Taken {
        let mut state = self.lock();
        if state.is_abandoned || state.end.is_some() {
            return match self.no_ack {
                NoAck::Yes => Taken::Dropped,
                NoAck::No => Taken::HandedBack,
            };
        }
        state.bytes += size(&delivery);
        state.deliveries.push_back(delivery);
        let (reader, level) = (state.reader.take(), state.level(self.bound));
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        Taken::Kept(level)
    }

    /// Whether the connection should read no more.
    pub(super) fn level(&self) -> Level {
        self.lock().level(self.bound)
    }

    /// Moves up to `max` deliveries to `buffer`, 0 at the end, and says whether that made room in a
    /// mailbox that was full.
    pub(super) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut VecDeque<Delivery>,
        max: usize,
    ) -> Poll<(usize, bool)> {
        let mut state = self.lock();
        let level = state.level(self.bound);
        let count = state.deliveries.len().min(max);
        if count == 0 {
            if state.end.is_some() {
                return Poll::Ready((0, false));
            }
            if !state.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
                state.reader = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        if count == state.deliveries.len() && buffer.is_empty() {
            std::mem::swap(&mut state.deliveries, buffer);
            state.bytes = 0;
        } else {
            let taken: usize = state.deliveries.iter().take(count).map(size).sum();
            state.bytes = state.bytes.saturating_sub(taken);
            buffer.extend(state.deliveries.drain(..count));
        }
        Poll::Ready((count, state.level(self.bound) < level))
    }

    /// Nothing more will come. What has come can still be taken over after a cancel, and is gone
    /// with a channel that was closed, but for what was settled when it was sent.
    pub(super) fn end(&self, end: ConsumerEnd) {
        let reader = {
            let mut state = self.lock();
            if matches!(end, ConsumerEnd::Closed(_)) && self.no_ack == NoAck::No {
                state.deliveries.clear();
                state.bytes = 0;
            }
            state.end.get_or_insert(end);
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    pub(super) fn ended(&self) -> Option<ConsumerEnd> {
        self.lock().end.clone()
    }

    /// The consumer is dropped: the numbers of what it did not take over and has to hand back.
    pub(super) fn abandon(&self) -> Vec<u64> {
        let mut state = self.lock();
        state.is_abandoned = true;
        state.bytes = 0;
        let deliveries = std::mem::take(&mut state.deliveries);
        match self.no_ack {
            NoAck::Yes => Vec::new(),
            NoAck::No => deliveries.iter().map(|delivery| delivery.delivery_tag).collect(),
        }
    }

    /// The state is whole between any two statements, so a panic elsewhere leaves nothing half
    /// done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// One that has ended, or that nobody reads any more, holds nobody up.
    fn level(&self, bound: Bound) -> Level {
        if bound == Bound::Prefetch || self.end.is_some() || self.is_abandoned {
            return Level::Room;
        }
        let reaches = |factor: usize| {
            self.deliveries.len() >= factor * DELIVERIES_MAX || self.bytes >= factor * BYTES_MAX
        };
        if reaches(HARD_FACTOR) {
            Level::Overfull
        } else if reaches(1) {
            Level::Full
        } else {
            Level::Room
        }
    }
}

fn size(delivery: &Delivery) -> usize {
    let message = &delivery.message.message;
    message.body.len() + message.properties.encoded_len()
}
