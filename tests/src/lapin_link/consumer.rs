use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt};
use lapin::options::{BasicCancelOptions, BasicRejectOptions};
use springhare::connection::LinkConsumer;
use springhare_amqp::{MethodId, ShortString};
use springhare_broker::{ConsumerEnd, Delivery};

use super::channel_state::ChannelState;
use super::convert;

pub(super) struct LapinConsumer {
    channel: Arc<ChannelState>,
    /// Taken when the consumer is dropped.
    stream: Option<lapin::Consumer>,
    tag: ShortString,
    is_ended: bool,
    end: Option<ConsumerEnd>,
}

impl LapinConsumer {
    pub(super) fn new(channel: Arc<ChannelState>, stream: lapin::Consumer) -> Self {
        let tag = convert::from_short(&stream.tag());
        Self { channel, stream: Some(stream), tag, is_ended: false, end: None }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        if self.is_ended {
            return Poll::Ready(None);
        }
        match Pin::new(stream).poll_next(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(delivery))) => Poll::Ready(Some(convert::delivery(delivery))),
            Poll::Ready(Some(Err(error))) => {
                self.is_ended = true;
                self.end = convert::amqp_error(&error, MethodId::NONE)
                    .or_else(|| self.channel.reason())
                    .map(ConsumerEnd::Closed);
                Poll::Ready(None)
            }
            Poll::Ready(None) => {
                self.is_ended = true;
                let is_own = self.channel.took_cancelled(&self.tag) || self.channel.is_closed();
                self.end = Some(match self.channel.reason() {
                    Some(reason) => ConsumerEnd::Closed(reason),
                    None if is_own => ConsumerEnd::CancelledByUser,
                    None => ConsumerEnd::CancelledByBroker,
                });
                Poll::Ready(None)
            }
        }
    }
}

impl fmt::Debug for LapinConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LapinConsumer").field("tag", &self.tag).finish_non_exhaustive()
    }
}

impl LinkConsumer for LapinConsumer {
    fn tag(&self) -> &ShortString {
        &self.tag
    }

    fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut VecDeque<Delivery>,
        max: usize,
    ) -> Poll<usize> {
        let mut received = 0;
        while received < max {
            match self.poll_next(cx) {
                Poll::Ready(Some(delivery)) => buffer.push_back(delivery),
                Poll::Ready(None) => return Poll::Ready(received),
                Poll::Pending if received == 0 => return Poll::Pending,
                Poll::Pending => return Poll::Ready(received),
            }
            received += 1;
        }
        Poll::Ready(received)
    }

    fn end(&self) -> Option<ConsumerEnd> {
        self.end.clone()
    }
}

impl Drop for LapinConsumer {
    /// Cancels, and hands back what was not received.
    fn drop(&mut self) {
        let Some(mut stream) = self.stream.take().filter(|_| !self.is_ended) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let channel = Arc::clone(&self.channel);
        runtime.spawn(async move {
            let lapin = channel.lapin();
            if lapin.basic_cancel(stream.tag(), BasicCancelOptions::default()).await.is_err() {
                return;
            }
            while let Some(Ok(delivery)) = stream.next().await {
                let requeue = BasicRejectOptions { requeue: true };
                if lapin.basic_reject(delivery.delivery_tag, requeue).await.is_err() {
                    return;
                }
            }
        });
    }
}
