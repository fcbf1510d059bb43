//! Where a message goes that is given up.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use springhare::Overflow;
use springhare::prelude::*;
use springhare_broker::Clock;
use springhare_tests::{Tell, arrives, eventually, header_number, header_text, telling};

use crate::place::Place;

application!(
    what_is_given_up_is_parked_beside_a_dead_letter_exchange,
    what_is_given_up_is_rejected,
    what_is_given_up_goes_back,
    what_is_given_up_is_republished_under_another_key,
    what_is_given_up_is_republished_under_its_own_key,
    what_is_given_up_is_acknowledged_once_its_copy_is_confirmed,
    a_batch_that_is_given_up_is_republished_message_by_message,
    what_came_back_from_a_rejection_and_is_fatal_again_is_parked,
);

/// Listeners whose first failure is the last.
macro_rules! failing {
    ($name:ident, $($attribute:tt)*) => {
        #[rabbit_listener($($attribute)*)]
        async fn $name(word: Text, words: State<Tell<String>>) -> ListenerResult {
            words.tell(word.0.clone());
            match word.0.as_str() {
                "fatal" => Err(ListenerError::fatal("hopeless")),
                _ => Err(ListenerError::msg("no van")),
            }
        }
    };
}

failing!(
    park,
    queue = "g.park",
    arguments(dead_letter = "", dead_letter_routing_key = "g.dead"),
    max_attempts = 1,
    recover = "park"
);

async fn what_is_given_up_is_parked_beside_a_dead_letter_exchange(place: &Place) {
    let (tell, mut words) = telling::<String>();
    let app = place
        .builder()
        .listeners(listeners![park])
        .declare(Queue::durable("g.dead"))
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    for (word, reason) in [("bad", "deliveries-exhausted"), ("fatal", "fatal")] {
        rabbit.convert_and_send("g.park", word).await.unwrap();
        assert_eq!(words.next().await, word);
        let parked = arrives(&rabbit, "g.park.error").await;
        assert_eq!(header_text(&parked, "x-springhare-reason"), reason);
    }
    app.stop().await.unwrap();
    place.has_left("g.dead", 0).await;
}

failing!(
    reject,
    queue = "g.reject",
    arguments(dead_letter = "", dead_letter_routing_key = "g.rejected"),
    retry(max_attempts = 1),
    recover = "reject"
);

failing!(drop_it, queue = "g.drop", retry(max_attempts = 1), recover = "reject");

async fn what_is_given_up_is_rejected(place: &Place) {
    let (tell, mut words) = telling::<String>();
    let app = place
        .builder()
        .listeners(listeners![reject, drop_it])
        .declare(Queue::durable("g.rejected"))
        .declare(Queue::durable("g.drop.error"))
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("g.reject", "bad").await.unwrap();
    assert_eq!(words.next().await, "bad");
    let dead = arrives(&rabbit, "g.rejected").await;
    assert!(dead.properties.header("x-death").is_some());
    for word in ["bad", "fatal"] {
        rabbit.convert_and_send("g.drop", word).await.unwrap();
        assert_eq!(words.next().await, word);
    }
    app.stop().await.unwrap();
    assert!(words.is_silent());
    place.has_left("g.drop", 0).await;
    place.has_left("g.drop.error", 0).await;
}

/// How often [`requeue`] was called.
#[derive(Debug, Default)]
struct Called(AtomicU32);

#[rabbit_listener(queue = "g.requeue", max_attempts = 2, recover = "requeue")]
async fn requeue(word: Text, called: State<Called>, words: State<Tell<String>>) -> ListenerResult {
    words.tell(word.0.clone());
    match (word.0.as_str(), called.0.fetch_add(1, Ordering::Relaxed)) {
        ("fatal", _) => Err(ListenerError::fatal("hopeless")),
        (_, 0..30) => Err(ListenerError::msg("no van")),
        _ => Ok(()),
    }
}

async fn what_is_given_up_goes_back(place: &Place) {
    let (tell, mut words) = telling::<String>();
    let app = place
        .builder()
        .listeners(listeners![requeue])
        .manage(Called::default())
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("g.requeue", "bad").await.unwrap();
    for _ in 0..31 {
        assert_eq!(words.next().await, "bad");
    }
    // What can never be handled would go round for ever.
    rabbit.convert_and_send("g.requeue", "fatal").await.unwrap();
    assert_eq!(words.next().await, "fatal");
    assert_eq!(&*arrives(&rabbit, "g.requeue.error").await.body, b"fatal");
    app.stop().await.unwrap();
    assert!(words.is_silent());
    place.has_left("g.requeue", 0).await;
}

failing!(
    republish,
    queue = "g.republish",
    retry(max_attempts = 1),
    recover(exchange = "g.failed", key = "of.${shop:tea}")
);

failing!(
    republish_as_is,
    queue = "g.as_is",
    exchange = "g.shop",
    kind = "direct",
    key = "order.new",
    max_attempts = 1,
    recover(exchange = "g.failed")
);

/// An exchange for failures, and a queue for those with this key.
async fn start_with_failed(place: &Place, key: &str, tell: Tell<String>) -> Springhare {
    place
        .builder()
        .listeners(listeners![republish, republish_as_is])
        .declare(Exchange::topic("g.failed"))
        .declare(Queue::durable("g.failures"))
        .declare(Binding::queue("g.failures").to("g.failed").with(key))
        .manage(tell)
        .start()
        .await
        .unwrap()
}

async fn what_is_given_up_is_republished_under_another_key(place: &Place) {
    let (tell, mut words) = telling::<String>();
    let app = start_with_failed(place, "of.tea", tell).await;
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("g.republish", "bad").header("x-id", 7).await.unwrap();
    assert_eq!(words.next().await, "bad");
    let failure = arrives(&rabbit, "g.failures").await;
    assert_eq!(&*failure.body, b"bad");
    assert_eq!(header_text(&failure, "x-exception-message"), "no van");
    assert_eq!(header_text(&failure, "x-original-routingKey"), "g.republish");
    assert_eq!(header_text(&failure, "x-original-queue"), "g.republish");
    assert_eq!(header_number(&failure, "x-id"), Some(7));
    app.stop().await.unwrap();
    place.has_left("g.republish", 0).await;
}

async fn what_is_given_up_is_republished_under_its_own_key(place: &Place) {
    let (tell, mut words) = telling::<String>();
    let app = start_with_failed(place, "order.*", tell).await;
    let rabbit = app.rabbit_template();
    for word in ["bad", "fatal"] {
        rabbit.convert_and_send(("g.shop", "order.new"), word).await.unwrap();
        assert_eq!(words.next().await, word);
        let failure = arrives(&rabbit, "g.failures").await;
        assert_eq!(&*failure.body, word.as_bytes());
        assert_eq!(header_text(&failure, "x-original-exchange"), "g.shop");
    }
    app.stop().await.unwrap();
}

failing!(
    republish_to_little_room,
    queue = "g.patient",
    max_attempts = 1,
    recover(exchange = "g.small")
);

/// The queue of the copies is full, and refuses them.
async fn what_is_given_up_is_acknowledged_once_its_copy_is_confirmed(place: &Place) {
    let (clock, hand) = Clock::manual();
    let (tell, mut words) = telling::<String>();
    let room = Queue::durable("g.room").max_length(1).overflow(Overflow::RejectPublish);
    let app = place
        .builder_on(&clock)
        .listeners(listeners![republish_to_little_room])
        .declare(Exchange::fanout("g.small"))
        .declare(room)
        .declare(Binding::queue("g.room").to("g.small"))
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("g.room", "the first").await.unwrap();
    rabbit.convert_and_send("g.patient", "bad").await.unwrap();
    assert_eq!(words.next().await, "bad");
    eventually("it comes again: its copy was refused", async || {
        hand.advance(Duration::from_secs(1));
        (!words.is_silent()).then_some(())
    })
    .await;
    assert_eq!(&*arrives(&rabbit, "g.room").await.body, b"the first");
    let copy = eventually("there is room for its copy", async || {
        hand.advance(Duration::from_secs(1));
        rabbit.receive("g.room").await.unwrap()
    })
    .await;
    assert_eq!(&*copy.body, b"bad");
    app.stop().await.unwrap();
    place.has_left("g.patient", 0).await;
    place.has_left("g.room", 0).await;
}

#[rabbit_listener(
    queue = "g.batch",
    batch = 2,
    batch_timeout = "10m",
    max_attempts = 1,
    recover(exchange = "g.failed", key = "of.batch")
)]
async fn give_up(both: Vec<Text>, words: State<Tell<String>>) -> ListenerResult {
    words.tell(both.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(" "));
    Err(ListenerError::msg("no van"))
}

async fn a_batch_that_is_given_up_is_republished_message_by_message(place: &Place) {
    let (tell, mut words) = telling::<String>();
    let app = place
        .builder()
        .listeners(listeners![give_up])
        .declare(Exchange::topic("g.failed"))
        .declare(Queue::durable("g.failures"))
        .declare(Binding::queue("g.failures").to("g.failed").with("of.batch"))
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    let send = |word, id| rabbit.convert_and_send("g.batch", word).header("x-id", id);
    rabbit.convert_and_send_all([send("tea", 1), send("cake", 2)]).await.unwrap();
    assert_eq!(words.next().await, "tea cake");
    for (word, id) in [("tea", 1), ("cake", 2)] {
        let failure = arrives(&rabbit, "g.failures").await;
        assert_eq!(&*failure.body, word.as_bytes());
        assert_eq!(header_number(&failure, "x-id"), Some(id));
        assert_eq!(header_text(&failure, "x-exception-message"), "no van");
        assert_eq!(header_text(&failure, "x-original-queue"), "g.batch");
    }
    app.stop().await.unwrap();
    assert!(words.is_silent());
    place.has_left("g.batch", 0).await;
}

failing!(round, queue = "g.round", arguments(dead_letter = "", dead_letter_routing_key = "g.turn"));

async fn what_came_back_from_a_rejection_and_is_fatal_again_is_parked(place: &Place) {
    let (tell, mut words) = telling::<String>();
    let turn = Queue::durable("g.turn").ttl(Duration::from_millis(1));
    let app = place
        .builder()
        .listeners(listeners![round])
        .declare(turn.dead_letter("").dead_letter_routing_key("g.round"))
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("g.round", "fatal").await.unwrap();
    for _ in 0..2 {
        assert_eq!(words.next().await, "fatal");
    }
    let parked = arrives(&rabbit, "g.round.error").await;
    assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
    assert!(parked.properties.header("x-death").is_some());
    app.stop().await.unwrap();
    assert!(words.is_silent());
}
