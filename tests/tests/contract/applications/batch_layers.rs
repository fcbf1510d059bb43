//! What goes round the handlers of batches.

use std::sync::Arc;
use std::time::Duration;

use springhare::middleware::{BatchLayer, Flow, MessageProcessor, Next, NextBatch};
use springhare::prelude::*;
use springhare::{BatchContext, DeliveryContext, FromDelivery, Invocation};
use springhare_tests::{Tell, Told, arrives, telling};

use crate::place::Place;

application!(
    layers_go_round_a_batch_from_the_outside_in,
    each_kind_of_layer_goes_round_its_kind_of_listener,
    a_layer_of_one_listener_needs_one_that_takes_batches,
    a_layer_may_do_without_the_handler_of_a_batch,
    a_layer_sees_what_the_handler_gets_and_no_batch_of_nothing,
    a_made_listener_of_batches_has_the_layers_too,
    a_timeout_bounds_a_batch_with_its_layers,
    with_manual_acks_a_layer_settles_nothing_by_saying_so,
);

const LONG: Duration = Duration::from_secs(600);

pub(super) type Steps = Arc<Tell<String>>;

pub(super) fn steps() -> (Steps, Told<String>) {
    let (tell, told) = telling::<String>();
    (Arc::new(tell), told)
}

pub(super) async fn send(app: &Springhare, queue: &'static str, texts: &[&str]) {
    let messages = texts.iter().map(|text| (queue, (*text).to_owned()));
    app.rabbit_template().convert_and_send_all(messages).await.unwrap();
}

pub(super) fn bodies(cx: &BatchContext) -> String {
    let body = |message: &DeliveryContext| String::from_utf8_lossy(message.body()).into_owned();
    cx.accepted_messages().map(body).collect::<Vec<_>>().join(" ")
}

/// Tells what passes it.
pub(super) struct Passing(pub(super) &'static str, pub(super) Steps);

impl BatchLayer for Passing {
    fn call<'d>(&'d self, cx: &'d BatchContext, next: NextBatch<'d>) -> Invocation<'d> {
        let Self(name, steps) = self;
        let consumer = cx.consumer();
        let (id, queue) = (consumer.listener_id(), consumer.queue());
        steps.tell(format!("{name} in: {} of {id} from {queue}", bodies(cx)));
        Box::pin(async move {
            let outcome = next.run(cx).await;
            let (done, all) = (cx.succeeded(&outcome), cx.accepted());
            steps.tell(format!("{name} out: {done} of {all}"));
            outcome
        })
    }
}

#[rabbit_listener(id = "bl.two", queue = "bl.q.two", batch = 2, batch_timeout = "10m")]
async fn two(texts: Vec<Text>, steps: State<Steps>) {
    steps.tell(format!("handler: {}", texts.len()));
}

#[rabbit_listener(id = "bl.other", queue = "bl.q.other", batch = 2, batch_timeout = "10m")]
async fn other(texts: Vec<Text>, steps: State<Steps>) {
    steps.tell(format!("handler: {}", texts.len()));
}

async fn layers_go_round_a_batch_from_the_outside_in(place: &Place) {
    let (tell, mut told) = steps();
    let app = place
        .builder()
        .batch_layer_of("bl.two", Passing("own", Arc::clone(&tell)))
        .batch_layer(Passing("first", Arc::clone(&tell)))
        .batch_layer(Passing("second", Arc::clone(&tell)))
        .listeners(listeners![two, other])
        .manage(tell)
        .start()
        .await
        .unwrap();
    for (id, queue, layers) in [
        ("bl.two", "bl.q.two", &["first", "second", "own"][..]),
        ("bl.other", "bl.q.other", &["first", "second"]),
    ] {
        send(&app, queue, &["tea", "cake"]).await;
        for layer in layers {
            assert_eq!(told.next().await, format!("{layer} in: tea cake of {id} from {queue}"));
        }
        assert_eq!(told.next().await, "handler: 2");
        for layer in layers.iter().rev() {
            assert_eq!(told.next().await, format!("{layer} out: 2 of 2"));
        }
    }
    app.stop().await.unwrap();
    assert_eq!(place.left("bl.q.two").await + place.left("bl.q.other").await, 0);
}

#[rabbit_listener(id = "bl.one", queue = "bl.q.one")]
async fn one(_text: Text, steps: State<Steps>) {
    steps.tell("handler of one".to_owned());
}

fn round_one<'d>(cx: &'d DeliveryContext, next: Next<'d>) -> Invocation<'d> {
    if let Some(steps) = cx.state::<Steps>() {
        steps.tell(format!("layer round {}", cx.listener_id()));
    }
    next.run(cx)
}

async fn each_kind_of_layer_goes_round_its_kind_of_listener(place: &Place) {
    let (tell, mut told) = steps();
    let builder = place.builder().layer(round_one).batch_layer(Passing("all", Arc::clone(&tell)));
    let app = builder.listeners(listeners![one, two]).manage(tell).start().await.unwrap();
    send(&app, "bl.q.one", &["tea"]).await;
    assert_eq!(told.next().await, "layer round bl.one");
    assert_eq!(told.next().await, "handler of one");
    send(&app, "bl.q.two", &["tea", "cake"]).await;
    assert_eq!(told.next().await, "all in: tea cake of bl.two from bl.q.two");
    assert_eq!(told.next().await, "handler: 2");
    assert_eq!(told.next().await, "all out: 2 of 2");
    app.stop().await.unwrap();
    assert!(told.is_silent());
}

async fn a_layer_of_one_listener_needs_one_that_takes_batches(place: &Place) {
    let (tell, _told) = steps();
    for (id, words) in [
        ("bl.one", "takes one message at a time"),
        ("bl.one", "by `.layer_of(..)`"),
        ("bl.nobody", "no listener has this id"),
    ] {
        let builder = place.builder().batch_layer_of(id, Passing("own", Arc::clone(&tell)));
        let builder = builder.listeners(listeners![one, two]).manage(Arc::clone(&tell));
        let refused = builder.start().await.unwrap_err().to_string();
        let faults: Vec<&str> =
            refused.lines().filter(|line| line.contains("`.batch_layer_of(")).collect();
        assert!(faults.len() == 1 && faults[0].contains(id), "{refused}");
        assert!(refused.contains(words), "{refused}");
    }
    let builder = place.builder().layer_of("bl.two", round_one);
    let builder = builder.listeners(listeners![two]).manage(tell);
    let refused = builder.start().await.unwrap_err().to_string();
    assert!(refused.contains("by `.batch_layer_of(..)`"), "{refused}");
}

/// Does without the handler for some.
fn without<'d>(cx: &'d BatchContext, next: NextBatch<'d>) -> Invocation<'d> {
    match &*bodies(cx) {
        "done done" => Box::pin(async { Outcome::Ack }),
        "dead dead" => Box::pin(async { Outcome::Reject }),
        _ => next.run(cx),
    }
}

#[rabbit_listener(
    queue = "bl.without",
    batch = 2,
    batch_timeout = "10m",
    arguments(dead_letter = "", dead_letter_routing_key = "bl.dead")
)]
async fn handled(texts: Vec<Text>, steps: State<Steps>) {
    texts.into_iter().for_each(|text| steps.tell(text.0));
}

async fn a_layer_may_do_without_the_handler_of_a_batch(place: &Place) {
    let (tell, mut told) = steps();
    let builder = place.builder().batch_layer(without).declare(Queue::durable("bl.dead"));
    let app = builder.listeners(listeners![handled]).manage(tell).start().await.unwrap();
    send(&app, "bl.without", &["done", "done", "dead", "dead", "tea", "cake"]).await;
    assert_eq!([told.next().await, told.next().await], ["tea", "cake"]);
    for _ in 0..2 {
        assert_eq!(&*arrives(&app.rabbit_template(), "bl.dead").await.body, b"dead");
    }
    app.stop().await.unwrap();
    assert!(told.is_silent());
    assert_eq!(place.left("bl.without").await + place.left("bl.dead").await, 0);
}

/// Passes over `spam`, refuses what is `bogus`.
struct Filter;

impl MessageProcessor for Filter {
    fn after_receive(&self, message: &mut Message) -> Result<Flow, ListenerError> {
        match &*message.body {
            b"spam" => Ok(Flow::Discard),
            b"bogus" => Err(ListenerError::msg("bogus")),
            _ => Ok(Flow::Continue),
        }
    }
}

fn requeue_once<'d>(cx: &'d BatchContext, next: NextBatch<'d>) -> Invocation<'d> {
    match cx.accepted_messages().all(|message| message.delivery().redelivered) {
        true => next.run(cx),
        false => Box::pin(async { Outcome::Requeue }),
    }
}

#[rabbit_listener(id = "bl.filtered", queue = "bl.q.filtered", batch = 3, batch_timeout = "100ms")]
async fn filtered(texts: Vec<Text>, steps: State<Steps>) {
    texts.into_iter().for_each(|text| steps.tell(text.0));
}

async fn a_layer_sees_what_the_handler_gets_and_no_batch_of_nothing(place: &Place) {
    let (tell, mut told) = steps();
    let app = place
        .builder()
        .processor(Filter)
        .declare(Queue::durable("bl.q.filtered.error"))
        .batch_layer(Passing("all", Arc::clone(&tell)))
        .batch_layer(requeue_once)
        .listeners(listeners![filtered])
        .manage(tell)
        .start()
        .await
        .unwrap();
    send(&app, "bl.q.filtered", &["spam", "bogus", "bogus"]).await;
    place.has_left("bl.q.filtered.error", 2).await;
    assert!(told.is_silent(), "nothing is left of it");
    send(&app, "bl.q.filtered", &["spam", "tea", "bogus"]).await;
    let seen = "all in: tea of bl.filtered from bl.q.filtered";
    assert_eq!(told.next().await, seen);
    assert_eq!(told.next().await, "all out: 0 of 1");
    place.has_left("bl.q.filtered.error", 3).await;
    assert_eq!(told.next().await, seen, "the layer's outcome is that of `tea` alone");
    assert_eq!(told.next().await, "tea");
    assert_eq!(told.next().await, "all out: 1 of 1");
    app.stop().await.unwrap();
    assert!(told.is_silent());
    assert_eq!(place.left("bl.q.filtered").await, 0);
}

tokio::task_local! {
    static TENANT: &'static str;
}

/// Knows its tenant.
struct Tenant(String);

impl<'d> FromDelivery<'d> for Tenant {
    type Rejection = ListenerError;

    fn from_delivery(_: &'d DeliveryContext) -> Result<Self, ListenerError> {
        let tenant = TENANT.try_with(|tenant| (*tenant).to_owned());
        tenant.map(Self).map_err(|_| ListenerError::msg("no tenant"))
    }
}

struct InScope;

impl BatchLayer for InScope {
    fn call<'d>(&'d self, cx: &'d BatchContext, next: NextBatch<'d>) -> Invocation<'d> {
        Box::pin(TENANT.scope("hares", next.run(cx)))
    }
}

fn made(queue: &str) -> Listener {
    Listener::queue(queue).batch(2).batch_timeout(LONG).handler(
        |tenants: Vec<Tenant>, steps: State<Steps>| async move {
            tenants.into_iter().for_each(|tenant| steps.tell(tenant.0));
        },
    )
}

async fn a_made_listener_of_batches_has_the_layers_too(place: &Place) {
    let (tell, mut told) = steps();
    let app = place
        .builder()
        .batch_layer(InScope)
        .batch_layer_of("bl.at_start", Passing("own", Arc::clone(&tell)))
        .listeners(listeners![])
        .add_listener(made("bl.at_start"))
        .manage(tell)
        .start()
        .await
        .unwrap();
    app.listeners().add(made("bl.later")).await.unwrap();
    send(&app, "bl.at_start", &["tea", "cake"]).await;
    assert_eq!(told.next().await, "own in: tea cake of bl.at_start from bl.at_start");
    assert_eq!([told.next().await, told.next().await], ["hares", "hares"]);
    assert_eq!(told.next().await, "own out: 2 of 2");
    send(&app, "bl.later", &["tea", "cake"]).await;
    assert_eq!([told.next().await, told.next().await], ["hares", "hares"]);
    app.stop().await.unwrap();
    assert!(told.is_silent());
    assert_eq!(place.left("bl.at_start").await + place.left("bl.later").await, 0);
}

/// Never comes to an end with messages that are new.
fn endless<'d>(cx: &'d BatchContext, next: NextBatch<'d>) -> Invocation<'d> {
    match cx.messages().iter().all(|message| message.delivery().redelivered) {
        true => next.run(cx),
        false => Box::pin(std::future::pending()),
    }
}

#[rabbit_listener(queue = "bl.slow", batch = 2, batch_timeout = "10m", timeout = "20ms")]
async fn at_last(counts: Vec<DeliveryCount>, steps: State<Steps>) {
    counts.into_iter().for_each(|count| steps.tell(count.value().to_string()));
}

async fn a_timeout_bounds_a_batch_with_its_layers(place: &Place) {
    let (tell, mut told) = steps();
    let builder = place.builder().batch_layer(endless).listeners(listeners![at_last]);
    let app = builder.manage(tell).start().await.unwrap();
    send(&app, "bl.slow", &["tea", "cake"]).await;
    assert_eq!([told.next().await, told.next().await], ["1", "1"], "each has failed once");
    app.stop().await.unwrap();
    assert_eq!(place.left("bl.slow").await, 0);
}

/// Acknowledges some by their tags, and others by its word.
fn by_hand<'d>(cx: &'d BatchContext, next: NextBatch<'d>) -> Invocation<'d> {
    Box::pin(async move {
        match &*bodies(cx) {
            "tags tags" => {
                let tags = cx.messages().iter().filter_map(DeliveryContext::take_delivery_tag);
                for tag in tags {
                    if let Err(error) = cx.consumer().channel().ack(tag).await {
                        return Outcome::Failed(error.into());
                    }
                }
                Outcome::Ack
            }
            "word word" => Outcome::Ack,
            _ => next.run(cx).await,
        }
    })
}

#[rabbit_listener(queue = "bl.manual", ack = "manual", batch = 2, batch_timeout = "10m")]
async fn manual(channel: Channel, tags: Vec<DeliveryTag>, steps: State<Steps>) -> ListenerResult {
    for tag in tags {
        channel.ack(tag).await?;
    }
    steps.tell("handler".to_owned());
    Ok(())
}

async fn with_manual_acks_a_layer_settles_nothing_by_saying_so(place: &Place) {
    let (tell, mut told) = steps();
    let builder = place.builder().batch_layer(by_hand).listeners(listeners![manual]);
    let app = builder.manage(tell).start().await.unwrap();
    send(&app, "bl.manual", &["tags", "tags", "word", "word", "tea", "cake"]).await;
    assert_eq!(told.next().await, "handler");
    app.stop().await.unwrap();
    assert!(told.is_silent());
    place.has_left("bl.manual", 2).await;
}
