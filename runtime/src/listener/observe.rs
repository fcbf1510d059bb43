//! Who looks at what listeners do: the testing kit, metrics. Without anybody a message costs one
//! branch.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use springhare_broker::Clock;

use super::context::DeliveryContext;
use super::outcome::Outcome;
use crate::channel::{SettlementObserver, Verdict};
use crate::connection::{Confirmation, PublishResult};
use crate::template::TemplateObserver;

/// Is told what happens to deliveries. It is called in the consumer's task, which waits for it.
pub(crate) trait Observer: Debug + Send + Sync {
    /// A delivery is about to be handled.
    fn delivered(&self, _context: &DeliveryContext) {}

    /// Its handler is done, after so long; what it answers is not sent yet. A delivery whose
    /// consumer ends before is not told of.
    fn handled(&self, _context: &DeliveryContext, _outcome: &Outcome, _took: Duration) {}

    /// It is not known what came of a delivery: its consumer has ended before its handler was done.
    fn abandoned(&self, _context: &DeliveryContext) {}

    /// It is known what became of a message that was published.
    fn published(&self, _result: &PublishResult, _confirmation: Confirmation) {}

    /// A message was given up and put into this error queue.
    fn parked(&self, _queue: &str, _reason: &'static str) {}

    /// A connection was opened: `listeners` or `publisher`, the first or after a loss.
    fn connected(&self, _connection: &'static str) {}

    /// A delivery was settled on the channel of this [epoch](crate::Channel::epoch), by its
    /// listener or by its handler; with an ack of `Multiple::UpTo` all before it, too.
    fn settled(&self, _epoch: u64, _delivery_tag: u64, _verdict: Verdict) {}
}

/// All who look, and the clock that handlers are timed on.
#[derive(Debug, Clone)]
pub(crate) struct Observing(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    observers: Vec<Arc<dyn Observer>>,
    clock: Clock,
}

impl Observing {
    /// None without an observer.
    pub(crate) fn by(observers: Vec<Arc<dyn Observer>>, clock: Clock) -> Option<Self> {
        (!observers.is_empty()).then(|| Self(Arc::new(Shared { observers, clock })))
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

impl SettlementObserver for Shared {
    fn settled(&self, epoch: u64, delivery_tag: u64, verdict: Verdict) {
        self.observers.iter().for_each(|one| one.settled(epoch, delivery_tag, verdict));
    }
}

impl TemplateObserver for Shared {
    fn published(&self, result: &PublishResult, confirmation: Confirmation) {
        self.observers.iter().for_each(|one| one.published(result, confirmation));
    }

    fn parked(&self, queue: &str, reason: &'static str) {
        self.observers.iter().for_each(|one| one.parked(queue, reason));
    }

    fn connected(&self, connection: &'static str) {
        self.observers.iter().for_each(|one| one.connected(connection));
    }
}

/// A delivery that is looked at, if anybody looks.
#[derive(Debug, Clone, Copy)]
#[must_use = "its outcome is told, too"]
pub(crate) struct Observed {
    /// When it was delivered; none if nobody looks.
    since: Option<Duration>,
}

impl Observed {
    /// Tells that the delivery in `context` is about to be handled.
    pub(crate) fn delivered(context: &DeliveryContext) -> Self {
        let Some(Observing(shared)) = context.observing() else { return Self { since: None } };
        shared.observers.iter().for_each(|one| one.delivered(context));
        Self { since: Some(shared.clock.now()) }
    }

    /// Tells what its handler came to.
    pub(crate) fn handled(self, context: &DeliveryContext, outcome: &Outcome) {
        let (Some(since), Some(Observing(shared))) = (self.since, context.observing()) else {
            return;
        };
        let took = shared.clock.now().saturating_sub(since);
        shared.observers.iter().for_each(|one| one.handled(context, outcome, took));
    }

    /// Tells that nothing came of it.
    pub(crate) fn abandoned(self, context: &DeliveryContext) {
        if let (Some(_), Some(Observing(shared))) = (self.since, context.observing()) {
            shared.observers.iter().for_each(|one| one.abandoned(context));
        }
    }
}
