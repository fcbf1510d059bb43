//! Batches: lists need `batch`, `batch` needs lists, and nobody could be answered.

use syn::ReturnType;

use crate::attr::ListenerArgs;
use crate::diagnostics::Errors;
use crate::parameter::Source;
use crate::signature::{ListenerFn, Param};
use crate::types;

pub(crate) fn check(attributes: &[ListenerArgs], function: &ListenerFn, errors: &mut Errors) {
    for args in attributes {
        let consumer = &args.consumer;
        partitions(args, errors);
        in_memory(args, errors);
        if let (Some(timeout), None) = (&consumer.batch_timeout, &consumer.batch) {
            let help = "add `batch = 100`, or remove `batch_timeout`";
            errors.add(&timeout.key, "a timeout of which batch?", help);
        }
    }
    if attributes.iter().any(|args| args.consumer.batch.is_some()) {
        everywhere(attributes, errors);
        function.params.iter().for_each(|param| of_a_batch(param, errors));
        outcomes(attributes, function, errors);
    } else if attributes.iter().all(|args| args.complete) {
        function.params.iter().for_each(|param| of_one_message(param, errors));
    }
}

/// Calling again with a whole batch would handle those again that have succeeded.
fn in_memory(args: &ListenerArgs, errors: &mut Errors) {
    let (Some(_), Some(retry)) = (&args.consumer.batch, &args.failure.retry) else { return };
    if retry.value.max_attempts.is_some() || retry.value.backoff.is_some() {
        errors.add(
            &retry.key,
            "a batch is not called again in memory: those of its messages that have succeeded \
             would be handled twice",
            "remove `max_attempts` and `backoff`; failed messages are delivered again each by itself",
        );
    }
}

/// Handlers that keep the order of keys are as many as the number says, and take one message each.
fn partitions(args: &ListenerArgs, errors: &mut Errors) {
    let consumer = &args.consumer;
    let Some(partition) = &consumer.partition_by else { return };
    if let Some(circuit) = &args.failure.circuit {
        errors.add(
            &circuit.key,
            "`circuit` looks at one message after the other, and `partition_by` handles several",
            "keep one of them",
        );
    }
    if consumer.batch.is_some() {
        errors.add(
            &partition.key,
            "a batch mixes keys, `partition_by` keeps them apart",
            "keep one of them",
        );
    }
    if let Some(range) = consumer.concurrency.as_ref().filter(|it| it.value.min != it.value.max) {
        let help = format!("write `concurrency = {}`", range.value.max);
        errors.add(
            &range.key,
            "`partition_by` keeps its handlers: `concurrency` is a number",
            help,
        );
    }
}

/// A function takes lists, or it does not.
fn everywhere(attributes: &[ListenerArgs], errors: &mut Errors) {
    for args in attributes.iter().filter(|args| args.complete && args.consumer.batch.is_none()) {
        errors.add_at(
            args.place,
            "another attribute of this function has `batch`, and this one has not: it takes lists, \
             or single messages",
            "add `batch = ..` here too",
        );
    }
}

fn of_a_batch(param: &Param, errors: &mut Errors) {
    let is_list = types::list_item(&param.ty).is_some();
    let is_single = match &param.source {
        Source::Extractor => !is_list && types::is_one_messages(&param.ty),
        Source::Payload | Source::Header { .. } => !is_list,
        Source::Mistaken => false,
    };
    if is_single {
        let ty = types::words(&param.ty);
        errors.add(
            &param.ty,
            "with `batch` a handler gets several messages, and this argument is one message's",
            format!("write `Vec<{ty}>`"),
        );
    }
}

fn of_one_message(param: &Param, errors: &mut Errors) {
    let item = types::list_item(&param.ty).filter(|item| types::is_one_messages(item));
    if let (Some(item), Source::Extractor) = (item, &param.source) {
        let mut help = "add `batch = 100`".to_owned();
        if let Some(body) = types::json(item) {
            let body = types::words(body);
            help = format!("{help}; a body that is a list is `Json<Vec<{body}>>`");
        }
        errors.add(&param.ty, "`Vec<..>` holds the messages of a batch, and there is none", help);
    }
}

fn outcomes(attributes: &[ListenerArgs], function: &ListenerFn, errors: &mut Errors) {
    let ReturnType::Type(_, ty) = &function.sig.output else { return };
    let returned = types::successful(ty);
    if types::is_reply(returned) {
        errors.add(
            ty,
            "many requests, and one answer: nobody could say whose it is",
            "return nothing, `ListenerResult` or `Vec<Outcome>`",
        );
    }
    let nobody_settles =
        |args: &&ListenerArgs| args.consumer.ack.as_ref().is_some_and(|ack| ack.value == "none");
    if types::list_item(returned).is_some() && attributes.iter().any(|args| nobody_settles(&args)) {
        errors.add(
            ty,
            "with `ack = \"none\"` nothing is settled, message by message neither",
            "return `ListenerResult`",
        );
    }
}
