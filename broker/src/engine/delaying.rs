//! Messages that wait at delayed exchanges (`x-delayed-message`).
//!
//! One is confirmed when it begins to wait, and routed when it is due, as the exchange is bound
//! then. It is never returned as unroutable, since nobody knows yet. As long as it waits it counts
//! as memory, and as what [`delayed_max_bytes`](crate::BrokerConfig) limits: beyond that, it is
//! refused as by a full queue.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use springhare_amqp::ShortString;

use super::memory::MessageMemory;
use super::queue_cell::QueueRef;
use super::random;
use super::timers::{Timed, TimerId};
use super::virtual_host::VirtualHost;
use crate::model::delayed_messages::{DelayedMessages, charge};
use crate::model::exchange::{ExchangeKind, end_delay};
use crate::model::message::PublishedMessage;
use crate::model::routed_message::RoutedMessage;
use crate::model::routes::{Delay, Routes};
use crate::model::topology::Topology;

/// How many messages are taken out under the lock at a time.
const BATCH: usize = 256;

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
    /// The time that was asked for.
    due: Option<Duration>,
}

/// The message is more than may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DelayedFull;

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
    /// Lets a message wait at each of these exchanges that is still there.
    ///
    /// # Errors
    ///
    /// [`DelayedFull`]; it waits nowhere then.
    pub(super) fn delay(
        &self,
        message: &Arc<PublishedMessage>,
        delays: &[Delay],
    ) -> Result<(), DelayedFull> {
        if delays.is_empty() {
            return Ok(());
        }
        let now = self.clock().now();
        let mut state = self.delaying().lock();
        // Who published may know an older topology, or have waited for a commit. Whoever deletes an
        // exchange takes this lock after it is gone, so either of both sees the other.
        let topology = self.topology();
        let there = || delays.iter().filter(|delay| is_delayed(&topology, &delay.exchange));
        let count = u64::try_from(there().count()).unwrap_or(u64::MAX);
        let bytes = charge(message).saturating_mul(count);
        if count == 0 {
            return Ok(());
        }
        if state.messages.bytes().saturating_add(bytes) > self.config().delayed_max_bytes {
            return Err(DelayedFull);
        }
        self.memory().grow(bytes);
        for Delay { exchange, delay } in there() {
            state.messages.push(now.saturating_add(*delay), exchange, Arc::clone(message));
        }
        self.set_timer(&mut state);
        Ok(())
    }

    /// Drops the messages that wait at exchanges which are no more. Returns their bytes, which are
    /// still to be freed. Only for who has the writer.
    #[must_use]
    pub(super) fn forget_delayed(&self) -> u64 {
        let mut state = self.delaying().lock();
        if state.messages.is_empty() {
            return 0;
        }
        let topology = self.topology();
        state.messages.retain_exchanges(|exchange| is_delayed(&topology, exchange))
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
    fn route_delayed(&self, exchange: &ShortString, message: Arc<PublishedMessage>) {
        let mut message = Arc::unwrap_or_clone(message);
        end_delay(&mut message.message.properties);
        let mut routes = Routes::default();
        let routed = RoutedMessage::of(&message, random::number);
        let is_routed = self.topology().route(exchange, &routed, &mut routes).is_ok();
        if !is_routed || routes.is_empty() {
            tracing::debug!(%exchange, "a delayed message has no route and is dropped");
            return;
        }
        let message = Arc::new(message);
        for queue in routes.queues() {
            queue.enqueue([Arc::clone(&message)], routes.len(), |_| {
                tracing::debug!(queue = %queue.name(), "a full queue refuses a delayed message");
            });
        }
    }
}

impl Timed for VirtualHost {
    fn due(self: Arc<Self>) {
        self.delaying().lock().due = None;
        loop {
            let now = self.clock().now();
            let mut state = self.delaying().lock();
            let due = std::iter::from_fn(|| state.messages.pop_due(now));
            let due: Vec<_> = due.take(BATCH).collect();
            if due.is_empty() {
                self.set_timer(&mut state);
                return;
            }
            drop(state);
            for (exchange, message) in due {
                let bytes = charge(&message);
                self.route_delayed(&exchange, message);
                // Only now: it is counted twice for a moment, and never not at all.
                self.memory().free(bytes);
            }
        }
    }
}

/// Whether messages can wait at an exchange of this name.
fn is_delayed(topology: &Topology<QueueRef>, exchange: &str) -> bool {
    let known = topology.exchange(exchange);
    known.is_some_and(|known| known.kind == ExchangeKind::DelayedMessage)
}

#[cfg(test)]
mod tests;
