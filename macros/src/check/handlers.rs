//! The handlers of an `impl`: who takes which type.

use syn::{FnArg, ReceiverKind, Type};

use super::{attributes as check_attributes, function, outbox, path};
use crate::attr::ListenerArgs;
use crate::diagnostics::Errors;
use crate::handlers::{Handler, HandlersImpl};
use crate::types;

pub(crate) fn check(attributes: &[ListenerArgs], block: &HandlersImpl, errors: &mut Errors) {
    check_attributes(attributes, errors);
    whole(attributes, block, errors);
    for handler in &block.handlers {
        receiver(handler, errors);
        if handler.function.sig.asyncness.is_none() {
            errors.add(
                &handler.function.sig.fn_token,
                "a handler that is not async would hold up all others while it works",
                "write `async fn`",
            );
        }
        function::check_method(attributes, &handler.function, errors);
        outbox::check(attributes, &handler.function, errors);
        if handler.function.params.iter().any(|param| types::path(&param.ty).is_some()) {
            path::check(attributes, &handler.function, errors);
        }
    }
    types_once(block, errors);
}

fn whole(attributes: &[ListenerArgs], block: &HandlersImpl, errors: &mut Errors) {
    for args in attributes {
        if let Some(given) = args.blocking.as_ref().filter(|given| given.value) {
            let help = "make its methods async, or use a function with `blocking`";
            errors.add(&given.key, "the handlers of an `impl` do not block", help);
        }
        if let Some(given) = &args.consumer.batch {
            let help = "use a function that takes `Vec<..>`";
            errors.add(&given.key, "a batch mixes types, and a handler takes one", help);
        }
    }
    if let Some(generics) = &block.generics {
        errors.add(
            generics,
            "a listener cannot be generic: nobody chooses the type",
            "write `impl Orders`, and one block for each type that it would stand for",
        );
    }
    if let Some(of_trait) = &block.of_trait {
        let help = "write `impl Orders { .. }`, and call the trait's methods from there";
        errors.add(of_trait, "handlers stand in an `impl` of the type itself", help);
    }
    if types::name(&block.self_ty).is_none() || !matches!(block.self_ty, Type::Path(_)) {
        errors.add(&block.self_ty, "handlers are methods of a type with a name", "name the type");
    }
    if block.handlers.is_empty() {
        errors.add(
            &block.self_ty,
            "an `impl` without `#[rabbit_handler]` handles nothing",
            "put `#[rabbit_handler]` on a method",
        );
    }
}

fn receiver(handler: &Handler, errors: &mut Errors) {
    let sig = &handler.function.sig;
    match sig.inputs.first() {
        Some(FnArg::Receiver(own)) if matches!(own.kind, ReceiverKind::Reference(_, _, None)) => {}
        Some(FnArg::Receiver(own)) => {
            errors.add(own, "handlers share `self`, and work at the same time", "write `&self`");
        }
        _ => errors.add(&sig.ident, "a handler is a method", "take `&self` first"),
    }
}

fn types_once(block: &HandlersImpl, errors: &mut Errors) {
    let mut seen: Vec<(&str, &Handler)> = Vec::new();
    for handler in &block.handlers {
        match &handler.type_name {
            Some((name, at)) => {
                let is_same =
                    |(other, own): &(&str, &Handler)| other == name && meets(own, handler);
                if seen.iter().any(is_same) {
                    let help = "give one of them another with `#[rabbit_handler(type = \"..\")]`";
                    errors.add(at, format!("two handlers take the type \"{name}\""), help);
                }
                seen.push((name, handler));
            }
            None if handler.default.is_none() => errors.add(
                &handler.function.sig.ident,
                "the type of what it takes can't be told from its arguments",
                "take `Json<OrderCreated>`, or write `#[rabbit_handler(type = \"..\")]`, or \
                 `#[rabbit_handler(default)]`",
            ),
            None => {}
        }
    }
    let mut defaults: Vec<&Handler> = Vec::new();
    for handler in &block.handlers {
        let Some(default) = &handler.default else { continue };
        if defaults.iter().any(|other| meets(other, handler)) {
            errors.add(default, "two handlers take what no other takes", "keep one `default`");
        }
        defaults.push(handler);
    }
}

/// Whether both may be there: each under a condition of its own may stand for the other.
fn meets(one: &Handler, other: &Handler) -> bool {
    let conditions =
        |handler: &Handler| -> Vec<_> { handler.function.conditions().cloned().collect() };
    let (one, other) = (conditions(one), conditions(other));
    one.is_empty() || other.is_empty() || one == other
}
