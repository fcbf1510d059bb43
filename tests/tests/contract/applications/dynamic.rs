use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use springhare::amqp::FieldTable;
use springhare::prelude::*;
use springhare::{Error, ListenerStatus};
use springhare_broker::QueueDeclareOptions;
use springhare_tests::{Gate, Tell, arrives, telling};

use crate::place::Place;

application!(
    a_listener_that_is_added_gets_what_its_keys_match_until_it_is_removed,
    a_function_is_a_handler_as_a_closure_is_and_its_failures_count,
    a_listener_with_an_attribute_may_be_added_late,
    what_is_wrong_with_a_listener_is_told_and_nothing_of_it_is_left,
    a_listener_that_is_removed_finishes_what_it_holds,
    a_listener_with_a_queue_of_its_own_may_be_added,
    a_running_listener_gets_queues_and_gives_them_up,
    queues_that_cannot_be_added_are_told_and_left_alone,
    a_made_listener_starts_with_its_application_and_as_a_part_of_it,
    what_is_wrong_with_a_made_listener_is_a_fault_of_the_start,
);

type Said = State<Tell<String>>;

async fn a_listener_that_is_added_gets_what_its_keys_match_until_it_is_removed(place: &Place) {
    let (said, mut told) = telling::<String>();
    let app = place.builder().listeners(listeners![]).manage(said).start().await.unwrap();
    let listener = Listener::queue("d.eu")
        .exchange("d.orders")
        .kind("topic")
        .key("eu.#")
        .id("d.added")
        .prefetch(7)
        .concurrency(2)
        .group("d.group")
        .handler(|Text(text): Text, key: RoutingKey, said: Said| async move {
            said.tell(format!("{key}: {text}"));
        });
    let added = app.listeners().add(listener).await.unwrap();
    assert_eq!((added.id(), added.status()), ("d.added", ListenerStatus::Consuming));
    assert_eq!(place.consumers("d.eu").await, Some(2));
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send(("d.orders", "eu.fr"), "tea").await.unwrap();
    let unmatched = rabbit.convert_and_send(("d.orders", "us.ny"), "no").mandatory().await;
    unmatched.unwrap_err();
    assert_eq!(told.next().await, "eu.fr: tea");
    assert_eq!(app.listener_ids().collect::<Vec<_>>(), ["d.added"]);
    assert_eq!(app.health().listeners().len(), 1);
    assert!(app.describe().to_string().contains("d.added"), "{}", app.describe());
    app.stop_group("d.group").await.unwrap();
    app.start_group("d.group").await.unwrap();

    app.listeners().remove("d.added").await.unwrap();
    assert_eq!(place.consumers("d.eu").await, Some(0), "its queue stays");
    assert_eq!(app.listener_ids().count(), 0);
    assert!(!app.describe().to_string().contains("d.added"), "{}", app.describe());
    let gone = app.listeners().remove("d.added").await.unwrap_err();
    assert!(matches!(gone, Error::UnknownListener { .. }), "{gone}");
    rabbit.convert_and_send(("d.orders", "eu.fr"), "later").await.unwrap();
    assert_eq!(place.left("d.eu").await, 1, "its binding stays");
    let again = Listener::queue("d.eu").handler(|Text(text): Text, said: Said| async move {
        said.tell(text);
    });
    app.listeners().add(again).await.unwrap();
    assert_eq!(told.next().await, "later");
    app.stop().await.unwrap();
    assert_eq!(place.consumers("d.eu").await, Some(0), "it stops with the application");
}

/// How often it was called.
#[derive(Debug, Clone, Default)]
struct Calls(Arc<AtomicU32>);

async fn second_time(
    Text(text): Text,
    queue: QueueName,
    calls: State<Calls>,
    said: Said,
) -> ListenerResult {
    if calls.0.fetch_add(1, Ordering::Relaxed) == 0 {
        return Err(ListenerError::msg("not yet"));
    }
    said.tell(format!("{text} of {queue}"));
    Ok(())
}

async fn a_function_is_a_handler_as_a_closure_is_and_its_failures_count(place: &Place) {
    let (said, mut told) = telling::<String>();
    let builder = place.builder().listeners(listeners![]).manage(said).manage(Calls::default());
    let app = builder.start().await.unwrap();
    app.listeners().add(Listener::queue("d.calls").handler(second_time)).await.unwrap();
    let echo = Listener::queue("d.echo").handler(|Text(text): Text| async move { Text(text) });
    app.listeners().add(echo).await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("d.calls", "tea").await.unwrap();
    assert_eq!(told.next().await, "tea of d.calls");
    let reply: String = rabbit.convert_send_and_receive("d.echo", "hello").await.unwrap();
    assert_eq!(reply, "hello");
    rabbit.convert_and_send("d.calls", vec![0xff_u8]).await.unwrap();
    arrives(&rabbit, "d.calls.error").await;
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "d.late", queue = "d.late")]
async fn late(text: Text, said: Said) {
    said.tell(text.0);
}

async fn a_listener_with_an_attribute_may_be_added_late(place: &Place) {
    let (said, mut told) = telling::<String>();
    let app = place.builder().listeners(listeners![]).manage(said).start().await.unwrap();
    app.listeners().add_all(listeners![late]).await.unwrap();
    app.rabbit_template().convert_and_send("d.late", "tea").await.unwrap();
    assert_eq!(told.next().await, "tea");
    let twice = app.listeners().add_all(listeners![late]).await.unwrap_err().to_string();
    assert!(twice.contains("two listeners have the id `d.late`"), "{twice}");
    assert_eq!(place.consumers("d.late").await, Some(1));
    app.stop().await.unwrap();
}

async fn what_is_wrong_with_a_listener_is_told_and_nothing_of_it_is_left(place: &Place) {
    let (said, _told) = telling::<String>();
    let builder = place.builder().listeners(listeners![late]).manage(said);
    let app = builder.start().await.unwrap();
    let channel = place.channel().await;
    let mut arguments = FieldTable::new();
    arguments.insert("x-max-length", 5_i64).unwrap();
    let options = QueueDeclareOptions { durable: true, arguments, ..Default::default() };
    channel.queue_declare("d.theirs", options).await.unwrap();
    let needs_state = Listener::queue("d.new").handler(|_: State<Gate>| async {});
    let taken = Listener::queue("d.new").id("d.late").handler(|| async {});
    let divided = Listener::queue("d.late").id("d.other").exchange("d.x").key("k");
    let pattern = Listener::queue("d.new").exchange("d.x").kind("direct").key("a.*");
    let otherwise = Listener::queues(["d.new", "d.theirs"]).exchange("d.x").key("k");
    let missing = Listener::queue("d.nobodys").declare(false).handler(|| async {});
    for (listener, words) in [
        (needs_state, "needs a `State<"),
        (taken, "two listeners have the id `d.late`"),
        (divided.handler(|| async {}), "with different keys"),
        (pattern.handler(|| async {}), "a direct exchange knows no patterns"),
        (otherwise.handler(|| async {}), "'d.theirs'"),
        (missing, "'d.nobodys', which the broker does not have"),
    ] {
        let error = app.listeners().add(listener).await.unwrap_err();
        let Error::NotAdded(faults) = &error else { panic!("{error}") };
        let text = error.to_string();
        assert!(text.contains(words) && text.contains("dynamic.rs:"), "{text}");
        assert!(!faults.is_empty());
        assert_eq!(app.listener_ids().collect::<Vec<_>>(), ["d.late"], "after {words}");
        for queue in ["d.new", "d.nobodys"] {
            assert_eq!(place.consumers(queue).await, None, "{queue} after {words}");
        }
        let exchange = place.channel().await.exchange_declare_passive("d.x").await;
        exchange.unwrap_err();
    }
    assert_eq!(place.consumers("d.theirs").await, Some(0));
    app.stop().await.unwrap();
    let stopped = app.listeners().add(Listener::queue("d.new").handler(|| async {})).await;
    assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
}

async fn a_listener_that_is_removed_finishes_what_it_holds(place: &Place) {
    let (said, mut told) = telling::<String>();
    let gate = Gate::closed();
    let builder = place.builder().listeners(listeners![]).manage(said).manage(gate.clone());
    let app = Arc::new(builder.start().await.unwrap());
    let slow = Listener::queue("d.slow").handler(
        |Text(text): Text, gate: State<Gate>, said: Said| async move {
            said.tell(text);
            gate.pass().await;
        },
    );
    app.listeners().add(slow).await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..3_u32).map(|n| ("d.slow", n.to_string()))).await.unwrap();
    assert_eq!(told.next().await, "0");
    place.has_left("d.slow", 0).await;
    let removing = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.listeners().remove("d.slow").await }
    });
    place.has_consumers("d.slow", Some(0)).await;
    assert!(!removing.is_finished(), "its handler is at the gate");
    gate.let_through(3);
    springhare_tests::within_limit("the removal", removing).await.unwrap().unwrap();
    assert_eq!((told.next().await, told.next().await), ("1".to_owned(), "2".to_owned()));
    assert_eq!(place.left("d.slow").await, 0);
    app.stop().await.unwrap();
}

async fn a_listener_with_a_queue_of_its_own_may_be_added(place: &Place) {
    let (said, mut told) = telling::<String>();
    let app = place.builder().listeners(listeners![]).manage(said).start().await.unwrap();
    let own = Listener::anonymous().id("d.own").exchange("d.news").kind("fanout");
    let own = own.handler(|Text(text): Text, queue: QueueName, said: Said| async move {
        said.tell(queue.as_str().to_owned());
        said.tell(text);
    });
    app.listeners().add(own).await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send(("d.news", ""), "tea").await.unwrap();
    let queue = told.next().await;
    assert_eq!(told.next().await, "tea");
    app.listeners().remove("d.own").await.unwrap();
    place.has_consumers(&queue, None).await;
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "d.grows", queue = "d.first", concurrency = 2)]
async fn grows(text: Text, queue: QueueName, said: Said) {
    said.tell(format!("{queue}: {}", text.0));
}

async fn a_running_listener_gets_queues_and_gives_them_up(place: &Place) {
    let (said, mut told) = telling::<String>();
    let app = place.builder().listeners(listeners![grows]).manage(said).start().await.unwrap();
    let listener = app.listener("d.grows").unwrap();
    listener.add_queues(["d.second", "d.first", "d.third", "d.second"]).await.unwrap();
    for queue in ["d.first", "d.second", "d.third"] {
        assert_eq!(place.consumers(queue).await, Some(2), "{queue}");
    }
    let rabbit = app.rabbit_template();
    for queue in ["d.third", "d.first", "d.second"] {
        rabbit.convert_and_send(queue, "tea").await.unwrap();
        assert_eq!(told.next().await, format!("{queue}: tea"));
    }
    assert!(app.health().is_up());

    listener.remove_queues(["d.first", "d.third", "d.unknown"]).await.unwrap();
    for queue in ["d.first", "d.third"] {
        place.has_consumers(queue, Some(0)).await;
        rabbit.convert_and_send(queue, "later").await.unwrap();
    }
    assert_eq!(place.consumers("d.second").await, Some(2));
    // What it has now is what it has after a pause and a stop.
    listener.pause().await.unwrap();
    listener.resume().await.unwrap();
    listener.stop().await.unwrap();
    listener.start().await.unwrap();
    assert_eq!(place.consumers("d.first").await, Some(0));
    assert_eq!(place.consumers("d.second").await, Some(2));
    let last = listener.remove_queues(["d.second"]).await.unwrap_err().to_string();
    assert!(last.contains("would have no queue left"), "{last}");

    // To a listener that does not run they are added for its next start.
    listener.stop().await.unwrap();
    listener.add_queues(["d.first"]).await.unwrap();
    assert_eq!(place.consumers("d.first").await, Some(0));
    listener.start().await.unwrap();
    assert_eq!(told.next().await, "d.first: later");
    app.stop().await.unwrap();
    assert_eq!(place.left("d.third").await, 1);
}

#[rabbit_listener(id = "d.merged.a", queue = "d.merged", exchange = "d.m", key = "a")]
async fn merged_a(_text: Text) {}

#[rabbit_listener(id = "d.merged.b", queue = "d.merged", exchange = "d.m", key = "b")]
async fn merged_b(_text: Text) {}

async fn queues_that_cannot_be_added_are_told_and_left_alone(place: &Place) {
    let (said, _told) = telling::<String>();
    let builder = place.builder().listeners(listeners![grows, merged_a, merged_b]).manage(said);
    let app = builder.start().await.unwrap();
    let mut arguments = FieldTable::new();
    arguments.insert("x-max-length", 5_i64).unwrap();
    let options = QueueDeclareOptions { durable: true, arguments, ..Default::default() };
    place.channel().await.queue_declare("d.theirs", options).await.unwrap();
    let listener = app.listener("d.grows").unwrap();
    for (queue, words) in [
        ("d.theirs", "the broker has it otherwise"),
        ("d.merged", "with different keys"),
        ("", "needs a name"),
    ] {
        let error = listener.add_queues(["d.fresh", queue]).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(place.consumers("d.fresh").await, None, "after {words}");
    }
    assert_eq!(place.consumers("d.theirs").await, Some(0));
    assert!(app.health().is_up());
    let merged = app.listener("d.merged.a").unwrap();
    let error = merged.add_queues(["d.fresh"]).await.unwrap_err().to_string();
    assert!(error.contains("shares its consumers with d.merged.b"), "{error}");
    let error = app.listeners().remove("d.merged.a").await.unwrap_err().to_string();
    assert!(error.contains("can't be removed without them"), "{error}");
    app.stop().await.unwrap();
}

#[rabbit_listener(
    id = "d.eu",
    queue = "d.shared",
    exchange = "d.shop",
    kind = "topic",
    key = "eu.#"
)]
async fn of_eu(text: Text, said: Said) {
    said.tell(format!("eu: {}", text.0));
}

/// Its messages are divided between it and one with an attribute, as two with attributes would be.
async fn a_made_listener_starts_with_its_application_and_as_a_part_of_it(place: &Place) {
    let (said, mut told) = telling::<String>();
    let of_us = Listener::queue("d.shared").id("d.us").exchange("d.shop").kind("topic").key("us.#");
    let of_us = of_us.handler(|Text(text): Text, said: Said| async move {
        said.tell(format!("us: {text}"));
    });
    let own = Listener::queue("d.${name}").group("d.made").handler(second_time);
    let builder = place.builder().listeners(listeners![of_eu]).manage(said);
    let builder = builder.manage(Calls::default()).property("name", "own");
    let builder = builder.listener("d.own", |settings| settings.prefetch(3));
    let builder = builder.expect_listeners(["d.us", "d.own", "d.eu"]);
    let app = builder.add_listener(of_us).add_listener(own).start().await.unwrap();
    assert_eq!(app.listener_ids().collect::<Vec<_>>(), ["d.eu", "d.own", "d.us"]);
    let table = app.describe().to_string();
    for words in ["d.own", "d.us", "dynamic.rs:"] {
        assert!(table.contains(words), "{table}");
    }
    let rabbit = app.rabbit_template();
    for (key, expected) in [("us.ny", "us: tea"), ("eu.fr", "eu: tea")] {
        rabbit.convert_and_send(("d.shop", key), "tea").await.unwrap();
        assert_eq!(told.next().await, expected);
    }
    rabbit.convert_and_send("d.own", "tea").await.unwrap();
    assert_eq!(told.next().await, "tea of d.own");
    app.stop_group("d.made").await.unwrap();
    assert_eq!(place.consumers("d.own").await, Some(0));
    app.listeners().remove("d.own").await.unwrap();
    assert_eq!(app.listener_ids().collect::<Vec<_>>(), ["d.eu", "d.us"]);
    app.stop().await.unwrap();
}

async fn what_is_wrong_with_a_made_listener_is_a_fault_of_the_start(place: &Place) {
    let (said, _told) = telling::<String>();
    let builder = place.builder().listeners(listeners![late]).manage(said);
    let builder = builder
        .add_listener(Listener::queue("d.new").handler(|_: State<Gate>| async {}))
        .add_listener(Listener::queue("d.new").id("d.late").handler(|| async {}))
        .add_listener(Listener::queue("d.empty").retry(|retry| retry).handler(|| async {}))
        .expect_listeners(["d.empty"]);
    let error = builder.start().await.unwrap_err();
    let text = error.to_string();
    for words in ["needs a `State<", "two listeners have the id `d.late`", "`retry` says nothing"] {
        assert!(text.contains(words) && text.contains("dynamic.rs:"), "{text}");
    }
    assert!(!text.contains("is expected"), "what is wrong with it is told by itself: {text}");
    for queue in ["d.new", "d.late", "d.empty"] {
        assert_eq!(place.consumers(queue).await, None, "{queue} was declared");
    }
}
