//! What becomes of a message of a stream: it is acknowledged whatever its handler came to, since
//! the stream keeps it and delivers it to nobody twice. RabbitMQ 3 knows no other answer either.

use springhare_broker::Multiple;

use super::give_up::Copied;
use super::{Decision, Failed, Work};
use crate::channel::Verdict;
use crate::listener::consumer::Exit;
use crate::listener::discarded::DiscardReason;
use crate::listener::outcome::{ListenerError, Outcome};
use crate::listener::plan::ListenerPlan;
use crate::listener::retry::Recoverer;
use crate::template::ParkReason;

impl Work<'_> {
    /// Acknowledges the message; a copy of one that failed is parked before, for somebody to look
    /// at.
    pub(super) async fn leave_in_stream(
        &mut self,
        failed: Failed,
        plan: &ListenerPlan,
        outcome: Outcome,
    ) -> Result<(), Exit> {
        if let Outcome::Failed(error) = outcome
            && is_to_be_seen(&error, plan)
        {
            self.settler.flush().await?;
            let reason = ParkReason::Fatal { exception: error.report() };
            let copied = match plan.failure.recoverer {
                Recoverer::Republish { .. } => Copied::Republished,
                _ => Copied::Parked,
            };
            let stop = self.stop;
            let parking = self.failure.copy_out(&failed, plan, &reason, copied);
            let parking = self.settler.beside_copies(Box::pin(parking));
            let parked = stop.unless_forced(parking).await.ok_or(Exit::Stopped)?;
            self.settler.settle(failed.delivery_tag, Verdict::Ack(Multiple::One)).await?;
            match parked {
                Ok(()) => failed.tell(DiscardReason::Fatal, copied.to()),
                Err(error) => tracing::error!(
                    queue = &*failed.queue,
                    %error,
                    "a message of a stream could not be parked; it is still in the stream"
                ),
            }
            return Ok(());
        }
        Ok(self.settler.settle(failed.delivery_tag, Verdict::Ack(Multiple::One)).await?)
    }
}

/// Whether nobody has decided yet that the message does not matter.
fn is_to_be_seen(error: &ListenerError, plan: &ListenerPlan) -> bool {
    !matches!(Decision::on(error, plan), Decision::Acknowledge | Decision::Reject)
}
