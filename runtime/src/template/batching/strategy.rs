use std::time::Duration;

/// When a batch goes out: Spring's `SimpleBatchingStrategy`.
///
/// ```
/// use std::time::Duration;
///
/// use springhare::BatchingStrategy;
///
/// let strategy = BatchingStrategy::of(100)
///     .buffer_limit(64 << 10)
///     .timeout(Duration::from_millis(20));
/// # drop(strategy);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchingStrategy {
    pub(super) batch_size: usize,
    pub(super) buffer_limit: usize,
    pub(super) timeout: Option<Duration>,
}

impl BatchingStrategy {
    /// The bytes of a batch where nothing else is said.
    pub const BUFFER_LIMIT: usize = 1 << 20;
    /// How long a batch waits where nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_millis(100);
    /// How many messages a batch has at most, whatever is said.
    pub const BATCH_SIZE_MAX: usize = 10_000;

    /// A batch goes out once it has so many messages, from 1 to
    /// [`BATCH_SIZE_MAX`](Self::BATCH_SIZE_MAX).
    #[must_use]
    pub fn of(batch_size: usize) -> Self {
        Self {
            batch_size: batch_size.clamp(1, Self::BATCH_SIZE_MAX),
            buffer_limit: Self::BUFFER_LIMIT,
            timeout: Some(Self::TIMEOUT),
        }
    }

    /// A batch goes out before it would have more bytes, each message with the four of its length;
    /// [`BUFFER_LIMIT`](Self::BUFFER_LIMIT) by default. A larger message goes alone.
    #[must_use]
    pub fn buffer_limit(mut self, bytes: usize) -> Self {
        self.buffer_limit = bytes;
        self
    }

    /// A batch goes out so long after its first message; [`TIMEOUT`](Self::TIMEOUT) by default. Spring
    /// counts from the last, which keeps the first waiting as long as others come.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A batch that is not full waits for more for ever, or for a
    /// [`flush`](crate::BatchingRabbitTemplate::flush).
    #[must_use]
    pub fn without_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }
}
