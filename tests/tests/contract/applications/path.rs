use std::time::Duration;

use serde::Deserialize;
use springhare::prelude::*;
use springhare_tests::{Tell, arrives, header_text, telling};

use crate::place::Place;

application!(
    the_words_of_a_key_are_arguments,
    a_word_that_does_not_fit_is_parked,
    a_message_that_comes_again_has_the_words_of_its_first_key,
    one_queue_is_bound_to_several_exchanges,
    a_dead_letter_tells_its_deaths,
);

type Said = State<Tell<String>>;

#[derive(Debug, Deserialize)]
struct Reading {
    site: String,
    sensor: u32,
}

#[rabbit_listener(
    queue = "p.readings",
    exchange = "p.sites",
    kind = "topic",
    key = "{site}.*.{sensor}"
)]
async fn read(Path(Reading { site, sensor }): Path<Reading>, value: Text, said: Said) {
    said.tell(format!("{site} {sensor} {}", value.0));
}

#[rabbit_listener(queue = "p.logs", exchange = "p.all", kind = "topic", key = "logs.{level}")]
async fn log(Path(level): Path<String>, line: Text, said: Said) {
    said.tell(format!("{level}: {}", line.0));
}

#[rabbit_listener(queue = "p.logs", exchange = "p.all", kind = "topic", key = "logs.{host}.{code}")]
async fn host(Path((host, code)): Path<(String, u8)>, line: Text, said: Said) {
    said.tell(format!("{host} {code}: {}", line.0));
}

async fn the_words_of_a_key_are_arguments(place: &Place) {
    let (tell, mut told) = telling::<String>();
    let app = place.builder().listeners(listeners![read, log, host]).manage(tell);
    let app = app.start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send(("p.sites", "north.roof.7"), "12.5").await.unwrap();
    assert_eq!(told.next().await, "north 7 12.5");
    rabbit.convert_and_send(("p.all", "logs.error"), "oh").await.unwrap();
    assert_eq!(told.next().await, "error: oh");
    rabbit.convert_and_send(("p.all", "logs.kern.5"), "no").await.unwrap();
    assert_eq!(told.next().await, "kern 5: no");
    app.stop().await.unwrap();
}

async fn a_word_that_does_not_fit_is_parked(place: &Place) {
    let (tell, _told) = telling::<String>();
    let app = place.builder().listeners(listeners![read]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    for (route, words) in [
        (("p.sites", "north.roof.x"), "`{sensor}` is \"x\""),
        (("", "p.readings"), "'{site}.*.{sensor}'"),
    ] {
        rabbit.convert_and_send(route, "12.5").await.unwrap();
        let parked = arrives(&rabbit, "p.readings.error").await;
        assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
        let exception = header_text(&parked, "x-exception-message");
        assert!(exception.contains(words), "{exception}");
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(
    queue = "p.again",
    exchange = "p.a",
    kind = "topic",
    key = "{level}.*",
    arguments(dead_letter = "", dead_letter_routing_key = "p.wait")
)]
async fn again(
    Path(level): Path<String>,
    count: DeliveryCount,
    deaths: XDeath,
    said: Said,
) -> ListenerResult {
    said.tell(format!("{level} {}", count.value()));
    match (count.value(), deaths.count_of("p.again")) {
        (..3, 0) => Err(ListenerError::msg("not yet")),
        (_, 0) => Err(ListenerError::reject_and_dont_requeue("later")),
        _ => Ok(()),
    }
}

async fn a_message_that_comes_again_has_the_words_of_its_first_key(place: &Place) {
    let (tell, mut told) = telling::<String>();
    let wait = Queue::durable("p.wait").ttl(Duration::from_millis(10));
    let wait = wait.dead_letter_queue("p.again");
    let app = place.builder().listeners(listeners![again]).declare(wait).manage(tell);
    let app = app.start().await.unwrap();
    app.rabbit_template().convert_and_send(("p.a", "error.kern"), "tea").await.unwrap();
    for failures in 0..4 {
        assert_eq!(told.next().await, format!("error {failures}"));
    }
    // Back from the wait queue with the key `p.again`, which the pattern would match.
    assert_eq!(told.next().await, "error 0");
    app.stop().await.unwrap();
    place.has_left("p.again", 0).await;
}

#[rabbit_listener(
    queue = "p.bound",
    bindings(
        (exchange = "p.first", kind = "topic", keys = ["a.{word}", "{word}.b.c"]),
        (exchange = "p.second", kind = "topic", key = "x.y.{word}"),
    )
)]
async fn bound(Path(word): Path<String>, exchange: ExchangeName, said: Said) {
    said.tell(format!("{exchange} {word}"));
}

async fn one_queue_is_bound_to_several_exchanges(place: &Place) {
    let (tell, mut told) = telling::<String>();
    let app = place.builder().listeners(listeners![bound]).manage(tell).start().await.unwrap();
    place.has_consumers("p.bound", Some(1)).await;
    for (exchange, key, word) in [
        ("p.first", "a.1", "p.first 1"),
        ("p.first", "2.b.c", "p.first 2"),
        ("p.second", "x.y.3", "p.second 3"),
    ] {
        app.rabbit_template().convert_and_send((exchange, key), "tea").mandatory().await.unwrap();
        assert_eq!(told.next().await, word);
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "p.dead")]
async fn dead(deaths: XDeath, said: Said) {
    let death = deaths.first().cloned();
    let Some(death) = death else { return said.tell("never died".to_owned()) };
    let keys: Vec<&str> = death.routing_keys().iter().map(|key| &**key).collect();
    let (queue, reason, exchange) = (death.queue(), death.reason(), death.exchange());
    said.tell(format!("{queue} {reason} {} '{exchange}' {keys:?}", death.count()));
}

async fn a_dead_letter_tells_its_deaths(place: &Place) {
    let (tell, mut told) = telling::<String>();
    let brief = Queue::durable("p.brief").ttl(Duration::ZERO).dead_letter_queue("p.dead");
    let app = place.builder().listeners(listeners![dead]).declare(brief).manage(tell);
    let app = app.start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("p.brief", "tea").await.unwrap();
    assert_eq!(told.next().await, "p.brief expired 1 '' [\"p.brief\"]");
    rabbit.convert_and_send("p.dead", "tea").await.unwrap();
    assert_eq!(told.next().await, "never died");
    app.stop().await.unwrap();
}
