use std::sync::Arc;

use springhare::amqp::ShortString;
use springhare::middleware::{Flow, LayerFuture, MessageProcessor, Next, NextPublish};
use springhare::prelude::*;
use springhare::{DeliveryContext, Error, FromDelivery, Invocation, Publish};
use springhare_broker::NoAck;
use springhare_tests::{Tell, arrives, header_text, ready, telling};

use crate::place::Place;

application!(
    a_processor_changes_what_goes_out_and_what_comes_in,
    a_processor_may_discard_a_message_or_refuse_it,
    what_is_discarded_is_acknowledged_where_the_handler_would_have_to_do_so,
    a_processor_that_panics_has_failed_as_a_handler_has,
    layers_go_round_handlers_from_the_outside_in,
    a_layer_of_one_listener_needs_one_that_takes_single_messages,
    a_layer_may_do_without_the_handler,
    arguments_are_made_in_the_scope_that_a_layer_has_put_round_the_handler,
    layers_go_round_what_is_sent_one_by_one,
);

/// Signs what goes out, and takes the signature off what comes in.
struct Signature;

impl MessageProcessor for Signature {
    fn before_publish(&self, publish: &mut Publish) -> springhare::Result<()> {
        let signed = [&*publish.message.body, b" (signed)"].concat();
        publish.message.body = signed.into();
        publish.message.properties.set_header(ShortString::from_static("x-signed"), true.into());
        Ok(())
    }

    fn after_receive(&self, message: &mut Message) -> Result<Flow, ListenerError> {
        if &*message.body == b"bogus" {
            return Err(ListenerError::msg("no signature"));
        }
        if &*message.body == b"spam" {
            return Ok(Flow::Discard);
        }
        let length = message.body.len().saturating_sub(b" (signed)".len());
        message.body.truncate(length);
        Ok(Flow::Continue)
    }
}

#[rabbit_listener(queue = "m.signed")]
async fn read_signed(
    Text(body): Text,
    message: Message,
    seen: State<Tell<(String, usize)>>,
) -> Text {
    seen.tell((body.clone(), message.body.len()));
    Text(body)
}

async fn a_processor_changes_what_goes_out_and_what_comes_in(place: &Place) {
    let (tell, mut seen) = telling::<(String, usize)>();
    let app = place
        .builder()
        .processor(Signature)
        .listeners(listeners![read_signed])
        .declare(Queue::durable("m.sent"))
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    let reply: String = rabbit.convert_send_and_receive("m.signed", "tea").await.unwrap();
    assert_eq!(seen.next().await, ("tea".to_owned(), 3));
    assert_eq!(reply, "tea", "a reply is signed and read as all is");
    rabbit.convert_and_send_all([("m.sent", "tea"), ("m.sent", "cake")]).await.unwrap();
    let sent = arrives(&rabbit, "m.sent").await;
    assert_eq!(&*sent.body, b"tea", "and so is what is received by hand");
    assert!(sent.properties.header("x-signed").is_some());
    app.stop().await.unwrap();
}

async fn a_processor_may_discard_a_message_or_refuse_it(place: &Place) {
    let (tell, mut seen) = telling::<(String, usize)>();
    let builder = place.builder().processor(Signature).manage(tell);
    let app = builder.listeners(listeners![read_signed]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    for body in ["spam", "bogus", "tea (signed)"] {
        let put = rabbit.execute(|channel| async move {
            let options = springhare_broker::BasicPublishOptions::default();
            channel.basic_publish("", "m.signed", options, Message::new(body)).await?;
            Ok(())
        });
        put.await.unwrap();
    }
    assert_eq!(seen.next().await, ("tea".to_owned(), 3));
    place.has_left("m.signed.error", 1).await;
    let parked = place.channel().await.basic_get("m.signed.error", NoAck::Yes).await.unwrap();
    let parked = parked.unwrap().delivery.message.message.clone();
    assert_eq!(&*parked.body, b"bogus", "as the broker delivered it");
    assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
    assert!(seen.is_silent());
    assert_eq!(ready(&rabbit, "m.signed").await, 0);
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "m.by_hand", ack = "manual", prefetch = 1)]
async fn read_by_hand(
    channel: Channel,
    Text(body): Text,
    tag: DeliveryTag,
    seen: State<Tell<String>>,
) -> ListenerResult {
    channel.ack(tag).await?;
    seen.tell(body);
    Ok(())
}

/// Passes over `spam`, and panics at the first `panic`.
#[derive(Default)]
struct Filter(std::sync::atomic::AtomicBool);

impl MessageProcessor for Filter {
    fn after_receive(&self, message: &mut Message) -> Result<Flow, ListenerError> {
        let is_first = || !self.0.swap(true, std::sync::atomic::Ordering::Relaxed);
        match &*message.body {
            b"spam" => Ok(Flow::Discard),
            b"panic" if is_first() => panic!("a panic of the test"),
            _ => Ok(Flow::Continue),
        }
    }
}

async fn what_is_discarded_is_acknowledged_where_the_handler_would_have_to_do_so(place: &Place) {
    let (tell, mut seen) = telling::<String>();
    let builder = place.builder().processor(Filter::default()).manage(tell);
    let app = builder.listeners(listeners![read_by_hand]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all(["spam", "spam", "tea"].map(|b| ("m.by_hand", b))).await.unwrap();
    assert_eq!(seen.next().await, "tea");
    app.stop().await.unwrap();
    place.has_left("m.by_hand", 0).await;
}

async fn a_processor_that_panics_has_failed_as_a_handler_has(place: &Place) {
    let (tell, mut seen) = telling::<String>();
    let builder = place.builder().processor(Filter::default()).manage(tell);
    let app = builder.listeners(listeners![read_by_hand]).start().await.unwrap();
    app.rabbit_template().convert_and_send("m.by_hand", "panic").await.unwrap();
    assert_eq!(seen.next().await, "panic", "it is delivered again");
    app.stop().await.unwrap();
    place.has_left("m.by_hand", 0).await;
}

type Steps = Arc<Tell<String>>;

/// Tells what passes it.
fn passing(name: &'static str, steps: &Steps) -> impl springhare::middleware::ListenerLayer {
    struct Passing(&'static str, Steps);

    impl springhare::middleware::ListenerLayer for Passing {
        fn call<'d>(&'d self, cx: &'d DeliveryContext, next: Next<'d>) -> Invocation<'d> {
            self.1.tell(format!("{} in, {}", self.0, cx.routing_key()));
            Box::pin(async move {
                let outcome = next.run(cx).await;
                self.1.tell(format!("{} out, {outcome:?}", self.0));
                outcome
            })
        }
    }

    Passing(name, Arc::clone(steps))
}

#[rabbit_listener(id = "m.one", queue = "m.one")]
async fn one(steps: State<Steps>) {
    steps.tell("handler".to_owned());
}

#[rabbit_listener(id = "m.other", queue = "m.other")]
async fn other(steps: State<Steps>) {
    steps.tell("handler".to_owned());
}

async fn layers_go_round_handlers_from_the_outside_in(place: &Place) {
    let (tell, mut steps) = telling::<String>();
    let tell = Arc::new(tell);
    let app = place
        .builder()
        .layer_of("m.one", passing("own", &tell))
        .layer(passing("first", &tell))
        .layer(passing("second", &tell))
        .listeners(listeners![one, other])
        .manage(Arc::clone(&tell))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    for (queue, own) in [("m.one", true), ("m.other", false)] {
        rabbit.convert_and_send(queue, "tea").await.unwrap();
        let mut expected = vec![format!("first in, {queue}"), format!("second in, {queue}")];
        expected.extend(own.then(|| format!("own in, {queue}")));
        expected.push("handler".to_owned());
        expected.extend(own.then(|| "own out, Ack".to_owned()));
        expected.extend(["second out, Ack".to_owned(), "first out, Ack".to_owned()]);
        for step in expected {
            assert_eq!(steps.next().await, step);
        }
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "m.batches", queue = "m.batches", batch = 2)]
async fn batches(_texts: Vec<Text>) {}

async fn a_layer_of_one_listener_needs_one_that_takes_single_messages(place: &Place) {
    let (tell, _steps) = telling::<String>();
    let tell = Arc::new(tell);
    for (id, words) in [("m.batches", "takes batches"), ("m.nobody", "no listener has this id")] {
        let builder = place.builder().layer_of(id, passing("own", &tell));
        let refused = builder.listeners(listeners![batches]).start().await.unwrap_err().to_string();
        let faults: Vec<&str> =
            refused.lines().filter(|line| line.contains("`.layer_of(")).collect();
        assert!(faults.len() == 1 && faults[0].contains(id), "{refused}");
        assert!(refused.contains(words), "{refused}");
    }
    let builder = place.builder().layer(passing("of all", &tell));
    let app = builder.listeners(listeners![batches]).start().await.unwrap();
    app.stop().await.unwrap();
}

/// Rejects what is not for this shop.
fn only_ours<'d>(cx: &'d DeliveryContext, next: Next<'d>) -> Invocation<'d> {
    match &**cx.body() {
        b"theirs" => Box::pin(async { Outcome::Failed(ListenerError::fatal("not ours")) }),
        b"panic" => panic!("a layer panics"),
        _ => next.run(cx),
    }
}

#[rabbit_listener(queue = "m.ours", requeue_rejected = false)]
async fn ours(Text(body): Text, steps: State<Steps>) {
    steps.tell(body);
}

async fn a_layer_may_do_without_the_handler(place: &Place) {
    let (tell, mut steps) = telling::<String>();
    let builder = place.builder().layer(only_ours).manage(Arc::new(tell));
    let app = builder.listeners(listeners![ours]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    for body in ["theirs", "panic", "ours"] {
        rabbit.convert_and_send("m.ours", body).await.unwrap();
    }
    assert_eq!(steps.next().await, "ours");
    let parked = arrives(&rabbit, "m.ours.error").await;
    assert!(header_text(&parked, "x-exception-message").contains("not ours"));
    assert!(steps.is_silent());
    assert_eq!(ready(&rabbit, "m.ours").await, 0);
    app.stop().await.unwrap();
}

/// Sends what is for nobody to the lost and found.
fn lost_and_found<'p>(publish: Publish, next: NextPublish<'p>) -> LayerFuture<'p> {
    Box::pin(async move {
        if publish.routing_key == "refused" {
            return Err(Error::Stopped);
        }
        let routing_key = ShortString::from_static("m.found");
        next.run(Publish { routing_key, ..publish }).await
    })
}

async fn layers_go_round_what_is_sent_one_by_one(place: &Place) {
    let builder = place.builder().publish_layer(lost_and_found).listeners(listeners![]);
    let app = builder.declare(Queue::durable("m.found")).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("nowhere", "tea").await.unwrap();
    let wait = std::time::Duration::from_secs(1);
    rabbit.convert_and_send("nowhere", "cake").retry(wait).await.unwrap();
    assert_eq!(&*arrives(&rabbit, "m.found").await.body, b"tea");
    assert_eq!(&*arrives(&rabbit, "m.found").await.body, b"cake");
    let refused = rabbit.convert_and_send("refused", "tea").await;
    assert!(matches!(refused, Err(Error::Stopped)));
    app.stop().await.unwrap();
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

#[rabbit_listener(queue = "m.tenant")]
async fn of_tenant(tenant: Tenant, seen: State<Tell<String>>) {
    seen.tell(tenant.0);
}

struct InScope;

impl springhare::middleware::ListenerLayer for InScope {
    fn call<'d>(&'d self, cx: &'d DeliveryContext, next: Next<'d>) -> Invocation<'d> {
        Box::pin(TENANT.scope("hares", next.run(cx)))
    }
}

async fn arguments_are_made_in_the_scope_that_a_layer_has_put_round_the_handler(place: &Place) {
    let (tell, mut seen) = telling::<String>();
    let builder = place.builder().layer(InScope).listeners(listeners![of_tenant]);
    let app = builder.manage(tell).start().await.unwrap();
    app.rabbit_template().convert_and_send("m.tenant", "hello").await.unwrap();
    assert_eq!(seen.next().await, "hares");
    app.stop().await.unwrap();
}
