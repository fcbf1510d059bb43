//! What a container's circuit hears of its messages.

use super::{Decision, Work};
use crate::listener::circuit::SharedCircuit;
use crate::listener::consumer::Exit;
use crate::listener::outcome::Outcome;
use crate::listener::plan::ListenerPlan;

impl Work<'_> {
    /// Tells the circuit of an outcome. What is the message's own fault says nothing of the others.
    pub(in crate::listener) fn tell(
        &self,
        circuit: &SharedCircuit,
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
            circuit.failed(&plan.id, self.settler.clock().now());
        } else {
            circuit.succeeded(&plan.id);
        }
    }

    /// Consumes no more: what is not handled goes back with its channel, and what has failed is
    /// counted.
    pub(in crate::listener) async fn leave(&mut self) -> Result<Exit, Exit> {
        match self.cancel().await {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(Exit::Lost(error.to_string())),
            // Its broker may not answer at all.
            None => return Err(Exit::Stopped),
        }
        self.settler.flush().await?;
        self.settler.requeue_paused().await?;
        Ok(Exit::Circuit)
    }
}
