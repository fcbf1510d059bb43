//! What the counts in the answers count, and conditional deletes.

use springhare::connection::Link;
use springhare_broker::{NoAck, QueueDeclareOptions, QueueDeleteOptions};

use crate::support::{Scene, received};

contract!(
    declare_get_and_purge_count_what_is_ready,
    get_without_acknowledgement,
    delete_counts_what_is_ready,
    what_a_consumer_holds_is_not_ready,
    deleted_if_unused,
    deleted_if_empty,
    bound_twice_is_bound_once,
);

const IF_UNUSED: QueueDeleteOptions = QueueDeleteOptions { if_unused: true, if_empty: false };
const IF_EMPTY: QueueDeleteOptions = QueueDeleteOptions { if_unused: false, if_empty: true };

async fn declare_get_and_purge_count_what_is_ready(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (channel, queue) = (&scene.channel, scene.name());
    scene.fill(queue, 5).await;
    for left in [4, 3] {
        let got = channel.basic_get(queue, NoAck::No).await.unwrap().expect("a message");
        assert_eq!(got.message_count, left);
    }
    let declared = channel.queue_declare(queue, QueueDeclareOptions::default()).await.unwrap();
    assert_eq!((declared.message_count, declared.consumer_count), (3, 0));
    assert_eq!(channel.queue_purge(queue).await.unwrap(), 3);
    assert_eq!(channel.queue_purge(queue).await.unwrap(), 0);
    // What was delivered is not purged.
    channel.basic_recover().await.unwrap();
    scene.ready(queue, 2).await;
}

async fn get_without_acknowledgement(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (channel, queue) = (&scene.channel, scene.name());
    scene.fill(queue, 2).await;
    for left in [1, 0] {
        let got = channel.basic_get(queue, NoAck::Yes).await.unwrap().expect("a message");
        assert_eq!(got.message_count, left);
        assert!(!got.delivery.redelivered);
    }
    assert!(channel.basic_get(queue, NoAck::Yes).await.unwrap().is_none());
    channel.basic_recover().await.unwrap();
    assert!(channel.basic_get(queue, NoAck::Yes).await.unwrap().is_none());
}

async fn delete_counts_what_is_ready(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.fill(scene.name(), 3).await;
    scene.get(scene.name()).await;
    let deleted = scene.channel.queue_delete(scene.name(), Default::default()).await.unwrap();
    assert_eq!(deleted, 2);
}

async fn what_a_consumer_holds_is_not_ready(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.fill(scene.name(), 2).await;
    let mut consumer = scene.consume(scene.name(), "a").await;
    received(&mut consumer, 2).await;
    let declared = scene.channel.queue_declare_passive(scene.name()).await.unwrap();
    assert_eq!((declared.message_count, declared.consumer_count), (0, 1));
    let deleted = scene.channel.queue_delete(scene.name(), IF_EMPTY).await.unwrap();
    assert_eq!(deleted, 0);
}

async fn deleted_if_unused(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    let _consumer = scene.consume(queue, "a").await;
    let text = format!("PRECONDITION_FAILED - queue '{queue}' in vhost '/' in use");
    scene.refused(406, &text, async |c| c.queue_delete(queue, IF_UNUSED).await).await;
    scene.channel.basic_cancel("a").await.unwrap();
    scene.channel.queue_delete(queue, IF_UNUSED).await.unwrap();
}

async fn deleted_if_empty(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 2).await;
    let text = format!("PRECONDITION_FAILED - queue '{queue}' in vhost '/' not empty");
    scene.refused(406, &text, async |c| c.queue_delete(queue, IF_EMPTY).await).await;
    // Of the two conditions this one is looked at first.
    scene.channel.basic_qos(1, Default::default()).await.unwrap();
    let mut consumer = scene.consume(queue, "a").await;
    received(&mut consumer, 1).await;
    let both = QueueDeleteOptions { if_unused: true, if_empty: true };
    scene.refused(406, &text, async |c| c.queue_delete(queue, both).await).await;
    scene.channel.queue_purge(queue).await.unwrap();
    // An unacknowledged message does not make it full.
    scene.channel.queue_delete(queue, IF_EMPTY).await.unwrap();
}

async fn bound_twice_is_bound_once(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (x, queue) = (&scene.named("x"), scene.name());
    scene.exchange(x, "fanout").await;
    scene.queue(queue).await;
    scene.bind(queue, x, "").await;
    scene.bind(queue, x, "").await;
    scene.bind(queue, x, "other").await;
    scene.publish(x, "any", "1").await;
    assert_eq!(scene.drain(queue).await, ["1"]);
}
