//! What a listener can't do in the mode that settings give it: what the macro asks of an attribute's
//! `ack`, asked of the mode that holds in the end.

use super::unheeded::is_stream;
use crate::listener::endpoint::{AcknowledgeMode, ListenerAttributes, Recover};
use crate::state::Requirements;

/// What is wrong with `mode`, which is not the attribute's.
pub(super) fn wrong(
    mode: AcknowledgeMode,
    requirements: &Requirements,
    attributes: &ListenerAttributes<'_>,
) -> Vec<&'static str> {
    let has_tag = requirements.delivery_tags() > 0;
    let has_outbox = requirements.has_outbox();
    let failures = attributes.retry.is_some()
        || attributes.max_attempts.is_some()
        || attributes.recover.is_some();
    let rules = match mode {
        AcknowledgeMode::Auto => vec![],
        AcknowledgeMode::Manual => vec![
            (
                !has_tag,
                "`acknowledge-mode` is set to manual, but the function takes no `DeliveryTag` and \
                 could never settle a message",
            ),
            (
                has_outbox,
                "`acknowledge-mode` is set to manual, but what is in the function's `Outbox` goes out \
                 before the framework's ack, and there would be none",
            ),
        ],
        AcknowledgeMode::First => first(has_tag, has_outbox, attributes).into(),
        AcknowledgeMode::None => vec![
            (
                has_tag,
                "`acknowledge-mode` is set to none, but the function takes a `DeliveryTag`, and \
                 there would be nothing to settle",
            ),
            (
                has_outbox,
                "`acknowledge-mode` is set to none, but what is in the function's `Outbox` goes out \
                 before the framework's ack, and there would be none",
            ),
            (
                failures,
                "`acknowledge-mode` is set to none, but the listener has `retry`, `max_attempts` or \
                 `recover`, and the broker would have forgotten the message when its handler fails",
            ),
            (
                attributes.requeue_rejected.is_some(),
                "`acknowledge-mode` is set to none, but the listener has `requeue_rejected`, and \
                 there would be nothing to requeue",
            ),
            (
                is_stream(attributes),
                "`acknowledge-mode` is set to none, but the consumers of a stream acknowledge",
            ),
        ],
    };
    rules.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text).collect()
}

/// A rule, and what is wrong where it is so.
type Rule = (bool, &'static str);

/// What does not go with a message that is acknowledged before it is handled.
fn first(has_tag: bool, has_outbox: bool, attributes: &ListenerAttributes<'_>) -> [Rule; 4] {
    let requeues = attributes.retry.is_some_and(|retry| !retry.delays.is_empty())
        || attributes.max_attempts.is_some()
        || attributes.requeue_rejected.is_some()
        || matches!(attributes.recover, Some(Recover::Requeue | Recover::Reject));
    [
        (
            has_tag,
            "`acknowledge-mode` is set to first, but the function takes a `DeliveryTag`, and \
             there would be nothing to settle any more",
        ),
        (
            has_outbox,
            "`acknowledge-mode` is set to first, but what is in the function's `Outbox` goes out \
             before the ack, and that would be sent before the function is called",
        ),
        (
            requeues,
            "`acknowledge-mode` is set to first, but the listener says how a failed message is \
             delivered again or rejected, and it would be acknowledged before it is handled",
        ),
        (
            attributes.batch.is_some(),
            "`acknowledge-mode` is set to first, but the function takes batches, and those that \
             are behind one that fails would be lost",
        ),
    ]
}
