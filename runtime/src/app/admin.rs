use std::sync::Arc;

use springhare_broker::{IfUnused, QueueDeleteOptions};

use super::running::Running;
use crate::connection::{LinkChannel, LinkError};
use crate::declare::{Binding, Declaration};
use crate::error::{Error, Fault, Result};
use crate::graph::{BindingNode, Graph, Part, declare_part, unbind};
use crate::listener::Opened;

/// Declares, deletes and looks at queues and exchanges while the application runs:
/// [`Springhare::admin`](crate::Springhare::admin). A clone is the same one.
///
/// What it declares is the application's as if the builder had declared it: when the connection is lost, it is
/// declared again. What it deletes is so no more, and neither are its bindings.
///
/// ```
/// use springhare::prelude::*;
///
/// # async fn example(app: &Springhare) -> springhare::Result<()> {
/// let admin = app.admin();
/// admin.declare(Queue::durable("orders.eu")).await?;
/// admin.declare(Binding::queue("orders.eu").to("amq.topic").with("orders.eu.#")).await?;
/// if let Some(queue) = admin.queue_info("orders.eu").await? {
///     println!("{} messages for {} consumers", queue.messages, queue.consumers);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RabbitAdmin {
    running: Arc<Running>,
}

/// What is in a queue: the answer of [`RabbitAdmin::queue_info`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueInfo {
    /// Its name.
    pub name: String,
    /// The messages that are ready to be delivered.
    pub messages: u64,
    /// Its consumers.
    pub consumers: u64,
}

impl RabbitAdmin {
    pub(super) fn new(running: Arc<Running>) -> Self {
        Self { running }
    }

    /// Declares a queue, an exchange or a binding, now and after every loss of the connection.
    ///
    /// ```
    /// # async fn example(admin: springhare::RabbitAdmin) -> springhare::Result<()> {
    /// use springhare::Exchange;
    ///
    /// admin.declare(Exchange::topic("logs")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Declaration`] when it contradicts itself, what the application declares already, or what the
    /// broker has; [`Error::Link`] when the broker is not there. Then nothing has changed, but
    /// for the broker if the connection was lost on the way.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, it may be declared, now or after the next loss.
    pub async fn declare(&self, declaration: impl Into<Declaration>) -> Result<()> {
        let (part, faults) = Part::of(&declaration.into());
        refused(faults)?;
        let opened = self.opened().await?;
        let changing = self.running.scope.connection.shared_graph().changing().await;
        match changing.before().with(&part) {
            Ok(graph) => changing.set(graph),
            Err(faults) => return refused(faults),
        }
        match declare_part(&opened.link, &part, opened.generation).await {
            Ok(()) => Ok(()),
            Err((error, fault)) => {
                changing.take_back();
                Err(match error {
                    LinkError::Amqp(_) => Error::Declaration(Box::new(fault)),
                    lost => lost.into(),
                })
            }
        }
    }

    /// Deletes a queue, whatever is in it and whoever uses it, and says how many messages went with it. It is
    /// declared no more, and neither are its bindings; a listener that consumes from it waits until
    /// it is declared again. There being no such queue is no error.
    ///
    /// ```
    /// # async fn example(admin: springhare::RabbitAdmin) -> springhare::Result<()> {
    /// let lost = admin.delete_queue("orders.eu").await?;
    /// # drop(lost);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Amqp`] when the broker refuses, [`Error::Link`] when it is not there; then nothing has
    /// changed.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, it may be there, but is declared no more.
    pub async fn delete_queue(&self, queue: &str) -> Result<u64> {
        self.change(
            |graph| graph.without_queue(queue),
            async |channel| channel.queue_delete(queue, QueueDeleteOptions::default()).await,
        )
        .await
    }

    /// Deletes an exchange, whatever is bound to it. It is declared no more, and neither are its bindings.
    /// There being no such exchange is no error.
    ///
    /// ```
    /// # async fn example(admin: springhare::RabbitAdmin) -> springhare::Result<()> {
    /// admin.delete_exchange("logs").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`delete_queue`](Self::delete_queue).
    ///
    /// # Cancel safety
    ///
    /// As [`delete_queue`](Self::delete_queue).
    pub async fn delete_exchange(&self, exchange: &str) -> Result<()> {
        self.change(
            |graph| graph.without_exchange(exchange),
            async |channel| channel.exchange_delete(exchange, IfUnused::No).await,
        )
        .await
    }

    /// Binds: [`declare`](Self::declare) of a binding.
    ///
    /// ```
    /// # async fn example(admin: springhare::RabbitAdmin) -> springhare::Result<()> {
    /// use springhare::Binding;
    ///
    /// admin.bind(Binding::queue("orders").to("shop").with("order.*")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`declare`](Self::declare).
    ///
    /// # Cancel safety
    ///
    /// As [`declare`](Self::declare).
    pub async fn bind(&self, binding: Binding) -> Result<()> {
        self.declare(binding).await
    }

    /// Takes a binding away. There being no such binding is no error.
    ///
    /// ```
    /// # async fn example(admin: springhare::RabbitAdmin) -> springhare::Result<()> {
    /// use springhare::Binding;
    ///
    /// admin.unbind(Binding::queue("orders").to("shop").with("order.*")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`delete_queue`](Self::delete_queue).
    ///
    /// # Cancel safety
    ///
    /// As [`delete_queue`](Self::delete_queue).
    pub async fn unbind(&self, binding: Binding) -> Result<()> {
        refused(binding.faults().collect())?;
        let node = BindingNode::from(&binding);
        self.change(
            |graph| graph.without_binding(&node),
            async |channel| unbind(&*channel, &node).await,
        )
        .await
    }

    /// Removes the messages of a queue that are not with a consumer, and says how many there were.
    ///
    /// ```
    /// # async fn example(admin: springhare::RabbitAdmin) -> springhare::Result<()> {
    /// let removed = admin.purge_queue("orders").await?;
    /// # drop(removed);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Amqp`] when there is no such queue or the broker refuses, [`Error::Link`] when it is not
    /// there.
    pub async fn purge_queue(&self, queue: &str) -> Result<u64> {
        let channel = self.opened().await?.link.open_channel().await?;
        Ok(done(&*channel, channel.queue_purge(queue).await).await?)
    }

    /// How many messages and consumers a queue has; none if there is no such queue.
    ///
    /// ```
    /// # async fn example(admin: springhare::RabbitAdmin) -> springhare::Result<()> {
    /// assert_eq!(admin.queue_info("no such queue").await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Amqp`] when the broker refuses, [`Error::Link`] when it is not there.
    pub async fn queue_info(&self, queue: &str) -> Result<Option<QueueInfo>> {
        let channel = self.opened().await?.link.open_channel().await?;
        match done(&*channel, channel.queue_declare_passive(queue).await).await {
            Ok(there) => Ok(Some(QueueInfo {
                name: there.queue.to_string(),
                messages: there.message_count,
                consumers: there.consumer_count,
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The listeners' connection, on which the application's own is declared.
    async fn opened(&self) -> Result<Opened> {
        self.running.unless_stopping()?;
        Ok(self.running.scope.connection.open().await?)
    }

    /// Changes the graph and the broker; not the graph either, if the broker refuses.
    async fn change<T>(
        &self,
        change: impl FnOnce(&Graph) -> Graph,
        operate: impl AsyncFnOnce(Arc<dyn LinkChannel>) -> Result<T, LinkError>,
    ) -> Result<T> {
        let channel = self.opened().await?.link.open_channel().await?;
        let changing = self.running.scope.connection.shared_graph().changing().await;
        changing.set(change(changing.before()));
        let result = operate(Arc::clone(&channel)).await;
        if result.is_err() {
            changing.take_back();
        }
        Ok(done(&*channel, result).await?)
    }
}

/// Closes the channel, unless the answer did.
async fn done<T>(channel: &dyn LinkChannel, result: Result<T, LinkError>) -> Result<T, LinkError> {
    if channel.close_reason().is_none()
        && let Err(error) = channel.close().await
    {
        tracing::debug!(%error, "a channel could not be closed");
    }
    result
}

/// The first of these faults, as an error.
fn refused(faults: Vec<Fault>) -> Result<()> {
    faults.into_iter().next().map_or(Ok(()), |fault| Err(Error::Declaration(Box::new(fault))))
}
