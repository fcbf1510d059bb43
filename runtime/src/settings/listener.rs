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
        /// How many messages a handler of batches gets at most. It makes no batch of a handler of single
        /// messages.
        batch_size: u16 = "batch-size",
        /// How long a batch that is not full waits for more; 1 s.
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
        /// The profile whose settings are meant where nothing else is said; none.
        profile: String as into = "profile",
    }
}

impl ListenerSettings {
    /// What a listener's attribute says.
    pub(crate) fn of(attributes: &ListenerAttributes) -> Self {
        Self {
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
            profile: attributes.profile.map(str::to_owned),
            ..Self::default()
        }
    }

    /// These settings, but for those that a stronger source says. A number of consumers replaces a
    /// weaker one as a whole, the most among it.
    #[must_use]
    pub(crate) fn beneath(mut self, stronger: Self) -> Self {
        if stronger.concurrency.is_some() {
            self.max_concurrency = None;
        }
        self.under(stronger)
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
