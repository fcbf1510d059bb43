//! What a handler's shim returns: the handler's future, and what its value comes to.

use std::future::ready;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::context::DeliveryContext;
use super::endpoint::Invocation;
use super::outcome::{ListenerError, Outcome};
use crate::trace;

/// A handler's future, of any type: there is one type for each handler of a program, and what is generic
/// over them is compiled as often.
type HandlerFuture<'d, T> = dyn Future<Output = T> + Send + 'd;

/// What a handler's value comes to. A pointer, so that the compiler asks once whether there is one: where
/// the shim names it.
type IntoOutcomeFn<T> = fn(T, &DeliveryContext) -> Outcome;

/// A handler at work.
struct Handled<'d, T> {
    handler: Pin<Box<HandlerFuture<'d, T>>>,
    outcome: IntoOutcomeFn<T>,
    cx: &'d DeliveryContext,
}

impl<T> Future for Handled<'_, T> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let value = ready!(self.handler.as_mut().poll(cx));
        Poll::Ready((self.outcome)(value, self.cx))
    }
}

/// A handler, and what its value comes to for the message.
pub fn handled<'d, T: 'd>(
    handler: Box<HandlerFuture<'d, T>>,
    outcome: IntoOutcomeFn<T>,
    cx: &'d DeliveryContext,
) -> Invocation<'d> {
    Box::pin(Handled { handler: handler.into(), outcome, cx })
}

/// The same for a handler that blocks: it runs on a thread where it may.
pub fn handled_blocking<T, F>(
    handler: F,
    outcome: IntoOutcomeFn<T>,
    cx: &DeliveryContext,
) -> Invocation<'_>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let ran = run_blocking(handler);
    Box::pin(async move {
        match ran.await {
            Ok(value) => outcome(value, cx),
            Err(outcome) => outcome,
        }
    })
}

/// A handler that could not be called, since an argument was refused.
pub fn rejected<'d>(rejection: impl Into<ListenerError>) -> Invocation<'d> {
    Box::pin(ready(Outcome::from_rejection(rejection)))
}

/// Runs a blocking handler on a thread where it may block; what it returned, or why it could not be
/// run.
///
/// # Errors
///
/// The executor takes no work any more.
pub async fn run_blocking<T, F>(handler: F) -> Result<T, Outcome>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let traced = trace::carry_over(handler);
    match tokio::task::spawn_blocking(traced).await {
        Ok(value) => Ok(value),
        Err(error) => match error.try_into_panic() {
            // The consumer catches it, as it does that of any other handler.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => Err(Outcome::Failed(ListenerError::new(cancelled))),
        },
    }
}
