//! What is declared and deleted while an application runs, and queues that are somebody else's.

use springhare::prelude::*;
use springhare::{Error, ListenerStatus};
use springhare_broker::{ExchangeDeclareOptions, QueueDeclareOptions};
use springhare_tests::{Tell, eventually, telling};

use crate::place::Place;

application!(
    what_is_declared_by_hand_is_there_and_what_is_deleted_is_not,
    a_declaration_that_contradicts_is_refused_and_changes_nothing,
    a_queue_that_is_somebody_elses_must_be_there_or_is_waited_for,
    a_queue_is_bound_to_an_exchange_that_is_somebody_elses,
    a_lenient_declaration_that_is_refused_keeps_nobody_from_anything,
    a_queue_that_is_deleted_by_hand_stays_away_until_it_is_declared_again,
);

async fn what_is_declared_by_hand_is_there_and_what_is_deleted_is_not(place: &Place) {
    let app = place.builder().listeners(listeners![]).start().await.unwrap();
    let (admin, rabbit) = (app.admin(), app.rabbit_template());
    assert_eq!(admin.queue_info("h.orders").await.unwrap(), None);
    app.declare(Exchange::topic("h.shop")).await.unwrap();
    app.declare(Queue::durable("h.orders")).await.unwrap();
    let binding = || Binding::queue("h.orders").to("h.shop").with("order.*");
    admin.bind(binding()).await.unwrap();
    for body in ["one", "two"] {
        rabbit.convert_and_send(("h.shop", "order.new"), body).mandatory().await.unwrap();
    }
    let info = admin.queue_info("h.orders").await.unwrap().unwrap();
    assert_eq!((info.name.as_str(), info.messages, info.consumers), ("h.orders", 2, 0));
    assert_eq!(admin.purge_queue("h.orders").await.unwrap(), 2);
    admin.unbind(binding()).await.unwrap();
    let unroutable = rabbit.convert_and_send(("h.shop", "order.new"), "x").mandatory().await;
    assert!(matches!(unroutable, Err(Error::Unroutable(_))), "{unroutable:?}");
    rabbit.convert_and_send("h.orders", "three").await.unwrap();
    assert_eq!(admin.delete_queue("h.orders").await.unwrap(), 1);
    assert_eq!(admin.delete_queue("h.orders").await.unwrap(), 0, "it is gone already");
    assert_eq!(admin.queue_info("h.orders").await.unwrap(), None);
    admin.delete_exchange("h.shop").await.unwrap();
    let gone = rabbit.convert_and_send(("h.shop", "order.new"), "x").await;
    assert!(matches!(gone, Err(Error::NoExchange(_))), "{gone:?}");
    let purged = admin.purge_queue("h.orders").await;
    assert!(matches!(purged, Err(Error::Amqp(_))), "{purged:?}");
    app.stop().await.unwrap();
    assert!(matches!(admin.queue_info("h.orders").await, Err(Error::Stopped)));
}

async fn a_declaration_that_contradicts_is_refused_and_changes_nothing(place: &Place) {
    place.channel().await.queue_declare("h.theirs", QueueDeclareOptions::default()).await.unwrap();
    let ours = Queue::durable("h.ours");
    let app = place.builder().listeners(listeners![]).declare(ours).start().await.unwrap();
    for (queue, words) in [
        (Queue::transient("h.ours"), "queue 'h.ours' is defined in two ways"),
        (Queue::durable("h.theirs"), "the broker has it otherwise"),
        (Queue::durable("q".repeat(300)), "at most 255 bytes"),
    ] {
        let error = app.declare(queue).await.unwrap_err();
        assert!(matches!(error, Error::Declaration(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains(words) && text.contains("admin.rs:"), "{text}");
    }
    app.declare(Queue::transient("h.theirs")).await.unwrap();
    app.declare(Queue::durable("h.ours")).await.unwrap();
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "h.bound", queue = "h.bound")]
async fn bound(text: Text, seen: State<Tell<String>>) {
    seen.tell(text.0);
}

async fn a_queue_is_bound_to_an_exchange_that_is_somebody_elses(place: &Place) {
    let (seen, mut texts) = telling::<String>();
    let builder = || {
        let binding = Binding::queue("h.bound").to("h.others").with("order.*");
        place.builder().listeners(listeners![bound]).declare(binding)
    };
    let refused = builder().manage(telling::<String>().0).start().await;
    let text = refused.unwrap_err().to_string();
    for words in [
        "binds queue 'h.bound' to exchange 'h.others' key 'order.*', but",
        "nobody declares exchange 'h.others', and the broker does not have it",
        "admin.rs:",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert_eq!(place.consumers("h.bound").await, None, "nothing is left behind");
    // Of another kind than a listener's, and transient.
    let transient = ExchangeDeclareOptions::default();
    place.channel().await.exchange_declare("h.others", "topic", transient).await.unwrap();
    let app = builder().manage(seen).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send(("h.others", "order.new"), "tea").mandatory().await.unwrap();
    assert_eq!(texts.next().await, "tea");
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "h.guest", queue = "h.elsewhere", declare = false)]
async fn guest(text: Text, seen: State<Tell<String>>) {
    seen.tell(text.0);
}

async fn a_queue_that_is_somebody_elses_must_be_there_or_is_waited_for(place: &Place) {
    let (seen, mut texts) = telling::<String>();
    let refused = place.builder().listeners(listeners![guest]).manage(seen).start().await;
    let text = refused.unwrap_err().to_string();
    for words in ["listener `h.guest` consumes from queue 'h.elsewhere'", "`missing-queues-fatal"] {
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(place.consumers("h.elsewhere").await, None);

    let (seen, mut told) = telling::<String>();
    std::mem::swap(&mut texts, &mut told);
    let app = place
        .builder()
        .listeners(listeners![guest])
        .listener("h.guest", |guest| guest.missing_queues_fatal(false))
        .manage(seen)
        .start()
        .await
        .unwrap();
    eventually("the listener says what it waits for", async || {
        app.health().to_string().contains("h.elsewhere").then_some(())
    })
    .await;
    // A later start waits for it as the first one did.
    app.stop_listener("h.guest").await.unwrap();
    app.start_listener("h.guest").await.unwrap();
    // Not as a listener would have declared it.
    let options = QueueDeclareOptions { auto_delete: true, ..Default::default() };
    place.channel().await.queue_declare("h.elsewhere", options).await.unwrap();
    eventually("it consumes", async || app.health().is_up().then_some(())).await;
    app.rabbit_template().convert_and_send("h.elsewhere", "tea").await.unwrap();
    assert_eq!(texts.next().await, "tea");
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "h.mild", queue = "h.mild", exchange = "h.mild", kind = "fanout", lenient)]
async fn mild(text: Text, seen: State<Tell<String>>) {
    seen.tell(text.0);
}

async fn a_lenient_declaration_that_is_refused_keeps_nobody_from_anything(place: &Place) {
    let (seen, mut texts) = telling::<String>();
    let channel = place.channel().await;
    channel.queue_declare("h.mild", QueueDeclareOptions::default()).await.unwrap();
    channel.queue_declare("h.other", QueueDeclareOptions::default()).await.unwrap();
    let app = place
        .builder()
        .listeners(listeners![mild])
        .declare(Queue::durable("h.other").lenient())
        .manage(seen)
        .start()
        .await
        .unwrap();
    app.rabbit_template().convert_and_send(("h.mild", ""), "tea").await.unwrap();
    assert_eq!(texts.next().await, "tea");
    app.declare(Exchange::topic("h.mild").lenient()).await.unwrap_err();
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "h.doomed", queue = "h.doomed")]
async fn doomed(text: Text, seen: State<Tell<String>>) {
    seen.tell(text.0);
}

async fn a_queue_that_is_deleted_by_hand_stays_away_until_it_is_declared_again(place: &Place) {
    let (seen, mut texts) = telling::<String>();
    let app = place.builder().listeners(listeners![doomed]).manage(seen).start().await.unwrap();
    app.admin().delete_queue("h.doomed").await.unwrap();
    eventually("the listener has tried, and found nothing", async || {
        let health = app.health();
        let status = health.listeners()[0].status();
        let missing = |reason: &String| reason.contains("no queue 'h.doomed'");
        if !matches!(status, ListenerStatus::Recovering { reason } if missing(reason)) {
            return None;
        }
        assert!(!health.is_up(), "{health}");
        Some(())
    })
    .await;
    assert_eq!(place.consumers("h.doomed").await, None);
    app.declare(Queue::durable("h.doomed")).await.unwrap();
    eventually("it consumes again", async || app.health().is_up().then_some(())).await;
    app.rabbit_template().convert_and_send("h.doomed", "tea").await.unwrap();
    assert_eq!(texts.next().await, "tea");
    app.stop().await.unwrap();
}
