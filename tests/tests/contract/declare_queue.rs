//! Declaring a queue that is there already.

use springhare::connection::Link;
use springhare_amqp::FieldValue;
use springhare_broker::QueueDeclareOptions;

use crate::support::{Scene, arguments, text};

contract!(
    the_same_again,
    flags_differ,
    exclusiveness_differs,
    an_argument_differs,
    an_argument_is_new_or_gone,
    arguments_that_are_equivalent,
    the_first_difference_is_named,
    passive_looks_at_the_name_only,
    a_queue_named_by_the_broker,
    the_last_declared_queue,
);

fn none() -> QueueDeclareOptions {
    QueueDeclareOptions::default()
}

/// Declares one queue twice on a connection of its own and returns the second refusal.
async fn inequivalent(
    scene: &Scene<'_>,
    name: &str,
    first: QueueDeclareOptions,
    second: QueueDeclareOptions,
    difference: &str,
) {
    let queue = scene.named(name);
    scene.queue_with(&queue, first).await;
    let (argument, values) = difference.split_once(": ").unwrap();
    let text = format!(
        "PRECONDITION_FAILED - inequivalent arg '{argument}' for queue '{queue}' in vhost '/': \
         {values}"
    );
    scene.refused(406, &text, async |channel| channel.queue_declare(&queue, second).await).await;
}

async fn the_same_again(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let options = QueueDeclareOptions {
        durable: true,
        exclusive: true,
        ..arguments([("x-message-ttl", FieldValue::I32(60_000))])
    };
    scene.queue_with(scene.name(), options.clone()).await;
    let again = scene.channel.queue_declare(scene.name(), options).await.unwrap();
    assert_eq!(again.queue, scene.name());
}

async fn flags_differ(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let durable = QueueDeclareOptions { durable: true, ..none() };
    let auto_delete = QueueDeclareOptions { auto_delete: true, ..none() };
    for (name, first, second, difference) in [
        ("a", none(), durable.clone(), "durable: received 'true' but current is 'false'"),
        ("b", durable, none(), "durable: received 'false' but current is 'true'"),
        ("c", none(), auto_delete.clone(), "auto_delete: received 'true' but current is 'false'"),
        ("d", auto_delete, none(), "auto_delete: received 'false' but current is 'true'"),
    ] {
        inequivalent(&scene, name, first, second, difference).await;
    }
}

async fn exclusiveness_differs(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let exclusive = QueueDeclareOptions { exclusive: true, ..none() };
    let durable = QueueDeclareOptions { durable: true, ..none() };
    for (name, first, second) in [
        ("a", none(), exclusive.clone()),
        ("b", exclusive.clone(), none()),
        ("c", exclusive, durable),
    ] {
        let queue = scene.named(name);
        scene.queue_with(&queue, first).await;
        let locked = format!(
            "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' in vhost \
             '/'. It could be originally declared on another connection or the exclusive \
             property value does not match that of the original declaration."
        );
        scene
            .refused(405, &locked, async |channel| channel.queue_declare(&queue, second).await)
            .await;
    }
}

async fn an_argument_differs(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for (argument, first, second) in [
        ("x-message-ttl", "1", "2"),
        ("x-expires", "10000", "20000"),
        ("x-max-length", "1", "2"),
        ("x-max-length-bytes", "1", "2"),
        ("x-max-priority", "1", "2"),
        ("x-overflow", "drop-head", "reject-publish"),
        ("x-queue-mode", "default", "lazy"),
        ("x-dead-letter-exchange", "a", "b"),
        ("x-single-active-consumer", "true", "false"),
    ] {
        let value = |shown: &str| match (shown.parse(), shown.parse()) {
            (Ok(number), _) => FieldValue::I32(number),
            (_, Ok(flag)) => FieldValue::Boolean(flag),
            _ => text(shown),
        };
        let first_options = arguments([(argument, value(first))]);
        let second_options = arguments([(argument, value(second))]);
        let difference = format!("{argument}: received '{second}' but current is '{first}'");
        inequivalent(&scene, argument, first_options, second_options, &difference).await;
    }
    let key = |key: &str| {
        arguments([("x-dead-letter-exchange", text("x")), ("x-dead-letter-routing-key", text(key))])
    };
    let difference = "x-dead-letter-routing-key: received 'b' but current is 'a'";
    inequivalent(&scene, "key", key("a"), key("b"), difference).await;
}

async fn an_argument_is_new_or_gone(link: &dyn Link) {
    let scene = Scene::new(link).await;
    for (argument, value, shown) in [
        ("x-message-ttl", FieldValue::I8(5), "'5' of type 'byte'"),
        ("x-message-ttl", FieldValue::U8(5), "'5' of type 'unsignedbyte'"),
        ("x-message-ttl", FieldValue::I16(5), "'5' of type 'short'"),
        ("x-message-ttl", FieldValue::U16(5), "'5' of type 'unsignedshort'"),
        ("x-message-ttl", FieldValue::I32(60_000), "'60000' of type 'signedint'"),
        ("x-message-ttl", FieldValue::U32(5), "'5' of type 'unsignedint'"),
        ("x-message-ttl", FieldValue::I64(5), "'5' of type 'long'"),
        ("x-overflow", text("drop-head"), "'drop-head' of type 'longstr'"),
        ("x-dead-letter-exchange", text("a"), "'a' of type 'longstr'"),
        ("x-single-active-consumer", FieldValue::Boolean(true), "'true' of type 'bool'"),
        ("x-single-active-consumer", FieldValue::Boolean(false), "'false' of type 'bool'"),
    ] {
        let with = arguments([(argument, value.clone())]);
        let name = format!("{argument}-{}", value.type_name());
        let gone = format!("{argument}: received none but current is the value {shown}");
        inequivalent(&scene, &format!("{name}-{shown}-gone"), with.clone(), none(), &gone).await;
        let new = format!("{argument}: received the value {shown} but current is none");
        inequivalent(&scene, &format!("{name}-{shown}-new"), none(), with, &new).await;
    }
}

async fn arguments_that_are_equivalent(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let ttl = |value: FieldValue| arguments([("x-message-ttl", value)]);
    let classic = || arguments([("x-queue-type", text("classic"))]);
    for (name, first, second) in [
        ("a", ttl(FieldValue::I32(5)), ttl(FieldValue::I64(5))),
        ("b", ttl(FieldValue::I32(5)), ttl(FieldValue::U8(5))),
        ("c", none(), classic()),
        ("d", classic(), none()),
        ("e", arguments([("x-foo", text("1"))]), arguments([("x-foo", text("2"))])),
        ("f", none(), arguments([("foo", text("2"))])),
    ] {
        let queue = scene.named(name);
        scene.queue_with(&queue, first).await;
        scene.queue_with(&queue, second).await;
    }
}

async fn the_first_difference_is_named(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let difference = "durable: received 'true' but current is 'false'";
    let both = QueueDeclareOptions { durable: true, auto_delete: true, ..none() };
    inequivalent(&scene, "flags", none(), both, difference).await;
    let invalid = arguments([("x-message-ttl", FieldValue::I32(-1))]);
    let flag_and_argument = QueueDeclareOptions { durable: true, ..invalid.clone() };
    inequivalent(&scene, "argument", none(), flag_and_argument, difference).await;
    // An argument that no queue could have is first of all another than the queue has.
    let difference =
        "x-message-ttl: received the value '-1' of type 'signedint' but current is none";
    inequivalent(&scene, "invalid", none(), invalid, difference).await;
}

async fn passive_looks_at_the_name_only(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue_with(scene.name(), QueueDeclareOptions { durable: true, ..none() }).await;
    let declared = scene.channel.queue_declare_passive(scene.name()).await.unwrap();
    assert_eq!(declared.queue, scene.name());
    assert_eq!((declared.message_count, declared.consumer_count), (0, 0));
}

async fn a_queue_named_by_the_broker(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let exclusive = || QueueDeclareOptions { exclusive: true, ..none() };
    let queue = scene.channel.queue_declare("", exclusive()).await.unwrap().queue;
    let random = queue.strip_prefix("amq.gen-").expect("the broker's prefix");
    assert_eq!(random.len(), 22, "{random}");
    scene.channel.queue_declare_passive(&queue).await.unwrap();
    let reserved =
        format!("ACCESS_REFUSED - queue name '{queue}' contains reserved prefix 'amq.*'");
    scene
        .refused(403, &reserved, async |channel| channel.queue_declare(&queue, exclusive()).await)
        .await;
    let other = scene.channel.queue_declare("", exclusive()).await.unwrap().queue;
    assert_ne!(other, queue);
}

/// An empty queue name is the queue that the channel declared last.
async fn the_last_declared_queue(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    // With it an empty key becomes the queue's name.
    scene.bind("", "amq.direct", "").await;
    scene.publish("amq.direct", scene.name(), "1").await;
    assert_eq!(scene.get("").await.delivery_tag, 1);
    // A passive declaration counts, and the name outlives the queue.
    let channel = scene.open().await;
    channel.queue_declare_passive(scene.name()).await.unwrap();
    assert_eq!(channel.queue_purge("").await.unwrap(), 0);
    channel.queue_delete("", Default::default()).await.unwrap();
    let gone = format!("NOT_FOUND - no queue '{}' in vhost '/'", scene.name());
    let name = scene.name();
    scene
        .refused(404, &gone, async |channel| {
            channel.queue_declare(name, none()).await?;
            channel.queue_delete("", Default::default()).await?;
            channel.queue_purge("").await
        })
        .await;
}
