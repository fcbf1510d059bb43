//! The answer to a request, whoever gives it: where it goes, and what it has of the request.

use springhare_amqp::{BasicProperties, DeliveryMode, Message, ShortString};
use springhare_broker::Publish;

use super::{DIRECT_REPLY_TO, RabbitTemplate};
use crate::connection::Confirmation;
use crate::error::{Error, Result};
use crate::middleware::{LayerFuture, NextPublish};
use crate::trace::TraceContext;

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// To a caller that waits on its channel.
    Caller(ShortString),
    /// To the queue that the request names.
    Queue(ShortString),
    /// Where whoever answers has chosen.
    Given { exchange: ShortString, routing_key: ShortString },
}

impl Address {
    pub(crate) fn given((exchange, routing_key): (ShortString, ShortString)) -> Self {
        Self::Given { exchange, routing_key }
    }

    /// What the request says; none if it says nothing.
    pub(crate) fn of_request(request: &BasicProperties) -> Option<Self> {
        let queue = request.reply_to.as_ref().filter(|queue| !queue.is_empty())?;
        Some(match queue.starts_with(DIRECT_REPLY_TO) {
            true => Self::Caller(queue.clone()),
            false => Self::Queue(queue.clone()),
        })
    }

    fn is_caller(&self) -> bool {
        matches!(self, Self::Caller(_))
    }
}

/// Whether an answer is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// To its caller, if that still waits.
    Yes,
    /// The queue for it is gone.
    NobodyWaits,
}

impl RabbitTemplate {
    /// Sends the answer to this request; `Ok` once it is confirmed, where it can be.
    pub(crate) async fn answer(
        &self,
        request: &BasicProperties,
        mut message: Message,
        persistent: Option<bool>,
        address: Address,
    ) -> Result<Answered> {
        let properties = &mut message.properties;
        if let Some(trace) = TraceContext::of(request) {
            trace.put_on(properties);
        }
        // Who makes no correlation ids knows its request by the message's own.
        let id = request.correlation_id.as_ref().or(request.message_id.as_ref());
        let is_answer = !matches!(address, Address::Given { .. }) && id.is_some();
        if is_answer || properties.correlation_id.is_none() {
            properties.correlation_id = id.cloned();
        }
        if persistent.is_some() || properties.delivery_mode.is_none() {
            let is_persistent = persistent.unwrap_or_else(|| {
                !address.is_caller() && request.delivery_mode == Some(DeliveryMode::Persistent)
            });
            let mode =
                if is_persistent { DeliveryMode::Persistent } else { DeliveryMode::Transient };
            properties.delivery_mode = Some(mode);
        }
        match address {
            Address::Caller(queue) => {
                // It waits on its channel, or waits no more: nothing confirms the one or the other.
                let publish = to_queue(queue, message, false);
                self.send_reply(publish, Confirmation::Unconfirmed).await?;
                Ok(Answered::Yes)
            }
            Address::Queue(queue) => {
                let publish = to_queue(queue.clone(), message, true);
                match self.send_reply(publish, Confirmation::Awaited).await {
                    Err(Error::Unroutable(_)) => {
                        tracing::debug!(queue = &*queue, "the queue for a reply is gone");
                        Ok(Answered::NobodyWaits)
                    }
                    sent => sent.map(|()| Answered::Yes),
                }
            }
            Address::Given { exchange, routing_key } => {
                let mandatory = exchange.is_empty();
                let publish = Publish { exchange, routing_key, mandatory, message };
                self.send_reply(publish, Confirmation::Awaited).await?;
                Ok(Answered::Yes)
            }
        }
    }

    /// Sends what answers a message that is settled right after.
    async fn send_reply(&self, publish: Publish, confirmation: Confirmation) -> Result<()> {
        let middleware = self.middleware();
        let publish = middleware.process(publish)?;
        let publishing = &self.shared.publishing;
        if !middleware.has_layers() {
            return publishing.publish_replacement(publish, confirmation).await;
        }
        let send = move |publish| -> LayerFuture<'_> {
            Box::pin(publishing.publish_replacement(publish, confirmation))
        };
        NextPublish::new(&middleware.layers, send).run(publish).await
    }
}

fn to_queue(queue: ShortString, message: Message, mandatory: bool) -> Publish {
    Publish { exchange: ShortString::EMPTY, routing_key: queue, mandatory, message }
}
