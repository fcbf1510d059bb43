use springhare::prelude::*;
use springhare::{Error, SpringhareBuilder, StartError};

use crate::support::{Tell, broker, telling};

/// What keeps the application from starting.
async fn refused(builder: SpringhareBuilder) -> StartError {
    match builder.start().await {
        Err(Error::Start(error)) => error,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it started"),
    }
}

mod unmanaged {
    use super::*;

    #[derive(Debug)]
    pub(super) struct Db;

    #[rabbit_listener(queue = "orders")]
    pub(super) async fn needs_state(_order: Text, _db: State<Db>) {}
}

#[tokio::test]
async fn an_unmanaged_state_stops_the_start() {
    let builder = || Springhare::builder().listeners(listeners![unmanaged::needs_state]);
    let error = refused(builder()).await;
    let text = error.to_string();
    assert!(text.contains("start.rs:") && text.contains("Db>"), "{text}");
    assert!(text.contains("`.manage(..)`"), "{text}");
    builder().manage(unmanaged::Db).start().await.unwrap().stop().await.unwrap();
}

mod named {
    use super::*;

    #[rabbit_listener(queue = "orders", converter = "xml")]
    pub(super) async fn chooses(_order: Text) {}
}

#[tokio::test]
async fn a_converter_that_is_not_there_stops_the_start() {
    let error = refused(Springhare::builder().listeners(listeners![named::chooses])).await;
    let text = error.to_string();
    assert!(text.contains("start.rs:") && text.contains("named::chooses"), "{text}");
    assert!(text.contains("no converter is called \"xml\", there is json"), "{text}");
}

mod conflicting {
    use super::*;

    #[rabbit_listener(queue = "q", durable = true)]
    pub(super) async fn durable(_body: Bytes) {}

    #[rabbit_listener(queue = "q", durable = false)]
    pub(super) async fn not_durable(_body: Bytes) {}

    #[rabbit_listener(exchange = "x", kind = "topic", key = "a.#")]
    pub(super) async fn topic(_body: Bytes) {}

    #[rabbit_listener(exchange = "x", kind = "fanout")]
    pub(super) async fn fanout(_body: Bytes) {}

    #[rabbit_listener(queue = "shared", exchange = "logs", kind = "direct", key = "error")]
    pub(super) async fn errors(_body: Bytes) {}

    #[rabbit_listener(queue = "shared", exchange = "logs", kind = "direct", keys = ["warn", "error"])]
    pub(super) async fn warnings(_body: Bytes) {}

    #[rabbit_listener(queue = "lonely", arguments("x-dead-letter-exchange" = "nowhere"))]
    pub(super) async fn dead_letters_nowhere(_body: Bytes) {}

    #[rabbit_listener(id = "twin", queue = "one")]
    pub(super) async fn one_twin(_body: Bytes) {}

    #[rabbit_listener(id = "twin", queue = "two")]
    pub(super) async fn other_twin(_body: Bytes) {}
}

#[tokio::test]
async fn every_fault_of_the_graph_is_told_at_once_with_both_places() {
    let (broker, _hand) = broker();
    let builder = Springhare::builder().broker(broker.clone()).listeners(listeners![
        conflicting::durable,
        conflicting::not_durable,
        conflicting::topic,
        conflicting::fanout,
        conflicting::errors,
        conflicting::warnings,
        conflicting::dead_letters_nowhere,
        conflicting::one_twin,
        conflicting::other_twin,
        unmanaged::needs_state,
    ]);
    let error = refused(builder).await;
    let fault = |words: &[&str]| {
        let found =
            error.faults().iter().find(|f| words.iter().all(|word| f.text().contains(word)));
        found.unwrap_or_else(|| panic!("no fault with {words:?} in {error}"))
    };
    for words in [
        &["queue 'q'", "not durable"][..],
        &["exchange 'x'", "topic", "fanout"],
        &["queue 'shared'", "the same messages", "'error'"],
        &["the id `twin`"],
    ] {
        let places = fault(words).places();
        assert_eq!(places.len(), 2, "{error}");
        assert_ne!(places[0].line, places[1].line, "{error}");
        assert!(places.iter().all(|place| place.file.ends_with("start.rs")), "{error}");
    }
    assert_eq!(fault(&["'lonely'", "'nowhere'"]).places().len(), 1);
    fault(&["State<"]);
    assert_eq!(error.faults().len(), 6, "{error}");
    let channel = broker.connect("afterwards").unwrap().open_channel().unwrap();
    assert!(channel.queue_declare_passive("shared").await.is_err(), "nothing was declared");
}

mod inconsistent {
    use super::*;

    #[rabbit_listener(queue = "i.log", ack = "none")]
    pub(super) async fn does_not_acknowledge(_body: Bytes) {}

    #[rabbit_listener(queue = "i.log", prefetch = 0, concurrency = 2, priority = 5)]
    pub(super) async fn takes_everything(_body: Bytes) {}

    #[rabbit_listener(queue = "i.plain", stream_offset = "${i.offset:first}")]
    pub(super) async fn asks_for_an_offset(_body: Bytes) {}

    #[rabbit_listener(queue = "i.ranked", arguments(delivery_limit = 5))]
    pub(super) async fn of_no_kind(_body: Bytes) {}

    #[rabbit_listener(queue = "i.late", exchange = "i.delayed", kind = "x-delayed-message")]
    pub(super) async fn delays_what(_body: Bytes) {}

    #[rabbit_listener(queue = "i.shard", exchange = "i.shards", key = "all")]
    pub(super) async fn has_no_weight(_body: Bytes) {}

    #[rabbit_listener(queue = "i.lost", stream_offset = "${i.offset:nowhere}")]
    pub(super) async fn begins_nowhere(_body: Bytes) {}
}

#[tokio::test]
async fn what_contradicts_itself_stops_the_start_with_its_place() {
    let builder = Springhare::builder()
        .listeners(listeners![
            inconsistent::does_not_acknowledge,
            inconsistent::takes_everything,
            inconsistent::asks_for_an_offset,
            inconsistent::of_no_kind,
            inconsistent::delays_what,
            inconsistent::has_no_weight,
            inconsistent::begins_nowhere,
        ])
        .declare(Queue::durable("i.log").stream())
        .declare(Queue::durable("i.keyed").dead_letter_routing_key("k"))
        .declare(Exchange::consistent_hash("i.shards").alternate("i.nowhere"));
    let error = refused(builder).await;
    let is_told = |words: &[&str]| {
        let told = |fault: &&springhare::StartFault| words.iter().all(|w| fault.text().contains(w));
        let found = error.faults().iter().find(told);
        let fault = found.unwrap_or_else(|| panic!("no fault with {words:?} in {error}"));
        assert!(fault.places()[0].file.ends_with("start.rs"), "{fault}");
    };
    for words in [
        &["does_not_acknowledge", "'i.log' is a stream, whose consumers acknowledge"][..],
        &["takes_everything", "'i.log' is a stream, whose consumers need a prefetch"],
        &["takes_everything", "each of 2 consumers would get every message"],
        &["takes_everything", "'i.log' is a stream, whose consumers have no priority"],
        &["asks_for_an_offset", "'i.plain' is no stream"],
        &["of_no_kind", "takes no `x-delivery-limit`, only quorum ones do"],
        &["'i.delayed' keeps messages back", "`.declare(Exchange::delayed(\"i.delayed\""],
        &["has_no_weight", "'i.shards' with the key 'all', which is no weight"],
        &["begins_nowhere", "`nowhere` is no place in a stream"],
        &["`.declare(..)`", "'i.keyed' has a routing key for its dead letters"],
        &["exchange 'i.shards'", "goes to exchange 'i.nowhere', which nobody declares"],
    ] {
        is_told(words);
    }
    assert_eq!(error.faults().len(), 11, "{error}");
}

mod placeholders {
    use super::*;

    #[rabbit_listener(
        queue = "${app.queue:unset}",
        exchange = "${app.exchange:made}",
        kind = "topic",
        key = "${app.key:#}"
    )]
    pub(super) async fn configured(text: Text, queue: QueueName, seen: State<Tell<String>>) {
        seen.tell(format!("{} from {}", text.0, queue.as_str()));
    }

    #[rabbit_listener(queue = "${app.missing}")]
    pub(super) async fn lacking(_body: Bytes) {}
}

#[tokio::test]
async fn placeholders_are_resolved_at_start() {
    let (seen, mut texts) = telling::<String>();
    let app = Springhare::builder()
        .listeners(listeners![placeholders::configured])
        .property("app.queue", "chosen")
        .manage(seen)
        .start()
        .await
        .unwrap();
    app.rabbit_template().convert_and_send(("made", "any.key"), "tea").await.unwrap();
    assert_eq!(texts.next().await, "tea from chosen");
    app.stop().await.unwrap();
    let error = refused(Springhare::builder().listeners(listeners![placeholders::lacking])).await;
    assert!(error.to_string().contains("`APP_MISSING`"), "{error}");
}

#[tokio::test]
async fn a_value_is_managed_once_and_a_binding_has_two_ends() {
    let builder = Springhare::builder()
        .listeners(listeners![])
        .manage(1_u8)
        .manage(2_u8)
        .declare(Binding::queue("no.queue").to("no.exchange"))
        .declare(Queue::durable("q".repeat(300)));
    let error = refused(builder).await;
    let text = error.to_string();
    for words in ["`u8`", "'no.queue'", "'no.exchange'", "at most 255 bytes"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(error.faults().iter().all(|fault| fault.places().len() == 1), "{text}");
}

mod greedy {
    use springhare::{DeliveryContext, FromDelivery};

    use super::*;

    /// A delivery tag that the macro can't see.
    pub(super) struct Hidden(DeliveryTag);

    impl<'d> FromDelivery<'d> for Hidden {
        type Rejection = <DeliveryTag as FromDelivery<'d>>::Rejection;

        fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Self::Rejection> {
            DeliveryTag::from_delivery(cx).map(Self)
        }

        fn require(requirements: &mut springhare::Requirements) {
            DeliveryTag::require(requirements);
        }
    }

    #[rabbit_listener(queue = "greedy", ack = "manual")]
    pub(super) async fn two_tags(tag: DeliveryTag, hidden: Hidden) {
        drop((tag, hidden.0));
    }
}

#[tokio::test]
async fn what_the_macro_cannot_see_is_found_at_start() {
    let builder = Springhare::builder()
        .listeners(listeners![greedy::two_tags])
        .declare(Exchange::of_kind("logs", "topics"));
    let text = refused(builder).await.to_string();
    for words in ["more than one `DeliveryTag`", "has the kind 'topics'"] {
        assert!(text.contains(words), "{words} in {text}");
    }
}

mod patterns {
    use super::*;

    #[rabbit_listener(queue = "patterns", exchange = "from_the_builder", key = "*.error")]
    pub(super) async fn on_error(_body: Bytes) {}
}

#[tokio::test]
async fn a_pattern_on_a_direct_exchange_is_refused_wherever_the_kind_comes_from() {
    let error = refused(Springhare::builder().listeners(listeners![patterns::on_error])).await;
    let text = error.to_string();
    assert!(text.contains("a direct exchange knows no patterns"), "{text}");
    assert!(text.contains("start.rs:"), "{text}");

    let app = Springhare::builder()
        .listeners(listeners![patterns::on_error])
        .declare(Exchange::topic("from_the_builder"))
        .start()
        .await
        .unwrap();
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_dead_letter_queue_that_nobody_declares_stops_the_start() {
    let builder = || {
        Springhare::builder()
            .listeners(listeners![])
            .declare(Queue::durable("with_grave").dead_letter_queue("the_grave"))
    };
    let text = refused(builder()).await.to_string();
    assert!(text.contains("dead-letters to queue 'the_grave', which nobody declares"), "{text}");
    let app = builder().declare(Queue::durable("the_grave")).start().await.unwrap();
    app.stop().await.unwrap();
}
