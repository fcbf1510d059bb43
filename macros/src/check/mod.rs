//! The rules: what keys mean together, and what a listener's signature may be.
//!
//! Only what is certain from the source is judged here. A constant's value, a `${placeholder}`, an
//! exchange declared elsewhere: those are checked when the application starts, with the same care.

mod acknowledged_first;
mod batch;
mod binding;
mod declared;
mod exclusive_consumer;
mod failure;
mod function;
pub(crate) mod handlers;
mod names;
mod outbox;
mod path;
mod queue_kind;

use crate::arguments;
use crate::attr::{Given, ListenerArgs};
use crate::diagnostics::Errors;
use crate::signature::ListenerFn;

/// Checks all attributes of one function, and the function.
pub(crate) fn check(attributes: &[ListenerArgs], function: &ListenerFn, errors: &mut Errors) {
    self::attributes(attributes, errors);
    function::check(attributes, function, errors);
    path::check(attributes, function, errors);
    outbox::check(attributes, function, errors);
    batch::check(attributes, function, errors);
}

/// Checks the attributes alone.
fn attributes(attributes: &[ListenerArgs], errors: &mut Errors) {
    for args in attributes {
        queue(args, errors);
        queue_kind::check(args, errors);
        binding::check(args, errors);
        consumer(args, errors);
        failure::check(args, errors);
        identity(args, errors);
    }
    same_ids(attributes, errors);
}

fn queue(args: &ListenerArgs, errors: &mut Errors) {
    let queue = &args.queue;
    if let (Some(_), Some(queues)) = (&queue.queue, &queue.queues) {
        let help = "put all of them into `queues = [..]`";
        errors.add(&queues.key, "`queue` and `queues` are given together", help);
    }
    let listed = queue.queues.iter().flat_map(|queues| &queues.value);
    let mut seen: Vec<&str> = Vec::new();
    for name in queue.queue.iter().map(|queue| &queue.value).chain(listed) {
        names::queue(name, errors);
        if let Some(text) = name.written() {
            if seen.contains(&text) {
                errors.add(name, format!("the queue \"{text}\" is listed twice"), "keep one");
            }
            seen.push(text);
        }
    }
    dead_letters(args, errors);
    declared::declared(args, errors);
    if let Some(profile) = &args.consumer.profile {
        names::profile(&profile.value, errors);
    }
    if let Some(broker) = &args.consumer.broker {
        names::broker(&broker.value, errors);
    }
    let anonymous = queue.queue.is_none() && queue.queues.is_none() && queue.fault_of.is_none();
    if !anonymous || !args.complete {
        return;
    }
    if args.all_bindings().all(|binding| binding.exchange.is_none()) {
        errors.add_at(
            args.place,
            "nothing to listen to: neither a queue nor an exchange is named",
            "write `queue = \"orders\"`, or `exchange = \"logs\", kind = \"fanout\"` \
             for an anonymous queue bound to it",
        );
    }
    if let Some(competing) = args.consumer.competing.as_ref().filter(|given| given.value) {
        errors.add(
            &competing.key,
            "nobody competes for an anonymous queue: it is this listener's own",
            "name the queue with `queue = \"..\"`, or remove `competing`",
        );
    }
    if let Some(durable) = queue.durable.as_ref().filter(|durable| durable.value) {
        let help = "name it with `queue = \"..\"` to have it survive a restart";
        errors.add(&durable.key, "an anonymous queue cannot be durable", help);
    }
}

/// The key of dead letters needs their exchange, and no broker takes it alone.
fn dead_letters(args: &ListenerArgs, errors: &mut Errors) {
    let Some(given) = &args.queue.arguments else { return };
    let key = arguments::find(&given.value, "x-dead-letter-routing-key");
    let exchange = arguments::find(&given.value, "x-dead-letter-exchange");
    if let (Some(key), None) = (key, exchange) {
        errors.add(
            &key.name,
            "a routing key for dead letters, and no exchange to send them to",
            "add `dead_letter = \"..\"`; an empty name is the default exchange",
        );
    }
}

fn consumer(args: &ListenerArgs, errors: &mut Errors) {
    let consumer = &args.consumer;
    let exclusive = args.queue.exclusive.as_ref().filter(|exclusive| exclusive.value);
    let several = consumer.concurrency.as_ref().filter(|concurrency| concurrency.value.max > 1);
    if let (Some(_), Some(concurrency)) = (exclusive, several) {
        errors.add(
            &concurrency.key,
            "an exclusive listener is the only consumer of its queue: `concurrency` must be 1",
            "remove `exclusive` or `concurrency`",
        );
    }
    exclusive_consumer::check(args, errors);
    acknowledged_first::check(args, errors);
    if consumer.ack.as_ref().is_none_or(|ack| ack.value != "none") {
        return;
    }
    if let Some(prefetch) = &consumer.prefetch {
        errors.add(
            &prefetch.key,
            "the broker ignores `prefetch` where nothing is acknowledged (`ack = \"none\"`)",
            "remove `prefetch`, or acknowledge with `ack = \"auto\"`",
        );
    }
    if let Some(requeue) = &consumer.requeue_rejected {
        errors.add(
            &requeue.key,
            "with `ack = \"none\"` a message is gone once it is delivered: nothing to requeue",
            "remove `requeue_rejected`, or acknowledge with `ack = \"auto\"`",
        );
    }
}

/// An id given to two attributes of one function names neither.
fn same_ids(attributes: &[ListenerArgs], errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for id in attributes.iter().filter_map(|args| args.id.as_ref()) {
        let Some(text) = id.value.written() else { continue };
        if seen.contains(&text) {
            let help = "choose another, or leave `id` out: the second listener's is numbered then";
            errors.add(&id.value, format!("the id \"{text}\" is given to two listeners"), help);
        }
        seen.push(text);
    }
}

fn identity(args: &ListenerArgs, errors: &mut Errors) {
    for Given { key, value } in args.id.iter().chain(&args.consumer.group) {
        names::placeholders(value, errors);
        if value.written() == Some("") {
            errors.add(value, format!("`{key}` is empty"), "write a name, or leave the key out");
        }
    }
}
