//! What a call and its answer say to each other, by name.

use springhare_amqp::ShortString;

/// With this header a caller asks to be told of a failure.
pub(crate) const ERRORS_HEADER: ShortString = ShortString::from_static("x-springhare-errors");

/// In an answer: the request failed, and this is the kind of failure.
pub(crate) const ERROR_HEADER: ShortString = ShortString::from_static("x-springhare-error");

/// In such an answer: how the text begins that says why; the body has all of it.
pub(crate) const EXCEPTION_HEADER: ShortString = ShortString::from_static("x-exception-message");

/// How the addresses of callers begin that wait on their channel, without a queue (direct reply-to).
pub(crate) const DIRECT_REPLY_TO: &str = "amq.rabbitmq.reply-to.";
