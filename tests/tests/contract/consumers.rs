//! Starting consumers: tags, exclusiveness, arguments.

use springhare::connection::Link;
use springhare_amqp::FieldValue;
use springhare_broker::{BasicConsumeOptions, NoAck, QueueDeclareOptions};

use crate::support::{Scene, received, table, text};

contract!(
    an_exclusive_consumer_is_alone,
    exclusiveness_ends_with_the_consumer,
    get_beside_an_exclusive_consumer,
    a_tag_is_used_once_per_channel,
    a_tag_may_be_used_again,
    a_tag_chosen_by_the_broker,
    the_priority_is_an_integer,
    no_ack_needs_no_ack,
    the_consumer_count,
);

fn exclusive() -> BasicConsumeOptions {
    BasicConsumeOptions { exclusive: true, ..Default::default() }
}

async fn an_exclusive_consumer_is_alone(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (shared, own) = (&scene.named("shared"), &scene.named("own"));
    scene.queue(shared).await;
    scene.queue(own).await;
    let _shared = scene.consume(shared, "a").await;
    let _own = scene.channel.basic_consume(own, "b", exclusive()).await.unwrap();
    let text = format!("ACCESS_REFUSED - queue '{shared}' in vhost '/' in exclusive use");
    scene.refused(403, &text, async |c| c.basic_consume(shared, "", exclusive()).await).await;
    let text = format!("ACCESS_REFUSED - queue '{own}' in vhost '/' in exclusive use");
    scene.refused(403, &text, async |c| c.basic_consume(own, "", exclusive()).await).await;
    scene.refused(403, &text, async |c| c.basic_consume(own, "", Default::default()).await).await;
}

async fn exclusiveness_ends_with_the_consumer(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    let _first = scene.channel.basic_consume(scene.name(), "a", exclusive()).await.unwrap();
    scene.channel.basic_cancel("a").await.unwrap();
    let _second = scene.channel.basic_consume(scene.name(), "b", exclusive()).await.unwrap();
}

async fn get_beside_an_exclusive_consumer(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    let _consumer = scene.channel.basic_consume(scene.name(), "a", exclusive()).await.unwrap();
    let got = scene.channel.basic_get(scene.name(), NoAck::No).await.unwrap();
    assert!(got.is_none());
}

async fn a_tag_is_used_once_per_channel(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    let text = "NOT_ALLOWED - attempt to reuse consumer tag 'twice'";
    // Looked at before the queue is.
    for second in [queue, "not-there"] {
        scene
            .connection_refused(530, text, async |channel| {
                let _first = channel.basic_consume(queue, "twice", Default::default()).await?;
                channel.basic_consume(second, "twice", Default::default()).await
            })
            .await;
    }
    let other = scene.open().await;
    let _first = scene.consume(queue, "twice").await;
    let _second = other.basic_consume(queue, "twice", Default::default()).await.unwrap();
}

async fn a_tag_may_be_used_again(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    let _first = scene.consume(scene.name(), "again").await;
    scene.channel.basic_cancel("again").await.unwrap();
    let mut second = scene.consume(scene.name(), "again").await;
    scene.publish("", scene.name(), "1").await;
    assert_eq!(received(&mut second, 1).await, ["1"]);
    // A tag that is not there is no error.
    scene.channel.basic_cancel("not-there").await.unwrap();
    scene.channel.basic_cancel("").await.unwrap();
}

async fn a_tag_chosen_by_the_broker(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    let first = scene.consume(scene.name(), "").await;
    let second = scene.consume(scene.name(), "").await;
    let random = first.tag().strip_prefix("amq.ctag-").expect("the broker's prefix");
    assert_eq!(random.len(), 22, "{random}");
    assert_ne!(first.tag(), second.tag());
}

async fn the_priority_is_an_integer(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    let with = |value: FieldValue| BasicConsumeOptions {
        arguments: table([("x-priority", value)]),
        ..Default::default()
    };
    for (value, kind) in [
        (text("5"), "longstr"),
        (FieldValue::F64(1.5), "double"),
        (FieldValue::Boolean(true), "bool"),
        (FieldValue::Void, "void"),
    ] {
        let text = format!(
            "PRECONDITION_FAILED - invalid arg 'x-priority' for queue '{queue}' in vhost '/': \
             \"expected integer, got {kind}\""
        );
        scene.refused(406, &text, async |c| c.basic_consume(queue, "", with(value)).await).await;
    }
    for value in [FieldValue::I32(-5), FieldValue::I8(5), FieldValue::I64(1 << 31)] {
        scene.channel.basic_consume(queue, "", with(value)).await.unwrap();
    }
    let unknown =
        BasicConsumeOptions { arguments: table([("x-foo", text(""))]), ..Default::default() };
    scene.channel.basic_consume(queue, "", unknown).await.unwrap();
}

async fn no_ack_needs_no_ack(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 3).await;
    let no_ack = BasicConsumeOptions { no_ack: true, ..Default::default() };
    // The prefetch does not hold it back either.
    scene.channel.basic_qos(1, Default::default()).await.unwrap();
    let mut consumer = scene.channel.basic_consume(queue, "", no_ack).await.unwrap();
    assert_eq!(received(&mut consumer, 3).await, ["1", "2", "3"]);
    scene.channel.close().await.unwrap();
    let scene = scene.reopened().await;
    assert!(scene.drain(queue).await.is_empty(), "nothing comes back");
    let text = "PRECONDITION_FAILED - unknown delivery tag 1";
    scene
        .refused(406, text, async |channel| {
            channel.basic_publish("", queue, Default::default(), Default::default()).await?;
            channel.basic_get(queue, NoAck::Yes).await?;
            channel.basic_ack(1, Default::default()).await
        })
        .await;
}

async fn the_consumer_count(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    let count = async || {
        let declared = scene.channel.queue_declare(queue, QueueDeclareOptions::default()).await;
        declared.unwrap().consumer_count
    };
    assert_eq!(count().await, 0);
    let _first = scene.consume(queue, "a").await;
    let _second = scene.consume(queue, "b").await;
    assert_eq!(count().await, 2);
    scene.channel.basic_cancel("a").await.unwrap();
    assert_eq!(count().await, 1);
}
