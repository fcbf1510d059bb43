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
