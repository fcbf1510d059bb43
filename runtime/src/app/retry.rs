use std::ops::RangeInclusive;
use std::time::Duration;

use crate::listener::endpoint::RetryAttributes;

/// What is done before a message is given up: `retry(..)` of
/// [`#[rabbit_listener]`](crate::rabbit_listener), for a listener that is
/// [made while the program runs](crate::ListenerBuilder::retry).
///
/// With `max_attempts` or a `backoff` the handler is called again with one delivery, which waits in this
/// process. With `delays` the message is delivered again, and waits at the broker. With both, each
/// delivery is tried in memory first.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use]
pub struct Retry {
    max_attempts: Option<u32>,
    backoff: Option<(Duration, Duration)>,
    jitter: Option<f64>,
    delays: Vec<Duration>,
}

impl Retry {
    /// How often the handler is called with one delivery, the first call among them; 3.
    pub fn max_attempts(mut self, calls: u32) -> Self {
        self.max_attempts = Some(calls);
        self
    }

    /// The pause before the second call, and the longest one: each is twice as long as the one before;
    /// 100 ms to 5 s, and 15 minutes at the most.
    pub fn backoff(mut self, pauses: RangeInclusive<Duration>) -> Self {
        self.backoff = Some(pauses.into_inner());
        self
    }

    /// The part of a pause by which it is longer or shorter, at random: 0 to 1; 0.
    pub fn jitter(mut self, part: f64) -> Self {
        self.jitter = Some(part);
        self
    }

    /// The times after which the message is delivered again, one after the other: 32 of them at the
    /// most, a day each.
    pub fn delays(mut self, delays: impl IntoIterator<Item = Duration>) -> Self {
        self.delays = delays.into_iter().collect();
        self
    }

    /// As an attribute says it.
    pub(super) fn attributes(&self) -> RetryAttributes<'_> {
        let Self { max_attempts, backoff, jitter, .. } = *self;
        RetryAttributes { max_attempts, backoff, jitter, delays: &self.delays }
    }
}
