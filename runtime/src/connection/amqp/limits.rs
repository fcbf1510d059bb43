use std::time::Duration;

use springhare_amqp::client::BODY_MAX_BYTES;

/// How long the broker may take for an answer; RabbitMQ answers within milliseconds, and takes
/// seconds for a quorum queue whose cluster is busy.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What a connection of an [`AmqpLink`](super::AmqpLink) keeps to, whatever its broker allows.
///
/// ```
/// use springhare::connection::AmqpLimits;
///
/// let limits = AmqpLimits { channels: 100, ..AmqpLimits::default() };
/// assert_eq!(limits.body_bytes, 512 << 20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmqpLimits {
    /// The most channels at a time; 0, which is the default, for as many as the broker allows.
    pub channels: u16,
    /// The largest body that is taken, in bytes; 512 MiB, the most that RabbitMQ can be set to. A
    /// larger one ends the connection before it is read.
    pub body_bytes: u64,
    /// How long an answer is waited for; 30 s.
    pub answer_timeout: Duration,
}

impl Default for AmqpLimits {
    fn default() -> Self {
        Self { channels: 0, body_bytes: BODY_MAX_BYTES, answer_timeout: ANSWER_TIMEOUT }
    }
}
