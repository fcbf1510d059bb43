//! The call of a handler. A panic in it is a failure like any other.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::context::{BatchContext, DeliveryContext};
use super::endpoint::{Invocation, Invoke, InvokeBatch};
use super::handling::Handling;
use super::outcome::{ListenerError, Outcome};
use super::panic::message_of;
use super::parts::in_turn;
use crate::middleware::{BatchLayer, Next, NextBatch};
use crate::trace::Traced;

/// A handler panicked. That is a failure like any other.
///
/// It is what [`ListenerError::find`] finds then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the handler panicked: {message}")]
pub struct HandlerPanicked {
    message: String,
}

/// A handler at work.
pub(crate) struct Call<'d> {
    running: Option<Invocation<'d>>,
    /// It panicked before it could be polled.
    ended: Option<Outcome>,
    /// The trace that its message belongs to, if it does to any.
    traced: Option<Box<Traced>>,
}

impl<'d> Call<'d> {
    /// Calls the handler with one delivery, through the layers round it.
    pub(crate) fn new(handling: &'d Handling, context: &'d DeliveryContext) -> Self {
        let layers = &*handling.middleware.layers;
        match handling.plan.function.invoke {
            Invoke::One(invoke) => {
                let traced = Traced::of(context);
                if handling.takes_apart(context) {
                    let parts = Box::pin(in_turn(handling, context, invoke));
                    return Self { running: Some(parts), ended: None, traced };
                }
                Self::begin_in(traced, || match layers {
                    [] => invoke(context),
                    layers => Next::new(layers, invoke).run(context),
                })
            }
            Invoke::Batch(_) => {
                let error = ListenerError::msg("a batch's handler was called with one message");
                Self { running: None, ended: Some(Outcome::Failed(error)), traced: None }
            }
        }
    }

    /// Calls what is no listener's handler itself by `begin`: an error handler is of no trace.
    pub(crate) fn begin(begin: impl FnOnce() -> Invocation<'d>) -> Self {
        Self::begin_in(None, begin)
    }

    /// Calls the handler with a batch, through the layers round it unless nothing is left to handle.
    pub(crate) fn with_batch(
        layers: &'d [Arc<dyn BatchLayer>],
        invoke: InvokeBatch,
        batch: &'d BatchContext,
    ) -> Self {
        let nobody_goes_round = layers.is_empty() || batch.accepted() == 0;
        Self::begin_in(Traced::of_batch(batch), || match nobody_goes_round {
            true => invoke(batch),
            false => NextBatch::new(layers, invoke).run(batch),
        })
    }

    fn begin_in(traced: Option<Box<Traced>>, begin: impl FnOnce() -> Invocation<'d>) -> Self {
        let entered = traced.as_deref().map(Traced::enter);
        // What a panic leaves half done is the handler's own: nothing of ours is borrowed mutably.
        let begun = catch_unwind(AssertUnwindSafe(begin));
        drop(entered);
        let (running, ended) = match begun {
            Ok(invocation) => (Some(invocation), None),
            Err(panic) => (None, Some(Outcome::Failed(panicked(&*panic)))),
        };
        Self { running, ended, traced }
    }

    /// What is done for a handler that has returned.
    pub(crate) fn of(running: Invocation<'d>) -> Self {
        Self { running: Some(running), ended: None, traced: None }
    }

    /// Carries the handler on. Not to be called again once it was ready.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let Some(mut running) = self.running.take() else {
            let Some(outcome) = self.ended.take() else { return Poll::Pending };
            if let Some(traced) = &self.traced {
                traced.ended(&outcome);
            }
            return Poll::Ready(outcome);
        };
        let entered = self.traced.as_deref().map(Traced::enter);
        // One that is done is dropped inside, since a destructor may panic too.
        let polled = catch_unwind(AssertUnwindSafe(|| match running.as_mut().poll(cx) {
            Poll::Ready(outcome) => Ok({
                drop(running);
                outcome
            }),
            Poll::Pending => Err(running),
        }));
        drop(entered);
        let outcome = match polled {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(running)) => {
                self.running = Some(running);
                return Poll::Pending;
            }
            Err(panic) => Outcome::Failed(panicked(&*panic)),
        };
        if let Some(traced) = &self.traced {
            traced.ended(&outcome);
        }
        Poll::Ready(outcome)
    }
}

impl Call<'_> {
    /// Drops the handler midway, which comes to this.
    pub(crate) fn end_with(&mut self, outcome: &Outcome) {
        if let Some(traced) = &self.traced {
            traced.ended(outcome);
        }
        self.end();
    }

    /// Drops the handler midway, whose destructors may panic too.
    fn end(&mut self) {
        let Some(running) = self.running.take() else { return };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(running))) {
            tracing::error!("a handler panicked while it was dropped: {}", message_of(&*panic));
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// What is done for a handler that has returned, where it stands: it is dropped as soon as it is done, and
/// with this, so inside of what catches a panic.
pub(super) struct InPlace<'f, F>(pub(super) Pin<&'f mut Option<F>>);

impl<F: Future<Output = Outcome>> InPlace<'_, F> {
    /// Carries it on; a panic is its failure.
    pub(super) fn poll_caught(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(self).poll(cx)));
        polled.unwrap_or_else(|panic| Poll::Ready(Outcome::Failed(panicked(&*panic))))
    }
}

impl<F: Future<Output = Outcome>> Future for InPlace<'_, F> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let Some(running) = self.0.as_mut().as_pin_mut() else { return Poll::Pending };
        let outcome = ready!(running.poll(cx));
        self.0.set(None);
        Poll::Ready(outcome)
    }
}

impl<F> Drop for InPlace<'_, F> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

/// Does what is to be done for a handler that has returned; a panic is its failure.
pub(super) async fn in_place(sending: impl Future<Output = Outcome>) -> Outcome {
    let mut sending = InPlace(pin!(Some(sending)));
    poll_fn(|cx| sending.poll_caught(cx)).await
}

/// The failure that a panic is.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> ListenerError {
    ListenerError::new(HandlerPanicked { message: message_of(panic) })
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::task::Waker;

    use super::*;

    struct PanicsAtItsEnd;

    impl Drop for PanicsAtItsEnd {
        fn drop(&mut self) {
            panic!("a panic of the test");
        }
    }

    #[test]
    fn what_stands_in_its_place_is_dropped_where_a_panic_is_caught() {
        let mut cx = Context::from_waker(Waker::noop());
        let done = async {
            let _end = PanicsAtItsEnd;
            Outcome::Ack
        };
        let done = InPlace(pin!(Some(done))).poll_caught(&mut cx);
        assert!(matches!(done, Poll::Ready(Outcome::Failed(_))), "{done:?}");
        let midway = pin!(Some(async {
            let _end = PanicsAtItsEnd;
            pending().await
        }));
        let mut midway = InPlace(midway);
        assert!(midway.poll_caught(&mut cx).is_pending());
        Call::of(Box::pin(midway)).end();
    }
}
