//! The signature: a plain function whose arguments can be made of a delivery.

use quote::ToTokens as _;
use syn::{FnArg, ReturnType, Safety, Signature, Type};

use super::names;
use crate::attr::ListenerArgs;
use crate::diagnostics::Errors;
use crate::parameter::Source;
use crate::signature::{ListenerFn, Param};
use crate::types::{self, Extractor};

pub(crate) fn check(attributes: &[ListenerArgs], function: &ListenerFn, errors: &mut Errors) {
    no_receiver(&function.sig, errors);
    asynchrony(attributes, function, errors);
    check_method(attributes, function, errors);
}

/// What holds for a method, too.
pub(super) fn check_method(
    attributes: &[ListenerArgs],
    function: &ListenerFn,
    errors: &mut Errors,
) {
    plain(&function.sig, errors);
    generics(&function.sig, errors);
    impl_trait(function, errors);
    payloads(function, errors);
    delivery_tags(attributes, function, errors);
    replies(attributes, function, errors);
}

fn plain(sig: &Signature, errors: &mut Errors) {
    if let Some(token) = &sig.constness {
        errors.add(token, "a listener cannot be `const`", "remove `const`");
    }
    if let Safety::Unsafe(token) = &sig.safety {
        let help = "remove `unsafe`, and keep the unsafe part in a block inside";
        errors.add(token, "a listener cannot be `unsafe`: nobody upholds its conditions", help);
    }
    if let Some(abi) = &sig.abi {
        let help = format!("remove `{}`", abi.to_token_stream());
        errors.add(abi, "a listener is called as a plain Rust function", help);
    }
    if let Some(variadic) = &sig.variadic {
        let help = "write one argument for each thing to take from the delivery";
        errors.add(variadic, "a listener cannot be variadic", help);
    }
}

fn no_receiver(sig: &Signature, errors: &mut Errors) {
    if let Some(FnArg::Receiver(receiver)) = sig.inputs.first() {
        errors.add(
            receiver,
            "a listener is a function, not a method: there is no `self` to call it on",
            "take what it needs as an argument, `state: State<MyService>`, and give it to \
             `.manage(..)`",
        );
    }
}

fn generics(sig: &Signature, errors: &mut Errors) {
    for param in sig.generics.type_params() {
        errors.add(
            param,
            format!("a listener cannot be generic: nobody chooses `{}`", param.ident),
            "write the type that is meant; a function for each type may call a generic one",
        );
    }
    for param in sig.generics.const_params() {
        errors.add(
            param,
            format!("a listener cannot be generic: nobody chooses `{}`", param.ident),
            "write the value that is meant, or a `const` beside the function",
        );
    }
}

fn asynchrony(attributes: &[ListenerArgs], function: &ListenerFn, errors: &mut Errors) {
    let blocking = attributes.iter().filter_map(|args| args.blocking.as_ref());
    let asked: Vec<_> = blocking.filter(|given| given.value).collect();
    if function.sig.asyncness.is_some() {
        for given in asked {
            let help = "remove `blocking`, or `async`";
            errors.add(&given.key, "an async listener does not block", help);
        }
    } else if asked.is_empty() {
        if attributes.iter().all(|args| args.complete) {
            errors.add(
                &function.sig.fn_token,
                "a listener that is not async would hold up all others while it works",
                "write `async fn`, or add `blocking` to the attribute to run it on a thread for \
                 such work",
            );
        }
    } else {
        for Param { ty, .. } in &function.params {
            if let Some(borrow) = types::borrow(ty) {
                let help = "take an owned value, or make the function async";
                errors.add(
                    &borrow,
                    "a blocking listener runs on another thread: it cannot borrow \
                 from the delivery",
                    help,
                );
            }
        }
    }
}

fn impl_trait(function: &ListenerFn, errors: &mut Errors) {
    for Param { ty, .. } in &function.params {
        if let Some(found) = types::impl_trait(ty) {
            let help = "write the type: an extractor such as `Json<Order>`, `Text` or `Bytes`";
            errors.add(&found, "an argument's type must be known to be made of a delivery", help);
        }
    }
    if let ReturnType::Type(_, ty) = &function.sig.output
        && let Some(found) = types::impl_trait(ty)
    {
        let help = "write the type: `ListenerResult`, `Outcome`, or nothing";
        errors.add(&found, "the type a listener returns must be written out", help);
    }
}

fn payloads(function: &ListenerFn, errors: &mut Errors) {
    let bodies = function.params.iter().filter(|param| match &param.source {
        Source::Payload => true,
        Source::Extractor => Extractor::of(&param.ty) == Extractor::Payload,
        Source::Header { .. } | Source::Mistaken => false,
    });
    for second in bodies.skip(1) {
        errors.add(
            &second.ty,
            "a message has one body, and an argument before this one takes it",
            "keep one of them; `Message` beside it gives the raw bytes",
        );
    }
}

fn delivery_tags(attributes: &[ListenerArgs], function: &ListenerFn, errors: &mut Errors) {
    let tags: Vec<&Type> = function
        .params
        .iter()
        .filter(|param| extracts(param) == Extractor::DeliveryTag)
        .map(|param| &param.ty)
        .collect();
    for second in tags.iter().skip(1) {
        let help = "a tag is settled once: keep one of them";
        errors.add(
            second,
            "a delivery has one tag, and an argument before this one takes it",
            help,
        );
    }
    let acks = || attributes.iter().filter_map(|args| args.consumer.ack.as_ref());
    if let (Some(tag), true) = (tags.first(), acks().any(|ack| ack.value == "none")) {
        errors.add(
            tag,
            "with `ack = \"none\"` there is nothing to settle: the broker forgot the message when \
             it sent it",
            "remove this argument, or write `ack = \"manual\"`",
        );
    }
    if let (Some(tag), true) = (tags.first(), acks().any(|ack| ack.value == "first")) {
        errors.add(
            tag,
            "with `ack = \"first\"` there is nothing to settle: the message is acknowledged before \
             its handler is called",
            "remove this argument, or write `ack = \"manual\"`",
        );
    }
    if can_settle(function) {
        return;
    }
    for ack in acks().filter(|ack| ack.value == "manual") {
        errors.add(
            &ack.key,
            "with `ack = \"manual\"` this listener could never settle a message",
            "take `channel: Channel, tag: DeliveryTag` and call `channel.ack(tag)`, or write \
             `ack = \"auto\"`",
        );
    }
}

/// A destination for replies needs a reply.
fn replies(attributes: &[ListenerArgs], function: &ListenerFn, errors: &mut Errors) {
    for given in attributes.iter().filter_map(|args| args.consumer.send_to.as_ref()) {
        names::destination(&given.value, errors);
        if types::returns_nothing(&function.sig.output) {
            errors.add(
                &given.key,
                "this function returns nothing to send",
                "return `Json<T>`, `Text`, `Bytes` or `Reply<..>`, or remove `send_to`",
            );
        }
    }
}

/// What a bare argument extracts.
fn extracts(param: &Param) -> Extractor {
    match param.source {
        Source::Extractor => Extractor::of(&param.ty),
        Source::Payload | Source::Header { .. } | Source::Mistaken => Extractor::Neutral,
    }
}

/// Whether some argument holds, or may hold, the delivery's tag, or the return value may say it.
fn can_settle(function: &ListenerFn) -> bool {
    let by_argument = function.params.iter().any(|param| {
        matches!(extracts(param), Extractor::DeliveryTag | Extractor::Unknown)
            || matches!(param.source, Source::Mistaken)
    });
    by_argument || names_outcome(&function.sig.output)
}

/// `Outcome` may stand anywhere in the type: `Result<Outcome, E>` returns one, too.
fn names_outcome(output: &ReturnType) -> bool {
    let words = output.to_token_stream().to_string();
    words
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|word| word == "Outcome")
}
