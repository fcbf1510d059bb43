use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

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
