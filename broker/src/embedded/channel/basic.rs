//! Messages: `basic.qos`, `consume`, `cancel`, `get`, `publish`, and settling.

use std::task::Poll;

use springhare_amqp::{AmqpError, Message, MethodId};

use super::Channel;
use crate::embedded::options::{BasicConsumeOptions, BasicPublishOptions, NoAck, QosScope};
use crate::embedded::{Consumer, name};
use crate::engine::consume::ConsumeRequest;
use crate::engine::publish::Publish;
use crate::engine::queue_cell::ConsumerAccess;
use crate::model::channel::Tags;
use crate::model::delivery::GetOk;
use crate::model::queue::{Returned, SettlementMode};
use crate::model::settling::{Multiple, Requeue};

impl Channel {
    /// `basic.qos`: how many unsettled deliveries there may be; 0 is no limit.
    ///
    /// # Errors
    ///
    /// Only when the channel is closed.
    pub async fn basic_qos(&self, prefetch: u16, scope: QosScope) -> Result<(), AmqpError> {
        self.cell().run(MethodId::BASIC_QOS, |cell| {
            match scope {
                QosScope::Consumer => cell.lock().channel.set_prefetch(prefetch),
                QosScope::Channel => {
                    cell.set_shared_prefetch(prefetch);
                    cell.resume_all();
                }
            }
            Ok(())
        })
    }

    /// `basic.consume`: starts a consumer. An empty tag asks the broker for one, an empty queue
    /// name is the last queue that was declared on this channel.
    ///
    /// A consumer of `amq.rabbitmq.reply-to` gets direct replies (RabbitMQ's extension): what
    /// this channel publishes with the property `reply_to` set to that name carries an address
    /// instead, and what anybody publishes to the default exchange with that address as routing
    /// key comes straight here, without a queue and at most once. It needs `no_ack`.
    ///
    /// ```
    /// # use springhare_amqp::{Message, ShortString};
    /// # use springhare_broker::{BasicConsumeOptions, Broker, NoAck, QueueDeclareOptions};
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// # let broker = Broker::builder().start()?;
    /// # let channel = broker.connect("client")?.open_channel()?;
    /// # let server = broker.connect("server")?.open_channel()?;
    /// # channel.queue_declare("questions", QueueDeclareOptions::default()).await?;
    /// let reply_to = ShortString::from_static("amq.rabbitmq.reply-to");
    /// let no_ack = BasicConsumeOptions { no_ack: true, ..Default::default() };
    /// let mut replies = channel.basic_consume(&reply_to, "", no_ack).await?;
    /// let mut question = Message::new("6 * 7?");
    /// question.properties.reply_to = Some(reply_to);
    /// channel.basic_publish("", "questions", Default::default(), question).await?;
    ///
    /// let got = server.basic_get("questions", NoAck::Yes).await?.expect("a question");
    /// let address = got.delivery.message.message.properties.reply_to.clone().expect("an address");
    /// server.basic_publish("", &address, Default::default(), Message::new("42")).await?;
    ///
    /// assert_eq!(replies.recv().await.expect("a reply").message.message.body, "42");
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// 404 `no queue ..`, 403 `.. in exclusive use`, 405 for another connection's exclusive
    /// queue, 530 `attempt to reuse consumer tag ..`; 406 `reply consumer cannot acknowledge` and
    /// `reply consumer already set`.
    pub async fn basic_consume(
        &self,
        queue: &str,
        consumer_tag: &str,
        options: BasicConsumeOptions,
    ) -> Result<Consumer, AmqpError> {
        let method = MethodId::BASIC_CONSUME;
        let started = self.cell().run(method, |cell| {
            let BasicConsumeOptions { no_ack, exclusive, arguments } = options;
            let tag = name(consumer_tag, method)?;
            cell.lock().channel.ensure_free_tag(&tag)?;
            let queue = self.queue_name(queue, method)?;
            let request = ConsumeRequest {
                tag,
                settlement: SettlementMode::from_no_ack(no_ack),
                access: if exclusive { ConsumerAccess::Exclusive } else { ConsumerAccess::Shared },
                arguments,
            };
            self.cell().consume_from(self.connection().id(), &queue, request)
        })?;
        Ok(Consumer::new(started, self.clone()))
    }

    /// `basic.cancel`; an unknown tag is none. Deliveries that were received stay unsettled.
    ///
    /// # Errors
    ///
    /// Only when the channel is closed.
    pub async fn basic_cancel(&self, consumer_tag: &str) -> Result<(), AmqpError> {
        self.cell().run(MethodId::BASIC_CANCEL, |cell| {
            cell.cancel(consumer_tag);
            Ok(())
        })
    }

    /// `basic.get`: takes the first ready message; none from an empty queue.
    ///
    /// # Errors
    ///
    /// 404 `no queue ..`, 405 for another connection's exclusive queue.
    pub async fn basic_get(&self, queue: &str, no_ack: NoAck) -> Result<Option<GetOk>, AmqpError> {
        let method = MethodId::BASIC_GET;
        self.cell().run(method, |cell| {
            let name = self.queue_name(queue, method)?;
            let queue = cell.virtual_host().find_queue(self.connection().id(), &name, method)?;
            cell.get(&queue, SettlementMode::from_no_ack(no_ack == NoAck::Yes))
        })
    }

    /// `basic.publish`: returns the publish sequence number when the channel
    /// [confirms](Self::confirm_select).
    ///
    /// Waits while memory or the disk are short, and takes part in tokio's cooperative budget. It does
    /// not wait until the message is on the disk: its confirm does.
    ///
    /// # Errors
    ///
    /// 404 `no exchange ..`, 403 `cannot publish to internal exchange ..`, 406 for a message that
    /// is too large or has a wrong property, `fast reply consumer does not exist`, and when a
    /// [transaction](Self::tx_select) would hold too much. On RabbitMQ these arrive later; here,
    /// at once.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped while it waits has published nothing.
    pub async fn basic_publish(
        &self,
        exchange: &str,
        routing_key: &str,
        options: BasicPublishOptions,
        message: Message,
    ) -> Result<Option<u64>, AmqpError> {
        let method = MethodId::BASIC_PUBLISH;
        self.room().await;
        self.cell().run(method, |cell| {
            cell.publish(Publish {
                exchange: name(exchange, method)?,
                routing_key: name(routing_key, method)?,
                mandatory: options.mandatory,
                message,
            })
        })
    }

    /// As [`basic_publish`](Self::basic_publish), for who has the names as short strings already.
    ///
    /// # Errors
    ///
    /// The same.
    ///
    /// # Cancel safety
    ///
    /// The same.
    pub async fn publish(&self, publish: Publish) -> Result<Option<u64>, AmqpError> {
        self.room().await;
        self.cell().run(MethodId::BASIC_PUBLISH, |cell| cell.publish(publish))
    }

    /// Waits until there is room for a message, or the channel is closed.
    async fn room(&self) {
        let memory = self.cell().virtual_host().memory();
        std::future::poll_fn(|cx| match memory.poll_room(cx.waker()) {
            Poll::Pending if self.is_open() => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
        tokio::task::coop::consume_budget().await;
    }

    /// `basic.ack`: the messages are done with. With [`Multiple::UpTo`], all up to the tag, and
    /// tag 0 is all of the channel.
    ///
    /// # Errors
    ///
    /// 406 `unknown delivery tag N`.
    pub async fn basic_ack(&self, delivery_tag: u64, multiple: Multiple) -> Result<(), AmqpError> {
        self.cell()
            .run(MethodId::BASIC_ACK, |cell| cell.acknowledge(Tags::new(delivery_tag, multiple)))
    }

    /// `basic.nack` (RabbitMQ's extension): refuses deliveries; one that goes back to its queue
    /// does not count as failed.
    ///
    /// # Errors
    ///
    /// 406 `unknown delivery tag N`.
    pub async fn basic_nack(
        &self,
        delivery_tag: u64,
        multiple: Multiple,
        requeue: Requeue,
    ) -> Result<(), AmqpError> {
        let method = MethodId::BASIC_NACK;
        let tags = Tags::new(delivery_tag, multiple);
        self.cell().run(method, |cell| match requeue {
            Requeue::Yes => cell.requeue(tags, method, Returned::HandedBack),
            Requeue::No => cell.discard(tags, method),
        })
    }

    /// `basic.reject`: refuses a delivery; one that goes back to its queue counts as failed.
    ///
    /// # Errors
    ///
    /// 406 `unknown delivery tag N`.
    pub async fn basic_reject(&self, delivery_tag: u64, requeue: Requeue) -> Result<(), AmqpError> {
        let method = MethodId::BASIC_REJECT;
        let tags = Tags::One(delivery_tag);
        self.cell().run(method, |cell| match requeue {
            Requeue::Yes => cell.requeue(tags, method, Returned::Failed),
            Requeue::No => cell.discard(tags, method),
        })
    }

    /// `basic.recover` with `requeue`: all that is unsettled on this channel goes back to its
    /// queue. RabbitMQ has no recover without requeue.
    ///
    /// # Errors
    ///
    /// Only when the channel is closed.
    pub async fn basic_recover(&self) -> Result<(), AmqpError> {
        self.cell().run(MethodId::BASIC_RECOVER, |cell| {
            cell.recover();
            Ok(())
        })
    }
}
