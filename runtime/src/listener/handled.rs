//! What a handler's shim returns: the handler's future, and what its value comes to.

use std::future::ready;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::context::DeliveryContext;
use super::endpoint::Invocation;
use super::outcome::{ListenerError, Outcome};
use crate::trace;

/// What a handler's value comes to. A pointer, so that the compiler asks once whether there is one: where
/// the shim names it.
type IntoOutcomeFn<T> = fn(T, &DeliveryContext) -> Outcome;

pin_project! {
    /// A handler at work. By hand, since there is one for each handler of a program: an `async` block
    /// takes the compiler several times as long.
    struct Handled<'d, F: Future> {
        #[pin]
        handler: F,
        outcome: IntoOutcomeFn<F::Output>,
        cx: &'d DeliveryContext,
    }
}

impl<F: Future> Future for Handled<'_, F> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let this = self.project();
        let value = ready!(this.handler.poll(cx));
        Poll::Ready((this.outcome)(value, this.cx))
    }
}

/// A handler, and what its value comes to for the message.
pub fn handled<'d, F: Future + Send + 'd>(
    handler: F,
    outcome: IntoOutcomeFn<F::Output>,
    cx: &'d DeliveryContext,
) -> Invocation<'d>
where
    F::Output: 'd,
{
    Box::pin(Handled { handler, outcome, cx })
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
