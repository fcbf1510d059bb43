//! The call of a handler. A panic in it is a failure like any other.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use super::context::DeliveryContext;
use super::endpoint::{Invocation, RabbitListenerEndpoint};
use super::outcome::{ListenerError, Outcome};

/// A handler panicked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the handler panicked: {message}")]
pub(crate) struct HandlerPanicked {
    message: String,
}

/// A handler at work on one delivery.
pub(crate) struct Call<'d> {
    state: State<'d>,
}

enum State<'d> {
    Running(Invocation<'d>),
    /// It came to an end before it could be polled.
    Ended(Option<Outcome>),
}

impl<'d> Call<'d> {
    pub(crate) fn new(endpoint: &RabbitListenerEndpoint, context: &'d DeliveryContext) -> Self {
        // What a panic leaves half done is the handler's own: nothing of ours is borrowed mutably.
        let state = match catch_unwind(AssertUnwindSafe(|| (endpoint.invoke)(context))) {
            Ok(invocation) => State::Running(invocation),
            Err(panic) => State::Ended(Some(panicked(&*panic))),
        };
        Self { state }
    }

    /// Carries the handler on. Not to be called again once it was ready.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        match &mut self.state {
            State::Running(invocation) => {
                match catch_unwind(AssertUnwindSafe(|| invocation.as_mut().poll(cx))) {
                    Ok(polled) => polled,
                    Err(panic) => Poll::Ready(panicked(&*panic)),
                }
            }
            State::Ended(outcome) => match outcome.take() {
                Some(outcome) => Poll::Ready(outcome),
                None => Poll::Pending,
            },
        }
    }
}

impl Drop for Call<'_> {
    /// A handler that is dropped midway runs its destructors, which may panic too.
    fn drop(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Ended(None));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(state))) {
            tracing::error!("a handler panicked while it was dropped: {}", message_of(&*panic));
        }
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Outcome {
    Outcome::Failed(ListenerError::new(HandlerPanicked { message: message_of(panic) }))
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a panic without a text".to_owned(),
    }
}
