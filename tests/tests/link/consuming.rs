use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;

use springhare::connection::PublishBatch;
use springhare_broker::{BasicConsumeOptions, Multiple, NoAck};
use springhare_tests::{eventually, within_limit};

use crate::support::{connect, on_both, publish, queue};

const MESSAGES: usize = 60_000;
const BODY_BYTES: usize = 1024;

/// Without acknowledgements there is no prefetch: what the consumer does not take stays in the
/// socket and at the broker, and what is asked on the same connection is answered all the same.
#[tokio::test]
async fn a_consumer_that_does_not_read_costs_a_bounded_buffer() {
    on_both(async |address: SocketAddr| {
        let connection = connect(address).await;
        let channel = connection.open_channel().await.unwrap();
        let queue = queue(&*channel).await;
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let mut consumer = channel.basic_consume(&queue, "", options).await.unwrap();
        let publishing = connect(address).await;
        let publisher = publishing.publisher().await.unwrap();
        let all = (0..MESSAGES).map(|_| publish("", &queue, vec![7; BODY_BYTES]));
        let mut batch = PublishBatch { publishes: all.collect(), ..Default::default() };
        let sending = poll_fn(|cx| publisher.poll_publish_many(cx, &mut batch));
        tokio::time::timeout(3 * springhare_tests::LIMIT, sending).await.unwrap();
        assert!(batch.results.iter().all(Result::is_ok));
        // The connection does not read, and answers.
        within_limit("an answer", channel.queue_declare_passive(&queue)).await.unwrap();
        let mut taken = 0;
        let mut buffer = VecDeque::new();
        while taken < MESSAGES {
            let receiving = poll_fn(|cx| consumer.poll_recv_many(cx, &mut buffer, 256));
            taken += within_limit("deliveries", receiving).await;
            buffer.clear();
        }
        assert_eq!(taken, MESSAGES);
    })
    .await;
}

/// Cancelled in the middle of its start, a consumer takes nothing with it.
#[tokio::test]
async fn a_consumer_whose_start_was_given_up_hands_everything_back() {
    on_both(async |address: SocketAddr| {
        let connection = connect(address).await;
        let channel = connection.open_channel().await.unwrap();
        let queue = queue(&*channel).await;
        for number in 0..10 {
            let message = springhare_amqp::Message::new(number.to_string());
            channel.basic_publish("", &queue, Default::default(), message).await.unwrap();
        }
        {
            let mut starting =
                std::pin::pin!(channel.basic_consume(&queue, "", Default::default()));
            // Sent, and not waited for.
            let once =
                poll_fn(|cx| std::task::Poll::Ready(starting.as_mut().poll(cx).is_pending()));
            assert!(once.await);
        }
        eventually("the messages are back", async || {
            let declared = channel.queue_declare_passive(&queue).await.unwrap();
            (declared.message_count == 10 && declared.consumer_count == 0).then_some(())
        })
        .await;
        let got = channel.basic_get(&queue, NoAck::No).await.unwrap().unwrap();
        channel.basic_ack(got.delivery.delivery_tag, Multiple::One).await.unwrap();
    })
    .await;
}

/// Its answer has come, and nobody has looked at it.
#[tokio::test]
async fn a_consumer_whose_start_is_given_up_after_its_answer_hands_everything_back() {
    on_both(async |address: SocketAddr| {
        let connection = connect(address).await;
        let channel = connection.open_channel().await.unwrap();
        let queue = queue(&*channel).await;
        for number in 0..10 {
            let message = springhare_amqp::Message::new(number.to_string());
            channel.basic_publish("", &queue, Default::default(), message).await.unwrap();
        }
        {
            let mut starting =
                std::pin::pin!(channel.basic_consume(&queue, "", Default::default()));
            let once =
                poll_fn(|cx| std::task::Poll::Ready(starting.as_mut().poll(cx).is_pending()));
            assert!(once.await);
            // Answers come in the order of the calls: the consumer's is there with this one.
            channel.queue_declare_passive(&queue).await.unwrap();
        }
        eventually("the messages are back", async || {
            let declared = channel.queue_declare_passive(&queue).await.unwrap();
            (declared.message_count == 10 && declared.consumer_count == 0).then_some(())
        })
        .await;
    })
    .await;
}

/// On several threads: the caller may be at it again before the connection's task is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_closes_its_channel_finds_it_closed() {
    on_both(async |address: SocketAddr| {
        let connection = connect(address).await;
        for _ in 0..300 {
            let channel = connection.open_channel().await.unwrap();
            channel.queue_declare_passive("there-is-none").await.unwrap_err();
            assert!(channel.close_reason().is_some());
        }
    })
    .await;
}
