//! What a policy can say: the keys, what their values may be, and which queues can have them.

use springhare_amqp::{FieldValue, ShortString};

use super::PolicyKind;
use crate::model::arguments::QueueType;
use crate::model::erlang::JsonTerm;
use crate::model::stream::interval;

/// The largest segment of a stream that RabbitMQ takes.
const SEGMENT_MAX_BYTES: i64 = 3_000_000_000;

/// One key of policies.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) key: &'static str,
    is_valid: fn(&FieldValue) -> bool,
    /// What RabbitMQ says to other values; `{}` is the value.
    refusal: &'static str,
    /// The types of queues that can't have it: a policy with it does not match those.
    not_for: &'static [QueueType],
    /// Whether operator policies have it too.
    operator: bool,
}

use QueueType::{Classic, Quorum, Stream};

/// Those of RabbitMQ 3.10 in the order of its names, and those that came later.
const SETTINGS: &[Setting] = &[
    all("alternate-exchange", is_name, "{} is not a valid alternate exchange name"),
    all("dead-letter-exchange", is_name, "{} is not a valid dead letter exchange name")
        .not_for(&[Stream]),
    all("dead-letter-routing-key", is_name, "{} is not a valid dead letter routing key")
        .not_for(&[Stream]),
    all(
        "dead-letter-strategy",
        |value| is_one_of(value, &["at-most-once", "at-least-once"]),
        "{} is not a valid dead letter strategy",
    )
    .not_for(&[Classic, Stream]),
    all("message-ttl", is_natural, "{} is not a valid message TTL").not_for(&[Stream]).operators(),
    all("expires", is_positive, "{} is not a valid queue expiry").not_for(&[Stream]).operators(),
    all("max-length", is_natural, "{} is not a valid maximum length")
        .not_for(&[Stream])
        .operators(),
    all("max-length-bytes", is_natural, "{} is not a valid maximum length in bytes").operators(),
    all("max-in-memory-length", is_natural, "{} is not a valid maximum memory in bytes")
        .not_for(&[Stream])
        .operators(),
    all("max-in-memory-bytes", is_natural, "{} is not a valid maximum memory in bytes")
        .not_for(&[Stream])
        .operators(),
    all(
        "queue-mode",
        |value| is_one_of(value, &["default", "lazy"]),
        "{} is not a valid queue-mode value",
    )
    .not_for(&[Quorum, Stream]),
    all(
        "queue-version",
        |value| matches!(integer(value), Some(1 | 2)),
        "{} is not a valid queue-version value",
    )
    .operators(),
    all(
        "overflow",
        |value| is_one_of(value, &["drop-head", "reject-publish", "reject-publish-dlx"]),
        "{} is not a valid overflow value",
    )
    .not_for(&[Stream])
    .operators(),
    // Below zero is no limit, in RabbitMQ from 4.0 on.
    all("delivery-limit", |value| integer(value).is_some(), "{} is not a valid delivery limit")
        .not_for(&[Classic, Stream])
        .operators(),
    all("max-age", is_age, "{} is not a valid max age").not_for(&[Classic, Quorum]),
    all(
        "stream-max-segment-size-bytes",
        |value| matches!(integer(value), Some(0..=SEGMENT_MAX_BYTES)),
        "{} is not a valid segment size",
    )
    .not_for(&[Classic, Quorum]),
    all(
        "queue-leader-locator",
        |value| is_one_of(value, &["client-local", "balanced", "random", "least-leaders"]),
        "{} is not a valid queue leader locator value",
    ),
    all("initial-cluster-size", is_natural, "{} is not a valid cluster size")
        .not_for(&[Classic, Quorum]),
    all(
        "queue-master-locator",
        |value| is_one_of(value, &["min-masters", "client-local", "random"]),
        "{} is not a valid queue-master-locator value",
    )
    .not_for(&[Quorum, Stream]),
    // Mirrors: what says how many copies of a classic queue there are, up to RabbitMQ 3.13.
    mirror(
        "ha-mode",
        |value| is_one_of(value, &["all", "exactly", "nodes"]),
        "{} is not a valid ha-mode value",
    ),
    mirror("ha-params", |_| true, ""),
    mirror(
        "ha-sync-mode",
        |value| is_one_of(value, &["manual", "automatic"]),
        "ha-sync-mode must be \"manual\" or \"automatic\", got {}",
    ),
    mirror(
        "ha-sync-batch-size",
        is_positive,
        "ha-sync-batch-size takes an integer greater than 0, {} given",
    ),
    mirror(
        "ha-promote-on-shutdown",
        |value| is_one_of(value, &["always", "when-synced"]),
        "ha-promote-on-shutdown must be \"always\" or \"when-synced\", got {}",
    ),
    mirror(
        "ha-promote-on-failure",
        |value| is_one_of(value, &["always", "when-synced"]),
        "ha-promote-on-failure must be \"always\" or \"when-synced\", got {}",
    ),
    // RabbitMQ 4.
    all("consumer-timeout", is_natural, "{} is not a valid consumer timeout").not_for(&[Stream]),
    all("stream-filter-size-bytes", is_natural, "{} is not a valid filter size")
        .not_for(&[Classic, Quorum]),
    all("target-group-size", is_natural, "{} is not a valid target count value")
        .not_for(&[Classic, Stream]),
    all(
        "delayed-retry-type",
        |value| is_one_of(value, &["disabled", "all", "failed", "returned"]),
        "{} is not a valid delayed retry type",
    )
    .not_for(&[Classic, Stream]),
    all("delayed-retry-min", is_positive, "{} is not a valid delayed retry minimum")
        .not_for(&[Classic, Stream]),
    all("delayed-retry-max", is_positive, "{} is not a valid delayed retry maximum")
        .not_for(&[Classic, Stream]),
];

const fn all(
    key: &'static str,
    is_valid: fn(&FieldValue) -> bool,
    refusal: &'static str,
) -> Setting {
    Setting { key, is_valid, refusal, not_for: &[], operator: false }
}

const fn mirror(
    key: &'static str,
    is_valid: fn(&FieldValue) -> bool,
    refusal: &'static str,
) -> Setting {
    all(key, is_valid, refusal).not_for(&[Quorum, Stream])
}

impl Setting {
    const fn not_for(self, types: &'static [QueueType]) -> Self {
        Self { not_for: types, ..self }
    }

    const fn operators(self) -> Self {
        Self { operator: true, ..self }
    }

    /// The key of this name, if policies of this kind have it.
    pub(super) fn find(key: &str, kind: PolicyKind) -> Option<&'static Self> {
        let has = |setting: &&Self| setting.key == key;
        SETTINGS.iter().find(has).filter(|setting| setting.operator || kind == PolicyKind::User)
    }

    /// Whether a queue of this type can have it.
    pub(super) fn is_for(&self, queue_type: QueueType) -> bool {
        !self.not_for.contains(&queue_type)
    }

    /// What is wrong with a value.
    pub(super) fn refusal(&self, value: &FieldValue) -> Option<String> {
        let is_valid = (self.is_valid)(value);
        (!is_valid).then(|| self.refusal.replace("{}", &JsonTerm(value).to_string()))
    }
}

fn integer(value: &FieldValue) -> Option<i64> {
    value.as_i64()
}

fn is_natural(value: &FieldValue) -> bool {
    integer(value).is_some_and(|number| number >= 0)
}

fn is_positive(value: &FieldValue) -> bool {
    integer(value).is_some_and(|number| number > 0)
}

/// RabbitMQ takes longer names too, which nothing can have.
fn is_name(value: &FieldValue) -> bool {
    value.as_str().is_some_and(|name| ShortString::new(name).is_ok())
}

fn is_one_of(value: &FieldValue, known: &[&str]) -> bool {
    value.as_str().is_some_and(|text| known.contains(&text))
}

/// `7D` and the like.
fn is_age(value: &FieldValue) -> bool {
    value.as_str().and_then(interval).is_some()
}
