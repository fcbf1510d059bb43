use std::sync::Arc;

use springhare_amqp::{AmqpError, ShortString};

use super::{Connection, Publisher};
use crate::Error;
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::engine::broker_cell::BrokerCell;

/// A RabbitMQ-compatible broker in this process.
///
/// A clone is the same broker; when the last one is dropped the broker stops, as with
/// [`stop`](Self::stop). Messages are kept in memory.
///
/// ```
/// use springhare_broker::{BasicPublishOptions, Broker, NoAck, QueueDeclareOptions};
/// use springhare_amqp::Message;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let broker = Broker::builder().start()?;
/// let channel = broker.connect("example")?.open_channel()?;
/// channel.queue_declare("hello", QueueDeclareOptions::default()).await?;
/// channel.basic_publish("", "hello", BasicPublishOptions::default(), Message::new("hi")).await?;
/// let got = channel.basic_get("hello", NoAck::Yes).await?.expect("one message");
/// assert_eq!(got.delivery.message.message.body, "hi");
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Broker {
    handle: Arc<BrokerHandle>,
}

/// The broker's life: it stops when this is dropped.
#[derive(Debug)]
struct BrokerHandle {
    cell: Arc<BrokerCell>,
}

/// How a [`Broker`] is started.
#[derive(Debug, Clone, Default)]
#[must_use = "a broker runs once it is started"]
pub struct BrokerBuilder {
    config: BrokerConfig,
    clock: Clock,
}

impl Broker {
    /// A broker with RabbitMQ's defaults and the system's clock.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::default()
    }

    /// Opens a connection; `name` tells it apart for people.
    ///
    /// # Errors
    ///
    /// 530 `connection limit (N) is reached`, 320 when the broker was stopped.
    pub fn connect(&self, name: &str) -> Result<Connection, AmqpError> {
        let cell = self.handle.cell.connect(ShortString::truncated(name))?;
        Ok(Connection::new(cell))
    }

    /// Publishing without a channel: a message that is refused closes nothing.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::new(Arc::clone(&self.handle.cell))
    }

    /// The clock that the broker lives by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.handle.cell.virtual_host().clock()
    }

    /// The memory that messages take now, in bytes.
    #[must_use]
    pub fn memory_used(&self) -> u64 {
        self.handle.cell.virtual_host().memory().used()
    }

    /// Closes all connections with 320 `CONNECTION_FORCED` and takes no more.
    pub fn stop(&self) {
        self.handle.cell.stop();
    }
}

impl Drop for BrokerHandle {
    fn drop(&mut self) {
        self.cell.stop();
    }
}

impl BrokerBuilder {
    /// Lives by this clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Takes all limits from `config`.
    pub fn config(mut self, config: BrokerConfig) -> Self {
        self.config = config;
        self
    }

    /// Makes publishers wait while messages take this many bytes or more.
    pub fn memory_high_watermark(mut self, bytes: u64) -> Self {
        self.config.memory_high_watermark = bytes;
        self
    }

    /// Starts the broker.
    ///
    /// # Errors
    ///
    /// A limit of the configuration is 0.
    pub fn start(self) -> Result<Broker, Error> {
        self.config.check()?;
        let cell = Arc::new(BrokerCell::new(self.config, self.clock));
        Ok(Broker { handle: Arc::new(BrokerHandle { cell }) })
    }
}
