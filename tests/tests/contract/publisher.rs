//! The publishing path that many callers share.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;

use springhare::connection::{
    Confirmation, Link, LinkPublisher, PublishBatch, PublishCall, PublishError, PublishResult,
};
use springhare_amqp::{Message, ShortString};
use springhare_broker::Publish;
use springhare_tests::within_limit;

use crate::support::Scene;

contract!(
    a_publish_is_done_when_the_broker_has_it,
    one_callers_error_is_nobody_elses,
    a_batch_keeps_its_order,
);

fn publish(exchange: &str, key: &str, body: &str) -> Publish {
    Publish {
        exchange: ShortString::new(exchange).unwrap(),
        routing_key: ShortString::new(key).unwrap(),
        mandatory: true,
        message: Message::new(body.to_owned()),
    }
}

async fn publisher(scene: &Scene<'_>) -> Arc<dyn LinkPublisher> {
    scene.connection.publisher().await.unwrap()
}

async fn send(publisher: &Arc<dyn LinkPublisher>, publish: Publish) -> PublishResult {
    let mut call = PublishCall::new(publish, Confirmation::Awaited);
    within_limit("the publish", poll_fn(|cx| publisher.poll_publish(cx, &mut call))).await
}

async fn send_all(
    publisher: &Arc<dyn LinkPublisher>,
    publishes: impl IntoIterator<Item = Publish>,
) -> VecDeque<PublishResult> {
    let mut batch =
        PublishBatch { publishes: publishes.into_iter().collect(), ..Default::default() };
    within_limit("the batch", poll_fn(|cx| publisher.poll_publish_many(cx, &mut batch))).await;
    batch.results
}

async fn a_publish_is_done_when_the_broker_has_it(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    let publisher = publisher(&scene).await;
    send(&publisher, publish("", scene.name(), "1")).await.unwrap();
    assert_eq!(scene.drain(scene.name()).await, ["1"]);
}

fn assert_no_exchange(result: PublishResult, exchange: &str) {
    let Err(PublishError::NoExchange(error)) = result else { panic!("{result:?}") };
    let text = format!("NOT_FOUND - no exchange '{exchange}' in vhost '/'");
    assert_eq!((error.code().code(), error.text()), (404, text.as_str()));
}

fn assert_unroutable(result: PublishResult, key: &str) {
    let Err(PublishError::Unroutable(returned)) = result else { panic!("{result:?}") };
    assert_eq!((returned.reply_code.code(), returned.reply_text.as_str()), (312, "NO_ROUTE"));
    assert_eq!(returned.routing_key, key);
}

async fn one_callers_error_is_nobody_elses(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, missing) = (scene.name(), &scene.named("missing"));
    scene.queue(queue).await;
    let publisher = publisher(&scene).await;
    let (first, second, third, fourth) = tokio::join!(
        send(&publisher, publish("", queue, "1")),
        send(&publisher, publish(missing, "", "2")),
        send(&publisher, publish("", missing, "3")),
        send(&publisher, publish("", queue, "4")),
    );
    first.unwrap();
    assert_no_exchange(second, missing);
    assert_unroutable(third, missing);
    fourth.unwrap();
    scene.ready(queue, 2).await;
}

async fn a_batch_keeps_its_order(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, missing) = (scene.name(), &scene.named("missing"));
    scene.queue(queue).await;
    let publisher = publisher(&scene).await;
    let publishes = [
        publish("", queue, "1"),
        publish("", missing, "2"),
        publish("", queue, "3"),
        publish(missing, "", "4"),
        publish("", queue, "5"),
    ];
    let mut results = send_all(&publisher, publishes).await.into_iter();
    results.next().unwrap().unwrap();
    assert_unroutable(results.next().unwrap(), missing);
    results.next().unwrap().unwrap();
    assert_no_exchange(results.next().unwrap(), missing);
    results.next().unwrap().unwrap();
    assert!(results.next().is_none());
    assert_eq!(scene.drain(queue).await, ["1", "3", "5"]);
}
