//! Why a handler failed, and what that means for the message.

use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{CallError, Error};
use crate::listener::panic::message_of;

/// The longest time that a handler may have its message wait, a half of what RabbitMQ lets a
/// consumer hold a message: 15 minutes.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);

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
/// errors; [`source`](Self::source) gives the one inside, and [`into_error`](Self::into_error)
/// makes one of it that keeps the disposition, also below another error:
///
/// ```
/// use std::error::Error;
///
/// use springhare::{Disposition, ListenerError};
///
/// fn stock(item: &str) -> Result<u32, Box<dyn Error + Send + Sync>> {
///     Err(ListenerError::fatal(format!("nobody knows {item}")))?
/// }
///
/// let error = ListenerError::new(stock("wombats").unwrap_err());
/// assert_eq!(error.disposition(), Disposition::Fatal);
/// ```
pub struct ListenerError(Box<Inner>);

struct Inner {
    disposition: Disposition,
    /// The disposition is an extractor's default, and nobody's choice.
    of_rejection: bool,
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
    /// Delivered again after this time, [`RETRY_AFTER_MAX`] at the most, and counted as failed.
    RetryAfter(Duration),
    /// Acknowledged all the same.
    ImmediateAcknowledge,
    /// Will never succeed: dead-lettered or parked at once, without another delivery.
    Fatal,
}

impl ListenerError {
    /// A failure with the default disposition, from an error, a boxed error or a text.
    ///
    /// Where a `ListenerError` is in the error's chain, its disposition holds.
    #[must_use]
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = error.into();
        match kept_in(&*source) {
            Some(Inner { disposition, of_rejection, .. }) => Self(Box::new(Inner {
                disposition: *disposition,
                of_rejection: *of_rejection,
                source: source.into(),
            })),
            None => Self::with(Disposition::Default, source),
        }
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

    /// Has the message delivered again after `delay`, [`RETRY_AFTER_MAX`] at the most. It counts as
    /// failed: when it has failed too often, it is given up as any other.
    #[must_use]
    pub fn retry_after(delay: Duration, error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::with(Disposition::RetryAfter(delay), error.into())
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
        Self(Box::new(Inner { disposition, of_rejection: false, source: source.into() }))
    }

    /// The same failure for another message.
    pub(in crate::listener) fn share(&self) -> Self {
        let Inner { disposition, of_rejection, ref source } = *self.0;
        Self(Box::new(Inner { disposition, of_rejection, source: Arc::clone(source) }))
    }

    /// A `std::error::Error` of it, to be the source of another; a [`ListenerError`] that is made
    /// of that keeps the disposition. `?` makes one, too.
    #[must_use]
    pub fn into_error(self) -> Box<dyn StdError + Send + Sync> {
        Box::new(Kept(*self.0))
    }

    /// The caller knows of it, and decides whether to ask again: its request is acknowledged.
    pub(in crate::listener) fn told(mut self) -> Self {
        self.0.disposition = Disposition::ImmediateAcknowledge;
        // What is said of rejections is not asked any more.
        self.0.of_rejection = false;
        self
    }

    /// An extractor could not read the message: fatal, unless the rejection has chosen otherwise.
    pub(in crate::listener) fn of_rejection(mut self) -> Self {
        if self.0.disposition == Disposition::Default {
            self.0.disposition = Disposition::Fatal;
            self.0.of_rejection = true;
        }
        self
    }

    /// Whether somebody has said what happens to the message: the handler, or a rejection of
    /// its own mind.
    pub(crate) fn is_chosen(&self) -> bool {
        self.0.disposition != Disposition::Default && !self.0.of_rejection
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
        std::iter::successors(Some(opened(first)), |&error| error.source().map(opened))
    }

    /// The first error of this type in the [chain](Self::chain), or inside of an
    /// [`Error`] in it: a [`CallError`], say, that a handler passes on from the template.
    #[must_use]
    pub fn find<E: StdError + 'static>(&self) -> Option<&E> {
        let with_inner = |error| std::iter::successors(Some(error), |&error| shown_as(error));
        self.chain().flat_map(with_inner).find_map(|error| error.downcast_ref())
    }

    /// The whole chain in one line, for a header or a log: `cannot ship: no van: flat tyre`. What an
    /// error tells of its cause by itself is not told twice. Where an error's `Display` panics, that is
    /// what it says.
    #[must_use]
    pub fn report(&self) -> String {
        let report = || {
            let mut texts: Vec<String> = Vec::new();
            for text in self.chain().map(ToString::to_string) {
                let told = format!(": {text}");
                if !texts.last().is_some_and(|outer| outer.contains(&told)) {
                    texts.push(text);
                }
            }
            texts.join(": ")
        };
        // What the error's own code leaves half done is its own.
        catch_unwind(AssertUnwindSafe(report)).unwrap_or_else(|panic| {
            format!("an error that panicked as it was written: {}", message_of(&*panic))
        })
    }
}

/// What a handler's `?` says of the message when it fails.
///
/// ```
/// use std::time::Duration;
///
/// use springhare::{ListenerResult, ListenerResultExt as _};
///
/// async fn ship(order: String) -> ListenerResult {
///     let number: u32 = order.parse().fatal()?; // it will not get better
///     let place = std::fs::read_to_string("place").retry_after(Duration::from_secs(30))?;
///     println!("{number} goes to {place}");
///     Ok(())
/// }
/// # drop(ship(String::new()));
/// ```
pub trait ListenerResultExt<T> {
    /// An error is [fatal](ListenerError::fatal).
    ///
    /// # Errors
    ///
    /// The same, as a [`ListenerError`].
    fn fatal(self) -> ListenerResult<T>;

    /// An error has the message [delivered again](ListenerError::retry_after) after `delay`.
    ///
    /// # Errors
    ///
    /// The same, as a [`ListenerError`].
    fn retry_after(self, delay: Duration) -> ListenerResult<T>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> ListenerResultExt<T> for Result<T, E> {
    fn fatal(self) -> ListenerResult<T> {
        self.map_err(ListenerError::fatal)
    }

    fn retry_after(self, delay: Duration) -> ListenerResult<T> {
        self.map_err(|error| ListenerError::retry_after(delay, error))
    }
}

/// A listener's error as a `std::error::Error`.
struct Kept(Inner);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.source, f)
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.source, f)
    }
}

impl StdError for Kept {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.source()
    }
}

/// The listener's error in this chain of errors.
fn kept_in<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Inner> {
    let mut chain = std::iter::successors(Some(error), |&error| error.source());
    chain.find_map(|error| error.downcast_ref::<Kept>()).map(|Kept(inner)| inner)
}

/// The error that one of ours shows itself as.
fn shown_as<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    match error.downcast_ref() {
        Some(CallError::Remote(remote)) => Some(remote),
        Some(_) => None,
        None => opened(error.downcast_ref::<Error>()?.shown_as()?).into(),
    }
}

/// What is inside of a listener's error.
fn opened<'e>(error: &'e (dyn StdError + 'static)) -> &'e (dyn StdError + 'static) {
    error.downcast_ref().map_or(error, |Kept(inner)| opened(&*inner.source))
}

impl From<ListenerError> for Box<dyn StdError + Send + Sync> {
    fn from(error: ListenerError) -> Self {
        error.into_error()
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
    use crate::connection::LinkError;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot ship")]
    struct Ship(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("no order today")]
    struct NoOrder(#[source] Box<dyn StdError + Send + Sync>);

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
            (
                ListenerError::retry_after(Duration::from_secs(1), "x"),
                Disposition::RetryAfter(Duration::from_secs(1)),
            ),
        ];
        for (error, expected) in made {
            assert_eq!(error.disposition(), expected);
        }
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
    fn what_the_templates_error_shows_itself_as_is_found() {
        let lost = || LinkError::Closed { what: "channel", reason: None };
        let error = ListenerError::new(Error::Link(lost()));
        assert!(error.find::<LinkError>().is_some() && error.find::<Error>().is_some());
        let timeout = CallError::Timeout { after: Duration::from_secs(1) };
        let error = ListenerError::new(Error::from(timeout));
        assert!(error.find::<CallError>().is_some() && error.find::<LinkError>().is_none());
        let error = ListenerError::new(Error::Other(Box::new(io::Error::other("no van"))));
        assert!(error.find::<io::Error>().is_some());
        assert_eq!(error.report(), "no van");
    }

    #[test]
    fn a_cause_that_an_error_tells_itself_is_not_told_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("order 7: {0}; send a van")]
        struct Order7(#[source] Ship);
        let ship = Ship(io::Error::other("no van"));
        assert_eq!(
            ListenerError::from(Order7(ship)).report(),
            "order 7: cannot ship; send a van: no van"
        );
    }

    #[test]
    fn an_error_whose_text_panics_is_told_all_the_same() {
        #[derive(Debug)]
        struct Untold;
        impl fmt::Display for Untold {
            fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
                panic!("a text of the test")
            }
        }
        impl StdError for Untold {}
        let report = ListenerError::from(Untold).report();
        assert_eq!(report, "an error that panicked as it was written: a text of the test");
    }

    #[test]
    fn a_disposition_is_kept_below_other_errors_and_what_it_was_made_of_is_found() {
        let inner = ListenerError::fatal(Ship(io::Error::other("no van")));
        let error = ListenerError::from(NoOrder(inner.into_error()));
        assert_eq!(error.disposition(), Disposition::Fatal);
        assert!(error.is_chosen());
        assert_eq!(error.report(), "no order today: cannot ship: no van");
        assert!(error.find::<Ship>().is_some() && error.find::<io::Error>().is_some());
        // The outer one's own word is the last.
        let again = ListenerError::immediate_requeue(error.into_error());
        assert_eq!(again.disposition(), Disposition::ImmediateRequeue);
        let plain = ListenerError::new(ListenerError::msg("no van").into_error());
        assert_eq!(plain.disposition(), Disposition::Default);
    }

    #[test]
    fn a_rejection_is_nobodys_choice_unless_it_chose() {
        assert!(!ListenerError::msg("x").of_rejection().is_chosen());
        assert!(!ListenerError::msg("x").is_chosen());
        assert!(ListenerError::immediate_requeue("x").of_rejection().is_chosen());
        assert!(ListenerError::fatal("x").of_rejection().is_chosen());
    }
}
