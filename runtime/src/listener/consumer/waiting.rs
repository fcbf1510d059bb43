use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use crate::listener::attempt::Attempt;
use crate::listener::outcome::Outcome;

/// A handler that waits while its consumer tends to other things.
pub(super) struct Waiting<'w, 'd> {
    attempt: &'w mut Attempt<'d>,
    pub(super) outcome: Option<Outcome>,
}

impl<'w, 'd> Waiting<'w, 'd> {
    pub(super) fn new(attempt: &'w mut Attempt<'d>) -> Self {
        Self { attempt, outcome: None }
    }

    /// Ready once the handler is done.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.outcome.is_none()
            && let Poll::Ready(outcome) = self.attempt.poll(cx)
        {
            self.outcome = Some(outcome);
        }
        if self.outcome.is_some() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Carries both on until `work` is done. `work` alone could wait for ever: what settles on a
    /// channel goes one after the other, and the handler may be before it in that line.
    pub(super) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            // Its outcome is looked at when the work is done.
            let _ = self.poll(cx);
            work.as_mut().poll(cx)
        })
        .await
    }
}

/// Takes all that is there, without waiting.
pub(super) fn all_of(
    mut more: impl FnMut(&mut Context<'_>) -> Poll<usize>,
) -> impl FnMut(&mut Context<'_>) -> Poll<()> {
    move |cx| {
        while matches!(more(cx), Poll::Ready(1..)) {}
        Poll::Ready(())
    }
}
