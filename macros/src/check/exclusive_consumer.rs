//! What does not go with a consumer that is the only one of its queue.

use super::queue_kind;
use crate::arguments;
use crate::attr::{Given, ListenerArgs};
use crate::diagnostics::Errors;

pub(super) fn check(args: &ListenerArgs, errors: &mut Errors) {
    let consumer = &args.consumer;
    let Some(Given { key, .. }) = consumer.exclusive_consumer.as_ref().filter(|given| given.value)
    else {
        return;
    };
    // With `partition_by` it is the number of handlers, and there is one consumer.
    let several = consumer.concurrency.as_ref().filter(|concurrency| concurrency.value.max > 1);
    if let (Some(concurrency), None) = (several, &consumer.partition_by) {
        errors.add(
            &concurrency.key,
            "an exclusive consumer is the only one of its queue: `concurrency` must be 1",
            "remove `exclusive_consumer` or `concurrency`; `partition_by` has one consumer and \
             several handlers",
        );
    }
    let list = args.queue.arguments.as_ref().map(|given| &given.value);
    if list.and_then(|list| arguments::find(list, "x-single-active-consumer")).is_some() {
        errors.add(
            key,
            "a queue with `single_active_consumer` refuses exclusive consumers",
            "remove one of them: with `single_active_consumer` the broker chooses who is active",
        );
    }
    if let Some(kind) = queue_kind::replicated(args) {
        errors.add(
            key,
            format!("a {kind} queue has no exclusive consumers"),
            match kind {
                queue_kind::QUORUM => "write `arguments(single_active_consumer)` in its place",
                _ => "remove `exclusive_consumer`: each consumer of a stream reads for itself",
            },
        );
    }
}
