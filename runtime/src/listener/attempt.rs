//! One attempt at a delivery: the call of a handler, and what bounds it.
//!
//! An attempt whose listener has no `timeout` is the call and nothing more: no clock is read.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use springhare_broker::{Clock, Sleep};

use super::context::DeliveryContext;
use super::endpoint::Invocation;
use super::handling::Handling;
use super::invoke::Call;
use super::outcome::{ListenerError, Outcome};

/// A handler took longer than its `timeout`.
///
/// It is what [`ListenerError::find`] finds then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the handler took longer than {after:?}")]
pub struct HandlerTimedOut {
    after: Duration,
}

impl HandlerTimedOut {
    /// The time that it had.
    #[must_use]
    pub fn after(self) -> Duration {
        self.after
    }
}

/// A handler at work on one delivery, for a time that may be bounded.
pub(crate) struct Attempt<'d> {
    call: Call<'d>,
    deadline: Option<Deadline>,
}

struct Deadline {
    after: Duration,
    clock: Clock,
    /// Begins when the handler first waits: most are done at once.
    sleep: Option<Sleep>,
}

impl<'d> Attempt<'d> {
    pub(crate) fn new(handling: &'d Handling, clock: &Clock, context: &'d DeliveryContext) -> Self {
        Self::bounded(Call::new(handling, context), handling.plan.failure.timeout, clock)
    }

    pub(crate) fn bounded(call: Call<'d>, timeout: Option<Duration>, clock: &Clock) -> Self {
        let deadline = timeout.map(|after| Deadline { after, clock: clock.clone(), sleep: None });
        Self { call, deadline }
    }

    /// What is done for a handler that has returned.
    pub(crate) fn of(running: Invocation<'d>) -> Self {
        Self { call: Call::of(running), deadline: None }
    }

    /// Carries the handler on. Not to be called again once it was ready.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let polled = self.call.poll(cx);
        let Some(deadline) = &mut self.deadline else { return polled };
        if polled.is_ready() {
            return polled;
        }
        let after = deadline.after;
        let sleep = deadline.sleep.get_or_insert_with(|| deadline.clock.sleep(after));
        if Pin::new(sleep).poll(cx).is_pending() {
            return Poll::Pending;
        }
        let outcome = Outcome::Failed(ListenerError::new(HandlerTimedOut { after }));
        self.call.end_with(&outcome);
        Poll::Ready(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::task::Waker;

    struct Dropped<'f>(&'f mut bool);

    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            *self.0 = true;
        }
    }

    fn bounded<'d>(running: Invocation<'d>, clock: &Clock) -> Attempt<'d> {
        Attempt::bounded(Call::of(running), Some(Duration::from_secs(30)), clock)
    }

    #[test]
    fn a_handler_that_takes_too_long_is_dropped_and_has_failed() {
        let (clock, hand) = Clock::manual();
        let mut is_dropped = false;
        let guard = Dropped(&mut is_dropped);
        let mut attempt = bounded(
            Box::pin(async move {
                let _guard = guard;
                pending().await
            }),
            &clock,
        );
        let mut cx = Context::from_waker(Waker::noop());
        assert!(attempt.poll(&mut cx).is_pending());
        hand.advance(Duration::from_millis(29_999));
        assert!(attempt.poll(&mut cx).is_pending());
        hand.advance(Duration::from_millis(1));
        let Poll::Ready(Outcome::Failed(error)) = attempt.poll(&mut cx) else { panic!("it waits") };
        assert_eq!(error.report(), "the handler took longer than 30s");
        let timed_out = error.find::<HandlerTimedOut>().map(|found| found.after());
        assert_eq!(timed_out, Some(Duration::from_secs(30)));
        drop(attempt);
        assert!(is_dropped);
    }

    #[test]
    fn a_handler_that_is_done_at_once_asks_no_clock() {
        let (clock, hand) = Clock::manual();
        let mut attempt = bounded(Box::pin(ready(Outcome::Ack)), &clock);
        let polled = attempt.poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Outcome::Ack)));
        assert_eq!(hand.sleepers(), 0);
    }
}
