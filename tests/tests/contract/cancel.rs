//! How consumers end, and what becomes of what they hold.

use springhare::connection::Link;
use springhare_amqp::{AmqpError, ErrorScope};
use springhare_broker::{ConsumerEnd, Multiple, Requeue};
use springhare_tests::eventually;

use crate::support::{Scene, dealt, ended, received, shown};

contract!(
    what_a_cancelled_consumer_holds_stays_unacknowledged,
    a_cancelled_consumer_frees_its_prefetch,
    a_cancel_loses_nothing ~ "a delivery may be on its way",
    a_deleted_queue_cancels_its_consumers,
    a_deleted_queue_forgets_what_was_delivered,
    a_dropped_consumer_hands_back_what_it_did_not_receive ~ "a delivery may be on its way",
    a_channel_error_ends_its_consumers,
    a_closed_connection_ends_its_consumers,
);

async fn what_a_cancelled_consumer_holds_stays_unacknowledged(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 3).await;
    scene.channel.basic_qos(2, Default::default()).await.unwrap();
    let mut consumer = scene.consume(queue, "a").await;
    assert_eq!(received(&mut consumer, 2).await, ["1", "2"]);
    scene.channel.basic_cancel("a").await.unwrap();
    scene.ready(queue, 1).await;
    scene.channel.basic_ack(1, Multiple::One).await.unwrap();
    scene.channel.basic_nack(2, Multiple::One, Requeue::Yes).await.unwrap();
    scene.ready(queue, 2).await;
    assert_eq!(scene.drain(queue).await, ["2R", "3"]);
}

async fn a_cancelled_consumer_frees_its_prefetch(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 5).await;
    scene.channel.basic_qos(2, Default::default()).await.unwrap();
    let mut consumer = scene.consume(queue, "a").await;
    assert_eq!(received(&mut consumer, 2).await, ["1", "2"]);
    scene.channel.basic_cancel("a").await.unwrap();
    let mut other = scene.consume(queue, "b").await;
    assert_eq!(received(&mut other, 2).await, ["3", "4"]);
    scene.ready(queue, 1).await;
}

/// What was on its way is received after the cancel, or is in the queue again.
async fn a_cancel_loses_nothing(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 3).await;
    let mut consumer = scene.consume(queue, "a").await;
    scene.ready(queue, 0).await;
    scene.channel.basic_cancel("a").await.unwrap();
    let received = ended(&mut consumer).await;
    assert_eq!(consumer.end(), Some(ConsumerEnd::CancelledByUser));
    for delivery in &received {
        scene.channel.basic_nack(delivery.delivery_tag, Multiple::One, Requeue::Yes).await.unwrap();
    }
    scene.ready(queue, 3).await;
    let marked = received.iter().map(|delivery| shown(delivery) + "R").collect::<Vec<_>>();
    let drained = scene.drain(queue).await;
    assert_eq!(drained[..marked.len()], marked, "only what was received is redelivered");
    assert_eq!(drained[marked.len()..], ["1", "2", "3"][marked.len()..]);
}

async fn a_deleted_queue_cancels_its_consumers(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    let other = scene.open().await;
    for deleting in [&scene.channel, &other] {
        scene.queue(queue).await;
        let mut consumer = scene.consume(queue, "a").await;
        deleting.queue_delete(queue, Default::default()).await.unwrap();
        ended(&mut consumer).await;
        assert_eq!(consumer.end(), Some(ConsumerEnd::CancelledByBroker));
        // The channel goes on, and a second cancel is no error.
        scene.channel.basic_cancel("a").await.unwrap();
    }
}

async fn a_deleted_queue_forgets_what_was_delivered(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 3).await;
    scene.get_many(queue, 2).await;
    let deleted = scene.channel.queue_delete(queue, Default::default()).await.unwrap();
    assert_eq!(deleted, 1, "only ready messages count");
    // The tags are known for all that.
    scene.channel.basic_ack(1, Multiple::One).await.unwrap();
    scene.channel.basic_nack(2, Multiple::One, Requeue::Yes).await.unwrap();
    scene.queue(queue).await;
    assert!(scene.drain(queue).await.is_empty());
}

async fn a_dropped_consumer_hands_back_what_it_did_not_receive(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 3).await;
    let consumer = scene.consume(queue, "a").await;
    scene.ready(queue, 0).await;
    drop(consumer);
    scene.ready(queue, 3).await;
    let consumers = async || {
        let count = scene.channel.queue_declare_passive(queue).await.unwrap().consumer_count;
        (count == 0).then_some(())
    };
    eventually("the consumer is gone", consumers).await;
    let mut other = scene.consume(queue, "b").await;
    assert_eq!(received(&mut other, 3).await.len(), 3);
}

async fn a_channel_error_ends_its_consumers(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, other) = (scene.name(), &scene.named("other"));
    scene.fill(queue, 1).await;
    scene.queue(other).await;
    let mut consumers = [scene.consume(queue, "a").await, scene.consume(other, "b").await];
    assert_eq!(dealt(&mut consumers, 1).await, ["a:1"]);
    scene.channel.basic_ack(7, Multiple::One).await.unwrap_err();
    for consumer in &mut consumers {
        ended(consumer).await;
        let Some(ConsumerEnd::Closed(reason)) = consumer.end() else {
            panic!("{:?}", consumer.end())
        };
        assert_closed_by_the_unknown_tag(&reason);
    }
    let scene = scene.reopened().await;
    scene.ready(scene.name(), 1).await;
    assert_eq!(scene.drain(scene.name()).await, ["1R"]);
}

fn assert_closed_by_the_unknown_tag(reason: &AmqpError) {
    assert_eq!(reason.text(), "PRECONDITION_FAILED - unknown delivery tag 7");
    assert_eq!(reason.scope(), ErrorScope::Channel);
}

async fn a_closed_connection_ends_its_consumers(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 2).await;
    let connection = scene.connect().await;
    let channel = connection.open_channel().await.unwrap();
    let mut consumer = channel.basic_consume(queue, "a", Default::default()).await.unwrap();
    assert_eq!(received(&mut consumer, 2).await, ["1", "2"]);
    connection.close().await.unwrap();
    ended(&mut consumer).await;
    scene.ready(queue, 2).await;
    assert_eq!(scene.drain(queue).await, ["1R", "2R"]);
}
