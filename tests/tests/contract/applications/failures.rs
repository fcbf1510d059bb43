use std::sync::atomic::{AtomicU32, Ordering};

use springhare::prelude::*;
use springhare_tests::{Tell, arrives, header_number, header_text, ready, telling};

use crate::place::Place;

application!(
    a_body_that_does_not_decode_is_parked_at_once,
    a_message_whose_headers_fill_a_frame_is_parked_without_what_does_not_fit,
    a_handler_may_choose_what_becomes_of_its_message,
    a_listener_may_refuse_redelivery,
    a_body_that_does_not_decode_is_parked_where_the_handler_settles_itself,
    a_handler_knows_of_the_failures_before,
);

#[rabbit_listener(queue = "numbers")]
async fn count(number: Json<u32>, seen: State<Tell<u32>>) {
    seen.tell(number.0);
}

async fn a_body_that_does_not_decode_is_parked_at_once(place: &Place) {
    let (tell, mut numbers) = telling::<u32>();
    let app = place.builder().listeners(listeners![count]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("numbers", "{").await.unwrap();
    rabbit.convert_and_send("numbers", &5).await.unwrap();
    assert_eq!(numbers.next().await, 5);
    let parked = arrives(&rabbit, "numbers.error").await;
    assert_eq!(&*parked.body, b"{");
    assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
    assert_eq!(header_number(&parked, "x-springhare-attempts"), Some(1));
    assert!(header_text(&parked, "x-exception-message").contains("u32"));
    assert_eq!(ready(&rabbit, "numbers").await, 0);
    app.stop().await.unwrap();
}

async fn a_message_whose_headers_fill_a_frame_is_parked_without_what_does_not_fit(place: &Place) {
    let (tell, _numbers) = telling::<u32>();
    let app = place.builder().listeners(listeners![count]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    // The largest one leaves no room for the parked message's own headers, the other for short
    // ones alone: the reason of the failure is a long text.
    for (header_bytes, word) in [(130_900, "dropped"), (130_400, "")] {
        let bad = format!("\"{}\"", "x".repeat(5000));
        let send = rabbit.convert_and_send("numbers", bad.clone());
        send.header("x-large", "h".repeat(header_bytes)).await.unwrap();
        let parked = arrives(&rabbit, "numbers.error").await;
        assert_eq!(&*parked.body, bad.as_bytes());
        assert_eq!(header_text(&parked, "x-springhare-headers"), word);
        let kept = if word.is_empty() { header_bytes } else { 0 };
        assert_eq!(header_text(&parked, "x-large").len(), kept);
        assert_eq!(header_text(&parked, "x-original-routingKey"), "numbers");
        assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
        let exception = header_text(&parked, "x-exception-message");
        assert!(!exception.is_empty() && exception.len() <= 200, "{exception}");
    }
    assert_eq!(ready(&rabbit, "numbers").await, 0);
    app.stop().await.unwrap();
}

/// How often [`dispose`] was asked to requeue.
#[derive(Debug, Default)]
struct Requeues(AtomicU32);

#[rabbit_listener(queue = "disposed", arguments("x-dead-letter-exchange" = "refused"))]
async fn dispose(word: Text, requeues: State<Requeues>, seen: State<Tell<String>>) -> Outcome {
    seen.tell(word.0.clone());
    match word.0.as_str() {
        "reject" => Outcome::Failed(ListenerError::reject_and_dont_requeue("unwanted")),
        "refuse" => Outcome::Reject,
        "acknowledge" => Outcome::Failed(ListenerError::immediate_acknowledge("never mind")),
        "fatal" => Outcome::Failed(ListenerError::fatal("hopeless")),
        // Far more often than a failure is tried again, and without a pause.
        _ => match requeues.0.fetch_add(1, Ordering::Relaxed) {
            0..30 => Outcome::Requeue,
            30..60 => Outcome::Failed(ListenerError::immediate_requeue("once more")),
            _ => Outcome::Ack,
        },
    }
}

async fn a_handler_may_choose_what_becomes_of_its_message(place: &Place) {
    let (tell, mut words) = telling::<String>();
    let app = place
        .builder()
        .listeners(listeners![dispose])
        .declare(Exchange::fanout("refused"))
        .declare(Queue::durable("refusals"))
        .declare(Binding::queue("refusals").to("refused"))
        .manage(Requeues::default())
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    for word in ["reject", "refuse", "fatal", "acknowledge", "requeue"] {
        rabbit.convert_and_send("disposed", word).await.unwrap();
    }
    for expected in ["reject", "refuse", "fatal", "acknowledge"] {
        assert_eq!(words.next().await, expected);
    }
    for _ in 0..61 {
        assert_eq!(words.next().await, "requeue");
    }
    for expected in ["reject", "refuse", "fatal"] {
        assert_eq!(&*arrives(&rabbit, "refusals").await.body, expected.as_bytes());
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(
    queue = "once",
    requeue_rejected = false,
    arguments("x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "once.dead")
)]
async fn fail_once(tries: State<Tell<()>>) -> ListenerResult {
    tries.tell(());
    Err(ListenerError::msg("no van"))
}

async fn a_listener_may_refuse_redelivery(place: &Place) {
    let (tell, mut tries) = telling::<()>();
    let app = place
        .builder()
        .listeners(listeners![fail_once])
        .declare(Queue::durable("once.dead"))
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("once", "tea").await.unwrap();
    assert_eq!(&*arrives(&rabbit, "once.dead").await.body, b"tea");
    tries.next().await;
    assert!(tries.is_silent());
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "by_hand", ack = "manual")]
async fn by_hand(
    number: Json<u32>,
    channel: Channel,
    tag: DeliveryTag,
    seen: State<Tell<u32>>,
) -> ListenerResult {
    seen.tell(number.0);
    Ok(channel.ack(tag).await?)
}

async fn a_body_that_does_not_decode_is_parked_where_the_handler_settles_itself(place: &Place) {
    let (tell, mut numbers) = telling::<u32>();
    let app = place.builder().listeners(listeners![by_hand]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("by_hand", "{").await.unwrap();
    let parked = arrives(&rabbit, "by_hand.error").await;
    assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
    rabbit.convert_and_send("by_hand", &5).await.unwrap();
    assert_eq!(numbers.next().await, 5);
    app.stop().await.unwrap();
    place.has_left("by_hand", 0).await;
}

#[rabbit_listener(queue = "again")]
async fn again(
    redelivered: Redelivered,
    count: DeliveryCount,
    said: State<Tell<(bool, u32)>>,
) -> ListenerResult {
    said.tell((redelivered.is_redelivered(), count.value()));
    if count.value() < 3 { Err(ListenerError::msg("no van")) } else { Ok(()) }
}

async fn a_handler_knows_of_the_failures_before(place: &Place) {
    let (tell, mut told) = telling::<(bool, u32)>();
    let app = place.builder().listeners(listeners![again]).manage(tell).start().await.unwrap();
    app.rabbit_template().convert_and_send("again", "tea").await.unwrap();
    for expected in [(false, 0), (true, 1), (true, 2), (true, 3)] {
        assert_eq!(told.next().await, expected);
    }
    app.stop().await.unwrap();
    place.has_left("again", 0).await;
}
