use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use springhare_broker::{Broker, Clock};

use super::Springhare;
use super::broker_builder::BrokerBuilder;
use super::expected::ExpectedListener;
use super::listener::Listener;
use crate::appender::AmqpAppender;
use crate::connection::Link;
use crate::convert::{MessageConverter, MessageConverters, NamedConverters};
use crate::declare::Declaration;
use crate::error::{Result, StartFault};
use crate::events::{EventBus, Events};
use crate::graph::Declarations;
use crate::listener::discarded::DiscardedHook;
use crate::listener::endpoint::{RabbitListenerEndpoint, Registration};
use crate::listener::observe::Observer;
use crate::listener::policy::ErrorPolicies;
use crate::middleware::Middleware;
use crate::settings::{
    BuilderSettings, ConfigFile, Environment, LongerThanZero, Source, Sourced, Startup, Texts,
};
use crate::state::StateRegistry;

/// An application to be: what [`Springhare::builder`] returns.
#[must_use = "an application runs once it is started"]
pub struct SpringhareBuilder {
    pub(super) broker: BrokerChoice,
    /// None for the registry that `#[rabbit_listener]` fills.
    pub(super) endpoints: Option<Vec<&'static RabbitListenerEndpoint>>,
    /// Those without an attribute.
    pub(super) made: Vec<Listener>,
    /// Those that must be there.
    pub(super) expected: Vec<ExpectedListener>,
    pub(super) states: StateRegistry,
    pub(super) declared: Declarations,
    /// The other brokers, by their names.
    pub(super) brokers: BTreeMap<String, BrokerBuilder>,
    /// What the brokers that only the settings know are replaced by: ones in this process, on this
    /// clock.
    pub(super) stand_ins: Option<Clock>,
    pub(super) converters: MessageConverters,
    pub(super) named_converters: NamedConverters,
    pub(super) middleware: Middleware,
    /// What is set by the builder; the file and the environment come beneath it.
    pub(super) settings: BuilderSettings,
    pub(super) config: ConfigFile,
    /// None for the process's own.
    pub(super) environment: Option<Environment>,
    pub(super) observers: Vec<Arc<dyn Observer>>,
    pub(super) events: EventBus,
    pub(super) policies: ErrorPolicies,
    /// Who hears of messages that are given up.
    pub(super) on_discarded: Vec<DiscardedHook>,
    /// Where the log goes, on the application's own broker.
    pub(super) appenders: Vec<AmqpAppender>,
    /// What is wrong with the builder's own calls.
    pub(super) faults: Vec<StartFault>,
}

/// Which broker is used.
#[derive(Debug, Default)]
pub(super) enum BrokerChoice {
    /// What the settings say; where they say nothing, the application's own is an embedded one.
    #[default]
    Settings,
    Handle(Broker),
    Link(Arc<dyn Link>),
}

impl SpringhareBuilder {
    pub(super) fn new() -> Self {
        Self {
            broker: BrokerChoice::Settings,
            endpoints: None,
            made: Vec::new(),
            expected: Vec::new(),
            states: StateRegistry::default(),
            declared: Declarations::default(),
            brokers: BTreeMap::new(),
            stand_ins: None,
            converters: MessageConverters::new(),
            named_converters: NamedConverters::default(),
            middleware: Middleware::default(),
            settings: BuilderSettings::default(),
            config: ConfigFile::Found,
            environment: None,
            observers: Vec::new(),
            events: EventBus::new(),
            policies: ErrorPolicies::default(),
            on_discarded: Vec::new(),
            appenders: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// The broker's address; without one it is the environment's `SPRINGHARE_URL` or what the
    /// settings say else, and without that `embedded:`, a broker in this process that lives and
    /// ends with the application.
    /// `embedded:./data` is one that keeps durable queues and persistent messages in a folder.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.broker = BrokerChoice::Settings;
        let value = Texts(vec![url.into()]);
        self.settings.rabbitmq.url = Some(Sourced { value, source: Source::Builder });
        self
    }

    /// The broker that this application is on, as a handle: one in this process, which several applications
    /// may share and which outlives them. Another one, beside it and under a name, is
    /// [`named_broker`](Self::named_broker); a running application's are
    /// [`Springhare::broker`](crate::Springhare::broker).
    pub fn broker(mut self, broker: Broker) -> Self {
        self.broker = BrokerChoice::Handle(broker);
        self
    }

    /// A link to a broker of your own making, in place of an address.
    pub fn link(mut self, link: impl Link) -> Self {
        self.broker = BrokerChoice::Link(Arc::new(link));
        self
    }

    /// Gives listeners a value, by its type: `State<T>` takes it.
    #[track_caller]
    pub fn manage<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        if let Err(duplicate) = self.states.manage(value) {
            let place = std::panic::Location::caller();
            let fault = StartFault::new(format!("`.manage(..)`: {duplicate}"));
            self.faults.push(fault.at(place.file(), place.line()));
        }
        self
    }

    /// Runs these listeners in place of all that are linked into the program.
    ///
    /// ```
    /// use springhare::prelude::*;
    ///
    /// #[rabbit_listener(queue = "orders")]
    /// async fn fulfil(order: Text) {}
    ///
    /// # async fn example() -> springhare::Result<()> {
    /// let app = Springhare::builder().listeners(listeners![fulfil]).start().await?;
    /// # app.stop().await
    /// # }
    /// ```
    pub fn listeners(
        mut self,
        listeners: impl IntoIterator<Item = &'static [&'static RabbitListenerEndpoint]>,
    ) -> Self {
        let endpoints = self.endpoints.get_or_insert_default();
        endpoints.extend(listeners.into_iter().flatten());
        self
    }

    /// Runs a listener that has no attribute, beside those that have one: it is checked, declared and
    /// started with them, and shares consumers with them where their messages are divided. One that
    /// comes later is [added](crate::Listeners::add) to the running application.
    ///
    /// ```
    /// use springhare::prelude::*;
    ///
    /// # async fn example(tenants: &[&str]) -> springhare::Result<()> {
    /// let mut builder = Springhare::builder();
    /// for tenant in tenants {
    ///     let orders = Listener::queue(format!("orders.{tenant}"));
    ///     builder = builder.add_listener(orders.handler(|Text(order): Text| async move {
    ///         println!("{order}");
    ///     }));
    /// }
    /// let app = builder.start().await?;
    /// # app.stop().await
    /// # }
    /// ```
    pub fn add_listener(mut self, listener: Listener) -> Self {
        self.made.push(listener);
        self
    }

    /// Declares a queue, an exchange or a binding beside what the listeners declare.
    ///
    /// A listener that only names a queue or an exchange takes over what is declared here.
    ///
    /// ```
    /// use springhare::prelude::*;
    ///
    /// # async fn example() -> springhare::Result<()> {
    /// let app = Springhare::builder()
    ///     .declare(Exchange::topic("logs"))
    ///     .declare(Queue::durable("errors").max_length(1000))
    ///     .declare(Binding::queue("errors").to("logs").with("*.error"))
    ///     .start()
    ///     .await?;
    /// # app.stop().await
    /// # }
    /// ```
    pub fn declare(mut self, declaration: impl Into<Declaration>) -> Self {
        let faults = self.declared.add(&declaration.into());
        self.faults.extend(faults);
        self
    }

    /// Gives `${name}` in listeners' attributes a value, before the environment's.
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.properties.insert(name.into(), value.into());
        self
    }

    /// Writes bodies with this converter, in place of JSON and text, and reads its content types with
    /// it.
    pub fn message_converter(mut self, converter: impl MessageConverter) -> Self {
        self.converters = self.converters.written_by(converter);
        self
    }

    /// Reads content types with this converter beside the others, and gives it a name: a listener
    /// with `converter = "name"` writes its replies with it, and reads what has no content type.
    ///
    /// ```
    /// use springhare::convert::MessageConverter;
    /// use springhare::prelude::*;
    ///
    /// fn with_envelopes(envelope: impl MessageConverter) -> springhare::SpringhareBuilder {
    ///     Springhare::builder().converter("envelope", envelope)
    /// }
    /// ```
    pub fn converter(mut self, name: impl Into<String>, converter: impl MessageConverter) -> Self {
        let converter = Arc::new(converter);
        self.converters = self.converters.with_reader(Arc::clone(&converter) as _);
        self.named_converters.name(name.into(), converter);
        self
    }

    /// What the start does when the broker is not there; without it the environment's
    /// `SPRINGHARE_STARTUP` says (`wait(30s)`, `background` or `fail`), and without that it waits
    /// [`STARTUP_WAIT`](crate::STARTUP_WAIT).
    ///
    /// ```
    /// use springhare::{Springhare, Startup};
    ///
    /// let builder = Springhare::builder().startup(Startup::Background);
    /// # drop(builder);
    /// ```
    pub fn startup(mut self, startup: Startup) -> Self {
        self.settings.rabbitmq.startup = Some(startup);
        self
    }

    /// Sends every message again, for at most this long, while no connection comes about or one is
    /// lost before the confirm came; see [`ConvertAndSend::retry`](crate::ConvertAndSend::retry).
    /// Without it such a call ends with an error at once.
    pub fn publish_retry(mut self, at_most: Duration) -> Self {
        self.settings.template.retry_timeout = Some(at_most);
        self
    }

    /// How long [`convert_send_and_receive`](crate::RabbitTemplate::convert_send_and_receive) waits
    /// for a reply where it does not [say so itself](crate::ConvertSendAndReceive::timeout); without
    /// it that is [`REPLY_TIMEOUT`](crate::REPLY_TIMEOUT).
    pub fn reply_timeout(mut self, timeout: Duration) -> Self {
        self.settings.template.reply_timeout = Some(LongerThanZero(timeout));
        self
    }

    /// How long [`receive`](crate::RabbitTemplate::receive) and
    /// [`receive_and_convert`](crate::RabbitTemplate::receive_and_convert) wait for a message where they
    /// do not say so themselves; without it not at all.
    pub fn receive_timeout(mut self, timeout: Duration) -> Self {
        self.settings.template.receive_timeout = Some(timeout);
        self
    }

    /// How long [`stop`](Springhare::stop) waits for the handlers, and so does the stop of one listener
    /// (its pause at least [`STOP_DEADLINE`](crate::STOP_DEADLINE));
    /// then what they hold is requeued. Without it that is [`STOP_DEADLINE`](crate::STOP_DEADLINE);
    /// zero does not wait.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use springhare::Springhare;
    ///
    /// let builder = Springhare::builder().shutdown_timeout(Duration::from_secs(30));
    /// # drop(builder);
    /// ```
    pub fn shutdown_timeout(mut self, at_most: Duration) -> Self {
        self.settings.rabbitmq.shutdown_timeout = Some(at_most);
        self
    }

    /// What happens in the application, from its start on: the connection opens, the consumers start.
    ///
    /// ```
    /// use springhare::prelude::*;
    ///
    /// # async fn example() -> springhare::Result<()> {
    /// let builder = Springhare::builder();
    /// let mut events = builder.events();
    /// let app = builder.start().await?;
    /// tokio::spawn(async move {
    ///     while let Some(event) = events.next().await {
    ///         println!("{event:?}");
    ///     }
    /// });
    /// # app.stop().await
    /// # }
    /// ```
    pub fn events(&self) -> Events {
        self.events.listen()
    }

    /// Tells this one what the listeners do.
    pub(crate) fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Starts the application: checks it, declares what it needs, consumes.
    ///
    /// # Errors
    ///
    /// [`Error::Start`](crate::Error::Start) with every fault that was found, each with its file
    /// and line; [`Error::Address`](crate::Error::Address) when the address can't be used;
    /// [`Error::Link`](crate::Error::Link) when the broker can't be reached, in the time that
    /// [`startup`](Self::startup) says. Nothing is left behind then, and it may be tried again.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, what was declared on a shared broker stays there.
    pub async fn start(self) -> Result<Springhare> {
        Box::pin(super::start::start(self)).await
    }

    /// The listeners to run: those that were named, or all that are linked in.
    pub(super) fn endpoints(&self) -> Vec<&'static RabbitListenerEndpoint> {
        self.endpoints.clone().unwrap_or_else(Self::linked)
    }

    /// All listeners that are linked into the program.
    pub(super) fn linked() -> Vec<&'static RabbitListenerEndpoint> {
        inventory::iter::<Registration>().map(|registration| registration.0).collect()
    }
}

impl fmt::Debug for SpringhareBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpringhareBuilder")
            .field("listeners", &self.endpoints)
            .field("made", &self.made)
            .field("states", &self.states)
            .finish_non_exhaustive()
    }
}
