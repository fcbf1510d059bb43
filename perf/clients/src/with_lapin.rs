//! lapin, with its stream of deliveries and the confirms that its publishes return.

use std::collections::VecDeque;

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};
use springhare_perf::reading::{EndReport, Reading};

use crate::arguments::{Arguments, PREFETCH, Task, WINDOW};
use crate::body::body;
use crate::error::ClientError;
use crate::meter::Meter;

/// AMQP's `delivery-mode` of a message that outlives the broker.
const PERSISTENT: u8 = 2;

/// Consumes until all messages are handled.
pub(crate) async fn consume(run: &Arguments) -> Result<EndReport, ClientError> {
    let no_ack = run.task == Task::AutoAck;
    let connection = Connection::connect(&run.url(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let meter = Meter::start(run)?;
    let options = BasicConsumeOptions { no_ack, ..Default::default() };
    let queue = run.queue.as_str().into();
    let mut consumer =
        channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?;
    while !meter.is_done() {
        let delivery = consumer.next().await.ok_or(ClientError::Ended)??;
        if !no_ack {
            delivery.ack(BasicAckOptions::default()).await?;
        }
        meter.handle(&delivery.data);
    }
    let report = meter.report()?;
    connection.close(200, "done".into()).await?;
    Ok(report)
}

/// Publishes until all messages are confirmed.
pub(crate) async fn publish(run: &Arguments) -> Result<EndReport, ClientError> {
    let connection = Connection::connect(&run.url(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let start = Reading::now(run.broker_pid)?;
    let mut waiting = VecDeque::with_capacity(WINDOW);
    for sequence in 0..run.messages {
        if waiting.len() == WINDOW
            && let Some(oldest) = waiting.pop_front()
        {
            check(&oldest.await?)?;
        }
        let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
        let (queue, options) = (run.queue.as_str().into(), BasicPublishOptions::default());
        let sent =
            channel.basic_publish("".into(), queue, options, &body(sequence), properties).await?;
        waiting.push_back(sent);
    }
    for publish in waiting {
        check(&publish.await?)?;
    }
    let end = Reading::now(run.broker_pid)?;
    connection.close(200, "done".into()).await?;
    Ok(start.until(end, run.messages, 0))
}

fn check(confirmation: &Confirmation) -> Result<(), ClientError> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) | Confirmation::Nack(_) | Confirmation::NotRequested => {
            Err(ClientError::Refused)
        }
    }
}
