use springhare::prelude::*;
use springhare::{Error, SpringhareBuilder, StartFault};

/// What keeps the application from starting.
async fn faults(builder: SpringhareBuilder) -> Vec<StartFault> {
    match builder.start().await {
        Err(Error::Start(error)) => error.faults().to_vec(),
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it started"),
    }
}

/// The one fault has these words, and the places of two listeners.
async fn refused(builder: SpringhareBuilder, words: &[&str]) {
    let faults = faults(builder).await;
    let [fault] = faults.as_slice() else { panic!("{faults:?}") };
    for word in words {
        assert!(fault.text().contains(word), "{word}: {fault}");
    }
    let [one, other] = fault.places() else { panic!("{fault}") };
    assert!([one, other].iter().all(|place| place.file.ends_with("merged.rs")), "{fault}");
    assert_ne!(one.line, other.line, "{fault}");
}

mod ties {
    use super::*;

    #[rabbit_listener(queue = "q", exchange = "x", kind = "topic", keys = ["a.*", "b"])]
    pub(super) async fn first(_body: Bytes) {}

    #[rabbit_listener(queue = "q", exchange = "x", kind = "topic", keys = ["c", "a.*"])]
    pub(super) async fn same_pattern(_body: Bytes) {}

    #[rabbit_listener(queue = "q", exchange = "x", kind = "topic", key = "b")]
    pub(super) async fn same_key(_body: Bytes) {}

    #[rabbit_listener(queue = "q", exchange = "x", kind = "topic", key = "#.a.#")]
    pub(super) async fn with_an_a(_body: Bytes) {}

    #[rabbit_listener(queue = "q", exchange = "x", kind = "topic", key = "#.b.#")]
    pub(super) async fn with_a_b(_body: Bytes) {}

    #[rabbit_listener(queue = "q")]
    pub(super) async fn without_a_key(_body: Bytes) {}

    #[rabbit_listener(queue = "q", prefetch = 250)]
    pub(super) async fn also_without_a_key(_body: Bytes) {}

    #[rabbit_listener(queue = "q", exchange = "y", kind = "direct", key = "b")]
    pub(super) async fn of_another_exchange(_body: Bytes) {}
}

#[tokio::test]
async fn handlers_that_a_message_could_both_go_to_are_refused() {
    let app = Springhare::builder;
    let tie = &["queue 'q'", "take the same messages"];
    refused(app().listeners(listeners![ties::first, ties::same_pattern]), tie).await;
    refused(app().listeners(listeners![ties::first, ties::same_key]), tie).await;
    refused(app().listeners(listeners![ties::with_an_a, ties::with_a_b]), tie).await;
    let without = listeners![ties::first, ties::without_a_key, ties::also_without_a_key];
    refused(app().listeners(without), &["no key of queue 'q' matches"]).await;
    // What is published to `z` may come by either exchange.
    let both = app()
        .listeners(listeners![ties::same_key, ties::of_another_exchange])
        .declare(Exchange::fanout("z"))
        .declare(Binding::exchange("x").to("z").with(""))
        .declare(Binding::exchange("y").to("z").with(""));
    refused(both, &["take the same messages", "exchange 'z'"]).await;
    let apart = listeners![ties::same_key, ties::of_another_exchange, ties::without_a_key];
    app().listeners(apart).start().await.unwrap().stop().await.unwrap();
}

mod kinds {
    use super::*;

    #[rabbit_listener(queue = "q", exchange = "x", kind = "topic", key = "a")]
    pub(super) async fn by_key(_body: Bytes) {}

    #[rabbit_listener(queue = "q", exchange = "h", kind = "headers", binding_arguments("a" = 1))]
    pub(super) async fn by_header(_body: Bytes) {}

    #[rabbit_listener(queue = "q", exchange = "c", key = "1")]
    pub(super) async fn by_hash(_body: Bytes) {}

    #[rabbit_listener(queue = "q", exchange = "f", kind = "fanout")]
    pub(super) async fn all(_body: Bytes) {}

    #[rabbit_listener(queue = "q", exchange = "f", kind = "fanout", auto_startup = true)]
    pub(super) async fn all_too(_body: Bytes) {}
}

#[tokio::test]
async fn exchanges_that_route_by_more_than_the_key_are_refused() {
    let app = Springhare::builder;
    let headers = listeners![kinds::by_key, kinds::by_header];
    refused(app().listeners(headers), &["queue 'q'", "exchange 'h' routes by headers"]).await;
    let hash = app().listeners(listeners![kinds::by_key, kinds::by_hash]);
    let hash = hash.declare(Exchange::consistent_hash("c"));
    refused(hash, &["exchange 'c' routes by chance or by a hash"]).await;
    let fanouts = listeners![kinds::all, kinds::by_key, kinds::all_too];
    refused(app().listeners(fanouts), &["take the same messages", "exchange 'f'"]).await;
    // The same bindings compete, whatever the exchange.
    let app = app().listeners(listeners![kinds::all, kinds::all_too]);
    app.start().await.unwrap().stop().await.unwrap();
}

mod different {
    use super::*;

    #[rabbit_listener(queue = "q", exchange = "x", kind = "direct", key = "a")]
    pub(super) async fn plain(_body: Bytes) {}

    #[rabbit_listener(queue = "q", exchange = "x", kind = "direct", key = "b", prefetch = 1)]
    pub(super) async fn prefetch(_body: Bytes) {}

    #[rabbit_listener(queue = "q", exchange = "x", kind = "direct", key = "b", concurrency = 2)]
    pub(super) async fn concurrency(_body: Bytes) {}

    #[rabbit_listener(queue = "q", exchange = "x", kind = "direct", key = "b", ack = "none")]
    pub(super) async fn ack(_body: Bytes) {}

    #[rabbit_listener(queue = "q", exchange = "x", kind = "direct", key = "b", priority = 3)]
    pub(super) async fn priority(_body: Bytes) {}

    #[rabbit_listener(
        queue = "q",
        exchange = "x",
        kind = "direct",
        key = "b",
        auto_startup = false
    )]
    pub(super) async fn auto_startup(_body: Bytes) {}

    #[rabbit_listener(queue = "q", exchange = "x", kind = "direct", key = "b", group = "g")]
    pub(super) async fn group(_body: Bytes) {}

    #[rabbit_listener(queue = "q", exchange = "x", kind = "direct", key = "b", competing)]
    pub(super) async fn competing(_body: Bytes) {}

    #[rabbit_listener(queue = "q", declare = false)]
    pub(super) async fn declare(_body: Bytes) {}

    #[rabbit_listener(
        queue = "q",
        exchange = "x",
        kind = "direct",
        key = "a",
        partition_by = "message_id",
        concurrency = 2
    )]
    pub(super) async fn two_handlers(_body: Bytes) {}

    #[rabbit_listener(
        queue = "q",
        exchange = "x",
        kind = "direct",
        key = "b",
        partition_by = "message_id",
        concurrency = 16
    )]
    pub(super) async fn many_handlers(_body: Bytes) {}
}

#[tokio::test]
async fn what_is_the_consumers_must_be_said_alike_by_all_that_share_one() {
    for (second, words) in [
        (listeners![different::plain, different::prefetch], &["`prefetch`", "250 and 1"]),
        (listeners![different::plain, different::concurrency], &["`concurrency`", "2 and 1"]),
        (listeners![different::plain, different::ack], &["`ack`", "\"none\""]),
        (listeners![different::plain, different::priority], &["`priority`", "nothing and 3"]),
        (
            listeners![different::plain, different::auto_startup],
            &["`auto_startup`", "false and true"],
        ),
        (listeners![different::plain, different::group], &["`group`", "\"g\" and nothing"]),
        (listeners![different::plain, different::competing], &["`competing`", "to both"]),
        (listeners![different::plain, different::declare], &["`declare`", "false and true"]),
        (
            listeners![different::two_handlers, different::many_handlers],
            &["`concurrency`", "16 and 2"],
        ),
    ] {
        refused(Springhare::builder().listeners(second), words).await;
    }
}

mod paths {
    use serde::Deserialize;

    use super::*;

    const KEY: &str = "logs.{level}";
    const BROKEN: &str = "logs.x{level}";

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "no message comes")]
    pub(super) struct Line {
        level: String,
        #[serde(rename = "computer")]
        host: String,
    }

    #[rabbit_listener(queue = "q", exchange = "x", kind = "topic", key = KEY)]
    pub(super) async fn by_name(_line: Path<Line>) {}

    #[rabbit_listener(queue = "q", exchange = "x", kind = "topic", key = KEY)]
    pub(super) async fn two_words(_line: Path<(String, String)>) {}

    #[rabbit_listener(queue = "q", exchange = "x", kind = "topic", keys = [KEY, "other"])]
    pub(super) async fn not_in_every_key(_level: Path<String>) {}

    #[rabbit_listener(queue = "q", exchange = "x", kind = "topic", key = "${key:logs.*}")]
    pub(super) async fn no_words(_level: Path<String>) {}

    #[rabbit_listener(queue = "q", exchange = "x", kind = "topic", key = BROKEN)]
    pub(super) async fn broken(_level: Path<String>) {}

    #[rabbit_listener(queue = "q", exchange = "x", key = KEY)]
    pub(super) async fn direct(_level: Path<String>) {}

    #[rabbit_listener(queue = "q", exchange = "x", kind = "topic", key = "${prefix}.{level}")]
    pub(super) async fn behind_a_setting(_level: Path<String>) {}
}

#[tokio::test]
async fn a_path_that_no_message_could_fill_stops_the_start() {
    for (listener, words) in [
        (listeners![paths::by_name], "the field `computer`, and the key 'logs.{level}' has no"),
        (listeners![paths::two_words], "takes 2 words, and the key 'logs.{level}' has 1"),
        (listeners![paths::not_in_every_key], "another has none"),
        (listeners![paths::no_words], "no key has any"),
        (listeners![paths::broken], "braces stand for a whole word"),
        (listeners![paths::direct], "a direct exchange knows no patterns"),
    ] {
        let faults = faults(Springhare::builder().listeners(listener)).await;
        let [fault] = faults.as_slice() else { panic!("{faults:?}") };
        assert!(fault.text().contains(words), "{words}: {fault}");
    }
    let app = Springhare::builder().listeners(listeners![paths::behind_a_setting]);
    app.property("prefix", "a.b").start().await.unwrap().stop().await.unwrap();
}
