//! What a container's circuit hears of its messages.

use std::collections::VecDeque;

use springhare_broker::{Delivery, Requeue};

use super::{Decision, Kept, Work};
use crate::channel::Verdict;
use crate::listener::circuit::{Admission, SharedCircuit};
use crate::listener::consumer::Exit;
use crate::listener::outcome::Outcome;
use crate::listener::plan::ListenerPlan;

impl Work<'_> {
    /// Tells the circuit of an outcome, and what it let the consumer do. What is the message's own
    /// fault says nothing of the others.
    pub(in crate::listener) fn tell(
        &self,
        (circuit, admitted): (&SharedCircuit, Admission),
        plan: &ListenerPlan,
        outcome: &Outcome,
    ) {
        let has_failed = match outcome {
            Outcome::Ack | Outcome::Reply(_) => false,
            Outcome::RetryAfter(_) => true,
            Outcome::Failed(error) if Decision::tells_of_others(error, plan) => true,
            Outcome::Failed(_) | Outcome::Reject | Outcome::Requeue => return,
        };
        if has_failed {
            circuit.failed(&plan.id, self.settler.clock().now(), admitted);
        } else {
            circuit.succeeded(&plan.id, admitted);
        }
    }

    /// Consumes no more. What is not handled goes back uncounted, which it would not with its channel:
    /// no handler has seen it. What has failed is counted.
    pub(in crate::listener) async fn leave(
        &mut self,
        received: &mut VecDeque<Delivery>,
    ) -> Result<Exit, Exit> {
        self.drain().await?;
        // A stream takes nothing back.
        if self.failure.kept == Kept::UntilSettled {
            for delivery in received.drain(..).chain(self.late.drain(..)) {
                self.settler.settle(delivery.delivery_tag, Verdict::Nack(Requeue::Yes)).await?;
            }
        }
        Ok(Exit::Circuit)
    }
}
