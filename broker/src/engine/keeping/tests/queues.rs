//! Queues of all kinds, that send their dead letters to each other.

use super::host::Host;
use crate::model::exchange::ExchangeKind;

/// Where messages are published to: queues by the default exchange, or exchanges.
pub(super) const TARGETS: [(&str, &str); 12] = [
    ("", "plain"),
    ("", "short"),
    ("", "quorum"),
    ("", "retry"),
    ("", "mortal"),
    ("", "chain"),
    ("", "prior"),
    ("", "transient"),
    ("", "stream"),
    ("", "least"),
    ("fan", ""),
    ("later", ""),
];

pub(super) const QUEUES: [&str; 12] = [
    "plain",
    "short",
    "quorum",
    "retry",
    "mortal",
    "chain",
    "prior",
    "transient",
    "stream",
    "least",
    "full",
    "dead",
];

pub(super) fn declare(host: &Host, queue: &str) {
    let dead_to = |queue: &'static str| {
        [("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", queue.into())]
    };
    let quorum = [("x-queue-type", "quorum".into())];
    let arguments = match queue {
        "short" => [&dead_to("chain")[..], &[("x-max-length", 2.into())]].concat(),
        "quorum" => [&quorum[..], &dead_to("dead"), &[("x-delivery-limit", 1.into())]].concat(),
        "retry" => {
            let retry = [
                ("x-delayed-retry-type", "all".into()),
                ("x-delayed-retry-min", 3.into()),
                ("x-delayed-retry-max", 9.into()),
            ];
            [&quorum[..], &retry, &dead_to("mortal")].concat()
        }
        "mortal" => {
            [&[("x-message-ttl", 5.into())][..], &[("x-dead-letter-exchange", "fan".into())]]
                .concat()
        }
        "chain" => {
            let overflow = ("x-overflow", "reject-publish-dlx".into());
            [&[("x-max-length", 2.into()), overflow][..], &dead_to("stream")].concat()
        }
        "prior" => vec![("x-max-priority", 3.into())],
        "stream" => vec![
            ("x-queue-type", "stream".into()),
            ("x-max-length-bytes", 400.into()),
            ("x-stream-max-segment-size-bytes", 150.into()),
        ],
        "least" => {
            let strategy = [
                ("x-dead-letter-strategy", "at-least-once".into()),
                ("x-overflow", "reject-publish".into()),
                ("x-max-length", 4.into()),
            ];
            [&quorum[..], &strategy, &dead_to("full")].concat()
        }
        "full" => vec![("x-max-length", 1.into()), ("x-overflow", "reject-publish".into())],
        _ => Vec::new(),
    };
    host.declare_as(queue, &arguments, queue != "transient");
}

pub(super) fn declare_all(host: &Host) {
    for queue in QUEUES {
        declare(host, queue);
    }
    host.exchange("fan", ExchangeKind::Fanout, &[]);
    host.exchange("later", ExchangeKind::DelayedMessage, &[("x-delayed-type", "fanout".into())]);
    for queue in ["plain", "quorum", "transient", "stream", "prior"] {
        host.bind("fan", queue);
    }
    for queue in ["plain", "chain", "transient"] {
        host.bind("later", queue);
    }
}
