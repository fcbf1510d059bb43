use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use springhare::DeliveryContext;
use springhare::prelude::*;
use springhare_broker::NoAck;
use springhare_tests::{Gate, Tell, Told, arrives, header_number, telling, within_limit};

use crate::place::Place;

application!(
    messages_of_one_key_are_handled_in_order_and_those_of_others_beside_them,
    a_failed_message_holds_up_its_own_key_alone,
    a_message_that_fails_too_often_makes_room_for_the_next_of_its_key,
    a_key_may_be_what_a_function_says,
    a_stop_hands_a_failed_message_back_before_those_of_its_key,
    a_pause_hands_back_what_waits_for_its_key,
    a_message_that_is_asked_for_later_holds_up_its_key,
);

type Said = State<Tell<String>>;

async fn send(rabbit: &RabbitTemplate, queue: &str, customer: &str, body: &str) {
    let sending = rabbit.convert_and_send(queue, body);
    sending.header("x-customer", customer).await.unwrap();
}

async fn start(place: &Place, builder: springhare::SpringhareBuilder) -> Scene {
    let (said, told) = telling::<String>();
    let gate = Gate::closed();
    let app = builder.manage(gate.clone()).manage(said).start().await.unwrap();
    let _ = place;
    Scene { rabbit: app.rabbit_template(), app: Arc::new(app), gate, told }
}

struct Scene {
    app: Arc<Springhare>,
    rabbit: RabbitTemplate,
    gate: Gate,
    told: Told<String>,
}

#[rabbit_listener(queue = "k.ordered", partition_by = "header:x-customer", concurrency = 4)]
async fn ordered(text: Text, gate: State<Gate>, said: Said) {
    said.tell(text.0.clone());
    gate.pass().await;
    said.tell(format!("{} is done", text.0));
}

async fn messages_of_one_key_are_handled_in_order_and_those_of_others_beside_them(place: &Place) {
    let builder = place.builder().listeners(listeners![ordered]);
    let Scene { app, rabbit, gate, mut told } = start(place, builder).await;
    for number in 0..3 {
        for customer in ["ann", "bob", "cid"] {
            send(&rabbit, "k.ordered", customer, &format!("{customer} {number}")).await;
        }
    }
    place.has_left("k.ordered", 0).await;
    let mut first = [told.next().await, told.next().await, told.next().await];
    first.sort();
    assert_eq!(first, ["ann 0", "bob 0", "cid 0"]);
    assert!(told.is_silent(), "the fourth handler has nobody's message to handle");
    assert_eq!(place.consumers("k.ordered").await, Some(1));
    gate.let_through(100);
    let mut last: BTreeMap<String, String> =
        first.into_iter().map(|text| (text[..3].to_owned(), text)).collect();
    for _ in 0..15 {
        let text = told.next().await;
        let before = last.insert(text[..3].to_owned(), text.clone()).unwrap();
        let expected = match before.strip_suffix(" is done") {
            None => format!("{before} is done"),
            Some(done) => {
                let number: u32 = done[4..].parse().unwrap();
                format!("{} {}", &done[..3], number + 1)
            }
        };
        assert_eq!(text, expected);
    }
    app.stop().await.unwrap();
    assert_eq!(place.left("k.ordered").await, 0);
}

#[rabbit_listener(
    queue = "k.failing",
    partition_by = "header:x-customer",
    concurrency = 4,
    max_attempts = 3
)]
async fn failing(text: Text, count: DeliveryCount, said: Said) -> ListenerResult {
    said.tell(format!("{} {}", text.0, count.value()));
    match (&*text.0, count.value()) {
        ("ann 0", 0..2) | ("ann 1", _) => Err(ListenerError::msg("not yet")),
        _ => Ok(()),
    }
}

async fn a_failed_message_holds_up_its_own_key_alone(place: &Place) {
    let builder = place.builder().listeners(listeners![failing]);
    let Scene { app, rabbit, mut told, .. } = start(place, builder).await;
    for (customer, body) in [("ann", "ann 0"), ("ann", "ann 2"), ("bob", "bob 0")] {
        send(&rabbit, "k.failing", customer, body).await;
    }
    let mut anns = Vec::new();
    for _ in 0..5 {
        let text = told.next().await;
        if text.starts_with("ann") {
            anns.push(text);
        }
    }
    assert_eq!(anns, ["ann 0 0", "ann 0 1", "ann 0 2", "ann 2 0"], "and bob's was handled");
    app.stop().await.unwrap();
    assert_eq!(place.left("k.failing").await, 0);
}

async fn a_message_that_fails_too_often_makes_room_for_the_next_of_its_key(place: &Place) {
    let builder = place.builder().listeners(listeners![failing]);
    let Scene { app, rabbit, mut told, .. } = start(place, builder).await;
    for body in ["ann 1", "ann 2"] {
        send(&rabbit, "k.failing", "ann", body).await;
    }
    for expected in ["ann 1 0", "ann 1 1", "ann 1 2", "ann 2 0"] {
        assert_eq!(told.next().await, expected);
    }
    let parked = arrives(&rabbit, "k.failing.error").await;
    assert_eq!(&*parked.body, b"ann 1");
    assert_eq!(header_number(&parked, "x-springhare-attempts"), Some(3));
    app.stop().await.unwrap();
    assert_eq!(place.left("k.failing").await, 0);
}

/// The first letter of the body; none for an empty one.
fn first_letter(cx: &DeliveryContext) -> Option<u8> {
    cx.body().first().copied()
}

#[rabbit_listener(queue = "k.letters", partition_by = first_letter, concurrency = 3)]
async fn by_letter(text: Text, gate: State<Gate>, said: Said) {
    said.tell(text.0);
    gate.pass().await;
}

async fn a_key_may_be_what_a_function_says(place: &Place) {
    let builder = place.builder().listeners(listeners![by_letter]);
    let Scene { app, rabbit, gate, mut told } = start(place, builder).await;
    for body in ["a1", "a2", "", "", ""] {
        rabbit.convert_and_send("k.letters", body).await.unwrap();
    }
    let mut first = [told.next().await, told.next().await, told.next().await];
    first.sort();
    assert_eq!(first, ["", "", "a1"], "those without a key wait for nobody");
    gate.let_through(10);
    let mut others = [told.next().await, told.next().await];
    others.sort();
    assert_eq!(others, ["", "a2"]);
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "k.held", queue = "k.held", partition_by = "routing_key", concurrency = 2)]
async fn fail_at_the_gate(text: Text, gate: State<Gate>, said: Said) -> ListenerResult {
    said.tell(text.0);
    gate.pass().await;
    Err(ListenerError::msg("too late"))
}

async fn a_stop_hands_a_failed_message_back_before_those_of_its_key(place: &Place) {
    let builder = place.builder().listeners(listeners![fail_at_the_gate]);
    let Scene { app, rabbit, gate, mut told } = start(place, builder).await;
    rabbit.convert_and_send_all((0..3_u32).map(|n| ("k.held", n.to_string()))).await.unwrap();
    assert_eq!(told.next().await, "0");
    place.has_left("k.held", 0).await;
    let stopping = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.stop().await }
    });
    place.has_consumers("k.held", Some(0)).await;
    gate.let_through(10);
    within_limit("the stop", stopping).await.unwrap().unwrap();
    assert!(told.is_silent(), "those of its key have waited for it");
    let channel = place.channel().await;
    for expected in ["0", "1", "2"] {
        let got = channel.basic_get("k.held", NoAck::Yes).await.unwrap().unwrap();
        assert_eq!(&*got.delivery.message.message.body, expected.as_bytes());
    }
}

async fn a_pause_hands_back_what_waits_for_its_key(place: &Place) {
    let builder = place.builder().listeners(listeners![ordered]);
    let Scene { app, rabbit, gate, mut told } = start(place, builder).await;
    for body in ["ann 0", "ann 1", "ann 2"] {
        send(&rabbit, "k.ordered", "ann", body).await;
    }
    assert_eq!(told.next().await, "ann 0");
    place.has_left("k.ordered", 0).await;
    let id = app.listener_ids().next().unwrap();
    let listener = app.listener(&id).unwrap();
    let pausing = tokio::spawn({
        let listener = listener.clone();
        async move { listener.pause().await }
    });
    place.has_consumers("k.ordered", Some(0)).await;
    gate.let_through(1);
    within_limit("the pause", pausing).await.unwrap().unwrap();
    assert_eq!(told.next().await, "ann 0 is done");
    assert_eq!(place.left("k.ordered").await, 2);
    assert!(listener.set_concurrency(2).await.is_err(), "its order is kept by one consumer");
    gate.let_through(10);
    listener.resume().await.unwrap();
    for expected in ["ann 1", "ann 1 is done", "ann 2", "ann 2 is done"] {
        assert_eq!(told.next().await, expected);
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(
    queue = "k.later",
    partition_by = "header:x-customer",
    concurrency = 2,
    max_attempts = 3
)]
async fn asks_for_it_later(text: Text, count: DeliveryCount, said: Said) -> Outcome {
    said.tell(format!("{} {}", text.0, count.value()));
    match &*text.0 {
        "ann 0" => Outcome::RetryAfter(Duration::from_millis(20)),
        _ => Outcome::Ack,
    }
}

async fn a_message_that_is_asked_for_later_holds_up_its_key(place: &Place) {
    let builder = place.builder().listeners(listeners![asks_for_it_later]);
    let Scene { app, rabbit, mut told, .. } = start(place, builder).await;
    for body in ["ann 0", "ann 1"] {
        send(&rabbit, "k.later", "ann", body).await;
    }
    for expected in ["ann 0 0", "ann 0 1", "ann 0 2", "ann 1 0"] {
        assert_eq!(told.next().await, expected);
    }
    let parked = arrives(&rabbit, "k.later.error").await;
    assert_eq!(&*parked.body, b"ann 0");
    app.stop().await.unwrap();
    assert_eq!(place.left("k.later").await, 0);
}
