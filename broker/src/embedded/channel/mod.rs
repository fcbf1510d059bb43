mod basic;
mod exchange;
mod queue;
mod transaction;

use std::sync::Arc;

use springhare_amqp::{AmqpError, MethodId, ShortString};

use super::connection::ConnectionHandle;
use super::name;
use crate::engine::channel_cell::ChannelCell;
use crate::engine::connection_cell::ConnectionCell;
use crate::engine::events::ChannelEvent;

/// A channel: AMQP 0-9-1's operations, in its words, on the broker in this process.
///
/// A clone is the same channel; it is closed by [`close`](Self::close), by an error, and when
/// all clones and consumers are dropped. Whatever is unsettled then goes back to its queue.
///
/// # Errors
///
/// Every operation fails with the error that RabbitMQ answers with. The error has closed the
/// channel, or the whole connection, as its [`scope`](AmqpError::scope) says, and every later
/// operation fails with the same error.
///
/// ```
/// # use springhare_amqp::{FieldTable, Message};
/// # use springhare_broker::{
/// #     BasicPublishOptions, Broker, ExchangeDeclareOptions, NoAck, QueueDeclareOptions,
/// # };
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// # let broker = Broker::builder().start()?;
/// let channel = broker.connect("example")?.open_channel()?;
/// channel.exchange_declare("logs", "topic", ExchangeDeclareOptions::default()).await?;
/// let queue = channel.queue_declare("", QueueDeclareOptions::default()).await?.queue;
/// channel.queue_bind(&queue, "logs", "*.error", FieldTable::new()).await?;
/// let message = Message::new("disk on fire");
/// channel.basic_publish("logs", "kern.error", BasicPublishOptions::default(), message).await?;
/// assert!(channel.basic_get(&queue, NoAck::Yes).await?.is_some());
///
/// let missing = channel.queue_declare_passive("nope").await.unwrap_err();
/// assert_eq!(missing.text(), "NOT_FOUND - no queue 'nope' in vhost '/'");
/// assert!(!channel.is_open());
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// # Cancel safety
///
/// On a broker with a data folder the operations that declare, bind and delete, and
/// [`tx_commit`](Self::tx_commit), wait until what they did is on the disk. It is done at the first
/// poll: dropping a future before that does nothing, and later only leaves unknown whether it will
/// survive the broker. None of them can be dropped half done.
#[derive(Debug, Clone)]
pub struct Channel {
    handle: Arc<ChannelHandle>,
}

#[derive(Debug)]
struct ChannelHandle {
    cell: Arc<ChannelCell>,
    /// Keeps the connection open while a channel of it is used.
    connection: Arc<ConnectionHandle>,
}

impl Drop for ChannelHandle {
    fn drop(&mut self) {
        self.cell.close(None);
    }
}

impl Channel {
    pub(super) fn new(cell: Arc<ChannelCell>, connection: Arc<ConnectionHandle>) -> Self {
        Self { handle: Arc::new(ChannelHandle { cell, connection }) }
    }

    pub(super) fn cell(&self) -> &Arc<ChannelCell> {
        &self.handle.cell
    }

    /// `confirm.select`: from now on messages are numbered, from 1, and confirmed by
    /// [events](Self::next_event).
    ///
    /// # Errors
    ///
    /// 406 `cannot switch from tx to confirm mode`.
    pub async fn confirm_select(&self) -> Result<(), AmqpError> {
        self.cell().run(MethodId::CONFIRM_SELECT, ChannelCell::select_confirms)
    }

    /// What the broker tells this channel: returned messages and confirms, in their order. None
    /// when the channel is closed and all was read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next_event(&self) -> Option<ChannelEvent> {
        self.cell().events().next().await
    }

    /// `channel.close`: ends its consumers; all that is unsettled goes back to its queue.
    ///
    /// # Errors
    ///
    /// None: a channel that is closed stays so.
    pub async fn close(&self) -> Result<(), AmqpError> {
        self.cell().close(None);
        Ok(())
    }

    /// Whether the channel can be used.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.cell().is_open()
    }

    /// The error that closed it; none while it is open, and when its user closed it.
    #[must_use]
    pub fn close_reason(&self) -> Option<AmqpError> {
        self.cell().close_reason()
    }

    /// Runs a method that changes what is defined, or depends on it, and waits until that is safe.
    async fn define<T>(
        &self,
        method: MethodId,
        operation: impl FnOnce(&ChannelCell) -> Result<T, AmqpError>,
    ) -> Result<T, AmqpError> {
        let done = self.cell().run(method, operation)?;
        let end = self.cell().virtual_host().shared().definitions_end();
        self.cell().synced(end, method).await?;
        Ok(done)
    }

    fn connection(&self) -> &ConnectionCell {
        self.handle.connection.cell()
    }

    /// The queue that is meant: an empty name is the last that was declared on this channel.
    fn queue_name(&self, queue: &str, method: MethodId) -> Result<ShortString, AmqpError> {
        self.cell().lock().channel.queue_name(&name(queue, method)?, method)
    }
}
