//! An exclusive queue, seen from another connection.

use springhare::connection::Link;
use springhare_amqp::FieldTable;
use springhare_broker::{NoAck, QueueDeclareOptions};

use crate::support::{Router, Scene};

contract!(
    everything_but_publish_and_unbind_is_locked,
    another_connection_may_publish_to_it,
    it_goes_with_its_connection,
    it_outlives_its_channel,
);

fn exclusive() -> QueueDeclareOptions {
    QueueDeclareOptions { exclusive: true, ..Default::default() }
}

async fn everything_but_publish_and_unbind_is_locked(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let q = scene.name();
    let owner = scene.connect().await;
    owner.open_channel().await.unwrap().queue_declare(q, exclusive()).await.unwrap();
    let locked = format!(
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{q}' in vhost '/'. It \
         could be originally declared on another connection or the exclusive property value does \
         not match that of the original declaration."
    );
    let none = QueueDeclareOptions::default;
    scene.refused(405, &locked, async |c| c.queue_declare(q, exclusive()).await).await;
    scene.refused(405, &locked, async |c| c.queue_declare(q, none()).await).await;
    scene.refused(405, &locked, async |c| c.queue_declare_passive(q).await).await;
    scene
        .refused(405, &locked, async |c| c.queue_bind(q, "amq.direct", "", FieldTable::new()).await)
        .await;
    scene.refused(405, &locked, async |c| c.basic_consume(q, "", Default::default()).await).await;
    scene.refused(405, &locked, async |c| c.basic_get(q, NoAck::No).await).await;
    scene.refused(405, &locked, async |c| c.queue_purge(q).await).await;
    scene.refused(405, &locked, async |c| c.queue_delete(q, Default::default()).await).await;
    scene.channel.queue_unbind(q, "amq.direct", "", FieldTable::new()).await.unwrap();
}

async fn another_connection_may_publish_to_it(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue_with(scene.name(), exclusive()).await;
    let other = Scene::new(link).await;
    assert!(Router::new(&other).await.routes("", scene.name()).await);
}

async fn it_goes_with_its_connection(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    let owner = scene.connect().await;
    let channel = owner.open_channel().await.unwrap();
    let options = QueueDeclareOptions { durable: true, ..exclusive() };
    channel.queue_declare(queue, options).await.unwrap();
    owner.close().await.unwrap();
    let gone = format!("NOT_FOUND - no queue '{queue}' in vhost '/'");
    scene.refused(404, &gone, async |c| c.queue_declare_passive(queue).await).await;
}

async fn it_outlives_its_channel(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let channel = scene.open().await;
    channel.queue_declare(scene.name(), exclusive()).await.unwrap();
    channel.close().await.unwrap();
    scene.channel.queue_declare_passive(scene.name()).await.unwrap();
}
