//! Listeners of streams.

use springhare::prelude::*;
use springhare_tests::{Tell, arrives, telling};

use crate::place::Place;

application!(
    a_listener_replays_a_stream_from_its_offset_and_failures_do_not_stop_it,
    listeners_of_one_stream_get_every_message_each,
);

type Said = State<Tell<(i64, String)>>;

#[rabbit_listener(
    id = "replay",
    queue = "st.log",
    arguments(queue_type = "stream"),
    stream_offset = "first",
    prefetch = 2,
    auto_startup = false
)]
async fn replay(
    Text(line): Text,
    #[header("x-stream-offset")] offset: i64,
    said: Said,
) -> ListenerResult {
    said.tell((offset, line.clone()));
    match line.as_str() {
        "bad" => Err(ListenerError::msg("it is bad")),
        "refused" => Err(ListenerError::reject_and_dont_requeue("it is refused")),
        "again" => Err(ListenerError::immediate_requeue("once more")),
        _ => Ok(()),
    }
}

async fn a_listener_replays_a_stream_from_its_offset_and_failures_do_not_stop_it(place: &Place) {
    let (said, mut told) = telling::<(i64, String)>();
    let app = place.builder().listeners(listeners![replay]).manage(said).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let lines = ["one", "bad", "refused", "again", "five"];
    for line in lines {
        rabbit.convert_and_send("st.log", line).await.unwrap();
    }
    for _round in 0..2 {
        app.start_listener("replay").await.unwrap();
        for (offset, line) in (0..).zip(lines) {
            assert_eq!(told.next().await, (offset, line.to_owned()));
        }
        for line in ["bad", "again"] {
            assert_eq!(&*arrives(&rabbit, "st.log.error").await.body, line.as_bytes());
        }
        app.stop_listener("replay").await.unwrap();
    }
    app.start_listener("replay").await.unwrap();
    rabbit.convert_and_send("st.log", "six").await.unwrap();
    let mut last = told.next().await;
    while last.0 < 5 {
        last = told.next().await;
    }
    assert_eq!(last, (5, "six".to_owned()));
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "st.news", arguments(queue_type = "stream"), stream_offset = 0)]
async fn one(Text(line): Text, said: Said) {
    said.tell((1, line));
}

#[rabbit_listener(queue = "st.news", arguments(queue_type = "stream"), stream_offset = "next")]
async fn other(Text(line): Text, said: Said) {
    said.tell((2, line));
}

async fn listeners_of_one_stream_get_every_message_each(place: &Place) {
    let (said, mut told) = telling::<(i64, String)>();
    let listeners = listeners![one, other];
    let app = place.builder().listeners(listeners).manage(said).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("st.news", "tea").await.unwrap();
    let mut got = [told.next().await, told.next().await];
    got.sort();
    assert_eq!(got, [(1, "tea".to_owned()), (2, "tea".to_owned())]);
    app.stop().await.unwrap();
}
