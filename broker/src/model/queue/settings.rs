use std::time::Duration;

use springhare_amqp::ShortString;

use crate::model::arguments::{
    ActiveConsumers, DeadLetterStrategy, DelayedRetry, DeliveryLimit, Overflow, QueueArguments,
    QueueType,
};

/// What a queue does with its messages: its arguments and the policies that match it, put
/// together.
///
/// Policies come and go, so these may change while the queue has messages.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct QueueSettings {
    /// How long a message waits at most.
    pub(crate) message_ttl: Option<Duration>,
    /// How long the queue stays while nobody uses it.
    pub(crate) expires: Option<Duration>,
    /// How many messages may be ready, and how many bytes their bodies may have.
    pub(crate) limits: LengthLimits,
    pub(crate) overflow: Overflow,
    /// Where dead letters go; none drops them.
    pub(crate) dead_letter: Option<DeadLetterTo>,
    /// The highest priority of a message; none has no priorities.
    pub(crate) max_priority: Option<u8>,
    pub(crate) active_consumers: ActiveConsumers,
    /// How many deliveries of a message may fail; none is no limit.
    pub(crate) delivery_limit: Option<u32>,
    pub(crate) delayed_retry: Option<DelayedRetry>,
    /// How old the messages of a stream may be.
    pub(crate) max_age: Option<Duration>,
}

/// How long a queue may get; each none is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LengthLimits {
    /// Messages that may be ready.
    pub(crate) messages: Option<u64>,
    /// Bytes that their bodies may have.
    pub(crate) bytes: Option<u64>,
}

impl LengthLimits {
    /// Whether so much is more than allowed.
    pub(crate) fn exceeded(&self, messages: usize, bytes: u64) -> bool {
        let too_many = |max| u64::try_from(messages).is_ok_and(|messages| messages > max);
        self.messages.is_some_and(too_many) || self.bytes.is_some_and(|max| bytes > max)
    }
}

/// Where a queue sends its dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetterTo {
    /// The exchange; empty for the default one.
    pub(crate) exchange: ShortString,
    /// None keeps the keys that a message was published with.
    pub(crate) routing_key: Option<ShortString>,
    pub(crate) strategy: DeadLetterStrategy,
}

impl QueueSettings {
    /// What the arguments say. `quorum_delivery_limit` is for quorum queues that name none.
    pub(crate) fn of(arguments: &QueueArguments, quorum_delivery_limit: Option<u32>) -> Self {
        let of_its_type = match arguments.queue_type {
            QueueType::Quorum => quorum_delivery_limit,
            QueueType::Classic | QueueType::Stream => None,
        };
        Self {
            message_ttl: arguments.message_ttl,
            expires: arguments.expires,
            limits: LengthLimits {
                messages: arguments.max_length,
                bytes: arguments.max_length_bytes,
            },
            overflow: arguments.overflow,
            dead_letter: arguments.dead_letter_exchange.as_ref().map(|exchange| DeadLetterTo {
                exchange: exchange.clone(),
                routing_key: arguments.dead_letter_routing_key.clone(),
                strategy: arguments.dead_letter_strategy,
            }),
            max_priority: arguments.max_priority,
            active_consumers: arguments.active_consumers,
            delivery_limit: match arguments.delivery_limit {
                Some(DeliveryLimit::AtMost(limit)) => Some(limit),
                Some(DeliveryLimit::Unlimited) => None,
                None => of_its_type,
            },
            delayed_retry: arguments.delayed_retry,
            max_age: arguments.max_age,
        }
    }
}
