use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use springhare_amqp::ShortString;
use springhare_broker::Publish;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::Outcome;
use super::channel::{CallChannel, REPLY_TO};
use super::channels::{CallChannels, Takes, Way};
use super::pending::End;
use super::wait::Wait;
use super::waiting::Waiting;
use crate::error::CallError;
use crate::in_time::in_time;
use crate::template::Fate;
use crate::template::publishing::Publishing;

/// The most calls that wait for their replies.
pub(super) const CALLS_MAX: usize = 65_536;

/// The calls of a template.
#[derive(Debug)]
pub(in crate::template) struct Calls {
    publishing: Arc<Publishing>,
    /// Where the channels' tasks run: the application's, since a caller's may end before.
    runtime: Option<Handle>,
    state: Mutex<State>,
    in_flight: AtomicUsize,
    late_replies: Arc<AtomicU64>,
    /// How many calls wait for a channel: all are busy.
    waiting: AtomicUsize,
    /// A channel may have become idle; one of those who wait looks.
    has_channel: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    channels: CallChannels,
    /// The number of the last call.
    last: u64,
    /// The queues that the application does not consume from any more.
    left: BTreeSet<ShortString>,
    is_stopped: bool,
}

impl Calls {
    pub(in crate::template) fn new(publishing: Arc<Publishing>) -> Self {
        Self {
            publishing,
            runtime: Handle::try_current().ok(),
            state: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            late_replies: Arc::default(),
            waiting: AtomicUsize::new(0),
            has_channel: Arc::default(),
        }
    }

    pub(in crate::template) fn late_replies(&self) -> u64 {
        self.late_replies.load(Ordering::Relaxed)
    }

    /// Whether who asks is on the runtime of the channels' tasks, or on none, which has no timers.
    pub(super) fn are_at_home(&self) -> bool {
        match (&self.runtime, Handle::try_current()) {
            (Some(home), Ok(here)) => home.id() == here.id(),
            (None, Ok(_)) => false,
            (_, Err(_)) => true,
        }
    }

    /// Sends a request, says when it is `sent`, and waits for the reply, which has this correlation id if its
    /// caller chose one.
    pub(super) async fn call(
        &self,
        request: Publish,
        chosen: Option<ShortString>,
        timeout: Duration,
        sent: impl FnOnce(),
    ) -> Outcome {
        let Publish { exchange, routing_key, mut message, .. } = request;
        // Where else it goes is the broker's to know.
        let queue = exchange.is_empty().then(|| routing_key.clone());
        let way = Way { exchange, takes: Takes::of(&message) };
        let waiting = self.begin(&way, queue, timeout).await?;
        message.properties.reply_to = Some(REPLY_TO);
        let id = match chosen {
            None => correlation_id(waiting.number),
            Some(id) if !is_number(&id) && waiting.channel.pending.name(waiting.number, &id) => id,
            Some(id) => return Err(CallError::CorrelationId { id: id.to_string() }),
        };
        message.properties.correlation_id = Some(id);
        let published = waiting.publish(routing_key, message).await;
        // One that comes back is told of when it does: its call may be over by then.
        self.publishing.count(if published.is_none() { Fate::Sent } else { Fate::Failed });
        if published.is_none() {
            sent();
        }
        match published {
            Some(outcome) => outcome,
            None => waiting.await,
        }
    }

    /// The application consumes from these queues no more: calls to them are given up soon.
    pub(in crate::template) fn leave<'q>(&self, queues: impl Iterator<Item = &'q ShortString>) {
        let queues: BTreeSet<ShortString> = queues.cloned().collect();
        let now = self.publishing.clock().now();
        let mut state = self.lock();
        state.channels.leave(&queues, now);
        state.left.extend(queues);
    }

    /// A call on the channel of this way, once there is one for it.
    async fn begin(
        &self,
        way: &Way,
        queue: Option<ShortString>,
        timeout: Duration,
    ) -> Result<Waiting<'_>, CallError> {
        let in_flight = InFlight::new(self)?;
        let wait = Wait::new(queue, self.publishing.clock().now(), timeout);
        let (channel, number) = match self.channel(way, &wait)? {
            Some(found) => found,
            // Rare, and large: what every call would have room for.
            None => Box::pin(self.channel_in_time(way, &wait, timeout)).await?,
        };
        Ok(Waiting { channel, number, _in_flight: in_flight })
    }

    /// As [`next_channel`](Self::next_channel), within the call's time.
    async fn channel_in_time(
        &self,
        way: &Way,
        wait: &Wait,
        timeout: Duration,
    ) -> Result<(Arc<CallChannel>, u64), CallError> {
        let found = self.next_channel(way, wait);
        in_time(self.publishing.clock(), timeout, found).await.unwrap_or_else(|| Err(wait.error()))
    }

    /// The channel, and the number of the call that was added to its calls; none when all channels
    /// are busy.
    fn channel(
        &self,
        way: &Way,
        wait: &Wait,
    ) -> Result<Option<(Arc<CallChannel>, u64)>, CallError> {
        let mut state = self.lock();
        if state.is_stopped {
            return Err(CallError::Stopped);
        }
        let mut wait = wait.clone();
        if wait.is_for(|queue| state.left.contains(queue)) {
            wait.leave(self.publishing.clock().now());
        }
        state.last += 1;
        let number = state.last;
        if let Some(channel) = state.channels.add_call(way, number, &wait) {
            return Ok(Some((channel, number)));
        }
        if !state.channels.make_room() {
            return Ok(None);
        }
        let (channel, task) = CallChannel::new(
            way.exchange.clone(),
            Arc::clone(&self.publishing),
            Arc::clone(&self.late_replies),
            Arc::clone(&self.has_channel),
        );
        channel.pending.add(number, wait);
        match &self.runtime {
            Some(runtime) => drop(runtime.spawn(task)),
            None => drop(tokio::spawn(task)),
        }
        state.channels.insert(way.clone(), Arc::clone(&channel), number);
        // It may be the channel of any who wait.
        self.has_channel.notify_waiters();
        Ok(Some((channel, number)))
    }

    /// Waits until there is a channel, in the order of the calls that do.
    async fn next_channel(
        &self,
        way: &Way,
        wait: &Wait,
    ) -> Result<(Arc<CallChannel>, u64), CallError> {
        let _one_more = ForAChannel::new(&self.waiting);
        loop {
            let mut has_channel = pin!(self.has_channel.notified());
            has_channel.as_mut().enable();
            if let Some(found) = self.channel(way, wait)? {
                // There may be room for another still.
                self.has_channel.notify_one();
                return Ok(found);
            }
            has_channel.await;
        }
    }

    /// Ends all calls, and takes no more.
    pub(in crate::template) fn stop(&self) {
        let channels = {
            let mut state = self.lock();
            state.is_stopped = true;
            std::mem::take(&mut state.channels)
        };
        channels.end(&End::Stopped);
        self.has_channel.notify_waiters();
    }

    /// The state is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One of the calls that wait for a channel, as long as it does.
struct ForAChannel<'c>(&'c AtomicUsize);

impl<'c> ForAChannel<'c> {
    fn new(waiting: &'c AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for ForAChannel<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One of the calls that wait, as long as it does.
#[derive(Debug)]
pub(super) struct InFlight<'c>(&'c Calls);

impl<'c> InFlight<'c> {
    fn new(calls: &'c Calls) -> Result<Self, CallError> {
        if calls.in_flight.fetch_add(1, Ordering::AcqRel) < CALLS_MAX {
            return Ok(Self(calls));
        }
        calls.in_flight.fetch_sub(1, Ordering::AcqRel);
        Err(CallError::TooManyInFlight { max: CALLS_MAX })
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
        // Who waits is counted before it looks for a channel, and so finds what is idle by now.
        if self.0.waiting.load(Ordering::SeqCst) > 0 {
            self.0.has_channel.notify_one();
        }
    }
}

/// Whether it may be the correlation id of a call whose caller chose none.
fn is_number(id: &str) -> bool {
    id.parse::<u64>().is_ok()
}

fn correlation_id(number: u64) -> ShortString {
    ShortString::truncated(itoa::Buffer::new().format(number))
}

#[cfg(test)]
mod tests {
    use springhare_broker::Broker;

    use super::*;
    use crate::connection::{EmbeddedLink, Link};
    use crate::events::BrokerEvents;
    use crate::template::TemplateLinks;

    #[test]
    fn so_many_calls_wait_and_no_more() {
        let broker = Broker::builder().start().unwrap();
        let link: Arc<dyn Link> = Arc::new(EmbeddedLink::new(broker));
        let links = TemplateLinks {
            publishing: Arc::clone(&link),
            channels: link,
            observer: None,
            events: BrokerEvents::for_test(),
        };
        let calls = Calls::new(Arc::new(Publishing::new(links)));
        let mut waiting: Vec<_> = (0..CALLS_MAX).map(|_| InFlight::new(&calls).unwrap()).collect();
        let refused = InFlight::new(&calls).unwrap_err();
        assert!(matches!(refused, CallError::TooManyInFlight { max: CALLS_MAX }), "{refused}");
        waiting.pop();
        InFlight::new(&calls).unwrap();
    }
}
