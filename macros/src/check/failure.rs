//! What keys about failures mean together.

use super::queue_kind;
use crate::attr::ListenerArgs;
use crate::diagnostics::Errors;

pub(super) fn check(args: &ListenerArgs, errors: &mut Errors) {
    retry(args, errors);
    beside_retry(args, errors);
    timeout(args, errors);
    faults(args, errors);
    with_batch(args, errors);
}

fn retry(args: &ListenerArgs, errors: &mut Errors) {
    let Some(retry) = &args.failure.retry else { return };
    let ack = args.consumer.ack.as_ref().map_or("auto", |ack| ack.value);
    if ack == "none" {
        errors.add(
            &retry.key,
            "with `ack = \"none\"` the broker has forgotten the message when its handler fails",
            "remove `retry(..)`, or write `ack = \"auto\"`",
        );
    }
    let Some(delays) = &retry.value.delays else { return };
    let is_anonymous =
        args.queue.queue.is_none() && args.queue.queues.is_none() && args.queue.fault_of.is_none();
    if is_anonymous && args.complete {
        errors.add(
            &delays.key,
            "a delayed message comes back by its queue's name, and an anonymous queue has another \
             one on each connection",
            "name it with `queue = \"..\"`, or retry in memory, `retry(max_attempts = ..)`",
        );
    }
    if queue_kind::is_stream(args) {
        errors.add(
            &delays.key,
            "a stream delivers nothing twice",
            "use `retry(max_attempts = ..)`, in memory",
        );
    }
}

fn beside_retry(args: &ListenerArgs, errors: &mut Errors) {
    let failure = &args.failure;
    let ack = args.consumer.ack.as_ref().map_or("auto", |ack| ack.value);
    if let Some(max_attempts) = failure.max_attempts.as_ref().filter(|_| ack == "none") {
        errors.add(
            &max_attempts.key,
            "with `ack = \"none\"` the broker has forgotten the message when its handler fails",
            "remove `max_attempts`, or write `ack = \"auto\"`",
        );
    }
    if let Some(recover) = failure.recover.as_ref().filter(|_| ack == "none") {
        errors.add(
            &recover.key,
            "with `ack = \"none\"` the broker has forgotten the message when its handler fails",
            "remove `recover`, or write `ack = \"auto\"`",
        );
    }
    if let Some(circuit) = failure.circuit.as_ref().filter(|_| ack == "none") {
        errors.add(
            &circuit.key,
            "with `ack = \"none\"` the broker has forgotten what a circuit would give back",
            "remove `circuit`, or write `ack = \"auto\"`",
        );
    }
    let refused = args.consumer.requeue_rejected.as_ref().filter(|given| !given.value);
    if let (Some(max_attempts), Some(_)) = (&failure.max_attempts, refused) {
        errors.add(
            &max_attempts.key,
            "`requeue_rejected = false` gives a message up at its first failure",
            "remove one of them",
        );
    }
    if let Some(max_attempts) =
        failure.max_attempts.as_ref().filter(|_| queue_kind::is_stream(args))
    {
        errors.add(
            &max_attempts.key,
            "a stream delivers nothing twice",
            "use `retry(max_attempts = ..)`, in memory",
        );
    }
    let Some(retry) = &failure.retry else { return };
    let has_calls = retry.value.max_attempts.is_some() || retry.value.backoff.is_some();
    if let (Some(jitter), Some(_), false) = (&retry.value.jitter, &retry.value.delays, has_calls) {
        errors.add(
            &jitter.key,
            "`jitter` changes the pauses between calls in memory, and here are none",
            "remove it, or add `max_attempts = 3`",
        );
    }
    if let Some(max_attempts) = &failure.max_attempts {
        let what = if retry.value.max_attempts.is_some() {
            "`max_attempts` stands in `retry(..)` and beside it"
        } else {
            "`max_attempts` stands beside `retry(..)`, which says when to give up"
        };
        errors.add(
            &max_attempts.key,
            what,
            "keep one of them: inside it counts calls in memory, beside it deliveries",
        );
    }
    if let (Some(requeue), Some(_)) = (refused, &retry.value.delays) {
        errors.add(
            &requeue.key,
            "`requeue_rejected = false` refuses what `retry(delays = ..)` asks for: another delivery",
            "remove one of them, or retry in memory, `retry(max_attempts = ..)`",
        );
    }
}

/// A blocking function can't be stopped.
fn timeout(args: &ListenerArgs, errors: &mut Errors) {
    let is_blocking = args.blocking.as_ref().is_some_and(|given| given.value);
    if let Some(timeout) = args.failure.timeout.as_ref().filter(|_| is_blocking) {
        errors.add(
            &timeout.key,
            "a thread can't be stopped in the middle of its work",
            "make the function async, or bound the work inside it",
        );
    }
}

/// A listener of faults has the error queue, and no other.
fn faults(args: &ListenerArgs, errors: &mut Errors) {
    if args.queue.fault_of.is_none() {
        return;
    }
    let given = [
        args.queue.queue.as_ref().map(|given| &given.key),
        args.queue.queues.as_ref().map(|given| &given.key),
        args.binding.exchange.as_ref().map(|given| &given.key),
    ];
    for key in given.into_iter().flatten() {
        errors.add(
            key,
            "`fault_of` names the queue whose failures are read, there is no other",
            format!("remove `{key}`"),
        );
    }
}

/// What looks at one message does not go with many.
fn with_batch(args: &ListenerArgs, errors: &mut Errors) {
    if args.consumer.batch.is_none() {
        return;
    }
    if let Some(handler) = &args.failure.error_handler {
        errors.add(
            &handler.key,
            "`error_handler` looks at the failure of one message, and a batch has many",
            "remove it, and look at failures in the function",
        );
    }
    if let Some(circuit) = &args.failure.circuit {
        errors.add(
            &circuit.key,
            "`circuit` counts single messages, and a batch has many",
            "remove `circuit`, or `batch`",
        );
    }
}
