use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lapin::{ExchangeKind, options as lo};
use springhare::connection::{LinkChannel, LinkConsumer, LinkError, LinkFuture};
use springhare_amqp::{FieldTable, Message, MethodId, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, ChannelEvent, ExchangeDeclareOptions, GetOk,
    IfUnused, Multiple, NoAck, QosScope, QueueDeclareOk, QueueDeclareOptions, QueueDeleteOptions,
    Requeue,
};
use tokio::sync::mpsc;

use super::ConnectionState;
use super::channel_state::ChannelState;
use super::consumer::LapinConsumer;
use super::convert::{self, to_short, to_table};

/// A channel over `lapin`: see the module above for what it adds.
#[derive(Debug)]
pub(super) struct LapinChannel {
    state: Arc<ChannelState>,
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<ChannelEvent>>,
    /// The number of the last publish in confirm mode.
    sequence: AtomicU64,
}

impl LapinChannel {
    pub(super) fn new(channel: lapin::Channel, connection: &Arc<ConnectionState>) -> Self {
        let (state, events) = ChannelState::new(channel, connection);
        let state = Arc::new(state);
        connection.add(&state);
        let events = tokio::sync::Mutex::new(events);
        Self { state, events, sequence: AtomicU64::new(0) }
    }

    async fn declare_queue(
        &self,
        queue: &str,
        options: lo::QueueDeclareOptions,
        arguments: &FieldTable,
    ) -> Result<QueueDeclareOk, LinkError> {
        let declare = self.channel().queue_declare(to_short(queue)?, options, to_table(arguments));
        let declared = self.state.call(MethodId::QUEUE_DECLARE, declare).await?;
        Ok(QueueDeclareOk {
            queue: convert::from_short(declared.name()),
            message_count: declared.message_count().into(),
            consumer_count: declared.consumer_count().into(),
        })
    }

    fn channel(&self) -> &lapin::Channel {
        self.state.lapin()
    }
}

fn is_yes(requeue: Requeue) -> bool {
    requeue == Requeue::Yes
}

impl LinkChannel for LapinChannel {
    fn exchange_declare<'a>(
        &'a self,
        exchange: &'a str,
        kind: &'a str,
        options: ExchangeDeclareOptions,
    ) -> LinkFuture<'a, ()> {
        Box::pin(async move {
            let flags = lo::ExchangeDeclareOptions {
                passive: false,
                durable: options.durable,
                auto_delete: options.auto_delete,
                internal: options.internal,
                nowait: false,
            };
            let kind = ExchangeKind::Custom(kind.to_owned());
            let arguments = to_table(&options.arguments);
            let call = self.channel().exchange_declare(to_short(exchange)?, kind, flags, arguments);
            self.state.call(MethodId::EXCHANGE_DECLARE, call).await
        })
    }

    fn exchange_declare_passive<'a>(&'a self, exchange: &'a str) -> LinkFuture<'a, ()> {
        Box::pin(async move {
            let options = lo::ExchangeDeclareOptions { passive: true, ..Default::default() };
            let (name, kind) = (to_short(exchange)?, ExchangeKind::Direct);
            let call = self.channel().exchange_declare(name, kind, options, Default::default());
            self.state.call(MethodId::EXCHANGE_DECLARE, call).await
        })
    }

    fn exchange_delete<'a>(&'a self, exchange: &'a str, if_unused: IfUnused) -> LinkFuture<'a, ()> {
        Box::pin(async move {
            let if_unused = if_unused == IfUnused::Yes;
            let options = lo::ExchangeDeleteOptions { if_unused, nowait: false };
            let call = self.channel().exchange_delete(to_short(exchange)?, options);
            self.state.call(MethodId::EXCHANGE_DELETE, call).await
        })
    }

    fn exchange_bind<'a>(
        &'a self,
        destination: &'a str,
        source: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()> {
        Box::pin(async move {
            let call = self.channel().exchange_bind(
                to_short(destination)?,
                to_short(source)?,
                to_short(routing_key)?,
                Default::default(),
                to_table(&arguments),
            );
            self.state.call(MethodId::EXCHANGE_BIND, call).await
        })
    }

    fn exchange_unbind<'a>(
        &'a self,
        destination: &'a str,
        source: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()> {
        Box::pin(async move {
            let call = self.channel().exchange_unbind(
                to_short(destination)?,
                to_short(source)?,
                to_short(routing_key)?,
                Default::default(),
                to_table(&arguments),
            );
            self.state.call(MethodId::EXCHANGE_UNBIND, call).await
        })
    }

    fn queue_declare<'a>(
        &'a self,
        queue: &'a str,
        options: QueueDeclareOptions,
    ) -> LinkFuture<'a, QueueDeclareOk> {
        Box::pin(async move {
            let flags = lo::QueueDeclareOptions {
                passive: false,
                durable: options.durable,
                exclusive: options.exclusive,
                auto_delete: options.auto_delete,
                nowait: false,
            };
            self.declare_queue(queue, flags, &options.arguments).await
        })
    }

    fn queue_declare_passive<'a>(&'a self, queue: &'a str) -> LinkFuture<'a, QueueDeclareOk> {
        Box::pin(async move {
            let flags = lo::QueueDeclareOptions { passive: true, ..Default::default() };
            self.declare_queue(queue, flags, &FieldTable::new()).await
        })
    }

    fn queue_bind<'a>(
        &'a self,
        queue: &'a str,
        exchange: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()> {
        Box::pin(async move {
            let call = self.channel().queue_bind(
                to_short(queue)?,
                to_short(exchange)?,
                to_short(routing_key)?,
                Default::default(),
                to_table(&arguments),
            );
            self.state.call(MethodId::QUEUE_BIND, call).await
        })
    }

    fn queue_unbind<'a>(
        &'a self,
        queue: &'a str,
        exchange: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()> {
        Box::pin(async move {
            let call = self.channel().queue_unbind(
                to_short(queue)?,
                to_short(exchange)?,
                to_short(routing_key)?,
                to_table(&arguments),
            );
            self.state.call(MethodId::QUEUE_UNBIND, call).await
        })
    }

    fn queue_purge<'a>(&'a self, queue: &'a str) -> LinkFuture<'a, u64> {
        Box::pin(async move {
            let call = self.channel().queue_purge(to_short(queue)?, Default::default());
            Ok(self.state.call(MethodId::QUEUE_PURGE, call).await?.into())
        })
    }

    fn queue_delete<'a>(
        &'a self,
        queue: &'a str,
        options: QueueDeleteOptions,
    ) -> LinkFuture<'a, u64> {
        Box::pin(async move {
            let QueueDeleteOptions { if_unused, if_empty } = options;
            let options = lo::QueueDeleteOptions { if_unused, if_empty, nowait: false };
            let call = self.channel().queue_delete(to_short(queue)?, options);
            Ok(self.state.call(MethodId::QUEUE_DELETE, call).await?.into())
        })
    }

    fn basic_qos(&self, prefetch_count: u16, scope: QosScope) -> LinkFuture<'_, ()> {
        let options = lo::BasicQosOptions { global: scope == QosScope::Channel };
        let call = self.channel().basic_qos(prefetch_count, options);
        Box::pin(self.state.call(MethodId::BASIC_QOS, call))
    }

    fn basic_consume<'a>(
        &'a self,
        queue: &'a str,
        consumer_tag: &'a str,
        options: BasicConsumeOptions,
    ) -> LinkFuture<'a, Box<dyn LinkConsumer>> {
        Box::pin(async move {
            let BasicConsumeOptions { no_ack, exclusive, arguments } = options;
            let flags =
                lo::BasicConsumeOptions { no_local: false, no_ack, exclusive, nowait: false };
            let (queue, tag) = (to_short(queue)?, to_short(consumer_tag)?);
            let call = self.channel().basic_consume(queue, tag, flags, to_table(&arguments));
            let stream = self.state.call(MethodId::BASIC_CONSUME, call).await?;
            // Of an earlier consumer with this tag, which the broker had cancelled before.
            self.state.took_cancelled(&convert::from_short(&stream.tag()));
            let consumer: Box<dyn LinkConsumer> =
                Box::new(LapinConsumer::new(Arc::clone(&self.state), stream));
            Ok(consumer)
        })
    }

    fn basic_cancel<'a>(&'a self, consumer_tag: &'a str) -> LinkFuture<'a, ()> {
        Box::pin(async move {
            self.state.cancels(ShortString::truncated(consumer_tag));
            let call = self.channel().basic_cancel(to_short(consumer_tag)?, Default::default());
            self.state.call(MethodId::BASIC_CANCEL, call).await
        })
    }

    fn basic_get<'a>(&'a self, queue: &'a str, no_ack: NoAck) -> LinkFuture<'a, Option<GetOk>> {
        Box::pin(async move {
            let options = lo::BasicGetOptions { no_ack: no_ack == NoAck::Yes };
            let call = self.channel().basic_get(to_short(queue)?, options);
            let got = self.state.call(MethodId::BASIC_GET, call).await?;
            Ok(got.map(|got| GetOk {
                message_count: got.message_count.into(),
                delivery: convert::delivery(got.delivery),
            }))
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
            let flags = lo::BasicPublishOptions { mandatory: options.mandatory, immediate: false };
            let properties = convert::to_properties(&message.properties);
            let call = self.channel().basic_publish(
                to_short(exchange)?,
                to_short(routing_key)?,
                flags,
                &message.body,
                properties,
            );
            if self.channel().status().confirm() {
                let confirm = self.state.call(MethodId::BASIC_PUBLISH, call).await?;
                let sequence = 1 + self.sequence.fetch_add(1, Ordering::Relaxed);
                self.state.confirm(sequence, confirm).await?;
                return Ok(Some(sequence));
            }
            self.state.call_unanswered(MethodId::BASIC_PUBLISH, call).await?;
            let returned = self.channel().wait_for_confirms();
            for returned in self.state.call(MethodId::BASIC_PUBLISH, returned).await? {
                self.state.tell(ChannelEvent::Returned(Box::new(convert::returned(returned))));
            }
            Ok(None)
        })
    }

    fn basic_ack(&self, delivery_tag: u64, multiple: Multiple) -> LinkFuture<'_, ()> {
        let options = lo::BasicAckOptions { multiple: multiple == Multiple::UpTo };
        let call = self.channel().basic_ack(delivery_tag, options);
        Box::pin(self.state.call_unanswered(MethodId::BASIC_ACK, call))
    }

    fn basic_nack(
        &self,
        delivery_tag: u64,
        multiple: Multiple,
        requeue: Requeue,
    ) -> LinkFuture<'_, ()> {
        let (multiple, requeue) = (multiple == Multiple::UpTo, is_yes(requeue));
        let options = lo::BasicNackOptions { multiple, requeue };
        let call = self.channel().basic_nack(delivery_tag, options);
        Box::pin(self.state.call_unanswered(MethodId::BASIC_NACK, call))
    }

    fn basic_reject(&self, delivery_tag: u64, requeue: Requeue) -> LinkFuture<'_, ()> {
        let options = lo::BasicRejectOptions { requeue: is_yes(requeue) };
        let call = self.channel().basic_reject(delivery_tag, options);
        Box::pin(self.state.call_unanswered(MethodId::BASIC_REJECT, call))
    }

    fn basic_recover(&self) -> LinkFuture<'_, ()> {
        let call = self.channel().basic_recover(lo::BasicRecoverOptions { requeue: true });
        Box::pin(self.state.call(MethodId::BASIC_RECOVER, call))
    }

    fn confirm_select(&self) -> LinkFuture<'_, ()> {
        let call = self.channel().confirm_select(Default::default());
        Box::pin(self.state.call(MethodId::CONFIRM_SELECT, call))
    }

    fn next_event(&self) -> Pin<Box<dyn Future<Output = Option<ChannelEvent>> + Send + '_>> {
        Box::pin(async move { self.events.lock().await.recv().await })
    }

    fn close(&self) -> LinkFuture<'_, ()> {
        Box::pin(async move {
            let call = self.channel().close(200, "OK".into());
            let closed = self.state.call(MethodId::CHANNEL_CLOSE, call).await;
            self.state.end_events();
            closed
        })
    }

    fn close_reason(&self) -> Option<LinkError> {
        let is_closed = self.state.is_closed();
        is_closed.then(|| LinkError::Closed { what: "channel", reason: self.state.reason() })
    }
}
