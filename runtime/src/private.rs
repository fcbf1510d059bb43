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
pub use crate::listener::handled::{handled, handled_blocking, rejected, run_blocking};
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
