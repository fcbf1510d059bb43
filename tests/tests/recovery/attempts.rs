//! A message that fails again and again, on queues whose broker counts that and on RabbitMQ's
//! classic ones, where nobody else does: it is counted, paced and ends all the same.

use std::future::ready as ready_future;
use std::net::SocketAddr;
use std::time::Duration;

use springhare::connection::{Address, AmqpLink, EmbeddedLink, Link};
use springhare::prelude::*;
use springhare::{RabbitTemplate, SpringhareBuilder};
use springhare_broker::{Broker, Clock, ManualClock};
use springhare_tests::{RabbitMq, arrives, eventually, header_number, header_text, ready};

use crate::support::{Tell, Told, telling};

/// What a handler sees of a delivery.
#[derive(Debug, PartialEq, Eq)]
struct Try {
    text: String,
    /// How many failed before.
    count: u32,
    redelivered: bool,
    route: String,
}

impl Try {
    /// One of a message that was published to `attempts` under this key.
    fn of(text: &str, count: u32, redelivered: bool, key: &str) -> Self {
        Self { text: text.to_owned(), count, redelivered, route: format!("attempts/{key}") }
    }
}

fn taken(
    text: Text,
    (count, redelivered): (DeliveryCount, Redelivered),
    (exchange, key): (ExchangeName, RoutingKey),
) -> Try {
    let redelivered = redelivered.is_redelivered();
    Try { text: text.0, count: count.value(), redelivered, route: format!("{exchange}/{key}") }
}

/// Listeners that fail, but for the texts `well` and, from the third delivery on, `third`.
macro_rules! failing {
    ($name:ident, $($attribute:tt)*) => {
        #[rabbit_listener(exchange = "attempts", kind = "topic", $($attribute)*)]
        async fn $name(
            text: Text,
            count: DeliveryCount,
            redelivered: Redelivered,
            exchange: ExchangeName,
            key: RoutingKey,
            tries: State<Tell<Try>>,
        ) -> ListenerResult {
            let this = taken(text, (count, redelivered), (exchange, key));
            let is_well = this.text == "well" || (this.text == "third" && this.count >= 2);
            tries.tell(this);
            if is_well { Ok(()) } else { Err(ListenerError::msg("no van")) }
        }
    };
}

failing!(fail, queue = "attempts.classic", key = "classic.*");
failing!(
    fail_on_quorum,
    queue = "attempts.quorum",
    key = "quorum.*",
    arguments("x-queue-type" = "quorum")
);
failing!(
    fail_for_the_graves,
    queue = "attempts.buried",
    key = "buried.*",
    arguments("x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "attempts.graves")
);
failing!(
    fail_for_the_chapel,
    queue = "attempts.mourned",
    key = "mourned.*",
    arguments("x-dead-letter-exchange" = "attempts.chapel")
);
failing!(third, queue = "attempts.third", key = "third.*");
failing!(foreign, queue = "attempts.foreign", key = "foreign.*");
failing!(stopped, queue = "attempts.stopped", key = "stopped.*");
failing!(large, queue = "attempts.large", key = "large.*");
failing!(
    fail_when_full,
    queue = "attempts.full",
    key = "full.*",
    prefetch = 1,
    arguments("x-max-length" = 1, "x-overflow" = "reject-publish")
);

/// An application whose time goes on when the test says so.
struct Running {
    app: Springhare,
    rabbit: RabbitTemplate,
    clock: Clock,
    hand: ManualClock,
    tries: Told<Try>,
}

impl Running {
    async fn start(
        (link, hand): (impl Link, ManualClock),
        listener: impl FnOnce(SpringhareBuilder) -> SpringhareBuilder,
    ) -> Self {
        let clock = link.clock().clone();
        let (tell, tries) = telling();
        let builder = listener(Springhare::builder().link(link).manage(tell));
        let app = builder.declare(Queue::durable("attempts.graves")).start().await.unwrap();
        let rabbit = app.rabbit_template();
        Self { app, rabbit, clock, hand, tries }
    }

    /// The next try, which does not come before `pause` has passed.
    async fn try_after(&mut self, pause: Duration) -> Try {
        let before = self.clock.now();
        if !pause.is_zero() {
            eventually("the next try", || {
                self.hand.advance(pause / 4);
                ready_future((!self.tries.is_silent()).then_some(()))
            })
            .await;
        }
        let next = self.tries.next().await;
        let waited = self.clock.now() - before;
        assert!(waited >= pause, "{next:?} after {waited:?} and not {pause:?}");
        next
    }

    /// The twenty tries of a message that always fails.
    async fn fail_twenty_times(&mut self, text: &str, key: &str) {
        for failures in 0..20 {
            let next = self.try_after(pause_before(failures)).await;
            assert_eq!(next, Try::of(text, failures, failures > 0, key));
        }
    }

    async fn stop(self) {
        self.app.stop().await.unwrap();
        assert!(self.tries.is_silent());
    }
}

/// The pause before a delivery, so many of which have failed.
fn pause_before(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        _ => Duration::from_millis(100 << (failures - 2).min(6)).min(Duration::from_secs(5)),
    }
}

/// A link whose only sleepers are those that pause.
fn amqp(address: SocketAddr) -> (AmqpLink, ManualClock) {
    let Ok(Address::Amqp(addresses)) = format!("amqp://{address}?heartbeat=0").parse() else {
        panic!("{address}")
    };
    let (clock, hand) = Clock::manual();
    (AmqpLink::new(addresses).with_clock(clock), hand)
}

fn rabbitmq() -> Option<(AmqpLink, ManualClock)> {
    RabbitMq::shared().map(|node| amqp(node.address()))
}

/// A message that always fails, with all that a copy of it could stumble over.
async fn is_parked_after_twenty(mut running: Running, name: &str) {
    let (key, queue) = (format!("{name}.new"), format!("attempts.{name}"));
    let route = ("attempts", key.as_str());
    let mut bad = Message::new("bad");
    bad.properties.user_id = Some("guest".try_into().unwrap());
    bad.properties.expiration = Some("3600000".try_into().unwrap());
    running.rabbit.send(route, bad).header("x-id", 7).header("CC", vec!["none"]).await.unwrap();
    running.fail_twenty_times("bad", &key).await;
    let parked = arrives(&running.rabbit, &format!("{queue}.error")).await;
    assert_eq!(&*parked.body, b"bad");
    for (name, value) in [
        ("x-exception-message", "no van"),
        ("x-original-exchange", "attempts"),
        ("x-original-routingKey", key.as_str()),
        ("x-original-userId", "guest"),
        ("x-original-expiration", "3600000"),
        ("x-springhare-reason", "deliveries-exhausted"),
        ("x-springhare-exchange", ""),
    ] {
        assert_eq!(header_text(&parked, name), value, "{name}");
    }
    assert_eq!(header_number(&parked, "x-springhare-attempts"), Some(20));
    assert_eq!(header_number(&parked, "x-springhare-failures"), None);
    assert_eq!(header_number(&parked, "x-id"), Some(7));
    assert!(parked.properties.header("x-original-CC").is_some());
    assert_eq!(ready(&running.rabbit, &queue).await, 0);
    // Put back as it is, it has all its tries once more.
    running.rabbit.send(queue.as_str(), parked).await.unwrap();
    for failures in 0..3 {
        let next = running.try_after(pause_before(failures)).await;
        assert_eq!((next.count, next.route), (failures, format!("/{queue}")));
    }
    running.stop().await;
}

#[tokio::test]
async fn a_poison_message_on_a_classic_queue_of_rabbitmqs_is_parked_after_twenty_deliveries() {
    let Some(rabbitmq) = rabbitmq() else { return };
    let running = Running::start(rabbitmq, |app| app.listeners(listeners![fail])).await;
    is_parked_after_twenty(running, "classic").await;
}

#[tokio::test]
async fn a_poison_message_on_a_quorum_queue_is_parked_after_twenty_deliveries() {
    let Some(rabbitmq) = rabbitmq() else { return };
    let running = Running::start(rabbitmq, |app| app.listeners(listeners![fail_on_quorum])).await;
    is_parked_after_twenty(running, "quorum").await;
}

#[tokio::test]
async fn a_poison_message_on_our_broker_is_parked_after_twenty_deliveries() {
    let (clock, hand) = Clock::manual();
    let broker = Broker::builder().clock(clock).start().unwrap();
    let link = (EmbeddedLink::new(broker), hand);
    let running = Running::start(link, |app| app.listeners(listeners![fail])).await;
    is_parked_after_twenty(running, "classic").await;
}

#[tokio::test]
async fn a_poison_message_on_our_broker_behind_a_socket_is_parked_after_twenty_deliveries() {
    let broker = Broker::builder().listen("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let link = amqp(broker.local_addrs()[0]);
    let running = Running::start(link, |app| app.listeners(listeners![fail])).await;
    is_parked_after_twenty(running, "classic").await;
}

#[tokio::test]
async fn a_poison_message_on_a_classic_queue_ends_at_its_dead_letter_exchange() {
    let Some(rabbitmq) = rabbitmq() else { return };
    let listener = |app: SpringhareBuilder| app.listeners(listeners![fail_for_the_graves]);
    let mut running = Running::start(rabbitmq, listener).await;
    running.rabbit.convert_and_send(("attempts", "buried.new"), "bad").await.unwrap();
    running.fail_twenty_times("bad", "buried.new").await;
    let dead = arrives(&running.rabbit, "attempts.graves").await;
    assert_eq!(&*dead.body, b"bad");
    assert_eq!(header_text(&dead, "x-springhare-exchange"), "attempts");
    assert_eq!(header_text(&dead, "x-springhare-routing-key"), "buried.new");
    assert!(dead.properties.header("x-death").is_some());
    // Brought back with all its headers it is a new message.
    running.rabbit.send("attempts.buried", dead).await.unwrap();
    for failures in 0..3 {
        let back = running.try_after(pause_before(failures)).await;
        assert_eq!((back.count, back.route.as_str()), (failures, "/attempts.buried"));
    }
    running.stop().await;
}

/// The dead-letter exchange knows the keys that messages are published with, and a copy has another.
#[tokio::test]
async fn dead_letters_keep_the_key_of_the_original() {
    let Some(rabbitmq) = rabbitmq() else { return };
    let listener = |app: SpringhareBuilder| {
        app.listeners(listeners![fail_for_the_chapel])
            .declare(Exchange::direct("attempts.chapel"))
            .declare(Queue::durable("attempts.mourners"))
            .declare(Binding::queue("attempts.mourners").to("attempts.chapel").with("mourned.new"))
    };
    let mut running = Running::start(rabbitmq, listener).await;
    running.rabbit.convert_and_send(("attempts", "mourned.new"), "bad").await.unwrap();
    running.fail_twenty_times("bad", "mourned.new").await;
    let dead = arrives(&running.rabbit, "attempts.mourners").await;
    assert_eq!(&*dead.body, b"bad");
    assert_eq!(header_number(&dead, "x-springhare-attempts"), Some(20));
    running.stop().await;
}

#[tokio::test]
async fn a_message_that_succeeds_the_third_time_is_gone_and_holds_nobody_up() {
    let Some(rabbitmq) = rabbitmq() else { return };
    let listener = |app: SpringhareBuilder| app.listeners(listeners![third]);
    let mut running = Running::start(rabbitmq, listener).await;
    running.rabbit.convert_and_send(("attempts", "third.new"), "third").await.unwrap();
    for failures in 0..2 {
        let next = running.try_after(Duration::ZERO).await;
        assert_eq!(next, Try::of("third", failures, failures > 0, "third.new"));
    }
    running.rabbit.convert_and_send(("attempts", "third.other"), "well").await.unwrap();
    let other = running.try_after(Duration::ZERO).await;
    assert_eq!(other, Try::of("well", 0, false, "third.other"));
    let next = running.try_after(pause_before(2)).await;
    assert_eq!(next, Try::of("third", 2, true, "third.new"));
    running.stop().await;
    assert_eq!(left_in("attempts.third").await, 0);
}

#[tokio::test]
async fn a_count_that_was_sent_along_does_not_hide_that_nobody_counts() {
    let Some(rabbitmq) = rabbitmq() else { return };
    let listener = |app: SpringhareBuilder| app.listeners(listeners![foreign]);
    let mut running = Running::start(rabbitmq, listener).await;
    let send = running.rabbit.convert_and_send(("attempts", "foreign.new"), "third");
    send.header("x-delivery-count", 5_i64).await.unwrap();
    for failures in 0..3 {
        let next = running.try_after(pause_before(failures)).await;
        assert_eq!(next, Try::of("third", failures, failures > 0, "foreign.new"));
    }
    running.stop().await;
    assert_eq!(left_in("attempts.foreign").await, 0);
}

#[tokio::test]
async fn a_message_whose_consumer_stops_in_its_pause_comes_back() {
    let mut seen = Vec::new();
    // The original in its pause, and two copies in theirs.
    for _ in 0..3 {
        let Some(rabbitmq) = rabbitmq() else { return };
        let listener = |app: SpringhareBuilder| app.listeners(listeners![stopped]);
        let mut running = Running::start(rabbitmq, listener).await;
        if seen.is_empty() {
            running.rabbit.convert_and_send(("attempts", "stopped.new"), "bad").await.unwrap();
            seen.push(running.try_after(Duration::ZERO).await.count);
            seen.push(running.try_after(Duration::ZERO).await.count);
        } else {
            seen.push(running.try_after(Duration::ZERO).await.count);
            let next = running.try_after(Duration::from_millis(100)).await;
            assert_eq!(next.route, "attempts/stopped.new");
            seen.push(next.count);
        }
        running.stop().await;
        assert_eq!(left_in("attempts.stopped").await, 1);
    }
    // The original only shows that it was delivered before, and each copy what went before it.
    assert_eq!(seen, [0, 1, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_message_without_room_for_its_count_is_parked_the_second_time() {
    let Some(rabbitmq) = rabbitmq() else { return };
    let listener = |app: SpringhareBuilder| app.listeners(listeners![large]);
    let mut running = Running::start(rabbitmq, listener).await;
    let send = running.rabbit.convert_and_send(("attempts", "large.new"), "bad");
    send.header("x-large", "h".repeat(130_900)).await.unwrap();
    assert_eq!(running.try_after(Duration::ZERO).await.count, 0);
    assert_eq!(running.try_after(Duration::ZERO).await.count, 1);
    let parked = eventually("the message is parked", async || {
        running.hand.advance(Duration::from_millis(100));
        running.rabbit.receive("attempts.large.error").await.unwrap_or_default()
    })
    .await;
    assert_eq!(header_text(&parked, "x-springhare-reason"), "no-room-to-count");
    assert_eq!(header_text(&parked, "x-springhare-headers"), "dropped");
    assert_eq!(header_number(&parked, "x-springhare-attempts"), Some(2));
    assert_eq!(header_text(&parked, "x-original-routingKey"), "large.new");
    running.stop().await;
    assert_eq!(left_in("attempts.large").await, 0);
}

#[tokio::test]
async fn a_message_whose_copy_is_refused_is_requeued_after_the_longest_pause() {
    let Some(rabbitmq) = rabbitmq() else { return };
    let listener = |app: SpringhareBuilder| app.listeners(listeners![fail_when_full]);
    let mut running = Running::start(rabbitmq, listener).await;
    running.rabbit.convert_and_send(("attempts", "full.new"), "bad").await.unwrap();
    assert_eq!(running.try_after(Duration::ZERO).await.count, 0);
    assert_eq!(running.try_after(Duration::ZERO).await.count, 1);
    // It holds the only prefetch slot, and this one fills the queue.
    running.rabbit.convert_and_send(("attempts", "full.other"), "well").await.unwrap();
    let back = running.try_after(Duration::from_secs(5)).await;
    assert_eq!(back, Try::of("bad", 1, true, "full.new"));
    running.stop().await;
    assert_eq!(left_in("attempts.full").await, 2);
}

/// The messages that nobody has taken, counted once no application holds any.
async fn left_in(queue: &str) -> u64 {
    let (link, _hand) = rabbitmq().unwrap();
    let looker = Springhare::builder().link(link).listeners(listeners![]).start().await.unwrap();
    let left = ready(&looker.rabbit_template(), queue).await;
    looker.stop().await.unwrap();
    left
}
