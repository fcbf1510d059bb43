//! Dead letters that come back to where they died: a loop in which nobody rejects anything ends.

use springhare::connection::Link;
use springhare_amqp::{BasicProperties, FieldTable, FieldValue};
use springhare_broker::Requeue;

use crate::dead_letters::deaths;
use crate::features::{number, to_queue};
use crate::support::{Scene, arguments, shown, table, text, with_properties};

contract!(
    to_the_dead_letter_queue_and_back,
    into_itself,
    a_rejection_keeps_it_going,
    a_rejection_before_is_not_enough,
    a_dropped_one_does_not_come_back,
    deaths_that_a_client_published_count,
);

contract_beyond!(
    a_longer_loop_ends > "RabbitMQ 3.10 loses the order of three deaths; 4.0 has it right"
);

/// A queue whose expired messages go to all the queues that are bound to its exchange.
async fn expiring(scene: &Scene<'_>, queue: &str, ttl: i32, targets: &[&str]) {
    let exchange = format!("{queue}-exchange");
    scene.exchange(&exchange, "fanout").await;
    let to = [("x-message-ttl", number(ttl)), ("x-dead-letter-exchange", text(&exchange))];
    scene.queue_with(queue, arguments(to)).await;
    for target in targets {
        if *target != queue {
            scene.queue(target).await;
        }
        scene.bind(target, &exchange, "").await;
    }
}

/// It expires in the main queue, goes to the dead-letter queue, and expires there: that is the end.
async fn to_the_dead_letter_queue_and_back(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (main, dead, witness) = (scene.name(), &scene.named("dead"), &scene.named("witness"));
    let hasty = arguments([("x-message-ttl", number(60))]);
    scene.queue_with(main, to_queue(hasty, dead)).await;
    // What expires in the dead-letter queue would go to the main one, and goes to the witness.
    let exchange = &scene.named("exchange");
    scene.exchange(exchange, "fanout").await;
    let back = [("x-message-ttl", number(60)), ("x-dead-letter-exchange", text(exchange))];
    scene.queue_with(dead, arguments(back)).await;
    scene.queue(witness).await;
    for queue in [main, witness] {
        scene.bind(queue, exchange, "").await;
    }
    scene.publish("", main, "m").await;
    scene.ready(witness, 1).await;
    let died = scene.get(witness).await;
    assert_eq!(reasons(&deaths(&died)), ["expired", "expired"]);
    for queue in [main, dead] {
        assert!(scene.drain(queue).await.is_empty(), "'{queue}' has it no more");
    }
}

fn reasons(deaths: &[FieldTable]) -> Vec<&str> {
    deaths.iter().filter_map(|death| death.get("reason").and_then(FieldValue::as_str)).collect()
}

async fn into_itself(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, witness) = (scene.name(), &scene.named("witness"));
    expiring(&scene, queue, 60, &[queue, witness]).await;
    scene.publish("", queue, "m").await;
    scene.ready(witness, 1).await;
    assert!(scene.drain(queue).await.is_empty(), "once for each queue that it may go to");
    assert_eq!(deaths(&scene.get(witness).await).len(), 1);
}

/// Retrying with a pause, as it is often built.
async fn a_rejection_keeps_it_going(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (main, retry) = (scene.name(), &scene.named("retry"));
    scene.queue_with(main, to_queue(arguments([]), retry)).await;
    scene.queue_with(retry, to_queue(arguments([("x-message-ttl", number(50))]), main)).await;
    scene.publish("", main, "m").await;
    for _ in 0..4 {
        scene.ready(main, 1).await;
        let tag = scene.get(main).await.delivery_tag;
        scene.channel.basic_reject(tag, Requeue::No).await.unwrap();
    }
    scene.ready(main, 1).await;
    let back = scene.get(main).await;
    let counts: Vec<_> =
        deaths(&back).iter().filter_map(|death| death.get("count").cloned()).collect();
    assert_eq!(reasons(&deaths(&back)), ["expired", "rejected"]);
    assert_eq!(counts, [FieldValue::I64(4), FieldValue::I64(4)]);
}

/// What counts is how it died last in the queue that it would come back to.
async fn a_rejection_before_is_not_enough(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, witness) = (scene.name(), &scene.named("witness"));
    expiring(&scene, queue, 150, &[queue, witness]).await;
    scene.publish("", queue, "m").await;
    let tag = scene.get(queue).await.delivery_tag;
    scene.channel.basic_reject(tag, Requeue::No).await.unwrap();
    scene.ready(queue, 1).await;
    scene.ready(witness, 2).await;
    assert!(scene.drain(queue).await.is_empty());
    assert_eq!(reasons(&deaths(&scene.get(witness).await)), ["rejected"]);
    assert_eq!(reasons(&deaths(&scene.get(witness).await)), ["expired", "rejected"]);
}

async fn a_dropped_one_does_not_come_back(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (main, dead, witness) = (scene.name(), &scene.named("dead"), &scene.named("witness"));
    scene.queue_with(main, to_queue(arguments([("x-max-length", number(1))]), dead)).await;
    expiring(&scene, dead, 60, &[witness]).await;
    scene.bind(main, &format!("{dead}-exchange"), "").await;
    scene.publish("", main, "1").await;
    scene.publish("", main, "2").await;
    scene.ready(witness, 1).await;
    let died = scene.get(witness).await;
    assert_eq!(
        (shown(&died), reasons(&deaths(&died))),
        ("1".to_owned(), vec!["expired", "maxlen"])
    );
    assert_eq!(scene.drained(main, 1).await, ["2"]);
}

async fn deaths_that_a_client_published_count(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, target, witness) = (scene.name(), &scene.named("target"), &scene.named("witness"));
    expiring(&scene, queue, 60, &[target, witness]).await;
    for (reason, arrives) in [("expired", false), ("rejected", true), ("nonsense", false)] {
        let death = table([("queue", text(target)), ("reason", text(reason))]);
        let headers = table([("x-death", FieldValue::Array(vec![FieldValue::Table(death)]))]);
        let properties = BasicProperties { headers: Some(headers), ..Default::default() };
        scene.send(queue, with_properties(reason, properties)).await;
        assert_eq!(scene.drained(witness, 1).await, [reason]);
        let arrived = scene.drained(target, arrives.into()).await;
        assert_eq!(arrived, if arrives { vec![reason] } else { vec![] });
    }
}

async fn a_longer_loop_ends(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (main, first, second) = (scene.name(), &scene.named("first"), &scene.named("second"));
    scene.queue_with(main, to_queue(arguments([]), first)).await;
    let hasty = || arguments([("x-message-ttl", number(50))]);
    scene.queue_with(first, to_queue(hasty(), second)).await;
    let witness = &scene.named("witness");
    expiring(&scene, second, 50, &[witness]).await;
    scene.bind(first, &format!("{second}-exchange"), "").await;
    scene.publish("", main, "m").await;
    let tag = scene.get(main).await.delivery_tag;
    scene.channel.basic_reject(tag, Requeue::No).await.unwrap();
    scene.ready(witness, 1).await;
    assert!(scene.drain(first).await.is_empty(), "the rejection was before the loop");
    let died = deaths(&scene.get(witness).await);
    assert_eq!(reasons(&died), ["expired", "expired", "rejected"]);
}
