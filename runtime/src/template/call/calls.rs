use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use springhare_amqp::{Message, Property, ShortString};
use springhare_broker::Publish;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::Outcome;
use super::channel::{CallChannel, REPLY_TO};
use super::pending::End;
use super::waiting::Waiting;
use crate::error::CallError;
use crate::template::publishing::Publishing;

/// The most calls that wait for their replies.
pub(super) const CALLS_MAX: usize = 65_536;
/// The most channels for them; the one that was idle for longest makes room.
pub(super) const CALL_CHANNELS_MAX: usize = 16;
/// A larger body may be more than the broker takes (`max_message_size`).
const USUAL_BODY_BYTES: usize = 64 << 10;

/// The calls of a template.
#[derive(Debug)]
pub(in crate::template) struct Calls {
    publishing: Arc<Publishing>,
    /// Where the channels' tasks run: the application's, since a caller's may end before.
    runtime: Option<Handle>,
    state: Mutex<State>,
    in_flight: AtomicUsize,
    late_replies: Arc<AtomicU64>,
    /// A call waits for a channel: all are busy.
    lacks_channel: AtomicBool,
    /// A channel may have become idle.
    has_channel: Notify,
}

#[derive(Debug, Default)]
struct State {
    channels: HashMap<Way, Used>,
    /// The number of the last call.
    last: u64,
    is_stopped: bool,
}

/// Which channel a request takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Way {
    exchange: ShortString,
    /// The broker may refuse the request for its own sake, which would close the channel under all
    /// others on it.
    is_risky: bool,
}

#[derive(Debug)]
struct Used {
    channel: Arc<CallChannel>,
    /// The call that was the last on it.
    last: u64,
}

impl Calls {
    pub(in crate::template) fn new(publishing: Arc<Publishing>) -> Self {
        Self {
            publishing,
            runtime: Handle::try_current().ok(),
            state: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            late_replies: Arc::default(),
            lacks_channel: AtomicBool::new(false),
            has_channel: Notify::new(),
        }
    }

    pub(in crate::template) fn late_replies(&self) -> u64 {
        self.late_replies.load(Ordering::Relaxed)
    }

    /// Sends a request, and waits for the reply.
    pub(super) async fn call(&self, request: Publish) -> Outcome {
        let Publish { exchange, routing_key, mut message, .. } = request;
        let waiting = self.begin(Way { exchange, is_risky: is_risky(&message) }).await?;
        message.properties.reply_to = Some(REPLY_TO);
        message.properties.correlation_id = Some(correlation_id(waiting.number));
        waiting.channel.publish(waiting.number, &routing_key, message).await?;
        waiting.await
    }

    /// A call on the channel of this way, once there is one for it.
    async fn begin(&self, way: Way) -> Result<Waiting<'_>, CallError> {
        let in_flight = InFlight::new(self)?;
        let (channel, number) = match self.channel(&way)? {
            Some(found) => found,
            None => self.next_channel(&way).await?,
        };
        Ok(Waiting { channel, number, _in_flight: in_flight })
    }

    /// The channel, and the number of the call that was added to its calls; none when all channels
    /// are busy.
    fn channel(&self, way: &Way) -> Result<Option<(Arc<CallChannel>, u64)>, CallError> {
        let mut state = self.lock();
        if state.is_stopped {
            return Err(CallError::Stopped);
        }
        state.last += 1;
        let number = state.last;
        if let Some(used) = state.channels.get_mut(way)
            && !used.channel.has_ended()
            && used.channel.pending.add(number)
        {
            used.last = number;
            return Ok(Some((Arc::clone(&used.channel), number)));
        }
        state.channels.remove(way);
        if state.channels.len() >= CALL_CHANNELS_MAX && !state.make_room() {
            return Ok(None);
        }
        let exchange = way.exchange.clone();
        let (channel, task) = CallChannel::new(
            exchange,
            Arc::clone(&self.publishing),
            Arc::clone(&self.late_replies),
        );
        channel.pending.add(number);
        match &self.runtime {
            Some(runtime) => drop(runtime.spawn(task)),
            None => drop(tokio::spawn(task)),
        }
        state.channels.insert(way.clone(), Used { channel: Arc::clone(&channel), last: number });
        Ok(Some((channel, number)))
    }

    /// Waits until one of the channels is idle, and has that make room.
    async fn next_channel(&self, way: &Way) -> Result<(Arc<CallChannel>, u64), CallError> {
        loop {
            let mut has_channel = pin!(self.has_channel.notified());
            has_channel.as_mut().enable();
            self.lacks_channel.store(true, Ordering::SeqCst);
            if let Some(found) = self.channel(way)? {
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
        for used in channels.into_values() {
            used.channel.end(&End::Stopped);
        }
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

impl State {
    /// Closes the channel that was idle for longest; false if none is.
    fn make_room(&mut self) -> bool {
        self.channels.retain(|_, used| !used.channel.has_ended());
        if self.channels.len() < CALL_CHANNELS_MAX {
            return true;
        }
        let idle = self.channels.iter().filter(|(_, used)| used.channel.pending.is_empty());
        let oldest = idle.min_by_key(|(_, used)| used.last).map(|(way, _)| way.clone());
        let Some(used) = oldest.and_then(|way| self.channels.remove(&way)) else { return false };
        used.channel.close();
        true
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
        // Who sets this looks for a channel after that, and finds what is idle by now.
        if self.0.lacks_channel.load(Ordering::SeqCst)
            && self.0.lacks_channel.swap(false, Ordering::SeqCst)
        {
            self.0.has_channel.notify_waiters();
        }
    }
}

fn is_risky(message: &Message) -> bool {
    /// What a broker checks of a message, and closes a channel for.
    const CHECKED: &[Property] = &[Property::UserId, Property::Expiration];
    let Message { properties, body } = message;
    let expiration = properties.text(Property::Expiration);
    body.len() > USUAL_BODY_BYTES
        || properties.has_any(CHECKED)
            && (properties.has(Property::UserId)
                || expiration.is_some_and(|millis| !millis.bytes().all(|b| b.is_ascii_digit())))
        || properties.has_any_header(&["CC", "BCC"])
}

fn correlation_id(number: u64) -> ShortString {
    ShortString::truncated(&number.to_string())
}

#[cfg(test)]
mod tests {
    use springhare_amqp::{BasicProperties, FieldTable};
    use springhare_broker::Broker;

    use super::*;
    use crate::connection::{EmbeddedLink, Link};
    use crate::template::TemplateLinks;

    #[test]
    fn so_many_calls_wait_and_no_more() {
        let broker = Broker::builder().start().unwrap();
        let link: Arc<dyn Link> = Arc::new(EmbeddedLink::new(broker));
        let links = TemplateLinks { publishing: Arc::clone(&link), channels: link };
        let calls = Calls::new(Arc::new(Publishing::new(links)));
        let mut waiting: Vec<_> = (0..CALLS_MAX).map(|_| InFlight::new(&calls).unwrap()).collect();
        let refused = InFlight::new(&calls).unwrap_err();
        assert!(matches!(refused, CallError::TooManyInFlight { max: CALLS_MAX }), "{refused}");
        waiting.pop();
        InFlight::new(&calls).unwrap();
    }

    #[test]
    fn what_the_broker_may_refuse_goes_apart() {
        let short = |text| Some(ShortString::from_static(text));
        let with = |properties: BasicProperties| Message::new("tea").with_properties(properties);
        let copied = FieldTable::from_iter([(ShortString::from_static("CC"), "q".into())]);
        let usual = [
            Message::new(vec![0; USUAL_BODY_BYTES]),
            with(BasicProperties { expiration: short("60000"), ..Default::default() }),
        ];
        let risky = [
            Message::new(vec![0; USUAL_BODY_BYTES + 1]),
            with(BasicProperties { expiration: short("soon"), ..Default::default() }),
            with(BasicProperties { user_id: short("guest"), ..Default::default() }),
            with(BasicProperties { headers: Some(copied), ..Default::default() }),
        ];
        assert!(!usual.iter().any(is_risky));
        assert!(risky.iter().all(is_risky));
    }
}
