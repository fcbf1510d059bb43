//! What is set of one listener by its id, and that it can't do. A setting for many listeners passes over
//! such a one; of a listener that was meant, it would be lost without a word.

use std::collections::BTreeSet;

use super::failing::{failing, requeues_rejected};
use crate::listener::endpoint::{AcknowledgeMode, Argument, ListenerAttributes};
use crate::settings::ListenerSettings;

const FORGOTTEN: &str = "the broker has forgotten a message when its handler fails \
     (`acknowledge-mode` is none): acknowledge in another mode, or remove it";
const ACKNOWLEDGED: &str = "a message is acknowledged before its handler is called \
     (`acknowledge-mode` is first), and does not come again: acknowledge in another mode, or remove it";

/// A listener as it will run, and the keys that are set of it alone.
#[derive(Debug)]
pub(super) struct SetAlone<'a> {
    pub(super) keys: BTreeSet<&'static str>,
    /// From all sources. What is set of a listener alone is stronger than all else.
    pub(super) settings: &'a ListenerSettings,
    pub(super) attributes: &'a ListenerAttributes<'a>,
}

impl SetAlone<'_> {
    /// The keys that the listener can't heed, each with the reason and the remedy.
    pub(super) fn unheeded(&self) -> Vec<(&'static str, &'static str)> {
        let wrong = |key: &&'static str| self.why_not(key).map(|why| (*key, why));
        self.keys.iter().filter_map(wrong).collect()
    }

    fn why_not(&self, key: &str) -> Option<&'static str> {
        match key {
            "batch-size" | "batch-receive-timeout" => self.batch(),
            "circuit.failures" | "circuit.pause" => self.circuit(key),
            "concurrency" | "max-concurrency" => self.consumers(),
            "consumer-timeout" => self.consumer_timeout(),
            "default-requeue-rejected" => self.requeue_rejected(),
            "max-attempts" => self.max_attempts(),
            "missing-queues-fatal" => self.missing_queues(),
            "prefetch" => self.prefetch(),
            "timeout" => self.timeout(),
            _ if key.starts_with("retry.") => self.retry(key),
            _ => None,
        }
    }

    fn mode(&self) -> AcknowledgeMode {
        self.settings.acknowledge_mode.unwrap_or_default()
    }

    fn forgets(&self) -> bool {
        self.mode() == AcknowledgeMode::None
    }

    fn batch(&self) -> Option<&'static str> {
        self.attributes.batch.is_none().then_some(
            "its handler takes single messages: add `batch = ..` to the attribute and take lists, or \
             remove it",
        )
    }

    fn circuit(&self, key: &str) -> Option<&'static str> {
        let ListenerSettings { circuit_failures: failures, .. } = self.settings;
        // Turned off, whatever else is said of it.
        if *failures == Some(0) {
            return None;
        }
        let rules = [
            (self.forgets(), FORGOTTEN),
            (
                self.attributes.batch.is_some(),
                "a circuit counts single messages, and a batch has many: remove it, or `batch`",
            ),
            (
                self.attributes.partition_by.is_some(),
                "a circuit looks at one message after the other, and `partition_by` handles several: \
                 keep one of them",
            ),
            (
                key == "circuit.pause" && failures.is_none(),
                "nothing says after how many failures: add `circuit.failures`",
            ),
        ];
        first(rules)
    }

    fn consumers(&self) -> Option<&'static str> {
        let consumers = self.settings.consumers();
        (self.attributes.partition_by.is_some() && consumers.min != consumers.max).then_some(
            "`partition_by` has one consumer and keeps its handlers: give `concurrency` one number, \
             and no `max-concurrency`",
        )
    }

    fn consumer_timeout(&self) -> Option<&'static str> {
        let is_none = self.settings.consumer_timeout.is_none_or(|timeout| timeout.is_zero());
        match self.mode() {
            AcknowledgeMode::None | AcknowledgeMode::First if !is_none => Some(
                "it holds no message unacknowledged that the broker could take back: acknowledge in \
                 another mode (`acknowledge-mode`), or remove it",
            ),
            _ => None,
        }
    }

    fn requeue_rejected(&self) -> Option<&'static str> {
        let is_refused = self.settings.default_requeue_rejected == Some(false);
        let retry = failing(self.settings, self.attributes).retry;
        let rules = [
            (self.forgets(), FORGOTTEN),
            (self.mode() == AcknowledgeMode::First, ACKNOWLEDGED),
            (
                is_refused && retry.is_some_and(|retry| !retry.delays.is_empty()),
                "the attribute's `retry(delays = [..])` delivers a failed message again: keep one of \
                 them",
            ),
            (
                is_refused && self.attributes.max_attempts.is_some(),
                "the attribute's `max_attempts` delivers a failed message again: keep one of them",
            ),
        ];
        first(rules)
    }

    fn max_attempts(&self) -> Option<&'static str> {
        let failing = failing(self.settings, self.attributes);
        let rules = [
            (self.forgets(), FORGOTTEN),
            (self.mode() == AcknowledgeMode::First, ACKNOWLEDGED),
            (
                is_stream(self.attributes),
                "a stream delivers nothing twice: set `retry.enabled` and `retry.max-attempts`, in \
                 memory",
            ),
            (
                failing.retry.is_some(),
                "the listener retries, which says when to give up: set `retry.max-attempts`, or \
                 `retry.enabled = false`",
            ),
            (
                !requeues_rejected(self.settings, self.attributes),
                "`default-requeue-rejected` is false and gives a message up at its first failure: set \
                 it to true for this listener, too, or leave `max-attempts` out",
            ),
        ];
        first(rules)
    }

    fn missing_queues(&self) -> Option<&'static str> {
        let declares = self.attributes.declare.unwrap_or(true);
        (declares && self.settings.missing_queues_fatal == Some(false)).then_some(
            "the listener declares its queues itself: add `declare = false` to the attribute where \
             somebody else does, or remove it",
        )
    }

    fn prefetch(&self) -> Option<&'static str> {
        self.forgets().then_some(
            "the broker ignores it where nothing is acknowledged (`acknowledge-mode` is none): \
             acknowledge in another mode, or remove it",
        )
    }

    fn timeout(&self) -> Option<&'static str> {
        let is_set = self.settings.timeout.is_some_and(|timeout| !timeout.is_zero());
        (is_set && self.attributes.blocking).then_some(
            "a thread can't be stopped in the middle of its work: make the function async, bound the \
             work inside it, or remove the setting",
        )
    }

    fn retry(&self, key: &str) -> Option<&'static str> {
        let ListenerAttributes { retry, requeue_rejected, batch, .. } = self.attributes;
        let is_switch = key == "retry.enabled";
        let is_on = self.settings.retry_enabled;
        // Turned off, whatever else is said of it; and on where it was.
        if is_on == Some(false) || (is_switch && retry.is_some()) {
            return None;
        }
        let says_calls =
            ["retry.max-attempts", "retry.max-retries"].iter().any(|key| self.keys.contains(key));
        let calls_once = retry.is_some_and(|retry| {
            !retry.delays.is_empty() && retry.max_attempts.is_none() && retry.backoff.is_none()
        });
        let rules = [
            (self.forgets(), FORGOTTEN),
            (
                batch.is_some(),
                "a batch is not called again in memory, since those of its messages that have \
                 succeeded would be handled twice: remove it, or add `retry(delays = [..])` to the \
                 attribute, which delivers those that failed again",
            ),
            (
                is_on.is_none(),
                "nothing says that a handler that failed is called again: add `retry.enabled = true`",
            ),
            (
                *requeue_rejected == Some(false)
                    && retry.is_none()
                    && self.settings.default_requeue_rejected == Some(false),
                "the attribute's `requeue_rejected = false` gives a message up at its first failure: \
                 set `default-requeue-rejected = true`, too",
            ),
            (
                calls_once && !says_calls,
                "the attribute's `retry(delays = [..])` calls the handler once with each delivery: \
                 add `retry.max-attempts`",
            ),
        ];
        first(rules)
    }
}

/// The first reason that holds.
fn first<const N: usize>(rules: [(bool, &'static str); N]) -> Option<&'static str> {
    rules.into_iter().find(|(is_so, _)| *is_so).map(|(_, why)| why)
}

/// Whether the attribute makes its queue a stream.
pub(super) fn is_stream(attributes: &ListenerAttributes<'_>) -> bool {
    attributes.arguments.iter().any(|(name, value)| {
        *name == "x-queue-type" && matches!(value, Argument::Text(kind) if *kind == "stream")
    })
}
