//! The model: a listener as it will be, valid by construction.

use std::time::Duration;

use proc_macro2::Span;

use crate::arguments::Argument;
use crate::attr::{Given, ListenerArgs};
use crate::binding::BindingArgs;
use crate::circuit::Circuit;
use crate::failure::{Millis, Retry};
use crate::partition::PartitionBy;
use crate::paths::Paths;
use crate::recover::Recover;
use crate::signature::ListenerFn;
use crate::value::{Concurrency, Text};

/// A function with one endpoint for each of its attributes.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) function: ListenerFn,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) paths: Paths,
    pub(crate) thread: Thread,
    pub(crate) takes: Takes,
}

/// What the function is called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    OneMessage,
    /// Lists.
    Batches,
}

/// Where the function runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thread {
    /// On the executor: it is async.
    Executor,
    /// On a thread for blocking work.
    Blocking,
}

/// One attribute: what is listened to, and how.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Where the attribute stands.
    pub(crate) place: Span,
    pub(crate) id: Option<Text>,
    /// Empty for an anonymous queue.
    pub(crate) queues: Vec<Text>,
    pub(crate) fault_of: Option<Text>,
    pub(crate) durable: Option<bool>,
    pub(crate) exclusive: Option<bool>,
    pub(crate) auto_delete: Option<bool>,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) binding: Binding,
    /// Several, in place of the one.
    pub(crate) bindings: Vec<Binding>,
    pub(crate) consumer: Consumer,
    pub(crate) failure: Failure,
}

/// What binds the queue.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) exchange: Option<Text>,
    pub(crate) kind: Option<Text>,
    pub(crate) keys: Vec<Text>,
    pub(crate) arguments: Vec<Argument>,
}

/// How the queue is consumed.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) ack: Option<&'static str>,
    pub(crate) prefetch: Option<u16>,
    pub(crate) concurrency: Option<Concurrency>,
    pub(crate) batch: Option<u16>,
    pub(crate) partition_by: Option<PartitionBy>,
    pub(crate) batch_timeout: Option<Duration>,
    pub(crate) idle_event: Option<Millis>,
    pub(crate) priority: Option<i32>,
    pub(crate) stream_offset: Option<Text>,
    pub(crate) exclusive_consumer: Option<bool>,
    pub(crate) consumer_arguments: Vec<Argument>,
    pub(crate) auto_startup: Option<bool>,
    pub(crate) phase: Option<i32>,
    pub(crate) group: Option<Text>,
    pub(crate) competing: Option<bool>,
    pub(crate) requeue_rejected: Option<bool>,
    pub(crate) send_to: Option<Text>,
    pub(crate) return_errors: Option<bool>,
    pub(crate) profile: Option<Text>,
    pub(crate) broker: Option<Text>,
    pub(crate) declare: Option<bool>,
    pub(crate) lenient: Option<bool>,
    pub(crate) converter: Option<Text>,
}

/// What is done when the function fails.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) retry: Option<Retry>,
    pub(crate) max_attempts: Option<u32>,
    pub(crate) timeout: Option<Millis>,
    pub(crate) recover: Option<Recover>,
    pub(crate) error_handler: Option<syn::Path>,
    pub(crate) circuit: Option<Circuit>,
}

impl Listener {
    /// Takes what [`check`](crate::check) found nothing wrong with.
    pub(crate) fn new(function: ListenerFn, attributes: Vec<ListenerArgs>) -> Self {
        let paths = paths(&attributes);
        let thread = match function.sig.asyncness {
            Some(_) => Thread::Executor,
            None => Thread::Blocking,
        };
        let takes = match attributes.iter().any(|args| args.consumer.batch.is_some()) {
            true => Takes::Batches,
            false => Takes::OneMessage,
        };
        let endpoints = attributes.into_iter().map(Endpoint::from).collect();
        Self { function, endpoints, paths, thread, takes }
    }
}

/// The runtime's paths: the first `crate = path` holds for the whole function.
pub(crate) fn paths(attributes: &[ListenerArgs]) -> Paths {
    Paths::new(attributes.iter().find_map(|args| args.root.as_ref()).map(|given| &given.value))
}

impl From<ListenerArgs> for Endpoint {
    fn from(args: ListenerArgs) -> Self {
        let ListenerArgs { place, id, queue, binding, bindings, consumer, failure, .. } = args;
        Self {
            place,
            id: value(id),
            queues: one_or_many(queue.queue, queue.queues),
            fault_of: value(queue.fault_of),
            durable: value(queue.durable),
            exclusive: value(queue.exclusive),
            auto_delete: value(queue.auto_delete),
            arguments: value(queue.arguments).unwrap_or_default(),
            binding: Binding::from(binding),
            bindings: value(bindings).into_iter().flatten().map(Binding::from).collect(),
            consumer: Consumer {
                ack: value(consumer.ack),
                prefetch: value(consumer.prefetch),
                concurrency: value(consumer.concurrency),
                batch: value(consumer.batch),
                partition_by: value(consumer.partition_by),
                batch_timeout: value(consumer.batch_timeout),
                idle_event: value(consumer.idle_event),
                priority: value(consumer.priority),
                stream_offset: value(consumer.stream_offset),
                exclusive_consumer: value(consumer.exclusive_consumer),
                consumer_arguments: value(consumer.consumer_arguments).unwrap_or_default(),
                auto_startup: value(consumer.auto_startup),
                phase: value(consumer.phase),
                group: value(consumer.group),
                competing: value(consumer.competing),
                requeue_rejected: value(consumer.requeue_rejected),
                send_to: value(consumer.send_to),
                return_errors: value(consumer.return_errors),
                profile: value(consumer.profile),
                broker: value(consumer.broker),
                declare: value(consumer.declare),
                lenient: value(consumer.lenient),
                converter: value(consumer.converter),
            },
            failure: Failure {
                retry: value(failure.retry),
                max_attempts: value(failure.max_attempts),
                timeout: value(failure.timeout),
                recover: value(failure.recover),
                error_handler: value(failure.error_handler),
                circuit: value(failure.circuit),
            },
        }
    }
}

impl From<BindingArgs> for Binding {
    fn from(binding: BindingArgs) -> Self {
        Self {
            exchange: value(binding.exchange),
            kind: value(binding.kind),
            keys: one_or_many(binding.key, binding.keys),
            arguments: value(binding.arguments).unwrap_or_default(),
        }
    }
}

fn value<T>(given: Option<Given<T>>) -> Option<T> {
    given.map(|given| given.value)
}

fn one_or_many(one: Option<Given<Text>>, many: Option<Given<Vec<Text>>>) -> Vec<Text> {
    value(one).into_iter().chain(value(many).unwrap_or_default()).collect()
}
