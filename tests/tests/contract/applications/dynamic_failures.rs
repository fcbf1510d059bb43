//! Listeners that are made while the program runs do where their handlers fail what the attribute's do.

use std::time::Duration;

use springhare::prelude::*;
use springhare::{AcknowledgeMode, ListenerBuilder, PartitionBy, PartitionKey, Recover};
use springhare_tests::{Gate, Tell, Told, arrives, header_text, telling};

use crate::place::Place;

application!(
    what_is_made_is_called_again_in_memory_and_given_up_where_it_says,
    what_is_made_waits_at_the_broker_between_its_deliveries,
    what_is_made_has_so_many_deliveries_and_so_much_time,
    what_is_made_is_left_alone_after_its_failures,
    what_is_made_keeps_the_order_of_a_key,
    what_is_made_acknowledges_by_hand_first_or_never,
    what_a_made_listener_can_not_mean_is_told,
);

type Said = State<Tell<String>>;

const MILLI: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

async fn start(place: &Place) -> (Springhare, Told<String>, Gate) {
    let (said, told) = telling::<String>();
    let gate = Gate::closed();
    let builder = place.builder().listeners(listeners![]).manage(said).manage(gate.clone());
    let builder = builder.declare(Exchange::topic("m.failed")).declare(Queue::durable("m.failed"));
    let bound = Binding::queue("m.failed").to("m.failed").with("given.up");
    (builder.declare(bound).start().await.unwrap(), told, gate)
}

/// Tells which call with which delivery it is, and fails.
async fn fails(attempt: Attempt, count: DeliveryCount, said: Said) -> ListenerResult {
    said.tell(format!("{} of {}", attempt.value(), count.value()));
    Err(ListenerError::msg("no van"))
}

async fn what_is_made_is_called_again_in_memory_and_given_up_where_it_says(place: &Place) {
    let (app, mut told, _gate) = start(place).await;
    let recover = Recover::Republish {
        exchange: "m.${kind:failed}".to_owned(),
        key: Some("given.up".to_owned()),
    };
    let steps = Listener::queue("m.steps")
        .retry(|retry| retry.max_attempts(3).backoff(MILLI..=2 * MILLI).jitter(0.5))
        .recover(recover)
        .handler(fails);
    app.listeners().add(steps).await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("m.steps", "tea").await.unwrap();
    for expected in ["1 of 0", "2 of 0", "3 of 0"] {
        assert_eq!(told.next().await, expected);
    }
    let failed = arrives(&rabbit, "m.failed").await;
    assert_eq!(header_text(&failed, "x-springhare-reason"), "deliveries-exhausted");
    assert_eq!(header_text(&failed, "x-original-queue"), "m.steps");
    assert!(told.is_silent());
    app.stop().await.unwrap();
}

async fn what_is_made_waits_at_the_broker_between_its_deliveries(place: &Place) {
    let (app, mut told, _gate) = start(place).await;
    let orders = Listener::queue("m.orders")
        .retry(|retry| retry.delays([50 * MILLI, 60 * MILLI]))
        .recover(Recover::Park)
        .handler(fails);
    app.listeners().add(orders).await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("m.orders", "tea").await.unwrap();
    for expected in ["1 of 0", "1 of 1", "1 of 2"] {
        assert_eq!(told.next().await, expected);
    }
    arrives(&rabbit, "m.orders.error").await;
    app.listeners().remove("m.orders").await.unwrap();
    app.stop().await.unwrap();
}

async fn what_is_made_has_so_many_deliveries_and_so_much_time(place: &Place) {
    let (app, mut told, _gate) = start(place).await;
    let slow = Listener::queue("m.slow").max_attempts(2).timeout(20 * MILLI).handler(
        |count: DeliveryCount, gate: State<Gate>, said: Said| async move {
            said.tell(count.value().to_string());
            gate.pass().await;
        },
    );
    app.listeners().add(slow).await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("m.slow", "tea").await.unwrap();
    assert_eq!((told.next().await, told.next().await), ("0".to_owned(), "1".to_owned()));
    let parked = arrives(&rabbit, "m.slow.error").await;
    let reason = header_text(&parked, "x-exception-message");
    assert!(reason.contains("20ms"), "{reason}");
    app.stop().await.unwrap();
}

async fn what_is_made_is_left_alone_after_its_failures(place: &Place) {
    let (app, mut told, _gate) = start(place).await;
    let broken = Listener::queue("m.broken").circuit(2, MINUTE).handler(fails);
    app.listeners().add(broken).await.unwrap();
    app.rabbit_template().convert_and_send("m.broken", "tea").await.unwrap();
    assert_eq!((told.next().await, told.next().await), ("1 of 0".to_owned(), "1 of 1".to_owned()));
    place.has_consumers("m.broken", Some(0)).await;
    place.has_left("m.broken", 1).await;
    assert!(!app.health().is_up(), "it says why: {:?}", app.health());
    app.stop().await.unwrap();
}

async fn what_is_made_keeps_the_order_of_a_key(place: &Place) {
    let (app, mut told, gate) = start(place).await;
    let first_word = |cx: &springhare::DeliveryContext| {
        let key = cx.properties().correlation_id.as_ref()?;
        Some(PartitionKey::of(key.split('.').next()?))
    };
    for (queue, key) in [
        ("m.by_header", PartitionBy::Header("x-customer")),
        ("m.by_function", PartitionBy::Function(first_word)),
    ] {
        let ordered = Listener::queue(queue).concurrency(4).partition_by(key).handler(
            |text: Text, gate: State<Gate>, said: Said| async move {
                said.tell(text.0.clone());
                gate.pass().await;
            },
        );
        app.listeners().add(ordered).await.unwrap();
        assert_eq!(place.consumers(queue).await, Some(1));
        let rabbit = app.rabbit_template();
        for (customer, text) in [("ann", "1"), ("ann", "3"), ("bob", "2")] {
            let sending = rabbit.convert_and_send(queue, text).header("x-customer", customer);
            sending.correlation_id(format!("{customer}.{text}")).await.unwrap();
        }
        let mut begun = [told.next().await, told.next().await];
        begun.sort();
        assert_eq!(begun, ["1", "2"], "{queue}");
        place.has_left(queue, 0).await;
        assert!(told.is_silent(), "the second of ann's waits for the first");
        gate.let_through(3);
        assert_eq!(told.next().await, "3", "{queue}");
    }
    app.stop().await.unwrap();
}

async fn what_is_made_acknowledges_by_hand_first_or_never(place: &Place) {
    let (app, mut told, _gate) = start(place).await;
    let by_hand = Listener::queue("m.manual").ack(AcknowledgeMode::Manual).handler(
        |channel: Channel, tag: DeliveryTag, said: Said| async move {
            channel.ack(tag).await?;
            said.tell("manual".to_owned());
            ListenerResult::Ok(())
        },
    );
    app.listeners().add(by_hand).await.unwrap();
    let first = AcknowledgeMode::First;
    let first = Listener::queue("m.first").ack(first).recover(Recover::Park).handler(fails);
    app.listeners().add(first).await.unwrap();
    let none = Listener::queue("m.none").ack(AcknowledgeMode::None).handler(fails);
    app.listeners().add(none).await.unwrap();
    let rabbit = app.rabbit_template();
    for (queue, expected) in [("m.manual", "manual"), ("m.first", "1 of 0"), ("m.none", "1 of 0")] {
        rabbit.convert_and_send(queue, "tea").await.unwrap();
        assert_eq!(told.next().await, expected, "{queue}");
    }
    arrives(&rabbit, "m.first.error").await;
    app.stop().await.unwrap();
    for queue in ["m.manual", "m.first", "m.none"] {
        assert_eq!(place.left(queue).await, 0, "{queue}");
    }
    assert!(told.is_silent());
}

async fn what_a_made_listener_can_not_mean_is_told(place: &Place) {
    let (app, _told, _gate) = start(place).await;
    let orders = || Listener::queue("m.new");
    let delayed = |listener: ListenerBuilder| listener.retry(|retry| retry.delays([MINUTE]));
    let by_key = || orders().partition_by(PartitionBy::RoutingKey);
    for (listener, words) in [
        (orders().retry(|retry| retry), "`retry` says nothing"),
        (orders().retry(|retry| retry.max_attempts(0)), "`retry.max-attempts` is 0"),
        (orders().retry(|retry| retry.backoff(MINUTE..=MILLI)), "which is less"),
        (orders().retry(|retry| retry.backoff(MINUTE..=60 * MINUTE)), "900s at most"),
        (orders().retry(|retry| retry.max_attempts(2).jitter(2.0)), "0 to 1"),
        (delayed(Listener::anonymous().exchange("m.failed")), "an anonymous queue"),
        (delayed(orders()).max_attempts(3), "stands beside `retry`"),
        (delayed(orders()).ack(AcknowledgeMode::None), "the listener has `retry`"),
        (delayed(orders()).ack(AcknowledgeMode::First), "acknowledged before it is handled"),
        (orders().ack(AcknowledgeMode::Manual), "takes no `DeliveryTag`"),
        (orders().recover(Recover::Reject).ack(AcknowledgeMode::First), "or rejected"),
        (orders().timeout(Duration::ZERO), "`timeout` is 0"),
        (orders().circuit(0, MINUTE), "at least one failure"),
        (orders().circuit(3, Duration::ZERO), "nothing for how long"),
        (by_key().circuit(3, MINUTE), "handles several"),
        (by_key().concurrency(1..=4), "`concurrency` is a number"),
        (orders().exclusive(true).concurrency(2), "must be 1"),
    ] {
        let error = app.listeners().add(listener.handler(|| async {})).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(words), "{text}\n instead of {words}");
        assert!(text.contains("dynamic_failures.rs:"), "{text}");
        assert_eq!(app.listener_ids().count(), 0, "after {words}");
        assert_eq!(place.consumers("m.new").await, None, "after {words}");
    }
    app.stop().await.unwrap();
}
