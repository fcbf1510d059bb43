//! Streams: every consumer reads the same messages, from where it wants to.

use std::collections::VecDeque;
use std::future::poll_fn;

use springhare::connection::{Link, LinkConsumer, LinkError};
use springhare_amqp::{FieldValue, Message};
use springhare_broker::{
    BasicConsumeOptions, ConsumerEnd, Multiple, NoAck, QosScope, QueueDeleteOptions, Requeue,
};
use springhare_tests::{eventually, within_limit};

use crate::confirms::outcome;
use crate::dead_letters::headers;
use crate::features::stream;
use crate::support::{Scene, ended, received, shown, table, text};

contract!(
    from_the_first,
    from_the_last,
    from_the_next,
    from_an_offset,
    from_an_offset_that_is_yet_to_come,
    from_a_time,
    from_an_interval_back,
    every_consumer_reads_everything,
    the_offset_is_told,
    an_acknowledgement_makes_room,
    an_offset_that_is_none,
    without_a_prefetch,
    with_a_channels_prefetch,
    without_acknowledgements,
    nobody_gets,
    nobody_purges,
    a_deleted_one_cancels_its_consumers,
    one_that_is_not_empty_is_deleted,
    a_closed_channel_puts_nothing_back,
);

contract_beyond!(
    an_offset_that_makes_no_sense > "RabbitMQ 3.10 closes the connection with an internal error",
    a_refusal_makes_room_and_puts_nothing_back
        > "RabbitMQ 3.10 closes the connection, 4.0 takes it",
);

/// Declares the case's own stream and publishes the bodies `0` to `count`, without the last: a
/// body is its offset.
async fn streaming<'l>(link: &'l dyn Link, count: u64) -> Scene<'l> {
    let scene = Scene::new(link).await;
    scene.queue_with(scene.name(), stream([])).await;
    append(&scene, 0, count).await;
    scene
}

/// Appends the bodies `from` to `to`, without the last. Each is confirmed before the next: what is
/// appended at once is delivered at once by RabbitMQ, whatever the offset and the prefetch say.
async fn append(scene: &Scene<'_>, from: u64, to: u64) {
    let channel = scene.open().await;
    channel.confirm_select().await.unwrap();
    for body in from..to {
        let message = Message::new(body.to_string());
        channel.basic_publish("", scene.name(), Default::default(), message).await.unwrap();
        outcome(&channel).await;
    }
}

/// Consumes on a channel of its own, on which so many messages may be unacknowledged.
async fn read(
    scene: &Scene<'_>,
    offset: Option<FieldValue>,
    prefetch: u16,
) -> Result<Box<dyn LinkConsumer>, LinkError> {
    let channel = scene.open().await;
    channel.basic_qos(prefetch, Default::default()).await.unwrap();
    channel.basic_consume(scene.name(), "", from(offset)).await
}

fn from(offset: Option<FieldValue>) -> BasicConsumeOptions {
    let arguments = offset.map(|offset| table([("x-stream-offset", offset)])).unwrap_or_default();
    BasicConsumeOptions { arguments, ..Default::default() }
}

fn from_first() -> BasicConsumeOptions {
    from(Some(text("first")))
}

/// What is read from an offset, when so many messages are there.
async fn read_from(scene: &Scene<'_>, offset: FieldValue, count: usize) -> Vec<String> {
    received(&mut read(scene, Some(offset), 100).await.unwrap(), count).await
}

async fn from_the_first(link: &dyn Link) {
    let scene = streaming(link, 3).await;
    assert_eq!(read_from(&scene, text("first"), 3).await, ["0", "1", "2"]);
    // Reading takes nothing out.
    assert_eq!(read_from(&scene, text("first"), 3).await, ["0", "1", "2"]);
}

async fn from_the_last(link: &dyn Link) {
    let scene = streaming(link, 3).await;
    let mut consumer = read(&scene, Some(text("last")), 100).await.unwrap();
    append(&scene, 3, 4).await;
    assert_eq!(received(&mut consumer, 2).await, ["2", "3"]);
}

async fn from_the_next(link: &dyn Link) {
    let scene = streaming(link, 3).await;
    let mut consumers = Vec::new();
    for offset in [Some(text("next")), None] {
        consumers.push(read(&scene, offset, 100).await.unwrap());
    }
    append(&scene, 3, 4).await;
    for consumer in &mut consumers {
        assert_eq!(received(consumer, 1).await, ["3"]);
    }
}

async fn from_an_offset(link: &dyn Link) {
    let scene = streaming(link, 4).await;
    for (offset, expected) in [(0, vec!["0", "1", "2", "3"]), (2, vec!["2", "3"]), (3, vec!["3"])] {
        for offset in [FieldValue::I64(offset), FieldValue::I32(offset.try_into().unwrap())] {
            assert_eq!(read_from(&scene, offset, expected.len()).await, expected);
        }
    }
    let before_the_first = FieldValue::I64(-1);
    assert_eq!(read_from(&scene, before_the_first, 4).await, ["0", "1", "2", "3"]);
}

async fn from_an_offset_that_is_yet_to_come(link: &dyn Link) {
    let scene = streaming(link, 2).await;
    let mut consumer = read(&scene, Some(FieldValue::I64(4)), 100).await.unwrap();
    append(&scene, 2, 6).await;
    assert_eq!(received(&mut consumer, 2).await, ["4", "5"]);
}

async fn from_a_time(link: &dyn Link) {
    let scene = streaming(link, 2).await;
    let (past, future) =
        (FieldValue::Timestamp(1_000_000_000), FieldValue::Timestamp(4_000_000_000));
    assert_eq!(read_from(&scene, past, 2).await, ["0", "1"]);
    let mut consumer = read(&scene, Some(future), 100).await.unwrap();
    append(&scene, 2, 3).await;
    assert_eq!(received(&mut consumer, 1).await, ["2"]);
}

async fn from_an_interval_back(link: &dyn Link) {
    let scene = streaming(link, 2).await;
    for interval in ["1h", "10m", "300s", "5D", "2M", "1Y"] {
        assert_eq!(read_from(&scene, text(interval), 2).await, ["0", "1"], "{interval}");
    }
}

async fn every_consumer_reads_everything(link: &dyn Link) {
    let scene = streaming(link, 2).await;
    let mut first = read(&scene, Some(text("first")), 100).await.unwrap();
    let mut second = read(&scene, Some(FieldValue::I64(1)), 100).await.unwrap();
    append(&scene, 2, 3).await;
    assert_eq!(received(&mut first, 3).await, ["0", "1", "2"]);
    assert_eq!(received(&mut second, 2).await, ["1", "2"]);
}

async fn the_offset_is_told(link: &dyn Link) {
    let scene = streaming(link, 2).await;
    for _ in 0..2 {
        let mut consumer = read(&scene, Some(text("first")), 100).await.unwrap();
        let mut deliveries = VecDeque::new();
        let reading = async {
            while deliveries.len() < 2 {
                poll_fn(|cx| consumer.poll_recv_many(cx, &mut deliveries, 2)).await;
            }
        };
        within_limit("two deliveries", reading).await;
        for (delivery, offset) in deliveries.iter().zip(0..) {
            assert_eq!(shown(delivery), offset.to_string(), "never redelivered");
            let told = headers(delivery).get("x-stream-offset");
            assert_eq!(told, Some(&FieldValue::I64(offset)));
        }
    }
}

async fn an_acknowledgement_makes_room(link: &dyn Link) {
    let scene = streaming(link, 4).await;
    scene.channel.basic_qos(1, Default::default()).await.unwrap();
    let consuming = scene.channel.basic_consume(scene.name(), "a", from_first()).await;
    let mut consumer = consuming.unwrap();
    for (tag, body) in [(1, "0"), (2, "1"), (3, "2"), (4, "3")] {
        assert_eq!(received(&mut consumer, 1).await, [body]);
        scene.channel.basic_ack(tag, Multiple::One).await.unwrap();
    }
}

/// The text of a 406 for an offset.
fn no_offset(queue: &str, offset: &str) -> String {
    let offset = if offset.is_empty() { String::new() } else { format!("\"{offset}\"") };
    format!(
        "PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue '{queue}' in vhost '/': \
         {{invalid_stream_offset_arg,{{longstr,<<{offset}>>}}}}"
    )
}

async fn refused_offsets(scene: &Scene<'_>, offsets: &[&str]) {
    for offset in offsets {
        scene
            .refused(406, &no_offset(scene.name(), offset), async |channel| {
                channel.basic_qos(1, QosScope::Consumer).await?;
                channel.basic_consume(scene.name(), "", from(Some(text(offset)))).await
            })
            .await;
    }
}

async fn an_offset_that_is_none(link: &dyn Link) {
    let scene = streaming(link, 0).await;
    refused_offsets(&scene, &["0", "3", "12"]).await;
}

async fn an_offset_that_makes_no_sense(link: &dyn Link) {
    let scene = streaming(link, 0).await;
    refused_offsets(&scene, &["bogus", "", "xh", "h", "-1h"]).await;
}

fn no_prefetch(queue: &str) -> String {
    format!(
        "PRECONDITION_FAILED - consumer prefetch count is not set for 'queue '{queue}' in vhost \
         '/''"
    )
}

async fn without_a_prefetch(link: &dyn Link) {
    let scene = streaming(link, 0).await;
    let queue = scene.name();
    let text = no_prefetch(queue);
    let none = BasicConsumeOptions::default;
    scene.refused(406, &text, async |c| c.basic_consume(queue, "", none()).await).await;
    let no_ack = || BasicConsumeOptions { no_ack: true, ..none() };
    scene.refused(406, &text, async |c| c.basic_consume(queue, "", no_ack()).await).await;
}

async fn with_a_channels_prefetch(link: &dyn Link) {
    let scene = streaming(link, 0).await;
    let queue = scene.name();
    let text = no_prefetch(queue);
    scene
        .refused(406, &text, async |channel| {
            channel.basic_qos(5, QosScope::Channel).await?;
            channel.basic_consume(queue, "", Default::default()).await
        })
        .await;
}

async fn without_acknowledgements(link: &dyn Link) {
    let scene = streaming(link, 0).await;
    let queue = scene.name();
    let text = format!(
        "NOT_IMPLEMENTED - automatic acknowledgement not supported by stream queues queue \
         '{queue}' in vhost '/'"
    );
    scene
        .connection_refused(540, &text, async |channel| {
            channel.basic_qos(5, QosScope::Consumer).await?;
            let no_ack = BasicConsumeOptions { no_ack: true, ..Default::default() };
            channel.basic_consume(queue, "", no_ack).await
        })
        .await;
}

async fn a_refusal_makes_room_and_puts_nothing_back(link: &dyn Link) {
    let scene = streaming(link, 5).await;
    let channel = &scene.channel;
    channel.basic_qos(1, QosScope::Consumer).await.unwrap();
    let consuming = channel.basic_consume(scene.name(), "", from(Some(text("first")))).await;
    let mut consumer = consuming.unwrap();
    assert_eq!(received(&mut consumer, 1).await, ["0"]);
    channel.basic_nack(1, Multiple::One, Requeue::Yes).await.unwrap();
    assert_eq!(received(&mut consumer, 1).await, ["1"]);
    channel.basic_nack(2, Multiple::One, Requeue::No).await.unwrap();
    assert_eq!(received(&mut consumer, 1).await, ["2"]);
    channel.basic_reject(3, Requeue::Yes).await.unwrap();
    assert_eq!(received(&mut consumer, 1).await, ["3"]);
    channel.basic_reject(4, Requeue::No).await.unwrap();
    assert_eq!(received(&mut consumer, 1).await, ["4"]);
}

async fn nobody_gets(link: &dyn Link) {
    let scene = streaming(link, 1).await;
    let queue = scene.name();
    let text = format!(
        "NOT_IMPLEMENTED - basic.get not supported by stream queues queue '{queue}' in vhost '/'"
    );
    scene.connection_refused(540, &text, async |c| c.basic_get(queue, NoAck::Yes).await).await;
    scene.connection_refused(540, &text, async |c| c.basic_get(queue, NoAck::No).await).await;
}

async fn nobody_purges(link: &dyn Link) {
    let scene = streaming(link, 1).await;
    let queue = scene.name();
    let text = format!(
        "NOT_IMPLEMENTED - queue.purge not supported by stream queues queue '{queue}' in vhost '/'"
    );
    scene.connection_refused(540, &text, async |c| c.queue_purge(queue).await).await;
}

async fn a_deleted_one_cancels_its_consumers(link: &dyn Link) {
    let scene = streaming(link, 0).await;
    let mut consumer = read(&scene, None, 5).await.unwrap();
    let options = QueueDeleteOptions::default();
    scene.channel.queue_delete(scene.name(), options).await.unwrap();
    assert!(ended(&mut consumer).await.is_empty());
    let end = eventually("the consumer is told", async || consumer.end()).await;
    assert_eq!(end, ConsumerEnd::CancelledByBroker);
}

/// RabbitMQ 3.10 looks neither for messages nor for consumers.
async fn one_that_is_not_empty_is_deleted(link: &dyn Link) {
    let scene = streaming(link, 1).await;
    let options = QueueDeleteOptions { if_empty: true, if_unused: true };
    assert_eq!(scene.channel.queue_delete(scene.name(), options).await.unwrap(), 0);
}

async fn a_closed_channel_puts_nothing_back(link: &dyn Link) {
    let scene = streaming(link, 1).await;
    let channel = scene.open().await;
    channel.basic_qos(5, QosScope::Consumer).await.unwrap();
    let consuming = channel.basic_consume(scene.name(), "", from_first()).await;
    let mut consumer = consuming.unwrap();
    let mut next = read(&scene, Some(text("next")), 5).await.unwrap();
    assert_eq!(received(&mut consumer, 1).await, ["0"]);
    channel.close().await.unwrap();
    append(&scene, 1, 2).await;
    assert_eq!(received(&mut next, 1).await, ["1"]);
}
