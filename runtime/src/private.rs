//! What the expansion of `#[rabbit_listener]` names. Not for use by hand, and without any
//! promise to stay.

pub use inventory;

pub use crate::extract::{
    FromBatch, FromDelivery, Payload, SchemaOf, State, WithoutSchema, header, header_or,
};
pub use crate::listener::batch::IntoBatchOutcome;
pub use crate::listener::by_type::{TypedHandler, invoke_by_type, require_each};
pub use crate::listener::context::{BatchContext, DeliveryContext};
pub use crate::listener::endpoint::{
    AcknowledgeMode, Argument, BindingAttributes, CircuitAttributes, Concurrency, ErrorHandler,
    Invocation, Invoke, ListenerAttributes, ListenerItem, PartitionBy, PartitionKey,
    RabbitListenerEndpoint, Recover, Registration, RetryAttributes,
};
pub use crate::listener::outcome::{IntoOutcome, ListenerError, Outcome};
pub use crate::state::Requirements;

/// One message's part of each argument of a batch's handler; none if the handler does not get the
/// message.
pub fn take_parts<T>(
    cx: &BatchContext,
    index: usize,
    take: impl FnOnce() -> Result<T, ListenerError>,
) -> Option<T> {
    cx.take_parts(index, take)
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
    let traced = crate::trace::carry_over(handler);
    match tokio::task::spawn_blocking(traced).await {
        Ok(value) => Ok(value),
        Err(error) => match error.try_into_panic() {
            // The consumer catches it, as it does that of any other handler.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => Err(Outcome::Failed(ListenerError::new(cancelled))),
        },
    }
}
