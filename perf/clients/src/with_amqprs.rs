//! amqprs, with its callbacks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use amqprs::callbacks::ChannelCallback;
use amqprs::channel::{
    BasicAckArguments, BasicConsumeArguments, BasicPublishArguments, BasicQosArguments, Channel,
    ConfirmSelectArguments,
};
use amqprs::connection::{Connection, OpenConnectionArguments};
use amqprs::consumer::AsyncConsumer;
use amqprs::{
    Ack, BasicProperties, Cancel, CloseChannel, DELIVERY_MODE_PERSISTENT, Deliver, Nack, Return,
};
use async_trait::async_trait;
use springhare_perf::reading::{EndReport, Reading};
use tokio::sync::Semaphore;

use crate::arguments::{Arguments, PREFETCH, Task, WINDOW};
use crate::body::body;
use crate::confirms::Confirms;
use crate::error::ClientError;
use crate::meter::Meter;

struct Consumer {
    no_ack: bool,
    meter: Meter,
}

#[async_trait]
impl AsyncConsumer for Consumer {
    async fn consume(
        &mut self,
        channel: &Channel,
        deliver: Deliver,
        _: BasicProperties,
        content: Vec<u8>,
    ) {
        if !self.no_ack {
            let ack = BasicAckArguments::new(deliver.delivery_tag(), false);
            if let Err(error) = channel.basic_ack(ack).await {
                eprintln!("amqprs: {error}");
            }
        }
        self.meter.handle(&content);
    }
}

async fn connect(run: &Arguments) -> Result<Connection, ClientError> {
    let (host, port) = (run.address.ip().to_string(), run.address.port());
    let arguments = OpenConnectionArguments::new(&host, port, "guest", "guest");
    Ok(Connection::open(&arguments).await?)
}

/// Consumes until all messages are handled.
pub(crate) async fn consume(run: &Arguments) -> Result<EndReport, ClientError> {
    let no_ack = run.task == Task::AutoAck;
    let connection = connect(run).await?;
    let channel = connection.open_channel(None).await?;
    channel.basic_qos(BasicQosArguments::new(0, PREFETCH, false)).await?;
    let meter = Meter::start(run)?;
    let arguments = BasicConsumeArguments::new(&run.queue, "").manual_ack(!no_ack).finish();
    let consumer = Consumer { no_ack, meter: meter.clone() };
    channel.basic_consume(consumer, arguments).await?;
    let report = meter.done().await?;
    channel.close().await?;
    connection.close().await?;
    Ok(report)
}

/// Gives a place in the window back for every confirm.
struct Publishes {
    window: Arc<Semaphore>,
    confirms: Confirms,
    was_refused: Arc<AtomicBool>,
}

#[async_trait]
impl ChannelCallback for Publishes {
    async fn close(
        &mut self,
        _: &Channel,
        close: CloseChannel,
    ) -> Result<(), amqprs::error::Error> {
        eprintln!("amqprs: the broker closed the channel: {close}");
        self.window.close();
        Ok(())
    }

    async fn cancel(&mut self, _: &Channel, _: Cancel) -> Result<(), amqprs::error::Error> {
        Ok(())
    }

    async fn flow(&mut self, _: &Channel, active: bool) -> Result<bool, amqprs::error::Error> {
        Ok(active)
    }

    async fn publish_ack(&mut self, _: &Channel, ack: Ack) {
        self.window.add_permits(self.confirms.take(ack.delivery_tag(), ack.mutiple()));
    }

    async fn publish_nack(&mut self, _: &Channel, _: Nack) {
        self.was_refused.store(true, Ordering::Relaxed);
        self.window.close();
    }

    async fn publish_return(&mut self, _: &Channel, _: Return, _: BasicProperties, _: Vec<u8>) {
        self.was_refused.store(true, Ordering::Relaxed);
        self.window.close();
    }
}

/// Publishes until all messages are confirmed.
pub(crate) async fn publish(run: &Arguments) -> Result<EndReport, ClientError> {
    let connection = connect(run).await?;
    let channel = connection.open_channel(None).await?;
    let window = Arc::new(Semaphore::new(WINDOW));
    let was_refused = Arc::new(AtomicBool::new(false));
    let callback = Publishes {
        window: window.clone(),
        confirms: Confirms::default(),
        was_refused: was_refused.clone(),
    };
    channel.register_callback(callback).await?;
    channel.confirm_select(ConfirmSelectArguments::new(false)).await?;
    let start = Reading::now(run.broker_pid)?;
    for sequence in 0..run.messages {
        window.acquire().await.map_err(|_| ClientError::Refused)?.forget();
        let properties =
            BasicProperties::default().with_delivery_mode(DELIVERY_MODE_PERSISTENT).finish();
        let arguments = BasicPublishArguments::new("", &run.queue);
        channel.basic_publish(properties, body(sequence), arguments).await?;
    }
    let all = u32::try_from(WINDOW).unwrap_or(u32::MAX);
    let _all_are_confirmed = window.acquire_many(all).await.map_err(|_| ClientError::Refused)?;
    let end = Reading::now(run.broker_pid)?;
    if was_refused.load(Ordering::Relaxed) {
        return Err(ClientError::Refused);
    }
    channel.close().await?;
    connection.close().await?;
    Ok(start.until(end, run.messages, 0))
}
