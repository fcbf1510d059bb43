//! Receiving one message and answering it: Spring's `receiveAndReply`.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::Address;
use super::receive::{Got, On};
use super::{IntoRoute, RabbitTemplate, Route};
use crate::convert::IntoBody as _;
use crate::error::{Error, Result};

/// One message on its way to be answered: what [`RabbitTemplate::receive_and_reply`] returns. `.await`
/// takes and answers it.
#[must_use = "a message is taken when its call is awaited"]
pub struct ReceiveAndReply<'t, T, F> {
    template: &'t RabbitTemplate,
    queue: &'t str,
    timeout: Duration,
    to: Option<Result<Route>>,
    reply: F,
    value: PhantomData<fn(T)>,
}

impl<T, F> ReceiveAndReply<'_, T, F> {
    /// How long it waits for a message, as [`Receive::timeout`](crate::Receive::timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Where the reply goes, whatever the message says: a queue, `"prices"`, or an exchange and a key,
    /// `("prices", "tea")`.
    pub fn to(mut self, route: impl IntoRoute) -> Self {
        self.to = Some(route.into_route().map_err(Error::from));
        self
    }
}

impl<'t, T, F, Replying, R> IntoFuture for ReceiveAndReply<'t, T, F>
where
    T: DeserializeOwned + Send + 't,
    F: FnOnce(T) -> Replying + Send + 't,
    Replying: Future<Output = Result<Option<R>>> + Send + 't,
    R: Serialize + Send + Sync + 't,
{
    type Output = Result<bool>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<bool>> + Send + 't>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { template, queue, timeout, to, reply, .. } = self;
        Box::pin(async move {
            let to = to.transpose()?;
            let on = On::ChannelOfItsOwn;
            let Some(got) = template.next(queue, timeout, on).await? else { return Ok(false) };
            let request = match template.converters().read(got.message()) {
                Ok(request) => request,
                Err(error) => return Err(template.unread(queue, got, error.into()).await),
            };
            let answered = async {
                match reply(request).await? {
                    Some(value) => template.reply_to(&got, queue, &value, to).await,
                    None => Ok(()),
                }
            };
            match answered.await {
                Ok(()) => got.ack().await?,
                Err(error) => {
                    got.give_back().await;
                    return Err(error);
                }
            }
            Ok(true)
        })
    }
}

impl<T, F> fmt::Debug for ReceiveAndReply<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveAndReply").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl RabbitTemplate {
    /// Takes one message from `queue`, if there is one or one comes within its
    /// [`timeout`](ReceiveAndReply::timeout), and sends what `reply` makes of it to the queue that the
    /// message names in `reply_to`; `false` if there was no message, or
    /// processors have discarded a thousand.
    ///
    /// The message is acknowledged once its reply is confirmed, or at once where `reply` has none. If
    /// `reply` fails, or the reply can't be sent, it goes back to its queue. One that does not convert is
    /// parked in `<queue>.error`. A queue for the reply that is gone takes none: nobody waits there any
    /// more. Each call has a channel of its own.
    ///
    /// ```
    /// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
    /// let answered = rabbit
    ///     .receive_and_reply("totals", |numbers: Vec<u64>| async move {
    ///         Ok(Some(numbers.iter().sum::<u64>()))
    ///     })
    ///     .await?;
    /// # drop(answered);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoReplyTo`] when there is a reply, and neither the message nor
    /// [`to`](ReceiveAndReply::to) says where it goes; what `reply` fails with; as
    /// [`convert_and_send`](Self::convert_and_send) when the reply can't be sent; and as
    /// [`receive_and_convert`](Self::receive_and_convert).
    ///
    /// # Cancel safety
    ///
    /// A message that was taken and not acknowledged comes back. If its reply was on the way, that
    /// may be sent once more.
    pub fn receive_and_reply<'t, T, F, Replying, R>(
        &'t self,
        queue: &'t str,
        reply: F,
    ) -> ReceiveAndReply<'t, T, F>
    where
        T: DeserializeOwned,
        F: FnOnce(T) -> Replying,
        Replying: Future<Output = Result<Option<R>>>,
        R: Serialize,
    {
        let timeout = self.shared.defaults.receive_timeout;
        ReceiveAndReply { template: self, queue, timeout, to: None, reply, value: PhantomData }
    }

    async fn reply_to<R: Serialize + Sync>(
        &self,
        got: &Got<'_>,
        queue: &str,
        value: &R,
        to: Option<Route>,
    ) -> Result<()> {
        let request = &got.message().properties;
        let address = match to {
            Some(route) => {
                let defaults = &self.shared.defaults;
                Some(Address::given(route.or(&defaults.exchange, &defaults.routing_key)))
            }
            None => Address::of_request(request),
        };
        let address = address.ok_or_else(|| Error::NoReplyTo { queue: queue.to_owned() })?;
        let mut message = value.into_body(self.converters())?;
        message.properties.delivery_mode = None;
        self.answer(request, message, None, address).await.map(drop)
    }
}
