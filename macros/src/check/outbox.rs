//! An outbox goes out before the framework's ack.

use crate::attr::ListenerArgs;
use crate::diagnostics::Errors;
use crate::parameter::Source;
use crate::signature::ListenerFn;
use crate::types::Extractor;

pub(super) fn check(attributes: &[ListenerArgs], function: &ListenerFn, errors: &mut Errors) {
    let has_outbox = function.params.iter().any(|param| {
        matches!(param.source, Source::Extractor) && Extractor::of(&param.ty) == Extractor::Outbox
    });
    if !has_outbox {
        return;
    }
    for ack in attributes.iter().filter_map(|args| args.consumer.ack.as_ref()) {
        if ack.value != "auto" {
            errors.add(
                &ack.key,
                "what is in the outbox goes out before the framework's ack, and here there is none",
                "write `ack = \"auto\"`, or send with `RabbitTemplate`",
            );
        }
    }
}
