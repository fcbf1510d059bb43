//! Listeners that join a running application, and leave it.

use std::sync::Arc;

use super::joining::Joining;
use super::listener::Listener;
use super::listener_handle::ListenerHandle;
use super::running::Running;
use crate::error::Result;
use crate::listener::endpoint::RabbitListenerEndpoint;

/// The listeners of a running application, to add and to remove:
/// [`Springhare::listeners`](crate::Springhare::listeners). A clone is the same one.
#[derive(Debug, Clone)]
pub struct Listeners {
    running: Arc<Running>,
}

impl Listeners {
    pub(super) fn new(running: &Arc<Running>) -> Self {
        Self { running: Arc::clone(running) }
    }

    /// Adds a listener: it is checked as at a start, its queues, exchange and bindings are declared, and it
    /// consumes. From then on it is a listener as any other: declared again after a loss, part of the
    /// health, stopped with the application. There is no limit to their number but memory and
    /// what the broker takes.
    ///
    /// ```
    /// use springhare::prelude::*;
    ///
    /// # async fn example(app: &Springhare) -> springhare::Result<()> {
    /// let orders = Listener::queue("orders.eu").handler(|Text(order): Text| async move {
    ///     println!("{order}");
    /// });
    /// let orders = app.listeners().add(orders).await?;
    /// orders.pause().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotAdded`](crate::Error::NotAdded) with all that is wrong with it: its id is taken, what it declares
    /// contradicts the application or the broker, the broker refuses a consumer;
    /// [`Error::Link`](crate::Error::Link) when the broker is not there, [`Error::Stopped`](crate::Error::Stopped) when the
    /// application stops. Then nothing is left behind.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, it is added all the same, or fails and leaves nothing behind.
    pub async fn add(&self, listener: Listener) -> Result<ListenerHandle> {
        let id = self.running.add_listener(Joining::Made(Box::new(listener))).await?;
        Ok(ListenerHandle::new(&self.running, &id))
    }

    /// Adds functions with [`#[rabbit_listener]`](crate::rabbit_listener) that do not run yet, one
    /// after the other.
    ///
    /// ```
    /// use springhare::prelude::*;
    ///
    /// #[rabbit_listener(queue = "late")]
    /// async fn late(_text: Text) {}
    ///
    /// # async fn example() -> springhare::Result<()> {
    /// let app = Springhare::builder().listeners(listeners![]).start().await?;
    /// app.listeners().add_all(listeners![late]).await?;
    /// # app.stop().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add); those before the one at fault are added.
    ///
    /// # Cancel safety
    ///
    /// As [`add`](Self::add), for each of them.
    pub async fn add_all(
        &self,
        listeners: impl IntoIterator<Item = &'static [&'static RabbitListenerEndpoint]>,
    ) -> Result<()> {
        for endpoint in listeners.into_iter().flatten() {
            self.running.add_listener(Joining::Written(endpoint)).await?;
        }
        Ok(())
    }

    /// Stops a listener as [`stop_listener`](crate::Springhare::stop_listener) does, and forgets it.
    /// Its queues, its exchange and its bindings stay at the broker, and what comes there waits: an
    /// [admin](crate::Springhare::admin) deletes them. They are not declared again after a loss,
    /// unless something else of the application needs them.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownListener`](crate::Error::UnknownListener) when there is none;
    /// [`Error::NotRemoved`](crate::Error::NotRemoved) when it shares its consumers with others;
    /// [`Error::StillStopping`](crate::Error::StillStopping) when its handler blocks its thread;
    /// [`Error::Stopped`](crate::Error::Stopped) when the application stops.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, it stops; once it has, it is removed all the same. It may be called again.
    pub async fn remove(&self, id: &str) -> Result<()> {
        self.running.remove_listener(id).await
    }
}
