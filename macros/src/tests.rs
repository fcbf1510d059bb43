//! The whole pipeline on tokens: rules that need no compiler to be seen, one line each.

use proc_macro2::TokenStream;
use quote::quote;

use crate::listener;

mod dispatch;

/// The first lines of all mistakes.
fn mistakes(attr: TokenStream, item: TokenStream) -> Vec<String> {
    let text = listener(attr, item).to_string();
    let parts = text.split("compile_error ! {").skip(1);
    parts
        .filter_map(|part| part.trim().strip_prefix('"'))
        .filter_map(|part| part.split("\\nhelp:").next())
        .map(str::to_owned)
        .collect()
}

fn refused(attr: TokenStream, item: TokenStream, expected: &[&str]) {
    assert_eq!(mistakes(attr, item), expected);
}

fn accepted(attr: TokenStream, item: TokenStream) {
    assert_eq!(mistakes(attr, item), Vec::<String>::new());
}

fn plain() -> TokenStream {
    quote!(
        async fn f(text: Text) {}
    )
}

#[test]
fn what_is_decided_at_start_is_left_to_it() {
    accepted(quote!(queue = "${orders.queue:amq.orders}"), plain());
    accepted(quote!(queue = "${orders.queue:${region:eu}-orders}"), plain());
    accepted(quote!(queue = ORDERS, exchange = names::LOGS, kind = "direct", key = KEY), plain());
    accepted(quote!(exchange = "e", kind = "direct", key = "${key:*}"), plain());
    accepted(quote!(exchange = "e", kind = "${kind:topic}", key = "*.error"), plain());
    accepted(quote!(exchange = "declared_elsewhere", key = "*.error"), plain());
}

#[test]
fn the_brokers_own_exchanges_may_be_bound() {
    accepted(quote!(exchange = "amq.topic", key = "*.error"), plain());
    accepted(quote!(exchange = "amq.match", kind = "headers"), plain());
    accepted(quote!(exchange = "amq.fanout", kind = "fanout", key = ""), plain());
    refused(
        quote!(exchange = "amq.topic", key = "kern*"),
        plain(),
        &["`*` and `#` stand for whole words: in `kern*` they stand for themselves"],
    );
}

#[test]
fn limits_hold_to_the_byte() {
    let longest = "q".repeat(255);
    accepted(quote!(queue = #longest), plain());
    accepted(quote!(queue = "q", prefetch = 65535, priority = -2147483648), plain());
    accepted(quote!(queue = "q", concurrency = "1-65535"), plain());
    refused(quote!(queue = "q", prefetch = 65536), plain(), &["`prefetch` is out of range"]);
    refused(quote!(queue = "q", prefetch = -1), plain(), &["`prefetch` is out of range"]);
    refused(quote!(queue = "q", concurrency = 65536), plain(), &["65536 is out of range"]);
    let huge = proc_macro2::Literal::i64_unsuffixed(i64::MAX);
    accepted(quote!(queue = "q", arguments("x" = #huge)), plain());
}

#[test]
fn a_queues_arguments_are_checked_one_by_one() {
    let listed = |arguments: TokenStream| quote!(queue = "q", arguments(#arguments));
    accepted(listed(quote!(ttl = "0ms", expires = "3650d", delivery_limit = -1)), plain());
    accepted(listed(quote!(single_active_consumer = false, dead_letter = "")), plain());
    for (arguments, mistake) in [
        (quote!(ttl = "3651d"), "`ttl` is out of range"),
        (quote!(expires = "0s"), "`expires` is out of range"),
        (quote!(max_age = "999ms"), "`max_age` is out of range"),
        (quote!(ttl), "`ttl` has no value"),
        (quote!(ttl = true), "`ttl` takes a time"),
        (quote!(ttl = "${ttl:10s}"), "`ttl` is a time, not a setting: no placeholder here"),
        (quote!(max_length = -1), "`max_length` is out of range"),
        (quote!(max_priority = 0), "`max_priority` is out of range"),
        (quote!(single_active_consumer = 1), "`single_active_consumer` takes true or false"),
        (quote!(lazy = true), "`lazy` takes no value"),
        (quote!(dead_letter = 1), "`dead_letter` takes a string"),
        (quote!(overflow = reject), "`overflow` takes a word in quotes"),
        (quote!(queue_type = "Quorum"), "`queue_type` knows no \\\"Quorum\\\""),
        (quote!(3 = 4), "expected an argument"),
        (
            quote!("x-dead-letter-routing-key" = "k"),
            "a routing key for dead letters, and no exchange to send them to",
        ),
    ] {
        refused(listed(arguments), plain(), &[mistake]);
    }
}

#[test]
fn what_does_not_go_with_the_kind_of_a_queue_is_refused_where_both_are_written() {
    let of =
        |kind: &str, more: TokenStream| quote!(queue = "q", arguments(queue_type = #kind), #more);
    for (attr, mistake) in [
        (
            quote!(queue = "q", arguments("x-queue-type" = "quorum", max_priority = 5)),
            "a quorum queue takes no `x-max-priority`, only classic ones do",
        ),
        (
            quote!(queue = "q", arguments(queue_type = "stream", ttl = "1s")),
            "a stream queue takes no `x-message-ttl`, only classic and quorum ones do",
        ),
        (of("quorum", quote!(durable = false)), "a quorum queue can't be transient"),
        (of("stream", quote!(exclusive = true)), "a stream queue can't be exclusive"),
        (of("quorum", quote!(auto_delete = true)), "a quorum queue can't be auto-delete"),
        (
            of("classic", quote!(stream_offset = "first")),
            "a classic queue has no offsets, only a stream has",
        ),
        (of("stream", quote!(ack = "none")), "the consumers of a stream acknowledge"),
        (of("stream", quote!(prefetch = 0)), "the consumers of a stream need a prefetch"),
        (of("stream", quote!(priority = 1)), "the consumers of a stream have no priority"),
        (
            of("stream", quote!(concurrency = "2-3")),
            "each of 2 consumers of a stream would get every message",
        ),
        (
            quote!(queue = "q", arguments(delayed_retry_min = "2s", delayed_retry_max = "1s")),
            "a retry would wait 2000 ms at least and 1000 ms at most",
        ),
    ] {
        refused(attr, plain(), &[mistake]);
    }
    accepted(of("stream", quote!(stream_offset = 1, prefetch = 1, concurrency = 1)), plain());
    accepted(of("quorum", quote!(durable = true, exclusive = false, ack = "none")), plain());
    accepted(of("classic", quote!(durable = false, priority = 1, concurrency = 3)), plain());
    // The virtual host may make it one that takes these.
    accepted(quote!(queue = "q", arguments(delivery_limit = 3), stream_offset = 1), plain());
}

#[test]
fn a_place_in_a_stream_has_one_of_six_forms() {
    for offset in ["first", "last", "next", "42", "7D", "2026-01-31T12:00:00Z", "${from:next}"] {
        accepted(quote!(queue = "q", stream_offset = #offset), plain());
    }
    accepted(quote!(queue = "q", stream_offset = 42), plain());
    accepted(quote!(queue = "q", stream_offset = FROM), plain());
    for offset in ["", "newest", "-1", "7d", "h", "2026-01-31", "9223372036854775808"] {
        let attr = quote!(queue = "q", stream_offset = #offset);
        refused(attr, plain(), &["this is no place in a stream"]);
    }
    let negative = quote!(queue = "q", stream_offset = -1);
    refused(negative, plain(), &["this is no place in a stream"]);
}

#[test]
fn keys_at_a_consistent_hash_exchange_are_weights() {
    let kind = quote!(kind = "x-consistent-hash");
    accepted(quote!(queue = "q", exchange = "e", #kind, key = "2"), plain());
    for weight in ["0", "-1", "1.5", "", "a", "1000001"] {
        let attr = quote!(queue = "q", exchange = "e", #kind, key = #weight);
        refused(attr, plain(), &["the key at a consistent hash exchange is a weight"]);
    }
}

#[test]
fn wildcards_are_words_of_their_own() {
    accepted(quote!(exchange = "e", kind = "topic", keys = ["#", "*", "a.#.b.*", ""]), plain());
    accepted(quote!(exchange = "e", kind = "direct", key = "c#"), plain());
}

#[test]
fn a_misunderstood_key_is_not_said_to_be_missing() {
    refused(quote!(queu = "q"), plain(), &["unknown key `queu`"]);
    refused(quote!(queue = 3), plain(), &["`queue` takes a string"]);
    refused(quote!(exchnge = "e", kind = "topic"), plain(), &["unknown key `exchnge`"]);
    refused(
        quote!(queue = "q", blockin),
        quote!(
            fn f() {}
        ),
        &["unknown key `blockin`"],
    );
}

#[test]
fn manual_listeners_need_a_way_to_settle() {
    let manual = || quote!(queue = "q", ack = "manual");
    accepted(
        manual(),
        quote!(
            async fn f(tag: DeliveryTag) {}
        ),
    );
    accepted(
        manual(),
        quote!(
            async fn f(tag: Option<DeliveryTag>) {}
        ),
    );
    accepted(
        manual(),
        quote!(
            async fn f(mine: MyAcknowledgment) {}
        ),
    );
    accepted(
        manual(),
        quote!(
            async fn f(text: Text) -> Result<Outcome, E> {}
        ),
    );
    accepted(
        manual(),
        quote!(
            async fn f(mine: Fault<MyAcknowledgment>) {}
        ),
    );
    let never = ["with `ack = \\\"manual\\\"` this listener could never settle a message"];
    for neutral in [quote!(Attempt), quote!(LastInBatch), quote!(Fault<Text>)] {
        refused(manual(), quote!(async fn f(neutral: #neutral) {}), &never);
    }
    refused(
        manual(),
        quote!(
            async fn f(text: Text, channel: Channel) {}
        ),
        &never,
    );
    refused(
        manual(),
        quote!(
            async fn f(#[payload] order: Order) {}
        ),
        &never,
    );
}

#[test]
fn a_message_beside_a_body_is_no_second_body() {
    accepted(
        quote!(queue = "q"),
        quote!(
            async fn f(Json(o): Json<Order>, m: Message) {}
        ),
    );
    accepted(
        quote!(queue = "q"),
        quote!(
            async fn f(s: State<Json<u8>>, t: Text) {}
        ),
    );
    accepted(
        quote!(queue = "q"),
        quote!(
            async fn f(#[header("x")] text: Text, t: Text) {}
        ),
    );
}

#[test]
fn lifetimes_are_no_generics() {
    accepted(
        quote!(queue = "q"),
        quote!(
            async fn f<'a>(text: &'a str, k: Key<'a>) {}
        ),
    );
}

#[test]
fn any_attribute_may_say_blocking() {
    accepted(
        quote!(queue = "a"),
        quote!(
            #[rabbit_listener(queue = "b", blocking)]
            fn f(text: Text) {}
        ),
    );
    refused(
        quote!(queue = "a", blocking = false),
        quote!(
            fn f() {}
        ),
        &["a listener that is not async would hold up all others while it works"],
    );
}

#[test]
fn a_variadic_function_is_refused() {
    let found = mistakes(
        quote!(queue = "q", blocking),
        quote!(
            fn f(first: u8, rest: ...) {}
        ),
    );
    assert_eq!(found, ["a listener cannot be variadic"]);
}

#[test]
fn values_passed_on_by_a_macro_are_read_through_their_group() {
    let literal = proc_macro2::Group::new(proc_macro2::Delimiter::None, quote!("amq.orders"));
    refused(
        quote!(queue = #literal),
        plain(),
        &["queue names starting with `amq.` belong to the broker"],
    );
}

#[test]
fn the_function_comes_out_as_it_came_in() {
    let function = quote! {
        /// Words.
        #[must_use]
        pub(crate) async fn f<'a>(Json(o): Json<Event<'a>>) -> Result<(), E> { body(o).await? }
    };
    // The tokens are compared without their spacing: `>>` may be printed as `> >`.
    let compact = |tokens: TokenStream| tokens.to_string().replace(' ', "");
    let expected = compact(function.clone());
    let expansion = compact(listener(quote!(queue = "q"), function.clone()));
    assert!(expansion.starts_with(&expected), "{expansion}");
    let mistaken = compact(listener(quote!(queue = 3), function));
    assert!(mistaken.contains(&expected), "{mistaken}");
}

#[test]
fn each_attribute_has_a_record_with_its_ordinal() {
    let expansion = listener(
        quote!(queue = "a"),
        quote!(
            #[rabbit_listener(queue = "b")]
            #[springhare::rabbit_listener(queue = "c")]
            async fn f() {}
        ),
    )
    .to_string();
    for ordinal in ["ordinal : 1u32", "ordinal : 2u32", "ordinal : 3u32"] {
        assert_eq!(expansion.matches(ordinal).count(), 1, "{ordinal} in {expansion}");
    }
    assert_eq!(expansion.matches("rabbit_listener").count(), 0);
}

#[test]
fn a_queue_of_somebody_else_has_a_name() {
    accepted(quote!(fault_of = "q", declare = false), plain());
    refused(
        quote!(exchange = "e", declare = false),
        plain(),
        &["there is no queue to find: an anonymous one is made by who declares it"],
    );
}

#[test]
fn placeholders_in_placeholders_have_names_too() {
    for queue in ["${a:${}}", "${a:${:x}}", "${${ }.b}"] {
        refused(quote!(queue = #queue), plain(), &["the placeholder has no name"]);
    }
    refused(quote!(queue = "${a:${b}"), plain(), &["the placeholder does not end"]);
}

#[test]
fn circuits_give_back_what_the_broker_still_has() {
    let circuit = quote!(circuit(failures = 3, pause = "1s"));
    accepted(quote!(queue = "q", ack = "first", #circuit), plain());
    refused(
        quote!(queue = "q", ack = "none", #circuit),
        plain(),
        &["with `ack = \\\"none\\\"` the broker has forgotten what a circuit would give back"],
    );
}

#[test]
fn a_batch_has_the_attempt_of_each_of_its_messages() {
    refused(
        quote!(queue = "q", batch = 10),
        quote!(
            async fn f(texts: Vec<Text>, attempt: Attempt) {}
        ),
        &["with `batch` a handler gets several messages, and this argument is one message's"],
    );
}

#[test]
fn a_headers_default_has_its_name_and_a_value() {
    for (behind, mistake) in [
        (quote!(default), "`default` has no value"),
        (quote!(default =), "`default` has no value"),
        (quote!(5), "behind the header's name stands `default`"),
        (quote!(type = 5), "`#[header]` knows no `type`"),
    ] {
        let item = quote!(
            async fn f(#[header("x", #behind)] x: u8) {}
        );
        refused(quote!(queue = "q"), item, &[mistake]);
    }
}

#[test]
fn conditions_hold_for_all_that_is_generated() {
    let expansion = listener(
        quote!(queue = "a"),
        quote!(
            #[cfg(unix)]
            async fn f() {}
        ),
    )
    .to_string();
    assert_eq!(expansion.matches("# [cfg (unix)]").count(), 3);
}

#[test]
fn every_path_starts_at_the_root() {
    let given = listener(quote!(queue = "a", crate = my::rabbit), plain()).to_string();
    assert!(given.contains("my :: rabbit :: __private :: FromDelivery"));
    assert!(!given.contains(":: springhare ::"));
}
