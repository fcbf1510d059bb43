//! `ack = "first"` where the connection is lost: what the broker knows to be acknowledged is not
//! handled twice, what it does not know comes again, and a failure is kept all the same.

use std::time::Duration;

use springhare::prelude::*;
use springhare_broker::{Broker, ManualClock};
use springhare_tests::{Gate, Proxy, eventually, header_text};

use crate::support::{Tell, Told, channel_of, is_up_again, publish, served, telling};
use crate::switch_link::SwitchLink;

/// A text, and whether it was delivered before.
type Said = State<Tell<(String, bool)>>;

fn first(text: &str) -> (String, bool) {
    (text.to_owned(), false)
}

fn again(text: &str) -> (String, bool) {
    (text.to_owned(), true)
}

/// How many messages are ready in a queue.
async fn left(broker: &Broker, queue: &str) -> u64 {
    channel_of(broker).queue_declare_passive(queue).await.unwrap().message_count
}

async fn has_left(broker: &Broker, queue: &str, expected: u64) {
    let what = format!("'{queue}' has {expected} messages");
    eventually(&what, async || (left(broker, queue).await == expected).then_some(())).await;
}

/// Stops the application: no handler was called once more, and no message is left.
async fn ends_empty<T: std::fmt::Debug>(
    app: Springhare,
    told: &Told<T>,
    broker: &Broker,
    queue: &str,
) {
    app.stop().await.unwrap();
    assert!(told.is_silent());
    has_left(broker, queue, 0).await;
}

#[rabbit_listener(queue = "f.one", ack = "first")]
async fn one(text: Text, redelivered: Redelivered, gate: State<Gate>, said: Said) {
    said.tell((text.0, redelivered.is_redelivered()));
    gate.pass().await;
}

#[rabbit_listener(queue = "f.many", ack = "first", partition_by = "message_id", concurrency = 2)]
async fn many(text: Text, redelivered: Redelivered, gate: State<Gate>, said: Said) {
    said.tell((text.0, redelivered.is_redelivered()));
    gate.pass().await;
}

/// The connection is lost while so many handlers run, of three messages.
async fn lose_while_in_hand(queue: &str, in_hand: usize) {
    let (link, broker, hand) = SwitchLink::on();
    let (said, mut told) = telling::<(String, bool)>();
    let gate = Gate::closed();
    let app = Springhare::builder()
        .link(link.clone())
        .listeners(listeners![one, many])
        .manage(gate.clone())
        .manage(said)
        .start()
        .await
        .unwrap();
    let texts = ["0", "1", "2"];
    for text in texts {
        publish(&broker, "", queue, text).await;
    }
    for text in &texts[..in_hand] {
        assert_eq!(told.next().await, first(text));
    }
    has_left(&broker, queue, 0).await;
    link.close_connections();
    // What was acknowledged is gone, and the rest is back.
    has_left(&broker, queue, (texts.len() - in_hand) as u64).await;
    gate.let_through(10);
    is_up_again(&app, &hand).await;
    for text in &texts[in_hand..] {
        assert_eq!(told.next().await, again(text));
    }
    ends_empty(app, &told, &broker, queue).await;
}

#[tokio::test]
async fn what_is_in_hand_as_the_connection_is_lost_is_handled_once_and_the_rest_comes_again() {
    lose_while_in_hand("f.one", 1).await;
    lose_while_in_hand("f.many", 2).await;
}

/// A broker, a way to it that can lose what is said, and an application.
async fn behind_a_proxy(gate: &Gate) -> (Broker, Proxy, Springhare, Told<(String, bool)>) {
    let (broker, address) = served();
    let proxy = Proxy::start(address).await.unwrap();
    let (said, told) = telling::<(String, bool)>();
    let app = Springhare::builder()
        .url(format!("amqp://guest:guest@{}", proxy.address()))
        .listeners(listeners![one, many, asks])
        .manage(gate.clone())
        .manage(said)
        .start()
        .await
        .unwrap();
    (broker, proxy, app, told)
}

#[tokio::test]
async fn a_message_whose_ack_got_lost_comes_again_and_is_handled_once() {
    for queue in ["f.one", "f.many"] {
        let gate = Gate::closed();
        gate.let_through(10);
        let (broker, proxy, app, mut told) = behind_a_proxy(&gate).await;
        proxy.swallow_requests();
        publish(&broker, "", queue, "tea").await;
        eventually("the ack is lost", async || (proxy.swallowed() > 0).then_some(())).await;
        proxy.cut();
        assert_eq!(told.next().await, again("tea"));
        ends_empty(app, &told, &broker, queue).await;
    }
}

/// Asks the broker something, whose answer comes behind all that was delivered before.
#[rabbit_listener(queue = "f.asks", ack = "first")]
async fn asks(
    text: Text,
    redelivered: Redelivered,
    channel: Channel,
    gate: State<Gate>,
    said: Said,
) -> ListenerResult {
    said.tell((text.0, redelivered.is_redelivered()));
    gate.pass().await;
    channel.queue_declare_passive("f.asks").await?;
    said.tell(("asked".to_owned(), false));
    gate.pass().await;
    Ok(())
}

#[tokio::test]
async fn a_message_whose_ack_the_broker_has_and_nobody_knows_is_not_handled() {
    let gate = Gate::closed();
    let (broker, proxy, app, mut told) = behind_a_proxy(&gate).await;
    for text in ["tea", "coffee"] {
        publish(&broker, "", "f.asks", text).await;
    }
    assert_eq!(told.next().await, first("tea"));
    has_left(&broker, "f.asks", 0).await;
    gate.let_through(1);
    // Now the other message is here, too.
    assert_eq!(told.next().await, first("asked"));
    proxy.swallow_answers();
    gate.let_through(1);
    eventually("the answer is lost", async || (proxy.swallowed() > 0).then_some(())).await;
    proxy.cut();
    publish(&broker, "", "f.one", "next").await;
    let (next, _may_have_been_delivered_to_who_is_gone) = told.next().await;
    assert_eq!(next, "next", "it consumes again, and the other message is gone");
    gate.let_through(10);
    ends_empty(app, &told, &broker, "f.asks").await;
}

#[rabbit_listener(
    queue = "f.rests",
    ack = "first",
    recover = "park",
    retry(max_attempts = 5, backoff = "10s")
)]
async fn rests(attempt: Attempt, gate: State<Gate>, said: State<Tell<u32>>) -> ListenerResult {
    said.tell(attempt.value());
    gate.pass().await;
    Err(ListenerError::msg("it did not work"))
}

#[rabbit_listener(
    queue = "f.rests.many",
    ack = "first",
    partition_by = "message_id",
    concurrency = 2,
    recover = "park",
    retry(max_attempts = 5, backoff = "10s")
)]
async fn rests_many(attempt: Attempt, gate: State<Gate>, said: State<Tell<u32>>) -> ListenerResult {
    said.tell(attempt.value());
    gate.pass().await;
    Err(ListenerError::msg("it did not work"))
}

/// An application that handles one message of the queue.
async fn handles_one(
    link: &SwitchLink,
    broker: &Broker,
    queue: &str,
    gate: &Gate,
) -> (Springhare, Told<u32>) {
    let (said, mut told) = telling::<u32>();
    let app = Springhare::builder()
        .link(link.clone())
        .listeners(listeners![rests, rests_many])
        .manage(gate.clone())
        .manage(said)
        .start()
        .await
        .unwrap();
    publish(broker, "", queue, "tea").await;
    assert_eq!(told.next().await, 1);
    (app, told)
}

/// Lets time pass until the copy is there, with the handler's error.
async fn is_kept(broker: &Broker, hand: &ManualClock, queue: &str) {
    let error_queue = format!("{queue}.error");
    let parked = eventually("the copy is kept", async || {
        hand.advance(Duration::from_millis(500));
        let got = channel_of(broker).basic_get(&error_queue, springhare_broker::NoAck::Yes).await;
        got.ok().flatten()
    })
    .await;
    let message = &parked.delivery.message.message;
    assert_eq!(&*message.body, b"tea");
    assert_eq!(header_text(message, "x-exception-message"), "it did not work");
}

#[tokio::test]
async fn what_rests_between_two_calls_is_kept_when_its_connection_is_lost() {
    for queue in ["f.rests", "f.rests.many"] {
        let (link, broker, hand) = SwitchLink::on();
        let gate = Gate::closed();
        gate.let_through(10);
        let (app, told) = handles_one(&link, &broker, queue, &gate).await;
        eventually("it rests", async || (hand.sleepers() > 0).then_some(())).await;
        link.close_connections();
        is_kept(&broker, &hand, queue).await;
        is_up_again(&app, &hand).await;
        ends_empty(app, &told, &broker, queue).await;
    }
}

#[tokio::test]
async fn what_fails_while_the_broker_is_away_is_kept_once_it_is_back() {
    for queue in ["f.rests", "f.rests.many"] {
        let (link, broker, hand) = SwitchLink::on();
        let gate = Gate::closed();
        let (app, told) = handles_one(&link, &broker, queue, &gate).await;
        let attempts = link.attempts_of("publisher");
        link.take_broker_away();
        gate.let_through(10);
        eventually("the copy was tried", async || {
            hand.advance(Duration::from_millis(500));
            (link.attempts_of("publisher") > attempts).then_some(())
        })
        .await;
        link.connect_to(&broker);
        is_kept(&broker, &hand, queue).await;
        is_up_again(&app, &hand).await;
        ends_empty(app, &told, &broker, queue).await;
    }
}
