//! The link between the runtime and a broker: three small traits, a consumer and a publisher.
//!
//! Everything above this module speaks to a broker through [`Link`] alone, so that the same
//! program runs on the broker in its own process and on a RabbitMQ cluster, and the same
//! behaviour tests run on both. Control operations are boxed futures; receiving and publishing
//! are poll-based and work on batches, so that nothing is allocated per message.
//!
//! Deliberately out: recovery (the listener's supervisor and the template reconnect), and any
//! knowledge of listeners or conversion.

mod address;
mod amqp;
mod embedded;
mod error;
mod named;
mod publish;
mod refusable;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use springhare_amqp::{FieldTable, Message, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, ChannelEvent, Clock, ConsumerEnd, Delivery,
    ExchangeDeclareOptions, GetOk, IfUnused, Multiple, NoAck, Publish, QosScope, QueueDeclareOk,
    QueueDeclareOptions, QueueDeleteOptions, Requeue,
};

pub use address::{
    Address, AddressError, AddressOrder, AmqpAddress, AmqpAddressProblem, AmqpAddresses,
    CONNECTION_TIMEOUT, ClientCertificate, EmbeddedAddress, EmbeddedAddressProblem,
    HEARTBEAT_SECONDS, Password, TlsOptions, Verify,
};
pub(crate) use address::{AmqpDefaults, TlsDefaults, split_list};
pub use amqp::{AmqpLimits, AmqpLink, ConnectError, TlsOptionsError};
pub use embedded::EmbeddedLink;
pub use error::LinkError;
pub(crate) use named::NamedLink;
pub use publish::{
    Confirmation, PublishBatch, PublishCall, PublishError, PublishResult, PublishWait,
};
pub(crate) use refusable::is_refusable;

/// The future of a control operation.
pub type LinkFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, LinkError>> + Send + 'a>>;

/// A way to a broker: opens connections to it, as often as it is asked.
pub trait Link: fmt::Debug + Send + Sync + 'static {
    /// The address for logs and errors, without its password: `embedded:./data`, `amqp://host:5672`.
    fn describe(&self) -> String;

    /// The clock that pauses and deadlines are counted on; the broker's own where it is in this
    /// process, so that a test can drive both by hand.
    fn clock(&self) -> &Clock;

    /// The virtual host that it leads to.
    fn virtual_host(&self) -> &str {
        "/"
    }

    /// On which queues the broker counts how often the delivery of a message failed.
    fn delivery_counting(&self) -> DeliveryCounting {
        DeliveryCounting::OnSomeQueues
    }

    /// Opens a connection, which the broker shows under `name`.
    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>>;
}

/// On which queues a broker counts how often the delivery of a message failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryCounting {
    /// On all of them, as the embedded broker.
    OnEveryQueue,
    /// On those whose messages come back with a count, as RabbitMQ on quorum queues and not on
    /// classic ones.
    OnSomeQueues,
}

/// Which broker answers on a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Product {
    /// Ours, in this process or served.
    Springhare,
    /// RabbitMQ.
    RabbitMq,
    /// Another one, or one that does not say: nothing but AMQP is expected of it.
    #[default]
    Other,
}

impl Product {
    /// The product that a broker names in its properties.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "springhare" => Self::Springhare,
            "RabbitMQ" => Self::RabbitMq,
            _ => Self::Other,
        }
    }
}

/// Is told that a broker takes no messages on a connection, and why, or takes them again.
pub type BlockedWatcher = Arc<dyn Fn(Option<&str>) + Send + Sync>;

/// An open connection.
pub trait LinkConnection: fmt::Debug + Send + Sync + 'static {
    /// Opens a channel on it.
    fn open_channel(&self) -> LinkFuture<'_, Arc<dyn LinkChannel>>;

    /// A publishing path on this connection, for any number of callers.
    fn publisher(&self) -> LinkFuture<'_, Arc<dyn LinkPublisher>>;

    /// Which broker it is to.
    fn product(&self) -> Product {
        Product::Other
    }

    /// Has this called whenever the broker takes no messages on it any more, with the reason, and
    /// with none when it takes them again; at once if it takes none already. It must not wait.
    ///
    /// A link whose broker never says so need not call it.
    fn when_blocked(&self, _tell: BlockedWatcher) {}

    /// Closes it and all its channels; what they hold unacknowledged is requeued.
    fn close(&self) -> LinkFuture<'_, ()>;

    /// Why it is closed; none while it is open.
    fn closed(&self) -> Option<LinkError>;
}

/// An open channel: the operations of AMQP, in AMQP's words.
///
/// An operation that the broker refuses closes the channel (or the whole connection), as the
/// error's [scope](springhare_amqp::ErrorScope) says.
pub trait LinkChannel: fmt::Debug + Send + Sync + 'static {
    /// `exchange.declare`.
    fn exchange_declare<'a>(
        &'a self,
        exchange: &'a str,
        kind: &'a str,
        options: ExchangeDeclareOptions,
    ) -> LinkFuture<'a, ()>;
    /// `exchange.declare`, passive: is it there?
    fn exchange_declare_passive<'a>(&'a self, exchange: &'a str) -> LinkFuture<'a, ()>;
    /// `exchange.delete`.
    fn exchange_delete<'a>(&'a self, exchange: &'a str, if_unused: IfUnused) -> LinkFuture<'a, ()>;
    /// `exchange.bind`.
    fn exchange_bind<'a>(
        &'a self,
        destination: &'a str,
        source: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()>;
    /// `exchange.unbind`.
    fn exchange_unbind<'a>(
        &'a self,
        destination: &'a str,
        source: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()>;
    /// `queue.declare`; an empty name is the broker's to choose.
    fn queue_declare<'a>(
        &'a self,
        queue: &'a str,
        options: QueueDeclareOptions,
    ) -> LinkFuture<'a, QueueDeclareOk>;
    /// `queue.declare`, passive: is it there, and what is in it?
    fn queue_declare_passive<'a>(&'a self, queue: &'a str) -> LinkFuture<'a, QueueDeclareOk>;
    /// `queue.bind`.
    fn queue_bind<'a>(
        &'a self,
        queue: &'a str,
        exchange: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()>;
    /// `queue.unbind`.
    fn queue_unbind<'a>(
        &'a self,
        queue: &'a str,
        exchange: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()>;
    /// `queue.purge`: the number of messages that it removed.
    fn queue_purge<'a>(&'a self, queue: &'a str) -> LinkFuture<'a, u64>;
    /// `queue.delete`: the number of messages that went with it.
    fn queue_delete<'a>(
        &'a self,
        queue: &'a str,
        options: QueueDeleteOptions,
    ) -> LinkFuture<'a, u64>;
    /// `basic.qos`.
    fn basic_qos(&self, prefetch_count: u16, scope: QosScope) -> LinkFuture<'_, ()>;
    /// `basic.consume`; an empty tag is the broker's to choose.
    fn basic_consume<'a>(
        &'a self,
        queue: &'a str,
        consumer_tag: &'a str,
        options: BasicConsumeOptions,
    ) -> LinkFuture<'a, Box<dyn LinkConsumer>>;
    /// `basic.cancel`: what was delivered before can still be received and settled.
    fn basic_cancel<'a>(&'a self, consumer_tag: &'a str) -> LinkFuture<'a, ()>;
    /// `basic.get`.
    fn basic_get<'a>(&'a self, queue: &'a str, no_ack: NoAck) -> LinkFuture<'a, Option<GetOk>>;
    /// `basic.publish`: its sequence number when the channel is in confirm mode.
    fn basic_publish<'a>(
        &'a self,
        exchange: &'a str,
        routing_key: &'a str,
        options: BasicPublishOptions,
        message: Message,
    ) -> LinkFuture<'a, Option<u64>>;
    /// The same, where the names are short strings already.
    fn publish(&self, publish: Publish) -> LinkFuture<'_, Option<u64>> {
        Box::pin(async move {
            let Publish { exchange, routing_key, mandatory, message } = publish;
            let options = BasicPublishOptions { mandatory };
            self.basic_publish(&exchange, &routing_key, options, message).await
        })
    }
    /// `basic.ack`.
    fn basic_ack(&self, delivery_tag: u64, multiple: Multiple) -> LinkFuture<'_, ()>;
    /// `basic.nack`.
    fn basic_nack(
        &self,
        delivery_tag: u64,
        multiple: Multiple,
        requeue: Requeue,
    ) -> LinkFuture<'_, ()>;
    /// `basic.reject`.
    fn basic_reject(&self, delivery_tag: u64, requeue: Requeue) -> LinkFuture<'_, ()>;
    /// `basic.recover`, which requeues everything unacknowledged.
    fn basic_recover(&self) -> LinkFuture<'_, ()>;
    /// `confirm.select`.
    fn confirm_select(&self) -> LinkFuture<'_, ()>;
    /// The next return, confirm or closure; none once the closure was told.
    fn next_event(&self) -> Pin<Box<dyn Future<Output = Option<ChannelEvent>> + Send + '_>>;
    /// Closes it; what it holds unacknowledged is requeued.
    fn close(&self) -> LinkFuture<'_, ()>;
    /// Why it is closed; none while it is open.
    fn close_reason(&self) -> Option<LinkError>;
}

/// A started consumer. Dropping it cancels it.
pub trait LinkConsumer: fmt::Debug + Send + 'static {
    /// Its tag.
    fn tag(&self) -> &ShortString;

    /// Moves what was delivered, `max` at most, to the back of `buffer` and says how many that
    /// were; 0 means that nothing will come any more (see [`end`](Self::end)).
    fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut VecDeque<Delivery>,
        max: usize,
    ) -> Poll<usize>;

    /// How it ended; none while it lives.
    fn end(&self) -> Option<ConsumerEnd>;
}

/// Publishes for many callers. One caller's missing exchange or unroutable message is that
/// caller's error alone.
///
/// A publisher whose connection is lost answers [`PublishError::NotSent`], and
/// [`PublishError::Unknown`] for what was on its way.
pub trait LinkPublisher: fmt::Debug + Send + Sync + 'static {
    /// Carries one publish on; ready with its result.
    fn poll_publish(&self, cx: &mut Context<'_>, call: &mut PublishCall) -> Poll<PublishResult>;

    /// As [`poll_publish`](Self::poll_publish), but without a wait at the broker's memory mark: for
    /// a message that replaces one which is settled right after.
    ///
    /// A link that can't tell the broker so leaves it at `poll_publish`.
    fn poll_publish_beyond_the_memory_mark(
        &self,
        cx: &mut Context<'_>,
        call: &mut PublishCall,
    ) -> Poll<PublishResult> {
        self.poll_publish(cx, call)
    }

    /// Carries a batch on, in order: takes the publishes as there is room for them, and adds their
    /// results. Ready once it has taken all and no more than [`PublishBatch::open_max`] of them
    /// have no result; then there may be more publishes for it.
    fn poll_publish_many(&self, cx: &mut Context<'_>, batch: &mut PublishBatch) -> Poll<()>;
}
