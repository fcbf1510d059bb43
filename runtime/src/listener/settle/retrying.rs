//! The retry copies that are on their way to their queue, beside what the consumer does.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::super::failure::RetryResult;

/// How many copies are on their way at most; what is due beyond them waits.
const RETRYING_MAX: usize = 256;

type Republishing = Pin<Box<dyn Future<Output = RetryResult> + Send>>;

/// The copies of one consumer's failed messages, whose originals are unsettled until it is known
/// what became of the copy.
#[derive(Default)]
pub(super) struct Retrying {
    open: Vec<(u64, Republishing)>,
    done: Vec<(u64, RetryResult)>,
}

impl Retrying {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.done.is_empty()
    }

    /// Whether there is no room for another.
    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= RETRYING_MAX
    }

    pub(super) fn len(&self) -> usize {
        self.open.len() + self.done.len()
    }

    /// Adds a copy, which is made with the next [`poll`](Self::poll).
    pub(super) fn start(
        &mut self,
        delivery_tag: u64,
        republishing: impl Future<Output = RetryResult> + Send + 'static,
    ) {
        self.open.push((delivery_tag, Box::pin(republishing)));
    }

    /// Carries all on; ready when there is one that is done.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let done = &mut self.done;
        self.open.retain_mut(|(delivery_tag, republishing)| match republishing.as_mut().poll(cx) {
            Poll::Ready(result) => {
                done.push((*delivery_tag, result));
                false
            }
            Poll::Pending => true,
        });
        if self.done.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Takes those out that are done, each with the number of its original.
    pub(super) fn take_done(&mut self) -> Vec<(u64, RetryResult)> {
        std::mem::take(&mut self.done)
    }
}

impl fmt::Debug for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrying")
            .field("open", &self.open.len())
            .field("done", &self.done)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::failure::Retried;
    use std::future::{pending, ready};
    use std::task::Waker;

    #[test]
    fn what_is_done_is_taken_out_and_the_rest_goes_on() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut retrying = Retrying::default();
        assert!(retrying.is_empty() && retrying.poll(&mut cx).is_pending());
        retrying.start(1, pending());
        retrying.start(2, ready(Ok(Retried::confirmed())));
        assert!(retrying.poll(&mut cx).is_ready());
        // Until it is taken.
        assert!(retrying.poll(&mut cx).is_ready());
        assert_eq!(retrying.len(), 2);
        let done: Vec<u64> = retrying.take_done().into_iter().map(|(tag, _)| tag).collect();
        assert_eq!(done, [2]);
        assert!(!retrying.is_empty() && retrying.poll(&mut cx).is_pending());
    }

    #[test]
    fn no_more_are_on_their_way_than_there_is_room_for() {
        let mut retrying = Retrying::default();
        for delivery_tag in 0..256 {
            assert!(!retrying.is_full(), "{delivery_tag}");
            retrying.start(delivery_tag, pending());
        }
        assert!(retrying.is_full());
    }
}
