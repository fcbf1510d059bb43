//! The prefetch that a channel's consumers share (`basic.qos`, `global=true`): credit that comes
//! free in any way reaches whoever waits for it.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use springhare_amqp::{AmqpError, Message};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, Broker, Channel, Consumer, Delivery, Multiple,
    QosScope, QueueDeclareOptions, QueueDeleteOptions,
};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// A channel with this shared prefetch and two queues of `count` messages.
async fn limited(broker: &Broker, prefetch: u16, count: usize) -> Result<Channel, AmqpError> {
    let channel = broker.connect("test")?.open_channel()?;
    channel.basic_qos(prefetch, QosScope::Channel).await?;
    for queue in ["q1", "q2"] {
        channel.queue_declare(queue, QueueDeclareOptions::default()).await?;
        for _ in 0..count {
            let message = Message::new(queue);
            channel.basic_publish("", queue, BasicPublishOptions::default(), message).await?;
        }
    }
    Ok(channel)
}

async fn consume(channel: &Channel, queue: &str) -> Result<Consumer, AmqpError> {
    channel.basic_consume(queue, queue, BasicConsumeOptions::default()).await
}

fn received(consumer: &mut Consumer) -> Option<Delivery> {
    match pin!(consumer.recv()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(delivery) => delivery,
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_cancel_frees_the_credit_of_what_was_not_received() -> Result {
    let broker = Broker::builder().start()?;
    let channel = limited(&broker, 1, 1).await?;
    let first = consume(&channel, "q1").await?;
    let mut second = consume(&channel, "q2").await?;
    assert!(received(&mut second).is_none(), "the first has the credit");
    drop(first);
    assert!(received(&mut second).is_some());
    Ok(())
}

#[tokio::test]
async fn a_deleted_queue_frees_the_credit_of_what_was_not_received() -> Result {
    let broker = Broker::builder().start()?;
    let channel = limited(&broker, 1, 1).await?;
    let first = consume(&channel, "q1").await?;
    let mut second = consume(&channel, "q2").await?;
    channel.queue_delete("q1", QueueDeleteOptions::default()).await?;
    drop(first);
    assert!(received(&mut second).is_some());
    Ok(())
}

#[tokio::test]
async fn what_is_received_after_its_queue_was_deleted_holds_credit_until_it_is_settled() -> Result {
    let broker = Broker::builder().start()?;
    let channel = limited(&broker, 1, 1).await?;
    let mut first = consume(&channel, "q1").await?;
    let mut second = consume(&channel, "q2").await?;
    channel.queue_delete("q1", QueueDeleteOptions::default()).await?;
    let late = received(&mut first).ok_or("it was sent before the queue was deleted")?;
    assert!(received(&mut second).is_none());
    channel.basic_ack(late.delivery_tag, Multiple::One).await?;
    assert!(received(&mut second).is_some());
    Ok(())
}

#[tokio::test]
async fn what_is_received_after_its_queue_was_deleted_is_no_other_queues_message() -> Result {
    let broker = Broker::builder().start()?;
    let channel = limited(&broker, 0, 2).await?;
    let mut first = consume(&channel, "q1").await?;
    channel.queue_delete("q1", QueueDeleteOptions::default()).await?;
    // This consumer's deliveries must not be mixed up with the first one's.
    let mut second = consume(&channel, "q2").await?;
    for _ in 0..2 {
        let late = received(&mut first).ok_or("sent before")?;
        channel
            .basic_nack(late.delivery_tag, Multiple::One, springhare_broker::Requeue::Yes)
            .await?;
    }
    for _ in 0..2 {
        let delivery = received(&mut second).ok_or("a delivery")?;
        assert_eq!(delivery.message.message.body, "q2");
        channel.basic_ack(delivery.delivery_tag, Multiple::One).await?;
    }
    assert!(received(&mut second).is_none());
    assert_eq!(broker.memory_used(), 0);
    Ok(())
}

#[tokio::test]
async fn all_queues_of_a_channel_get_their_turn() -> Result {
    let broker = Broker::builder().start()?;
    let channel = limited(&broker, 1, 50).await?;
    let mut consumers = [consume(&channel, "q1").await?, consume(&channel, "q2").await?];
    let mut dealt = [0, 0];
    for _ in 0..40 {
        for (consumer, dealt) in consumers.iter_mut().zip(&mut dealt) {
            if let Some(delivery) = received(consumer) {
                *dealt += 1;
                channel.basic_ack(delivery.delivery_tag, Multiple::One).await?;
            }
        }
    }
    assert!(dealt.iter().all(|count| *count >= 10), "{dealt:?}");
    Ok(())
}
