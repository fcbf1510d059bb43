//! One listener of a running application, in the hand of who controls it.

use std::sync::Arc;

use super::running::Running;
use crate::error::Result;
use crate::listener::endpoint::Concurrency;
use crate::listener::health::{ListenerHealth, ListenerStatus};

/// A listener to start, stop, pause and scale: what
/// [`Springhare::listener`](crate::Springhare::listener) gives.
///
/// Listeners that share a queue with different keys share its consumers: what is done to one of
/// them is done to all.
#[derive(Debug, Clone)]
pub struct ListenerHandle {
    running: Arc<Running>,
    id: String,
}

impl ListenerHandle {
    pub(super) fn new(running: &Arc<Running>, id: &str) -> Self {
        Self { running: Arc::clone(running), id: id.to_owned() }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it does right now.
    #[must_use]
    pub fn status(&self) -> ListenerStatus {
        let health = self.running.health();
        let of_this = health.listeners().iter().find(|listener| listener.id() == self.id);
        of_this.map_or(ListenerStatus::Stopped, |listener| ListenerHealth::status(listener).clone())
    }

    /// Starts it, as [`start_listener`](crate::Springhare::start_listener) does. One that is paused
    /// goes on, as with [`resume`](Self::resume).
    ///
    /// # Errors
    ///
    /// As [`start_listener`](crate::Springhare::start_listener).
    pub async fn start(&self) -> Result<()> {
        self.running.start_listener(&self.id).await
    }

    /// Stops it, as [`stop_listener`](crate::Springhare::stop_listener) does.
    ///
    /// # Errors
    ///
    /// As [`stop_listener`](crate::Springhare::stop_listener).
    pub async fn stop(&self) -> Result<()> {
        self.running.stop_listener(&self.id).await
    }

    /// Pauses it: each consumer finishes the message that its handler has in hand, and hands those
    /// back that were prefetched, as a consumer does that is lost: they come again as redelivered, and
    /// where the queue counts deliveries this one counts. [Health](crate::Springhare::health) stays up, and the listener stays paused
    /// when the connection is lost and comes back. A queue that is deleted with its last consumer
    /// goes, and comes anew.
    ///
    /// Handlers have as long as they take, whatever time a stop has: [`stop`](Self::stop) puts an end to
    /// that. A handler that waits for the pause of its own listener waits for itself; it begins the pause
    /// in a task of its own.
    ///
    /// Nothing happens to a listener that does not run.
    ///
    /// # Errors
    ///
    /// None but what [`stop`](Self::stop) has.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the listener pauses all the same.
    pub async fn pause(&self) -> Result<()> {
        self.running.pause_listener(&self.id).await
    }

    /// Lets it go on if it is paused, once its handlers are done: a handler of its own begins that in a task
    /// of its own, as with [`pause`](Self::pause).
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    ///
    /// As [`start_listener`](crate::Springhare::start_listener).
    pub async fn resume(&self) -> Result<()> {
        self.running.resume_listener(&self.id).await
    }

    /// Has it consume from these queues as well, with as many consumers as each of its queues has:
    /// Spring's `addQueueNames`. They are declared durable as with `queue = ".."`, now and after
    /// every loss, unless the application knows them otherwise or the listener has `declare = false`;
    /// nothing is bound to them. A queue that it has already stays as it is.
    ///
    /// ```
    /// # async fn example(app: &springhare::Springhare) -> springhare::Result<()> {
    /// let orders = app.listener("orders")?;
    /// orders.add_queues(["orders.fr", "orders.de"]).await?;
    /// orders.remove_queues(["orders.fr"]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotAdded`](crate::Error::NotAdded) when they contradict the application or the broker,
    /// [`Error::Declaration`](crate::Error::Declaration) for a listener that shares its consumers with
    /// others of other keys, [`Error::Amqp`](crate::Error::Amqp) when the broker refuses a consumer,
    /// [`Error::Link`](crate::Error::Link) when it is not there,
    /// [`Error::Stopped`](crate::Error::Stopped) when the application stops. Then none of them is
    /// added.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, they are added all the same, or none is.
    pub async fn add_queues<Q: Into<String>>(
        &self,
        queues: impl IntoIterator<Item = Q>,
    ) -> Result<()> {
        let queues = queues.into_iter().map(Into::into).collect();
        self.running.add_queues(&self.id, queues).await
    }

    /// Has it consume from these queues no more: Spring's `removeQueueNames`. Its consumers there finish
    /// what they hold, which is not waited for. The queues and their bindings stay at the broker, with
    /// what comes there; they are not declared again after a loss, unless something else of the
    /// application needs them. A queue that it does not have is passed over.
    ///
    /// # Errors
    ///
    /// [`Error::Declaration`](crate::Error::Declaration) when it would have no queue left, or shares
    /// its consumers with others of other keys; [`Error::Stopped`](crate::Error::Stopped) when the
    /// application stops.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, it consumes from them no more all the same, or nothing has changed.
    pub async fn remove_queues<Q: Into<String>>(
        &self,
        queues: impl IntoIterator<Item = Q>,
    ) -> Result<()> {
        let queues = queues.into_iter().map(Into::into).collect();
        self.running.remove_queues(&self.id, queues).await
    }

    /// How many consumers it has for each queue from now on: `4`, or `2..=8`. Those that are too
    /// many finish what they hold. With `0` there is one; [`pause`](Self::pause) it for none.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownListener`](crate::Error::UnknownListener) when it is removed;
    /// [`Error::Other`](crate::Error::Other) when it has one consumer by its nature: it keeps the order of
    /// keys by `partition_by`, or has an `exclusive_consumer` and is to have more.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, it has them all the same.
    pub async fn set_concurrency(&self, consumers: impl Into<Concurrency>) -> Result<()> {
        self.running.scale_listener(&self.id, consumers.into()).await
    }
}
