use std::sync::Arc;

use springhare_amqp::{AmqpError, MethodId, ReplyCode, ShortString};

use super::settle::{Settled, Settlement};
use crate::model::message::PublishedMessage;
use crate::model::routes::Delay;
use crate::model::unsettled::UnsettledDelivery;

/// A message that was routed and is enqueued at the commit.
///
/// Its queues are kept by name, as RabbitMQ does: one that is deleted and declared again
/// meanwhile gets the message, and so does one that the default exchange did not know yet.
#[derive(Debug, Clone)]
pub(crate) struct RoutedPublish {
    pub(crate) message: Arc<PublishedMessage>,
    pub(crate) queues: Arc<[ShortString]>,
    /// The delayed exchanges at which it waits from the commit on.
    pub(crate) delays: Vec<Delay>,
    pub(crate) unroutable: Unroutable,
}

/// What happens to a message that reaches no queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unroutable {
    /// It is mandatory, and goes back to its publisher.
    Return,
    Drop,
}

/// What a channel has published and settled since its last commit or rollback.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    publishes: Vec<RoutedPublish>,
    bytes: usize,
    settlements: Vec<DeferredSettlement>,
}

/// Deliveries that were settled one after the other in the same way, with their tags.
#[derive(Debug)]
struct DeferredSettlement {
    settlement: Settlement,
    deliveries: Vec<(u64, UnsettledDelivery)>,
}

/// What a commit is to do: the messages first, so that none is nowhere, then the settlements.
#[derive(Debug)]
pub(crate) struct Committed<Q> {
    /// In the order in which they were published.
    pub(crate) publishes: Vec<RoutedPublish>,
    /// What the messages were charged with while they were held, in bytes.
    pub(crate) held_bytes: usize,
    pub(crate) settlements: Vec<(Settlement, Vec<Settled<Q>>)>,
}

impl Transaction {
    pub(super) fn defer_publish(
        &mut self,
        mut publish: RoutedPublish,
        max_bytes: usize,
    ) -> Result<usize, AmqpError> {
        // Neighbours mostly go the same way: the names are then kept once.
        let names = match self.publishes.last() {
            Some(last) if last.queues == publish.queues => {
                publish.queues = Arc::clone(&last.queues);
                0
            }
            _ => publish.queues.iter().map(|name| size_of::<ShortString>() + name.len()).sum(),
        };
        let delays = publish.delays.len() * size_of::<Delay>();
        let bytes = publish.message.charge() + names + delays;
        if self.bytes.saturating_add(bytes) > max_bytes {
            return Err(AmqpError::new(
                ReplyCode::PreconditionFailed,
                MethodId::BASIC_PUBLISH,
                format_args!(
                    "a transaction holds at most {max_bytes} bytes of messages \
                     (transaction_max_bytes): commit it earlier"
                ),
            ));
        }
        self.bytes += bytes;
        self.publishes.push(publish);
        Ok(bytes)
    }

    pub(super) fn defer_settlement(
        &mut self,
        settlement: Settlement,
        deliveries: Vec<(u64, UnsettledDelivery)>,
    ) {
        match self.settlements.last_mut() {
            Some(last) if last.settlement == settlement => last.deliveries.extend(deliveries),
            _ => self.settlements.push(DeferredSettlement { settlement, deliveries }),
        }
    }

    /// What is to be done, the deliveries grouped by `group`. Those that were settled in the
    /// same way one after the other come in the order of their tags, which is the order of the
    /// dead letters.
    pub(super) fn commit<Q>(
        self,
        mut group: impl FnMut(Vec<UnsettledDelivery>) -> Vec<Settled<Q>>,
    ) -> Committed<Q> {
        let settlements = self.settlements.into_iter().map(|deferred| {
            let DeferredSettlement { settlement, mut deliveries } = deferred;
            deliveries.sort_unstable_by_key(|(tag, _)| *tag);
            let deliveries = deliveries.into_iter().map(|(_, delivery)| delivery).collect();
            (settlement, group(deliveries))
        });
        let settlements = settlements.collect();
        Committed { publishes: self.publishes, held_bytes: self.bytes, settlements }
    }

    /// The deliveries that are unsettled again, and what the dropped messages were charged with.
    pub(super) fn roll_back(self) -> (Vec<(u64, UnsettledDelivery)>, usize) {
        let deliveries = self.settlements.into_iter().flat_map(|deferred| deferred.deliveries);
        (deliveries.collect(), self.bytes)
    }
}
