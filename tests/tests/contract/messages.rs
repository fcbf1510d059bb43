//! A message arrives as it was published.

use springhare::connection::Link;
use springhare_amqp::{BasicProperties, DeliveryMode, FieldValue, Message, ShortString};

use crate::support::{Scene, received, table, text, with_properties};

contract!(every_property_arrives, every_kind_of_header_arrives, no_property_is_added, bodies);

fn short(text: &str) -> Option<ShortString> {
    Some(ShortString::new(text).unwrap())
}

async fn round_trip(scene: &Scene<'_>, message: Message) {
    let queue = scene.name();
    scene.channel.basic_publish("", queue, Default::default(), message.clone()).await.unwrap();
    let delivery = scene.get(queue).await;
    assert_eq!(delivery.message.message, message);
    assert_eq!((delivery.message.exchange.as_str(), &*delivery.message.routing_key), ("", queue));
}

async fn every_property_arrives(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    let properties = BasicProperties {
        content_type: short("application/json"),
        content_encoding: short("gzip"),
        headers: Some(table([("a", FieldValue::I32(1))])),
        delivery_mode: Some(DeliveryMode::Persistent),
        priority: Some(255),
        correlation_id: short("correlation"),
        reply_to: short("reply"),
        expiration: short("60000"),
        message_id: short("id"),
        timestamp: Some(1_700_000_000),
        kind: short("kind"),
        user_id: short("guest"),
        app_id: short("app"),
        cluster_id: short("cluster"),
    };
    round_trip(&scene, with_properties("body", properties)).await;
}

async fn every_kind_of_header_arrives(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    let headers = table([
        ("a", FieldValue::Boolean(true)),
        ("b", FieldValue::I8(-1)),
        ("c", FieldValue::U8(u8::MAX)),
        ("d", FieldValue::I16(i16::MIN)),
        ("e", FieldValue::U16(u16::MAX)),
        ("f", FieldValue::I32(i32::MIN)),
        ("g", FieldValue::U32(u32::MAX)),
        ("h", FieldValue::I64(i64::MIN)),
        ("i", FieldValue::F32(0.5)),
        ("j", FieldValue::F64(0.1)),
        ("k", FieldValue::Decimal { scale: 2, value: 314 }),
        ("l", text("text")),
        ("m", FieldValue::LongString(vec![0xff, 0].into())),
        ("n", FieldValue::Array(vec![FieldValue::I32(1), text("two")])),
        ("o", FieldValue::Timestamp(1_700_000_000)),
        ("p", FieldValue::Table(table([("nested", text("deep"))]))),
        ("q", FieldValue::ByteArray(vec![1, 2].into())),
        ("r", FieldValue::Void),
    ]);
    let properties = BasicProperties { headers: Some(headers), ..Default::default() };
    round_trip(&scene, with_properties("", properties)).await;
}

async fn no_property_is_added(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    round_trip(&scene, Message::new("body")).await;
    let empty = BasicProperties { headers: Some(table([])), ..Default::default() };
    round_trip(&scene, with_properties("", empty)).await;
}

async fn bodies(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    // Of no bytes, of any byte, and of more than a frame.
    for body in [vec![], (0..=255).collect(), vec![7; 300_000]] {
        round_trip(&scene, Message::new(body)).await;
    }
    let mut consumer = scene.consume(queue, "").await;
    scene.publish("", queue, "").await;
    assert_eq!(received(&mut consumer, 1).await, [""]);
}
