use std::sync::Arc;
use std::time::Duration;

use springhare_broker::Broker;

use super::builder::BrokerChoice;
use crate::appender::AmqpAppender;
use crate::connection::Link;
use crate::declare::Declaration;
use crate::error::StartFault;
use crate::graph::Declarations;
use crate::settings::{BrokerSettings, LongerThanZero, Source, Sourced, Startup, Texts};

/// Another broker of an application, under a name: what
/// [`named_broker`](crate::SpringhareBuilder::named_broker) is given. Its words are those of the
/// application's own builder.
///
/// ```
/// use springhare::prelude::*;
///
/// #[rabbit_listener(queue = "invoices", broker = "billing")]
/// async fn pay(_invoice: Bytes) {}
///
/// # async fn example() -> springhare::Result<()> {
/// let app = Springhare::builder()
///     .url("amqp://orders.example")
///     .named_broker("billing", |billing| {
///         billing.url("amqp://billing.example").declare(Queue::durable("receipts"))
///     })
///     .start()
///     .await?;
/// let billing = app.broker("billing")?;
/// billing.rabbit_template().convert_and_send("receipts", "tea, 3.50").await?;
/// # app.stop().await
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "it says what the broker is"]
pub struct BrokerBuilder {
    pub(super) choice: BrokerChoice,
    pub(super) settings: BrokerSettings,
    pub(super) declared: Declarations,
    /// Where the log goes on this broker.
    pub(super) appenders: Vec<AmqpAppender>,
    /// What is wrong with its own calls.
    pub(super) faults: Vec<StartFault>,
}

impl BrokerBuilder {
    /// Its address; see [`SpringhareBuilder::url`](crate::SpringhareBuilder::url). Without one it
    /// is what the settings say.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.choice = BrokerChoice::Settings;
        let value = Texts(vec![url.into()]);
        self.settings.rabbitmq.url = Some(Sourced { value, source: Source::Builder });
        self
    }

    /// Where it is, as a handle: a broker in this process, which outlives the application.
    pub fn broker(mut self, broker: Broker) -> Self {
        self.choice = BrokerChoice::Handle(broker);
        self
    }

    /// A link of your own making, in place of an address.
    pub fn link(mut self, link: impl Link) -> Self {
        self.choice = BrokerChoice::Link(Arc::new(link));
        self
    }

    /// Declares a queue, an exchange or a binding on it, beside what its listeners declare.
    pub fn declare(mut self, declaration: impl Into<Declaration>) -> Self {
        let faults = self.declared.add(&declaration.into());
        self.faults.extend(faults);
        self
    }

    /// What the start does when it is not there; without it, what the start does without the
    /// application's own.
    pub fn startup(mut self, startup: Startup) -> Self {
        self.settings.rabbitmq.startup = Some(startup);
        self
    }

    /// How long a message is sent again; without it, as long as on the application's own.
    pub fn publish_retry(mut self, at_most: Duration) -> Self {
        self.settings.template.retry_timeout = Some(at_most);
        self
    }

    /// How long a call waits for its reply; without it, as long as on the application's own.
    pub fn reply_timeout(mut self, timeout: Duration) -> Self {
        self.settings.template.reply_timeout = Some(LongerThanZero(timeout));
        self
    }

    /// The exchange of messages whose route is a text alone; without it, the default exchange.
    pub fn template_exchange(mut self, exchange: impl Into<String>) -> Self {
        self.settings.template.exchange = Some(exchange.into());
        self
    }
}
