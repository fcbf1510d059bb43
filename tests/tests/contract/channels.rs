//! Channels and connections, and what ends with them.

use springhare::connection::Link;
use springhare_broker::{Multiple, NoAck};
use springhare_tests::eventually;

use crate::support::{Scene, dealt};

contract!(
    a_closed_channel_does_nothing,
    a_closed_connection_closes_its_channels,
    an_error_gives_back_what_was_delivered,
    one_channel_consumes_from_several_queues,
    channels_do_not_disturb_each_other,
);

async fn a_closed_channel_does_nothing(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    let channel = scene.open().await;
    assert!(channel.close_reason().is_none());
    channel.close().await.unwrap();
    let reason = channel.close_reason().expect("it is closed");
    assert!(reason.amqp().is_none(), "by no error: {reason}");
    assert!(channel.next_event().await.is_none());
    channel.queue_declare_passive(scene.name()).await.unwrap_err();
    channel.basic_ack(1, Multiple::One).await.unwrap_err();
    channel
        .basic_publish("", scene.name(), Default::default(), Default::default())
        .await
        .unwrap_err();
    assert!(scene.drain(scene.name()).await.is_empty());
}

async fn a_closed_connection_closes_its_channels(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let connection = scene.connect().await;
    let channel = connection.open_channel().await.unwrap();
    assert!(connection.closed().is_none());
    connection.close().await.unwrap();
    assert!(connection.closed().is_some());
    connection.open_channel().await.unwrap_err();
    channel.queue_declare("", Default::default()).await.unwrap_err();
    eventually("the channel is closed", async || channel.close_reason()).await;
}

async fn an_error_gives_back_what_was_delivered(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 2).await;
    scene
        .refused(404, "NOT_FOUND - no exchange 'not-there' in vhost '/'", async |channel| {
            channel.basic_get(queue, NoAck::No).await?;
            channel.exchange_declare_passive("not-there").await
        })
        .await;
    scene.ready(queue, 2).await;
    assert_eq!(scene.drain(queue).await, ["1R", "2"]);
    scene.add(queue, 2).await;
    scene
        .connection_refused(
            503,
            "COMMAND_INVALID - unknown exchange type 'nonsense'",
            async |channel| {
                channel.basic_get(queue, NoAck::No).await?;
                channel.exchange_declare("new", "nonsense", Default::default()).await
            },
        )
        .await;
    scene.ready(queue, 2).await;
    assert_eq!(scene.drain(queue).await, ["1R", "2"]);
}

async fn one_channel_consumes_from_several_queues(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (first, second) = (scene.name(), &scene.named("second"));
    scene.fill(first, 2).await;
    scene.fill(second, 2).await;
    let mut consumers = [scene.consume(first, "a").await, scene.consume(second, "b").await];
    assert_eq!(dealt(&mut consumers, 4).await, ["a:1", "b:1", "a:2", "b:2"]);
    // The delivery tags are the channel's: one ack is for both queues.
    scene.channel.basic_ack(3, Multiple::UpTo).await.unwrap();
    let left = async || {
        let mut left = 0;
        for queue in [first, second] {
            left += scene.channel.queue_declare_passive(queue).await.unwrap().message_count;
        }
        (left == 1).then_some(())
    };
    for tag in ["a", "b"] {
        scene.channel.basic_cancel(tag).await.unwrap();
    }
    scene.channel.basic_recover().await.unwrap();
    eventually("one message is back", left).await;
}

async fn channels_do_not_disturb_each_other(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 2).await;
    let other = scene.open().await;
    other.basic_get(queue, NoAck::No).await.unwrap();
    scene.get(queue).await;
    scene.channel.basic_recover().await.unwrap();
    scene.ready(queue, 1).await;
    assert_eq!(scene.drain(queue).await, ["2R"]);
    other.basic_ack(1, Multiple::One).await.unwrap();
}
