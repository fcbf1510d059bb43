//! What becomes of a message that no handler of its queue takes.

use springhare_broker::Multiple;

use super::{Kept, Work};
use crate::channel::Verdict;
use crate::listener::consumer::Exit;
use crate::listener::container::Container;
use crate::listener::context::DeliveryContext;
use crate::listener::discarded::{DiscardReason, DiscardedTo};
use crate::listener::pacing::PAUSE_MAX;
use crate::template::{ParkReason, ParkedFrom};

impl Work<'_> {
    /// Parks it, and acknowledges it when the copy is confirmed. A dead-letter exchange is not asked:
    /// what came back from there could go round for ever.
    pub(in crate::listener) async fn unmatched(
        &mut self,
        context: &DeliveryContext,
        container: &Container,
    ) -> Result<(), Exit> {
        let delivery = context.delivery();
        let (exchange, key) = (context.exchange(), context.routing_key());
        let error_queue = self.failure.error_queue.clone();
        tracing::warn!(
            listener = &*container.name,
            queue = &**context.queue(),
            exchange = &**exchange,
            routing_key = &**key,
            error_queue = &*error_queue,
            "no handler of the queue takes this key; the message is parked"
        );
        let exception =
            format!("no handler takes exchange '{exchange}' key '{key}': {}", container.name);
        let reason = ParkReason::Unmatched { exception };
        self.settler.flush().await?;
        let from = ParkedFrom { queue: context.queue(), attempts: context.failures().before };
        let parking = self.failure.template.park(&error_queue, &delivery.message, &reason, from);
        let parking = self.settler.beside_copies(Box::pin(parking));
        let parked = self.stop.unless_forced(parking).await.ok_or(Exit::Stopped)?;
        if let Err(error) = &parked {
            tracing::error!(queue = &*error_queue, %error, "a message could not be parked");
        }
        let delivery_tag = delivery.delivery_tag;
        if !self.is_no_ack() {
            // A stream keeps it in any case, and takes nothing back.
            if parked.is_err() && self.failure.kept != Kept::InStream {
                return Ok(self.settler.requeue_after(delivery_tag, PAUSE_MAX).await?);
            }
            self.settler.settle(delivery_tag, Verdict::Ack(Multiple::One)).await?;
        }
        let to = match parked {
            Ok(()) => DiscardedTo::ErrorQueue,
            // The broker has forgotten it.
            Err(_) if self.is_no_ack() => DiscardedTo::Nowhere,
            // Its stream has it.
            Err(_) => return Ok(()),
        };
        if let Some(discarding) = self.failure.discards.of(context, None) {
            discarding.tell(DiscardReason::Unmatched, to);
        }
        Ok(())
    }
}
