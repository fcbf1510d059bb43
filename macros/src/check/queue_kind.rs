//! What does not go with the kind of a queue, where one attribute says both: the start would refuse
//! it. An attribute that leaves `queue_type` out is judged at the start alone, since the virtual
//! host may have a default.

use crate::arguments::{self, Argument, ArgumentValue};
use crate::attr::{Given, ListenerArgs};
use crate::diagnostics::Errors;
use crate::value;

const CLASSIC: &str = "classic";
pub(super) const QUORUM: &str = "quorum";
const STREAM: &str = "stream";

/// The arguments that not every kind takes, and who does; the runtime has the same list for what is
/// declared by its builder.
const TAKEN_BY: &[(&str, &[&str])] = &[
    ("x-dead-letter-exchange", &[CLASSIC, QUORUM]),
    ("x-dead-letter-routing-key", &[CLASSIC, QUORUM]),
    ("x-dead-letter-strategy", &[QUORUM]),
    ("x-delayed-retry-max", &[QUORUM]),
    ("x-delayed-retry-min", &[QUORUM]),
    ("x-delayed-retry-type", &[QUORUM]),
    ("x-delivery-limit", &[QUORUM]),
    ("x-expires", &[CLASSIC, QUORUM]),
    ("x-initial-cluster-size", &[STREAM]),
    ("x-max-age", &[STREAM]),
    ("x-max-length", &[CLASSIC, QUORUM]),
    ("x-max-priority", &[CLASSIC]),
    ("x-message-ttl", &[CLASSIC, QUORUM]),
    ("x-overflow", &[CLASSIC, QUORUM]),
    ("x-queue-mode", &[CLASSIC]),
    ("x-quorum-initial-group-size", &[QUORUM]),
    ("x-single-active-consumer", &[CLASSIC, QUORUM]),
    ("x-stream-filter-size-bytes", &[STREAM]),
    ("x-stream-max-segment-size-bytes", &[STREAM]),
];

pub(super) fn check(args: &ListenerArgs, errors: &mut Errors) {
    let Some(Given { value: list, .. }) = &args.queue.arguments else { return };
    delays(list, errors);
    let Some(kind) = kind(list) else { return };
    what_it_does_not_take(kind, list, errors);
    if kind != CLASSIC {
        what_it_can_not_be(kind, args, errors);
    }
    if kind == STREAM {
        what_its_consumers_need(args, errors);
    } else if let Some(offset) = &args.consumer.stream_offset {
        let what = format!("a {kind} queue has no offsets, only a stream has");
        let help = "remove `stream_offset`, or write `queue_type = \"stream\"`";
        errors.add(&offset.key, what, help);
    }
}

/// Whether the queue is written to be a stream.
pub(super) fn is_stream(args: &ListenerArgs) -> bool {
    let list = args.queue.arguments.as_ref().map(|given| &given.value);
    list.and_then(|list| kind(list)) == Some(STREAM)
}

/// The kind that is written, if it is not the classic one.
pub(super) fn replicated(args: &ListenerArgs) -> Option<&'static str> {
    let list = args.queue.arguments.as_ref().map(|given| &given.value);
    list.and_then(|list| kind(list)).filter(|kind| *kind != CLASSIC)
}

/// The kind that is written here, if it is one that is known.
fn kind(list: &[Argument]) -> Option<&'static str> {
    let ArgumentValue::Text(text) = &arguments::find(list, "x-queue-type")?.value else {
        return None;
    };
    let written = text.known()?;
    [CLASSIC, QUORUM, STREAM].into_iter().find(|kind| *kind == written)
}

fn what_it_does_not_take(kind: &str, list: &[Argument], errors: &mut Errors) {
    for (name, kinds) in TAKEN_BY {
        let Some(argument) = arguments::find(list, name).filter(|_| !kinds.contains(&kind)) else {
            continue;
        };
        let what =
            format!("a {kind} queue takes no `{name}`, only {} ones do", kinds.join(" and "));
        errors.add(&argument.name, what, "remove it, or choose another `queue_type`");
    }
}

fn what_it_can_not_be(kind: &str, args: &ListenerArgs, errors: &mut Errors) {
    let queue = &args.queue;
    for (flag, wrong, what) in [
        (&queue.durable, false, "transient"),
        (&queue.exclusive, true, "exclusive"),
        (&queue.auto_delete, true, "auto-delete"),
    ] {
        if let Some(Given { key, value }) = flag
            && *value == wrong
        {
            let help = format!("remove `{key}`, or choose another `queue_type`");
            errors.add(key, format!("a {kind} queue can't be {what}"), help);
        }
    }
}

fn what_its_consumers_need(args: &ListenerArgs, errors: &mut Errors) {
    let consumer = &args.consumer;
    if let Some(ack) = consumer.ack.as_ref().filter(|ack| ack.value == "none") {
        let help = "remove `ack = \"none\"`: what is acknowledged stays in the stream";
        errors.add(&ack.key, "the consumers of a stream acknowledge", help);
    } else if let Some(prefetch) = consumer.prefetch.as_ref().filter(|prefetch| prefetch.value == 0)
    {
        let help = "give it a number from 1 on, or remove it";
        errors.add(&prefetch.key, "the consumers of a stream need a prefetch", help);
    }
    if let Some(priority) = &consumer.priority {
        let what = "the consumers of a stream have no priority";
        errors.add(&priority.key, what, "remove `priority`");
    }
    if let Some(several) = consumer.concurrency.as_ref().filter(|several| several.value.min > 1) {
        let what =
            format!("each of {} consumers of a stream would get every message", several.value.min);
        errors.add(&several.key, what, "remove `concurrency`");
    }
}

/// The shortest delay of a retry is not longer than the longest.
fn delays(list: &[Argument], errors: &mut Errors) {
    let number = |argument: &Argument| match &argument.value {
        ArgumentValue::Int(expr) => value::whole_number(value::bare(expr)),
        _ => None,
    };
    let Some(least) = arguments::find(list, "x-delayed-retry-min") else { return };
    let Some(most) = arguments::find(list, "x-delayed-retry-max") else { return };
    if let (Some(min), Some(max)) = (number(least), number(most))
        && min > max
    {
        let what = format!("a retry would wait {min} ms at least and {max} ms at most");
        errors.add(&most.name, what, "swap them");
    }
}
