use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use futures_util::FutureExt;
use futures_util::future::join_all;
use springhare::connection::{
    Confirmation, LinkError, LinkPublisher, PublishBatch, PublishCall, PublishError, PublishResult,
};
use springhare_amqp::{BasicProperties, FieldTable, ReplyCode, ShortString};
use springhare_broker::{Broker, ExchangeDeclareOptions, IfUnused, Publish};
use springhare_tests::{Proxy, eventually, within_limit};

use crate::support::{connect, drained, on_both, publish, queue, send, served};

/// Everyone publishes at once, over one connection: some to what is not there.
#[tokio::test]
async fn one_callers_missing_exchange_closes_no_one_elses_publishes() {
    on_both(async |address: SocketAddr| {
        let connection = connect(address).await;
        let channel = connection.open_channel().await.unwrap();
        let queue = queue(&*channel).await;
        let exchange = format!("exchange-{queue}");
        let options = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
        channel.exchange_declare(&exchange, "direct", options).await.unwrap();
        channel.queue_bind(&queue, &exchange, "k", FieldTable::new()).await.unwrap();
        let publisher = connection.publisher().await.unwrap();
        let calls = (0..300).map(|number| {
            let (exchange, key) = match number % 4 {
                0 => ("", queue.as_str()),
                1 => (exchange.as_str(), "k"),
                2 => ("there-is-none", "k"),
                _ => (exchange.as_str(), "nobody"),
            };
            send(&publisher, publish(exchange, key, number.to_string()))
        });
        let results: Vec<PublishResult> = join_all(calls).await;
        for (number, result) in results.into_iter().enumerate() {
            match (number % 4, result) {
                (0 | 1, Ok(())) => {}
                (2, Err(PublishError::NoExchange(error))) => {
                    assert_eq!(error.code(), ReplyCode::NotFound);
                }
                (3, Err(PublishError::Unroutable(returned))) => {
                    assert_eq!(returned.message.body, number.to_string(), "its own comes back");
                }
                (_, result) => panic!("{number}: {result:?}"),
            }
        }
        let mut arrived = drained(&*channel, &queue).await;
        arrived.sort_by_key(|body| body.parse::<usize>().unwrap());
        let expected = (0..300).filter(|number| number % 4 < 2).map(|number| number.to_string());
        assert_eq!(arrived, expected.collect::<Vec<_>>(), "neither lost nor doubled");
    })
    .await;
}

#[tokio::test]
async fn an_exchange_that_is_deleted_later_is_missed_then() {
    on_both(async |address: SocketAddr| {
        let connection = connect(address).await;
        let channel = connection.open_channel().await.unwrap();
        let queue = queue(&*channel).await;
        let exchange = format!("gone-{queue}");
        let options = ExchangeDeclareOptions::default();
        channel.exchange_declare(&exchange, "fanout", options.clone()).await.unwrap();
        channel.queue_bind(&queue, &exchange, "", FieldTable::new()).await.unwrap();
        let publisher = connection.publisher().await.unwrap();
        send(&publisher, publish(&exchange, "", "1")).await.unwrap();
        channel.exchange_delete(&exchange, IfUnused::No).await.unwrap();
        let gone = send(&publisher, publish(&exchange, "", "2")).await.unwrap_err();
        assert!(matches!(gone, PublishError::NoExchange(_)), "{gone:?}");
        channel.exchange_declare(&exchange, "fanout", options).await.unwrap();
        channel.queue_bind(&queue, &exchange, "", FieldTable::new()).await.unwrap();
        send(&publisher, publish(&exchange, "", "3")).await.unwrap();
        channel.exchange_delete(&exchange, IfUnused::No).await.unwrap();
        assert_eq!(drained(&*channel, &queue).await, ["1", "3"]);
    })
    .await;
}

/// What a broker refuses of a message itself closes a channel; nobody else is on it.
#[tokio::test]
async fn a_message_that_is_refused_takes_no_other_with_it() {
    on_both(async |address: SocketAddr| {
        let connection = connect(address).await;
        let channel = connection.open_channel().await.unwrap();
        let queue = queue(&*channel).await;
        let publisher = connection.publisher().await.unwrap();
        let calls = (0..40).map(|number| {
            let mut message = publish("", &queue, number.to_string());
            let text = ShortString::from_static;
            let properties = match number % 4 {
                1 => BasicProperties { user_id: Some(text("somebody")), ..Default::default() },
                2 => BasicProperties { expiration: Some(text("soon")), ..Default::default() },
                _ => BasicProperties::default(),
            };
            message.message.properties = properties.into();
            send(&publisher, message)
        });
        let results: Vec<PublishResult> = join_all(calls).await;
        for (number, result) in results.into_iter().enumerate() {
            match (number % 4, result) {
                (0 | 3, Ok(())) => {}
                (1 | 2, Err(PublishError::Refused(error))) => {
                    assert_eq!(error.code(), ReplyCode::PreconditionFailed, "{error}");
                }
                (_, result) => panic!("{number}: {result:?}"),
            }
        }
        assert_eq!(drained(&*channel, &queue).await.len(), 20);
    })
    .await;
}

/// A batch that goes through several exchanges to one queue.
#[tokio::test]
async fn a_batch_keeps_its_order_whichever_way_it_goes() {
    on_both(async |address: SocketAddr| {
        let connection = connect(address).await;
        let channel = connection.open_channel().await.unwrap();
        let queue = queue(&*channel).await;
        // Of its own: other tests publish to the same broker.
        let exchange = format!("fan-{queue}");
        let options = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
        channel.exchange_declare(&exchange, "fanout", options).await.unwrap();
        channel.queue_bind(&queue, &exchange, "", FieldTable::new()).await.unwrap();
        let publisher = connection.publisher().await.unwrap();
        let all = (0..60).map(|number| match number % 5 {
            0 => publish(&exchange, "", number.to_string()),
            1 => publish("there-is-none", "", number.to_string()),
            _ => publish("", &queue, number.to_string()),
        });
        let mut batch = PublishBatch { publishes: all.collect(), ..Default::default() };
        let publishing = poll_fn(|cx| publisher.poll_publish_many(cx, &mut batch));
        within_limit("the batch", publishing).await;
        let failed = batch.results.iter().enumerate().filter(|(_, result)| result.is_err());
        let failed: Vec<usize> = failed.map(|(index, _)| index).collect();
        assert_eq!(failed, (0..60).filter(|number| number % 5 == 1).collect::<Vec<_>>());
        let expected = (0..60).filter(|number| number % 5 != 1).map(|number| number.to_string());
        assert_eq!(drained(&*channel, &queue).await, expected.collect::<Vec<_>>());
    })
    .await;
}

/// More exchanges than there may be channels for: the idle ones make room.
#[tokio::test]
async fn many_exchanges_share_few_channels() {
    on_both(async |address: SocketAddr| {
        let connection = connect(address).await;
        let channel = connection.open_channel().await.unwrap();
        let queue = queue(&*channel).await;
        let publisher = connection.publisher().await.unwrap();
        let names: Vec<String> = (0..150).map(|number| format!("way-{queue}-{number}")).collect();
        for name in &names {
            let options = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
            channel.exchange_declare(name, "fanout", options).await.unwrap();
            channel.queue_bind(&queue, name, "", FieldTable::new()).await.unwrap();
        }
        let calls = names.iter().map(|name| send(&publisher, publish(name, "", name.clone())));
        for result in join_all(calls).await {
            result.unwrap();
        }
        assert_eq!(drained(&*channel, &queue).await.len(), names.len());
    })
    .await;
}

fn started(publisher: &Arc<dyn LinkPublisher>, publish: Publish) -> PublishCall {
    let mut call = PublishCall::new(publish, Confirmation::Awaited);
    let first = poll_fn(|cx| Poll::Ready(publisher.poll_publish(cx, &mut call)));
    let _ = first.now_or_never();
    call
}

/// No answer can come any more, and it is not known how far the messages came.
#[tokio::test]
async fn what_is_on_its_way_when_the_connection_dies_is_unknown() {
    let (_broker, address) = served(Broker::builder());
    let proxy = Proxy::start(address).await.unwrap();
    let connection = connect(proxy.address()).await;
    let publisher = connection.publisher().await.unwrap();
    let channel = connection.open_channel().await.unwrap();
    let queue = queue(&*channel).await;
    let mut calls: Vec<PublishCall> = (0..20)
        .map(|number| started(&publisher, publish("", &queue, number.to_string())))
        .collect();
    proxy.cut();
    for call in &mut calls {
        let publishing = poll_fn(|cx| publisher.poll_publish(cx, call));
        match within_limit("the publish", publishing).await {
            Ok(()) | Err(PublishError::Unknown(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    eventually("the connection is lost", async || connection.closed()).await;
    let later = send(&publisher, publish("", "q", "")).await.unwrap_err();
    assert!(matches!(later, PublishError::NotSent(_)), "{later:?}");
    let refused = within_limit("an answer", connection.open_channel()).await.unwrap_err();
    assert!(matches!(refused, LinkError::Transport(_)), "{refused:?}");
    within_limit("an answer", channel.queue_purge(&queue)).await.unwrap_err();
}

/// A broker that is above its memory mark takes no messages; acknowledgements of the same program
/// go on, since they go over another connection.
#[tokio::test]
async fn a_blocked_publisher_waits_and_nothing_else_does() {
    let (_broker, address) = served(Broker::builder().memory_high_watermark(200_000));
    let (publishing, consuming) = (connect(address).await, connect(address).await);
    let channel = consuming.open_channel().await.unwrap();
    channel.queue_declare("full", Default::default()).await.unwrap();
    let publisher = publishing.publisher().await.unwrap();
    let body = vec![0_u8; 50_000];
    let mut calls: Vec<PublishCall> =
        (0..12).map(|_| started(&publisher, publish("", "full", body.clone()))).collect();
    let mut taken = 0;
    for call in &mut calls {
        // Each is confirmed once what was before it is taken out of the queue.
        let mut publishing = std::pin::pin!(poll_fn(|cx| publisher.poll_publish(cx, call)));
        loop {
            if let Some(result) = publishing.as_mut().now_or_never() {
                result.unwrap();
                break;
            }
            if let Some(got) =
                within_limit("a get", channel.basic_get("full", springhare_broker::NoAck::No))
                    .await
                    .unwrap()
            {
                let tag = got.delivery.delivery_tag;
                channel.basic_ack(tag, springhare_broker::Multiple::One).await.unwrap();
                taken += 1;
            }
        }
    }
    let left = channel.queue_declare_passive("full").await.unwrap().message_count;
    assert_eq!(taken + left, 12);
}
