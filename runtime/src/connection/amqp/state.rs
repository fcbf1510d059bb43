//! What a connection's handles and its driver share: the protocol's machine, who waits for its
//! answers, and whom what happens is told.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use springhare_amqp::client::{Connection, Event, IncomingDelivery, Refused};
use springhare_amqp::wire::method::basic;
use springhare_amqp::wire::{EncodeMethod, Method};
use springhare_amqp::{AmqpError, Message, MethodId, Property, ReplyCode, ShortString};
use springhare_broker::{
    ChannelEvent, ConfirmOutcome, ConsumerEnd, Delivery, Multiple, NoAck, PublishedMessage,
};
use tokio::sync::oneshot;

use super::call::{PendingCall, Reply, Waiter};
use super::mailbox::{Level, Mailbox, Taken};
use super::publishing::{Publishing, has_output_room, returned_message};
use super::user_channel::UserChannel;
use crate::connection::{BlockedWatcher, LinkError};

/// The most publishers that are remembered while they wait for room.
const WAITING_MAX: usize = 10_000;

/// Where a waker's data and its functions are: those of two that are the same wake the same task.
type WakerKey = (usize, usize);

/// An open connection.
pub(super) struct Shared {
    /// For logs and errors, without its password.
    pub(super) address: String,
    /// How long an answer is waited for.
    pub(super) answer_timeout: Duration,
    state: Mutex<State>,
    /// The task that reads and writes.
    driver: AtomicWaker,
}

/// A connection's state, under its lock.
pub(super) struct State {
    pub(super) client: Connection,
    channels: HashMap<u16, OpenChannel>,
    pub(super) publishing: Publishing,
    /// Why the connection is closed.
    closed: Option<LinkError>,
    /// Why the broker takes no publishes for now.
    blocked: Option<ShortString>,
    /// Who is told of that.
    blocked_watcher: Option<BlockedWatcher>,
    /// Publishers that wait for room, by what tells their wakers apart.
    waiting: HashMap<WakerKey, Waker>,
    /// Who waits for the end of the connection.
    ending: Vec<oneshot::Sender<()>>,
    /// A mailbox that was full when something came for it; forgotten once it has room.
    full: Option<Arc<Mailbox>>,
}

struct OpenChannel {
    user: Arc<UserChannel>,
    calls: VecDeque<PendingCall>,
    closing: Option<oneshot::Sender<()>>,
}

impl Shared {
    pub(super) fn new(address: String, client: Connection, answer_timeout: Duration) -> Self {
        Self {
            address,
            answer_timeout,
            state: Mutex::new(State {
                client,
                channels: HashMap::new(),
                publishing: Publishing::default(),
                closed: None,
                blocked: None,
                blocked_watcher: None,
                waiting: HashMap::new(),
                ending: Vec::new(),
                full: None,
            }),
            driver: AtomicWaker::new(),
        }
    }

    /// A panic elsewhere can leave an answer undelivered, no more: the connection goes on.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The driver is the task of this waker.
    pub(super) fn register_driver(&self, waker: &Waker) {
        self.driver.register(waker);
    }

    /// There is something to send, or room to read.
    pub(super) fn wake_driver(&self) {
        self.driver.wake();
    }
}

impl State {
    pub(super) fn closed(&self) -> Option<&LinkError> {
        self.closed.as_ref()
    }

    /// Told when the connection is over.
    pub(super) fn when_closed(&mut self) -> oneshot::Receiver<()> {
        let (ended, wait) = oneshot::channel();
        if self.closed.is_none() {
            self.ending.push(ended);
        }
        wait
    }

    /// Has this told when the broker takes no messages, and when it takes them again.
    pub(super) fn when_blocked(&mut self, tell: BlockedWatcher) {
        if let Some(reason) = &self.blocked {
            tell(Some(reason));
        }
        self.blocked_watcher = Some(tell);
    }

    fn tell_blocked(&self, reason: Option<&str>) {
        if let Some(tell) = &self.blocked_watcher {
            tell(reason);
        }
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// Whether a message may be sent on a user's channel: the broker takes some, and not too much
    /// waits. On a connection that is over the channel says so.
    pub(super) fn takes_messages(&self) -> bool {
        !self.client.is_open() || !self.is_blocked() && has_output_room(&self.client)
    }

    /// Wakes this publisher once there may be room.
    pub(super) fn wait_for_room(&mut self, waker: &Waker) {
        if self.waiting.len() >= WAITING_MAX {
            // Many may have given it up: who has not waits anew.
            self.waiting.drain().for_each(|(_, waiting)| waiting.wake());
        }
        let key = (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr());
        self.waiting.insert(key, waker.clone());
    }

    /// The publishers to wake, if there is room for them.
    pub(super) fn take_waiting(&mut self) -> HashMap<WakerKey, Waker> {
        let has_room = !self.is_blocked() && self.publishing.has_room(&self.client);
        if has_room || self.closed.is_some() {
            std::mem::take(&mut self.waiting)
        } else {
            HashMap::new()
        }
    }

    /// Whether what the broker sends is to be left in the socket. An answer that is waited for is
    /// read all the same: who waits for it may be who would make the room.
    pub(super) fn is_reading_paused(&mut self) -> bool {
        let Some(mailbox) = &self.full else { return false };
        match mailbox.level() {
            Level::Room => {
                self.full = None;
                false
            }
            Level::Full => self.client.is_open() && !self.is_answer_awaited(),
            Level::Overfull => self.client.is_open(),
        }
    }

    fn is_answer_awaited(&self) -> bool {
        let is_awaited = |open: &OpenChannel| {
            open.closing.as_ref().is_some_and(|waiter| !waiter.is_closed())
                || open.calls.iter().any(PendingCall::is_awaited)
        };
        !self.publishing.is_idle() || self.channels.values().any(is_awaited)
    }

    pub(super) fn open_channel(
        &mut self,
        user: Arc<UserChannel>,
        waiter: Waiter,
    ) -> Result<u16, Refused> {
        let number = self.client.open_channel()?;
        let call = PendingCall { method: MethodId::CHANNEL_OPEN, waiter };
        let calls = VecDeque::from([call]);
        self.channels.insert(number, OpenChannel { user, calls, closing: None });
        Ok(number)
    }

    pub(super) fn call<M: EncodeMethod>(
        &mut self,
        channel: u16,
        method: &M,
        waiter: Waiter,
    ) -> Result<(), Refused> {
        self.client.call(channel, method)?;
        if let Some(open) = self.channels.get_mut(&channel) {
            open.calls.push_back(PendingCall { method: M::ID, waiter });
        }
        Ok(())
    }

    /// Closes a channel; the receiver is told when that is done, however it is.
    pub(super) fn close_channel(&mut self, channel: u16) -> Result<oneshot::Receiver<()>, Refused> {
        self.client.close_channel(channel)?;
        let (done, wait) = oneshot::channel();
        if let Some(open) = self.channels.get_mut(&channel) {
            open.closing = Some(done);
        }
        Ok(wait)
    }

    /// Tells everyone what the machine has to tell.
    pub(super) fn dispatch(&mut self) {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Delivered { channel, delivery } => self.delivered(channel, delivery),
                Event::Acked { channel, ack } => {
                    let basic::Ack { delivery_tag, multiple } = ack;
                    self.confirmed(channel, delivery_tag, multiple, ConfirmOutcome::Ack);
                }
                Event::Nacked { channel, nack } => {
                    let basic::Nack { delivery_tag, multiple, .. } = nack;
                    self.confirmed(channel, delivery_tag, multiple, ConfirmOutcome::Nack);
                }
                Event::Reply { channel, call, method } => {
                    self.replied(channel, call, Reply::Method(method));
                }
                Event::Got { channel, got, message } => {
                    self.replied(channel, MethodId::BASIC_GET, Reply::Got(got, message));
                }
                Event::Returned { channel, returned, message } => {
                    self.returned(channel, returned, message);
                }
                Event::Cancelled { channel, consumer_tag } => {
                    let open = self.channels.get(&channel);
                    if let Some(mailbox) = open.and_then(|open| open.user.remove(&consumer_tag)) {
                        mailbox.end(ConsumerEnd::CancelledByBroker);
                    }
                }
                Event::ChannelClosed { channel, error } => self.channel_closed(channel, &error),
                Event::ChannelCloseOk { channel } => {
                    if self.channels.contains_key(&channel) {
                        self.channel_gone(channel, None);
                    } else {
                        self.publishing.close_is_done();
                    }
                }
                Event::Blocked { reason } => {
                    tracing::warn!(reason = &*reason, "the broker takes no messages for now");
                    self.tell_blocked(Some(&reason));
                    self.blocked = Some(reason);
                }
                Event::Unblocked => {
                    tracing::info!("the broker takes messages again");
                    self.tell_blocked(None);
                    self.blocked = None;
                }
                Event::Closed(error) => {
                    self.lost(&closed("connection", error.clone()), error.as_ref());
                }
                _ => {}
            }
        }
    }

    fn delivered(&mut self, number: u16, delivery: IncomingDelivery) {
        let Some(open) = self.channels.get(&number) else { return };
        let delivery_tag = delivery.delivery_tag;
        let mailbox = open.user.consumer(&delivery.consumer_tag);
        let taken = match &mailbox {
            Some(mailbox) => mailbox.push(delivery_of(delivery)),
            None => Taken::Dropped,
        };
        match (taken, mailbox) {
            (Taken::Kept(level), Some(mailbox)) if level > Level::Room => {
                self.full.get_or_insert(mailbox);
            }
            (Taken::HandedBack, _) => self.hand_back(number, delivery_tag),
            _ => {}
        }
    }

    /// Puts a delivery back that nobody takes over.
    pub(super) fn hand_back(&mut self, channel: u16, delivery_tag: u64) {
        let requeue = basic::Nack { delivery_tag, multiple: false, requeue: true };
        // On a closed channel the broker has put it back itself.
        let _ = self.client.send(channel, &requeue);
    }

    fn confirmed(
        &mut self,
        number: u16,
        delivery_tag: u64,
        multiple: bool,
        outcome: ConfirmOutcome,
    ) {
        if self.publishing.has(number) {
            let refused = (outcome == ConfirmOutcome::Nack).then(|| {
                let explanation = "the broker could not take the message (basic.nack)";
                AmqpError::new(ReplyCode::InternalError, MethodId::BASIC_NACK, explanation)
            });
            self.publishing.confirmed(number, delivery_tag, multiple, refused.as_ref());
            return;
        }
        let multiple = if multiple { Multiple::UpTo } else { Multiple::One };
        self.tell(number, ChannelEvent::Confirmed { delivery_tag, multiple, outcome });
    }

    fn returned(&mut self, number: u16, returned: basic::Return, message: Message) {
        if self.publishing.has(number) {
            self.publishing.returned(number, returned, message);
        } else {
            let returned = Box::new(returned_message(returned, message));
            self.tell(number, ChannelEvent::Returned(returned));
        }
    }

    /// Tells a user's channel; one that is told too much without reading it is closed.
    fn tell(&mut self, number: u16, event: ChannelEvent) {
        let Some(open) = self.channels.get(&number) else { return };
        if open.user.events.tell(event).is_err() && self.client.close_channel(number).is_ok() {
            let explanation = "too many returns and confirms wait: read the channel's events";
            let code = ReplyCode::PreconditionFailed;
            let error = AmqpError::new(code, MethodId::BASIC_PUBLISH, explanation);
            open.user.close(closed("channel", Some(error.clone())), Some(error));
        }
    }

    fn replied(&mut self, number: u16, method: MethodId, reply: Reply) {
        let Some(open) = self.channels.get_mut(&number) else { return };
        let index = open.calls.iter().position(|call| call.method == method);
        let Some(call) = index.and_then(|index| open.calls.remove(index)) else { return };
        match call.waiter {
            Waiter::Caller(caller) => {
                if let Reply::Method(Method::Basic(basic::Method::CancelOk(ok))) = &reply
                    && let Some(mailbox) = open.user.remove(&ok.consumer_tag)
                {
                    mailbox.end(ConsumerEnd::CancelledByUser);
                }
                // Who gave the wait up does not miss the answer.
                let _ = caller.send(Ok(reply));
            }
            Waiter::Getter(caller, no_ack) => {
                if let (Err(Ok(Reply::Got(got, _))), NoAck::No) = (caller.send(Ok(reply)), no_ack) {
                    self.hand_back(number, got.delivery_tag);
                }
            }
            Waiter::Consumer(caller, mailbox) => {
                let Reply::Method(Method::Basic(basic::Method::ConsumeOk(ok))) = &reply else {
                    return;
                };
                mailbox.start(ok.consumer_tag.clone());
                open.user.add(Arc::clone(&mailbox));
                if caller.send(Ok(reply)).is_err() {
                    let handed_back = mailbox.abandon();
                    self.abandon_consumer(number, &mailbox, handed_back);
                }
            }
        }
    }

    /// Ends a consumer that nobody reads any more, and hands back what it had.
    pub(super) fn abandon_consumer(
        &mut self,
        number: u16,
        mailbox: &Mailbox,
        handed_back: Vec<u64>,
    ) {
        for delivery_tag in handed_back {
            self.hand_back(number, delivery_tag);
        }
        // One that has not started is ended by its start.
        if mailbox.ended().is_some() || mailbox.tag().is_empty() {
            return;
        }
        let consumer_tag = mailbox.tag().clone();
        let cancel = basic::Cancel { consumer_tag, no_wait: false };
        let (caller, _) = oneshot::channel();
        // A closed channel has no consumers.
        let _ = self.call(number, &cancel, Waiter::Caller(caller));
    }

    fn channel_closed(&mut self, number: u16, error: &AmqpError) {
        if self.publishing.has(number) {
            self.publishing.channel_closed(number, error);
        } else {
            self.channel_gone(number, Some(error));
        }
    }

    /// The channel is closed: by the broker's error, or by its own side.
    fn channel_gone(&mut self, number: u16, error: Option<&AmqpError>) {
        let Some(open) = self.channels.remove(&number) else { return };
        open.end(&closed("channel", error.cloned()), error);
    }

    /// The connection is over: everyone who waits on it is told.
    pub(super) fn lost(&mut self, reason: &LinkError, error: Option<&AmqpError>) {
        if self.closed.is_some() {
            return;
        }
        self.closed = Some(reason.clone());
        self.full = None;
        for (_, open) in self.channels.drain() {
            open.end(reason, error);
        }
        self.publishing.connection_lost(reason);
        self.ending.clear();
    }
}

impl OpenChannel {
    /// Tells everyone on the channel why it is closed: first the channel itself, since whoever is
    /// told may look at it at once. The call that the error names has caused it, if it is the
    /// oldest.
    fn end(mut self, reason: &LinkError, error: Option<&AmqpError>) {
        self.user.close(reason.clone(), error.cloned());
        if let Some(error) = error
            && self.calls.front().is_some_and(|call| call.method == error.method())
            && let Some(call) = self.calls.pop_front()
        {
            call.fail(LinkError::Amqp(error.clone()));
        }
        for call in self.calls {
            call.fail(reason.clone());
        }
        if let Some(closing) = self.closing {
            // Who gave the wait up does not miss it.
            let _ = closing.send(());
        }
    }
}

fn closed(what: &'static str, reason: Option<AmqpError>) -> LinkError {
    LinkError::Closed { what, reason }
}

fn delivery_of(incoming: IncomingDelivery) -> Delivery {
    let IncomingDelivery { delivery_tag, redelivered, exchange, routing_key, message, .. } =
        incoming;
    let delivery_count = delivery_count(&message);
    let message = Arc::new(PublishedMessage::new(exchange, routing_key, message));
    Delivery { delivery_tag, redelivered, delivery_count, message }
}

/// How often the message was delivered before, where the broker counts that: RabbitMQ does on
/// quorum queues.
pub(super) fn delivery_count(message: &Message) -> u32 {
    if !message.properties.has(Property::Headers) {
        return 0;
    }
    let headers = message.properties.headers_once();
    let count = headers.as_ref().and_then(|headers| headers.get("x-delivery-count"));
    count
        .and_then(springhare_amqp::FieldValue::as_i64)
        .map_or(0, |count| u32::try_from(count.max(0)).unwrap_or(u32::MAX))
}
