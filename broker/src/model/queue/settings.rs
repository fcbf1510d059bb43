use std::time::Duration;

use springhare_amqp::ShortString;

use crate::model::arguments::{
    ActiveConsumers, DeadLetterStrategy, DelayedRetry, DeliveryLimit, Overflow, QueueArguments,
    QueueType,
};
use crate::model::policy::EffectivePolicy;

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
    /// How large a stream's segments are; none for the usual size. It is read when a stream is
    /// made.
    pub(crate) segment_bytes: Option<u64>,
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
    /// What the arguments and the policy say. Of two limits the lower counts, and otherwise the
    /// argument; but for the overflow of quorum queues, where RabbitMQ lets the policy count.
    /// `quorum_delivery_limit` is for quorum queues for which neither names one.
    pub(crate) fn of(
        arguments: &QueueArguments,
        policy: &EffectivePolicy,
        quorum_delivery_limit: DeliveryLimit,
    ) -> Self {
        let of_its_type = match arguments.queue_type {
            QueueType::Quorum => at_most(Some(quorum_delivery_limit)),
            QueueType::Classic | QueueType::Stream => None,
        };
        let is_given = |name| arguments.has(name);
        let exchange = &arguments.dead_letter_exchange;
        let exchange = exchange.as_ref().or(policy.dead_letter_exchange.as_ref());
        let routing_key = &arguments.dead_letter_routing_key;
        let routing_key = routing_key.as_ref().or(policy.dead_letter_routing_key.as_ref());
        let strategy = policy.dead_letter_strategy.filter(|_| !is_given("x-dead-letter-strategy"));
        let overflow = policy
            .overflow
            .filter(|_| !is_given("x-overflow") || arguments.queue_type == QueueType::Quorum)
            .unwrap_or(arguments.overflow);
        // RabbitMQ keeps what no queue takes only where the queue can't be filled with it.
        let strategy = match overflow {
            Overflow::RejectPublish => strategy.unwrap_or(arguments.dead_letter_strategy),
            Overflow::DropHead | Overflow::RejectPublishDlx => DeadLetterStrategy::AtMostOnce,
        };
        Self {
            message_ttl: lower(arguments.message_ttl, policy.message_ttl),
            expires: lower(arguments.expires, policy.expires),
            limits: LengthLimits {
                messages: lower(arguments.max_length, policy.max_length),
                bytes: lower(arguments.max_length_bytes, policy.max_length_bytes),
            },
            overflow,
            dead_letter: exchange.map(|exchange| DeadLetterTo {
                exchange: exchange.clone(),
                routing_key: routing_key.cloned(),
                strategy,
            }),
            max_priority: arguments.max_priority,
            active_consumers: arguments.active_consumers,
            delivery_limit: match (arguments.delivery_limit, policy.delivery_limit) {
                (None, None) => of_its_type,
                (argument, policy) => lower(at_most(argument), at_most(policy)),
            },
            delayed_retry: if is_given("x-delayed-retry-type") {
                arguments.delayed_retry
            } else {
                policy.delayed_retry
            },
            max_age: lower(arguments.max_age, policy.max_age),
            segment_bytes: arguments.max_segment_size_bytes.or(policy.max_segment_size_bytes),
        }
    }
}

/// The lower of two limits, as far as there are any.
fn lower<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn at_most(limit: Option<DeliveryLimit>) -> Option<u32> {
    match limit {
        Some(DeliveryLimit::AtMost(limit)) => Some(limit),
        Some(DeliveryLimit::Unlimited) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use springhare_amqp::{FieldTable, FieldValue};

    use super::*;
    use crate::model::arguments::Delayed;
    use crate::model::definition::Resource;
    use crate::model::policy::{CheckedPolicy, Policies, Policy, PolicyKind, Target};

    fn settings(arguments: &[(&str, FieldValue)], policy: &[(&str, FieldValue)]) -> QueueSettings {
        let entries = arguments.iter();
        let table: FieldTable =
            entries.map(|(name, value)| (ShortString::truncated(name), value.clone())).collect();
        let arguments = QueueArguments::parse(&table, Resource::queue("q", "/")).unwrap();
        let mut policies = Policies::default();
        if !policy.is_empty() {
            let entries = policy.iter();
            let policy = entries
                .fold(Policy::new("p", ""), |policy, (key, value)| policy.set(key, value.clone()));
            policies.set(PolicyKind::User, CheckedPolicy::new(policy, PolicyKind::User).unwrap());
        }
        let policy = policies.effective(Target::Queue("q", arguments.queue_type));
        QueueSettings::of(&arguments, &policy, DeliveryLimit::AtMost(20))
    }

    #[test]
    fn of_two_limits_the_lower_counts() {
        for (argument, policy) in [(3, 5), (5, 3)] {
            let both = settings(
                &[
                    ("x-message-ttl", argument.into()),
                    ("x-expires", argument.into()),
                    ("x-max-length", argument.into()),
                    ("x-max-length-bytes", argument.into()),
                ],
                &[
                    ("message-ttl", policy.into()),
                    ("expires", policy.into()),
                    ("max-length", policy.into()),
                    ("max-length-bytes", policy.into()),
                ],
            );
            let three = Duration::from_millis(3);
            assert_eq!([both.message_ttl, both.expires], [Some(three); 2]);
            assert_eq!([both.limits.messages, both.limits.bytes], [Some(3); 2]);
        }
        let alone = settings(&[], &[("max-length", 7.into())]);
        assert_eq!(alone.limits, LengthLimits { messages: Some(7), bytes: None });
    }

    #[test]
    fn otherwise_the_argument_counts() {
        let both = settings(
            &[("x-dead-letter-exchange", "a".into()), ("x-overflow", "drop-head".into())],
            &[
                ("dead-letter-exchange", "p".into()),
                ("dead-letter-routing-key", "k".into()),
                ("overflow", "reject-publish".into()),
            ],
        );
        assert_eq!(both.overflow, Overflow::DropHead);
        let to = both.dead_letter.unwrap();
        assert_eq!((to.exchange.as_str(), to.routing_key.unwrap().as_str()), ("a", "k"));
        let quorum = settings(
            &[("x-queue-type", "quorum".into()), ("x-overflow", "drop-head".into())],
            &[("overflow", "reject-publish".into())],
        );
        assert_eq!(quorum.overflow, Overflow::RejectPublish);
        let alone = settings(&[], &[("overflow", "reject-publish".into())]);
        assert_eq!(alone.overflow, Overflow::RejectPublish);
        assert!(settings(&[], &[("dead-letter-routing-key", "k".into())]).dead_letter.is_none());
    }

    #[test]
    fn quorum_queues_have_a_delivery_limit() {
        let limit = |argument: Option<i32>, policy: Option<i32>| {
            let mut arguments = vec![("x-queue-type", "quorum".into())];
            arguments.extend(argument.map(|limit| ("x-delivery-limit", limit.into())));
            let policy = policy.map(|limit| ("delivery-limit", limit.into()));
            settings(&arguments, policy.as_slice()).delivery_limit
        };
        assert_eq!(limit(None, None), Some(20));
        assert_eq!(limit(None, Some(30)), Some(30));
        assert_eq!([limit(Some(5), Some(3)), limit(Some(3), Some(5))], [Some(3); 2]);
        assert_eq!([limit(Some(-1), Some(3)), limit(Some(3), Some(-1))], [Some(3); 2]);
        assert_eq!([limit(Some(-1), None), limit(Some(-1), Some(-1))], [None; 2]);
        let delayed = settings(
            &[("x-queue-type", "quorum".into())],
            &[("delayed-retry-type", "all".into()), ("delayed-retry-min", 5.into())],
        );
        let delayed = delayed.delayed_retry.unwrap();
        assert_eq!((delayed.which, delayed.min), (Delayed::All, Duration::from_millis(5)));
    }
}
