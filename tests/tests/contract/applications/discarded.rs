//! Who hears of messages that are given up.

use std::sync::Mutex;
use std::sync::mpsc;

use springhare::prelude::*;
use springhare::{AcknowledgeMode, Discarded, Recover, SpringhareBuilder};
use springhare_tests::{Told, arrives, telling};

use crate::place::Place;

application!(
    what_is_given_up_is_told_with_its_reason_and_where_it_went,
    what_came_back_from_a_rejection_and_is_dropped_is_told,
    what_was_acknowledged_before_it_failed_is_told,
    what_no_handler_takes_is_told,
    a_hook_that_is_slow_or_panics_hurts_nothing,
);

/// What is heard of each: listener, body, error, why and where.
fn heard(builder: SpringhareBuilder) -> (SpringhareBuilder, Told<String>) {
    let (tell, told) = telling::<String>();
    let hook = move |discarded: &Discarded| {
        let cx = discarded.context();
        assert!(cx.take_delivery_tag().is_none(), "it is settled");
        let body = String::from_utf8_lossy(cx.body());
        let error = discarded.error().map_or_else(|| "nothing".to_owned(), ToString::to_string);
        let (reason, to) = (discarded.reason(), discarded.to());
        tell.tell(format!("{} {body}: {error}, {reason:?}, {to:?}", cx.listener_id()));
    };
    (builder.on_discarded(hook), told)
}

/// Fails as the message says.
async fn fails(Text(text): Text) -> ListenerResult<Outcome> {
    match text.as_str() {
        "fatal" => Err(ListenerError::fatal("hopeless")),
        "refused" => Err(ListenerError::reject_and_dont_requeue("no")),
        "rejected" => Ok(Outcome::Reject),
        "requeued" => Ok(Outcome::Requeue),
        "settled" => Err(ListenerError::immediate_acknowledge("never mind")),
        _ => Err(ListenerError::msg("no van")),
    }
}

async fn what_is_given_up_is_told_with_its_reason_and_where_it_went(place: &Place) {
    let builder = place.builder().listeners(listeners![]).declare(Queue::durable("x.dead"));
    let queue = Queue::durable("x.lettered").dead_letter("").dead_letter_routing_key("x.dead");
    let kept = Binding::queue("x.dead").to("x.kept").with("");
    let builder = builder.declare(queue).declare(Exchange::fanout("x.kept")).declare(kept);
    let (builder, mut told) = heard(builder);
    let republish = Recover::Republish { exchange: "x.kept".to_owned(), key: None };
    let app = builder
        .add_listener(Listener::queue("x.plain").max_attempts(2).handler(fails))
        .add_listener(Listener::queue("x.lettered").max_attempts(1).handler(fails))
        .add_listener(Listener::queue("x.kept").recover(republish).handler(fails))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    for (queue, text, expected) in [
        ("x.plain", "fatal", "hopeless, Fatal, ErrorQueue"),
        ("x.plain", "bad", "no van, DeliveriesExhausted, ErrorQueue"),
        ("x.plain", "refused", "no, Rejected, Nowhere"),
        ("x.plain", "rejected", "nothing, Rejected, Nowhere"),
        ("x.lettered", "refused", "no, Rejected, DeadLetterExchange"),
        ("x.lettered", "bad", "no van, DeliveriesExhausted, DeadLetterExchange"),
        ("x.kept", "fatal", "hopeless, Fatal, Exchange"),
    ] {
        rabbit.convert_and_send(queue, text).await.unwrap();
        assert_eq!(told.next().await, format!("{queue} {text}: {expected}"));
    }
    rabbit.convert_and_send("x.plain", vec![0xff_u8]).await.unwrap();
    let unread = told.next().await;
    assert!(unread.ends_with("Fatal, ErrorQueue"), "{unread}");
    rabbit.convert_and_send("x.plain", "settled").await.unwrap();
    app.stop().await.unwrap();
    assert!(told.is_silent(), "what its handler has settled is not given up");
}

async fn what_came_back_from_a_rejection_and_is_dropped_is_told(place: &Place) {
    let queue = Queue::durable("x.round").dead_letter("").dead_letter_routing_key("x.waits");
    let builder = place.builder().listeners(listeners![]).declare(queue);
    let (builder, mut told) = heard(builder.declare(Queue::durable("x.waits")));
    let round = Listener::queue("x.round").settings(|settings| settings.profile("spring"));
    let app = builder.add_listener(round.handler(fails)).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("x.round", "fatal").await.unwrap();
    assert_eq!(told.next().await, "x.round fatal: hopeless, Fatal, DeadLetterExchange");
    let dead = arrives(&rabbit, "x.waits").await;
    rabbit.send("x.round", dead).await.unwrap();
    assert_eq!(told.next().await, "x.round fatal: hopeless, Fatal, Nowhere");
    app.stop().await.unwrap();
    assert_eq!((place.left("x.round").await, place.left("x.waits").await), (0, 0));
}

async fn what_was_acknowledged_before_it_failed_is_told(place: &Place) {
    let (builder, mut told) = heard(place.builder().listeners(listeners![]));
    let first = || Listener::queue("x.first").ack(AcknowledgeMode::First);
    let app = builder
        .add_listener(first().handler(fails))
        .add_listener(Listener::queue("x.none").ack(AcknowledgeMode::None).handler(fails))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    for queue in ["x.first", "x.none"] {
        for (text, error) in
            [("bad", "no van"), ("refused", "no"), ("rejected", "nothing"), ("requeued", "nothing")]
        {
            rabbit.convert_and_send(queue, text).await.unwrap();
            let expected = format!("{queue} {text}: {error}, AcknowledgedBefore, Nowhere");
            assert_eq!(told.next().await, expected);
        }
        rabbit.convert_and_send(queue, "settled").await.unwrap();
    }
    app.listeners().remove("x.first").await.unwrap();
    let keeps = first().recover(Recover::Park).handler(fails);
    app.listeners().add(keeps).await.unwrap();
    rabbit.convert_and_send("x.first", "bad").await.unwrap();
    assert_eq!(told.next().await, "x.first bad: no van, AcknowledgedBefore, ErrorQueue");
    app.stop().await.unwrap();
}

async fn what_no_handler_takes_is_told(place: &Place) {
    let (builder, mut told) = heard(place.builder().listeners(listeners![]));
    let keyed = |id: &str, key: &str| {
        Listener::queue("x.keyed").id(id).exchange("x.keys").key(key).handler(fails)
    };
    let builder = builder.add_listener(keyed("x.one", "one")).add_listener(keyed("x.two", "two"));
    let app = builder.start().await.unwrap();
    app.rabbit_template().convert_and_send("x.keyed", "tea").await.unwrap();
    let unmatched = told.next().await;
    assert!(unmatched.ends_with("tea: nothing, Unmatched, ErrorQueue"), "{unmatched}");
    app.stop().await.unwrap();
}

async fn a_hook_that_is_slow_or_panics_hurts_nothing(place: &Place) {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let builder = place.builder().listeners(listeners![]).on_discarded(move |_| {
        let _ = wait.lock().unwrap().recv();
        panic!("a panic of the test");
    });
    let (said, mut told) = telling::<String>();
    let orders = Listener::queue("x.orders").handler(
        |Text(text): Text, said: State<springhare_tests::Tell<String>>| async move {
            said.tell(text.clone());
            if text == "bad" { Err(ListenerError::fatal("hopeless")) } else { Ok(()) }
        },
    );
    let app = builder.manage(said).add_listener(orders).start().await.unwrap();
    let rabbit = app.rabbit_template();
    for text in ["bad", "bad", "good"] {
        rabbit.convert_and_send("x.orders", text).await.unwrap();
        assert_eq!(told.next().await, text);
    }
    arrives(&rabbit, "x.orders.error").await;
    arrives(&rabbit, "x.orders.error").await;
    app.stop().await.unwrap();
    drop(go);
    assert_eq!(place.left("x.orders").await, 0);
}
