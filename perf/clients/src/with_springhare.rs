//! Ours.

use springhare::prelude::*;
use springhare_perf::reading::{EndReport, Reading};

use crate::arguments::Arguments;
use crate::body::body;
use crate::error::ClientError;
use crate::meter::Meter;

#[rabbit_listener(queue = "${perf.queue}", ack = "none")]
async fn unacked(body: Bytes, meter: State<Meter>) {
    meter.handle(&body);
}

#[rabbit_listener(queue = "${perf.queue}", prefetch = 250)]
async fn acked(body: Bytes, meter: State<Meter>) {
    meter.handle(&body);
}

#[rabbit_listener(queue = "${perf.queue}", ack = "manual", prefetch = 250)]
async fn acked_by_hand(
    body: Bytes,
    channel: Channel,
    tag: DeliveryTag,
    meter: State<Meter>,
) -> ListenerResult {
    channel.ack(tag).await?;
    meter.handle(&body);
    Ok(())
}

/// A listener without acks.
pub(crate) async fn auto_ack(run: &Arguments) -> Result<EndReport, ClientError> {
    consume(run, Springhare::builder().listeners(listeners![unacked])).await
}

/// A listener whose messages are acked when it returns.
pub(crate) async fn ack_each(run: &Arguments) -> Result<EndReport, ClientError> {
    consume(run, Springhare::builder().listeners(listeners![acked])).await
}

/// A listener that acks each message itself.
pub(crate) async fn ack_by_hand(run: &Arguments) -> Result<EndReport, ClientError> {
    consume(run, Springhare::builder().listeners(listeners![acked_by_hand])).await
}

async fn consume(
    run: &Arguments,
    builder: springhare::SpringhareBuilder,
) -> Result<EndReport, ClientError> {
    let meter = Meter::start(run)?;
    let builder = builder.url(run.url()).property("perf.queue", &*run.queue);
    let app = builder.manage(meter.clone()).start().await?;
    let report = meter.done().await?;
    app.stop().await?;
    Ok(report)
}

/// `convert_and_send_all`, which has a window of 1,000.
pub(crate) async fn publish(run: &Arguments) -> Result<EndReport, ClientError> {
    let app = Springhare::builder().url(run.url()).listeners(listeners![]).start().await?;
    let rabbit = app.rabbit_template();
    let start = Reading::now(run.broker_pid)?;
    rabbit
        .convert_and_send_all((0..run.messages).map(|sequence| (&run.queue, body(sequence))))
        .await?;
    let end = Reading::now(run.broker_pid)?;
    app.stop().await?;
    Ok(start.until(end, run.messages, 0))
}
