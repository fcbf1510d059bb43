//! What a listener that is made while the program runs does where its handler fails.

use std::time::Duration;

use super::listener_builder::ListenerBuilder;
use super::retry::Retry;
use crate::listener::endpoint::{CircuitAttributes, ListenerAttributes, Recover};

/// What it says of that.
#[derive(Debug, Clone, Default)]
pub(super) struct ListenerFailures {
    retry: Option<Retry>,
    max_attempts: Option<u32>,
    timeout: Option<Duration>,
    circuit: Option<CircuitAttributes>,
    recover: Option<Recover>,
}

impl ListenerFailures {
    /// These attributes, with what is said here.
    pub(super) fn of<'a>(&'a self, attributes: ListenerAttributes<'a>) -> ListenerAttributes<'a> {
        ListenerAttributes {
            retry: self.retry.as_ref().map(Retry::attributes),
            max_attempts: self.max_attempts,
            timeout: self.timeout,
            circuit: self.circuit,
            recover: self.recover.as_ref().map(Recover::borrowed),
            ..attributes
        }
    }
}

impl<Takes> ListenerBuilder<Takes> {
    /// Tries a message again before it is given up: in memory, at the broker, or both.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use springhare::prelude::*;
    ///
    /// let in_memory = Duration::from_millis(100)..=Duration::from_secs(10);
    /// let steps = Listener::queue("steps")
    ///     .retry(|retry| retry.max_attempts(5).backoff(in_memory).jitter(0.2))
    ///     .handler(|_step: Text| async {});
    /// let orders = Listener::queue("orders")
    ///     .retry(|retry| retry.delays([5, 60, 600].map(Duration::from_secs)))
    ///     .handler(|_order: Text| async {});
    /// # drop((steps, orders));
    /// ```
    pub fn retry(mut self, set: impl FnOnce(Retry) -> Retry) -> Self {
        let retry = self.definition.failures.retry.take().unwrap_or_default();
        self.definition.failures.retry = Some(set(retry));
        self
    }

    /// How many deliveries of a message may fail before it is given up; 20.
    pub fn max_attempts(mut self, deliveries: u32) -> Self {
        self.definition.failures.max_attempts = Some(deliveries);
        self
    }

    /// How long the handler may take: one that takes longer is dropped and has failed. A day at the
    /// most; without it there is no bound.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.definition.failures.timeout = Some(timeout);
        self
    }

    /// Leaves the listener alone for this long after so many failures one after the other; then one
    /// message is tried.
    pub fn circuit(mut self, failures: u32, pause: Duration) -> Self {
        self.definition.failures.circuit = Some(CircuitAttributes { failures, pause });
        self
    }

    /// Where a message goes that is given up; without it to its queue's dead-letter exchange, or to
    /// `<queue>.error` if there is none.
    ///
    /// ```
    /// use springhare::Recover;
    /// use springhare::prelude::*;
    ///
    /// # fn example(tenant: &str) -> Listener {
    /// let failed = Recover::Republish { exchange: format!("failed.{tenant}"), key: None };
    /// Listener::queue("orders").recover(failed).handler(|_order: Text| async {})
    /// # }
    /// ```
    pub fn recover(mut self, recover: Recover) -> Self {
        self.definition.failures.recover = Some(recover);
        self
    }
}
