//! What a batch handler comes to: for all of its messages, for each, or for one that failed.

use std::error::Error as StdError;
use std::fmt;

use crate::listener::context::{BatchContext, Verdicts};
use crate::listener::outcome::{Disposition, ListenerError, Outcome};

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

impl BatchContext {
    /// How many of the messages that the handler got have succeeded, if the batch comes to this outcome:
    /// all, those that the handler returned [`Outcome::Ack`] for, or those before a [`BatchError`].
    ///
    /// A [layer](crate::middleware::BatchLayer) that has opened a transaction rolls it back if none has.
    #[must_use]
    pub fn succeeded(&self, outcome: &Outcome) -> usize {
        let accepted = self.accepted();
        match outcome {
            Outcome::Ack => self.acknowledged_each().unwrap_or(accepted),
            Outcome::Failed(error) => match error.find::<BatchError>() {
                Some(at) if at.index < accepted => at.index,
                _ => 0,
            },
            _ => 0,
        }
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
    let Verdicts { mut aside, each } = known;
    let mut handled = of_handled(len.saturating_sub(aside.len()), outcome, each);
    aside.sort_by_key(|(index, _)| *index);
    let mut aside = aside.into_iter().peekable();
    (0..len)
        .map(|index| match aside.next_if(|(at, _)| *at == index) {
            Some((_, outcome)) => Verdict::Settle(outcome),
            None => handled.next().unwrap_or(Verdict::Again),
        })
        .collect()
}

/// What becomes of a delivery by what becomes of its messages: the first that is not done counts.
pub(super) fn of_whole(mut parts: impl Iterator<Item = Verdict>) -> Verdict {
    let undone = parts.by_ref().find(|part| !matches!(part, Verdict::Settle(Outcome::Ack)));
    // All are taken out, whichever counts.
    parts.for_each(drop);
    undone.unwrap_or(Verdict::Settle(Outcome::Ack))
}

/// What becomes of the messages that the handler got; those after the last are handled again.
fn of_handled(
    count: usize,
    outcome: Outcome,
    each: Option<Vec<Outcome>>,
) -> Box<dyn Iterator<Item = Verdict>> {
    match (outcome, each) {
        (Outcome::Ack, Some(each)) => Box::new(each.into_iter().map(Verdict::Settle)),
        (Outcome::Ack, None) => all(|| Outcome::Ack),
        (Outcome::Reject, _) => all(|| Outcome::Reject),
        (Outcome::Requeue, _) => all(|| Outcome::Requeue),
        (Outcome::RetryAfter(pause), _) => all(move || Outcome::RetryAfter(pause)),
        (Outcome::Reply(_), _) => {
            all(|| Outcome::Failed(ListenerError::fatal("a batch has no reply")))
        }
        (Outcome::Failed(error), _) => failed(count, error),
    }
}

/// The failure of all, or of the one that it names.
fn failed(count: usize, error: ListenerError) -> Box<dyn Iterator<Item = Verdict>> {
    match error.find::<BatchError>() {
        Some(at) if at.index < count => {
            // Whoever said what happens to the message is heard, inside or outside.
            let is_said = error.disposition() != Disposition::Default;
            let own = if is_said { error.share() } else { at.error.share() };
            let before = (0..at.index).map(|_| Verdict::Settle(Outcome::Ack));
            Box::new(before.chain([Verdict::Settle(Outcome::Failed(own))]))
        }
        at => {
            if let Some(BatchError { index, .. }) = at {
                tracing::warn!(
                    index,
                    messages = count,
                    "a handler named a message that it had not"
                );
            }
            all(move || Outcome::Failed(error.share()))
        }
    }
}

fn all(outcome: impl Fn() -> Outcome + 'static) -> Box<dyn Iterator<Item = Verdict>> {
    Box::new(std::iter::repeat_with(move || Verdict::Settle(outcome())))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn words(verdicts: &[Verdict]) -> Vec<&'static str> {
        let word = |verdict: &Verdict| match verdict {
            Verdict::Again => "again",
            Verdict::Settle(Outcome::Ack) => "ack",
            Verdict::Settle(Outcome::Reject) => "reject",
            Verdict::Settle(Outcome::Failed(error)) => match error.disposition() {
                Disposition::Fatal => "fatal",
                _ => "failed",
            },
            Verdict::Settle(Outcome::Requeue) => "requeue",
            Verdict::Settle(Outcome::RetryAfter(_)) => "retry",
            Verdict::Settle(Outcome::Reply(_)) => "reply",
        };
        verdicts.iter().map(word).collect()
    }

    fn refused(indices: &[usize]) -> Verdicts {
        let unread = || Outcome::from_rejection(ListenerError::msg("unread"));
        let aside = indices.iter().rev().map(|index| (*index, unread()));
        Verdicts { aside: aside.collect(), each: None }
    }

    #[test]
    fn a_result_is_every_messages() {
        let all = verdicts(2, Outcome::Ack, Verdicts::default());
        assert_eq!(words(&all), ["ack", "ack"]);
        let failed = Outcome::Failed(ListenerError::msg("no"));
        assert_eq!(words(&verdicts(3, failed, refused(&[1]))), ["failed", "fatal", "failed"]);
        assert_eq!(words(&verdicts(2, Outcome::Reject, refused(&[]))), ["reject", "reject"]);
        let later = Outcome::RetryAfter(Duration::from_secs(1));
        assert_eq!(words(&verdicts(2, later, refused(&[0]))), ["fatal", "retry"]);
        assert_eq!(words(&verdicts(1, Outcome::Requeue, refused(&[]))), ["requeue"]);
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
    fn those_that_succeed_are_counted() {
        let mut cx = BatchContext::new(crate::DeliveryContext::for_test().build());
        let delivery = cx.consumer().delivery().clone();
        (0..4).for_each(|_| cx.push(delivery.clone()));
        cx.set_aside(1, Outcome::Ack);
        let failed = |error: ListenerError| Outcome::Failed(error);
        let at = |index| failed(BatchError::at(index, ListenerError::msg("no")).into());
        assert_eq!([cx.succeeded(&Outcome::Ack), cx.succeeded(&Outcome::Requeue)], [3, 0]);
        assert_eq!(cx.succeeded(&failed(ListenerError::immediate_acknowledge("no"))), 0);
        assert_eq!([0, 2, 3].map(|index| cx.succeeded(&at(index))), [0, 2, 0], "the last has none");
        cx.settle_each(vec![Outcome::Ack, Outcome::Requeue, Outcome::Ack]);
        assert_eq!([cx.succeeded(&Outcome::Ack), cx.succeeded(&at(1))], [2, 1]);
        cx.forget_outcomes();
        assert_eq!(cx.succeeded(&Outcome::Ack), 3);
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
        cx.set_aside(0, Outcome::from_rejection(ListenerError::msg("unread")));
        assert!(matches!(vec![Outcome::Reject].into_batch_outcome(&cx), Outcome::Ack));
        assert_eq!(words(&verdicts(2, Outcome::Ack, cx.take_verdicts())), ["fatal", "reject"]);
    }
}
