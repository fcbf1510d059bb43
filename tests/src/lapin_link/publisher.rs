use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use springhare::connection::{LinkPublisher, PublishBatch, PublishCall};
use springhare_amqp::{AmqpError, MethodId, ReplyCode};
use springhare_broker::{Publish, PublishError, PublishResult};
use tokio::sync::Mutex;

use super::convert;

/// Publishes one at a time on a channel in confirm mode, and opens another when an error closes
/// it: so one caller's error is nobody else's.
pub(super) struct LapinPublisher {
    state: Arc<PublisherState>,
}

struct PublisherState {
    connection: Arc<lapin::Connection>,
    channel: Mutex<Option<lapin::Channel>>,
}

impl LapinPublisher {
    pub(super) fn new(connection: Arc<lapin::Connection>) -> Self {
        Self { state: Arc::new(PublisherState { connection, channel: Mutex::new(None) }) }
    }
}

impl fmt::Debug for LapinPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LapinPublisher").finish_non_exhaustive()
    }
}

impl PublisherState {
    async fn publish(&self, publish: &Publish) -> PublishResult {
        let mut slot = self.channel.lock().await;
        let channel = match slot.take().filter(|channel| channel.status().connected()) {
            Some(channel) => channel,
            None => self.open().await.map_err(publish_error)?,
        };
        let result = publish_on(&channel, publish).await;
        *slot = Some(channel);
        result
    }

    async fn open(&self) -> lapin::Result<lapin::Channel> {
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }
}

async fn publish_on(channel: &lapin::Channel, publish: &Publish) -> PublishResult {
    let options = BasicPublishOptions { mandatory: publish.mandatory, immediate: false };
    let confirm = channel
        .basic_publish(
            publish.exchange.as_str().into(),
            publish.routing_key.as_str().into(),
            options,
            &publish.message.body,
            convert::to_properties(&publish.message.properties),
        )
        .await
        .map_err(publish_error)?;
    match confirm.await.map_err(publish_error)? {
        lapin::Confirmation::Ack(Some(returned)) => {
            Err(PublishError::Unroutable(Box::new(convert::returned(returned))))
        }
        lapin::Confirmation::Ack(None) | lapin::Confirmation::NotRequested => Ok(()),
        lapin::Confirmation::Nack(_) => Err(PublishError::Refused(AmqpError::new(
            ReplyCode::PreconditionFailed,
            MethodId::BASIC_PUBLISH,
            "the queue is full",
        ))),
    }
}

fn publish_error(error: lapin::Error) -> PublishError {
    match convert::amqp_error(&error, MethodId::BASIC_PUBLISH) {
        Some(error) if error.code() == ReplyCode::NotFound => PublishError::NoExchange(error),
        Some(error) => PublishError::Refused(error),
        None => PublishError::Closed(AmqpError::new(
            ReplyCode::ConnectionForced,
            MethodId::BASIC_PUBLISH,
            error,
        )),
    }
}

impl LinkPublisher for LapinPublisher {
    fn poll_publish(&self, cx: &mut Context<'_>, call: &mut PublishCall) -> Poll<PublishResult> {
        if let Some(publish) = call.publish.take() {
            let state = Arc::clone(&self.state);
            call.waiting = Some(Box::pin(async move { state.publish(&publish).await }));
        }
        let Some(waiting) = &mut call.waiting else { return Poll::Ready(Ok(())) };
        let result = ready!(waiting.as_mut().poll(cx));
        call.waiting = None;
        Poll::Ready(result)
    }

    fn poll_publish_many(&self, cx: &mut Context<'_>, batch: &mut PublishBatch) -> Poll<()> {
        loop {
            if let Some(waiting) = &mut batch.waiting {
                batch.results.extend(ready!(waiting.as_mut().poll(cx)));
                batch.waiting = None;
            }
            if batch.publishes.is_empty() {
                return Poll::Ready(());
            }
            let publishes = std::mem::take(&mut batch.publishes);
            let state = Arc::clone(&self.state);
            batch.waiting = Some(Box::pin(async move {
                let mut results = Vec::with_capacity(publishes.len());
                for publish in &publishes {
                    results.push(state.publish(publish).await);
                }
                results
            }));
        }
    }
}
