//! What a connection keeps to, whatever its broker allows.

use std::time::Duration;

use springhare::connection::{AmqpLimits, Link, LinkError};
use springhare_broker::{Clock, NoAck};
use springhare_tests::{amqp_link, eventually, within_limit};

use crate::fake::FakeBroker;
use crate::support::{connect, on_both, publish, send};

#[tokio::test]
async fn a_connection_has_no_more_channels_than_it_asked_for() {
    on_both(async |address| {
        let limits = AmqpLimits { channels: 2, ..AmqpLimits::default() };
        let link = amqp_link(address).with_limits(limits);
        let connection = within_limit("the connection", link.connect("few")).await.unwrap();
        let one = connection.open_channel().await.unwrap();
        let _other = connection.open_channel().await.unwrap();
        let third = connection.open_channel().await.unwrap_err();
        assert!(third.to_string().contains('2'), "{third}");
        one.close().await.unwrap();
        connection.open_channel().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_larger_than_is_taken_ends_the_connection_and_stays_at_the_broker() {
    on_both(async |address| {
        let limits = AmqpLimits { body_bytes: 1000, ..AmqpLimits::default() };
        let link = amqp_link(address).with_limits(limits);
        let small = within_limit("the connection", link.connect("small")).await.unwrap();
        let large = connect(address).await;
        let channel = large.open_channel().await.unwrap();
        let queue = queue_of_nobody(&*channel).await;
        let publisher = large.publisher().await.unwrap();
        for size in [1000, 1001] {
            send(&publisher, publish("", &queue, vec![0; size])).await.unwrap();
        }
        let reader = small.open_channel().await.unwrap();
        let taken = reader.basic_get(&queue, NoAck::Yes).await.unwrap().unwrap();
        assert_eq!(taken.delivery.message.message.body.len(), 1000);
        assert!(reader.basic_get(&queue, NoAck::No).await.is_err());
        let closed = eventually("the connection is closed", async || small.closed()).await;
        assert!(closed.to_string().contains("1001 bytes"), "{closed}");
        let left = eventually("the message is back", async || {
            channel.basic_get(&queue, NoAck::Yes).await.unwrap()
        });
        assert_eq!(left.await.delivery.message.message.body.len(), 1001);
        channel.queue_delete(&queue, Default::default()).await.unwrap();
    })
    .await;
}

/// A queue that all connections see.
async fn queue_of_nobody(
    channel: &dyn springhare::connection::LinkChannel,
) -> springhare_amqp::ShortString {
    let options =
        springhare_broker::QueueDeclareOptions { auto_delete: true, ..Default::default() };
    channel.queue_declare("", options).await.unwrap().queue
}

#[tokio::test]
async fn an_answer_is_waited_for_as_long_as_it_is_said() {
    let broker = FakeBroker::start().await;
    let (clock, hand) = Clock::manual();
    let answer_timeout = Duration::from_secs(2);
    let limits = AmqpLimits { answer_timeout, ..AmqpLimits::default() };
    let link = amqp_link(broker.address()).with_clock(clock).with_limits(limits);
    let (connection, mut peer) = tokio::join!(link.connect("test"), broker.log_in(0));
    let connection = connection.unwrap();
    let (channel, _) = tokio::join!(connection.open_channel(), peer.open_channel());
    let channel = channel.unwrap();
    let (error, ()) = tokio::join!(channel.queue_purge("q"), async {
        // It is on its way before the time is.
        peer.method().await;
        hand.advance(answer_timeout);
    });
    let error = error.unwrap_err();
    let LinkError::TimedOut { operation, after } = &error else { panic!("{error:?}") };
    assert_eq!((*operation, *after), ("queue.purge", answer_timeout));
}
