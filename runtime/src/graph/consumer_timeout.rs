//! How long a listener may hold a message: RabbitMQ's `consumer_timeout`.

use std::time::Duration;

use crate::listener::endpoint::{AcknowledgeMode, Argument, ListenerAttributes};
use crate::listener::slow::CONSUMER_TIMEOUT;
use crate::settings::ListenerSettings;

/// How long the broker lets the listener hold a message: as it is set, as its queue says, or as
/// RabbitMQ does. None where the message is acknowledged before it is handled.
pub(super) fn consumer_timeout(
    settings: &ListenerSettings,
    attributes: &ListenerAttributes<'_>,
) -> Option<Duration> {
    let holds = matches!(
        settings.acknowledge_mode.unwrap_or_default(),
        AcknowledgeMode::Auto | AcknowledgeMode::Manual
    );
    let timeout = settings.consumer_timeout.or(timeout_of_queue(attributes));
    timeout.or(Some(CONSUMER_TIMEOUT)).filter(|timeout| holds && !timeout.is_zero())
}

fn timeout_of_queue(attributes: &ListenerAttributes<'_>) -> Option<Duration> {
    attributes.arguments.iter().find_map(|(name, value)| match value {
        Argument::Int(millis) if *name == "x-consumer-timeout" => {
            u64::try_from(*millis).ok().map(Duration::from_millis)
        }
        _ => None,
    })
}

/// Whether it is said how long the listener may hold a message.
pub(super) fn says_consumer_timeout(
    settings: &ListenerSettings,
    attributes: &ListenerAttributes<'_>,
) -> bool {
    settings.consumer_timeout.or(timeout_of_queue(attributes)).is_some()
}
