//! What is done about errors by what they are, wherever a handler meets them.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::outcome::ListenerError;
use super::panic::message_of;
use crate::error::Place;

/// What becomes of a message whose handler failed with a certain error:
/// [`on_error`](crate::SpringhareBuilder::on_error) says for which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnError {
    /// What the listener does with failures: it is tried again, and given up in the end.
    Retry,
    /// Delivered again after this time, [`RETRY_AFTER_MAX`](crate::RETRY_AFTER_MAX) at the most,
    /// and counted as failed.
    RetryAfter(Duration),
    /// Back to its queue at once, without a count and without an end.
    Requeue,
    /// Refused for good: dead-lettered where its queue has a dead-letter exchange, else dropped.
    Reject,
    /// To `<queue>.error` at once.
    Park,
    /// Acknowledged all the same; the failure is logged.
    Acknowledge,
    /// Given up at once: dead-lettered or parked, or what the listener's `recover` says.
    Fatal,
}

type Rule = Arc<dyn Fn(&ListenerError) -> Option<OnError> + Send + Sync>;

/// What is done about which errors; the first rule that knows one decides.
#[derive(Clone, Default)]
pub(crate) struct OnErrors(Vec<Rule>);

impl OnErrors {
    /// A rule for errors in whose chain there is an `E`.
    pub(crate) fn add<E: StdError + 'static>(&mut self, on: OnError) {
        self.0.push(Arc::new(move |error| error.find::<E>().map(|_| on)));
    }

    /// A rule that looks itself.
    pub(crate) fn classify(
        &mut self,
        rule: impl Fn(&ListenerError) -> Option<OnError> + Send + Sync + 'static,
    ) {
        self.0.push(Arc::new(rule));
    }

    /// These, and then those.
    #[must_use]
    pub(crate) fn then(mut self, others: &Self) -> Self {
        self.0.extend(others.0.iter().cloned());
        self
    }

    /// What is done about `error`; none if no rule knows it.
    pub(crate) fn of(&self, error: &ListenerError) -> Option<OnError> {
        self.0.iter().find_map(|rule| opinion(rule, error))
    }
}

/// What a rule says. One that panics says nothing: the consumer outlives it.
fn opinion(rule: &Rule, error: &ListenerError) -> Option<OnError> {
    // What it leaves half done is its own.
    catch_unwind(AssertUnwindSafe(|| rule(error))).unwrap_or_else(|panic| {
        tracing::error!("a rule of `classify` panicked: {}", message_of(&*panic));
        None
    })
}

impl fmt::Debug for OnErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OnErrors({} rules)", self.0.len())
    }
}

/// What is done about errors: in one listener, and in all.
#[derive(Debug, Default)]
pub(crate) struct ErrorPolicies {
    pub(crate) all: OnErrors,
    /// By id, with the place of the first call that names it.
    pub(crate) listeners: BTreeMap<String, (OnErrors, Place)>,
}

impl ErrorPolicies {
    /// What is done about a listener's errors: what is said of it, and then what is said of all.
    pub(crate) fn of(&self, id: &str) -> OnErrors {
        let own = self.listeners.get(id).map(|(own, _)| own.clone());
        own.unwrap_or_default().then(&self.all)
    }

    /// What is said of one listener.
    #[track_caller]
    pub(crate) fn listener(&mut self, id: String) -> &mut OnErrors {
        let caller = Location::caller();
        let place = Place { file: caller.file(), line: caller.line() };
        &mut self.listeners.entry(id).or_insert_with(|| (OnErrors::default(), place)).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot ship")]
    struct Ship(#[source] io::Error);

    #[test]
    fn the_first_rule_that_knows_an_error_anywhere_in_its_chain_decides() {
        let mut own = OnErrors::default();
        own.classify(|error| {
            let kind = error.find::<io::Error>()?.kind();
            (kind == io::ErrorKind::TimedOut).then_some(OnError::Requeue)
        });
        let mut all = OnErrors::default();
        all.add::<io::Error>(OnError::Park);
        all.add::<Ship>(OnError::Reject);
        let rules = own.then(&all);
        let of = |error: ListenerError| rules.of(&error);
        let timed_out = || io::Error::from(io::ErrorKind::TimedOut);
        assert_eq!(of(timed_out().into()), Some(OnError::Requeue));
        assert_eq!(of(Ship(timed_out()).into()), Some(OnError::Requeue));
        assert_eq!(of(Ship(io::Error::other("no van")).into()), Some(OnError::Park));
        assert_eq!(of(ListenerError::msg("no van")), None);
    }

    #[test]
    fn a_rule_that_panics_leaves_it_to_the_next() {
        let mut rules = OnErrors::default();
        rules.classify(|_| panic!("a rule of the test"));
        rules.add::<io::Error>(OnError::Park);
        assert_eq!(rules.of(&io::Error::other("no van").into()), Some(OnError::Park));
        assert_eq!(rules.of(&ListenerError::msg("no van")), None);
    }
}
