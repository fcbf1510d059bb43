//! What this broker takes and RabbitMQ 4.3 refuses: who moves there finds out here.

use springhare_amqp::FieldValue;

use crate::model::arguments::QueueType;
use crate::model::binding::Binding;
use crate::model::definition::QueueDefinition;
use crate::model::exchange::ExchangeKind;
use crate::model::policy::Policy;

/// Something that RabbitMQ 4.3 refuses, or has no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("RabbitMQ 4.3 {what}: {remedy}")]
pub(crate) struct Deprecated {
    what: &'static str,
    remedy: &'static str,
}

/// `basic.qos` with `global` set, to what is still sent.
pub(crate) const GLOBAL_QOS: Deprecated = Deprecated {
    what: "has no prefetch that a channel's consumers share (basic.qos with global=true)",
    remedy: "give each consumer a prefetch of its own",
};

const TRANSIENT: Deprecated = Deprecated {
    what: "refuses queues that are neither durable nor exclusive",
    remedy: "declare it durable, or exclusive if it belongs to one connection",
};

const MASTER_LOCATOR: Deprecated = Deprecated {
    what: "does not know the argument x-queue-master-locator",
    remedy: "use x-queue-leader-locator, or leave it out",
};

const LAZY: Deprecated = Deprecated {
    what: "has no lazy queues, since all queues are (x-queue-mode)",
    remedy: "leave it out",
};

const OLD_VERSION: Deprecated = Deprecated {
    what: "has one version of classic queues only, the second (x-queue-version)",
    remedy: "leave it out",
};

const IN_MEMORY: Deprecated = Deprecated {
    what: "keeps no bodies of quorum queues in memory (x-max-in-memory-..)",
    remedy: "leave it out",
};

const MIRRORS: Deprecated = Deprecated {
    what: "has no mirrored classic queues (ha-..)",
    remedy: "use quorum queues, and leave it out of the policy",
};

const MANY_HASHES: Deprecated = Deprecated {
    what: "takes two '#' in the binding key of a topic exchange at most",
    remedy: "make several bindings, or look at the rest in the consumer",
};

type IsThat = fn(&QueueDefinition) -> bool;

/// What of a queue is refused.
const OF_QUEUES: [(IsThat, Deprecated); 5] = [
    (
        |queue| {
            let is_classic = queue.arguments.queue_type == QueueType::Classic;
            is_classic && !queue.durable && !queue.exclusive
        },
        TRANSIENT,
    ),
    (|queue| queue.arguments.has("x-queue-master-locator"), MASTER_LOCATOR),
    (|queue| queue.arguments.has("x-queue-mode"), LAZY),
    (|queue| is_old_version(queue.arguments.table().get("x-queue-version")), OLD_VERSION),
    (
        |queue| {
            let names = ["x-max-in-memory-length", "x-max-in-memory-bytes"];
            names.iter().any(|name| queue.arguments.has(name))
        },
        IN_MEMORY,
    ),
];

fn is_old_version(version: Option<&FieldValue>) -> bool {
    version.is_some_and(|version| version.as_i64() == Some(1))
}

/// What RabbitMQ 4.3 would not take of a queue.
pub(crate) fn of_queue(queue: &QueueDefinition) -> impl Iterator<Item = Deprecated> {
    OF_QUEUES.into_iter().filter(|(is_that, _)| is_that(queue)).map(|(_, deprecated)| deprecated)
}

/// What RabbitMQ 4.3 would not take of a binding from an exchange that routes as `kind`.
pub(crate) fn of_binding(kind: ExchangeKind, binding: &Binding) -> Option<Deprecated> {
    let hashes = binding.routing_key().split('.').filter(|word| *word == "#").count();
    (kind == ExchangeKind::Topic && hashes > 2).then_some(MANY_HASHES)
}

/// What RabbitMQ 4.3 would not take of a policy.
pub(crate) fn of_policy(policy: &Policy) -> impl Iterator<Item = Deprecated> {
    let has = |found: fn(&str) -> bool| policy.definition.iter().any(|(key, _)| found(key));
    [
        (has(|key| key.starts_with("ha-")), MIRRORS),
        (has(|key| key == "queue-master-locator"), MASTER_LOCATOR),
        (has(|key| key == "queue-mode"), LAZY),
        (is_old_version(policy.definition.get("queue-version")), OLD_VERSION),
        (has(|key| key.starts_with("max-in-memory-")), IN_MEMORY),
    ]
    .into_iter()
    .filter(|(is_there, _)| *is_there)
    .map(|(_, deprecated)| deprecated)
}

#[cfg(test)]
mod tests {
    use springhare_amqp::{FieldTable, ShortString};

    use super::*;
    use crate::model::binding::Destination;
    use crate::model::definition::{QueueDeclaration, Resource};

    fn queue(change: impl FnOnce(&mut QueueDeclaration)) -> Vec<Deprecated> {
        let mut declaration = QueueDeclaration {
            name: ShortString::from_static("q"),
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: FieldTable::new(),
        };
        change(&mut declaration);
        let definition = declaration.define(Resource::queue("q", "/")).unwrap();
        of_queue(&definition).collect()
    }

    fn with(name: &'static str, value: impl Into<FieldValue>) -> Vec<Deprecated> {
        queue(|queue| {
            queue.arguments.set(ShortString::from_static(name), value);
        })
    }

    #[test]
    fn queues_of_today_are_none() {
        assert!(queue(|_| ()).is_empty());
        assert!(queue(|queue| (queue.durable, queue.exclusive) = (false, true)).is_empty());
        assert!(with("x-queue-type", "quorum").is_empty());
        assert!(with("x-queue-version", 2).is_empty());
    }

    #[test]
    fn a_binding_key_has_few_hashes() {
        let of = |kind, key: &'static str| {
            let [source, queue] = ["x", "q"].map(ShortString::from_static);
            let key = ShortString::from_static(key);
            let binding = Binding::new(source, Destination::Queue(queue), key, FieldTable::new());
            of_binding(kind, &binding)
        };
        assert_eq!(of(ExchangeKind::Topic, "#.a.#.b"), None);
        assert_eq!(of(ExchangeKind::Topic, "#.a##.#"), None);
        assert_eq!(of(ExchangeKind::Topic, "#.a.#.b.#"), Some(MANY_HASHES));
        assert_eq!(of(ExchangeKind::Direct, "#.a.#.b.#"), None);
    }

    #[test]
    fn what_is_refused_is_said_with_a_remedy() {
        assert_eq!(queue(|queue| queue.durable = false), [TRANSIENT]);
        assert_eq!(with("x-queue-master-locator", "client-local"), [MASTER_LOCATOR]);
        assert_eq!(with("x-queue-mode", "lazy"), [LAZY]);
        assert_eq!(with("x-queue-version", 1), [OLD_VERSION]);
        assert_eq!(
            TRANSIENT.to_string(),
            "RabbitMQ 4.3 refuses queues that are neither durable nor exclusive: declare it \
             durable, or exclusive if it belongs to one connection"
        );
        let policy = Policy::new("p", "").set("ha-mode", "all").set("queue-mode", "lazy");
        assert_eq!(of_policy(&policy).collect::<Vec<_>>(), [MIRRORS, LAZY]);
        assert_eq!(of_policy(&Policy::new("p", "").set("expires", 1)).count(), 0);
    }
}
