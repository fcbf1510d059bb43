//! The application: its builder, its start, its life and its stop.

mod admin;
mod appending;
mod batch_handler;
mod broker_builder;
mod broker_handle;
mod builder;
mod choices;
mod configure;
mod expected;
mod failures;
mod handler;
mod joining;
mod layers;
mod limits;
mod listener;
mod listener_builder;
mod listener_failures;
mod listener_handle;
mod listeners;
mod named_broker;
mod planned;
mod queues_of;
mod reach;
mod retry;
mod running;
mod scopes;
mod signals;
mod start;
mod template_defaults;
mod verbs;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use admin::{QueueInfo, RabbitAdmin};
pub use batch_handler::BatchHandler;
pub use broker_builder::BrokerBuilder;
pub use broker_handle::BrokerHandle;
pub use builder::SpringhareBuilder;
pub use handler::Handler;
pub use listener::Listener;
pub use listener_builder::{Batches, ListenerBuilder, OneMessage};
pub use listener_handle::ListenerHandle;
pub use listeners::Listeners;
pub use retry::Retry;

pub(crate) use running::Running;
use signals::Signals;

use crate::declare::Declaration;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::listener::StopPhase;
use crate::listener::health::Health;
use crate::template::RabbitTemplate;

/// How long a stop waits for the handlers, on the broker's clock, where nothing else is
/// [said](SpringhareBuilder::shutdown_timeout); then what they hold is requeued.
pub const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// How long a stop then waits until the connections are closed, on the broker's clock: those of a broker
/// that does not answer are left behind.
pub const CLOSE_DEADLINE: Duration = Duration::from_secs(3);

/// A running application: its listeners consume, its template sends.
///
/// It ends with [`stop`](Self::stop) or [`run`](Self::run); one that is dropped ends at once,
/// and what its handlers hold is requeued.
///
/// ```
/// use springhare::prelude::*;
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> springhare::Result<()> {
///     let app = Springhare::builder()
///         .listeners(listeners![])
///         .declare(Queue::durable("orders"))
///         .start()
///         .await?;
///     let rabbit = app.rabbit_template();
///     rabbit.convert_and_send("orders", "tea").await?;
///     assert_eq!(rabbit.receive_and_convert::<String>("orders").await?.as_deref(), Some("tea"));
///     app.stop().await
/// }
/// ```
pub struct Springhare {
    running: Arc<Running>,
}

impl Springhare {
    /// An application to be.
    pub fn builder() -> SpringhareBuilder {
        SpringhareBuilder::new()
    }

    /// What runs, for those who must not keep it running.
    #[cfg(feature = "axum")]
    pub(crate) fn weak(&self) -> std::sync::Weak<Running> {
        Arc::downgrade(&self.running)
    }

    /// The template to send with.
    #[must_use]
    pub fn rabbit_template(&self) -> RabbitTemplate {
        self.running.brokers.main.scope.template.clone()
    }

    /// One of the brokers that this application is on, by its name: its template, its admin, the health of
    /// its listeners. Names are given by [`named_broker`](SpringhareBuilder::named_broker) and in the settings'
    /// `[brokers.NAME]`; `rabbitmq` is the application's own, which
    /// [`rabbit_template`](Self::rabbit_template) and [`admin`](Self::admin) are of, wherever it is
    /// ([`SpringhareBuilder::broker`]).
    ///
    /// ```
    /// # async fn example(app: &springhare::Springhare) -> springhare::Result<()> {
    /// let billing = app.broker("billing")?;
    /// billing.rabbit_template().convert_and_send("invoices", "tea, 3.50").await?;
    /// billing.admin().purge_queue("receipts").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::UnknownBroker`] when there is none of this name.
    pub fn broker(&self, name: &str) -> Result<BrokerHandle> {
        let mut brokers = self.running.brokers.iter();
        let broker = brokers.find(|broker| &*broker.name == name);
        let broker = broker.ok_or_else(|| Error::UnknownBroker { name: name.to_owned() })?;
        Ok(BrokerHandle::new(&self.running, &broker.name, &broker.scope))
    }

    /// Declares, deletes and looks at queues and exchanges while the application runs.
    ///
    /// ```
    /// # async fn example(app: &springhare::Springhare) -> springhare::Result<()> {
    /// app.admin().purge_queue("orders").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn admin(&self) -> RabbitAdmin {
        RabbitAdmin::new(Arc::clone(&self.running), Arc::clone(&self.running.brokers.main.scope))
    }

    /// Declares a queue, an exchange or a binding, now and after every loss of the connection:
    /// [`RabbitAdmin::declare`].
    ///
    /// ```
    /// # async fn example(app: &springhare::Springhare) -> springhare::Result<()> {
    /// app.declare(springhare::Queue::durable("orders.eu")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`RabbitAdmin::declare`].
    ///
    /// # Cancel safety
    ///
    /// As [`RabbitAdmin::declare`].
    pub async fn declare(&self, declaration: impl Into<Declaration>) -> Result<()> {
        self.admin().declare(declaration).await
    }

    /// What happens in the application from now on: consumers that start and are lost, connections,
    /// listeners that are idle. What the start itself does is seen by
    /// [`SpringhareBuilder::events`].
    ///
    /// ```
    /// use springhare::ApplicationEvent;
    /// # async fn example(app: &springhare::Springhare) {
    /// let mut events = app.events();
    /// while let Some(event) = events.next().await {
    ///     if let ApplicationEvent::ConsumerLost { listener, reason, .. } = event {
    ///         eprintln!("{listener}: {reason}");
    ///     }
    /// }
    /// # }
    /// ```
    pub fn events(&self) -> Events {
        self.running.brokers.main.scope.events.bus().listen()
    }

    /// The ids of the listeners, sorted.
    pub fn listener_ids(&self) -> impl Iterator<Item = String> {
        self.running.listeners.ids().into_iter().map(|id| id.to_string())
    }

    /// Adds and removes listeners while the application runs.
    ///
    /// ```
    /// # use springhare::prelude::*;
    /// # async fn example(app: &Springhare) -> springhare::Result<()> {
    /// let eu = Listener::queue("orders.eu").handler(|Text(order): Text| async move {
    ///     println!("{order}");
    /// });
    /// app.listeners().add(eu).await?;
    /// app.listeners().remove("orders.eu").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn listeners(&self) -> Listeners {
        Listeners::new(&self.running)
    }

    /// What every listener does right now, and whether each broker is there. It is down while a listener
    /// that is to consume does not, since its connection or its consumer was lost and is not back, and
    /// while a broker is away, also one that the application only sends to.
    #[must_use]
    pub fn health(&self) -> Health {
        self.running.health()
    }

    /// Starts the listener of this id: one with `auto_startup = false`, or one that was stopped.
    /// Nothing happens if it runs.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownListener`] when there is none, [`Error::StillStopping`] when it was stopped
    /// and its handler is not done yet, [`Error::Amqp`] when the broker refuses, [`Error::Link`]
    /// when it is not there, [`Error::Stopped`] when the application stops or is stopped.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, it starts all the same, or fails; one that is paused does not, if its handlers
    /// are still waited for. It may be called again.
    pub async fn start_listener(&self, id: &str) -> Result<()> {
        self.running.start_listener(id).await
    }

    /// Stops the listener of this id as [`stop`](Self::stop) stops all. It stays stopped, even if
    /// the broker is away now and comes back.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownListener`] when there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the listener takes nothing new and stops once it has handled what was
    /// prefetched, without a deadline. Called again, it waits for that, with the deadline.
    pub async fn stop_listener(&self, id: &str) -> Result<()> {
        self.running.stop_listener(id).await
    }

    /// Starts all listeners of a group as [`start_listener`](Self::start_listener) starts one.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`] when no listener is in it, else as
    /// [`start_listener`](Self::start_listener); the listeners before the one at fault run.
    pub async fn start_group(&self, group: &str) -> Result<()> {
        for id in self.group(group)? {
            self.start_listener(&id).await?;
        }
        Ok(())
    }

    /// Stops all listeners of a group, one after the other.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`] when no listener is in it.
    pub async fn stop_group(&self, group: &str) -> Result<()> {
        for id in self.group(group)? {
            self.stop_listener(&id).await?;
        }
        Ok(())
    }

    /// Pauses all listeners of a group at once, as [`ListenerHandle::pause`] pauses one, and waits for
    /// their handlers.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`] when no listener is in it.
    pub async fn pause_group(&self, group: &str) -> Result<()> {
        self.running.pause_listeners(&self.group(group)?).await
    }

    /// Resumes the listeners of a group that are paused.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`] when no listener is in it, else as
    /// [`start_listener`](Self::start_listener).
    pub async fn resume_group(&self, group: &str) -> Result<()> {
        for id in self.group(group)? {
            self.running.resume_listener(&id).await?;
        }
        Ok(())
    }

    /// The listener of this id, to control it.
    ///
    /// ```
    /// # use springhare::prelude::*;
    /// # async fn example(app: &Springhare) -> springhare::Result<()> {
    /// let orders = app.listener("orders")?;
    /// orders.set_concurrency(2..=8).await?;
    /// orders.pause().await?;
    /// orders.resume().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::UnknownListener`] when there is none.
    pub fn listener(&self, id: &str) -> Result<ListenerHandle> {
        match self.running.listeners.is_paused(id) {
            Some(_) => Ok(ListenerHandle::new(&self.running, id)),
            None => Err(Error::UnknownListener { id: id.to_owned() }),
        }
    }

    /// The ids of a group's listeners.
    fn group(&self, group: &str) -> Result<Vec<Arc<str>>> {
        let ids = self.running.listeners.group(group);
        if ids.is_empty() { Err(Error::UnknownGroup { group: group.to_owned() }) } else { Ok(ids) }
    }

    /// Runs until the process is told to end (SIGINT or SIGTERM) or the application is stopped;
    /// then [stops](Self::stop) it. A second signal [forces](Self::force_stop) that.
    ///
    /// As the last expression of `main` it fits a `main` that returns
    /// `Result<(), Box<dyn std::error::Error>>`.
    ///
    /// # Errors
    ///
    /// That the signals can't be listened to, or the [`Error`] of [`stop`](Self::stop).
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the application runs on, or goes on with the stop that has begun. From
    /// the first call on the signals don't end the process by themselves any more.
    pub async fn run(&self) -> Result<(), Box<dyn std::error::Error>> {
        let mut signals = Signals::new()?;
        tokio::select! {
            signal = signals.next() => tracing::info!(signal, "the application stops"),
            stopped = self.running.stopped() => return Ok(stopped?),
        }
        tokio::select! {
            result = self.stop() => Ok(result?),
            signal = signals.next() => {
                tracing::warn!(signal, "the stop is forced");
                Ok(self.force_stop().await?)
            }
        }
    }

    /// Stops: takes nothing new, lets the handlers finish what was prefetched, acknowledges it,
    /// closes the connections. After the [`shutdown_timeout`](SpringhareBuilder::shutdown_timeout) what
    /// is not finished is requeued, and after [`CLOSE_DEADLINE`] more it is done, whatever a broker does.
    ///
    /// It stops once: a later call waits for the same end. A handler that waits for it waits for
    /// itself, until the deadline; it had better begin the stop in a task of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Link`] when a connection fails while it is closed, or its broker does not answer.
    ///
    /// # Cancel safety
    ///
    /// From the first poll on the stop goes on by itself; dropped then, it still gets done.
    pub async fn stop(&self) -> Result<()> {
        self.running.begin_stop(StopPhase::Draining);
        self.running.stopped().await
    }

    /// Stops without waiting for handlers: they are dropped where they wait, and what is not
    /// settled is requeued. It cuts a [`stop`](Self::stop) short that is under way.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    ///
    /// # Cancel safety
    ///
    /// As [`stop`](Self::stop).
    pub async fn force_stop(&self) -> Result<()> {
        self.running.begin_stop(StopPhase::Forced);
        self.running.stopped().await
    }
}

/// Whoever still has the template of an application that is gone must not publish into a broker
/// that nobody consumes from: it refuses.
impl Drop for Springhare {
    fn drop(&mut self) {
        self.running.abandon();
    }
}

impl fmt::Debug for Springhare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Springhare")
            .field("link", &self.running.brokers.main.scope.connection.link().describe())
            .field("listeners", &self.listener_ids().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
