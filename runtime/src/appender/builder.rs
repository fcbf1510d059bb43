use std::panic::Location;
use std::sync::Arc;

use springhare_amqp::ShortString;
use springhare_broker::Clock;

use super::buffer::Buffer;
use super::routing::KeyPattern;
use super::{AmqpAppender, Shared};
use crate::declare::Exchange;
use crate::error::StartFault;

/// An appender to be: what [`AmqpAppender::builder`] returns.
///
/// ```
/// use springhare::{AmqpAppender, Exchange};
///
/// let appender = AmqpAppender::builder()
///     .exchange(Exchange::topic("audit"))
///     .routing_key("{level}.{target}")
///     .app_id("shop")
///     .build();
/// # drop(appender);
/// ```
#[derive(Debug)]
#[must_use = "`.build()` makes an appender of it"]
pub struct AmqpAppenderBuilder {
    exchange: Exchange,
    routing_key: String,
    content_type: String,
    app_id: Option<String>,
    is_persistent: bool,
    buffer_limit: usize,
    place: &'static Location<'static>,
}

impl AmqpAppenderBuilder {
    #[track_caller]
    pub(super) fn new() -> Self {
        Self {
            exchange: Exchange::topic("logs"),
            routing_key: "{target}.{level}".to_owned(),
            content_type: "application/json".to_owned(),
            app_id: None,
            is_persistent: true,
            buffer_limit: AmqpAppender::BUFFER_LIMIT,
            place: Location::caller(),
        }
    }

    /// The exchange, which the application declares; the topic exchange `logs` by default. One that
    /// somebody else has declared in another way is [`lenient`](Exchange::lenient).
    pub fn exchange(mut self, exchange: Exchange) -> Self {
        self.exchange = exchange;
        self
    }

    /// The routing key, in which `{level}` is the level in small letters and `{target}` the target with a
    /// dot for each `::`; `{target}.{level}` by default. A target that is too long for a key is
    /// cut.
    pub fn routing_key(mut self, pattern: impl Into<String>) -> Self {
        self.routing_key = pattern.into();
        self
    }

    /// What the lines are, a MIME type; `application/json` by default.
    pub fn content_type(mut self, mime: impl Into<String>) -> Self {
        self.content_type = mime.into();
        self
    }

    /// The application that logs: the property `app_id`, which is not there by default.
    pub fn app_id(mut self, id: impl Into<String>) -> Self {
        self.app_id = Some(id.into());
        self
    }

    /// Whether lines in durable queues survive a restart of the broker; they do by default.
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.is_persistent = persistent;
        self
    }

    /// How many bytes wait at most, [`BUFFER_LIMIT`](AmqpAppender::BUFFER_LIMIT) by default; with them as
    /// many may be on their way. A line that is larger is dropped.
    pub fn buffer_limit(mut self, bytes: usize) -> Self {
        self.buffer_limit = bytes;
        self
    }

    /// The appender. What is wrong with what it was told is a fault of the application's start.
    #[must_use]
    pub fn build(self) -> AmqpAppender {
        let mut faults = Vec::new();
        let mut fault =
            |text| faults.push(StartFault::new(text).at(self.place.file(), self.place.line()));
        let mut short = |what, text: String| {
            ShortString::new(&text).unwrap_or_else(|error| {
                fault(format!("the appender's {what}: {error}"));
                ShortString::EMPTY
            })
        };
        let content_type = short("content type", self.content_type);
        let app_id = self.app_id.map(|id| short("app id", id));
        let key = KeyPattern::new(self.routing_key);
        key.fault().into_iter().for_each(fault);
        let shared = Shared {
            exchange: self.exchange,
            key,
            content_type,
            app_id,
            is_persistent: self.is_persistent,
            buffer: Buffer::new(self.buffer_limit),
            clock: Clock::system(),
            faults,
        };
        AmqpAppender { shared: Arc::new(shared) }
    }
}
