//! What does not go with `ack = "first"`: whatever would have the message once more, or say what
//! becomes of it.

use syn::Ident;

use crate::attr::ListenerArgs;
use crate::diagnostics::Errors;
use crate::recover::Recover;

const WHAT: &str = "with `ack = \"first\"` the message is acknowledged before its handler is called: it \
     does not come again";

pub(super) fn check(args: &ListenerArgs, errors: &mut Errors) {
    if args.consumer.ack.as_ref().is_none_or(|ack| ack.value != "first") {
        return;
    }
    let mut refuse = |key: &Ident, help: &str| errors.add(key, WHAT, help);
    let failure = &args.failure;
    if let Some(delays) = failure.retry.as_ref().and_then(|retry| retry.value.delays.as_ref()) {
        refuse(
            &delays.key,
            "retry in memory, `retry(max_attempts = ..)`, or write `ack = \"auto\"`",
        );
    }
    if let Some(max_attempts) = &failure.max_attempts {
        let help = "write `retry(max_attempts = ..)`, in memory, or `ack = \"auto\"`";
        refuse(&max_attempts.key, help);
    }
    if let Some(requeue) = &args.consumer.requeue_rejected {
        refuse(&requeue.key, "remove `requeue_rejected`, or write `ack = \"auto\"`");
    }
    if let Some(recover) = &failure.recover
        && matches!(recover.value, Recover::Word("requeue" | "reject"))
    {
        let help = "write `recover = \"park\"` or `recover(exchange = \"..\")`, which keep a copy";
        refuse(&recover.key, help);
    }
    if let Some(batch) = &args.consumer.batch {
        errors.add(
            &batch.key,
            "with `ack = \"first\"` those of a batch that are behind one that fails would be lost",
            "remove `batch`, or write `ack = \"auto\"`",
        );
    }
}
