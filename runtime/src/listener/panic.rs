//! Panics of the application's code where none is a handler's failure: in the destructor of an error, say.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use super::consumer::Exit;

/// A step of a consumer's loop, which a panic ends. What it leaves half done is not gone on with: after it
/// the loop does no more than what it does after a loss.
pub(super) async fn caught(step: impl Future<Output = Result<(), Exit>>) -> Result<(), Exit> {
    match AssertUnwindSafe(step).catch_unwind().await {
        Ok(ended) => ended,
        Err(panic) => Err(Exit::Panicked(message_of(&*panic))),
    }
}

/// What a panic said.
pub(super) fn message_of(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a panic without a text".to_owned(),
    }
}
