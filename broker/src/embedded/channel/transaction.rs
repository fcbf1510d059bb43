//! Transactions: `tx.select`, `commit`, `rollback`.

use springhare_amqp::{AmqpError, MethodId};

use super::Channel;
use crate::engine::channel_cell::ChannelCell;

impl Channel {
    /// `tx.select`: from now on what this channel publishes, acknowledges and refuses takes
    /// effect at the next [`tx_commit`](Self::tx_commit), for as long as it is open. A second
    /// time changes nothing.
    ///
    /// Messages are routed as they are published, so that a missing exchange is an error at
    /// once, and so is an unknown delivery tag. A mandatory message without a queue comes back
    /// at the commit, a direct reply goes at once, and prefetch has room again after the commit.
    ///
    /// A transaction holds messages in memory, up to
    /// [`transaction_max_bytes`](crate::BrokerConfig::transaction_max_bytes).
    ///
    /// ```
    /// # use springhare_amqp::Message;
    /// # use springhare_broker::{
    /// #     BasicPublishOptions, Broker, Multiple, NoAck, QueueDeclareOptions,
    /// # };
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// # let broker = Broker::builder().start()?;
    /// # let channel = broker.connect("example")?.open_channel()?;
    /// # for queue in ["orders", "bills"] {
    /// #     channel.queue_declare(queue, QueueDeclareOptions::default()).await?;
    /// # }
    /// # let plain = BasicPublishOptions::default();
    /// # channel.basic_publish("", "orders", plain, Message::new("one book")).await?;
    /// channel.tx_select().await?;
    /// let order = channel.basic_get("orders", NoAck::No).await?.expect("an order");
    /// channel.basic_publish("", "bills", plain, Message::new("12 euros")).await?;
    /// channel.basic_ack(order.delivery.delivery_tag, Multiple::One).await?;
    /// assert!(channel.basic_get("bills", NoAck::Yes).await?.is_none(), "not yet");
    /// channel.tx_commit().await?;
    /// assert!(channel.basic_get("bills", NoAck::Yes).await?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// 406 `cannot switch from confirm to tx mode`.
    pub async fn tx_select(&self) -> Result<(), AmqpError> {
        self.cell().run(MethodId::TX_SELECT, ChannelCell::tx_select)
    }

    /// `tx.commit`: all that waited for it takes effect, the messages in their order and before
    /// the settlements, and the next transaction begins.
    ///
    /// Each queue gets its messages in one step, one queue after the other. With a data folder all
    /// of it is on the disk then, and after a crash all of it or nothing is there.
    ///
    /// # Errors
    ///
    /// 541 when the disk has failed, which closes the connection: what will survive is not known.
    /// 406 `channel is not transactional`; 406 when more mandatory messages come back than may
    /// wait to be read, and then nothing of the transaction has taken effect.
    pub async fn tx_commit(&self) -> Result<(), AmqpError> {
        let end = self.cell().run(MethodId::TX_COMMIT, |cell| {
            cell.tx_commit(|returned| cell.events().returned(Box::new(returned)))
        })?;
        self.cell().synced(end, MethodId::TX_COMMIT).await
    }

    /// `tx.rollback`: what was published is dropped, what was settled is unsettled again under
    /// its delivery tag, and the next transaction begins. Nothing is delivered again.
    ///
    /// # Errors
    ///
    /// 406 `channel is not transactional`.
    pub async fn tx_rollback(&self) -> Result<(), AmqpError> {
        self.cell().run(MethodId::TX_ROLLBACK, ChannelCell::tx_rollback)
    }
}
