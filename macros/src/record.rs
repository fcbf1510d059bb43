//! The attributes' constant record: one field for each key that was given.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};

use crate::arguments::{Argument, ArgumentValue};
use crate::duration;
use crate::listener::{Binding, Consumer, Endpoint, Failure, Thread};
use crate::paths::Paths;
use crate::value::Concurrency;

/// The value of the record's `attributes`; what is not given is the runtime's default.
pub(crate) fn attributes(endpoint: &Endpoint, thread: Thread, paths: &Paths) -> TokenStream {
    let path = &paths.listener_attributes;
    let Endpoint { id, queues, durable, exclusive, auto_delete, binding, consumer, .. } = endpoint;
    let own = [
        some("id", id.as_ref()),
        list("queues", queues),
        some("fault_of", endpoint.fault_of.as_ref()),
        list("arguments", &table(&endpoint.arguments, paths)),
        some("durable", durable.as_ref()),
        some("exclusive", exclusive.as_ref()),
        some("auto_delete", auto_delete.as_ref()),
    ];
    let bindings = endpoint.bindings.iter().map(|binding| one_of_many(binding, paths));
    let bindings = list("bindings", &bindings.collect::<Vec<_>>());
    let own = own.into_iter().chain([bindings]);
    let fields = own.chain(bind(binding, paths)).chain(consume(consumer, paths));
    let fields = fields.chain(fail(&endpoint.failure, paths));
    let blocking = (thread == Thread::Blocking).then(|| quote!(blocking: true,));
    let fields = fields.chain(blocking);
    quote!(#path { #(#fields)* ..#path::DEFAULT })
}

fn bind(binding: &Binding, paths: &Paths) -> [TokenStream; 4] {
    let Binding { exchange, kind, keys, arguments } = binding;
    [
        some("exchange", exchange.as_ref()),
        some("kind", kind.as_ref()),
        list("keys", keys),
        list("binding_arguments", &table(arguments, paths)),
    ]
}

/// One of `bindings(..)`.
fn one_of_many(binding: &Binding, paths: &Paths) -> TokenStream {
    let path = &paths.binding_attributes;
    let Binding { exchange, kind, keys, arguments } = binding;
    let kind = match kind {
        Some(kind) => quote!(::core::option::Option::Some(#kind)),
        None => quote!(::core::option::Option::None),
    };
    let arguments = table(arguments, paths);
    quote!(#path {
        exchange: #exchange,
        kind: #kind,
        keys: &[#(#keys),*],
        arguments: &[#(#arguments),*],
    })
}

fn consume(consumer: &Consumer, paths: &Paths) -> Vec<TokenStream> {
    let ack = consumer.ack.map(|word| {
        let modes = &paths.acknowledge_mode;
        let mode = match word {
            "manual" => quote!(Manual),
            "first" => quote!(First),
            "none" => quote!(None),
            _ => quote!(Auto),
        };
        quote!(#modes::#mode)
    });
    let concurrency = consumer.concurrency.map(|Concurrency { min, max }| {
        let path = &paths.concurrency;
        quote!(#path { min: #min, max: #max })
    });
    let exclusive = consumer.exclusive_consumer.map(|value| quote!(exclusive_consumer: #value,));
    let lenient = consumer.lenient.map(|value| quote!(lenient: #value,));
    let competing = consumer.competing.map(|value| quote!(competing: #value,));
    let partition_by = consumer.partition_by.as_ref().map(|by| by.tokens(paths));
    let phase = consumer.phase.map(|value| quote!(phase: #value,));
    vec![
        some("ack", ack.as_ref()),
        some("prefetch", consumer.prefetch.as_ref()),
        some("concurrency", concurrency.as_ref()),
        some("batch", consumer.batch.as_ref()),
        some("batch_timeout", consumer.batch_timeout.map(duration::tokens).as_ref()),
        some("partition_by", partition_by.as_ref()),
        some("idle_event", consumer.idle_event.map(|time| time.tokens()).as_ref()),
        some("priority", consumer.priority.as_ref()),
        some("stream_offset", consumer.stream_offset.as_ref()),
        exclusive.unwrap_or_default(),
        list("consumer_arguments", &table(&consumer.consumer_arguments, paths)),
        some("auto_startup", consumer.auto_startup.as_ref()),
        phase.unwrap_or_default(),
        some("group", consumer.group.as_ref()),
        competing.unwrap_or_default(),
        some("requeue_rejected", consumer.requeue_rejected.as_ref()),
        some("send_to", consumer.send_to.as_ref()),
        some("return_errors", consumer.return_errors.as_ref()),
        some("profile", consumer.profile.as_ref()),
        some("broker", consumer.broker.as_ref()),
        some("declare", consumer.declare.as_ref()),
        lenient.unwrap_or_default(),
        some("converter", consumer.converter.as_ref()),
    ]
}

fn fail(failure: &Failure, paths: &Paths) -> [TokenStream; 5] {
    let circuit = failure.circuit.map(|circuit| circuit.tokens(paths));
    let recover = failure.recover.as_ref().map(|recover| recover.tokens(paths));
    let retry = failure.retry.as_ref().map(|retry| retry.tokens(paths));
    let timeout = failure.timeout.map(|timeout| timeout.tokens());
    [
        some("retry", retry.as_ref()),
        some("max_attempts", failure.max_attempts.as_ref()),
        some("timeout", timeout.as_ref()),
        some("recover", recover.as_ref()),
        some("circuit", circuit.as_ref()),
    ]
}

/// `field: Some(value),`, or nothing.
fn some(field: &str, value: Option<&impl ToTokens>) -> TokenStream {
    let field = format_ident!("{field}");
    value.map(|value| quote!(#field: ::core::option::Option::Some(#value),)).unwrap_or_default()
}

/// `field: &[..],`, or nothing.
fn list(field: &str, items: &[impl ToTokens]) -> TokenStream {
    if items.is_empty() {
        return TokenStream::new();
    }
    let field = format_ident!("{field}");
    quote!(#field: &[#(#items),*],)
}

fn table(arguments: &[Argument], paths: &Paths) -> Vec<TokenStream> {
    let argument = &paths.argument;
    let entry = |Argument { name, value }: &Argument| {
        let value = match value {
            ArgumentValue::Bool(expr) => quote!(#argument::Bool(#expr)),
            ArgumentValue::Int(expr) => quote!(#argument::Int(#expr)),
            ArgumentValue::Float(expr) => quote!(#argument::Float(#expr)),
            ArgumentValue::Text(text) => quote!(#argument::Text(#text)),
            ArgumentValue::Void => quote!(#argument::Void),
        };
        quote!((#name, #value))
    };
    arguments.iter().map(entry).collect()
}
