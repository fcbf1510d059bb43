//! The application: its builder, its start, its life and its stop.

mod builder;
mod start;

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use springhare_broker::{Broker, Clock};
use tokio::sync::{Mutex, watch};

pub use builder::SpringhareBuilder;

use crate::error::{Error, Result};
use crate::listener::{ListenerRegistry, ListenerScope, StopPhase};
use crate::template::RabbitTemplate;

/// How long a stop waits for the handlers, on the broker's clock; then what they hold is
/// requeued.
pub const STOP_DEADLINE: Duration = Duration::from_secs(5);
/// How long a forced stop waits for the listeners' tasks, which only a handler that blocks its
/// thread can hold up.
const FORCED_STOP_DEADLINE: Duration = Duration::from_secs(1);

/// There is no listener of this id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no listener with the id `{id}`")]
pub struct UnknownListener {
    /// The id.
    pub id: String,
}

impl UnknownListener {
    fn error(id: &str) -> Error {
        Error::Other(Box::new(Self { id: id.to_owned() }))
    }
}

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
    scope: Arc<ListenerScope>,
    listeners: ListenerRegistry,
    /// The broker that lives and ends with the application.
    own_broker: Option<Broker>,
    /// Held by who stops it.
    stopping: Mutex<()>,
    stopped: watch::Sender<bool>,
}

impl Springhare {
    /// An application to be.
    pub fn builder() -> SpringhareBuilder {
        SpringhareBuilder::new()
    }

    /// The template to send with.
    #[must_use]
    pub fn rabbit_template(&self) -> RabbitTemplate {
        self.scope.template.clone()
    }

    /// The ids of the listeners, sorted.
    pub fn listener_ids(&self) -> impl Iterator<Item = &str> {
        self.listeners.plans().map(|plan| &*plan.id)
    }

    /// Whether every listener that was started consumes right now; one whose consumer was lost
    /// does not until it is back.
    #[must_use]
    pub fn is_consuming(&self) -> bool {
        self.listeners.is_consuming()
    }

    /// Starts the listener of this id: one with `auto_startup = false`, or one that was stopped.
    /// Nothing happens if it runs.
    ///
    /// # Errors
    ///
    /// [`UnknownListener`], in [`Error::Other`], when there is none, [`Error::Amqp`] when the broker refuses.
    pub async fn start_listener(&self, id: &str) -> Result<()> {
        let _not_while_stopping = self.stopping.lock().await;
        if *self.stopped.borrow() {
            return Err(Error::Stopped);
        }
        let found = self.listeners.start(id).await?;
        if found { Ok(()) } else { Err(UnknownListener::error(id)) }
    }

    /// Stops the listener of this id as [`stop`](Self::stop) stops all.
    ///
    /// # Errors
    ///
    /// [`UnknownListener`], in [`Error::Other`], when there is none.
    pub async fn stop_listener(&self, id: &str) -> Result<()> {
        if !self.listeners.raise(id, StopPhase::Draining) {
            return Err(UnknownListener::error(id));
        }
        if !self.in_time(STOP_DEADLINE, self.listeners.wait(id)).await {
            self.listeners.raise(id, StopPhase::Forced);
            self.in_time(FORCED_STOP_DEADLINE, self.listeners.wait(id)).await;
        }
        Ok(())
    }

    /// Starts all listeners of a group as [`start_listener`](Self::start_listener) starts one.
    ///
    /// # Errors
    ///
    /// As [`start_listener`](Self::start_listener); the listeners before the one at fault run.
    pub async fn start_group(&self, group: &str) -> Result<()> {
        for id in self.listeners.group(group) {
            self.start_listener(&id).await?;
        }
        Ok(())
    }

    /// Stops all listeners of a group, one after the other.
    ///
    /// # Errors
    ///
    /// As [`stop_listener`](Self::stop_listener).
    pub async fn stop_group(&self, group: &str) -> Result<()> {
        for id in self.listeners.group(group) {
            self.stop_listener(&id).await?;
        }
        Ok(())
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
    pub async fn run(&self) -> Result<(), Box<dyn std::error::Error>> {
        let mut signals = Signals::new()?;
        let mut stopped = self.stopped.subscribe();
        tokio::select! {
            signal = signals.next() => tracing::info!(signal, "the application stops"),
            // The sender is ours: it can't be gone.
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
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
    /// closes the connections. After [`STOP_DEADLINE`] what is not finished is requeued.
    ///
    /// Nothing happens if it is stopped already.
    ///
    /// # Errors
    ///
    /// [`Error::Link`] when a connection fails while it is closed.
    pub async fn stop(&self) -> Result<()> {
        let _one_stops = self.stopping.lock().await;
        self.listeners.raise_all(StopPhase::Draining);
        if !self.in_time(STOP_DEADLINE, self.listeners.wait_all()).await {
            tracing::warn!("handlers were not done in time; what they hold is requeued");
            self.listeners.raise_all(StopPhase::Forced);
        }
        self.close().await
    }

    /// Stops without waiting for handlers: they are dropped where they wait, and what is not
    /// settled is requeued. It cuts a [`stop`](Self::stop) short that is under way.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub async fn force_stop(&self) -> Result<()> {
        self.listeners.raise_all(StopPhase::Forced);
        let _one_stops = self.stopping.lock().await;
        self.listeners.raise_all(StopPhase::Forced);
        self.close().await
    }

    async fn close(&self) -> Result<()> {
        if *self.stopped.borrow() {
            return Ok(());
        }
        let listeners = self.scope.connection.close().await;
        if !self.in_time(FORCED_STOP_DEADLINE, self.listeners.wait_all()).await {
            tracing::error!("a handler blocks its thread; its task is left behind");
        }
        let template = self.scope.template.stop().await;
        if let Some(broker) = &self.own_broker {
            broker.stop();
        }
        self.stopped.send_replace(true);
        Ok(listeners.and(template)?)
    }

    /// Carries `future` on for this long, and says whether it got done.
    async fn in_time(&self, deadline: Duration, future: impl Future<Output = ()>) -> bool {
        let mut future = pin!(future);
        let mut deadline = self.clock().sleep(deadline);
        std::future::poll_fn(|cx| {
            if future.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            pin!(&mut deadline).poll(cx).map(|()| false)
        })
        .await
    }

    fn clock(&self) -> &Clock {
        self.scope.connection.link().clock()
    }
}

/// Whoever still has the template of an application that is gone must not publish into a broker
/// that nobody consumes from.
impl Drop for Springhare {
    fn drop(&mut self) {
        self.listeners.raise_all(StopPhase::Forced);
        if let Some(broker) = &self.own_broker {
            broker.stop();
        }
    }
}

impl fmt::Debug for Springhare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Springhare")
            .field("link", &self.scope.connection.link().describe())
            .field("listeners", &self.listener_ids().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// The signals that end a process.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    #[cfg(unix)]
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    #[cfg(not(unix))]
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "ctrl-c",
            Err(_) => std::future::pending().await,
        }
    }
}
