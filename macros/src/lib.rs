//! `#[rabbit_listener]`: the macro behind springhare's annotated handlers.
//!
//! Use it through the `springhare` crate, which re-exports it beside the types it speaks of.
//!
//! # Layout
//!
//! One corridor, read from top to bottom:
//!
//! ```text
//! grammar → attr (value, arguments, keys, failure)      what the attribute says, key by key
//! signature (parameter, types)                 what the function looks like
//! handlers                                     what an `impl` of them looks like
//! check (binding, names, function)             the rules, all mistakes at once
//! listener                                     the model, valid by construction
//! expand (record, paths)                       the model in tokens; total
//! ```
//!
//! `diagnostics` runs beside it. Deliberately out: everything that happens at run time. The
//! expansion is a constant record and one thin shim; names are resolved and the topology is
//! checked by the runtime, where it can be tested as ordinary code.

mod diagnostics;
mod paths;

mod duration;
mod grammar;
mod keys;
mod partition;
mod value;

mod arguments;
mod attr;
mod binding;
mod circuit;
mod failure;
mod recover;

mod handlers;
mod parameter;
mod self_type;
mod signature;
mod types;

mod check;
mod listener;

mod batch;
mod error_handler;
mod expand;
mod expand_handlers;
mod record;

#[cfg(test)]
mod tests;

use proc_macro2::{Span, TokenStream};
use syn::Meta;
use syn::spanned::Spanned as _;

use crate::attr::ListenerArgs;
use crate::diagnostics::Errors;
use crate::handlers::HandlersImpl;
use crate::listener::Listener;
use crate::self_type::SelfType;
use crate::signature::ListenerFn;

/// Makes a function a listener: it is called with each message of a queue.
///
/// ```text
/// use springhare::prelude::*;
///
/// #[rabbit_listener(queue = "boot_worker", ack = "manual", prefetch = 1)]
/// async fn fulfil(Json(order): Json<Order>, channel: Channel, tag: DeliveryTag) -> ListenerResult {
///     ship(&order).await?; // an error: the message is retried, then dead-lettered
///     channel.ack(tag).await?; // sign for it only once the work is done
///     Ok(())
/// }
///
/// #[rabbit_listener(queue = "errors", exchange = "logs", kind = "topic", key = "*.error")]
/// async fn on_error(Text(line): Text, key: RoutingKey) {
///     println!("{key}: {line}");
/// }
/// ```
///
/// The function itself stays as it is, so that a test can call it. When the application starts,
/// queue, exchange and binding are declared as the attribute says, and a consumer is started.
///
/// # Keys
///
/// | key | value | meaning; default |
/// |---|---|---|
/// | `id` | `".."` | the name under which the listener is found; `module::function` |
/// | `queue` | `".."` | the queue to consume; without it an anonymous one of this listener's own, exclusive and deleted at its end |
/// | `queues` | `["..", ".."]` | several queues |
/// | `fault_of` | `".."` | a queue: the listener consumes the messages that were given up there, from `<queue>.error`, and may take `Fault<..>` |
/// | `exchange` | `".."` | the exchange to bind the queue to; none |
/// | `kind` | `"direct"`, `"fanout"`, `"topic"`, `"headers"` | the exchange's kind |
/// | `key` | `".."` | the binding's routing key; in a topic `*` stands for one word, `#` for any number, `{name}` for one that `Path<..>` takes |
/// | `keys` | `["..", ".."]` | several keys, one binding each |
/// | `binding_arguments` | `("x-match" = "all", "level" = 3)` | the binding's arguments; a name alone asks that the header is there |
/// | `bindings` | `((exchange = "a", key = "x"), (exchange = "b", kind = "fanout"))` | several bindings, to several exchanges; each with the five keys above |
/// | `arguments` | `(ttl = "10s", "x-own" = 3, ..)` | the queue's arguments, see below |
/// | `durable` | `true`, `false` | whether the queue survives a restart of the broker; `true` for a named one |
/// | `exclusive` | `true`, `false` | whether this listener alone uses the queue, and so with one consumer; `true` for an anonymous one |
/// | `auto_delete` | `true`, `false` | whether the queue goes with its last consumer; `true` for an anonymous one |
/// | `ack` | `"auto"`, `"manual"`, `"first"`, `"none"` | who signs for a message: the framework after the function, the function, the framework before the function is called, nobody; `"auto"` |
/// | `prefetch` | `0` to `65535` | how many messages may wait unsigned at each consumer, 0 for no limit; 250 |
/// | `concurrency` | `4`, `"2-8"` | how many consumers; with a range there are more while all of them are busy, and less while one is idle; 1 |
/// | `batch` | `1` to `65535` | how many messages the function gets at a time, as lists: `orders: Vec<Json<Order>>`; one message, and no list |
/// | `batch_timeout` | `"200ms"` | how long a batch that is not full waits for more messages, 15 minutes at most; 1 s |
/// | `partition_by` | `"routing_key"`, `"correlation_id"`, `"message_id"`, `"header:x-customer"`, the path of a function | messages with the same key are handled one after the other, others side by side: one consumer, and `concurrency` handlers |
/// | `idle_event` | `"30s"` | after so long without a message, and after each multiple of it, `app.events()` tells that the listener is idle; a day at most; no such event |
/// | `priority` | a whole number | the consumer's priority: a higher one is served first; 0 |
/// | `stream_offset` | `"first"`, `"last"`, `"next"`, `42`, `"2026-01-31T12:00:00Z"`, `"1h"` | where in a stream to begin: with the oldest message, the last chunk, what comes from now on, an offset, a time in UTC, a time ago (units `Y`, `M`, `D`, `h`, `m`, `s`; since RabbitMQ 4.0); `"next"` |
/// | `exclusive_consumer` | alone | the listener is the only consumer of its queue: where another one consumes, it stands by and takes over once that is gone |
/// | `consumer_arguments` | `("x-own" = true, ..)` | the consumer's arguments by their names in AMQP; those with a key of their own, `priority` and `stream_offset`, are not among them |
/// | `auto_startup` | `true`, `false` | whether the listener starts with the application; `true` |
/// | `phase` | a whole number | listeners with a higher one start later and stop first; 0 |
/// | `group` | `".."` | a name to start and stop several listeners by |
/// | `competing` | alone | where listeners of one queue have different keys: each takes whatever comes, as workers do; without it a message goes to the one whose key matches best |
/// | `requeue_rejected` | `true`, `false` | whether a failed message goes back to its queue; with `retry(max_attempts = ..)` it is called with again first |
/// | `retry` | `(max_attempts = 5, backoff = "100ms..10s", jitter = 0.2)`, `(delays = ["5s", "1m"])` | what is done before a failed message is given up, see below |
/// | `max_attempts` | `1` or more | how many paced deliveries of a message may fail where there is no `retry`; 20 |
/// | `timeout` | `"30s"` | how long the function may take, a day at most: one that takes longer is dropped and has failed; no bound |
/// | `error_handler` | a path | `async fn(ListenerError, &DeliveryContext) -> ListenerResult<..>`: called when the function has failed; what it returns becomes of the message, and its error goes on as the function's |
/// | `circuit` | `(failures = 10, pause = "30s")` | after so many failures one after the other the listener pauses for this time, a day at most; then it is tried with one message |
/// | `recover` | `"park"`, `"reject"`, `"requeue"`, `(exchange = "failed", key = "orders")` | where a message goes that is given up, see below |
/// | `send_to` | `"queue"`, `"exchange/key"` | where a returned reply goes if its request names no queue for it (`reply_to`) |
/// | `return_errors` | `true`, `false` | whether a request that fails is answered with its error and acknowledged, rather than tried again; where its sender asks for that by the header `x-springhare-errors`, as springhare's own callers do |
/// | `profile` | `".."` | whose settings are meant where the attribute says nothing: a name of the builder's `.profile(..)` or of a file's `[profiles.NAME]` |
/// | `broker` | `".."` | which of the application's brokers it consumes from: a name of the builder's `.named_broker(..)` or of a file's `[brokers.NAME]`; without it the one of `[rabbitmq]` |
/// | `declare` | `true`, `false` | whether queue, exchange and bindings are declared; with `false` the queue is somebody else's and must be there; `true` |
/// | `lenient` | alone | that the broker refuses to declare them is logged, and does not fail the start |
/// | `converter` | `"json"`, `"msgpack"`, `"cbor"`, a name that the builder gave by `.converter(..)` | what writes replies, and reads a `#[payload]` whose content type says nothing; the application's |
/// | `blocking` | alone | the function is not async and runs on a thread for blocking work |
/// | `crate` | a path | where the runtime is found; `::springhare` |
///
/// A string may be a literal or the path of a constant. A literal may hold `${name}` or
/// `${name:default}`, resolved from the settings when the application starts. Times are
/// written out, without a placeholder.
///
/// # A queue's arguments
///
/// In `arguments(..)` those that RabbitMQ knows have the names of the `Queue` builder, which says
/// what each means and which RabbitMQ has it. Times have a unit, `ms`, `s`, `m`, `h` or `d`. Any
/// other argument is given by its name in AMQP, with a literal as its value.
///
/// | key | value | sets |
/// |---|---|---|
/// | `ttl`, `expires` | `"10s"` | `x-message-ttl`, `x-expires` |
/// | `max_length`, `max_length_bytes` | `10_000` | `x-max-length`, `x-max-length-bytes` |
/// | `overflow` | `"drop-head"`, `"reject-publish"`, `"reject-publish-dlx"` | `x-overflow` |
/// | `dead_letter`, `dead_letter_routing_key` | `".."` | `x-dead-letter-exchange`, `x-dead-letter-routing-key` |
/// | `dead_letter_strategy` | `"at-most-once"`, `"at-least-once"` | `x-dead-letter-strategy` |
/// | `max_priority` | `1` to `255` | `x-max-priority` |
/// | `single_active_consumer` | alone | `x-single-active-consumer` |
/// | `delivery_limit` | `10`, `-1` for none | `x-delivery-limit` |
/// | `delayed_retry` | `"all"`, `"failed"`, `"returned"`, `"disabled"` | `x-delayed-retry-type` |
/// | `delayed_retry_min`, `delayed_retry_max` | `"1s"` | `x-delayed-retry-min`, `x-delayed-retry-max` |
/// | `consumer_timeout` | `"30m"` | `x-consumer-timeout` |
/// | `queue_type` | `"classic"`, `"quorum"`, `"stream"` | `x-queue-type` |
/// | `lazy` | alone | `x-queue-mode` |
/// | `leader_locator` | `"client-local"`, `"balanced"` | `x-queue-leader-locator` |
/// | `quorum_initial_group_size`, `initial_cluster_size` | `3` | `x-quorum-initial-group-size`, `x-initial-cluster-size` |
/// | `max_age` | `"7d"` | `x-max-age` |
/// | `max_segment_size_bytes`, `filter_size_bytes` | `100_000_000`, `16` to `255` | `x-stream-max-segment-size-bytes`, `x-stream-filter-size-bytes` |
///
/// # Failures
///
/// Without a word a failed message is delivered again, paced, and after 20 deliveries dead-lettered
/// or parked in `<queue>.error`. `retry(..)` does otherwise:
///
/// - `max_attempts` is how often the function is called with one delivery, 3 by default, with a
///   pause between that begins with the first time of `backoff` and doubles up to the second
///   (`"100ms..5s"`, 15 minutes at most); `jitter` is the part of a pause, 0 to 1, by which chance makes it longer or
///   shorter. The consumer waits meanwhile, so that no later message passes; a stop ends the wait
///   and puts the message back.
/// - `delays` are times after which it is delivered again, one after the other, while others are
///   handled. It waits at the broker. There may be 32, each of a day at most.
///
/// With both, each delivery is tried in memory first. When all have failed, it is given up.
///
/// # Given up
///
/// `recover` says where a message goes then:
///
/// - without it: to its queue's dead-letter exchange if it has one, else to `<queue>.error`
/// - `recover = "park"`: to `<queue>.error`
/// - `recover = "reject"`: rejected, to the dead-letter exchange; dropped where there is none
/// - `recover = "requeue"`: back to its queue; what is fatal goes as without
/// - `recover(exchange = "failed", key = "orders")`: as a copy to that exchange, under this key or its own
///
/// # Arguments
///
/// Each argument is made of the delivery by its type: `Json<T>`, `Text`, `Bytes`, `Message`,
/// `Headers`, `Channel`, `DeliveryTag`, `RoutingKey`, `State<T>` and more, or a type of yours that
/// implements `FromDelivery`. `#[payload] order: Order` takes the body converted by its content
/// type, `#[header("x-id", default = 0)] id: i32` one header.
///
/// # Handlers by type
///
/// On an `impl`, each method with `#[rabbit_handler]` takes the messages of one type, by the property
/// `type` or the last word of Spring's header `__TypeId__`; the type's name is that of the body,
/// or `#[rabbit_handler(type = "..")]`. One may be the `default`; without it a message of another type
/// is fatal. `&self` is the application's managed value.
///
/// ```text
/// #[rabbit_listener(queue = "orders")]
/// impl Orders {
///     #[rabbit_handler]
///     async fn created(&self, Json(order): Json<OrderCreated>) -> ListenerResult { .. }
///
///     #[rabbit_handler(default)]
///     async fn other(&self, message: Message) { .. }
/// }
/// ```
///
/// # Several attributes
///
/// The attribute may stand more than once on a function: each is a listener of its own. Ids of
/// the second and third get `#2` and `#3`.
#[proc_macro_attribute]
pub fn rabbit_listener(
    attr: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    listener(attr.into(), item.into()).into()
}

/// The pipeline.
fn listener(attr: TokenStream, item: TokenStream) -> TokenStream {
    if handlers::is_impl(&item) {
        return handlers_of_impl(attr, item);
    }
    let mut errors = Errors::new();
    let function = match ListenerFn::parse(item.clone(), &mut errors) {
        Ok(function) => function,
        Err(error) => {
            errors.push(error);
            let mistakes = errors.finish().err().map(|error| error.to_compile_error());
            return mistakes.into_iter().chain([item]).collect();
        }
    };
    let attributes = parse_attributes(attr, &function.stacked, &mut errors);
    check::check(&attributes, &function, &mut errors);
    let paths = listener::paths(&attributes);
    match errors.finish() {
        Ok(()) => expand::expand(&Listener::new(function, attributes)),
        Err(mistakes) => expand::fallback(&function, &paths, &mistakes),
    }
}

/// The same for an `impl`, whose methods take a message by its type.
fn handlers_of_impl(attr: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let block = match HandlersImpl::parse(item.clone(), &mut errors) {
        Ok(block) => block,
        Err(error) => {
            errors.push(error);
            let mistakes = errors.finish().err().map(|error| error.to_compile_error());
            return mistakes.into_iter().chain([handlers::without_handlers(item)]).collect();
        }
    };
    let attr = SelfType::of(&block.self_ty).spelled_out(attr);
    let attributes = parse_attributes(attr, &block.stacked, &mut errors);
    check::handlers::check(&attributes, &block, &mut errors);
    let paths = listener::paths(&attributes);
    match errors.finish() {
        Ok(()) => expand_handlers::expand(block, attributes),
        Err(mistakes) => expand_handlers::fallback(&block, &paths, &mistakes),
    }
}

/// Makes a method a handler of its `impl`'s listener, for messages of the type that it takes.
///
/// It stands in an `impl` with [`#[rabbit_listener(..)]`](macro@rabbit_listener), which takes it off.
/// `type = ".."` names the type, which is otherwise that of the body; `default` takes messages of all
/// other types.
#[proc_macro_attribute]
pub fn rabbit_handler(
    _attr: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    let what = "`#[rabbit_handler]` stands in an `impl` with `#[rabbit_listener(..)]`\n\
                help: put `#[rabbit_listener(queue = \"..\")]` on the `impl` around this method";
    let mistake = syn::Error::new(Span::call_site(), what).to_compile_error();
    mistake.into_iter().chain(TokenStream::from(item)).collect::<TokenStream>().into()
}

/// The outermost attribute, whose tokens the compiler hands over, and those below it.
fn parse_attributes(
    outermost: TokenStream,
    stacked: &[syn::Attribute],
    errors: &mut Errors,
) -> Vec<ListenerArgs> {
    let first = ListenerArgs::parse(Span::call_site(), outermost, errors);
    let mut attributes = vec![first];
    for attr in stacked {
        let tokens = match &attr.meta {
            Meta::List(list) => list.tokens.clone(),
            Meta::Path(_) => TokenStream::new(),
            Meta::NameValue(pair) => {
                errors.add(pair, "expected a list", "write `#[rabbit_listener(queue = \"..\")]`");
                continue;
            }
        };
        attributes.push(ListenerArgs::parse(attr.path().span(), tokens, errors));
    }
    attributes
}
