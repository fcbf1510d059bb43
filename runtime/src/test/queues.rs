//! What is in a queue.

use std::sync::Arc;

use springhare_amqp::Message;
use springhare_broker::NoAck;

use crate::connection::{LinkChannel, LinkConnection};
use crate::error::Result;

/// How many messages of a queue are looked at, at most.
pub const INSPECTED_MAX: usize = 10_000;

/// A queue to look into.
#[derive(Debug)]
pub struct InspectedQueue<'h> {
    pub(super) connection: &'h tokio::sync::OnceCell<Arc<dyn LinkConnection>>,
    pub(super) link: &'h dyn crate::connection::Link,
    pub(super) name: String,
}

impl InspectedQueue<'_> {
    /// The messages that are ready, the first [`INSPECTED_MAX`] of them, in their order. They stay
    /// where they are, but are `redelivered` from then on; on a quorum queue of RabbitMQ's the look
    /// counts as a delivery. What a consumer holds is not among them.
    ///
    /// # Errors
    ///
    /// [`Error::Amqp`](crate::Error::Amqp) when there is no such queue, or it is a stream, which
    /// can't be looked into so; [`Error::Link`](crate::Error::Link) when the connection fails.
    pub async fn messages(&self) -> Result<Vec<Message>> {
        let channel = self.channel().await?;
        let mut messages = Vec::new();
        while messages.len() < INSPECTED_MAX
            && let Some(got) = channel.basic_get(&self.name, NoAck::No).await?
        {
            messages.push(got.delivery.message.message.clone());
        }
        // What is not settled goes back to its place.
        channel.close().await?;
        Ok(messages)
    }

    /// How many messages are ready.
    ///
    /// # Errors
    ///
    /// As [`messages`](Self::messages), but that a stream has a length, too.
    pub async fn len(&self) -> Result<u64> {
        let channel = self.channel().await?;
        let length = channel.queue_declare_passive(&self.name).await?.message_count;
        channel.close().await?;
        Ok(length)
    }

    /// Whether no message is ready.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub async fn is_empty(&self) -> Result<bool> {
        Ok(self.len().await? == 0)
    }

    async fn channel(&self) -> Result<Arc<dyn LinkChannel>> {
        let connect = || self.link.connect("springhare test");
        Ok(self.connection.get_or_try_init(connect).await?.open_channel().await?)
    }
}
