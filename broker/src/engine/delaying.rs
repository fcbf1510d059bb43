//! Messages that wait at delayed exchanges (`x-delayed-message`).
//!
//! One is confirmed when it begins to wait, and routed when it is due, as the exchange is bound
//! then. It is never returned as unroutable, since nobody knows yet. As long as it waits it counts
//! as memory, and as what [`delayed_max_bytes`](crate::BrokerConfig) limits: beyond that, it is
//! refused as by a full queue. The journal keeps persistent ones that wait at durable exchanges;
//! where there are many, these are on the disk alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use springhare_amqp::ShortString;

use super::entering::Entrance;
use super::memory::MessageMemory;
use super::queue_cell::QueueRef;
use super::random;
use super::timers::{Timed, TimerId};
use super::virtual_host::VirtualHost;
use crate::model::delayed_messages::{DelayedMessages, Forgotten, WaitingMessage, charge};
use crate::model::exchange::{ExchangeKind, end_delay};
use crate::model::message::PublishedMessage;
use crate::model::pager::{READ_AGAIN_AFTER, ReadBack};
use crate::model::queue::Shelved;
use crate::model::routed_message::RoutedMessage;
use crate::model::routes::{Delay, Routes};
use crate::model::stored::{Lsn, Reference};
use crate::model::topology::Topology;
use crate::store::{Append, Failure, Journal, RecoveredDelayed};

/// How many messages are taken out under the lock at a time, and bytes of those that are to be read
/// back.
const BATCH: usize = 256;
const BATCH_BYTES: u64 = 256 << 10;

/// How long a message that is due waits until it is tried again, with all that come after it at its
/// exchange, when the journal does not take it or the disk does not give it.
const TRY_AGAIN_AFTER: Duration = READ_AGAIN_AFTER;

/// The messages of a virtual host that wait at its delayed exchanges.
///
/// Its lock is taken alone or under the topology's writer, and the timers' under it.
#[derive(Debug)]
pub(super) struct Delaying {
    state: Mutex<State>,
    timer: TimerId,
    memory: Arc<MessageMemory>,
}

#[derive(Debug, Default)]
struct State {
    messages: DelayedMessages,
    /// The exchanges of those that were taken out to be routed, as far as they are still there.
    routed: BTreeSet<ShortString>,
    /// The time that was asked for.
    due: Option<Duration>,
}

/// Why a message does not wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotDelayed {
    /// It is more than may wait.
    Full,
    /// The journal does not take it.
    NotStored(Failure),
}

impl NotDelayed {
    /// Why the journal does not take it, if that is the reason.
    pub(super) fn failure(self) -> Option<Failure> {
        match self {
            Self::Full => None,
            Self::NotStored(failure) => Some(failure),
        }
    }
}

impl Delaying {
    pub(super) fn new(timer: TimerId, memory: Arc<MessageMemory>) -> Self {
        Self { state: Mutex::default(), timer, memory }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The virtual host is gone, and so are its messages.
impl Drop for Delaying {
    fn drop(&mut self) {
        let bytes = self.lock().messages.bytes();
        self.memory.free(bytes);
    }
}

impl VirtualHost {
    /// Lets a message wait at each of these exchanges that is still there; what has to be synced for
    /// that to be safe. If the journal keeps it, it takes the place of `replaced` there.
    ///
    /// # Errors
    ///
    /// [`NotDelayed`]; it waits nowhere then.
    pub(super) fn delay(
        &self,
        message: &Arc<PublishedMessage>,
        delays: &[Delay],
        replaced: Option<Reference>,
    ) -> Result<Lsn, NotDelayed> {
        if delays.is_empty() {
            return Ok(Lsn::NONE);
        }
        let mut delayed = self.begin_delaying();
        delayed.add(message, delays)?;
        let journal = self.shared().journal().filter(|_| delayed.is_any_kept());
        let end = match journal {
            None => Lsn::NONE,
            Some(journal) => {
                let bytes = delayed.bound() + Journal::SMALL_BOUND;
                let appended = journal.append_together(bytes, |append| {
                    delayed.append(append);
                    append.settle(replaced.as_slice());
                });
                appended.map_err(NotDelayed::NotStored)?.1
            }
        };
        delayed.finish();
        Ok(end)
    }

    /// Begins to let messages wait, and keeps others from it.
    pub(super) fn begin_delaying(&self) -> DelayedBatch<'_> {
        let state = self.delaying().lock();
        // Who published may know an older topology, or have waited for a commit. Whoever deletes an
        // exchange takes this lock after it is gone, so either of both sees the other.
        let topology = self.topology();
        let now = self.clock().now();
        DelayedBatch { virtual_host: self, state, topology, now, bytes: 0, messages: Vec::new() }
    }

    /// Lets a message wait on that did so when the broker was stopped.
    pub(crate) fn restore_delayed(&self, recovered: RecoveredDelayed) {
        let RecoveredDelayed { reference, exchange, due, place, body_len, .. } = recovered;
        let mut state = self.delaying().lock();
        if !is_delayed(&self.topology(), &exchange) {
            drop(state);
            self.settle_delayed(&[reference]);
            return;
        }
        let due = Duration::from_millis(due).saturating_sub(self.clock().epoch());
        let before = state.messages.bytes();
        state.messages.restore(due, &exchange, (reference, place), body_len);
        self.memory().grow(state.messages.bytes() - before);
        self.set_timer(&mut state);
    }

    /// What the journal knows those by that wait, as far as it keeps them.
    #[cfg(test)]
    pub(super) fn delayed_references(&self) -> BTreeSet<Reference> {
        self.delaying().lock().messages.references().collect()
    }

    /// Drops the messages that wait at exchanges which are no more. Returns their bytes, which are
    /// still to be freed. Only for who has the writer.
    #[must_use]
    pub(super) fn forget_delayed(&self) -> u64 {
        let mut state = self.delaying().lock();
        if state.messages.is_empty() && state.routed.is_empty() {
            return 0;
        }
        let topology = self.topology();
        state.routed.retain(|exchange| is_delayed(&topology, exchange));
        let forgotten = state.messages.retain_exchanges(|exchange| is_delayed(&topology, exchange));
        drop(state);
        let Forgotten { bytes, references } = forgotten;
        self.settle_delayed(&references);
        bytes
    }

    fn settle_delayed(&self, references: &[Reference]) {
        if let Some(journal) = self.shared().journal() {
            journal.settle(references);
        }
    }

    /// Asks for the time of the first message. A time that is too early does no harm.
    fn set_timer(&self, state: &mut State) {
        let Some(next) = state.messages.next_due() else { return };
        if state.due.is_none_or(|due| next < due) {
            let me = || -> Weak<dyn Timed> { self.weak_timed() };
            self.shared().timers().set(self.delaying().timer, state.due, next, me);
            state.due = Some(next);
        }
    }

    /// Routes a message from the exchange that it waited at, with the header that says so.
    ///
    /// # Errors
    ///
    /// The journal does not take it, and it is to wait on.
    fn route_delayed(
        &self,
        exchange: &ShortString,
        message: &PublishedMessage,
        reference: Option<Reference>,
    ) -> Result<(), Failure> {
        let (exchange_of, routing_key) = (message.exchange.clone(), message.routing_key.clone());
        let copies = message.shared_copies();
        let mut content = message.message.clone();
        end_delay(&mut content.properties);
        let message = PublishedMessage::new(exchange_of, routing_key, content).with_copies(copies);
        let mut routes = Routes::default();
        let routed = RoutedMessage::of(&message, random::number);
        let is_routed = self.topology().route(exchange, &routed, &mut routes).is_ok();
        if !is_routed || routes.is_empty() {
            tracing::warn!(%exchange, "a delayed message has no route and is dropped");
            self.settle_delayed(reference.as_slice());
            return Ok(());
        }
        let message = Arc::new(message);
        let entrance = Entrance::open(self, routes.queues(), [(&*message, reference)])?;
        let is_replaced = entrance.is_kept(0);
        entrance.through(|at, queue, references| {
            let entering = references.entering(at, [Arc::clone(&message)], routes.len());
            queue.enqueue(entering, |_| {
                tracing::warn!(queue = %queue.name(), "a full queue refuses a delayed message");
            });
        });
        if !is_replaced {
            self.settle_delayed(reference.as_slice());
        }
        Ok(())
    }
}

/// Messages that begin to wait together, and nobody else meanwhile.
#[derive(Debug)]
#[must_use = "they wait once that is finished"]
pub(super) struct DelayedBatch<'v> {
    virtual_host: &'v VirtualHost,
    state: MutexGuard<'v, State>,
    topology: Arc<Topology<QueueRef>>,
    now: Duration,
    /// What those that are added are charged with.
    bytes: u64,
    messages: Vec<Delayed>,
}

/// A message that is to wait at an exchange.
#[derive(Debug)]
struct Delayed {
    delay: Delay,
    message: Arc<PublishedMessage>,
    is_kept: bool,
    /// What the journal knows it by, once it keeps it.
    reference: Option<Reference>,
}

impl DelayedBatch<'_> {
    /// Adds a message, for each of these exchanges that is still there.
    ///
    /// # Errors
    ///
    /// [`NotDelayed::Full`]; it is not added then.
    pub(super) fn add(
        &mut self,
        message: &Arc<PublishedMessage>,
        delays: &[Delay],
    ) -> Result<(), NotDelayed> {
        let there = |delay: &&Delay| is_delayed(&self.topology, &delay.exchange);
        let count = u64::try_from(delays.iter().filter(there).count()).unwrap_or(u64::MAX);
        let bytes = charge(message).saturating_mul(count);
        let all = self.state.messages.bytes().saturating_add(self.bytes).saturating_add(bytes);
        if count > 0 && all > self.virtual_host.config().delayed_max_bytes {
            return Err(NotDelayed::Full);
        }
        self.bytes += bytes;
        for delay in delays.iter().filter(there) {
            let exchange = self.topology.exchange(&delay.exchange);
            let is_kept = self.virtual_host.shared().journal().is_some()
                && message.is_persistent()
                && exchange.is_some_and(|exchange| exchange.durable);
            // Where the journal has it is said of one that is nowhere else.
            let message = match is_kept {
                true => Arc::new(PublishedMessage::clone(message).unstored()),
                false => Arc::clone(message),
            };
            self.messages.push(Delayed { delay: delay.clone(), message, is_kept, reference: None });
        }
        Ok(())
    }

    /// Whether the journal keeps any of them.
    pub(super) fn is_any_kept(&self) -> bool {
        self.messages.iter().any(|delayed| delayed.is_kept)
    }

    /// The most that they take in the journal, in bytes.
    pub(super) fn bound(&self) -> usize {
        let kept = self.messages.iter().filter(|delayed| delayed.is_kept);
        let bound = |Delayed { delay, message, .. }: &Delayed| {
            Journal::delayed_bound(message, self.virtual_host.name(), &delay.exchange)
        };
        kept.map(bound).sum()
    }

    /// Appends those to the journal that it keeps.
    pub(super) fn append(&mut self, append: &mut Append<'_>) {
        let started_at = self.virtual_host.clock().epoch().saturating_add(self.now);
        for Delayed { delay, message, reference, .. } in
            self.messages.iter_mut().filter(|delayed| delayed.is_kept)
        {
            let due = started_at.saturating_add(delay.delay);
            let name = self.virtual_host.name();
            *reference = Some(append.delayed(message, name, &delay.exchange, due));
        }
    }

    /// From now on they wait.
    pub(super) fn finish(self) {
        let Self { virtual_host, mut state, now, messages, .. } = self;
        if messages.is_empty() {
            return;
        }
        let before = state.messages.bytes();
        let exchanges: BTreeSet<ShortString> =
            messages.iter().map(|delayed| delayed.delay.exchange.clone()).collect();
        for Delayed { delay: Delay { exchange, delay }, message, reference, .. } in messages {
            state.messages.push(now.saturating_add(delay), &exchange, message, reference);
        }
        let shared = virtual_host.shared();
        if let (Some(how), Some(journal)) = (shared.page_out(), shared.journal()) {
            for exchange in &exchanges {
                state.messages.page_out(exchange, &**journal, how);
            }
        }
        let after = state.messages.bytes();
        shared.memory().grow(after.saturating_sub(before));
        shared.memory().free(before.saturating_sub(after));
        virtual_host.set_timer(&mut state);
    }
}

impl Timed for VirtualHost {
    fn due(self: Arc<Self>) {
        self.delaying().lock().due = None;
        loop {
            let due = self.delaying().lock().take_due(self.clock().now());
            let is_over = due.is_empty();
            // A disk that fails may be slow: what others have due comes first.
            if self.route_due(due) == Routed::NotAll || is_over {
                self.set_timer(&mut self.delaying().lock());
                return;
            }
        }
    }
}

/// Whether messages that were due are routed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Routed {
    All,
    /// Some are to be tried again.
    NotAll,
}

impl State {
    /// Some of the messages that are due.
    fn take_due(&mut self, now: Duration) -> Vec<(ShortString, WaitingMessage)> {
        let (mut due, mut bytes) = (Vec::new(), 0);
        self.routed.clear();
        while due.len() < BATCH
            && bytes < BATCH_BYTES
            && let Some((exchange, waiting)) = self.messages.pop_due(now)
        {
            if let Shelved::Cold(cold) = &waiting.message {
                bytes += cold.body_len;
            }
            self.routed.insert(exchange.clone());
            due.push((exchange, waiting));
        }
        due
    }
}

impl VirtualHost {
    /// Routes messages that are due. Those that can't be go back to their places for a while, and so
    /// do those that come after them at the same exchange.
    fn route_due(&self, due: Vec<(ShortString, WaitingMessage)>) -> Routed {
        let mut read = self.read_delayed(&due);
        let mut held_up: Vec<ShortString> = Vec::new();
        for (exchange, waiting) in due {
            let is_done = !held_up.contains(&exchange)
                && match &waiting.message {
                    Shelved::Warm(warm) => {
                        self.route_delayed(&exchange, &warm.message, warm.reference).is_ok()
                    }
                    Shelved::Cold(cold) => match read.remove(&cold.reference) {
                        Some(ReadBack::Message(message)) => {
                            let reference = Some(cold.reference);
                            self.route_delayed(&exchange, &message, reference).is_ok()
                        }
                        Some(ReadBack::Lost) => {
                            let reference = cold.reference.number();
                            tracing::error!(%exchange, reference, "a delayed message is lost");
                            true
                        }
                        Some(ReadBack::NotNow) | None => false,
                    },
                };
            if is_done {
                let bytes = waiting.message.charge();
                drop(waiting);
                // Only now: it is counted twice for a moment, and never not at all.
                self.memory().free(bytes);
            } else {
                self.put_back_delayed(&exchange, waiting);
                held_up.push(exchange);
            }
        }
        if held_up.is_empty() { Routed::All } else { Routed::NotAll }
    }

    /// Lets a message wait on that could not be routed. One whose exchange was deleted meanwhile is
    /// dropped, as the others were that waited there, even if there is one of that name again.
    fn put_back_delayed(&self, exchange: &ShortString, waiting: WaitingMessage) {
        let mut state = self.delaying().lock();
        if state.routed.contains(exchange) {
            // To read it may have taken long.
            let again_at = self.clock().now().saturating_add(TRY_AGAIN_AFTER);
            state.messages.put_back(exchange, waiting, again_at);
            return;
        }
        drop(state);
        self.settle_delayed(waiting.message.reference().as_slice());
        let bytes = waiting.message.charge();
        drop(waiting);
        self.memory().free(bytes);
    }

    /// Reads back what is on the disk alone.
    fn read_delayed(&self, due: &[(ShortString, WaitingMessage)]) -> HashMap<Reference, ReadBack> {
        let Some(journal) = self.shared().journal() else { return HashMap::new() };
        let mut by_segment: BTreeMap<u32, Vec<(Reference, u32)>> = BTreeMap::new();
        for (_, waiting) in due {
            if let Shelved::Cold(cold) = &waiting.message {
                by_segment.entry(cold.segment).or_default().push((cold.reference, cold.offset));
            }
        }
        let read = by_segment.into_iter().flat_map(|(segment, places)| {
            let read = journal.read(segment, &places);
            places.into_iter().map(|(reference, _)| reference).zip(read)
        });
        read.collect()
    }
}

/// Whether messages can wait at an exchange of this name.
fn is_delayed(topology: &Topology<QueueRef>, exchange: &str) -> bool {
    let known = topology.exchange(exchange);
    known.is_some_and(|known| known.kind == ExchangeKind::DelayedMessage)
}

#[cfg(test)]
mod tests;
