use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use springhare_amqp::Message;

use super::{Flow, MessageProcessor};
use crate::error::Error;
use crate::listener::outcome::{Disposition, ListenerError};

/// Has the processors change a message, until one keeps it from going on; an `Err` is a panic.
pub(crate) fn after_receive(
    processors: &[Arc<dyn MessageProcessor>],
    message: &mut Message,
) -> std::thread::Result<Result<Flow, ListenerError>> {
    catch_unwind(AssertUnwindSafe(|| {
        for processor in processors {
            if processor.after_receive(message)? == Flow::Discard {
                return Ok(Flow::Discard);
            }
        }
        Ok(Flow::Continue)
    }))
}

/// What the processors say of a message that no listener got, but a template.
pub(crate) enum Received {
    Goes(Flow),
    Refused {
        then: Then,
        error: Error,
    },
    /// It is the caller's, once the message is back.
    Panicked(Box<dyn Any + Send>),
}

/// What becomes of a message that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Park,
    Reject,
    GiveBack,
    Acknowledge,
}

impl Received {
    pub(super) fn of(processors: &[Arc<dyn MessageProcessor>], message: &mut Message) -> Self {
        match after_receive(processors, message) {
            Ok(Ok(flow)) => Self::Goes(flow),
            Ok(Err(error)) => {
                let then = match error.disposition() {
                    Disposition::Default | Disposition::Fatal => Then::Park,
                    Disposition::RejectAndDontRequeue => Then::Reject,
                    Disposition::ImmediateRequeue | Disposition::RetryAfter(_) => Then::GiveBack,
                    Disposition::ImmediateAcknowledge => Then::Acknowledge,
                };
                Self::Refused { then, error: Error::Other(error.into_error()) }
            }
            Err(panic) => Self::Panicked(panic),
        }
    }
}
