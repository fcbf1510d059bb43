//! What the expansion of `#[rabbit_listener]` names. Not for use by hand, and without any
//! promise to stay.

pub use inventory;

pub use crate::extract::{FromDelivery, Payload, header, header_or};
pub use crate::listener::context::DeliveryContext;
pub use crate::listener::endpoint::{
    AcknowledgeMode, Argument, Concurrency, Invocation, ListenerAttributes, ListenerItem,
    RabbitListenerEndpoint, Registration,
};
pub use crate::listener::outcome::{IntoOutcome, Outcome};
pub use crate::state::Requirements;

use crate::listener::outcome::ListenerError;

/// Runs a blocking handler on a thread where it may block.
pub async fn run_blocking<F>(handler: F) -> Outcome
where
    F: FnOnce() -> Outcome + Send + 'static,
{
    match tokio::task::spawn_blocking(handler).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            // The consumer catches it, as it does that of any other handler.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => Outcome::Failed(ListenerError::new(cancelled)),
        },
    }
}
