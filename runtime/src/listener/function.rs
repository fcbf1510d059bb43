//! What a listener calls, and where it stands in the program.

use std::fmt;
use std::future::ready;
use std::sync::Arc;

use super::context::DeliveryContext;
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
        handler: impl for<'d> Fn(&'d DeliveryContext) -> Invocation<'d> + Send + Sync + 'static,
        require: fn(&mut Requirements),
        place: Place,
    ) -> Self {
        Self {
            place,
            docs: "",
            require,
            invoke: Invoke::One(call_shared),
            error_handler: None,
            handler: Some(Arc::new(handler)),
        }
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
pub(crate) type SharedHandler =
    Arc<dyn for<'d> Fn(&'d DeliveryContext) -> Invocation<'d> + Send + Sync>;

/// Calls the handler that the delivery's listener was made with.
fn call_shared(cx: &DeliveryContext) -> Invocation<'_> {
    match cx.handler() {
        Some(handler) => handler(cx),
        None => {
            let error = ListenerError::fatal("the listener has no handler");
            Box::pin(ready(Outcome::Failed(error)))
        }
    }
}
