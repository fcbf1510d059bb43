use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use springhare_broker::Publish;

use super::draft::Draft;
use super::options::message_options;
use super::publishing::PublishingPath;
use super::{IntoRoute, RabbitTemplate};
use crate::backoff::Backoff;
use crate::connection::{Confirmation, LinkError, PublishCall, PublishError};
use crate::convert::IntoBody;
use crate::error::{Error, NotConfirmed, Result};
use crate::middleware::{LayerFuture, NextPublish};
use crate::trace;

/// One message on its way: what [`RabbitTemplate::convert_and_send`] returns.
///
/// Options hang off it, and `.await` sends it: `Ok` means that the broker has it.
///
/// ```
/// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
/// use std::time::Duration;
///
/// rabbit
///     .convert_and_send("orders", "tea")
///     .persistent(false)
///     .expiration(Duration::from_secs(60))
///     .header("x-attempt", 1)
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a message is sent when its call is awaited"]
pub struct ConvertAndSend<'t> {
    template: &'t RabbitTemplate,
    draft: Draft,
    confirmation: Confirmation,
    /// How long a message is sent again whose fate is not known.
    retry: Option<Duration>,
}

impl<'t> ConvertAndSend<'t> {
    message_options!();

    pub(super) fn new(
        template: &'t RabbitTemplate,
        route: impl IntoRoute,
        body: impl IntoBody,
    ) -> Self {
        let draft = Draft::new(template.publish_of(route, body));
        let retry = template.shared.defaults.publish_retry;
        Self { template, draft, confirmation: Confirmation::Awaited, retry }
    }

    /// Whether the message outlives the broker in a durable queue; it does by default.
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.draft.persistent(persistent);
        self
    }

    /// How long an exchange of the kind [`delayed`](crate::Exchange::delayed) keeps the message
    /// back, in whole milliseconds (the header `x-delay`). Others send it on at once.
    ///
    /// A delay of more than 49 days is the call's error.
    ///
    /// ```
    /// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
    /// use std::time::Duration;
    ///
    /// let tomorrow = Duration::from_secs(86_400);
    /// rabbit.convert_and_send(("reminders", "tea"), "drink it").delay(tomorrow).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn delay(mut self, delay: Duration) -> Self {
        match u32::try_from(delay.as_millis()) {
            Ok(millis) => self.draft.header("x-delay", i64::from(millis)),
            Err(_) => self.draft.fail(Error::DelayTooLong { delay }),
        }
        self
    }

    /// Which request this answers, or which conversation it belongs to.
    pub fn correlation_id(mut self, id: impl AsRef<str>) -> Self {
        self.draft.short_string(id.as_ref(), |properties, id| properties.correlation_id = Some(id));
        self
    }

    /// The queue that a reply is sent to.
    pub fn reply_to(mut self, queue: impl AsRef<str>) -> Self {
        self.draft
            .short_string(queue.as_ref(), |properties, queue| properties.reply_to = Some(queue));
        self
    }

    /// Makes it an error that the message reaches no queue; on the default exchange it is one
    /// in any case.
    pub fn mandatory(mut self) -> Self {
        self.draft.change(|publish| publish.mandatory = true);
        self
    }

    /// Doesn't wait for the broker's confirm: `Ok` then means that the message was handed over,
    /// no more. What is known by then is still an error.
    pub fn unconfirmed(mut self) -> Self {
        self.confirmation = Confirmation::Unconfirmed;
        self
    }

    /// Sends the message again, for at most this long, while no connection comes about, one is lost
    /// before the confirm came, or the broker can't take the message (`basic.nack`).
    ///
    /// Where a connection was lost the broker may have it already: it can then be there twice, and the
    /// receiver has to know it by its [`message_id`](Self::message_id), say. Without a retry such
    /// a call ends with [`NotConfirmed::Unknown`], and the caller
    /// decides. [`SpringhareBuilder::publish_retry`](crate::SpringhareBuilder::publish_retry) sets
    /// it for all calls.
    ///
    /// ```
    /// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
    /// use std::time::Duration;
    ///
    /// rabbit.convert_and_send("orders", "tea").retry(Duration::from_secs(30)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn retry(mut self, at_most: Duration) -> Self {
        self.retry = Some(at_most);
        self
    }

    /// The message, before any processor has seen it.
    pub(super) fn into_draft(self) -> Draft {
        self.draft
    }

    pub(super) fn into_result(self) -> Result<Publish> {
        let middleware = self.template.middleware();
        self.draft.into_result().and_then(|publish| middleware.process(publish))
    }
}

impl RabbitTemplate {
    /// Sends a message that is made, as a call without options would.
    pub(super) fn send_publish(&self, publish: Publish) -> Sending<'_> {
        let retry = self.shared.defaults.publish_retry;
        let draft = Draft::new(Ok(publish));
        let confirmation = Confirmation::Awaited;
        ConvertAndSend { template: self, draft, confirmation, retry }.into_future()
    }
}

impl fmt::Debug for ConvertAndSend<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConvertAndSend").field("draft", &self.draft).finish_non_exhaustive()
    }
}

impl<'t> IntoFuture for ConvertAndSend<'t> {
    type Output = Result<()>;
    type IntoFuture = Sending<'t>;

    fn into_future(self) -> Sending<'t> {
        let Self { template, confirmation, retry, .. } = self;
        let span = trace::send_span(self.draft.publish());
        let state = match span.in_scope(|| self.into_result()) {
            Err(error) => State::Failed(Some(error)),
            Ok(publish) if template.middleware().has_layers() => {
                let send = move |publish| -> LayerFuture<'t> {
                    let state = State::sending(template, publish, confirmation, retry);
                    Box::pin(Sending { template, state })
                };
                let next = NextPublish::new(&template.middleware().layers, send);
                State::Boxed(next.run(publish))
            }
            Ok(publish) => State::sending(template, publish, confirmation, retry),
        };
        let sending = Sending { template, state };
        if span.is_disabled() {
            return sending;
        }
        let traced = trace::done_in(span, Error::kind, sending);
        Sending { template, state: State::Boxed(Box::pin(traced)) }
    }
}

impl<'t> State<'t> {
    fn sending(
        template: &'t RabbitTemplate,
        publish: Publish,
        confirmation: Confirmation,
        retry: Option<Duration>,
    ) -> Self {
        match retry {
            None => {
                let call = PublishCall::new(publish, confirmation);
                Self::Once(Attempt { path: None, opening: None, call, is_second: false })
            }
            Some(limit) => {
                Self::Boxed(Box::pin(send_again(template, publish, confirmation, limit)))
            }
        }
    }
}

/// The future of a [`ConvertAndSend`].
///
/// # Cancel safety
///
/// Dropped before it is ready, the message may have been sent or not.
#[must_use = "futures do nothing unless polled"]
pub struct Sending<'t> {
    template: &'t RabbitTemplate,
    state: State<'t>,
}

enum State<'t> {
    /// The call failed before it could be sent.
    Failed(Option<Error>),
    Once(Attempt<'t>),
    /// Again and again, or with layers round it.
    Boxed(LayerFuture<'t>),
}

/// One attempt to send a message.
struct Attempt<'t> {
    path: Option<Arc<PublishingPath>>,
    opening: Option<Opening<'t>>,
    call: PublishCall,
    /// The first found a connection that was lost before.
    is_second: bool,
}

pub(super) type Opening<'t> =
    Pin<Box<dyn Future<Output = Result<Arc<PublishingPath>>> + Send + 't>>;

impl Future for Sending<'_> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        match &mut this.state {
            State::Failed(error) => Poll::Ready(error.take().map_or(Ok(()), Err)),
            State::Once(attempt) => {
                let sent = ready!(attempt.poll(this.template, cx));
                this.template.shared.publishing.tell(&sent, attempt.call.confirmation);
                Poll::Ready(sent)
            }
            State::Boxed(sending) => sending.as_mut().poll(cx),
        }
    }
}

impl<'t> Attempt<'t> {
    /// What it comes to if it is given up after this time.
    fn timed_out(&self, after: Duration) -> NotConfirmed {
        let timed_out = LinkError::TimedOut { operation: "basic.publish", after };
        match self.call.publish {
            Some(_) => NotConfirmed::NotSent(timed_out),
            None => NotConfirmed::Unknown(timed_out),
        }
    }

    fn poll(&mut self, template: &'t RabbitTemplate, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let publishing = &template.shared.publishing;
        loop {
            if self.path.is_none() {
                self.path = publishing.current();
            }
            let path = match &mut self.path {
                Some(path) => path,
                none => {
                    let opening = self.opening.get_or_insert_with(|| Box::pin(publishing.open()));
                    none.insert(ready!(opening.as_mut().poll(cx))?)
                }
            };
            let result = ready!(path.publisher.poll_publish(cx, &mut self.call));
            if matches!(result, Err(PublishError::NotSent(_) | PublishError::Unknown(_))) {
                publishing.lost(path);
            }
            // The connection was lost while nobody sent: nothing is lost yet.
            if matches!(result, Err(PublishError::NotSent(_)))
                && self.call.publish.is_some()
                && !std::mem::replace(&mut self.is_second, true)
            {
                (self.path, self.opening) = (None, None);
                continue;
            }
            return Poll::Ready(result.map_err(Error::from));
        }
    }
}

/// No message is sent again after a shorter pause: the time is as good as over.
const LAST_PAUSE: Duration = Duration::from_millis(5);

/// Sends until the message is confirmed or refused, or the time is over; tells what became of it.
async fn send_again(
    template: &RabbitTemplate,
    publish: Publish,
    confirmation: Confirmation,
    limit: Duration,
) -> Result<()> {
    let sent = until_sent(template, publish, confirmation, limit).await;
    template.shared.publishing.tell(&sent, confirmation);
    sent
}

async fn until_sent(
    template: &RabbitTemplate,
    publish: Publish,
    confirmation: Confirmation,
    limit: Duration,
) -> Result<()> {
    let clock = template.shared.publishing.clock();
    let until = clock.now().saturating_add(limit);
    let mut backoff = Backoff::default();
    // Whether the broker has it is not known after one attempt, and so not after those that follow.
    let mut unknown = None;
    loop {
        let call = PublishCall::new(publish.clone(), confirmation);
        let mut attempt = Attempt { path: None, opening: None, call, is_second: false };
        let left = until.saturating_sub(clock.now());
        let sent = tokio::select! {
            biased;
            sent = std::future::poll_fn(|cx| attempt.poll(template, cx)) => sent,
            () = clock.sleep(left) => Err(Error::NotConfirmed(attempt.timed_out(limit))),
        };
        let error = match sent {
            Err(error) if error.is_passing() => error,
            // The broker is not there, or nothing is sent any more: what is not known stays so.
            Err(error @ (Error::Link(_) | Error::Stopped)) => return Err(unknown.unwrap_or(error)),
            sent => return sent,
        };
        let is_unknown = matches!(error, Error::NotConfirmed(NotConfirmed::Unknown(_)));
        // There has to be time for what comes behind the pause.
        let pause = backoff.after_failure().min(until.saturating_sub(clock.now()) / 2);
        if pause < LAST_PAUSE {
            return Err(unknown.unwrap_or(error));
        }
        tracing::debug!(%error, ?pause, "a message is sent again");
        clock.sleep(pause).await;
        if is_unknown {
            unknown = Some(error);
        }
    }
}

impl fmt::Debug for Sending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}
