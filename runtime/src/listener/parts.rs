//! A message that is several, as a producer in batches makes it: each part is a call of the handler, in
//! their order, and what the first that is not done comes to is what becomes of the whole.

use super::context::DeliveryContext;
use super::endpoint::Invocation;
use super::handling::Handling;
use super::outcome::Outcome;
use super::outgoing;
use super::reply;
use crate::convert::parts::is_several;
use crate::middleware::Next;

impl Handling {
    /// Whether the message in `context` is to be taken apart.
    pub(super) fn takes_apart(&self, context: &DeliveryContext) -> bool {
        self.plan.de_batching && is_several(&context.message().properties)
    }
}

/// Calls the handler with each part. Their replies and what they have put into their outboxes go out
/// one by one: there is one acknowledgement, and none of them may wait for it.
pub(super) async fn in_turn(
    handling: &Handling,
    whole: &DeliveryContext,
    invoke: for<'c> fn(&'c DeliveryContext) -> Invocation<'c>,
) -> Outcome {
    let mut parts = match whole.parts() {
        Ok(parts) => parts,
        Err(error) => return Outcome::from_rejection(error),
    };
    while let Some(message) = parts.next() {
        let part = whole.part(message, parts.is_empty());
        let mut outcome = match &*handling.middleware.layers {
            [] => invoke(&part).await,
            layers => Next::new(layers, invoke).run(&part).await,
        };
        if outgoing::is_to_send(&part, &outcome) {
            outcome = outgoing::send(&part, outcome).await;
        }
        if matches!(outcome, Outcome::Reply(_)) {
            outcome = reply::answer(&part, &handling.plan, outcome).await;
        }
        if !matches!(outcome, Outcome::Ack) {
            return outcome;
        }
    }
    Outcome::Ack
}
