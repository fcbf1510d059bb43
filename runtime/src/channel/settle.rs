use std::fmt::Debug;
use std::sync::atomic::Ordering;

use springhare_broker::{Multiple, Requeue};

use super::settled_tags::SettledTags;
use super::{Channel, DeliveryTag};
use crate::connection::LinkError;
use crate::error::Error;

/// Why a delivery was not settled. But for [`Link`](Self::Link) nothing was sent to the broker.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// The delivery is settled already: by `ack_multiple` on a later one, or by the listener.
    #[error("delivery {delivery_tag} is settled already")]
    AlreadySettled {
        /// The delivery's number.
        delivery_tag: u64,
    },
    /// The tag belongs to another channel, or to this listener's channel before it was
    /// re-established; the broker has requeued the message since.
    #[error(
        "delivery {delivery_tag} came on another channel, or on this one before it was \
         re-established; settle it on the channel that the handler was given with it"
    )]
    OtherChannel {
        /// The delivery's number.
        delivery_tag: u64,
    },
    /// The channel is closed; the broker has requeued the message.
    #[error("delivery {delivery_tag} can't be settled, its channel is closed")]
    ChannelClosed {
        /// The delivery's number.
        delivery_tag: u64,
    },
    /// It is a listener's channel, which settles by [`DeliveryTag`] alone: a bare number could
    /// settle twice what the listener settles too.
    #[error(
        "a listener's channel settles by DeliveryTag: take a `tag: DeliveryTag` in the handler \
         and call `channel.ack(tag)`"
    )]
    ListenersChannel,
    /// The broker or the connection refused.
    #[error("delivery {delivery_tag} was not settled: {source}")]
    Link {
        /// The delivery's number; 0 for all of the channel.
        delivery_tag: u64,
        /// What went wrong.
        source: LinkError,
    },
}

impl From<SettleError> for Error {
    fn from(error: SettleError) -> Self {
        Self::Other(Box::new(error))
    }
}

/// One way to settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ack(Multiple),
    Nack(Requeue),
    Reject(Requeue),
}

/// Is told of the settlements that were sent on channels of listeners.
pub(crate) trait SettlementObserver: Debug + Send + Sync {
    /// One was sent on the channel of this epoch, and not refused; so many deliveries are settled by
    /// it.
    fn settled(&self, epoch: u64, delivery_tag: u64, verdict: Verdict, deliveries: u64);
}

/// # Settlement
impl Channel {
    /// Acknowledges one delivery: the broker forgets it.
    ///
    /// # Errors
    ///
    /// [`SettleError`] when the tag is settled, foreign or stale, or the channel is closed.
    ///
    /// # Cancel safety
    ///
    /// A future dropped midway leaves the tag settled in this process while the broker may
    /// not know it: the message comes back when the channel closes.
    pub async fn ack(&self, tag: DeliveryTag) -> Result<(), SettleError> {
        self.settle_tag(tag, Verdict::Ack(Multiple::One)).await
    }

    /// Acknowledges this delivery and all earlier unsettled ones of the channel.
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub async fn ack_multiple(&self, tag: DeliveryTag) -> Result<(), SettleError> {
        self.settle_tag(tag, Verdict::Ack(Multiple::UpTo)).await
    }

    /// Refuses one delivery (`basic.nack`): back to its place in the queue with
    /// [`Requeue::Yes`], dead-lettered or dropped with [`Requeue::No`].
    ///
    /// On quorum queues only [`reject`](Self::reject) counts towards the delivery limit.
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub async fn nack(&self, tag: DeliveryTag, requeue: Requeue) -> Result<(), SettleError> {
        self.settle_tag(tag, Verdict::Nack(requeue)).await
    }

    /// Refuses one delivery (`basic.reject`) and counts it as failed.
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub async fn reject(&self, tag: DeliveryTag, requeue: Requeue) -> Result<(), SettleError> {
        self.settle_tag(tag, Verdict::Reject(requeue)).await
    }

    async fn settle_tag(&self, tag: DeliveryTag, verdict: Verdict) -> Result<(), SettleError> {
        let delivery_tag = tag.value();
        if tag.epoch() != self.epoch() {
            return Err(SettleError::OtherChannel { delivery_tag });
        }
        let mut settled = self.shared.settling.lock().await;
        if self.is_covered(delivery_tag) {
            tag.settlement().claim();
            return Err(SettleError::AlreadySettled { delivery_tag });
        }
        if self.shared.link.close_reason().is_some() {
            return Err(SettleError::ChannelClosed { delivery_tag });
        }
        if !tag.settlement().claim() {
            return Err(SettleError::AlreadySettled { delivery_tag });
        }
        self.send(delivery_tag, verdict, &mut settled).await
    }

    /// Settles for the container, which has claimed the delivery before. A delivery that an
    /// `ack_multiple` has covered meanwhile is left alone.
    pub(crate) async fn settle(
        &self,
        delivery_tag: u64,
        verdict: Verdict,
    ) -> Result<(), SettleError> {
        let mut settled = self.shared.settling.lock().await;
        if self.is_covered(delivery_tag) {
            return Ok(());
        }
        self.send(delivery_tag, verdict, &mut settled).await
    }

    /// Whether an `ack_multiple` has settled this delivery.
    pub(crate) fn is_covered(&self, delivery_tag: u64) -> bool {
        delivery_tag <= self.shared.covered_up_to.load(Ordering::Acquire)
    }

    async fn send(
        &self,
        delivery_tag: u64,
        verdict: Verdict,
        settled: &mut SettledTags,
    ) -> Result<(), SettleError> {
        let link = &self.shared.link;
        let sent = match verdict {
            Verdict::Ack(multiple) => {
                if multiple == Multiple::UpTo {
                    self.shared.covered_up_to.fetch_max(delivery_tag, Ordering::AcqRel);
                }
                link.basic_ack(delivery_tag, multiple).await
            }
            Verdict::Nack(requeue) => link.basic_nack(delivery_tag, Multiple::One, requeue).await,
            Verdict::Reject(requeue) => link.basic_reject(delivery_tag, requeue).await,
        };
        sent.map_err(|source| SettleError::Link { delivery_tag, source })?;
        if let Some(observer) = &self.shared.observer {
            let multiple = match verdict {
                Verdict::Ack(multiple) => multiple,
                Verdict::Nack(_) | Verdict::Reject(_) => Multiple::One,
            };
            let deliveries = settled.settle(delivery_tag, multiple);
            observer.settled(self.epoch(), delivery_tag, verdict, deliveries);
        }
        Ok(())
    }
}
