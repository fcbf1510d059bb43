//! What a batch handler comes to: for all of its messages, for each, or for one that failed.

use std::error::Error as StdError;
use std::fmt;

use crate::listener::context::{BatchContext, Verdicts};
use crate::listener::outcome::{ListenerError, Outcome};

/// What a handler with `batch = ..` may return.
#[diagnostic::on_unimplemented(
    message = "a listener with `batch` cannot return `{Self}`",
    label = "not an outcome of a batch",
    note = "return nothing, `ListenerResult`, `Result<(), E>` where `E` is a \
            `std::error::Error + Send + Sync + 'static`, or `Vec<Outcome>`, one for each message",
    note = "a batch has no reply: nobody could say whose it is"
)]
pub trait IntoBatchOutcome {
    /// What becomes of the messages of `cx`.
    fn into_batch_outcome(self, cx: &BatchContext) -> Outcome;
}

impl IntoBatchOutcome for () {
    fn into_batch_outcome(self, _cx: &BatchContext) -> Outcome {
        Outcome::Ack
    }
}

/// The same for all messages.
impl IntoBatchOutcome for Outcome {
    fn into_batch_outcome(self, _cx: &BatchContext) -> Outcome {
        self
    }
}

/// One for each message, in their order.
impl IntoBatchOutcome for Vec<Outcome> {
    fn into_batch_outcome(self, cx: &BatchContext) -> Outcome {
        let (outcomes, messages) = (self.len(), cx.accepted());
        if outcomes != messages {
            return Outcome::Failed(ListenerError::new(OutcomesMissing { outcomes, messages }));
        }
        cx.settle_each(self);
        Outcome::Ack
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoBatchOutcome, E: Into<ListenerError>> IntoBatchOutcome for Result<T, E> {
    fn into_batch_outcome(self, cx: &BatchContext) -> Outcome {
        match self {
            Ok(value) => value.into_batch_outcome(cx),
            Err(error) => Outcome::Failed(error.into()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the handler returned {outcomes} outcomes for {messages} messages; return one for each")]
struct OutcomesMissing {
    outcomes: usize,
    messages: usize,
}

/// One message of a batch failed: those before it are acknowledged, it fails by what its listener
/// does with failures, and those after it are handled with the next batch.
///
/// ```
/// use springhare::prelude::*;
/// use springhare::BatchError;
///
/// #[rabbit_listener(queue = "lines", batch = 100)]
/// async fn import(lines: Vec<Text>) -> ListenerResult {
///     for (index, Text(line)) in lines.iter().enumerate() {
///         line.parse::<u32>().map_err(|error| BatchError::at(index, error))?;
///     }
///     Ok(())
/// }
/// # fn main() {}
/// ```
///
/// A message that an extractor refused is not counted: the index is the one in the handler's
/// lists.
#[derive(Debug)]
pub struct BatchError {
    index: usize,
    error: ListenerError,
}

impl BatchError {
    /// The message at `index` failed, counted from 0.
    #[must_use]
    pub fn at(index: usize, error: impl Into<ListenerError>) -> Self {
        Self { index, error: error.into() }
    }

    /// Which message it was.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Why it failed.
    #[must_use]
    pub fn error(&self) -> &ListenerError {
        &self.error
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of the batch failed", self.index)
    }
}

impl StdError for BatchError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.error.source())
    }
}

/// What becomes of one message.
#[derive(Debug)]
pub(super) enum Verdict {
    Settle(Outcome),
    /// It is handled with the next batch.
    Again,
}

/// What becomes of each of `len` messages, in their order.
pub(super) fn verdicts(len: usize, outcome: Outcome, known: Verdicts) -> Vec<Verdict> {
    let accepted = len.saturating_sub(known.refused.len());
    let mut handled: Box<dyn Iterator<Item = Verdict>> = match outcome {
        Outcome::Failed(error) => match error.find::<BatchError>() {
            Some(at) if at.index < accepted => {
                let before = (0..at.index).map(|_| Verdict::Settle(Outcome::Ack));
                let failed = Verdict::Settle(Outcome::Failed(at.error.share()));
                Box::new(before.chain([failed]))
            }
            _ => Box::new(std::iter::repeat_with(move || {
                Verdict::Settle(Outcome::Failed(error.share()))
            })),
        },
        Outcome::Requeue => Box::new(std::iter::repeat_with(|| Verdict::Settle(Outcome::Requeue))),
        Outcome::Reject => Box::new(std::iter::repeat_with(|| Verdict::Settle(Outcome::Reject))),
        _ => match known.each {
            Some(each) => Box::new(each.into_iter().map(Verdict::Settle)),
            None => Box::new(std::iter::repeat_with(|| Verdict::Settle(Outcome::Ack))),
        },
    };
    let mut refused = known.refused.into_iter().peekable();
    (0..len)
        .map(|index| match refused.next_if(|(at, _)| *at == index) {
            Some((_, error)) => Verdict::Settle(Outcome::from_rejection(error)),
            None => handled.next().unwrap_or(Verdict::Again),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Disposition;

    fn words(verdicts: &[Verdict]) -> Vec<&'static str> {
        let word = |verdict: &Verdict| match verdict {
            Verdict::Again => "again",
            Verdict::Settle(Outcome::Ack) => "ack",
            Verdict::Settle(Outcome::Reject) => "reject",
            Verdict::Settle(Outcome::Failed(error)) => match error.disposition() {
                Disposition::Fatal => "fatal",
                _ => "failed",
            },
            Verdict::Settle(_) => "other",
        };
        verdicts.iter().map(word).collect()
    }

    fn refused(indices: &[usize]) -> Verdicts {
        let refused = indices.iter().map(|index| (*index, ListenerError::msg("unread")));
        Verdicts { refused: refused.collect(), each: None }
    }

    #[test]
    fn a_result_is_every_messages() {
        let all = verdicts(2, Outcome::Ack, Verdicts::default());
        assert_eq!(words(&all), ["ack", "ack"]);
        let failed = Outcome::Failed(ListenerError::msg("no"));
        assert_eq!(words(&verdicts(3, failed, refused(&[1]))), ["failed", "fatal", "failed"]);
        assert_eq!(words(&verdicts(2, Outcome::Reject, refused(&[]))), ["reject", "reject"]);
    }

    #[test]
    fn a_failure_at_one_message_parts_the_batch() {
        let error = BatchError::at(1, ListenerError::fatal("no"));
        assert_eq!(error.to_string(), "message 1 of the batch failed");
        let failed = Outcome::Failed(ListenerError::from(error));
        let parted = verdicts(5, failed, refused(&[1, 4]));
        assert_eq!(words(&parted), ["ack", "fatal", "fatal", "again", "fatal"]);
        let beyond =
            Outcome::Failed(ListenerError::from(BatchError::at(9, ListenerError::msg("no"))));
        assert_eq!(words(&verdicts(2, beyond, refused(&[]))), ["failed", "failed"]);
    }

    #[test]
    fn each_message_may_have_its_outcome() {
        let each = Some(vec![Outcome::Ack, Outcome::Reject]);
        let known = Verdicts { each, ..refused(&[0]) };
        assert_eq!(words(&verdicts(3, Outcome::Ack, known)), ["fatal", "ack", "reject"]);
    }

    #[test]
    fn as_many_outcomes_as_messages_are_asked_for() {
        let mut cx = BatchContext::new(crate::DeliveryContext::for_test().build());
        let delivery = cx.consumer().delivery().clone();
        cx.push(delivery.clone());
        cx.push(delivery);
        let outcome = vec![Outcome::Ack].into_batch_outcome(&cx);
        let Outcome::Failed(error) = outcome else { panic!("{outcome:?}") };
        assert_eq!(
            error.to_string(),
            "the handler returned 1 outcomes for 2 messages; return one for each"
        );
        cx.refuse(0, ListenerError::msg("unread"));
        assert!(matches!(vec![Outcome::Reject].into_batch_outcome(&cx), Outcome::Ack));
        assert_eq!(words(&verdicts(2, Outcome::Ack, cx.take_verdicts())), ["fatal", "reject"]);
    }
}
