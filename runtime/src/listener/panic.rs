//! Panics of the application's code where none is a handler's failure: in the destructor of an error, say.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use super::consumer::Exit;

/// Why a consumer's loop ends, which a panic does, too. What that leaves half done is not gone on with: after
/// it no more is done than after a loss.
pub(super) async fn caught(steps: impl Future<Output = Exit>) -> Exit {
    let ended = AssertUnwindSafe(steps).catch_unwind().await;
    ended.unwrap_or_else(|panic| Exit::Panicked(message_of(&*panic)))
}

/// What a panic said.
pub(super) fn message_of(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a panic without a text".to_owned(),
    }
}
