//! What a listener calls, and where it stands in the program.

use std::fmt;
use std::future::ready;
use std::sync::Arc;

use super::context::{BatchContext, DeliveryContext};
use super::endpoint::{ErrorHandler, Invocation, Invoke, RabbitListenerEndpoint};
use super::outcome::{ListenerError, Outcome};
use crate::error::Place;
use crate::state::Requirements;

/// The function of a listener, whether an attribute stands on it or it was handed over.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) place: Place,
    /// Its doc comment.
    pub(crate) docs: &'static str,
    require: fn(&mut Requirements),
    pub(crate) invoke: Invoke,
    pub(crate) error_handler: Option<ErrorHandler>,
    /// What `invoke` calls, where it was handed over.
    pub(crate) handler: Option<SharedHandler>,
}

impl Function {
    /// The function that an attribute stands on.
    pub(crate) fn of(endpoint: &RabbitListenerEndpoint) -> Self {
        Self {
            place: Place { file: endpoint.file, line: endpoint.line },
            docs: endpoint.docs,
            require: endpoint.require,
            invoke: endpoint.invoke,
            error_handler: endpoint.error_handler,
            handler: None,
        }
    }

    /// A function or a closure that was handed over at this place.
    pub(crate) fn handed_over(
        handler: SharedHandler,
        require: fn(&mut Requirements),
        place: Place,
    ) -> Self {
        let invoke = match handler {
            SharedHandler::One(_) => Invoke::One(call_shared),
            SharedHandler::Batch(_) => Invoke::Batch(call_shared_with_batch),
        };
        Self { place, docs: "", require, invoke, error_handler: None, handler: Some(handler) }
    }

    /// What its arguments need of the application.
    pub(crate) fn requirements(&self) -> Requirements {
        let mut requirements = Requirements::default();
        (self.require)(&mut requirements);
        requirements
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("place", &self.place).finish_non_exhaustive()
    }
}

/// A handler of any type.
#[derive(Clone)]
pub(crate) enum SharedHandler {
    /// Of one message.
    One(Arc<dyn for<'d> Fn(&'d DeliveryContext) -> Invocation<'d> + Send + Sync>),
    /// Of a batch.
    Batch(Arc<dyn for<'d> Fn(&'d BatchContext) -> Invocation<'d> + Send + Sync>),
}

impl SharedHandler {
    pub(crate) fn one(
        handler: impl for<'d> Fn(&'d DeliveryContext) -> Invocation<'d> + Send + Sync + 'static,
    ) -> Self {
        Self::One(Arc::new(handler))
    }

    pub(crate) fn batch(
        handler: impl for<'d> Fn(&'d BatchContext) -> Invocation<'d> + Send + Sync + 'static,
    ) -> Self {
        Self::Batch(Arc::new(handler))
    }
}

/// Calls the handler that the delivery's listener was made with.
fn call_shared(cx: &DeliveryContext) -> Invocation<'_> {
    match cx.handler() {
        Some(SharedHandler::One(handler)) => handler(cx),
        Some(SharedHandler::Batch(_)) | None => without_handler(),
    }
}

/// Calls the handler that the batch's listener was made with.
fn call_shared_with_batch(cx: &BatchContext) -> Invocation<'_> {
    match cx.consumer().handler() {
        Some(SharedHandler::Batch(handler)) => handler(cx),
        Some(SharedHandler::One(_)) | None => without_handler(),
    }
}

fn without_handler<'d>() -> Invocation<'d> {
    let error = ListenerError::fatal("the listener has no handler");
    Box::pin(ready(Outcome::Failed(error)))
}
