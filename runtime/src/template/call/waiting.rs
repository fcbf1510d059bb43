use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use springhare_amqp::{Message, ShortString};

use super::Outcome;
use super::calls::InFlight;
use super::channel::CallChannel;
use super::pending::Look;

/// A call that is not over; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Waiting<'c> {
    pub(super) channel: Arc<CallChannel>,
    pub(super) number: u64,
    /// Dropped last: then the channel may be idle.
    pub(super) _in_flight: InFlight<'c>,
}

impl Waiting<'_> {
    /// Publishes the request. That may have to wait, and the call may be over before: its channel
    /// has ended, or the application stops. Then this is its outcome.
    pub(super) async fn publish(
        &self,
        routing_key: ShortString,
        message: Message,
    ) -> Option<Outcome> {
        let Self { channel, number, .. } = self;
        let mut publishing = pin!(channel.publish(*number, routing_key, message));
        poll_fn(|cx| match publishing.as_mut().poll(cx) {
            Poll::Ready(published) => Poll::Ready(published.err().map(Err)),
            Poll::Pending => match channel.pending.look(*number, cx.waker()) {
                Look::Over(outcome) => Poll::Ready(Some(outcome)),
                Look::Waits | Look::Reads => Poll::Pending,
            },
        })
        .await
    }
}

impl Future for Waiting<'_> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        match self.channel.pending.look(self.number, cx.waker()) {
            Look::Over(outcome) => Poll::Ready(outcome),
            Look::Waits => Poll::Pending,
            Look::Reads => {
                self.channel.read_for(self.number, cx.waker());
                self.channel.pending.take(self.number)
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.channel.pending.remove(self.number) {
            self.channel.wake_task();
        }
    }
}
