use std::sync::Arc;

use springhare_amqp::ShortString;
use springhare_broker::{IfUnused, QueueDeleteOptions};

use super::running::Running;
use crate::connection::{LinkChannel, LinkError};
use crate::declare::{Binding, Declaration};
use crate::error::{Error, Result, StartFault};
use crate::graph::{BindingNode, Generation, Graph, Part, declare_part, redeclare, unbind};
use crate::listener::{ListenerScope, Opened};

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
    /// The broker's.
    scope: Arc<ListenerScope>,
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
    pub(super) fn new(running: Arc<Running>, scope: Arc<ListenerScope>) -> Self {
        Self { running, scope }
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
    /// Dropped midway, it is declared all the same, or refused.
    pub async fn declare(&self, declaration: impl Into<Declaration>) -> Result<()> {
        let (part, faults) = Part::of(&declaration.into());
        refused(faults)?;
        self.unless_stopped(|admin| async move { admin.declare_now(part).await }).await
    }

    async fn declare_now(&self, part: Part) -> Result<()> {
        let opened = self.opened().await?;
        let changing = self.scope.connection.shared_graph().changing().await;
        let before = changing.before();
        let part = part.known_to(before, opened.generation);
        let graph = before.with(&part).map_err(first)?;
        changing.set(graph.clone());
        let declared = declare_part(&opened.link, &graph, &part, opened.generation).await;
        if let Err((error, fault)) = declared {
            changing.take_back();
            return Err(match error {
                LinkError::Amqp(_) => first(vec![fault]),
                lost => lost.into(),
            });
        }
        // What it had before it was deleted comes with it.
        let back = graph.bindings_since(before);
        let not_back = redeclare(&opened.link, &graph, back, opened.generation).await;
        let faults: Vec<StartFault> = not_back.into_iter().map(|refused| refused.fault).collect();
        if !faults.is_empty() {
            changing.take_back();
        }
        refused(faults)
    }

    /// Deletes a queue, whatever is in it and whoever uses it, and says how many messages went with it. It is
    /// declared no more, and neither are its bindings; a listener that consumes from it waits until
    /// it is declared again, and then has the bindings of its attribute again. There being no such queue is no error.
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
    /// Dropped midway, it is deleted all the same, or the broker refuses.
    pub async fn delete_queue(&self, queue: &str) -> Result<u64> {
        let queue = name(queue)?;
        let known = queue.clone();
        self.change(
            move |graph, generation| graph.without_queue(&graph.queue_known_as(&known, generation)),
            move |channel, graph, generation| async move {
                let name = graph.queue_now(&queue, generation);
                channel.queue_delete(&name, QueueDeleteOptions::default()).await
            },
        )
        .await
    }

    /// Deletes an exchange, whatever is bound to it. It is declared no more, and neither are its bindings.
    /// Once it is declared again, it has those of the listeners' attributes again.
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
        let (known, exchange) = (exchange.to_owned(), exchange.to_owned());
        self.change(
            move |graph, _| graph.without_exchange(&known),
            move |channel, _, _| async move { channel.exchange_delete(&exchange, IfUnused::No).await },
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
        let known = move |graph: &Graph, generation| {
            let mut known = node.clone();
            known.be_known_to(graph, generation);
            known
        };
        let known_then = known.clone();
        self.change(
            move |graph, generation| graph.without_binding(&known_then(graph, generation)),
            move |channel, graph, generation| async move {
                let node = known(&graph, generation);
                let destination = graph.destination_in(&node, generation);
                unbind(&*channel, &node, &destination).await
            },
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
        let queue = name(queue)?;
        self.unless_stopped(|admin| async move {
            let (channel, queue) = admin.on_channel(&queue).await?;
            Ok(done(&*channel, channel.queue_purge(&queue).await).await?)
        })
        .await
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
        let queue = name(queue)?;
        self.unless_stopped(|admin| async move { admin.info_of(&queue).await }).await
    }

    async fn info_of(&self, queue: &ShortString) -> Result<Option<QueueInfo>> {
        let (channel, queue) = self.on_channel(queue).await?;
        match done(&*channel, channel.queue_declare_passive(&queue).await).await {
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
        Ok(self.scope.connection.open_in_turn().await?)
    }

    /// A channel, and the name that the queue has on its connection.
    async fn on_channel(&self, queue: &ShortString) -> Result<(Arc<dyn LinkChannel>, ShortString)> {
        let opened = self.opened().await?;
        let graph = self.scope.graph();
        let queue = graph.queue_now(queue, opened.generation);
        Ok((opened.link.open_channel().await?, queue))
    }

    /// The answer of a task that gets it whoever waits for it, unless the application stops before it is
    /// there.
    async fn unless_stopped<T, F>(&self, operation: impl FnOnce(Self) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.running.unless_stopping()?;
        let answer = self.running.in_a_task(operation(self.clone())).await;
        if answer.is_err() {
            // It stopped meanwhile, and that is why.
            self.running.unless_stopping()?;
        }
        answer
    }

    /// Changes the graph and the broker; not the graph either, if the broker refuses.
    async fn change<T, F>(
        &self,
        change: impl FnOnce(&Graph, Generation) -> Graph + Send + 'static,
        operate: impl FnOnce(Arc<dyn LinkChannel>, Arc<Graph>, Generation) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, LinkError>> + Send + 'static,
    {
        self.unless_stopped(|admin| async move {
            let opened = admin.opened().await?;
            let channel = opened.link.open_channel().await?;
            let changing = admin.scope.connection.shared_graph().changing().await;
            let before = admin.scope.graph();
            changing.set(change(&before, opened.generation));
            let result = operate(Arc::clone(&channel), before, opened.generation).await;
            if result.is_err() {
                changing.take_back();
            }
            Ok(done(&*channel, result).await?)
        })
        .await
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

fn name(queue: &str) -> Result<ShortString> {
    ShortString::new(queue).map_err(|error| Error::Other(Box::new(error)))
}

/// The first of these faults, as an error.
fn refused(faults: Vec<StartFault>) -> Result<()> {
    if faults.is_empty() { Ok(()) } else { Err(first(faults)) }
}

fn first(faults: Vec<StartFault>) -> Error {
    match faults.into_iter().next() {
        Some(fault) => Error::Declaration(Box::new(fault)),
        None => Error::Other("a declaration was refused".into()),
    }
}
