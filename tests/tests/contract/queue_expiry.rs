//! Queues that are deleted when nobody has used them for a while.

use springhare::connection::Link;
use springhare_amqp::FieldValue;
use springhare_broker::{Multiple, NoAck, QueueDeclareOptions};
use springhare_tests::eventually;

use crate::features::{Hourglass, number, to_queue};
use crate::support::{Scene, arguments, ended, table};

contract!(
    nobody_uses_it,
    its_messages_are_just_gone,
    a_consumer_uses_it,
    using_it,
    what_is_no_use,
    a_declaration_that_is_refused_is_no_use,
    what_is_held_is_no_use,
    a_closed_connection_uses_it_no_more,
    one_that_is_auto_delete_too,
);

/// How long such a queue stays unused, in milliseconds.
const EXPIRES: i32 = 400;

/// Rather less: what happens again and again after this time keeps the queue, if it is a use.
const RATHER_LESS: u32 = 120;

/// Rather more: it is gone then.
const RATHER_MORE: u32 = 450;

fn expiring() -> QueueDeclareOptions {
    arguments([("x-expires", number(EXPIRES))])
}

async fn nobody_uses_it(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue_with(scene.name(), expiring()).await;
    scene.is_there(scene.name()).await;
    Hourglass::new(&scene).await.runs(RATHER_MORE).await;
    scene.is_gone(scene.name()).await;
    // The name is free.
    scene.queue(scene.name()).await;
}

async fn its_messages_are_just_gone(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let dead = &scene.named("dead");
    scene.queue(dead).await;
    scene.queue_with(scene.name(), to_queue(expiring(), dead)).await;
    scene.publish("", scene.name(), "1").await;
    Hourglass::new(&scene).await.runs(RATHER_MORE).await;
    scene.is_gone(scene.name()).await;
    scene.ready(dead, 0).await;
}

async fn a_consumer_uses_it(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue_with(scene.name(), expiring()).await;
    let mut consumer = scene.consume(scene.name(), "a").await;
    let hourglass = Hourglass::new(&scene).await;
    hourglass.runs(RATHER_MORE).await;
    scene.is_there(scene.name()).await;
    scene.channel.basic_cancel("a").await.unwrap();
    ended(&mut consumer).await;
    hourglass.runs(RATHER_LESS).await;
    scene.is_there(scene.name()).await;
    hourglass.runs(RATHER_MORE).await;
    scene.is_gone(scene.name()).await;
}

/// A get, even in vain, and a declaration, even a passive one.
async fn using_it(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let names = ["get", "declare", "passive"].map(|use_| scene.named(use_));
    let [got, declared, looked_at] = &names;
    for name in &names {
        scene.queue_with(name, expiring()).await;
    }
    let hourglass = Hourglass::new(&scene).await;
    for _ in 0..4 {
        hourglass.runs(RATHER_LESS).await;
        scene.channel.basic_get(got, NoAck::No).await.unwrap();
        scene.queue_with(declared, expiring()).await;
        scene.channel.queue_declare_passive(looked_at).await.unwrap();
    }
    for name in &names {
        scene.is_there(name).await;
    }
    hourglass.runs(RATHER_MORE).await;
    for name in &names {
        scene.is_gone(name).await;
    }
}

/// Publishing, binding, purging.
async fn what_is_no_use(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let names = ["publish", "bind", "purge"].map(|use_| scene.named(use_));
    let [published, bound, purged] = &names;
    for name in &names {
        scene.queue_with(name, expiring()).await;
    }
    let hourglass = Hourglass::new(&scene).await;
    for number in 1..=2 {
        hourglass.runs(RATHER_LESS).await;
        scene.publish("", published, "1").await;
        scene.bind(bound, "amq.fanout", &number.to_string()).await;
        scene.channel.queue_purge(purged).await.unwrap();
    }
    hourglass.runs(250).await;
    for name in &names {
        scene.is_gone(name).await;
    }
}

async fn a_declaration_that_is_refused_is_no_use(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue_with(queue, expiring()).await;
    let hourglass = Hourglass::new(&scene).await;
    hourglass.runs(200).await;
    let text = format!(
        "PRECONDITION_FAILED - inequivalent arg 'x-expires' for queue '{queue}' in vhost '/': \
         received '500' but current is '{EXPIRES}'"
    );
    let other = arguments([("x-expires", FieldValue::I32(500))]);
    scene.refused(406, &text, async |channel| channel.queue_declare(queue, other).await).await;
    hourglass.runs(250).await;
    scene.is_gone(queue).await;
}

async fn what_is_held_is_no_use(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue_with(scene.name(), expiring()).await;
    scene.publish("", scene.name(), "1").await;
    let held = scene.get(scene.name()).await;
    Hourglass::new(&scene).await.runs(RATHER_MORE).await;
    scene.is_gone(scene.name()).await;
    scene.channel.basic_ack(held.delivery_tag, Multiple::One).await.unwrap();
    scene.channel.basic_recover().await.unwrap();
}

async fn a_closed_connection_uses_it_no_more(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue_with(scene.name(), expiring()).await;
    let other = scene.connect().await;
    let channel = other.open_channel().await.unwrap();
    let _consumer = channel.basic_consume(scene.name(), "a", Default::default()).await.unwrap();
    let hourglass = Hourglass::new(&scene).await;
    hourglass.runs(RATHER_MORE).await;
    scene.is_there(scene.name()).await;
    other.close().await.unwrap();
    eventually("the connection is closed", async || other.closed()).await;
    hourglass.runs(600).await;
    scene.is_gone(scene.name()).await;
}

async fn one_that_is_auto_delete_too(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let arguments = table([("x-expires", number(EXPIRES))]);
    let options = QueueDeclareOptions { auto_delete: true, arguments, ..Default::default() };
    scene.queue_with(scene.name(), options).await;
    Hourglass::new(&scene).await.runs(RATHER_MORE).await;
    scene.is_gone(scene.name()).await;
}
