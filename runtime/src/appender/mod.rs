//! The log as messages: what is logged goes to an exchange, as with Spring's `AmqpAppender`.
//!
//! `buffer` holds what waits, `sender` publishes it while an application runs, `routing` makes keys.
//! Deliberately out: what a line looks like, which is the layer's that writes it.

mod buffer;
mod builder;
mod routing;
mod sender;
#[cfg(feature = "appender")]
mod writer;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use springhare_amqp::ShortString;
use springhare_broker::Clock;
use tracing::Level;

pub use builder::AmqpAppenderBuilder;
pub(crate) use sender::Sender;
#[cfg(feature = "appender")]
pub use writer::AppenderWriter;

use crate::declare::Exchange;
use crate::error::StartFault;
use buffer::{Buffer, Line, Room};
use routing::KeyPattern;
use sender::Doing;

/// Publishes what is logged to an exchange, one message a line: Spring's `AmqpAppender`.
///
/// It is what a layer of `tracing` writes to (feature `appender`), and what writes says what a line looks
/// like: `springhare-log` JSON with the names of the Elastic Common Schema, `tracing_subscriber::fmt` plain
/// text. The log is set up first, and the application is given the appender
/// ([`SpringhareBuilder::log_appender`](crate::SpringhareBuilder::log_appender)): it declares the exchange, and
/// publishes from its start to its stop. A clone is the same appender.
///
/// ```
/// # #[cfg(feature = "appender")] {
/// use springhare::AmqpAppender;
/// use springhare::prelude::*;
/// use springhare_log::{EcsLayer, Service};
/// use tracing_subscriber::filter::LevelFilter;
/// use tracing_subscriber::prelude::*;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let appender = AmqpAppender::builder().app_id("shop").build();
/// tracing_subscriber::registry()
///     .with(LevelFilter::INFO)
///     .with(EcsLayer::new(Service::new("shop"), appender.clone()))
///     .init();
/// tracing::error!(target: "shop::disk", "disk on fire");
///
/// let app = Springhare::builder()
///     .listeners(listeners![])
///     .declare(Queue::durable("errors"))
///     .declare(Binding::queue("errors").to("logs").with("#.error"))
///     .log_appender(appender)
///     .start()
///     .await?;
/// let rabbit = app.rabbit_template();
/// let waits = std::time::Duration::from_secs(5);
/// let error = rabbit.receive("errors").timeout(waits).await?.expect("it is logged");
/// assert!(error.body.starts_with(b"{\"@timestamp\":"));
/// assert_eq!(error.properties.app_id.as_deref(), Some("shop"));
/// app.stop().await
/// # }).unwrap();
/// # }
/// ```
///
/// # A message
///
/// It has the content type `application/json`, is persistent, and says when it was logged. Its key is
/// `{target}.{level}`, as Spring's is: `shop.disk.error`, with a dot for each `::` and the level in small
/// letters, so that `#.error` are the errors. Its headers are `level` and `categoryName`, the target. It
/// passes the application's [processors](crate::middleware::MessageProcessor), but no layer, and has no span.
///
/// # Who logs is never held up
///
/// Lines wait in a buffer of [`BUFFER_LIMIT`](Self::BUFFER_LIMIT) bytes, also before an application starts
/// and while its broker is away; then they are sent until they are confirmed, so that one may come
/// twice where a connection is lost, or the time of a stop is over. What finds no room is dropped,
/// [counted](Self::dropped), and told by a warning that is a line itself. What the broker refuses is dropped
/// too, and told to other layers alone: at once
/// where it refuses it for good, and after [`REFUSALS_MAX`](Self::REFUSALS_MAX) attempts where a queue is full. No
/// other line waits for it.
///
/// A stop publishes what waits, for at most [`FLUSH_DEADLINE`](Self::FLUSH_DEADLINE). What is not confirmed
/// then, and what is logged after it, waits for another application.
///
/// # No line about a line
///
/// What is logged while a line is published, by a processor or by this crate, is no line, and neither is
/// what this crate and its broker tell below [`INFO`](Level::INFO). A listener that is given lines and logs
/// something each time makes a line of each line, though: filter its target, or bind its queue so that
/// it does not get its own.
#[derive(Debug, Clone)]
pub struct AmqpAppender {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    exchange: Exchange,
    key: KeyPattern,
    content_type: ShortString,
    app_id: Option<ShortString>,
    is_persistent: bool,
    buffer: Buffer,
    clock: Clock,
    /// What is wrong with what the builder was told.
    faults: Vec<StartFault>,
}

impl AmqpAppender {
    /// How many bytes wait where nothing else is said; each line counts with its target and
    /// [`LINE_OVERHEAD`](Self::LINE_OVERHEAD).
    pub const BUFFER_LIMIT: usize = 8 << 20;
    /// What a line counts beside its text.
    pub const LINE_OVERHEAD: usize = 128;
    /// How many lines are on their way at a time, beside those that wait.
    pub const LINES_MAX: usize = 128;
    /// How often a line is sent that the broker could not take, since a queue is full (`basic.nack`); then it is
    /// dropped. Other queues may get it each time.
    pub const REFUSALS_MAX: u32 = 2;
    /// How long a stop waits for what is not published yet, on the broker's clock.
    pub const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

    /// An appender to be: to the topic exchange `logs`, if nothing else is said.
    ///
    /// ```
    /// use springhare::AmqpAppender;
    ///
    /// let appender = AmqpAppender::builder().routing_key("{level}.{target}").app_id("shop").build();
    /// assert_eq!(appender.dropped(), 0);
    /// ```
    #[track_caller]
    pub fn builder() -> AmqpAppenderBuilder {
        AmqpAppenderBuilder::new()
    }

    /// Takes a line, without its end, that was logged at this level under this target. It never waits.
    /// Layers that write to the appender need not call it; others may.
    ///
    /// ```
    /// use springhare::AmqpAppender;
    /// use tracing::{Event, Subscriber};
    /// use tracing_subscriber::layer::{Context, Layer};
    ///
    /// /// Publishes where something was logged, and not what.
    /// struct Places(AmqpAppender);
    ///
    /// impl<S: Subscriber> Layer<S> for Places {
    ///     fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
    ///         let metadata = event.metadata();
    ///         self.0.append(*metadata.level(), metadata.target(), metadata.name());
    ///     }
    /// }
    /// ```
    pub fn append(&self, level: Level, target: &str, line: impl Into<Bytes>) {
        let room = match sender::doing() {
            Some(Doing::Publishing) => return,
            Some(Doing::TellingDropped) => Room::BeyondLimit,
            None => Room::WithinLimit,
        };
        if is_chatter(level, target) {
            return;
        }
        let time = self.shared.clock.unix_time();
        let line = Line { level, target: target.into(), time, text: line.into(), refusals: 0 };
        self.shared.buffer.push(line, room);
    }

    /// How many lines were dropped so far: those that found no room, and those that the broker refused.
    ///
    /// ```
    /// use springhare::AmqpAppender;
    /// use tracing::Level;
    ///
    /// let appender = AmqpAppender::builder().buffer_limit(1000).build();
    /// appender.append(Level::INFO, "shop", "x".repeat(2000));
    /// assert_eq!(appender.dropped(), 1);
    /// ```
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.buffer.dropped()
    }

    /// What is to be declared for it.
    pub(crate) fn exchange(&self) -> &Exchange {
        &self.shared.exchange
    }

    pub(crate) fn faults(&self) -> impl Iterator<Item = StartFault> {
        self.shared.faults.iter().cloned()
    }
}

/// Whether it tells of what each publish does.
fn is_chatter(level: Level, target: &str) -> bool {
    let of = target.split("::").next().unwrap_or_default();
    level > Level::INFO && matches!(of, "springhare" | "springhare_broker" | "springhare_amqp")
}
