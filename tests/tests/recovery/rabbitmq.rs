//! The same on a real RabbitMQ, whose locks, restarts and operator are not ours.

use springhare::prelude::*;
use springhare::{ApplicationEvent, RabbitTemplate, Startup};
use springhare_tests::{Proxy, RabbitMq, amqp_link, eventually, is_left_out, within_limit};
use tokio::task::block_in_place;

use crate::support::{Tell, Told, has_lost_its_connection, is_down, telling};

#[rabbit_listener(id = "work", queue = "work", concurrency = 2)]
async fn work(text: Text, seen: State<Tell<(String, String)>>) {
    seen.tell(("work".to_owned(), text.0));
}

#[rabbit_listener(id = "fan", exchange = "news", kind = "fanout", concurrency = 2)]
async fn fan(text: Text, queue: QueueName, seen: State<Tell<(String, String)>>) {
    seen.tell((queue.as_str().to_owned(), text.0));
}

/// Publishes to each listener until the broker takes it, waits for both, and returns the fan's queue.
/// What was not acknowledged before a loss may come again.
async fn both_work(
    rabbit: &RabbitTemplate,
    told: &mut Told<(String, String)>,
    round: &str,
) -> String {
    for route in [("", "work"), ("news", "")] {
        let what = format!("the message to {route:?} is taken");
        eventually(&what, async || rabbit.convert_and_send(route, round).await.ok()).await;
    }
    let (mut work, mut fan) = (None, None);
    loop {
        let (queue, text) = told.next().await;
        if text == round {
            let place = if queue == "work" { &mut work } else { &mut fan };
            *place = Some(queue);
        }
        if let (Some(_), Some(fan)) = (&work, &fan) {
            return fan.clone();
        }
    }
}

async fn is_up(app: &Springhare) {
    eventually("all listeners consume", async || app.health().is_up().then_some(())).await;
}

/// The node shows each connection of the application by the name that it has, and what it is for.
fn has_named_connections(node: &RabbitMq, name: &str) {
    let shown = node.node().evaluate_text(
        "io_lib:format(\"~0p\", [rabbit_networking:connection_info_all([client_properties])])",
    );
    let shown = shown.unwrap();
    for what_for in ["listeners", "publisher", "template"] {
        assert!(shown.contains(&format!("<<\"{name} {what_for}\">>")), "{shown}");
    }
}

/// While the node has an alarm it takes no messages, and both are told.
async fn hears_of_an_alarm(
    node: &RabbitMq,
    sender: &Springhare,
    told: &mut Told<(String, String)>,
) {
    let alarm = |what: &str| {
        let evaluated = block_in_place(|| node.node().evaluate(&format!("rabbit_alarm:{what}")));
        evaluated.unwrap();
    };
    let mut events = sender.events();
    let mut next = async || loop {
        match within_limit("an event", events.next()).await.unwrap() {
            ApplicationEvent::Blocked { connection, .. } => return (connection, "blocked"),
            ApplicationEvent::Unblocked { connection, .. } => return (connection, "unblocked"),
            _ => {}
        }
    };
    alarm("set_alarm({{resource_limit, memory, node()}, []})");
    let rabbit = sender.rabbit_template();
    let sending = tokio::spawn(async move { rabbit.convert_and_send("work", "held back").await });
    assert_eq!(next().await, ("publisher".to_owned(), "blocked"));
    assert!(!sending.is_finished());
    alarm("clear_alarm({resource_limit, memory, node()})");
    assert_eq!(next().await, ("publisher".to_owned(), "unblocked"));
    sending.await.unwrap().unwrap();
    while told.next().await.1 != "held back" {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_outlives_what_happens_to_rabbitmq() {
    if is_left_out() {
        return;
    }
    let mut node = block_in_place(RabbitMq::start).unwrap();
    let proxy = Proxy::start(node.address()).await.unwrap();
    let (seen, mut told) = telling::<(String, String)>();
    let builder = Springhare::builder().link(amqp_link(proxy.address()));
    let app = builder.listeners(listeners![work, fan]).manage(seen).start().await.unwrap();
    // It is on no proxy, so that it tells the node's losses from the line's.
    let sender = Springhare::builder().link(amqp_link(node.address())).listeners(listeners![]);
    let sender = sender.name("shop").startup(Startup::Fail).start().await.unwrap();
    let rabbit = sender.rabbit_template();
    let mut queues = vec![both_work(&rabbit, &mut told, "before").await];

    rabbit.receive("work").await.unwrap();
    block_in_place(|| has_named_connections(&node, "shop"));
    hears_of_an_alarm(&node, &sender, &mut told).await;

    // To the node the old connection lives on, and keeps its queue locked.
    proxy.refuse();
    proxy.cut_clients();
    is_down(&app).await;
    proxy.resume();
    is_up(&app).await;
    // Half of what is sent would go to the consumers of the dead connection.
    app.stop_listener("work").await.unwrap();
    let mut events = app.events();
    proxy.cut();
    has_lost_its_connection(&mut events).await;
    is_up(&app).await;
    app.start_listener("work").await.unwrap();

    let closed = block_in_place(|| node.node().close_all_connections("by its operator"));
    assert!(closed.unwrap() > 0);
    // It may be back before the operator's command has ended.
    has_lost_its_connection(&mut events).await;
    is_up(&app).await;
    queues.push(both_work(&rabbit, &mut told, "closed").await);

    block_in_place(|| node.kill()).unwrap();
    is_down(&app).await;
    block_in_place(|| node.start_again()).unwrap();
    is_up(&app).await;
    queues.push(both_work(&rabbit, &mut told, "killed").await);
    assert!(queues.iter().all(|queue| queue.starts_with("springhare.gen-")), "{queues:?}");
    queues.dedup();
    assert_eq!(queues.len(), 3, "{queues:?}");
    app.stop().await.unwrap();
    sender.stop().await.unwrap();
}
