//! A message whose handler fails is handled again: in memory, with the same delivery, or with
//! another one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use springhare::broker::Clock;
use springhare::prelude::*;
use springhare_tests::{Tell, arrives, header_number, header_text, telling};

use crate::place::Place;

application!(
    a_handler_is_called_again_with_its_delivery_and_keeps_the_order,
    a_message_whose_calls_are_used_up_is_given_up_without_another_delivery,
    each_call_has_a_delivery_tag_of_its_own_and_the_last_one_settles_nothing,
    a_message_that_its_handler_has_settled_is_not_handled_again,
    an_error_with_a_mind_of_its_own_is_not_tried_again_in_memory,
    a_stop_ends_the_pause_and_the_message_goes_back,
    as_many_deliveries_as_asked_for_may_fail,
    a_handler_may_have_its_message_later,
    a_panic_is_tried_again_as_any_failure,
    a_message_waits_out_its_delays_while_others_are_handled,
    each_delayed_delivery_is_tried_in_memory_first,
    a_message_that_waits_does_not_expire_meanwhile,
    a_message_that_is_to_come_later_does_though_it_is_tried_in_memory,
    what_is_not_to_be_requeued_is_called_with_again_first,
    a_setting_for_all_refuses_nothing_that_a_listener_asks_for,
    a_queue_that_dead_letters_takes_what_has_waited_in_vain,
);

/// Fails so often with each word, and tells each call.
async fn fails(
    words: &Tell<(String, u32, u32)>,
    word: &str,
    attempt: Attempt,
    count: DeliveryCount,
    times: u32,
) -> ListenerResult {
    words.tell((word.to_owned(), attempt.value(), count.value()));
    if word == "bad" && attempt.value() <= times {
        Err(ListenerError::msg("no van"))
    } else {
        Ok(())
    }
}

type Calls = Tell<(String, u32, u32)>;

#[rabbit_listener(queue = "r.order", retry(max_attempts = 3, backoff = "10ms..20ms", jitter = 0.5))]
async fn in_order(
    word: Text,
    attempt: Attempt,
    count: DeliveryCount,
    calls: State<Calls>,
) -> ListenerResult {
    fails(&calls, &word.0, attempt, count, 2).await
}

async fn a_handler_is_called_again_with_its_delivery_and_keeps_the_order(place: &Place) {
    let (tell, mut calls) = telling::<(String, u32, u32)>();
    let app = place.builder().listeners(listeners![in_order]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("r.order", "bad").await.unwrap();
    rabbit.convert_and_send("r.order", "good").await.unwrap();
    for attempt in 1..=3 {
        assert_eq!(calls.next().await, ("bad".to_owned(), attempt, 0));
    }
    assert_eq!(calls.next().await, ("good".to_owned(), 1, 0));
    app.stop().await.unwrap();
    place.has_left("r.order", 0).await;
}

#[rabbit_listener(queue = "r.used_up", retry(max_attempts = 4, backoff = "1ms"))]
async fn used_up(
    word: Text,
    attempt: Attempt,
    count: DeliveryCount,
    calls: State<Calls>,
) -> ListenerResult {
    fails(&calls, &word.0, attempt, count, 9).await
}

async fn a_message_whose_calls_are_used_up_is_given_up_without_another_delivery(place: &Place) {
    let (tell, mut calls) = telling::<(String, u32, u32)>();
    let app = place.builder().listeners(listeners![used_up]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("r.used_up", "bad").await.unwrap();
    for attempt in 1..=4 {
        assert_eq!(calls.next().await, ("bad".to_owned(), attempt, 0));
    }
    let parked = arrives(&rabbit, "r.used_up.error").await;
    assert_eq!(header_text(&parked, "x-springhare-reason"), "deliveries-exhausted");
    assert_eq!(header_text(&parked, "x-exception-message"), "no van");
    assert_eq!(header_number(&parked, "x-springhare-attempts"), Some(1));
    assert!(calls.is_silent());
    app.stop().await.unwrap();
}

/// Keeps the tags of the calls that failed.
#[derive(Debug, Default)]
struct KeptTags(std::sync::Mutex<Vec<DeliveryTag>>);

#[rabbit_listener(queue = "r.tags", retry(max_attempts = 2, backoff = "1ms"))]
async fn keep_tags(
    tag: DeliveryTag,
    channel: Channel,
    attempt: Attempt,
    kept: State<KeptTags>,
    told: State<Tell<Result<(), String>>>,
) -> ListenerResult {
    if attempt.value() == 1 {
        kept.0.lock().unwrap().push(tag);
        return Err(ListenerError::msg("no van"));
    }
    let first = kept.0.lock().unwrap().pop().unwrap();
    told.tell(channel.ack(first).await.map_err(|error| error.to_string()));
    told.tell(channel.ack(tag).await.map_err(|error| error.to_string()));
    Ok(())
}

async fn each_call_has_a_delivery_tag_of_its_own_and_the_last_one_settles_nothing(place: &Place) {
    let (tell, mut told) = telling::<Result<(), String>>();
    let app = place
        .builder()
        .listeners(listeners![keep_tags])
        .manage(tell)
        .manage(KeptTags::default())
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("r.tags", "tea").await.unwrap();
    let error = told.next().await.unwrap_err();
    assert!(error.contains("settled"), "{error}");
    assert_eq!(told.next().await, Ok(()));
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "r.settled", retry(max_attempts = 5, backoff = "1ms"))]
async fn settle_and_fail(
    word: Text,
    tag: DeliveryTag,
    channel: Channel,
    words: State<Tell<String>>,
) -> ListenerResult {
    words.tell(word.0.clone());
    if word.0 == "bad" {
        channel.ack(tag).await?;
        return Err(ListenerError::msg("no van"));
    }
    Ok(())
}

async fn a_message_that_its_handler_has_settled_is_not_handled_again(place: &Place) {
    let (tell, mut words) = telling::<String>();
    let app =
        place.builder().listeners(listeners![settle_and_fail]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("r.settled", "bad").await.unwrap();
    rabbit.convert_and_send("r.settled", "good").await.unwrap();
    assert_eq!(words.next().await, "bad");
    assert_eq!(words.next().await, "good");
    app.stop().await.unwrap();
    assert!(words.is_silent());
}

#[rabbit_listener(queue = "r.minds", retry(max_attempts = 5, backoff = "1ms"))]
async fn of_a_mind(number: Json<u32>, numbers: State<Tell<u32>>) -> ListenerResult {
    numbers.tell(number.0);
    match number.0 {
        1 => Err(ListenerError::fatal("hopeless")),
        2 => Err(ListenerError::immediate_acknowledge("never mind")),
        3 => Err(ListenerError::reject_and_dont_requeue("unwanted")),
        _ => Ok(()),
    }
}

async fn an_error_with_a_mind_of_its_own_is_not_tried_again_in_memory(place: &Place) {
    let (tell, mut numbers) = telling::<u32>();
    let app = place.builder().listeners(listeners![of_a_mind]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("r.minds", "{").await.unwrap();
    assert_eq!(&*arrives(&rabbit, "r.minds.error").await.body, b"{");
    for number in 1..=4 {
        rabbit.convert_and_send("r.minds", &number).await.unwrap();
        assert_eq!(numbers.next().await, number);
    }
    assert_eq!(&*arrives(&rabbit, "r.minds.error").await.body, b"1");
    app.stop().await.unwrap();
    assert!(numbers.is_silent());
}

#[rabbit_listener(id = "r.stopped", queue = "r.stopped", retry(max_attempts = 3, backoff = "10m"))]
async fn for_long(calls: State<Tell<()>>) -> ListenerResult {
    calls.tell(());
    Err(ListenerError::msg("no van"))
}

async fn a_stop_ends_the_pause_and_the_message_goes_back(place: &Place) {
    let (tell, mut calls) = telling::<()>();
    let app = place.builder().listeners(listeners![for_long]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("r.stopped", "tea").await.unwrap();
    calls.next().await;
    app.stop_listener("r.stopped").await.unwrap();
    assert_eq!(&*arrives(&rabbit, "r.stopped").await.body, b"tea");
    assert!(calls.is_silent());
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "r.seven", max_attempts = 3)]
async fn three_deliveries(count: DeliveryCount, calls: State<Tell<u32>>) -> ListenerResult {
    calls.tell(count.value());
    Err(ListenerError::msg("no van"))
}

async fn as_many_deliveries_as_asked_for_may_fail(place: &Place) {
    let (tell, mut calls) = telling::<u32>();
    let app =
        place.builder().listeners(listeners![three_deliveries]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("r.seven", "tea").await.unwrap();
    for failed in 0..3 {
        assert_eq!(calls.next().await, failed);
    }
    let parked = arrives(&rabbit, "r.seven.error").await;
    assert_eq!(header_number(&parked, "x-springhare-attempts"), Some(3));
    app.stop().await.unwrap();
    assert!(calls.is_silent());
}

#[derive(Debug, Default)]
struct Asked(AtomicU32);

#[rabbit_listener(queue = "r.later", max_attempts = 4)]
async fn later(count: DeliveryCount, asked: State<Asked>, calls: State<Tell<u32>>) -> Outcome {
    calls.tell(count.value());
    let pause = Duration::from_millis(20);
    match asked.0.fetch_add(1, Ordering::Relaxed) {
        0 => Outcome::RetryAfter(pause),
        1 => Outcome::Failed(ListenerError::retry_after(pause, "no van")),
        _ => Outcome::RetryAfter(Duration::ZERO),
    }
}

async fn a_handler_may_have_its_message_later(place: &Place) {
    let (tell, mut calls) = telling::<u32>();
    let app = place
        .builder()
        .listeners(listeners![later])
        .manage(tell)
        .manage(Asked::default())
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("r.later", "tea").await.unwrap();
    for failed in 0..4 {
        assert_eq!(calls.next().await, failed);
    }
    let parked = arrives(&rabbit, "r.later.error").await;
    assert_eq!(header_text(&parked, "x-springhare-reason"), "deliveries-exhausted");
    app.stop().await.unwrap();
    assert!(calls.is_silent());
}

#[rabbit_listener(queue = "r.panics", retry(max_attempts = 2, backoff = "1ms"))]
async fn panic(attempt: Attempt, calls: State<Tell<u32>>) {
    calls.tell(attempt.value());
    assert!(attempt.value() > 1, "a handler's own mistake");
}

async fn a_panic_is_tried_again_as_any_failure(place: &Place) {
    let (tell, mut calls) = telling::<u32>();
    let app = place.builder().listeners(listeners![panic]).manage(tell).start().await.unwrap();
    app.rabbit_template().convert_and_send("r.panics", "tea").await.unwrap();
    assert_eq!((calls.next().await, calls.next().await), (1, 2));
    app.stop().await.unwrap();
}

/// What a handler sees of a delivery.
type Seen = (String, u32, bool, String);

#[rabbit_listener(
    queue = "r.delays",
    exchange = "r.shop",
    kind = "topic",
    key = "order.*",
    retry(delays = ["150ms", "200ms"])
)]
async fn delayed(
    word: Text,
    count: DeliveryCount,
    again: Redelivered,
    key: RoutingKey,
    seen: State<Tell<Seen>>,
) -> ListenerResult {
    seen.tell((word.0.clone(), count.value(), again.is_redelivered(), key.to_string()));
    if word.0 == "bad" { Err(ListenerError::msg("no van")) } else { Ok(()) }
}

async fn a_message_waits_out_its_delays_while_others_are_handled(place: &Place) {
    let (tell, mut seen) = telling::<Seen>();
    let app = place.builder().listeners(listeners![delayed]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let clock = Clock::system();
    let began = clock.now();
    rabbit.convert_and_send(("r.shop", "order.new"), "bad").header("x-id", 7).await.unwrap();
    rabbit.convert_and_send(("r.shop", "order.old"), "good").await.unwrap();
    let bad = |count, again| ("bad".to_owned(), count, again, "order.new".to_owned());
    assert_eq!(seen.next().await, bad(0, false));
    assert_eq!(seen.next().await, ("good".to_owned(), 0, false, "order.old".to_owned()));
    assert_eq!(seen.next().await, bad(1, true));
    assert!(clock.now() - began >= Duration::from_millis(150));
    assert_eq!(seen.next().await, bad(2, true));
    assert!(clock.now() - began >= Duration::from_millis(350));
    let parked = arrives(&rabbit, "r.delays.error").await;
    assert_eq!(header_text(&parked, "x-springhare-reason"), "deliveries-exhausted");
    assert_eq!(header_number(&parked, "x-springhare-attempts"), Some(3));
    assert_eq!(header_text(&parked, "x-original-exchange"), "r.shop");
    assert_eq!(header_text(&parked, "x-original-routingKey"), "order.new");
    assert_eq!(header_number(&parked, "x-id"), Some(7));
    for header in ["x-death", "x-first-death-queue", "x-delay"] {
        assert!(parked.properties.header(header).is_none(), "{header} tells of the waits");
    }
    app.stop().await.unwrap();
    assert!(seen.is_silent());
    place.has_left("r.delays", 0).await;
}

#[rabbit_listener(
    queue = "r.levels",
    retry(max_attempts = 2, backoff = "1ms", delays = ["50ms"])
)]
async fn two_levels(
    word: Text,
    attempt: Attempt,
    count: DeliveryCount,
    calls: State<Calls>,
) -> ListenerResult {
    fails(&calls, &word.0, attempt, count, 9).await
}

async fn each_delayed_delivery_is_tried_in_memory_first(place: &Place) {
    let (tell, mut calls) = telling::<(String, u32, u32)>();
    let app = place.builder().listeners(listeners![two_levels]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("r.levels", "bad").await.unwrap();
    for (attempt, count) in [(1, 0), (2, 0), (1, 1), (2, 1)] {
        assert_eq!(calls.next().await, ("bad".to_owned(), attempt, count));
    }
    let parked = arrives(&rabbit, "r.levels.error").await;
    assert_eq!(header_number(&parked, "x-springhare-attempts"), Some(2));
    app.stop().await.unwrap();
    assert!(calls.is_silent());
}

#[rabbit_listener(queue = "r.expiring", retry(delays = ["300ms"]))]
async fn expiring(count: DeliveryCount, counts: State<Tell<u32>>) -> ListenerResult {
    counts.tell(count.value());
    Err(ListenerError::msg("no van"))
}

async fn a_message_that_waits_does_not_expire_meanwhile(place: &Place) {
    let (tell, mut counts) = telling::<u32>();
    let app = place.builder().listeners(listeners![expiring]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let clock = Clock::system();
    let began = clock.now();
    let soon = rabbit.convert_and_send("r.expiring", "tea").expiration(Duration::from_millis(100));
    soon.await.unwrap();
    assert_eq!(counts.next().await, 0);
    assert_eq!(counts.next().await, 1);
    assert!(clock.now() - began >= Duration::from_millis(300), "its wait was not cut short");
    let parked = arrives(&rabbit, "r.expiring.error").await;
    assert_eq!(header_text(&parked, "x-original-expiration"), "100");
    app.stop().await.unwrap();
}

#[rabbit_listener(
    queue = "r.buried",
    arguments(dead_letter = "r.graves"),
    retry(delays = ["50ms"])
)]
async fn buried(count: DeliveryCount, counts: State<Tell<u32>>) -> ListenerResult {
    counts.tell(count.value());
    Err(ListenerError::msg("no van"))
}

async fn a_queue_that_dead_letters_takes_what_has_waited_in_vain(place: &Place) {
    let (tell, mut counts) = telling::<u32>();
    let app = place
        .builder()
        .listeners(listeners![buried])
        .declare(Exchange::direct("r.graves"))
        .declare(Queue::durable("r.graveyard"))
        .declare(Binding::queue("r.graveyard").to("r.graves").with("r.buried"))
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("r.buried", "tea").await.unwrap();
    assert_eq!((counts.next().await, counts.next().await), (0, 1));
    assert_eq!(&*arrives(&rabbit, "r.graveyard").await.body, b"tea");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "r.both", retry(max_attempts = 2, backoff = "1ms"))]
async fn both(count: DeliveryCount, counts: State<Tell<u32>>) -> ListenerResult {
    counts.tell(count.value());
    let fault: Result<(), _> = Err(std::io::Error::other("no van"));
    if count.value() < 3 { fault.retry_after(Duration::from_millis(20)) } else { Ok(()) }
}

async fn a_message_that_is_to_come_later_does_though_it_is_tried_in_memory(place: &Place) {
    let (tell, mut counts) = telling::<u32>();
    let app = place.builder().listeners(listeners![both]).manage(tell).start().await.unwrap();
    app.rabbit_template().convert_and_send("r.both", "tea").await.unwrap();
    for count in 0..4 {
        assert_eq!(counts.next().await, count);
    }
    app.stop().await.unwrap();
    place.has_left("r.both", 0).await;
}

#[rabbit_listener(
    queue = "r.then_rejected",
    arguments(dead_letter = "", dead_letter_routing_key = "r.rejected"),
    requeue_rejected = false,
    retry(max_attempts = 3, backoff = "1ms")
)]
async fn then_rejected(
    attempt: Attempt,
    count: DeliveryCount,
    calls: State<Tell<(u32, u32)>>,
) -> ListenerResult {
    calls.tell((attempt.value(), count.value()));
    Err(ListenerError::msg("no van"))
}

async fn what_is_not_to_be_requeued_is_called_with_again_first(place: &Place) {
    let (tell, mut calls) = telling::<(u32, u32)>();
    let builder = place.builder().declare(Queue::durable("r.rejected")).manage(tell);
    let app = builder.listeners(listeners![then_rejected]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("r.then_rejected", "tea").await.unwrap();
    for attempt in 1..=3 {
        assert_eq!(calls.next().await, (attempt, 0));
    }
    assert_eq!(&*arrives(&rabbit, "r.rejected").await.body, b"tea");
    app.stop().await.unwrap();
    assert!(calls.is_silent());
}

async fn a_setting_for_all_refuses_nothing_that_a_listener_asks_for(place: &Place) {
    let (tell, mut calls) = telling::<(String, u32, u32)>();
    let builder = place.builder().listener_defaults(|all| all.default_requeue_rejected(false));
    let app = builder.listeners(listeners![used_up]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("r.used_up", "bad").await.unwrap();
    for attempt in 1..=4 {
        assert_eq!(calls.next().await, ("bad".to_owned(), attempt, 0));
    }
    assert_eq!(&*arrives(&rabbit, "r.used_up.error").await.body, b"bad");
    app.stop().await.unwrap();
}
