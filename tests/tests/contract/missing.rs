//! Queues and exchanges that are not there.

use springhare::connection::Link;
use springhare_amqp::FieldTable;
use springhare_broker::{IfUnused, NoAck, QueueDeleteOptions};

use crate::support::Scene;

contract!(
    a_missing_queue,
    a_missing_exchange,
    the_exchange_is_looked_for_first,
    deleting_and_unbinding_what_is_missing,
    no_queue_was_declared,
);

async fn a_missing_queue(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let q = scene.name();
    let missing = format!("NOT_FOUND - no queue '{q}' in vhost '/'");
    scene.refused(404, &missing, async |c| c.queue_declare_passive(q).await).await;
    scene.refused(404, &missing, async |c| c.basic_consume(q, "", Default::default()).await).await;
    scene.refused(404, &missing, async |c| c.basic_get(q, NoAck::No).await).await;
    scene.refused(404, &missing, async |c| c.queue_purge(q).await).await;
    scene
        .refused(404, &missing, async |c| {
            c.queue_bind(q, "amq.direct", "k", FieldTable::new()).await
        })
        .await;
}

async fn a_missing_exchange(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (q, x) = (scene.name(), &scene.named("exchange"));
    scene.queue(q).await;
    let none = FieldTable::new;
    let missing = format!("NOT_FOUND - no exchange '{x}' in vhost '/'");
    scene.refused(404, &missing, async |c| c.exchange_declare_passive(x).await).await;
    scene.refused(404, &missing, async |c| c.queue_bind(q, x, "k", none()).await).await;
    scene
        .refused(404, &missing, async |c| c.exchange_bind(x, "amq.direct", "k", none()).await)
        .await;
    scene
        .refused(404, &missing, async |c| c.exchange_bind("amq.direct", x, "k", none()).await)
        .await;
    scene
        .refused(404, &missing, async |c| {
            c.basic_publish(x, "k", Default::default(), Default::default()).await
        })
        .await;
}

async fn the_exchange_is_looked_for_first(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (x, other) = (&scene.named("exchange"), &scene.named("other"));
    let none = FieldTable::new;
    let missing = format!("NOT_FOUND - no exchange '{x}' in vhost '/'");
    scene.refused(404, &missing, async |c| c.queue_bind(other, x, "k", none()).await).await;
    scene.refused(404, &missing, async |c| c.exchange_bind(other, x, "k", none()).await).await;
}

async fn deleting_and_unbinding_what_is_missing(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (channel, q, x) = (&scene.channel, scene.name(), &scene.named("exchange"));
    let none = FieldTable::new;
    for (if_unused, if_empty) in [(false, false), (true, true)] {
        let options = QueueDeleteOptions { if_unused, if_empty };
        assert_eq!(channel.queue_delete(q, options).await.unwrap(), 0);
    }
    channel.exchange_delete(x, IfUnused::Yes).await.unwrap();
    channel.exchange_delete(x, IfUnused::No).await.unwrap();
    channel.queue_unbind(q, "amq.direct", "k", none()).await.unwrap();
    channel.queue_unbind(q, x, "k", none()).await.unwrap();
    channel.exchange_unbind(x, "amq.direct", "k", none()).await.unwrap();
    channel.exchange_unbind("amq.direct", x, "k", none()).await.unwrap();
    channel.exchange_unbind("amq.direct", "amq.fanout", "k", none()).await.unwrap();
    scene.queue(q).await;
    channel.queue_unbind(q, x, "k", none()).await.unwrap();
    channel.queue_unbind(q, "amq.direct", "k", none()).await.unwrap();
}

/// An empty name is the channel's last declared queue, and here there is none.
async fn no_queue_was_declared(link: &dyn Link) {
    let scene = Scene::new(link).await;
    // Another channel's declaration does not count.
    scene.queue(scene.name()).await;
    let none = FieldTable::new;
    let text = "NOT_FOUND - no previously declared queue";
    let x = "amq.direct";
    scene.refused(404, text, async |c| c.basic_consume("", "", Default::default()).await).await;
    scene.refused(404, text, async |c| c.basic_get("", NoAck::No).await).await;
    scene.refused(404, text, async |c| c.queue_purge("").await).await;
    scene.refused(404, text, async |c| c.queue_delete("", Default::default()).await).await;
    scene.refused(404, text, async |c| c.queue_bind("", x, "k", none()).await).await;
    scene.refused(404, text, async |c| c.queue_bind("", x, "", none()).await).await;
    scene.refused(404, text, async |c| c.queue_unbind("", x, "k", none()).await).await;
    let text = "NOT_FOUND - no queue '' in vhost '/'";
    scene.refused(404, text, async |c| c.queue_declare_passive("").await).await;
}
