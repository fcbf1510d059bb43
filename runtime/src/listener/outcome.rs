//! What a handler comes to: [`Outcome`], what may stand in its place as a return type, and the
//! error that says what happens to the message.

mod error;

use std::time::Duration;

pub use error::{Disposition, ListenerError, ListenerResult, ListenerResultExt, RETRY_AFTER_MAX};

use super::attempt::HandlerTimedOut;
use super::context::DeliveryContext;
use super::invoke::HandlerPanicked;
use super::reply::PreparedReply;
use crate::convert::ConversionError;

/// What becomes of a message, by what its handler returned.
///
/// A handler returns `()`, a [`ListenerResult`], a reply ([`ReplyBody`](crate::ReplyBody),
/// [`Reply`](crate::Reply)), or an `Outcome` of its own:
///
/// ```
/// use std::time::Duration;
///
/// use springhare::{ListenerError, Outcome};
///
/// async fn check(line: String) -> Outcome {
///     match line.as_str() {
///         "" => Outcome::Reject,
///         "again" => Outcome::Requeue,
///         "later" => Outcome::RetryAfter(Duration::from_secs(30)),
///         "broken" => Outcome::Failed(ListenerError::msg("broken line")),
///         _ => Outcome::Ack,
///     }
/// }
/// # drop(check(String::new()));
/// ```
///
/// In a listener with `ack = "manual"` [`Ack`](Self::Ack) settles nothing: the handler does that,
/// now or later.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "the message is settled by its outcome"]
pub enum Outcome {
    /// Done: the message is acknowledged.
    Ack,
    /// Done, and this is the answer: it is sent, and then the message is acknowledged.
    Reply(Box<PreparedReply>),
    /// Refused for good: dead-lettered where its queue has a dead-letter exchange, else dropped.
    Reject,
    /// Back to the queue at once, without a pause and without an end.
    Requeue,
    /// Failed for now: it is delivered again after this time, [`RETRY_AFTER_MAX`] at the most, and
    /// counted as failed. When it has failed too often, it is given up as any other.
    RetryAfter(Duration),
    /// Failed: what happens is the error's [`Disposition`].
    Failed(ListenerError),
}

impl Outcome {
    /// The outcome of a message that an extractor could not read.
    ///
    /// It is [fatal](Disposition::Fatal), since the message will not get better, unless the
    /// rejection has chosen a disposition itself.
    pub fn from_rejection(rejection: impl Into<ListenerError>) -> Self {
        Self::Failed(rejection.into().of_rejection())
    }
}

impl Outcome {
    /// In a word how a handler failed, for whoever counts: `none` if it has not.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Ack | Self::Reply(_) => "none",
            Self::Reject => "rejected",
            Self::Requeue | Self::RetryAfter(_) => "requeued",
            Self::Failed(error) if error.find::<HandlerPanicked>().is_some() => "panic",
            Self::Failed(error) if error.find::<HandlerTimedOut>().is_some() => "timeout",
            Self::Failed(error) if error.find::<ConversionError>().is_some() => "conversion",
            Self::Failed(error) if error.disposition() == Disposition::Fatal => "fatal",
            Self::Failed(_) => "error",
        }
    }
}

/// What a handler may return.
#[diagnostic::on_unimplemented(
    message = "a listener cannot return `{Self}`",
    label = "not an outcome of a listener",
    note = "return nothing, `ListenerResult`, `Result<(), E>` where `E` is a \
            `std::error::Error + Send + Sync + 'static`, or `Outcome`",
    note = "a reply is one of `Json<T>`, `Text`, `String`, `Bytes`, `Message` and `Reply<..>`, or an \
            `Option` or a `Result` of one",
    note = "a `Box<dyn Error + Send + Sync>` or an `anyhow::Error` becomes a `ListenerError` by \
            `.map_err(ListenerError::new)`"
)]
pub trait IntoOutcome {
    /// What becomes of the message, which `cx` is about.
    fn into_outcome(self, cx: &DeliveryContext) -> Outcome;
}

impl IntoOutcome for () {
    fn into_outcome(self, _cx: &DeliveryContext) -> Outcome {
        Outcome::Ack
    }
}

impl IntoOutcome for Outcome {
    fn into_outcome(self, _cx: &DeliveryContext) -> Outcome {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoOutcome, E: Into<ListenerError>> IntoOutcome for Result<T, E> {
    fn into_outcome(self, cx: &DeliveryContext) -> Outcome {
        match self {
            Ok(value) => value.into_outcome(cx),
            Err(error) => Outcome::Failed(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn disposition(outcome: &Outcome) -> Option<Disposition> {
        match outcome {
            Outcome::Failed(error) => Some(error.disposition()),
            _ => None,
        }
    }

    #[test]
    fn nothing_and_ok_are_acks() {
        let cx = &DeliveryContext::for_test().build();
        assert!(matches!(().into_outcome(cx), Outcome::Ack));
        assert!(matches!(ListenerResult::Ok(()).into_outcome(cx), Outcome::Ack));
        assert!(matches!(ListenerResult::Ok(Outcome::Requeue).into_outcome(cx), Outcome::Requeue));
        assert!(matches!(Outcome::Reject.into_outcome(cx), Outcome::Reject));
    }

    #[test]
    fn any_error_is_a_failure_with_the_default_disposition() {
        fn handler() -> ListenerResult {
            Err(io::Error::other("no van"))?
        }
        let cx = &DeliveryContext::for_test().build();
        assert_eq!(disposition(&handler().into_outcome(cx)), Some(Disposition::Default));
        let own: Result<(), io::Error> = Err(io::Error::other("no van"));
        assert_eq!(disposition(&own.into_outcome(cx)), Some(Disposition::Default));
    }

    #[test]
    fn a_rejection_is_fatal_unless_it_chose_otherwise() {
        let outcome = Outcome::from_rejection(io::Error::other("x"));
        assert_eq!(disposition(&outcome), Some(Disposition::Fatal));
        let outcome = Outcome::from_rejection(ListenerError::immediate_requeue("x"));
        assert_eq!(disposition(&outcome), Some(Disposition::ImmediateRequeue));
    }

    #[test]
    fn success_costs_no_more_than_a_word_or_two() {
        assert!(size_of::<Outcome>() <= 16);
        assert_eq!(size_of::<ListenerResult>(), 8);
    }
}
