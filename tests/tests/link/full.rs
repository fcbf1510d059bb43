//! Consumers that do not read, on a connection that others use as well.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use springhare::connection::{
    Link, LinkChannel, LinkConnection, LinkConsumer, LinkError, PublishBatch,
};
use springhare_amqp::wire::{encode_body_frame, encode_header_frame, encode_method_frame};
use springhare_broker::{BasicConsumeOptions, Broker, Clock, QosScope};
use springhare_tests::{amqp_link, eventually, within_limit};

use crate::fake::{FakeBroker, deliver};
use crate::support::{connect, publish, queue, send, served};

/// More than wait for a consumer before its connection reads no more.
const MESSAGES: usize = 21_000;

fn no_ack() -> BasicConsumeOptions {
    BasicConsumeOptions { no_ack: true, ..Default::default() }
}

/// A consumer without a prefetch that has taken nothing of all that was delivered to it.
async fn full_consumer(
    address: SocketAddr,
    connection: &Arc<dyn LinkConnection>,
) -> (Arc<dyn LinkChannel>, Box<dyn LinkConsumer>) {
    let channel = connection.open_channel().await.unwrap();
    let queue = queue(&*channel).await;
    let consumer = channel.basic_consume(&queue, "", no_ack()).await.unwrap();
    channel.queue_bind(&queue, "amq.fanout", "", Default::default()).await.unwrap();
    let publishing = connect(address).await;
    let publisher = publishing.publisher().await.unwrap();
    let all = (0..MESSAGES).map(|_| publish("amq.fanout", "", "x"));
    let mut batch = PublishBatch { publishes: all.collect(), ..Default::default() };
    within_limit("the batch", poll_fn(|cx| publisher.poll_publish_many(cx, &mut batch))).await;
    assert!(batch.results.iter().all(Result::is_ok));
    eventually("all is delivered", async || {
        let declared = channel.queue_declare_passive(&queue).await.unwrap();
        (declared.message_count == 0).then_some(())
    })
    .await;
    (channel, consumer)
}

/// Another consumer of the connection gets what is sent to it.
async fn reads(address: SocketAddr, queue: &str, reader: &mut dyn LinkConsumer) {
    let publishing = connect(address).await;
    let publisher = publishing.publisher().await.unwrap();
    send(&publisher, publish("", queue, "hello")).await.unwrap();
    let mut buffer = VecDeque::new();
    let receiving = poll_fn(|cx| reader.poll_recv_many(cx, &mut buffer, 256));
    assert_eq!(within_limit("the other consumer's message", receiving).await, 1);
}

#[tokio::test]
async fn a_channel_whose_mailbox_is_full_closes() {
    let (_broker, address) = served(Broker::builder());
    let connection = connect(address).await;
    let (channel, _consumer) = full_consumer(address, &connection).await;
    within_limit("the close", channel.close()).await.unwrap();
}

#[tokio::test]
async fn a_full_mailbox_of_a_closed_channel_holds_nobody_up() {
    let (_broker, address) = served(Broker::builder());
    let connection = connect(address).await;
    let other = connection.open_channel().await.unwrap();
    let small = queue(&*other).await;
    let mut reader = other.basic_consume(&small, "", no_ack()).await.unwrap();
    let (channel, consumer) = full_consumer(address, &connection).await;
    // Somebody asks something while the channel closes.
    let (closed, declared) = within_limit("the close", async {
        tokio::join!(channel.close(), other.queue_declare_passive(&small))
    })
    .await;
    closed.unwrap();
    declared.unwrap();
    // Its consumer is still there, and then it is not.
    reads(address, &small, &mut *reader).await;
    drop(consumer);
    drop(channel);
    reads(address, &small, &mut *reader).await;
}

/// What a prefetch count bounds is read in any case, however large it is.
#[tokio::test]
async fn a_busy_consumer_with_a_prefetch_holds_up_no_other() {
    let (_broker, address) = served(Broker::builder());
    let connection = connect(address).await;
    let slow = connection.open_channel().await.unwrap();
    let quick = connection.open_channel().await.unwrap();
    let (big, small) = (queue(&*slow).await, queue(&*quick).await);
    slow.basic_qos(250, QosScope::Consumer).await.unwrap();
    let _slow = slow.basic_consume(&big, "", Default::default()).await.unwrap();
    let mut reader = quick.basic_consume(&small, "", Default::default()).await.unwrap();
    let publishing = connect(address).await;
    let publisher = publishing.publisher().await.unwrap();
    slow.queue_bind(&big, "amq.fanout", "", Default::default()).await.unwrap();
    for _ in 0..200 {
        send(&publisher, publish("amq.fanout", "", vec![7; 128 << 10])).await.unwrap();
    }
    reads(address, &small, &mut *reader).await;
}

/// Its answer may never come, and lifts no bound for ever.
#[tokio::test]
async fn a_call_that_was_given_up_leaves_a_full_mailbox_bounded() {
    let broker = FakeBroker::start().await;
    let (clock, hand) = Clock::manual();
    let link = amqp_link(broker.address()).with_clock(clock);
    let (connection, mut peer) = tokio::join!(link.connect("test"), broker.log_in(0));
    let connection = connection.unwrap();
    let (channel, _) = tokio::join!(connection.open_channel(), peer.open_channel());
    let channel = channel.unwrap();
    let starting = channel.basic_consume("q", "c", no_ack());
    let (consumer, ()) = tokio::join!(starting, peer.start_consumer("c"));
    let _consumer = consumer.unwrap();
    let (error, ()) = tokio::join!(channel.queue_purge("q"), async {
        peer.method().await;
        hand.advance(Duration::from_secs(30));
    });
    assert!(matches!(error.unwrap_err(), LinkError::TimedOut { .. }));
    let (mut flood, body) = (BytesMut::new(), vec![7; 8000]);
    // Far more than the mailbox and the sockets hold.
    for number in 1..=8000 {
        encode_method_frame(1, &deliver("c", number), &mut flood);
        encode_header_frame(1, 8000, &Default::default(), &mut flood);
        encode_body_frame(1, &body, &mut flood);
    }
    let sent = peer.send_until_stuck(&flood).await;
    assert!(sent < flood.len(), "all {sent} bytes were taken, and nobody reads them");
    assert!(connection.closed().is_none());
}
