//! Calls: requests, and the replies to them over RabbitMQ's direct reply-to.
//!
//! That demands that a request and the consumer of its reply are on one channel, and whoever
//! publishes to a missing exchange closes a channel: so calls have a channel for each exchange, with
//! one consumer for all their replies. A reply finds its call by the correlation id, which is a
//! number unless its caller chose one. No confirm is awaited: the reply is one, and the timeout the other end.
//!
//! Deliberately out: reply queues with a name, and the listener's side of it.

mod calls;
mod channel;
mod channels;
mod layered;
pub(crate) mod names;
mod pending;
mod reply;
mod wait;
mod waiting;

use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::de::DeserializeOwned;
use springhare_amqp::{FieldValue, Message, ShortString};
use springhare_broker::Publish;
use tracing::Span;

pub(super) use calls::Calls;

use super::draft::Draft;
use super::options::message_options;
use super::{IntoRoute, RabbitTemplate};
use crate::convert::{ConversionError, IntoBody, MessageConverters};
use crate::error::CallError;
use crate::in_time::in_time;
use crate::middleware::{Flow, Received};
use crate::trace;

/// How long a reply is waited for where neither the call nor the application says otherwise.
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes of a reply what was asked for.
type Decode<T> = fn(&MessageConverters, Message) -> Result<T, ConversionError>;

/// What became of a request.
type Outcome = Result<Message, CallError>;

/// One request on its way: what [`RabbitTemplate::convert_send_and_receive`] returns.
///
/// Options hang off it, and `.await` sends it and waits for the reply. The request does not outlive
/// the broker, as its caller's wait doesn't, and has to reach a queue.
///
/// Any number of requests are on their way at a time, to sixteen exchanges at once. What the broker
/// may refuse for its own sake (a body above 64 KiB, `user_id`, `CC`, an expiration that is no
/// number) has a channel to itself, so that a refusal ends that one call: of such requests sixteen
/// are on their way at most, and others wait.
///
/// ```
/// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
/// use std::time::Duration;
///
/// let price: f64 = rabbit
///     .convert_send_and_receive(("shop", "prices"), "tea")
///     .timeout(Duration::from_millis(500))
///     .priority(5)
///     .header("x-currency", "EUR")
///     .await?;
/// # drop(price);
/// # Ok(())
/// # }
/// ```
#[must_use = "a request is sent when its call is awaited"]
pub struct ConvertSendAndReceive<'t, T> {
    template: &'t RabbitTemplate,
    draft: Draft,
    timeout: Duration,
    /// The correlation id is the caller's own.
    is_correlated: bool,
    decode: Decode<T>,
}

impl<'t, T> ConvertSendAndReceive<'t, T> {
    message_options!();

    fn new(
        template: &'t RabbitTemplate,
        route: impl IntoRoute,
        body: impl IntoBody,
        decode: Decode<T>,
    ) -> Self {
        let mut draft = Draft::new(template.publish_of(route, body));
        draft.change(|publish| publish.mandatory = true);
        draft.persistent(false);
        let timeout = template.shared.defaults.reply_timeout;
        Self { template, draft, timeout, is_correlated: false, decode }
    }

    /// How long to wait for the reply, from the first poll on and whatever has to be opened before;
    /// by default what [`reply_timeout`](crate::SpringhareBuilder::reply_timeout) says.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether the request outlives the broker in a durable queue; it does not by default.
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.draft.persistent(persistent);
        self
    }

    /// The correlation id of the request, and so of its reply, in place of one that the template makes
    /// (Spring's `userCorrelationId`). It finds the call: it is no number, and no other call to
    /// that exchange has it meanwhile, else that is the call's error. One that was used before may get the
    /// late reply of that call.
    ///
    /// ```
    /// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
    /// let call = rabbit.convert_send_and_receive("totals", &vec![1, 2, 3]);
    /// let total: u64 = call.correlation_id("order-7").await?;
    /// # drop(total);
    /// # Ok(())
    /// # }
    /// ```
    pub fn correlation_id(mut self, id: impl AsRef<str>) -> Self {
        self.is_correlated = true;
        self.draft.short_string(id.as_ref(), |properties, id| properties.correlation_id = Some(id));
        self
    }
}

impl<'t, T: DeserializeOwned> ConvertSendAndReceive<'t, T> {
    pub(super) fn converting(
        template: &'t RabbitTemplate,
        route: impl IntoRoute,
        body: impl IntoBody,
    ) -> Self {
        Self::new(template, route, body, |converters, reply| converters.read(&reply))
    }
}

impl<'t> ConvertSendAndReceive<'t, Message> {
    pub(super) fn whole(
        template: &'t RabbitTemplate,
        route: impl IntoRoute,
        message: Message,
    ) -> Self {
        Self::new(template, route, message, |_converters, reply| Ok(reply))
    }
}

impl<T> fmt::Debug for ConvertSendAndReceive<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConvertSendAndReceive")
            .field("draft", &self.draft)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl<'t, T> IntoFuture for ConvertSendAndReceive<'t, T> {
    type Output = Result<T, CallError>;
    type IntoFuture = Calling<'t, T>;

    fn into_future(self) -> Calling<'t, T> {
        let Self { template, draft, timeout, is_correlated, decode } = self;
        let span = trace::send_span(draft.publish());
        let request = draft.into_result();
        let process = |request| template.middleware().process(request);
        let state = match span.in_scope(|| request.and_then(process)) {
            Ok(request) if template.middleware().has_layers() => {
                let call = layered::call(template, request, timeout, is_correlated);
                State::Calling(traced(span, call))
            }
            Ok(request) => {
                State::Calling(traced(span, call(template, request, timeout, is_correlated)))
            }
            Err(error) => State::Failed(Some(CallError::Request(Box::new(error)))),
        };
        Calling { template, state, decode }
    }
}

/// The future of a [`ConvertSendAndReceive`].
///
/// # Cancel safety
///
/// Dropped before it is ready, the request may have been sent or not; its reply is dropped when it
/// comes.
#[must_use = "futures do nothing unless polled"]
pub struct Calling<'t, T> {
    template: &'t RabbitTemplate,
    state: State<'t>,
    decode: Decode<T>,
}

enum State<'t> {
    /// The call failed before it could be sent.
    Failed(Option<CallError>),
    Calling(Pin<Box<dyn Future<Output = Outcome> + Send + 't>>),
}

impl<T> Future for Calling<'_, T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match &mut self.state {
            State::Failed(error) => Err(error.take().unwrap_or(CallError::Stopped)),
            State::Calling(calling) => ready!(calling.as_mut().poll(cx)),
        };
        let converters = self.template.converters();
        Poll::Ready(
            outcome
                .and_then(|reply| (self.decode)(converters, reply).map_err(CallError::Conversion)),
        )
    }
}

impl<T> fmt::Debug for Calling<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calling").finish_non_exhaustive()
    }
}

/// A call in a span, if anybody listens to it.
fn traced<'t>(
    span: Span,
    call: impl Future<Output = Outcome> + Send + 't,
) -> Pin<Box<dyn Future<Output = Outcome> + Send + 't>> {
    if span.is_disabled() {
        return Box::pin(call);
    }
    Box::pin(trace::done_in(span, CallError::kind, call))
}

async fn call(
    template: &RabbitTemplate,
    mut request: Publish,
    timeout: Duration,
    is_correlated: bool,
) -> Outcome {
    let chosen = prepare(&mut request, is_correlated);
    let calls = &template.shared.calls;
    if calls.are_at_home() {
        return read(template, calls.call(request, chosen, timeout, || ()).await?);
    }
    // Nobody may drive the runtime that ends calls whose waits are over.
    let call = calls.call(request, chosen, timeout, || ());
    read(template, Box::pin(within(template, timeout, call)).await?)
}

/// What a call comes to, or that its time is over.
async fn within(
    template: &RabbitTemplate,
    timeout: Duration,
    call: impl Future<Output = Outcome>,
) -> Outcome {
    let clock = template.shared.publishing.clock();
    in_time(clock, timeout, call).await.unwrap_or(Err(CallError::Timeout { after: timeout }))
}

/// What a reply says, as the processors leave it.
fn read(template: &RabbitTemplate, mut reply: Message) -> Outcome {
    match template.middleware().received(&mut reply) {
        Received::Goes(Flow::Continue) => reply::read(reply),
        Received::Goes(Flow::Discard) => Err(CallError::ReplyDiscarded),
        Received::Refused { error, .. } => Err(CallError::ReplyRefused(Box::new(error))),
        Received::Panicked(panic) => resume_unwind(panic),
    }
}

/// Gives a request what all have, and says which correlation id its caller chose.
fn prepare(request: &mut Publish, is_correlated: bool) -> Option<ShortString> {
    let properties = &mut request.message.properties;
    if !properties.has_header(&names::ERRORS_HEADER) {
        properties.set_header(names::ERRORS_HEADER, FieldValue::I32(1));
    }
    properties.correlation_id.take().filter(|_| is_correlated)
}
