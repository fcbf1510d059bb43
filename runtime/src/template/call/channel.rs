use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use springhare_amqp::{AmqpError, Message, MethodId, ReplyCode, ShortString};
use springhare_broker::{BasicConsumeOptions, ChannelEvent, Clock, Delivery, Publish};
use tokio::sync::{Notify, SetOnce};

use super::Outcome;
use super::pending::{End, Pending};
use super::reply::call_number;
use crate::connection::{LinkChannel, LinkConsumer, LinkError};
use crate::error::{CallError, Error};
use crate::template::publishing::Publishing;

/// What a channel consumes from to get the replies to its requests.
pub(super) const REPLY_TO: ShortString = ShortString::from_static("amq.rabbitmq.reply-to");
/// How many replies are taken at a time.
const TAKEN_MAX: usize = 256;

/// A channel for the calls over one exchange.
///
/// Its task opens it, hears of what comes back and of its end, and reads the replies. A call that is
/// the only one reads its own: that saves it the way over the task.
#[derive(Debug)]
pub(super) struct CallChannel {
    exchange: ShortString,
    pub(super) pending: Pending,
    /// None if it could not be opened; then all its calls know why.
    opened: SetOnce<Option<Arc<dyn LinkChannel>>>,
    replies: Mutex<Replies>,
    task: OnceLock<Waker>,
    /// Tells the task to close it.
    closing: Notify,
    /// The call that published last.
    last_published: AtomicU64,
    late_replies: Arc<AtomicU64>,
    /// Those who wait for a channel hear that this one has ended.
    has_channel: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Replies {
    /// None before it is opened, and once the consumer has ended.
    consumer: Option<Box<dyn LinkConsumer>>,
    received: VecDeque<Delivery>,
}

/// Whether there is more to read, now or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    GoesOn,
    HasEnded,
}

impl CallChannel {
    /// A channel, and the task that opens it and serves it from then on.
    pub(super) fn new(
        exchange: ShortString,
        publishing: Arc<Publishing>,
        late_replies: Arc<AtomicU64>,
        has_channel: Arc<Notify>,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + 'static) {
        let channel = Arc::new(Self {
            exchange,
            pending: Pending::default(),
            opened: SetOnce::new(),
            replies: Mutex::default(),
            task: OnceLock::new(),
            closing: Notify::new(),
            last_published: AtomicU64::new(0),
            late_replies,
            has_channel,
        });
        let served = Served(Arc::clone(&channel));
        (channel, async move { served.0.serve(publishing).await })
    }

    /// Whether it takes no more calls.
    pub(super) fn has_ended(&self) -> bool {
        let link = self.opened.get().and_then(Option::as_ref);
        self.pending.has_ended() || link.is_some_and(|link| link.close_reason().is_some())
    }

    /// Ends its calls for this reason, and closes it.
    pub(super) fn end(&self, end: &End) {
        self.pending.end(end, None);
        self.close();
    }

    /// Closes it, which has no calls.
    pub(super) fn close(&self) {
        self.closing.notify_one();
    }

    /// Publishes a request, once the channel is open. If it can't be opened, or the call is over by then,
    /// that is told the call, and this is never ready.
    pub(super) async fn publish(
        &self,
        number: u64,
        routing_key: ShortString,
        message: Message,
    ) -> Result<(), CallError> {
        let opened = match self.opened.get() {
            Some(opened) => opened,
            None => {
                let opened = Box::pin(self.opened.wait()).await;
                if self.pending.is_over(number) {
                    return pending().await;
                }
                opened
            }
        };
        let Some(link) = opened else { return pending().await };
        self.last_published.store(number, Ordering::Release);
        let exchange = self.exchange.clone();
        let publish = Publish { exchange, routing_key, mandatory: true, message };
        match link.publish(publish).await {
            Ok(_) => Ok(()),
            Err(_) if self.pending.is_stopped() => Err(CallError::Stopped),
            Err(LinkError::Amqp(error)) => Err(refusal(error).into()),
            Err(error) => Err(CallError::NotSent(error)),
        }
    }

    /// Reads what has come, for a call if it is the only one. What comes later is heard of by that
    /// call, or by the task.
    pub(super) fn read_for(&self, number: u64, waker: &Waker) {
        if self.read(Some((number, waker))) == Reading::HasEnded {
            self.wake_task();
        }
    }

    pub(super) fn wake_task(&self) {
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    fn read(&self, call: Option<(u64, &Waker)>) -> Reading {
        let Some(task) = self.task.get() else { return Reading::GoesOn };
        let number = call.map(|(number, _)| number);
        let mut wakers = Vec::new();
        let reading = {
            let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
            let Replies { consumer, received } = &mut *replies;
            loop {
                let Some(open) = consumer else { break Reading::HasEnded };
                let reader = call.filter(|_| self.pending.is_read_by(number));
                let waker = reader.map_or(task, |(_, waker)| waker);
                match open.poll_recv_many(&mut Context::from_waker(waker), received, TAKEN_MAX) {
                    Poll::Pending => break Reading::GoesOn,
                    Poll::Ready(0) => *consumer = None,
                    Poll::Ready(_) => {
                        let replies = received.drain(..).map(reply);
                        self.settle(replies, number, &mut wakers);
                    }
                }
            }
        };
        wakers.into_iter().for_each(Waker::wake);
        reading
    }

    fn settle(
        &self,
        outcomes: impl Iterator<Item = (Option<u64>, Outcome)>,
        reader: Option<u64>,
        wakers: &mut Vec<Waker>,
    ) {
        let late = self.pending.settle(outcomes, reader, wakers);
        if late > 0 {
            self.late_replies.fetch_add(late, Ordering::Relaxed);
            tracing::debug!(replies = late, "replies came that no call waits for any more");
        }
    }

    /// The channel's task.
    async fn serve(&self, publishing: Arc<Publishing>) {
        let task = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        // Set once: it is served once.
        let _ = self.task.set(task);
        let clock = publishing.clock().clone();
        let opened = tokio::select! {
            opened = self.open(&publishing) => opened,
            () = self.closing.notified() => Err(End::Stopped),
            never = self.pending.expire(&clock) => match never {},
        };
        // The template need not outlive its calls.
        let template = Arc::downgrade(&publishing);
        drop(publishing);
        let link = match opened {
            Ok(link) => link,
            Err(end) => return self.pending.end(&end, None),
        };
        let _ = self.opened.set(Some(Arc::clone(&link)));
        let error = self.drive(&link, &template, &clock).await;
        let lost = LinkError::Closed { what: "channel", reason: error.clone() };
        let lost = link.close_reason().unwrap_or(lost);
        // The last one is at fault, or comes after the one that is; those before it may have been
        // taken.
        let of_a_request = error.filter(|error| error.method() == MethodId::BASIC_PUBLISH);
        let last = self.last_published.load(Ordering::Acquire);
        let of_the_last = of_a_request.map(|error| (last, refusal(error)));
        self.pending.end(&End::Lost(lost), of_the_last.as_ref());
        if link.close_reason().is_none()
            && let Err(error) = link.close().await
        {
            tracing::debug!(%error, "a channel of calls could not be closed");
        }
    }

    async fn open(&self, publishing: &Arc<Publishing>) -> Result<Arc<dyn LinkChannel>, End> {
        let path = publishing.usable().await.map_err(not_opened)?;
        let link = path.open_channel().await.map_err(End::NotOpened)?;
        if !self.exchange.is_empty() {
            let declared = link.exchange_declare_passive(&self.exchange).await;
            declared.map_err(|error| not_opened(error.into()))?;
        }
        let no_ack = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let consumed = link.basic_consume(&REPLY_TO, "", no_ack).await;
        let consumer = consumed.map_err(|error| not_opened(error.into()))?;
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        replies.consumer = Some(consumer);
        drop(replies);
        Ok(link)
    }

    /// Runs until the channel is closed, by this error if by one.
    async fn drive(
        &self,
        link: &Arc<dyn LinkChannel>,
        template: &Weak<Publishing>,
        clock: &Clock,
    ) -> Option<AmqpError> {
        let mut event = link.next_event();
        let mut closing = pin!(self.closing.notified());
        let mut expiring = pin!(self.pending.expire(clock));
        poll_fn(|cx| {
            let reading = self.read(None);
            let Poll::Pending = expiring.as_mut().poll(cx);
            while let Poll::Ready(happened) = event.as_mut().poll(cx) {
                match happened {
                    Some(ChannelEvent::Returned(returned)) => {
                        if let Some(template) = template.upgrade() {
                            template.tell_request_returned(&returned);
                        }
                        let number = call_number(&returned.message);
                        let outcome = Err(CallError::Unroutable(returned));
                        let mut wakers = Vec::new();
                        self.settle(std::iter::once((number, outcome)), None, &mut wakers);
                        wakers.into_iter().for_each(Waker::wake);
                    }
                    Some(ChannelEvent::Closed(error)) => return Poll::Ready(Some(error)),
                    // None of a channel without confirms.
                    Some(_) => {}
                    None => return Poll::Ready(None),
                }
                event = link.next_event();
            }
            // Of a channel that is closed the end is told by an event, with its reason.
            let is_cancelled = reading == Reading::HasEnded && link.close_reason().is_none();
            let is_over = is_cancelled || closing.as_mut().poll(cx).is_ready();
            if is_over { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }
}

/// What the channel's task holds: however that ends, its runtime for one, nobody waits any more.
struct Served(Arc<CallChannel>);

impl Drop for Served {
    fn drop(&mut self) {
        let lost = LinkError::Closed { what: "channel", reason: None };
        self.0.pending.end(&End::Lost(lost), None);
        // It was opened, or now it never will be.
        let _ = self.0.opened.set(None);
        self.0.has_channel.notify_one();
    }
}

/// A reply is its call's alone, and is not copied.
fn reply(delivery: Delivery) -> (Option<u64>, Outcome) {
    let reply = match Arc::try_unwrap(delivery.message) {
        Ok(published) => published.message,
        Err(shared) => shared.message.clone(),
    };
    (call_number(&reply), Ok(reply))
}

/// Why the broker did not take a request, or not the channel.
fn refusal(error: AmqpError) -> End {
    let closed = |error| LinkError::Closed { what: "channel", reason: Some(error) };
    match error.code() {
        ReplyCode::NotFound => End::NoExchange(error),
        // The channel or the connection had been closed before.
        ReplyCode::ChannelError | ReplyCode::ConnectionForced => End::NotOpened(closed(error)),
        _ => End::Refused(error),
    }
}

fn not_opened(error: Error) -> End {
    match error {
        Error::Stopped => End::Stopped,
        Error::Amqp(error) => refusal(error),
        Error::Link(error) => End::NotOpened(error),
        other => End::NotOpened(LinkError::Transport(Arc::new(other))),
    }
}
