//! What listeners were called with, and what became of it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use serde::de::DeserializeOwned;
use springhare_amqp::{Message, ShortString};
use springhare_broker::{Clock, Multiple, PublishedMessage, Requeue};
use tokio::sync::Notify;

use crate::channel::Verdict;
use crate::connection::LinkChannel;
use crate::convert::{ConversionError, MessageConverters};
use crate::listener::context::DeliveryContext;
use crate::listener::endpoint::AcknowledgeMode;
use crate::listener::observe::{At, Observer};
use crate::listener::outcome::{Disposition, Outcome};

/// How long a test waits for calls and settlements, in real time; then it panics.
pub const AWAIT_LIMIT: Duration = Duration::from_secs(20);
/// How many calls a harness keeps in all; those after them are not captured.
pub const CALLS_MAX: usize = 100_000;

/// What a handler came to, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallOutcome {
    /// It returned `()`, `Ok` or `Outcome::Ack`.
    Done,
    /// It returned a reply.
    Replied,
    /// It returned `Outcome::Reject`.
    Rejected,
    /// It returned `Outcome::Requeue`.
    Requeued,
    /// It failed; see [`Call::error`] and [`Call::disposition`].
    Failed,
}

/// What became of a delivery at the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settlement {
    /// Acknowledged: the broker forgot it. That is also the end of one that was parked, or sent to
    /// its queue once more as a copy.
    Acked,
    /// Put back to its queue.
    Requeued,
    /// Refused: dead-lettered or dropped.
    Rejected,
    /// Its channel was closed before: the broker put it back.
    Returned,
}

impl Settlement {
    fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Ack(_) => Self::Acked,
            Verdict::Nack(Requeue::Yes) | Verdict::Reject(Requeue::Yes) => Self::Requeued,
            Verdict::Nack(Requeue::No) | Verdict::Reject(Requeue::No) => Self::Rejected,
        }
    }
}

/// One call of a listener: with which message, what the handler came to, what became of the
/// message.
///
/// What the handler's arguments were is told by the message that they were taken from.
#[derive(Clone)]
pub struct Call(Arc<Made>);

struct Made {
    listener: Arc<str>,
    queue: ShortString,
    exchange: ShortString,
    routing_key: ShortString,
    message: Arc<PublishedMessage>,
    /// The same as the application's processors have left it for the handler.
    processed: Arc<PublishedMessage>,
    redelivered: bool,
    attempt: u32,
    converters: MessageConverters,
    outcome: CallOutcome,
    reply: Option<Message>,
    error: Option<(String, Disposition)>,
    took: Duration,
    settling: Arc<Settling>,
}

/// A delivery on its way to be settled.
struct Settling {
    settled: OnceLock<Settlement>,
    channel: Weak<dyn LinkChannel>,
}

impl Settling {
    fn settlement(&self) -> Option<Settlement> {
        self.settled.get().copied().or_else(|| {
            let channel = self.channel.upgrade();
            let is_open = channel.is_some_and(|channel| channel.close_reason().is_none());
            (!is_open).then_some(Settlement::Returned)
        })
    }
}

impl Call {
    /// The message, as the broker delivered it.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.0.message.message
    }

    /// The message's body as a value, converted as the application does it.
    ///
    /// # Errors
    ///
    /// [`ConversionError`] when the body is not a `T`.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, ConversionError> {
        self.0.converters.read(&self.0.processed.message)
    }

    /// The id of the listener.
    #[must_use]
    pub fn listener(&self) -> &str {
        &self.0.listener
    }

    /// The queue that the message came from.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.0.queue
    }

    /// The exchange that the message was published to; empty for the default exchange.
    #[must_use]
    pub fn exchange(&self) -> &str {
        &self.0.exchange
    }

    /// The key that the message was published with.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        &self.0.routing_key
    }

    /// Whether the broker says that it may have delivered the message before.
    #[must_use]
    pub fn is_redelivered(&self) -> bool {
        self.0.redelivered
    }

    /// Which delivery of the message it was, from 1, as far as anybody counts.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// What the handler came to.
    #[must_use]
    pub fn outcome(&self) -> CallOutcome {
        self.0.outcome
    }

    /// The reply that the handler returned, without what the request adds to it.
    #[must_use]
    pub fn reply(&self) -> Option<&Message> {
        self.0.reply.as_ref()
    }

    /// Why it failed: the error and its causes.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.0.error.as_ref().map(|(text, _)| &**text)
    }

    /// What its failure means for the message.
    #[must_use]
    pub fn disposition(&self) -> Option<Disposition> {
        self.0.error.as_ref().map(|(_, disposition)| *disposition)
    }

    /// How long the handler took, on the broker's clock.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.0.took
    }

    /// What became of the message; none while it is not settled, and for good with `ack = "none"`.
    ///
    /// A message that failed is put back after a pause on the broker's clock.
    #[must_use]
    pub fn settlement(&self) -> Option<Settlement> {
        self.0.settling.settlement()
    }

    /// Whether it is settled soon, without time having to pass.
    fn is_settled_at_once(&self) -> bool {
        match (self.0.outcome, self.disposition()) {
            (CallOutcome::Failed, Some(disposition)) => matches!(
                disposition,
                Disposition::RejectAndDontRequeue
                    | Disposition::ImmediateRequeue
                    | Disposition::ImmediateAcknowledge
            ),
            (CallOutcome::Failed, None) => false,
            _ => true,
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("listener", &self.listener())
            .field("exchange", &self.exchange())
            .field("routing_key", &self.routing_key())
            .field("attempt", &self.attempt())
            .field("body", &self.message().body)
            .field("outcome", &self.outcome())
            .field("error", &self.error())
            .field("settlement", &self.settlement())
            .finish()
    }
}

/// Captures the calls of an application's listeners.
#[derive(Debug, Default)]
pub(super) struct Captures {
    captured: Mutex<Captured>,
    changed: Notify,
}

#[derive(Default)]
struct Captured {
    /// In the order of the handlers' ends.
    calls: Vec<Call>,
    /// What is not settled, by its channel and its number there.
    open: BTreeMap<(u64, u64), Arc<Settling>>,
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured")
            .field("calls", &self.calls.len())
            .field("open", &self.open.len())
            .finish()
    }
}

impl Captures {
    /// A call leaves nothing half done here, and a panic of a test is elsewhere.
    fn lock(&self) -> MutexGuard<'_, Captured> {
        self.captured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls_of(&self, listener: &str) -> Vec<Call> {
        let captured = self.lock();
        captured.calls.iter().filter(|call| call.listener() == listener).cloned().collect()
    }

    /// Waits until `found` finds something; none if that takes longer than [`AWAIT_LIMIT`].
    async fn wait_for<T>(&self, mut found: impl FnMut() -> Option<T>) -> Option<T> {
        let mut limit = pin!(Clock::system().sleep(AWAIT_LIMIT));
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = found() {
                return Some(found);
            }
            tokio::select! {
                () = changed => {}
                () = &mut limit => return None,
            }
        }
    }
}

impl Observer for Captures {
    fn delivered(&self, context: &DeliveryContext) {
        let mut captured = self.lock();
        if captured.open.len() < CALLS_MAX {
            let channel = Arc::downgrade(context.channel().link());
            let settling = Arc::new(Settling { settled: OnceLock::new(), channel });
            captured.open.insert(key(context), settling);
        }
        drop(captured);
        // What was open on a channel that is lost may have come back with this one.
        self.changed.notify_waiters();
    }

    fn handled(&self, context: &DeliveryContext, outcome: &Outcome, took: Duration) {
        let mut captured = self.lock();
        let settling = captured.open.get(&key(context)).cloned();
        let Some(settling) = settling.filter(|_| captured.calls.len() < CALLS_MAX) else { return };
        if settling.settled.get().is_some() {
            captured.open.remove(&key(context));
        }
        captured.calls.push(Call(Arc::new(Made::of(context, outcome, took, settling))));
        drop(captured);
        self.changed.notify_waiters();
    }

    fn settled(&self, epoch: u64, delivery_tag: u64, verdict: Verdict, _: u64, _: At<'_>) {
        let first = if verdict == Verdict::Ack(Multiple::UpTo) { 0 } else { delivery_tag };
        let mut captured = self.lock();
        let range = (Bound::Included((epoch, first)), Bound::Included((epoch, delivery_tag)));
        let tags: Vec<(u64, u64)> = captured.open.range(range).map(|(key, _)| *key).collect();
        for key in tags {
            let Some(settling) = captured.open.get(&key) else { continue };
            // What the handler has settled before stays as it is.
            let _ = settling.settled.set(Settlement::of(verdict));
            // One whose handler runs is looked for once more when that is done.
            if Arc::strong_count(settling) > 1 {
                captured.open.remove(&key);
            }
        }
        drop(captured);
        self.changed.notify_waiters();
    }
}

fn key(context: &DeliveryContext) -> (u64, u64) {
    (context.epoch(), context.delivery().delivery_tag)
}

impl Made {
    fn of(
        context: &DeliveryContext,
        outcome: &Outcome,
        took: Duration,
        settling: Arc<Settling>,
    ) -> Self {
        let delivery = context.delivery();
        let (word, reply, error) = match outcome {
            Outcome::Ack => (CallOutcome::Done, None, None),
            Outcome::Reply(reply) => (CallOutcome::Replied, Some(reply.message().clone()), None),
            Outcome::Reject => (CallOutcome::Rejected, None, None),
            Outcome::Requeue => (CallOutcome::Requeued, None, None),
            Outcome::RetryAfter(pause) => {
                let text = format!("it is to be tried again after {pause:?}");
                (CallOutcome::Failed, None, Some((text, Disposition::RetryAfter(*pause))))
            }
            Outcome::Failed(error) => {
                let error = (error.report(), error.disposition());
                (CallOutcome::Failed, None, Some(error))
            }
        };
        Self {
            listener: Arc::from(context.listener_id()),
            queue: context.queue().clone(),
            exchange: context.exchange().clone(),
            routing_key: context.routing_key().clone(),
            message: Arc::clone(&delivery.message),
            processed: Arc::clone(context.published()),
            redelivered: delivery.redelivered,
            attempt: context.failures().attempts(),
            converters: context.converters().clone(),
            outcome: word,
            reply,
            error,
            took,
            settling,
        }
    }
}

/// The calls of one listener.
#[derive(Debug)]
pub struct CapturedListener<'h> {
    captures: &'h Captures,
    id: &'h str,
    acknowledge: AcknowledgeMode,
}

impl<'h> CapturedListener<'h> {
    pub(super) fn new(captures: &'h Captures, id: &'h str, acknowledge: AcknowledgeMode) -> Self {
        Self { captures, id, acknowledge }
    }

    /// The calls whose handlers are done, in the order of their ends.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.captures.calls_of(self.id)
    }

    /// Waits until at least so many handlers are done, and returns all that are, in the order of
    /// their ends.
    ///
    /// What the listener settles without a pause it has settled then: see [`Call::settlement`].
    ///
    /// # Panics
    ///
    /// When [`AWAIT_LIMIT`] is over; the message has the calls so far.
    pub async fn await_calls(&self, count: usize) -> Vec<Call> {
        let is_auto = self.acknowledge == AcknowledgeMode::Auto;
        let is_whole =
            |call: &Call| !is_auto || !call.is_settled_at_once() || call.settlement().is_some();
        let enough = || {
            let calls = self.calls();
            (calls.len() >= count && calls.iter().take(count).all(is_whole)).then_some(calls)
        };
        match self.captures.wait_for(enough).await {
            Some(calls) => calls,
            None => self.give_up(&format!("{count} calls")),
        }
    }

    /// Waits until at least so many calls are [settled](Call::settlement), and returns all that
    /// are.
    ///
    /// # Panics
    ///
    /// As [`await_calls`](Self::await_calls).
    pub async fn await_settled(&self, count: usize) -> Vec<Call> {
        let enough = || {
            let mut calls = self.calls();
            calls.retain(|call| call.settlement().is_some());
            (calls.len() >= count).then_some(calls)
        };
        match self.captures.wait_for(enough).await {
            Some(calls) => calls,
            None => self.give_up(&format!("{count} settled calls")),
        }
    }

    #[expect(clippy::panic, reason = "a test ends with a panic")]
    fn give_up(&self, what: &str) -> ! {
        let (id, calls) = (self.id, self.calls());
        panic!(
            "waited {AWAIT_LIMIT:?} in vain for {what} of listener '{id}'; there are {}: {calls:#?}",
            calls.len()
        );
    }
}
