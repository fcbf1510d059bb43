//! One client: a queue, its copy, and what is done with them on one channel, so that what is asked
//! for later is done later.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions,
    BasicQosOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
    PublisherConfirm,
};
use tokio::time::timeout;

use crate::Result;
use crate::ledger::{Figures, Found, Ledger};
use crate::payload;

/// How many messages may wait for their confirms.
const WINDOW: usize = 40;

/// How many deliveries may wait for their acknowledgements.
const PREFETCH: u16 = 20;

/// How long the broker may take for anything.
const LIMIT: Duration = Duration::from_secs(60);

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    queue: ShortString,
    copy: ShortString,
    kind: &'static str,
    random: Rng,
    ledger: Ledger,
}

impl Client {
    pub(crate) fn new(number: usize, kind: &'static str, random: Rng) -> Self {
        let queue = format!("drill.{number}").into();
        let copy = format!("drill.{number}.copy").into();
        Self { queue, copy, kind, random, ledger: Ledger::default() }
    }

    pub(crate) fn figures(&self) -> Figures {
        self.ledger.figures()
    }

    /// Declares everything, and holds what is there against what was promised.
    pub(crate) async fn verify(&mut self, url: &str) -> Result {
        let connection = connect(url).await?;
        let channel = connection.create_channel().await?;
        self.declare(&channel).await?;
        let queue = all(&channel, &self.queue).await?;
        let copy = all(&channel, &self.copy).await?;
        self.ledger.verify(&queue, &copy).map_err(|fault| format!("{}: {fault}", self.queue))?;
        // All that was got goes back, unless it is acknowledged on the channel that got it.
        if self.random.bool() && !copy.is_empty() {
            self.empty_copy(&channel, queue.len() + copy.len(), queue.len()).await?;
        }
        connection.close(200, "verified".into()).await?;
        Ok(())
    }

    async fn declare(&self, channel: &Channel) -> Result {
        let exchange = ShortString::from("drill");
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let none = FieldTable::default;
        channel.exchange_declare(exchange.clone(), ExchangeKind::Direct, options, none()).await?;
        let mut arguments = none();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(self.kind.into()));
        if self.kind == "quorum" {
            arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(-1));
        }
        for queue in [&self.queue, &self.copy] {
            let options = QueueDeclareOptions { durable: true, ..Default::default() };
            channel.queue_declare(queue.clone(), options, arguments.clone()).await?;
            let (exchange, key) = (exchange.clone(), self.queue.clone());
            let options = QueueBindOptions::default();
            channel.queue_bind(queue.clone(), exchange, key, options, none()).await?;
        }
        Ok(())
    }

    /// Acknowledges all of the copy, and waits until that is sure: until a message that is published
    /// after it is confirmed.
    async fn empty_copy(&mut self, channel: &Channel, last: usize, kept: usize) -> Result {
        // The queue's come first, and go back to it.
        let back = BasicNackOptions { multiple: true, requeue: true };
        if kept > 0 {
            channel.basic_nack(kept as u64, back).await?;
        }
        channel.basic_ack(last as u64, BasicAckOptions { multiple: true }).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        self.ledger.set_emptied();
        let (number, confirm) = self.publish(channel).await?;
        match timeout(LIMIT, confirm).await?? {
            Confirmation::Ack(_) => self.ledger.confirm(number),
            other => return Err(format!("instead of a confirm: {other:?}").into()),
        }
        Ok(())
    }

    async fn publish(&mut self, channel: &Channel) -> Result<(usize, PublisherConfirm)> {
        let number = self.ledger.send();
        let properties = BasicProperties::default().with_delivery_mode(2);
        let (exchange, key) = ("drill".into(), self.queue.clone());
        let options = BasicPublishOptions::default();
        let content = payload::of(number);
        let sent = channel.basic_publish(exchange, key, options, &content, properties).await?;
        Ok((number, sent))
    }

    /// Publishes and acknowledges until the broker is gone.
    ///
    /// # Errors
    ///
    /// Something is wrong that the broker's end does not explain.
    pub(crate) async fn work(&mut self, url: &str, is_killed: &AtomicBool) -> Result {
        match self.work_until_the_end(url).await {
            Err(_) if is_killed.load(Ordering::SeqCst) => Ok(()),
            Err(error) => Err(format!("{}: before the kill: {error}", self.queue).into()),
            Ok(fault) => Err(format!("{}: {fault}", self.queue).into()),
        }
    }

    /// Returns what is wrong; an error is the broker's end.
    async fn work_until_the_end(&mut self, url: &str) -> Result<String> {
        let connection = connect(url).await?;
        let channel = connection.create_channel().await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
        let mut consumer =
            channel.basic_consume(self.queue.clone(), "drill".into(), options, none).await?;
        let mut confirms = FuturesOrdered::new();
        loop {
            if confirms.len() < WINDOW && self.random.u8(..) < 200 {
                let (number, confirm) = self.publish(&channel).await?;
                confirms.push_back(async move { (number, confirm.await) });
            }
            tokio::select! {
                Some((number, confirmation)) = confirms.next() => match confirmation? {
                    Confirmation::Ack(_) => self.ledger.confirm(number),
                    other => return Ok(format!("instead of a confirm: {other:?}")),
                },
                delivery = consumer.next() => {
                    let delivery = delivery.ok_or("the consumer has ended")??;
                    if let Some(fault) = self.settle(&channel, &delivery).await? {
                        return Ok(fault);
                    }
                }
                () = tokio::task::yield_now(), if confirms.len() < WINDOW => {}
            }
        }
    }

    /// Acknowledges, puts back or keeps a delivery; what is wrong with it.
    async fn settle(&mut self, channel: &Channel, delivery: &Delivery) -> Result<Option<String>> {
        let Some(number) = payload::number(&delivery.data) else {
            return Ok(Some("a delivery is not what was sent".to_owned()));
        };
        match self.random.u8(0..10) {
            0 => {
                let options = BasicNackOptions { requeue: true, ..Default::default() };
                channel.basic_nack(delivery.delivery_tag, options).await?;
            }
            // Kept by this consumer until the end.
            1 => {}
            _ => {
                // Noted first: an acknowledgement may arrive though the call says that it did not.
                self.ledger.ack(number);
                channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await?;
            }
        }
        Ok(None)
    }
}

async fn connect(url: &str) -> Result<Connection> {
    let connecting = Connection::connect(url, ConnectionProperties::default());
    Ok(timeout(LIMIT, connecting).await??)
}

/// All messages of a queue, which are not acknowledged.
async fn all(channel: &Channel, queue: &ShortString) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    let get = || channel.basic_get(queue.clone(), BasicGetOptions::default());
    while let Some(message) = timeout(LIMIT, get()).await?? {
        let number = payload::number(&message.delivery.data);
        let number = number.ok_or_else(|| format!("in {queue}, a message is not whole"))?;
        all.push(Found { number, redelivered: message.delivery.redelivered });
    }
    Ok(all)
}
