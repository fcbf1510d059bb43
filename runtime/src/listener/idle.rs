//! Tells that a listener is idle, where its `idle_event` asks for that: no message has come for so
//! long, or for a multiple of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use springhare_broker::Clock;

use super::container::Container;
use super::crew::Crew;
use super::health::ListenerStatus;
use super::stop_signal::{StopPhase, StopSignal};
use super::supervisor::ListenerScope;
use crate::events::ApplicationEvent;

/// Since when a container's consumers have nothing to do.
#[derive(Debug)]
pub(crate) struct Idleness {
    interval: Duration,
    clock: Clock,
    /// When the last message was done, or the consumers were started; in nanoseconds on the clock.
    since: AtomicU64,
    /// How many consumers have messages in hand.
    working: AtomicUsize,
}

/// A consumer that has messages in hand; dropped, it has none.
#[derive(Debug)]
pub(super) struct Working<'i>(&'i Idleness);

impl Idleness {
    pub(super) fn new(interval: Duration, clock: Clock) -> Self {
        Self { interval, clock, since: AtomicU64::new(0), working: AtomicUsize::new(0) }
    }

    /// The consumers are started: the time begins anew.
    pub(super) fn begin(&self) {
        self.since.store(nanos(self.clock.now()), Ordering::Release);
    }

    /// A consumer has messages in hand.
    pub(super) fn works(&self) -> Working<'_> {
        self.working.fetch_add(1, Ordering::AcqRel);
        Working(self)
    }

    /// For how long there has been nothing to do; not at all while somebody works.
    fn idle_time(&self) -> Duration {
        if self.working.load(Ordering::Acquire) > 0 {
            return Duration::ZERO;
        }
        let since = self.since.load(Ordering::Acquire);
        Duration::from_nanos(nanos(self.clock.now()).saturating_sub(since))
    }

    /// The time until the next multiple of the interval.
    fn until_next(&self, idle: Duration) -> Duration {
        let interval = nanos(self.interval).max(1);
        Duration::from_nanos(interval - nanos(idle) % interval)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.begin();
        self.0.working.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A time in nanoseconds, of which there are enough for 584 years.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Looks whether a container is idle, while it runs.
#[derive(Debug)]
pub(super) struct IdleWatch {
    pub(super) scope: Arc<ListenerScope>,
    pub(super) container: Arc<Container>,
    pub(super) crew: Arc<Crew>,
    pub(super) stop: Arc<StopSignal>,
}

impl IdleWatch {
    /// Until the container is told to stop.
    pub(super) async fn run(self) {
        let Some(idleness) = self.container.idleness() else { return };
        loop {
            let idle = idleness.idle_time();
            let pause = idleness.clock.sleep(idleness.until_next(idle));
            if self.stop.unless(StopPhase::Draining, pause).await.is_none() {
                return;
            }
            let idle_time = idleness.idle_time();
            // Who waits for the broker is not idle.
            let consumes = self.crew.status(None) == ListenerStatus::Consuming;
            if consumes && idle_time >= idleness.interval {
                self.tell(idle_time);
            }
        }
    }

    fn tell(&self, idle_time: Duration) {
        self.container.telling.tell_at(|listener, broker| {
            let queues = self.scope.names_now(self.crew.queues());
            ApplicationEvent::Idle { listener, broker, queues, idle_time }
        });
    }
}
