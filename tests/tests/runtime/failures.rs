use std::future::{poll_fn, ready as ready_future};
use std::task::Poll;
use std::time::Duration;

use springhare::amqp::{Message, ShortString};
use springhare::prelude::*;
use springhare_broker::{Broker, ManualClock, Publish, QueueDeclareOptions};
use springhare_tests::{eventually, within_limit};

use crate::support::{
    Gate, Tell, Told, arrives, broker, header_number, header_text, ready, someone_sleeps, telling,
};

#[rabbit_listener(queue = "fails")]
async fn fail(
    text: Text,
    count: DeliveryCount,
    tries: State<Tell<(String, u32)>>,
) -> ListenerResult {
    tries.tell((text.0.clone(), count.value()));
    if text.0 == "bad" {
        return Err(ListenerError::msg("no van"));
    }
    Ok(())
}

#[tokio::test]
async fn a_failing_message_is_paced_counted_and_parked_and_holds_nobody_up() {
    let (broker, hand) = broker();
    let (tell, mut tries) = telling::<(String, u32)>();
    let app = Springhare::builder()
        .broker(broker)
        .listeners(listeners![fail])
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("fails", "bad").header("x-id", 7).await.unwrap();
    assert_eq!(tries.next().await, ("bad".to_owned(), 0));
    assert_eq!(tries.next().await, ("bad".to_owned(), 1), "the first redelivery is at once");
    let mut pause = Duration::from_millis(100);
    for failures in 2..20 {
        someone_sleeps(&hand).await;
        // While it waits, others are handled.
        rabbit.convert_and_send("fails", "good").await.unwrap();
        assert_eq!(tries.next().await, ("good".to_owned(), 0));
        hand.advance(pause - Duration::from_millis(1));
        assert!(tries.is_silent(), "{failures} failures, before {pause:?}");
        hand.advance(Duration::from_millis(1));
        assert_eq!(tries.next().await, ("bad".to_owned(), failures));
        pause = (pause * 2).min(Duration::from_secs(5));
    }
    let parked = arrives(&rabbit, "fails.error").await;
    assert_eq!(&*parked.body, b"bad");
    assert_eq!(header_text(&parked, "x-exception-message"), "no van");
    assert_eq!(header_text(&parked, "x-original-exchange"), "");
    assert_eq!(header_text(&parked, "x-original-routingKey"), "fails");
    assert_eq!(header_text(&parked, "x-springhare-reason"), "deliveries-exhausted");
    assert_eq!(header_number(&parked, "x-springhare-attempts"), Some(20));
    assert_eq!(header_number(&parked, "x-id"), Some(7));
    assert!(parked.properties.is_persistent());
    app.stop().await.unwrap();
    assert!(tries.is_silent());
}

/// Fails with `bad` until it has done so twice, and lets its pause end while others are done and not yet
/// acknowledged.
#[rabbit_listener(queue = "busy")]
async fn busy(
    text: Text,
    count: DeliveryCount,
    gate: State<Gate>,
    hand: State<ManualClock>,
    tries: State<Tell<(String, u32)>>,
) -> ListenerResult {
    tries.tell((text.0.clone(), count.value()));
    match &*text.0 {
        "bad" if count.value() < 2 => return Err(ListenerError::msg("no van")),
        "first" => gate.pass().await,
        "last" => hand.advance(Duration::from_millis(100)),
        _ => {}
    }
    Ok(())
}

#[tokio::test]
async fn an_ack_of_many_covers_no_message_whose_pause_has_just_ended() {
    let (broker, hand) = broker();
    let (tell, mut tries) = telling::<(String, u32)>();
    let gate = Gate::closed();
    let builder = Springhare::builder().broker(broker).listeners(listeners![busy]);
    let builder = builder.manage(tell).manage(gate.clone()).manage(hand.clone());
    let app = builder.start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("busy", "bad").await.unwrap();
    for failures in 0..2 {
        assert_eq!(tries.next().await, ("bad".to_owned(), failures));
    }
    someone_sleeps(&hand).await;
    // They come while the first is in hand, so that all of them are done before anything is awaited.
    for text in ["first", "second", "last"] {
        rabbit.convert_and_send("busy", text).await.unwrap();
    }
    gate.let_through(1);
    for text in ["first", "second", "last"] {
        assert_eq!(tries.next().await, (text.to_owned(), 0));
    }
    assert_eq!(tries.next().await, ("bad".to_owned(), 2));
    app.stop().await.unwrap();
}

/// Moves the clock on whenever somebody waits for it, until the handler has tried this often.
async fn try_often<T: std::fmt::Debug>(hand: &ManualClock, tries: &mut Told<T>, times: usize) {
    for _ in 0..times {
        eventually("the next try", || {
            hand.advance(Duration::from_secs(5));
            ready_future((!tries.is_silent()).then_some(()))
        })
        .await;
        tries.next().await;
    }
}

#[rabbit_listener(queue = "buried", arguments("x-dead-letter-exchange" = "graves"))]
async fn fail_for_the_graves(tries: State<Tell<()>>) -> ListenerResult {
    tries.tell(());
    Err(ListenerError::msg("no van"))
}

#[tokio::test]
async fn a_queue_with_a_dead_letter_exchange_has_no_error_queue() {
    let (broker, hand) = broker();
    let (tell, mut tries) = telling::<()>();
    let app = Springhare::builder()
        .broker(broker)
        .listeners(listeners![fail_for_the_graves])
        .declare(Exchange::fanout("graves"))
        .declare(Queue::durable("graveyard"))
        .declare(Binding::queue("graveyard").to("graves"))
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("buried", "tea").await.unwrap();
    try_often(&hand, &mut tries, 20).await;
    let dead = arrives(&rabbit, "graveyard").await;
    assert_eq!(&*dead.body, b"tea");
    assert!(dead.properties.header("x-death").is_some());
    assert!(rabbit.receive("buried.error").await.is_err(), "no such queue");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "numbers")]
async fn count(number: Json<u32>, seen: State<Tell<u32>>) {
    seen.tell(number.0);
}

/// Declares a durable queue and publishes this body to it until the broker is at its memory mark:
/// how often that was.
async fn fill(broker: &Broker, queue: &'static str, body: &'static [u8]) -> u64 {
    let connection = broker.connect("filler").unwrap();
    let channel = connection.open_channel().unwrap();
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue, options).await.unwrap();
    let publisher = broker.publisher();
    let mut published = 0;
    loop {
        let mut publish = Some(Publish {
            exchange: ShortString::EMPTY,
            routing_key: ShortString::from_static(queue),
            mandatory: true,
            message: Message::new(body),
        });
        let result = poll_fn(|cx| match publisher.poll_publish(cx, &mut publish) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => Poll::Ready(None),
        });
        match result.await {
            Some(result) => assert!(result.unwrap().is_safe()),
            None => return published,
        }
        published += 1;
    }
}

#[tokio::test]
async fn bad_messages_that_fill_the_memory_are_parked_all_the_same() {
    let broker = Broker::builder().memory_high_watermark(10_000).start().unwrap();
    let filled = fill(&broker, "numbers", &[b'{'; 1000]).await;
    assert!(filled > 3, "{filled} messages");
    let (tell, mut numbers) = telling::<u32>();
    let app = Springhare::builder()
        .broker(broker)
        .listeners(listeners![count])
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    for _ in 0..filled {
        assert_eq!(&*arrives(&rabbit, "numbers.error").await.body, &[b'{'; 1000]);
    }
    let healthy = rabbit.convert_and_send("numbers", &5).into_future();
    within_limit("room for a healthy message", healthy).await.unwrap();
    assert_eq!(numbers.next().await, 5);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn receiving_a_bad_message_parks_it_in_a_full_memory() {
    let broker = Broker::builder().memory_high_watermark(10_000).start().unwrap();
    let filled = fill(&broker, "numbers", &[b'{'; 1000]).await;
    let app = Springhare::builder().broker(broker).listeners(listeners![]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    for _ in 0..filled {
        let received = rabbit.receive_and_convert::<u32>("numbers").into_future();
        within_limit("the message is parked", received).await.unwrap_err();
    }
    assert_eq!(ready(&rabbit, "numbers").await, 0);
    assert_eq!(ready(&rabbit, "numbers.error").await, filled);
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "panics")]
async fn panic(text: Text, seen: State<Tell<String>>) {
    seen.tell(text.0.clone());
    assert_eq!(text.0, "good", "a handler's own mistake");
}

#[tokio::test]
async fn a_panic_is_a_failure_and_never_kills_the_consumer() {
    let (broker, hand) = broker();
    let (tell, mut texts) = telling::<String>();
    let app = Springhare::builder()
        .broker(broker)
        .listeners(listeners![panic])
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("panics", "bad").await.unwrap();
    try_often(&hand, &mut texts, 20).await;
    let parked = arrives(&rabbit, "panics.error").await;
    let exception = header_text(&parked, "x-exception-message");
    assert!(exception.contains("the handler panicked") && exception.contains("own mistake"));
    rabbit.convert_and_send("panics", "good").await.unwrap();
    assert_eq!(texts.next().await, "good");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "x.again")]
async fn again(
    redelivered: Redelivered,
    count: DeliveryCount,
    said: State<Tell<String>>,
) -> ListenerResult {
    said.tell(format!("{} {}", redelivered.is_redelivered(), count.value()));
    if count.value() == 0 { Err(ListenerError::msg("no van")) } else { Ok(()) }
}

#[tokio::test]
async fn a_handler_knows_of_the_failures_before() {
    let (said, mut told) = telling::<String>();
    let app =
        Springhare::builder().listeners(listeners![again]).manage(said).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("x.again", "").await.unwrap();
    assert_eq!(told.next().await, "false 0");
    assert_eq!(told.next().await, "true 1");
    app.stop().await.unwrap();
}
