use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use springhare_amqp::client::PeerFault;
use springhare_amqp::wire::method::{basic, confirm, exchange, queue};
use springhare_amqp::wire::{EncodeMethod, Method};
use springhare_amqp::{FieldTable, Message, MethodId, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, ChannelEvent, Clock, Delivery,
    ExchangeDeclareOptions, GetOk, IfUnused, Multiple, NoAck, PublishedMessage, QosScope,
    QueueDeclareOk, QueueDeclareOptions, QueueDeleteOptions, Requeue,
};
use tokio::sync::oneshot;

use super::call::{Reply, Waiter};
use super::consumer::AmqpConsumer;
use super::mailbox::{Bound, Mailbox};
use super::opened::{OpenedChannel, OpenedConnection, link_error};
use super::state::delivery_count;
use super::user_channel::UserChannel;
use crate::connection::{LinkChannel, LinkConsumer, LinkError, LinkFuture};

/// A channel.
pub(super) struct AmqpChannel {
    opened: Arc<OpenedChannel>,
    clock: Clock,
    /// The publishes since `confirm.select`; none before.
    published: AtomicU64,
    /// The prefetch count that consumers start with.
    prefetch: AtomicU16,
}

/// [`AmqpChannel::published`] before `confirm.select`.
const UNCONFIRMED: u64 = u64::MAX;

impl fmt::Debug for AmqpChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpChannel").field("number", &self.opened.number).finish_non_exhaustive()
    }
}

impl AmqpChannel {
    pub(super) async fn open(
        connection: &Arc<OpenedConnection>,
        clock: &Clock,
    ) -> Result<Self, LinkError> {
        let user = Arc::new(UserChannel::default());
        let (caller, reply) = oneshot::channel();
        let number = {
            let mut state = connection.shared.lock();
            let opened = state.open_channel(Arc::clone(&user), Waiter::Caller(caller));
            opened.map_err(|refused| link_error(refused, state.closed(), None))?
        };
        connection.shared.wake_driver();
        let connection = Arc::clone(connection);
        let opened = Arc::new(OpenedChannel { connection, number, user });
        let (clock, published) = (clock.clone(), AtomicU64::new(UNCONFIRMED));
        let channel = Self { opened, clock, published, prefetch: AtomicU16::new(0) };
        channel.wait(MethodId::CHANNEL_OPEN, reply).await?;
        Ok(channel)
    }

    /// Sends a method and waits for its answer.
    async fn call<M: EncodeMethod>(&self, method: &M) -> Result<Reply, LinkError> {
        self.call_with(method, Waiter::Caller).await
    }

    async fn call_with<M: EncodeMethod>(
        &self,
        method: &M,
        waiter: impl FnOnce(oneshot::Sender<Result<Reply, LinkError>>) -> Waiter,
    ) -> Result<Reply, LinkError> {
        let (caller, reply) = oneshot::channel();
        self.opened.command(|state, number| state.call(number, method, waiter(caller)))?;
        self.wait(M::ID, reply).await
    }

    async fn wait(
        &self,
        method: MethodId,
        reply: oneshot::Receiver<Result<Reply, LinkError>>,
    ) -> Result<Reply, LinkError> {
        let after = self.answer_timeout();
        tokio::select! {
            reply = reply => reply.unwrap_or(Err(LinkError::Closed { what: "channel", reason: None })),
            () = self.clock.sleep(after) => Err(LinkError::TimedOut {
                operation: method.name().unwrap_or_default(),
                after,
            }),
        }
    }

    fn answer_timeout(&self) -> Duration {
        self.opened.connection.shared.answer_timeout
    }

    /// Sends a method that the broker does not answer.
    fn send<M: EncodeMethod>(&self, method: &M) -> Result<(), LinkError> {
        self.opened.command(|state, number| state.client.send(number, method))
    }
}

fn short(text: &str) -> Result<ShortString, LinkError> {
    ShortString::new(text).map_err(|error| LinkError::Transport(Arc::new(error)))
}

/// Boxes a call whose answer says nothing but that it is done.
macro_rules! done {
    ($self:ident, $method:expr) => {
        Box::pin(async move { $self.call(&$method).await.map(drop) })
    };
}

/// Boxes the sending of a method without an answer.
macro_rules! sent {
    ($self:ident, $method:expr) => {
        Box::pin(async move { $self.send(&$method) })
    };
}

impl LinkChannel for AmqpChannel {
    fn exchange_declare<'a>(
        &'a self,
        exchange: &'a str,
        kind: &'a str,
        options: ExchangeDeclareOptions,
    ) -> LinkFuture<'a, ()> {
        done!(
            self,
            exchange::Declare {
                exchange: short(exchange)?,
                kind: short(kind)?,
                passive: false,
                durable: options.durable,
                auto_delete: options.auto_delete,
                internal: options.internal,
                no_wait: false,
                arguments: options.arguments,
            }
        )
    }

    fn exchange_declare_passive<'a>(&'a self, exchange: &'a str) -> LinkFuture<'a, ()> {
        done!(
            self,
            exchange::Declare { exchange: short(exchange)?, passive: true, ..Default::default() }
        )
    }

    fn exchange_delete<'a>(&'a self, exchange: &'a str, if_unused: IfUnused) -> LinkFuture<'a, ()> {
        let if_unused = if_unused == IfUnused::Yes;
        done!(self, exchange::Delete { exchange: short(exchange)?, if_unused, no_wait: false })
    }

    fn exchange_bind<'a>(
        &'a self,
        destination: &'a str,
        source: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()> {
        done!(
            self,
            exchange::Bind {
                destination: short(destination)?,
                source: short(source)?,
                routing_key: short(routing_key)?,
                no_wait: false,
                arguments,
            }
        )
    }

    fn exchange_unbind<'a>(
        &'a self,
        destination: &'a str,
        source: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()> {
        done!(
            self,
            exchange::Unbind {
                destination: short(destination)?,
                source: short(source)?,
                routing_key: short(routing_key)?,
                no_wait: false,
                arguments,
            }
        )
    }

    fn queue_declare<'a>(
        &'a self,
        queue: &'a str,
        options: QueueDeclareOptions,
    ) -> LinkFuture<'a, QueueDeclareOk> {
        Box::pin(async move {
            let declare = queue::Declare {
                queue: short(queue)?,
                passive: false,
                durable: options.durable,
                exclusive: options.exclusive,
                auto_delete: options.auto_delete,
                no_wait: false,
                arguments: options.arguments,
            };
            declared(self.call(&declare).await?)
        })
    }

    fn queue_declare_passive<'a>(&'a self, queue: &'a str) -> LinkFuture<'a, QueueDeclareOk> {
        Box::pin(async move {
            let queue = short(queue)?;
            let declare = queue::Declare { queue, passive: true, ..Default::default() };
            declared(self.call(&declare).await?)
        })
    }

    fn queue_bind<'a>(
        &'a self,
        queue: &'a str,
        exchange: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()> {
        done!(
            self,
            queue::Bind {
                queue: short(queue)?,
                exchange: short(exchange)?,
                routing_key: short(routing_key)?,
                no_wait: false,
                arguments,
            }
        )
    }

    fn queue_unbind<'a>(
        &'a self,
        queue: &'a str,
        exchange: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()> {
        done!(
            self,
            queue::Unbind {
                queue: short(queue)?,
                exchange: short(exchange)?,
                routing_key: short(routing_key)?,
                arguments,
            }
        )
    }

    fn queue_purge<'a>(&'a self, queue: &'a str) -> LinkFuture<'a, u64> {
        Box::pin(async move {
            let purge = queue::Purge { queue: short(queue)?, no_wait: false };
            match self.call(&purge).await? {
                Reply::Method(Method::Queue(queue::Method::PurgeOk(ok))) => {
                    Ok(ok.message_count.into())
                }
                other => Err(unexpected(&other)),
            }
        })
    }

    fn queue_delete<'a>(
        &'a self,
        queue: &'a str,
        options: QueueDeleteOptions,
    ) -> LinkFuture<'a, u64> {
        Box::pin(async move {
            let QueueDeleteOptions { if_unused, if_empty } = options;
            let queue = short(queue)?;
            let delete = queue::Delete { queue, if_unused, if_empty, no_wait: false };
            match self.call(&delete).await? {
                Reply::Method(Method::Queue(queue::Method::DeleteOk(ok))) => {
                    Ok(ok.message_count.into())
                }
                other => Err(unexpected(&other)),
            }
        })
    }

    fn basic_qos(&self, prefetch_count: u16, scope: QosScope) -> LinkFuture<'_, ()> {
        Box::pin(async move {
            let global = scope == QosScope::Channel;
            self.call(&basic::Qos { prefetch_size: 0, prefetch_count, global }).await?;
            self.prefetch.store(prefetch_count, Ordering::Release);
            Ok(())
        })
    }

    fn basic_consume<'a>(
        &'a self,
        queue: &'a str,
        consumer_tag: &'a str,
        options: BasicConsumeOptions,
    ) -> LinkFuture<'a, Box<dyn LinkConsumer>> {
        Box::pin(async move {
            let consume = basic::Consume {
                queue: short(queue)?,
                consumer_tag: short(consumer_tag)?,
                no_local: false,
                no_ack: options.no_ack,
                exclusive: options.exclusive,
                no_wait: false,
                arguments: options.arguments,
            };
            let no_ack = if options.no_ack { NoAck::Yes } else { NoAck::No };
            let is_bounded = !options.no_ack && self.prefetch.load(Ordering::Acquire) > 0;
            let bound = if is_bounded { Bound::Prefetch } else { Bound::Mailbox };
            let mailbox = Arc::new(Mailbox::new(no_ack, bound));
            let (opened, registered) = (Arc::clone(&self.opened), Arc::clone(&mailbox));
            // Before it is started: whoever gives the start up drops it, and that ends it.
            let consumer: Box<dyn LinkConsumer> = Box::new(AmqpConsumer { opened, mailbox });
            self.call_with(&consume, |caller| Waiter::Consumer(caller, registered)).await?;
            Ok(consumer)
        })
    }

    fn basic_cancel<'a>(&'a self, consumer_tag: &'a str) -> LinkFuture<'a, ()> {
        done!(self, basic::Cancel { consumer_tag: short(consumer_tag)?, no_wait: false })
    }

    fn basic_get<'a>(&'a self, queue: &'a str, no_ack: NoAck) -> LinkFuture<'a, Option<GetOk>> {
        Box::pin(async move {
            let get = basic::Get { queue: short(queue)?, no_ack: no_ack == NoAck::Yes };
            match self.call_with(&get, |caller| Waiter::Getter(caller, no_ack)).await? {
                Reply::Got(got, message) => Ok(Some(got_ok(got, message))),
                Reply::Method(_) => Ok(None),
            }
        })
    }

    fn basic_publish<'a>(
        &'a self,
        exchange: &'a str,
        routing_key: &'a str,
        options: BasicPublishOptions,
        message: Message,
    ) -> LinkFuture<'a, Option<u64>> {
        Box::pin(async move {
            let publish = basic::Publish {
                exchange: short(exchange)?,
                routing_key: short(routing_key)?,
                mandatory: options.mandatory,
                immediate: false,
            };
            self.opened.room().await;
            self.opened.command(|state, number| {
                state.client.publish(number, &publish, &message)?;
                // Counted under the lock, so that the numbers are those of the broker.
                Ok(match self.published.load(Ordering::Acquire) {
                    UNCONFIRMED => None,
                    published => {
                        self.published.store(published + 1, Ordering::Release);
                        Some(published + 1)
                    }
                })
            })
        })
    }

    fn basic_ack(&self, delivery_tag: u64, multiple: Multiple) -> LinkFuture<'_, ()> {
        sent!(self, basic::Ack { delivery_tag, multiple: multiple == Multiple::UpTo })
    }

    fn basic_nack(
        &self,
        delivery_tag: u64,
        multiple: Multiple,
        requeue: Requeue,
    ) -> LinkFuture<'_, ()> {
        let multiple = multiple == Multiple::UpTo;
        sent!(self, basic::Nack { delivery_tag, multiple, requeue: requeue == Requeue::Yes })
    }

    fn basic_reject(&self, delivery_tag: u64, requeue: Requeue) -> LinkFuture<'_, ()> {
        sent!(self, basic::Reject { delivery_tag, requeue: requeue == Requeue::Yes })
    }

    fn basic_recover(&self) -> LinkFuture<'_, ()> {
        done!(self, basic::Recover { requeue: true })
    }

    fn confirm_select(&self) -> LinkFuture<'_, ()> {
        Box::pin(async move {
            self.call(&confirm::Select { no_wait: false }).await?;
            let (before, now) = (UNCONFIRMED, 0);
            // A second one changes nothing, as on the broker.
            let _ =
                self.published.compare_exchange(before, now, Ordering::AcqRel, Ordering::Acquire);
            Ok(())
        })
    }

    fn next_event(&self) -> Pin<Box<dyn Future<Output = Option<ChannelEvent>> + Send + '_>> {
        Box::pin(self.opened.user.events.next())
    }

    fn close(&self) -> LinkFuture<'_, ()> {
        Box::pin(async move {
            let done = self.opened.command(|state, number| state.close_channel(number))?;
            let after = self.answer_timeout();
            tokio::select! {
                // However it ended, it is closed.
                _ = done => Ok(()),
                () = self.clock.sleep(after) => Err(LinkError::TimedOut {
                    operation: "channel.close",
                    after,
                }),
            }
        })
    }

    fn close_reason(&self) -> Option<LinkError> {
        self.opened.user.close_reason()
    }
}

fn declared(reply: Reply) -> Result<QueueDeclareOk, LinkError> {
    match reply {
        Reply::Method(Method::Queue(queue::Method::DeclareOk(ok))) => Ok(QueueDeclareOk {
            queue: ok.queue,
            message_count: ok.message_count.into(),
            consumer_count: ok.consumer_count.into(),
        }),
        other => Err(unexpected(&other)),
    }
}

fn got_ok(got: basic::GetOk, message: Message) -> GetOk {
    let delivery_count = delivery_count(&message);
    let message = PublishedMessage::new(got.exchange, got.routing_key, message);
    let delivery = Delivery {
        delivery_tag: got.delivery_tag,
        redelivered: got.redelivered,
        delivery_count,
        message: Arc::new(message),
    };
    GetOk { delivery, message_count: got.message_count.into() }
}

/// The machine lets only an answer through that fits its call.
fn unexpected(reply: &Reply) -> LinkError {
    let method = match reply {
        Reply::Method(method) => method.id(),
        Reply::Got(..) => MethodId::BASIC_GET_OK,
    };
    LinkError::Transport(Arc::new(PeerFault::UnexpectedMethod { channel: 0, method }))
}
