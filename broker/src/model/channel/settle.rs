use springhare_amqp::{AmqpError, MethodId, ReplyCode};

use super::Channel;
use super::mode::ChannelMode;
use crate::model::ids::ConsumerId;
use crate::model::queue::{QueueMessage, Returned};
use crate::model::settling::Multiple;
use crate::model::unsettled::UnsettledDelivery;

/// How many groups of settled deliveries are searched for one of the same source.
const RECENT_GROUPS: usize = 8;

/// What an ack, nack or reject names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tags {
    One(u64),
    /// All up to the tag; 0 is all of the channel.
    UpTo(u64),
}

impl Tags {
    /// What a method with this tag and `multiple` names.
    pub(crate) fn new(delivery_tag: u64, multiple: Multiple) -> Self {
        match multiple {
            Multiple::One => Self::One(delivery_tag),
            Multiple::UpTo => Self::UpTo(delivery_tag),
        }
    }
}

/// What becomes of deliveries that are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// `basic.ack`: they are gone from their queue.
    Acknowledge,
    /// `basic.nack` or `basic.reject` with requeue: back to their places.
    Requeue(Returned),
    /// The same without: dead-lettered, or dropped.
    Discard,
}

/// Deliveries of one queue and one consumer that were settled together, oldest first.
#[derive(Debug)]
pub(crate) struct Settled<Q> {
    pub(crate) queue: Q,
    /// The consumer that got them; none for a `basic.get`.
    pub(crate) consumer: Option<ConsumerId>,
    pub(crate) messages: Vec<QueueMessage>,
}

impl<Q: Clone> Channel<Q> {
    /// Settles deliveries: each can be settled once, by the channel that got it. In a
    /// transaction nothing is settled before the commit, and there is nothing to do yet.
    ///
    /// # Errors
    ///
    /// 406 `unknown delivery tag`, when a tag is none of an unsettled delivery.
    pub(crate) fn settle(
        &mut self,
        tags: Tags,
        settlement: Settlement,
        method: MethodId,
    ) -> Result<Vec<Settled<Q>>, AmqpError> {
        if let ChannelMode::Transaction(transaction) = &mut self.mode {
            let deliveries = match tags {
                Tags::One(tag) => self.unsettled.take(tag).map(|delivery| vec![(tag, delivery)]),
                Tags::UpTo(0) => Some(self.unsettled.take_all_tagged()),
                Tags::UpTo(tag) => self.unsettled.take_tagged_up_to(tag),
            };
            transaction
                .defer_settlement(settlement, deliveries.ok_or_else(|| unknown(tags, method))?);
            return Ok(Vec::new());
        }
        match tags {
            Tags::One(tag) => {
                let delivery = self.unsettled.take(tag).ok_or_else(|| unknown(tags, method))?;
                Ok(self.group([delivery]))
            }
            Tags::UpTo(0) => Ok(self.settle_all()),
            Tags::UpTo(tag) => {
                let deliveries = self.unsettled.take_up_to(tag);
                Ok(self.group(deliveries.ok_or_else(|| unknown(tags, method))?))
            }
        }
    }

    /// Settles one after the other, up to the first that is unknown.
    pub(crate) fn settle_each(
        &mut self,
        all: &[Tags],
        settlement: Settlement,
        method: MethodId,
    ) -> (Vec<Settled<Q>>, Result<(), AmqpError>) {
        let mut deliveries = Vec::with_capacity(all.len());
        for &tags in all {
            if matches!(self.mode, ChannelMode::Transaction(_)) {
                if let Err(error) = self.settle(tags, settlement, method) {
                    return (Vec::new(), Err(error));
                }
                continue;
            }
            let taken: Option<Vec<_>> = match tags {
                Tags::One(tag) => {
                    if let Some(delivery) = self.unsettled.take(tag) {
                        deliveries.push(delivery);
                        continue;
                    }
                    None
                }
                Tags::UpTo(0) => Some(self.unsettled.take_all().into_iter().collect()),
                Tags::UpTo(tag) => {
                    self.unsettled.take_up_to(tag).map(|taken| taken.into_iter().collect())
                }
            };
            let Some(taken) = taken else {
                return (self.group(deliveries), Err(unknown(tags, method)));
            };
            deliveries.extend(taken);
        }
        (self.group(deliveries), Ok(()))
    }

    /// Takes all unsettled deliveries, whatever the mode; those that a transaction has
    /// settled already stay with it.
    pub(crate) fn settle_all(&mut self) -> Vec<Settled<Q>> {
        let deliveries = self.unsettled.take_all();
        self.group(deliveries)
    }

    /// Groups deliveries by where they came from, each group oldest first.
    pub(super) fn group(
        &mut self,
        deliveries: impl IntoIterator<Item = UnsettledDelivery>,
    ) -> Vec<Settled<Q>> {
        let mut groups: Vec<Settled<Q>> = Vec::with_capacity(1);
        let mut group_sources: Vec<usize> = Vec::with_capacity(1);
        let mut deliveries = deliveries.into_iter();
        while let Some(UnsettledDelivery { source, message }) = deliveries.next() {
            // Nearly always the last group; a second group of the same source does no harm.
            let recent = group_sources.len().saturating_sub(RECENT_GROUPS);
            let known = (recent..group_sources.len())
                .rev()
                .find(|&at| group_sources.get(at) == Some(&source));
            if let Some(group) = known.and_then(|at| groups.get_mut(at)) {
                group.messages.push(message);
            } else if let Some((queue, consumer)) = self.sources.get(source) {
                let mut messages = Vec::with_capacity(1 + deliveries.size_hint().0);
                messages.push(message);
                groups.push(Settled { queue, consumer, messages });
                group_sources.push(source);
            }
            self.sources.settled(source);
        }
        groups
    }
}

fn unknown(tags: Tags, method: MethodId) -> AmqpError {
    let (Tags::One(tag) | Tags::UpTo(tag)) = tags;
    let explanation = format_args!("unknown delivery tag {tag}");
    AmqpError::new(ReplyCode::PreconditionFailed, method, explanation)
}
