//! Layers round all that is published, and what it means where one refuses a message or keeps it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use springhare::amqp::ShortString;
use springhare::middleware::{LayerFuture, MessageProcessor, NextPublish, PublishLayer};
use springhare::prelude::*;
use springhare::{AmqpAppender, BatchingStrategy, CallError, Error, Publish};
use springhare_tests::{Tell, Told, arrives, header_text, ready, telling};
use tokio::sync::{Barrier, Mutex};

use crate::place::Place;

application!(
    messages_sent_together_go_through_the_layers_in_their_order,
    layers_leave_messages_to_several_exchanges_in_their_order,
    messages_sent_together_are_in_their_layers_together,
    a_layer_may_refuse_one_of_several_or_answer_for_it,
    an_outbox_goes_through_the_layers,
    a_batch_of_small_messages_is_one_to_a_layer,
    lines_of_the_log_go_through_the_layers,
    a_request_goes_through_the_layers,
    a_layer_may_refuse_a_request_or_keep_it,
    a_layer_hears_why_a_request_was_not_sent,
    what_a_layer_says_after_a_request_is_sent_ends_the_call,
    a_reply_goes_through_the_layers,
    a_layer_may_refuse_a_reply,
    what_failed_is_republished_past_the_layers,
);

/// Longer than any test has.
const LONG: Duration = Duration::from_secs(600);

type Steps = Arc<Tell<String>>;

/// Tells what passes it, and does with it what its body says.
struct Passing(&'static str, Steps);

impl PublishLayer for Passing {
    fn call<'p>(&'p self, mut publish: Publish, next: NextPublish<'p>) -> LayerFuture<'p> {
        let body = String::from_utf8_lossy(&publish.message.body).into_owned();
        self.1.tell(format!("{}: {body}", self.0));
        let header = ShortString::new(format!("x-{}", self.0)).unwrap();
        publish.message.properties.set_header(header, self.0.into());
        Box::pin(async move {
            match body.trim_end_matches('!') {
                "refused" => Err(Error::Other("a layer refuses it".into())),
                "later" => Err(Error::Stopped),
                "kept" => Ok(()),
                "kept failure" => {
                    drop(next.run(publish).await);
                    Ok(())
                }
                "failed after" => {
                    next.run(publish).await?;
                    Err(Error::Other("a layer fails after it".into()))
                }
                _ => next.run(publish).await,
            }
        })
    }
}

/// Marks what goes out.
struct Mark;

impl MessageProcessor for Mark {
    fn before_publish(&self, publish: &mut Publish) -> springhare::Result<()> {
        publish.message.body = [&*publish.message.body, b"!"].concat().into();
        Ok(())
    }
}

fn layered(place: &Place) -> (springhare::SpringhareBuilder, Told<String>) {
    let (tell, steps) = telling::<String>();
    let tell = Arc::new(tell);
    let builder = place.builder().processor(Mark).declare(Queue::durable("pl"));
    let builder = builder.publish_layer(Passing("outer", Arc::clone(&tell)));
    (builder.publish_layer(Passing("inner", tell)), steps)
}

/// What the outer layer tells of so many messages, and what the inner one does.
async fn of_each(steps: &mut Told<String>, messages: usize) -> [Vec<String>; 2] {
    let mut told = [Vec::new(), Vec::new()];
    for _ in 0..messages * 2 {
        let step = steps.next().await;
        told[usize::from(step.starts_with("inner"))].push(step);
    }
    told
}

async fn messages_sent_together_go_through_the_layers_in_their_order(place: &Place) {
    let (builder, mut steps) = layered(place);
    let app = builder.listeners(listeners![]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let bodies = ["1", "2", "3", "4", "5"];
    rabbit.convert_and_send_all(bodies.map(|body| ("pl", body))).await.unwrap();
    let [outer, inner] = of_each(&mut steps, 5).await;
    assert_eq!(outer, bodies.map(|body| format!("outer: {body}!")));
    assert_eq!(inner, bodies.map(|body| format!("inner: {body}!")));
    for body in bodies {
        let message = arrives(&rabbit, "pl").await;
        assert_eq!(&*message.body, format!("{body}!").as_bytes());
        let headers = (header_text(&message, "x-outer"), header_text(&message, "x-inner"));
        assert_eq!(headers, ("outer".to_owned(), "inner".to_owned()));
    }
    app.stop().await.unwrap();
    assert!(steps.is_silent());
}

/// Takes a lock that nobody holds: no wait.
struct Locking(Mutex<u32>);

impl PublishLayer for Locking {
    fn call<'p>(&'p self, publish: Publish, next: NextPublish<'p>) -> LayerFuture<'p> {
        Box::pin(async move {
            *self.0.lock().await += 1;
            next.run(publish).await
        })
    }
}

async fn layers_leave_messages_to_several_exchanges_in_their_order(place: &Place) {
    let builder = place.builder().publish_layer(Locking(Mutex::default())).listeners(listeners![]);
    let builder = ["pl.even", "pl.odd"].into_iter().fold(builder, |builder, exchange| {
        let binding = Binding::queue("pl").to(exchange);
        builder.declare(Exchange::fanout(exchange)).declare(binding)
    });
    let app = builder.declare(Queue::durable("pl")).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let count = 2500_u32;
    let exchange =
        |number: u32| if (number / 100).is_multiple_of(2) { "pl.even" } else { "pl.odd" };
    let messages = (0..count).map(|number| ((exchange(number), ""), number.to_string()));
    rabbit.convert_and_send_all(messages).await.unwrap();
    for number in 0..count {
        let next = rabbit.receive_and_convert::<u32>("pl").await.unwrap();
        assert_eq!(next, Some(number));
    }
    app.stop().await.unwrap();
}

/// Lets nobody through before so many are there.
struct Together(Barrier);

impl PublishLayer for Together {
    fn call<'p>(&'p self, publish: Publish, next: NextPublish<'p>) -> LayerFuture<'p> {
        Box::pin(async move {
            self.0.wait().await;
            next.run(publish).await
        })
    }
}

async fn messages_sent_together_are_in_their_layers_together(place: &Place) {
    let builder = place.builder().publish_layer(Together(Barrier::new(500)));
    let builder = builder.declare(Queue::durable("pl")).listeners(listeners![]);
    let app = builder.start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..2000).map(|n| ("pl", n.to_string()))).await.unwrap();
    assert_eq!(ready(&rabbit, "pl").await, 2000);
    app.stop().await.unwrap();
}

async fn a_layer_may_refuse_one_of_several_or_answer_for_it(place: &Place) {
    let (builder, _steps) = layered(place);
    let app = builder.listeners(listeners![]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let third = |body: &'static str| ["1", "2", body, "4", "5"].map(|body| ("pl", body));
    let error = rabbit.convert_and_send_all(third("refused")).await.unwrap_err();
    assert_eq!((error.index, error.confirmed_after), (2, 2));
    assert_eq!(error.error.to_string(), "a layer refuses it");
    assert_eq!(ready(&rabbit, "pl").await, 4);
    rabbit.convert_and_send_all(third("kept")).await.unwrap();
    assert_eq!(ready(&rabbit, "pl").await, 8);

    let nowhere = [("pl", "1"), ("pl.gone", "2"), ("pl", "3")];
    let error = rabbit.convert_and_send_all(nowhere).await.unwrap_err();
    assert_eq!((error.index, error.confirmed_after), (1, 1));
    assert!(matches!(error.error, Error::Unroutable(_)), "{error}");
    rabbit.convert_and_send_all([("pl.gone", "kept failure"), ("pl", "4")]).await.unwrap();
    assert_eq!(ready(&rabbit, "pl").await, 11);
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "pl.orders")]
async fn fulfil(
    Text(order): Text,
    outbox: Outbox<'_>,
    seen: State<Tell<String>>,
) -> ListenerResult {
    seen.tell(order.clone());
    outbox.convert_and_send("pl", "parcel")?;
    outbox.convert_and_send("pl", order.trim_end_matches('!'))?;
    Ok(())
}

/// Refuses a message once, in a way that passes.
struct AtFirst(std::sync::atomic::AtomicBool);

impl PublishLayer for AtFirst {
    fn call<'p>(&'p self, publish: Publish, next: NextPublish<'p>) -> LayerFuture<'p> {
        let is_it = publish.routing_key == "pl" && &*publish.message.body == b"at last!";
        if is_it && !self.0.swap(true, std::sync::atomic::Ordering::Relaxed) {
            return Box::pin(async { Err(Error::Stopped) });
        }
        next.run(publish)
    }
}

async fn an_outbox_goes_through_the_layers(place: &Place) {
    let (builder, mut steps) = layered(place);
    let (tell, mut seen) = telling::<String>();
    let builder = builder.publish_layer(AtFirst(false.into())).manage(tell);
    let app = builder.listeners(listeners![fulfil]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("pl.orders", "tea").await.unwrap();
    assert_eq!(&*arrives(&rabbit, "pl").await.body, b"parcel!");
    assert_eq!(header_text(&arrives(&rabbit, "pl").await, "x-inner"), "inner");
    assert_eq!(seen.next().await, "tea!");
    let [outer, inner] = of_each(&mut steps, 3).await;
    assert_eq!(outer, ["outer: tea!", "outer: parcel!", "outer: tea!"]);
    assert_eq!(inner, ["inner: tea!", "inner: parcel!", "inner: tea!"]);
    let refused = place.channel().await;
    let options = springhare_broker::BasicPublishOptions::default();
    let order = Message::new("refused");
    refused.basic_publish("", "pl.orders", options, order).await.unwrap();
    assert_eq!(seen.next().await, "refused");
    let parked = arrives(&rabbit, "pl.orders.error").await;
    assert_eq!(&*parked.body, b"refused");
    assert!(header_text(&parked, "x-exception-message").contains("a layer refuses it"));
    assert_eq!(&*arrives(&rabbit, "pl").await.body, b"parcel!", "it was on its way");

    rabbit.convert_and_send("pl.orders", "at last").await.unwrap();
    assert_eq!((seen.next().await, seen.next().await), ("at last!".into(), "at last!".into()));
    for expected in ["parcel!", "parcel!", "at last!"] {
        assert_eq!(&*arrives(&rabbit, "pl").await.body, expected.as_bytes());
    }
    app.stop().await.unwrap();
    assert_eq!((place.left("pl").await, place.left("pl.orders").await), (0, 0));
}

async fn a_batch_of_small_messages_is_one_to_a_layer(place: &Place) {
    let (builder, mut steps) = layered(place);
    let app = builder.listeners(listeners![]).start().await.unwrap();
    let batching = app.rabbit_template().batching(BatchingStrategy::of(2).without_timeout());
    let bodies = ["tea", "milk"].map(|body| batching.convert_and_send("pl", body));
    try_join_all(bodies).await.unwrap();
    assert_eq!(steps.next().await, "outer: \0\0\0\u{3}tea\0\0\0\u{4}milk!");
    let alone = app.rabbit_template().batching(BatchingStrategy::of(1));
    let refused = alone.convert_and_send("pl", "refused").await.unwrap_err();
    assert!(refused.to_string().contains("a layer refuses it"), "{refused}");
    app.stop().await.unwrap();
    assert_eq!(place.left("pl").await, 1);
}

async fn lines_of_the_log_go_through_the_layers(place: &Place) {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;

    let appender = AmqpAppender::builder().exchange(Exchange::fanout("pl.logs")).build();
    let (builder, mut steps) = layered(place);
    let app = builder
        .listeners(listeners![])
        .declare(Binding::queue("pl").to("pl.logs"))
        .log_appender(appender.clone())
        .start()
        .await
        .unwrap();
    let line = tracing_subscriber::fmt::layer().with_ansi(false).without_time();
    let writer = line.with_writer(appender);
    let logging = tracing_subscriber::registry().with(writer).set_default();
    tracing::error!(target: "pl", "no van");
    drop(logging);
    assert!(steps.next().await.starts_with("outer: ERROR pl: no van"));
    assert_eq!(header_text(&arrives(&app.rabbit_template(), "pl").await, "x-inner"), "inner");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "pl.asked", requeue_rejected = false)]
async fn answer(
    Text(asked): Text,
    #[header("x-inner")] inner: Option<String>,
    seen: State<Tell<String>>,
) -> ListenerResult<Text> {
    seen.tell(format!("{asked} {}", inner.unwrap_or_default()));
    match asked.as_str() {
        "report!" => Err(ListenerError::fatal("no van")),
        "refuse!" => Ok(Text::from("refused")),
        "later!" => Ok(Text::from("later")),
        "keep!" => Ok(Text::from("kept")),
        _ => Ok(Text::from("reply")),
    }
}

async fn a_request_goes_through_the_layers(place: &Place) {
    let (builder, mut steps) = layered(place);
    let (tell, mut seen) = telling::<String>();
    let app = builder.listeners(listeners![answer]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let reply: String = rabbit.convert_send_and_receive("pl.asked", "tea").await.unwrap();
    assert_eq!((seen.next().await, reply), ("tea! inner".to_owned(), "reply!".to_owned()));
    for step in ["outer: tea!", "inner: tea!", "outer: reply!", "inner: reply!"] {
        assert_eq!(steps.next().await, step);
    }
    let call = rabbit.convert_send_and_receive::<String>("pl.asked", "cake");
    assert_eq!(call.correlation_id("seven").await.unwrap(), "reply!");
    app.stop().await.unwrap();
}

async fn a_layer_may_refuse_a_request_or_keep_it(place: &Place) {
    let (builder, _steps) = layered(place);
    let (tell, seen) = telling::<String>();
    let app = builder.listeners(listeners![answer]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let ask = |body| rabbit.convert_send_and_receive::<String>("pl.asked", body).timeout(LONG);
    let refused = ask("refused").await.unwrap_err();
    assert!(matches!(&refused, CallError::Request(_)), "{refused}");
    assert!(refused.to_string().ends_with("a layer refuses it"), "{refused}");
    let kept = ask("kept").await.unwrap_err();
    assert!(matches!(kept, CallError::Withheld), "{kept}");
    assert_eq!(ask("tea").await.unwrap(), "reply!");
    drop(seen);
    app.stop().await.unwrap();
}

async fn a_layer_hears_why_a_request_was_not_sent(place: &Place) {
    let (builder, _steps) = layered(place);
    let app = builder.listeners(listeners![]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let ask = |exchange, body| {
        rabbit.convert_send_and_receive::<String>((exchange, "pl.gone"), body).timeout(LONG)
    };
    let missing = ask("pl.missing", "tea").await.unwrap_err();
    assert!(matches!(missing, CallError::NoExchange(_)), "{missing}");
    let kept = ask("pl.missing", "kept failure").await.unwrap_err();
    assert!(matches!(kept, CallError::Withheld), "{kept}");
    for body in ["tea", "kept failure"] {
        let nowhere = ask("", body).await.unwrap_err();
        assert!(matches!(nowhere, CallError::Unroutable(_)), "it came back: {nowhere}");
    }
    app.stop().await.unwrap();
}

async fn what_a_layer_says_after_a_request_is_sent_ends_the_call(place: &Place) {
    let (builder, _steps) = layered(place);
    let app = builder.listeners(listeners![]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let call = rabbit.convert_send_and_receive::<String>("pl", "failed after").timeout(LONG);
    let error = call.await.unwrap_err();
    assert!(matches!(&error, CallError::Request(_)), "{error}");
    assert!(error.to_string().ends_with("a layer fails after it"), "{error}");
    assert_eq!(&*arrives(&rabbit, "pl").await.body, b"failed after!");
    let waits = rabbit.convert_send_and_receive::<String>("pl", "tea");
    let error = waits.timeout(Duration::from_millis(1)).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout { .. }), "nobody replies: {error}");
    app.stop().await.unwrap();
}

async fn a_reply_goes_through_the_layers(place: &Place) {
    let (builder, _steps) = layered(place);
    let (tell, mut seen) = telling::<String>();
    let app = builder.listeners(listeners![answer]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let reply = rabbit.send_and_receive("pl.asked", Message::new("tea")).await.unwrap();
    let headers = (header_text(&reply, "x-outer"), header_text(&reply, "x-inner"));
    assert_eq!(headers, ("outer".to_owned(), "inner".to_owned()));
    let report = rabbit.convert_send_and_receive::<String>("pl.asked", "report").await;
    assert!(matches!(report, Err(CallError::Remote(_))), "{report:?}");

    rabbit.convert_and_send("pl.asked", "tea").reply_to("pl").await.unwrap();
    assert_eq!(header_text(&arrives(&rabbit, "pl").await, "x-inner"), "inner");
    rabbit.convert_and_send("pl", "tea").reply_to("pl").await.unwrap();
    let echo = |text: String| async move { Ok(Some(text)) };
    assert!(rabbit.receive_and_reply("pl", echo).await.unwrap());
    let echo = arrives(&rabbit, "pl").await;
    assert_eq!((&*echo.body, &*header_text(&echo, "x-inner")), (&b"tea!!"[..], "inner"));
    for seen_by_handler in ["tea! inner", "report! inner", "tea! inner"] {
        assert_eq!(seen.next().await, seen_by_handler);
    }
    app.stop().await.unwrap();
}

async fn a_layer_may_refuse_a_reply(place: &Place) {
    let (builder, _steps) = layered(place);
    let (tell, mut seen) = telling::<String>();
    let app = builder.listeners(listeners![answer]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let call = rabbit.convert_send_and_receive::<String>("pl.asked", "refuse").timeout(LONG);
    let told = call.await.unwrap_err();
    assert!(matches!(&told, CallError::Remote(error) if error.kind == "fatal"), "{told}");
    assert!(told.to_string().contains("a layer refuses it"), "{told}");
    let parked = arrives(&rabbit, "pl.asked.error").await;
    assert_eq!(&*parked.body, b"refuse!");
    assert_eq!(seen.next().await, "refuse! inner");
    // The layer's word counts: the request is acknowledged, and its caller hears nothing.
    rabbit.convert_and_send("pl.asked", "keep").reply_to("pl").await.unwrap();
    assert_eq!(seen.next().await, "keep! inner");

    rabbit.convert_and_send("pl", "tea").reply_to("pl").await.unwrap();
    let refused = |_: String| async { Ok(Some("refused")) };
    let error = rabbit.receive_and_reply("pl", refused).await.unwrap_err();
    assert_eq!(error.to_string(), "a layer refuses it");
    assert_eq!(&*arrives(&rabbit, "pl").await.body, b"tea!", "it is back");
    app.stop().await.unwrap();
    assert_eq!((place.left("pl").await, place.left("pl.asked").await), (0, 0));
}

#[rabbit_listener(queue = "pl.failing", max_attempts = 2)]
async fn failing(seen: State<Tell<String>>) -> ListenerResult {
    seen.tell("failing".to_owned());
    Err(ListenerError::msg("no van"))
}

async fn what_failed_is_republished_past_the_layers(place: &Place) {
    let (builder, mut steps) = layered(place);
    let (tell, mut seen) = telling::<String>();
    let app = builder.listeners(listeners![failing]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("pl.failing", "tea").await.unwrap();
    assert_eq!((seen.next().await, seen.next().await), ("failing".into(), "failing".into()));
    assert_eq!(&*arrives(&rabbit, "pl.failing.error").await.body, b"tea!");
    assert_eq!(
        (steps.next().await, steps.next().await),
        ("outer: tea!".into(), "inner: tea!".into())
    );
    assert!(steps.is_silent());
    app.stop().await.unwrap();
}
