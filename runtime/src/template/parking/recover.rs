//! Sends a message that is given up where its listener says.

use springhare_amqp::ShortString;
use springhare_broker::PublishedMessage;

use super::retry::original_route;
use super::{Extent, ParkReason, ParkedFrom, RabbitTemplate, is_too_large, parked};
use crate::connection::Confirmation;
use crate::error::Result;

impl RabbitTemplate {
    /// Publishes a copy of `original` to this exchange, under this key or the original's own, with
    /// what is known of its failure; `Ok` once the broker confirmed that a queue has it.
    pub(crate) async fn recover(
        &self,
        exchange: &ShortString,
        routing_key: Option<&ShortString>,
        original: &PublishedMessage,
        reason: &ParkReason,
        from: ParkedFrom<'_>,
    ) -> Result<()> {
        let routing_key = routing_key.cloned().unwrap_or_else(|| original_route(original).1);
        let mut sent = Ok(());
        for extent in Extent::ALL {
            let message = parked(original, reason, from, extent);
            let mut publish = self.publish_of((exchange, &routing_key), message)?;
            publish.mandatory = true;
            sent = self.shared.publishing.publish_replacement(publish, Confirmation::Awaited).await;
            if !is_too_large(&sent) {
                break;
            }
        }
        sent
    }
}
