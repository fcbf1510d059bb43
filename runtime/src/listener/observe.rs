//! Who looks at what listeners do: the testing kit, metrics. Without anybody a message costs one
//! branch.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use springhare_amqp::ShortString;
use springhare_broker::Clock;

use super::context::DeliveryContext;
use super::outcome::Outcome;
use crate::channel::{SettlementObserver, Verdict};
use crate::template::{Fate, TemplateObserver};

/// The broker's name, where the application has several.
pub(crate) type At<'a> = Option<&'a str>;

/// Is told what happens to deliveries. It is called in the consumer's task, which waits for it.
pub(crate) trait Observer: Debug + Send + Sync {
    /// A delivery is about to be handled.
    fn delivered(&self, _context: &DeliveryContext) {}

    /// Its handler is done, after so long; what it answers is not sent yet. A delivery whose
    /// consumer ends before is not told of.
    fn handled(&self, _context: &DeliveryContext, _outcome: &Outcome, _took: Duration) {}

    /// A delivery to this listener, from a queue of this [name](DeliveryContext::counted_queue), is
    /// not at work any more and nothing is told of what came of it: its consumer has ended before its
    /// handler was done, or it waits for the next batch.
    fn abandoned(&self, _listener_id: &str, _queue: &str, _at: At<'_>) {}

    /// It is known what became of a message that was published.
    fn published(&self, _fate: Fate, _at: At<'_>) {}

    /// A request that was told to be [sent](Fate::Sent) came back.
    fn request_returned(&self, _at: At<'_>) {}

    /// A message was given up and put into this error queue.
    fn parked(&self, _queue: &str, _reason: &'static str, _at: At<'_>) {}

    /// A connection was opened: `listeners` or `publisher`, the first or after a loss.
    fn connected(&self, _connection: &'static str, _at: At<'_>) {}

    /// One of them was closed, or turned out to be lost.
    fn disconnected(&self, _connection: &'static str, _at: At<'_>) {}

    /// A delivery was settled on the channel of this [epoch](crate::Channel::epoch), by its
    /// listener or by its handler; with an ack of `Multiple::UpTo` all before it, too: so many
    /// deliveries.
    fn settled(
        &self,
        _epoch: u64,
        _delivery_tag: u64,
        _verdict: Verdict,
        _deliveries: u64,
        _at: At<'_>,
    ) {
    }
}

/// All who look, and the clock that handlers are timed on.
#[derive(Debug, Clone)]
pub(crate) struct Observing(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    observers: Vec<Arc<dyn Observer>>,
    clock: Clock,
    /// The broker's name, where the application has several.
    broker: Option<Arc<str>>,
}

impl Observing {
    /// None without an observer.
    pub(crate) fn by(
        observers: Vec<Arc<dyn Observer>>,
        clock: Clock,
        broker: Option<Arc<str>>,
    ) -> Option<Self> {
        (!observers.is_empty()).then(|| Self(Arc::new(Shared { observers, clock, broker })))
    }

    /// The broker's name, where the application has several.
    #[cfg(feature = "metrics")]
    pub(crate) fn broker(&self) -> At<'_> {
        self.0.broker.as_deref()
    }

    /// Who is told of what the template does.
    pub(crate) fn template(&self) -> Arc<dyn TemplateObserver> {
        Arc::clone(&self.0) as Arc<dyn TemplateObserver>
    }

    /// Who is told of a channel's settlements.
    pub(crate) fn settlements(&self) -> Arc<dyn SettlementObserver> {
        Arc::clone(&self.0) as Arc<dyn SettlementObserver>
    }
}

impl Shared {
    fn at(&self) -> At<'_> {
        self.broker.as_deref()
    }
}

impl SettlementObserver for Shared {
    fn settled(&self, epoch: u64, delivery_tag: u64, verdict: Verdict, deliveries: u64) {
        let at = self.at();
        let observers = self.observers.iter();
        observers.for_each(|one| one.settled(epoch, delivery_tag, verdict, deliveries, at));
    }
}

impl TemplateObserver for Shared {
    fn published(&self, fate: Fate) {
        self.observers.iter().for_each(|one| one.published(fate, self.at()));
    }

    fn request_returned(&self) {
        self.observers.iter().for_each(|one| one.request_returned(self.at()));
    }

    fn parked(&self, queue: &str, reason: &'static str) {
        self.observers.iter().for_each(|one| one.parked(queue, reason, self.at()));
    }

    fn connected(&self, connection: &'static str) {
        self.observers.iter().for_each(|one| one.connected(connection, self.at()));
    }

    fn disconnected(&self, connection: &'static str) {
        self.observers.iter().for_each(|one| one.disconnected(connection, self.at()));
    }
}

/// A delivery that somebody looks at. Dropped before its handler is done, it is abandoned.
#[derive(Debug)]
#[must_use = "its outcome is told, too"]
pub(crate) struct Observed {
    observing: Observing,
    since: Duration,
    listener_id: Arc<str>,
    queue: ShortString,
    is_handled: bool,
}

impl Observed {
    /// Tells that the delivery in `context` is about to be handled; none if nobody looks.
    pub(crate) fn delivered(context: &DeliveryContext) -> Option<Self> {
        let observing = context.observing()?;
        observing.0.observers.iter().for_each(|one| one.delivered(context));
        Some(Self {
            observing: observing.clone(),
            since: observing.0.clock.now(),
            listener_id: context.shared_listener_id(),
            queue: context.counted_queue(),
            is_handled: false,
        })
    }

    /// Tells what its handler came to.
    pub(crate) fn handled(mut self, context: &DeliveryContext, outcome: &Outcome) {
        self.is_handled = true;
        let Observing(shared) = &self.observing;
        let took = shared.clock.now().saturating_sub(self.since);
        shared.observers.iter().for_each(|one| one.handled(context, outcome, took));
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if !self.is_handled {
            let observers = self.observing.0.observers.iter();
            let at = self.observing.0.at();
            observers.for_each(|one| one.abandoned(&self.listener_id, &self.queue, at));
        }
    }
}
