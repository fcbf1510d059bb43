use std::time::Duration;

use super::section::{Section, section};
use crate::listener::endpoint::{AcknowledgeMode, Concurrency, ListenerAttributes};

section! {
    /// What can be set of a listener from outside of its attribute: by the builder's
    /// [`listener`](crate::SpringhareBuilder::listener), [`profile`](crate::SpringhareBuilder::profile)
    /// and [`listener_defaults`](crate::SpringhareBuilder::listener_defaults), in a file and in the
    /// environment.
    ///
    /// ```
    /// use springhare::prelude::*;
    ///
    /// let builder = Springhare::builder()
    ///     .listener_defaults(|all| all.prefetch(50))
    ///     .profile("bulk", |bulk| bulk.prefetch(1000).concurrency(2..=8));
    /// # drop(builder);
    /// ```
    pub struct ListenerSettings setters {
        /// Whether the application's start starts the listener; `true`.
        auto_startup: bool = "auto-startup",
        /// Who settles a delivery, and when; [`AcknowledgeMode::Auto`].
        acknowledge_mode: AcknowledgeMode = "acknowledge-mode",
        /// How many unsettled deliveries a consumer holds at most; 250.
        prefetch: u16 = "prefetch",
        /// How many consumers: a number, or a range; 1.
        concurrency: Concurrency as into = "concurrency",
        /// How many consumers at most, where `concurrency` is the number that is started.
        max_concurrency: u16 = "max-concurrency",
        /// Whether a message whose handler failed is delivered again; `true`.
        default_requeue_rejected: bool = "default-requeue-rejected",
        /// Whether a message that its producer has made of several (Spring's `BatchingRabbitTemplate`,
        /// [`batching`](crate::RabbitTemplate::batching)) reaches the handler as those; `true`.
        de_batching_enabled: bool = "de-batching-enabled",
        /// How many messages a handler of batches gets at most. It makes no batch of a handler of single
        /// messages.
        batch_size: u16 = "batch-size",
        /// How long a batch that is not full waits for more; 1 s, at most
        /// [`ListenerSettings::BATCH_RECEIVE_TIMEOUT_MAX`].
        batch_receive_timeout: Duration = "batch-receive-timeout",
        /// The converter that reads bodies which don't say what they are, and writes replies, by its
        /// name; the application's.
        converter: String as into = "converter",
        /// Whether the start fails where a queue is not there that the listener does not declare
        /// (`declare = false`), rather than wait for it; `true`.
        missing_queues_fatal: bool = "missing-queues-fatal",
        /// After how long without a message, and after which multiples of it,
        /// [`Idle`](crate::ApplicationEvent::Idle) is told; 0 for never, which is so without it.
        idle_event_interval: Duration = "idle-event-interval",
        /// The consumers' priority: those with a higher one are served first; none.
        priority: i32 = "priority",
        /// How long the handler may take; zero for without end, which is the default.
        timeout: Duration = "timeout",
        /// How many deliveries of a message may fail before it is given up; 20. A listener that
        /// retries in memory has no use for it.
        max_attempts: u32 = "max-attempts",
        /// Whether a handler that failed is called again with the same delivery, while the message
        /// waits in this process; without it, `true` for a listener whose attribute has `retry(..)`, and
        /// `false` for others. `false` leaves the attribute's `delays`, which wait at the broker.
        retry_enabled: bool = "retry.enabled",
        /// How often it is called with one delivery, the first call among them; 3.
        retry_max_attempts: u32 = "retry.max-attempts",
        /// How often it is called again: one less than `retry_max_attempts`, in whose place it stands; 2. It is
        /// Boot's word since Boot 4, where it is 3.
        retry_max_retries: u32 = "retry.max-retries",
        /// The pause before the second call; 100 ms.
        retry_initial_interval: Duration = "retry.initial-interval",
        /// How much longer each pause is than the one before; 2.
        retry_multiplier: f64 = "retry.multiplier",
        /// The longest pause; 5 s, at most [`ListenerSettings::RETRY_INTERVAL_MAX`].
        retry_max_interval: Duration = "retry.max-interval",
        /// So many failures one after the other, and the listener is left alone for a while; zero
        /// for never, which is the default.
        circuit_failures: u32 = "circuit.failures",
        /// How long it is left alone.
        circuit_pause: Duration = "circuit.pause",
        /// The broker that it consumes from, by its name; the application's own.
        broker: String as into = "broker",
        /// How long the broker lets a consumer hold a message, RabbitMQ's `consumer_timeout`; 30 min.
        /// A handler that has one for four fifths of it is warned about, and the pauses of `retry` in
        /// memory together stay below it; for `0s` neither.
        consumer_timeout: Duration = "consumer-timeout",
        /// The profile whose settings are meant where nothing else is said; none.
        profile: String as into = "profile",
    }
}

impl ListenerSettings {
    /// The longest pause between two calls of a handler with the same delivery: RabbitMQ takes a
    /// message back that a consumer holds for half an hour.
    pub const RETRY_INTERVAL_MAX: Duration = Duration::from_secs(15 * 60);

    /// The longest that a batch waits for more: its consumer holds the first of its messages meanwhile,
    /// and RabbitMQ takes that back after half an hour.
    pub const BATCH_RECEIVE_TIMEOUT_MAX: Duration = Duration::from_secs(15 * 60);

    /// What a listener's attribute says.
    pub(crate) fn of(attributes: &ListenerAttributes<'_>) -> Self {
        let retry = attributes.retry;
        let is_of_delays = retry.is_some_and(|retry| !retry.delays.is_empty());
        let is_in_memory =
            retry.is_some_and(|retry| retry.max_attempts.is_some() || retry.backoff.is_some());
        // Delays alone say that there is one call with each delivery.
        let calls = if is_of_delays && !is_in_memory { Some(1) } else { None };
        let backoff = retry.and_then(|retry| retry.backoff);
        Self {
            timeout: attributes.timeout,
            max_attempts: attributes.max_attempts,
            retry_enabled: retry.map(|_| true),
            retry_max_attempts: retry.and_then(|retry| retry.max_attempts).or(calls),
            retry_initial_interval: backoff.map(|(first, _)| first),
            retry_max_interval: backoff.map(|(_, longest)| longest),
            circuit_failures: attributes.circuit.map(|circuit| circuit.failures),
            circuit_pause: attributes.circuit.map(|circuit| circuit.pause),
            auto_startup: attributes.auto_startup,
            acknowledge_mode: attributes.ack,
            prefetch: attributes.prefetch,
            concurrency: attributes.concurrency,
            default_requeue_rejected: attributes.requeue_rejected,
            batch_size: attributes.batch,
            batch_receive_timeout: attributes.batch_timeout,
            converter: attributes.converter.map(str::to_owned),
            idle_event_interval: attributes.idle_event,
            priority: attributes.priority,
            broker: attributes.broker.map(str::to_owned),
            profile: attributes.profile.map(str::to_owned),
            ..Self::default()
        }
    }

    /// These settings, but for those that a stronger source says. A number of consumers replaces a
    /// weaker one as a whole, the most among it; and so does a number of calls, whichever of its
    /// two names it has.
    #[must_use]
    pub(crate) fn beneath(mut self, stronger: Self) -> Self {
        if stronger.concurrency.is_some() {
            self.max_concurrency = None;
        }
        if stronger.retry_max_attempts.is_some() || stronger.retry_max_retries.is_some() {
            (self.retry_max_attempts, self.retry_max_retries) = (None, None);
        }
        self.under(stronger)
    }

    /// What is wrong with how long a batch waits.
    pub(crate) fn wrong_batch(&self) -> Option<String> {
        let longest = Self::BATCH_RECEIVE_TIMEOUT_MAX;
        let timeout = self.batch_receive_timeout.filter(|timeout| *timeout > longest)?;
        Some(format!(
            "`batch-receive-timeout` (`batch_timeout`) is {timeout:?}, and {longest:?} at most, since \
             RabbitMQ takes a message back that waits for long: lower it"
        ))
    }

    /// What is wrong with the number of consumers.
    pub(crate) fn wrong_consumers(&self) -> Option<String> {
        let least = self.concurrency.map_or(1, |concurrency| concurrency.min);
        let most = self.max_concurrency.filter(|most| *most < least)?;
        Some(format!(
            "`max-concurrency` is {most}, and `concurrency` {least}, which is more: raise the one or \
             lower the other"
        ))
    }

    /// The number of consumers: the least, and the most.
    pub(crate) fn consumers(&self) -> Concurrency {
        let Concurrency { min, max } = self.concurrency.unwrap_or(Concurrency { min: 1, max: 1 });
        let min = min.max(1);
        Concurrency { min, max: self.max_concurrency.unwrap_or(max).max(min) }
    }
}
