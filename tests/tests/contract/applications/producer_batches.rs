//! Messages that a producer sends several in one, as Spring's `BatchingRabbitTemplate` does, and what
//! listeners make of them.

use futures_util::future::{join_all, try_join_all};
use springhare::prelude::*;
use springhare::{BatchingStrategy, Error, LastInBatch};
use springhare_tests::{Tell, arrives, header_number, header_text, telling};

use crate::place::Place;

application!(
    a_batch_is_written_as_spring_writes_it,
    a_batch_is_taken_apart_and_each_sender_hears_of_the_confirm,
    what_differs_begins_the_next_batch_and_keeps_its_place,
    a_batch_fills_that_of_its_listener,
    one_part_that_fails_gives_the_whole_up,
    a_batch_that_does_not_add_up_is_given_up,
    each_part_is_answered_and_one_acknowledgement_is_by_the_last,
    a_listener_may_take_batches_as_they_are,
    what_becomes_of_a_batch_each_of_its_senders_hears,
);

type Said = State<Tell<String>>;

/// Goes out when it is full, or when it is told to.
fn of(size: usize) -> BatchingStrategy {
    BatchingStrategy::of(size).without_timeout()
}

async fn a_batch_is_written_as_spring_writes_it(place: &Place) {
    let app = place
        .builder()
        .listeners(listeners![])
        .declare(Queue::durable("pb.raw"))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    let batching = rabbit.batching(of(2));
    let bodies = ["tea", "milk"].map(|body| batching.convert_and_send("pb.raw", body));
    try_join_all(bodies).await.unwrap();
    let batch = arrives(&rabbit, "pb.raw").await;
    assert_eq!(&*batch.body, b"\0\0\0\x03tea\0\0\0\x04milk");
    assert_eq!(header_text(&batch, "springBatchFormat"), "lengthHeader4");
    assert_eq!(header_number(&batch, "amqp_batchSize"), Some(2));
    assert_eq!(batch.properties.content_type.as_deref(), Some("text/plain"));
    let alone = rabbit.batching(of(1));
    alone.convert_and_send("pb.raw", "cake").await.unwrap();
    let plain = arrives(&rabbit, "pb.raw").await;
    assert_eq!(&*plain.body, b"cake", "one alone is sent as it is");
    assert_eq!(header_text(&plain, "springBatchFormat"), "");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "pb.one")]
async fn one(Text(text): Text, LastInBatchOf(last): LastInBatchOf, said: Said) {
    said.tell(format!("{text}{last}"));
}

/// `!` for the last.
struct LastInBatchOf(&'static str);

impl<'d> springhare::FromDelivery<'d> for LastInBatchOf {
    type Rejection = std::convert::Infallible;

    fn from_delivery(cx: &'d springhare::DeliveryContext) -> Result<Self, Self::Rejection> {
        Ok(Self(if LastInBatch::from_delivery(cx)?.value() { "!" } else { "" }))
    }
}

async fn a_batch_is_taken_apart_and_each_sender_hears_of_the_confirm(place: &Place) {
    let (said, mut told) = telling::<String>();
    let app = place.builder().listeners(listeners![one]).manage(said).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let batching = rabbit.batching(of(3));
    let numbers = (0..6).map(|number| batching.convert_and_send("pb.one", number.to_string()));
    try_join_all(numbers).await.unwrap();
    rabbit.convert_and_send("pb.one", "alone").await.unwrap();
    for expected in ["0", "1", "2!", "3", "4", "5!", "alone"] {
        assert_eq!(told.next().await, expected);
    }
    app.stop().await.unwrap();
    assert_eq!(place.left("pb.one").await, 0, "all are acknowledged");
}

#[rabbit_listener(queue = "pb.other")]
async fn other(Text(text): Text, app: AppId, said: Said) {
    said.tell(format!("{text} of {}", app.as_str()));
}

async fn what_differs_begins_the_next_batch_and_keeps_its_place(place: &Place) {
    let (said, mut told) = telling::<String>();
    let app = place.builder().listeners(listeners![other]).manage(said).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let batching = rabbit.batching(of(100));
    let mut sends = Vec::new();
    for (body, app) in [("a", "x"), ("b", "x"), ("c", "y"), ("d", "x")] {
        sends.push(batching.send(rabbit.convert_and_send("pb.other", body).app_id(app)));
    }
    let sends = join_all(sends);
    let flush = async { batching.flush() };
    let (sent, ()) = futures_util::future::join(sends, flush).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    for expected in ["a of x", "b of x", "c of y", "d of x"] {
        assert_eq!(told.next().await, expected);
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "pb.batch", batch = 4, batch_timeout = "10m")]
async fn batch(texts: Vec<Text>, said: Said) -> Result<(), BatchError> {
    said.tell(texts.iter().map(|text| &*text.0).collect::<Vec<_>>().join(" "));
    match texts.iter().position(|text| text.0 == "bad") {
        Some(bad) => Err(BatchError::at(bad, ListenerError::fatal("bad"))),
        None => Ok(()),
    }
}

async fn a_batch_fills_that_of_its_listener(place: &Place) {
    let (said, mut told) = telling::<String>();
    let app = place.builder().listeners(listeners![batch]).manage(said).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let batching = rabbit.batching(of(3));
    rabbit.convert_and_send("pb.batch", "0").await.unwrap();
    let all = ["1", "2", "3"].map(|text| batching.convert_and_send("pb.batch", text));
    try_join_all(all).await.unwrap();
    assert_eq!(told.next().await, "0 1 2 3");
    // A failure at one part is the whole's, and parts the batch there.
    rabbit.convert_and_send("pb.batch", "4").await.unwrap();
    let all = ["5", "bad", "6"].map(|text| batching.convert_and_send("pb.batch", text));
    try_join_all(all).await.unwrap();
    assert_eq!(told.next().await, "4 5 bad 6");
    let parked = arrives(&rabbit, "pb.batch.error").await;
    assert_eq!(&*parked.body, b"\0\0\0\x015\0\0\0\x03bad\0\0\0\x016");
    app.stop().await.unwrap();
    assert_eq!(place.left("pb.batch").await, 0);
}

#[rabbit_listener(queue = "pb.failing")]
async fn failing(Text(text): Text, said: Said) -> ListenerResult {
    said.tell(text.clone());
    if text == "bad" { Err(ListenerError::fatal("bad")) } else { Ok(()) }
}

async fn one_part_that_fails_gives_the_whole_up(place: &Place) {
    let (said, mut told) = telling::<String>();
    let app = place.builder().listeners(listeners![failing]).manage(said).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let batching = rabbit.batching(of(3));
    let all = ["good", "bad", "never"].map(|text| batching.convert_and_send("pb.failing", text));
    try_join_all(all).await.unwrap();
    assert_eq!(told.next().await, "good");
    assert_eq!(told.next().await, "bad");
    let parked = arrives(&rabbit, "pb.failing.error").await;
    assert_eq!(&*parked.body, b"\0\0\0\x04good\0\0\0\x03bad\0\0\0\x05never", "all of it");
    assert_eq!(header_text(&parked, "springBatchFormat"), "lengthHeader4");
    app.stop().await.unwrap();
    assert!(told.is_silent(), "what came after the failure was not handled");
}

async fn a_batch_that_does_not_add_up_is_given_up(place: &Place) {
    let (said, told) = telling::<String>();
    let listeners = listeners![failing, batch];
    let app = place.builder().listeners(listeners).manage(said).start().await.unwrap();
    let rabbit = app.rabbit_template();
    for queue in ["pb.failing", "pb.batch"] {
        for body in ["\0\0\0\x03te", "\0\0\0\x01a\0\0", "tea"] {
            let bad = rabbit.convert_and_send(queue, body);
            bad.header("springBatchFormat", "lengthHeader4").await.unwrap();
        }
    }
    // The three of them and this one are the four of the listener's batch.
    let last = rabbit.convert_and_send("pb.batch", "cake");
    last.header("springBatchFormat", "lengthHeader4").await.unwrap();
    for (queue, count) in [("pb.failing.error", 3), ("pb.batch.error", 4)] {
        for _ in 0..count {
            let parked = arrives(&rabbit, queue).await;
            let reason = header_text(&parked, "x-exception-message");
            assert!(reason.contains("`lengthHeader4`"), "{queue}: {reason}");
        }
    }
    app.stop().await.unwrap();
    assert!(told.is_silent(), "no part of them was handled");
}

#[rabbit_listener(queue = "pb.answered", ack = "manual")]
async fn answered(
    Text(text): Text,
    channel: Channel,
    tag: DeliveryTag,
    last: LastInBatch,
) -> ListenerResult<Text> {
    if last.value() {
        channel.ack(tag).await?;
    }
    Ok(Text(text.to_uppercase()))
}

async fn each_part_is_answered_and_one_acknowledgement_is_by_the_last(place: &Place) {
    let builder = place.builder().declare(Queue::durable("pb.answers"));
    let app = builder.listeners(listeners![answered]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let batching = rabbit.batching(of(2));
    let asked = ["tea", "milk"].map(|text| {
        batching.send(rabbit.convert_and_send("pb.answered", text).reply_to("pb.answers"))
    });
    try_join_all(asked).await.unwrap();
    assert_eq!(&*arrives(&rabbit, "pb.answers").await.body, b"TEA");
    assert_eq!(&*arrives(&rabbit, "pb.answers").await.body, b"MILK");
    app.stop().await.unwrap();
    assert_eq!(place.left("pb.answered").await, 0);
}

#[rabbit_listener(id = "pb.whole", queue = "pb.whole")]
async fn whole(body: Bytes, said: Said) {
    said.tell(format!("{} bytes", body.len()));
}

async fn a_listener_may_take_batches_as_they_are(place: &Place) {
    let (said, mut told) = telling::<String>();
    let builder = place.builder().listener("pb.whole", |whole| whole.de_batching_enabled(false));
    let app = builder.listeners(listeners![whole]).manage(said).start().await.unwrap();
    let batching = app.rabbit_template().batching(of(2));
    let all = ["tea", "milk"].map(|text| batching.convert_and_send("pb.whole", text));
    try_join_all(all).await.unwrap();
    assert_eq!(told.next().await, "15 bytes");
    app.stop().await.unwrap();
}

async fn what_becomes_of_a_batch_each_of_its_senders_hears(place: &Place) {
    let app = place.builder().listeners(listeners![]).start().await.unwrap();
    let batching = app.rabbit_template().batching(of(2));
    let nowhere = ["tea", "milk"].map(|text| batching.convert_and_send("pb.nowhere", text));
    for sent in join_all(nowhere).await {
        assert!(matches!(sent, Err(Error::Unroutable(_))), "{sent:?}");
    }
    let waiting = batching.convert_and_send("pb.nowhere", "alone");
    let stop = async { app.stop().await.unwrap() };
    let (sent, ()) = futures_util::future::join(waiting, stop).await;
    assert!(matches!(sent, Err(Error::Stopped)), "a stop ends what waits: {sent:?}");
}
