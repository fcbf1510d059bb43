//! A queue that is somebody else's: what can't be said of it.

use crate::attr::{Given, ListenerArgs};
use crate::diagnostics::Errors;

pub(crate) fn declared(args: &ListenerArgs, errors: &mut Errors) {
    let Some(declare) = args.consumer.declare.as_ref().filter(|declare| !declare.value) else {
        return;
    };
    let queue = &args.queue;
    let flags = [&queue.durable, &queue.exclusive, &queue.auto_delete].into_iter().flatten();
    let keys = flags.map(|given| &given.key).chain(queue.arguments.as_ref().map(key));
    for key in keys {
        errors.add(
            key,
            "with `declare = false` the queue is somebody else's, and what it is like is theirs to say",
            format!("remove `{key}`, or let the queue be declared"),
        );
    }
    let is_anonymous = queue.queue.is_none() && queue.queues.is_none() && queue.fault_of.is_none();
    if is_anonymous && args.complete {
        errors.add(
            &declare.key,
            "there is no queue to find: an anonymous one is made by who declares it",
            "name it with `queue = \"..\"`, or remove `declare = false`",
        );
    }
}

fn key<T>(given: &Given<T>) -> &syn::Ident {
    &given.key
}
