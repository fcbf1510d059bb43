//! Publisher confirms and returned messages.

use std::sync::Arc;

use springhare::connection::{Link, LinkChannel};
use springhare_amqp::{BasicProperties, DeliveryMode, FieldValue, ReplyCode, ShortString};
use springhare_broker::{
    BasicPublishOptions, ChannelEvent, ConfirmOutcome, Multiple, ReturnedMessage,
};
use springhare_tests::within_limit;

use crate::support::{Scene, arguments, table, text, with_properties};

contract!(
    every_publish_is_confirmed,
    numbers_start_with_confirm_select,
    an_unroutable_message_is_confirmed,
    a_return_comes_before_its_confirm,
    a_return_without_confirms,
    a_full_queue_refuses,
    a_full_queue_drops_its_head,
);

async fn publish(channel: &Arc<dyn LinkChannel>, key: &str, is_mandatory: bool) -> Option<u64> {
    let options = BasicPublishOptions { mandatory: is_mandatory };
    channel.basic_publish("", key, options, Default::default()).await.unwrap()
}

async fn event(channel: &Arc<dyn LinkChannel>) -> ChannelEvent {
    within_limit("an event", channel.next_event()).await.expect("the channel is open")
}

/// Waits until the publishes 1 to `count` are confirmed, and says how, in their order.
async fn outcomes(channel: &Arc<dyn LinkChannel>, count: usize) -> Vec<ConfirmOutcome> {
    let mut outcomes = vec![None; count];
    while outcomes.contains(&None) {
        let ChannelEvent::Confirmed { delivery_tag, multiple, outcome } = event(channel).await
        else {
            panic!("not a confirm")
        };
        let tag = usize::try_from(delivery_tag).unwrap();
        let from = if multiple == Multiple::UpTo { 0 } else { tag - 1 };
        for slot in outcomes[from..tag].iter_mut().filter(|slot| slot.is_none()) {
            *slot = Some(outcome);
        }
    }
    outcomes.into_iter().flatten().collect()
}

/// Waits for a confirm of one publish, and says of which and how.
pub(crate) async fn outcome(channel: &Arc<dyn LinkChannel>) -> (u64, ConfirmOutcome) {
    match event(channel).await {
        ChannelEvent::Confirmed { delivery_tag, outcome, .. } => (delivery_tag, outcome),
        other => panic!("not a confirm: {other:?}"),
    }
}

async fn every_publish_is_confirmed(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    scene.channel.confirm_select().await.unwrap();
    for number in 1..=5 {
        assert_eq!(publish(&scene.channel, scene.name(), false).await, Some(number));
    }
    assert_eq!(outcomes(&scene.channel, 5).await, [ConfirmOutcome::Ack; 5]);
    scene.ready(scene.name(), 5).await;
}

async fn numbers_start_with_confirm_select(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    assert_eq!(publish(&scene.channel, scene.name(), false).await, None);
    scene.channel.confirm_select().await.unwrap();
    assert_eq!(publish(&scene.channel, scene.name(), false).await, Some(1));
    // A second one changes nothing.
    scene.channel.confirm_select().await.unwrap();
    assert_eq!(publish(&scene.channel, scene.name(), false).await, Some(2));
    assert_eq!(outcomes(&scene.channel, 2).await, [ConfirmOutcome::Ack; 2]);
}

async fn an_unroutable_message_is_confirmed(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.channel.confirm_select().await.unwrap();
    publish(&scene.channel, scene.name(), false).await;
    assert_eq!(outcomes(&scene.channel, 1).await, [ConfirmOutcome::Ack]);
}

async fn a_return_comes_before_its_confirm(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.channel.confirm_select().await.unwrap();
    publish(&scene.channel, scene.name(), true).await;
    let ChannelEvent::Returned(returned) = event(&scene.channel).await else {
        panic!("not the return")
    };
    assert_eq!((returned.reply_code.code(), returned.reply_text.as_str()), (312, "NO_ROUTE"));
    assert_eq!(outcomes(&scene.channel, 1).await, [ConfirmOutcome::Ack]);
}

async fn a_return_without_confirms(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let properties = BasicProperties {
        content_type: Some(ShortString::new("text/plain").unwrap()),
        headers: Some(table([("a", FieldValue::I32(1)), ("b", text("x"))])),
        delivery_mode: Some(DeliveryMode::Persistent),
        correlation_id: Some(ShortString::new("7").unwrap()),
        timestamp: Some(1_700_000_000),
        ..Default::default()
    };
    let message = with_properties("body", properties);
    let options = BasicPublishOptions { mandatory: true };
    let key = scene.name();
    scene.channel.basic_publish("amq.topic", key, options, message.clone()).await.unwrap();
    let ChannelEvent::Returned(returned) = event(&scene.channel).await else {
        panic!("not the return")
    };
    let expected = ReturnedMessage {
        reply_code: ReplyCode::NoRoute,
        reply_text: ShortString::new("NO_ROUTE").unwrap(),
        exchange: ShortString::new("amq.topic").unwrap(),
        routing_key: ShortString::new(key).unwrap(),
        message,
    };
    assert_eq!(*returned, expected);
}

async fn a_full_queue_refuses(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    let limits = [("x-max-length", FieldValue::I32(1)), ("x-overflow", text("reject-publish"))];
    scene.queue_with(queue, arguments(limits)).await;
    scene.channel.confirm_select().await.unwrap();
    for _ in 0..3 {
        publish(&scene.channel, queue, false).await;
    }
    let expected = [ConfirmOutcome::Ack, ConfirmOutcome::Nack, ConfirmOutcome::Nack];
    assert_eq!(outcomes(&scene.channel, 3).await, expected);
    scene.ready(queue, 1).await;
}

async fn a_full_queue_drops_its_head(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue_with(queue, arguments([("x-max-length", FieldValue::I32(2))])).await;
    for body in ["1", "2", "3", "4"] {
        scene.publish("", queue, body).await;
    }
    scene.ready(queue, 2).await;
    assert_eq!(scene.drain(queue).await, ["3", "4"]);
}
