//! What a handler comes to: [`Outcome`], what may stand in its place as a return type, and the
//! error that says what happens to the message.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use super::context::DeliveryContext;
use super::reply::PreparedReply;

/// What becomes of a message, by what its handler returned.
///
/// A handler returns `()`, a [`ListenerResult`], a reply ([`ReplyBody`](crate::ReplyBody),
/// [`Reply`](crate::Reply)), or an `Outcome` of its own:
///
/// ```
/// use springhare::{ListenerError, Outcome};
///
/// async fn check(line: String) -> Outcome {
///     match line.as_str() {
///         "" => Outcome::Reject,
///         "later" => Outcome::Requeue,
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
    /// Failed: what happens is the error's [`Disposition`].
    Failed(ListenerError),
}

impl Outcome {
    /// The outcome of a message that an extractor could not read.
    ///
    /// It is [fatal](Disposition::Fatal), since the message will not get better, unless the
    /// rejection has chosen a disposition itself.
    pub fn from_rejection(rejection: impl Into<ListenerError>) -> Self {
        Self::Failed(rejection.into().or_fatal())
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

/// What a handler with `?` in it returns: any error becomes a [`ListenerError`].
pub type ListenerResult<T = ()> = Result<T, ListenerError>;

/// Why a handler failed, and what that means for the message.
///
/// Any `std::error::Error + Send + Sync` becomes one by `?`, with the
/// [default](Disposition::Default) disposition; the constructors choose another:
///
/// ```
/// use springhare::{ListenerError, ListenerResult};
///
/// fn parse(line: &str) -> ListenerResult<u16> {
///     if line.is_empty() {
///         return Err(ListenerError::reject_and_dont_requeue("an empty line"));
///     }
///     Ok(line.parse()?)
/// }
///
/// assert_eq!(parse("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
///
/// It is deliberately not a `std::error::Error` itself, or the conversion could not be for all
/// errors; [`source`](Self::source) gives the one inside.
pub struct ListenerError(Box<Inner>);

struct Inner {
    disposition: Disposition,
    source: Arc<dyn StdError + Send + Sync>,
}

/// What happens to a message whose handler failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disposition {
    /// What the listener does with failures: by default it is delivered again, paced and
    /// counted, and parked in the end.
    ///
    /// Where the broker counts (the embedded one, RabbitMQ's quorum queues) it goes back to its
    /// place in the queue. RabbitMQ's classic queues do not count: from its second failure on the
    /// message goes to the end of its queue as a copy, which is confirmed before the original is
    /// acknowledged. The copy has the number and the original's exchange and routing key in
    /// `x-springhare-..` headers, which the extractors look into. Its `expiration` begins anew;
    /// its `CC` and `user_id` are in the headers `x-original-CC` and `x-original-userId`, since the
    /// broker would route by the one and refuse the other. The application's user needs the
    /// permission to write to the default exchange.
    #[default]
    Default,
    /// Refused for good: dead-lettered where its queue has a dead-letter exchange, else dropped.
    RejectAndDontRequeue,
    /// Back to the queue at once, without a pause and without an end.
    ImmediateRequeue,
    /// Acknowledged all the same.
    ImmediateAcknowledge,
    /// Will never succeed: dead-lettered or parked at once, without another delivery.
    Fatal,
}

impl ListenerError {
    /// A failure with the default disposition, from an error, a boxed error or a text.
    #[must_use]
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::with(Disposition::Default, error.into())
    }

    /// A failure with the default disposition that is only a text.
    #[must_use]
    pub fn msg(text: impl fmt::Display) -> Self {
        Self::new(text.to_string())
    }

    /// Refuses the message for good: it is dead-lettered where its queue has a dead-letter
    /// exchange, else dropped.
    #[must_use]
    pub fn reject_and_dont_requeue(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::with(Disposition::RejectAndDontRequeue, error.into())
    }

    /// Puts the message back at once, without a pause and without an end to it.
    #[must_use]
    pub fn immediate_requeue(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::with(Disposition::ImmediateRequeue, error.into())
    }

    /// Acknowledges the message though its handler failed; the failure is logged.
    #[must_use]
    pub fn immediate_acknowledge(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::with(Disposition::ImmediateAcknowledge, error.into())
    }

    /// Says that no other attempt can succeed: the message is dead-lettered or parked at once.
    #[must_use]
    pub fn fatal(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::with(Disposition::Fatal, error.into())
    }

    fn with(disposition: Disposition, source: Box<dyn StdError + Send + Sync>) -> Self {
        Self(Box::new(Inner { disposition, source: source.into() }))
    }

    /// The same failure for another message.
    pub(super) fn share(&self) -> Self {
        let Inner { disposition, ref source } = *self.0;
        Self(Box::new(Inner { disposition, source: Arc::clone(source) }))
    }

    /// The caller knows of it, and decides whether to ask again: what would be delivered once more
    /// is acknowledged.
    pub(super) fn told(mut self) -> Self {
        if self.0.disposition == Disposition::Default {
            self.0.disposition = Disposition::ImmediateAcknowledge;
        }
        self
    }

    fn or_fatal(mut self) -> Self {
        if self.0.disposition == Disposition::Default {
            self.0.disposition = Disposition::Fatal;
        }
        self
    }

    /// What happens to the message.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        self.0.disposition
    }

    /// The error itself.
    #[must_use]
    pub fn source(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0.source
    }

    /// The error and what caused it, the outermost first.
    pub fn chain(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        let first: &(dyn StdError + 'static) = &*self.0.source;
        std::iter::successors(Some(first), |&error| error.source())
    }

    /// The first error of this type in the [chain](Self::chain).
    #[must_use]
    pub fn find<E: StdError + 'static>(&self) -> Option<&E> {
        self.chain().find_map(|error| error.downcast_ref())
    }

    /// The whole chain in one line, for a header or a log: `cannot ship: no van: flat tyre`.
    #[must_use]
    pub fn report(&self) -> String {
        self.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }
}

#[diagnostic::do_not_recommend]
impl<E: StdError + Send + Sync + 'static> From<E> for ListenerError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

impl fmt::Display for ListenerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.source, f)
    }
}

impl fmt::Debug for ListenerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerError")
            .field("disposition", &self.0.disposition)
            .field("source", &self.0.source)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot ship")]
    struct Ship(#[source] io::Error);

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
    fn each_constructor_has_its_disposition() {
        let made = [
            (ListenerError::msg(5), Disposition::Default),
            (ListenerError::reject_and_dont_requeue("x"), Disposition::RejectAndDontRequeue),
            (
                ListenerError::immediate_requeue(io::Error::other("x")),
                Disposition::ImmediateRequeue,
            ),
            (ListenerError::immediate_acknowledge("x"), Disposition::ImmediateAcknowledge),
            (ListenerError::fatal("x"), Disposition::Fatal),
        ];
        for (error, expected) in made {
            assert_eq!(error.disposition(), expected);
        }
    }

    #[test]
    fn a_rejection_is_fatal_unless_it_chose_otherwise() {
        let outcome = Outcome::from_rejection(io::Error::other("x"));
        assert_eq!(disposition(&outcome), Some(Disposition::Fatal));
        let outcome = Outcome::from_rejection(ListenerError::immediate_requeue("x"));
        assert_eq!(disposition(&outcome), Some(Disposition::ImmediateRequeue));
    }

    #[test]
    fn the_chain_is_searched_and_reported() {
        let error = ListenerError::from(Ship(io::Error::new(io::ErrorKind::TimedOut, "no van")));
        assert_eq!(error.report(), "cannot ship: no van");
        assert_eq!(error.to_string(), "cannot ship");
        assert_eq!(error.find::<io::Error>().unwrap().kind(), io::ErrorKind::TimedOut);
        assert!(error.find::<fmt::Error>().is_none());
        assert!(error.source().is::<Ship>());
    }

    #[test]
    fn success_costs_no_more_than_a_word_or_two() {
        assert!(size_of::<Outcome>() <= 16);
        assert_eq!(size_of::<ListenerResult>(), 8);
    }
}
