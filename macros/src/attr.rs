//! One `#[rabbit_listener(..)]`: every key with its value and its place.
//!
//! Here a key is judged alone: whether it exists, is given once, and has a value of the right
//! kind. What keys mean together is for [`check`](crate::check).

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::Ident;

use crate::arguments::{Argument, consumer_arguments, queue_arguments};
use crate::binding::{self, BindingArgs};
use crate::circuit::{Circuit, circuit};
use crate::diagnostics::Errors;
use crate::duration::duration;
use crate::failure::{Millis, Retry, error_handler, idle_event, max_attempts, retry, timeout};
use crate::grammar::{self, Entry, EntryValue};
use crate::keys;
use crate::partition::{PartitionBy, partition_by};
use crate::recover::{Recover, recover};
use crate::value::{self, Concurrency, Text};

/// A value together with the key it was given under.
#[derive(Debug, Clone)]
pub(crate) struct Given<T> {
    pub(crate) key: Ident,
    pub(crate) value: T,
}

/// The keys of one attribute.
#[derive(Debug)]
pub(crate) struct ListenerArgs {
    /// The attribute itself, for mistakes that no key holds.
    pub(crate) place: Span,
    /// Whether every entry was understood: only then is the absence of a key a fact.
    pub(crate) complete: bool,
    pub(crate) id: Option<Given<Text>>,
    pub(crate) queue: QueueArgs,
    pub(crate) binding: BindingArgs,
    /// Several of them, in place of the one.
    pub(crate) bindings: Option<Given<Vec<BindingArgs>>>,
    pub(crate) consumer: ConsumerArgs,
    pub(crate) failure: FailureArgs,
    pub(crate) blocking: Option<Given<bool>>,
    pub(crate) root: Option<Given<syn::Path>>,
}

/// What describes the queue.
#[derive(Debug, Default)]
pub(crate) struct QueueArgs {
    pub(crate) queue: Option<Given<Text>>,
    pub(crate) queues: Option<Given<Vec<Text>>>,
    pub(crate) fault_of: Option<Given<Text>>,
    pub(crate) durable: Option<Given<bool>>,
    pub(crate) exclusive: Option<Given<bool>>,
    pub(crate) auto_delete: Option<Given<bool>>,
    pub(crate) arguments: Option<Given<Vec<Argument>>>,
}

/// How it is consumed.
#[derive(Debug, Default)]
pub(crate) struct ConsumerArgs {
    pub(crate) ack: Option<Given<&'static str>>,
    pub(crate) prefetch: Option<Given<u16>>,
    pub(crate) concurrency: Option<Given<Concurrency>>,
    pub(crate) batch: Option<Given<u16>>,
    pub(crate) partition_by: Option<Given<PartitionBy>>,
    pub(crate) batch_timeout: Option<Given<Duration>>,
    pub(crate) idle_event: Option<Given<Millis>>,
    pub(crate) priority: Option<Given<i32>>,
    pub(crate) stream_offset: Option<Given<Text>>,
    pub(crate) exclusive_consumer: Option<Given<bool>>,
    pub(crate) consumer_arguments: Option<Given<Vec<Argument>>>,
    pub(crate) auto_startup: Option<Given<bool>>,
    pub(crate) phase: Option<Given<i32>>,
    pub(crate) group: Option<Given<Text>>,
    pub(crate) competing: Option<Given<bool>>,
    pub(crate) requeue_rejected: Option<Given<bool>>,
    pub(crate) send_to: Option<Given<Text>>,
    pub(crate) return_errors: Option<Given<bool>>,
    pub(crate) profile: Option<Given<Text>>,
    pub(crate) broker: Option<Given<Text>>,
    pub(crate) declare: Option<Given<bool>>,
    pub(crate) lenient: Option<Given<bool>>,
    pub(crate) converter: Option<Given<Text>>,
}

/// What is done when its handler fails.
#[derive(Debug, Default)]
pub(crate) struct FailureArgs {
    pub(crate) retry: Option<Given<Retry>>,
    pub(crate) max_attempts: Option<Given<u32>>,
    pub(crate) timeout: Option<Given<Millis>>,
    pub(crate) recover: Option<Given<Recover>>,
    pub(crate) error_handler: Option<Given<syn::Path>>,
    pub(crate) circuit: Option<Given<Circuit>>,
}

/// The values of `ack`.
const ACKNOWLEDGE_MODES: &[&str] = &["auto", "manual", "first", "none"];

impl ListenerArgs {
    /// Parses what stands between the attribute's parentheses; `place` is the attribute.
    pub(crate) fn parse(place: Span, tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self {
            place,
            complete: true,
            id: None,
            queue: QueueArgs::default(),
            binding: BindingArgs::default(),
            bindings: None,
            consumer: ConsumerArgs::default(),
            failure: FailureArgs::default(),
            blocking: None,
            root: None,
        };
        let before = errors.count();
        for entry in grammar::entries(tokens, errors) {
            args.take(&entry, errors);
        }
        args.complete = errors.count() == before;
        args
    }

    /// The binding that stands alone, if it does, and those of a list.
    pub(crate) fn all_bindings(&self) -> impl Iterator<Item = &BindingArgs> {
        let alone = self.binding.first().map(|_| &self.binding);
        alone.into_iter().chain(self.bindings.iter().flat_map(|list| &list.value))
    }

    fn take(&mut self, entry: &Entry, errors: &mut Errors) {
        if self.binding.take(entry, errors) {
            return;
        }
        let Self { id, queue, bindings, consumer, failure, blocking, root, .. } = self;
        match entry.name().as_str() {
            "id" => set(id, entry, value::text, errors),
            "queue" => set(&mut queue.queue, entry, value::text, errors),
            "queues" => set(&mut queue.queues, entry, value::texts, errors),
            "fault_of" => set(&mut queue.fault_of, entry, value::text, errors),
            "durable" => set(&mut queue.durable, entry, value::flag, errors),
            "exclusive" => set(&mut queue.exclusive, entry, value::flag, errors),
            "auto_delete" => set(&mut queue.auto_delete, entry, value::flag, errors),
            "arguments" => set(&mut queue.arguments, entry, queue_arguments, errors),
            "bindings" => set(bindings, entry, binding::bindings, errors),
            "ack" => set(&mut consumer.ack, entry, ack, errors),
            "prefetch" => set(&mut consumer.prefetch, entry, prefetch, errors),
            "concurrency" => set(&mut consumer.concurrency, entry, value::concurrency, errors),
            "batch" => set(&mut consumer.batch, entry, batch, errors),
            "partition_by" => set(&mut consumer.partition_by, entry, partition_by, errors),
            "batch_timeout" => set(&mut consumer.batch_timeout, entry, duration, errors),
            "idle_event" => set(&mut consumer.idle_event, entry, idle_event, errors),
            "priority" => set(&mut consumer.priority, entry, priority, errors),
            "stream_offset" => {
                set(&mut consumer.stream_offset, entry, value::stream_offset, errors);
            }
            "exclusive_consumer" => set(&mut consumer.exclusive_consumer, entry, switch, errors),
            "consumer_arguments" => {
                set(&mut consumer.consumer_arguments, entry, consumer_arguments, errors);
            }
            "auto_startup" => set(&mut consumer.auto_startup, entry, value::flag, errors),
            "phase" => set(&mut consumer.phase, entry, priority, errors),
            "group" => set(&mut consumer.group, entry, value::text, errors),
            "competing" => set(&mut consumer.competing, entry, switch, errors),
            "requeue_rejected" => set(&mut consumer.requeue_rejected, entry, value::flag, errors),
            "retry" => set(&mut failure.retry, entry, retry, errors),
            "max_attempts" => set(&mut failure.max_attempts, entry, max_attempts, errors),
            "error_handler" => set(&mut failure.error_handler, entry, error_handler, errors),
            "circuit" => set(&mut failure.circuit, entry, circuit, errors),
            "recover" => set(&mut failure.recover, entry, recover, errors),
            "timeout" => set(&mut failure.timeout, entry, timeout, errors),
            "send_to" => set(&mut consumer.send_to, entry, value::text, errors),
            "return_errors" => set(&mut consumer.return_errors, entry, value::flag, errors),
            "profile" => set(&mut consumer.profile, entry, value::text, errors),
            "broker" => set(&mut consumer.broker, entry, value::text, errors),
            "declare" => set(&mut consumer.declare, entry, value::flag, errors),
            "lenient" => set(&mut consumer.lenient, entry, switch, errors),
            "converter" => set(&mut consumer.converter, entry, value::converter, errors),
            "blocking" => set(blocking, entry, switch, errors),
            "crate" => set(root, entry, value::path, errors),
            unknown => {
                errors.add(&entry.key, format!("unknown key `{unknown}`"), keys::remedy(unknown));
            }
        }
    }
}

/// Puts what stands in an entry into its place, which may be taken.
pub(crate) fn set<T>(
    slot: &mut Option<Given<T>>,
    entry: &Entry,
    parse: fn(&Entry, &mut Errors) -> Option<T>,
    errors: &mut Errors,
) {
    if slot.is_some() {
        errors.add(&entry.key, format!("`{}` is given twice", entry.name()), "keep one of them");
        return;
    }
    let value = parse(entry, errors);
    *slot = value.map(|value| Given { key: entry.key.clone(), value });
}

fn ack(entry: &Entry, errors: &mut Errors) -> Option<&'static str> {
    value::word(entry, ACKNOWLEDGE_MODES, errors)
}

fn prefetch(entry: &Entry, errors: &mut Errors) -> Option<u16> {
    value::number(entry, "0 to 65535", errors)
}

fn batch(entry: &Entry, errors: &mut Errors) -> Option<u16> {
    let size = value::number(entry, "1 to 65535", errors)?;
    if size == 0 {
        let help = "write `batch = 100`, or remove it";
        errors.add(&entry.key, "a batch has at least one message", help);
        return None;
    }
    Some(size)
}

fn priority(entry: &Entry, errors: &mut Errors) -> Option<i32> {
    value::number(entry, "-2147483648 to 2147483647", errors)
}

/// A key alone, or with `= true`: `blocking`.
pub(crate) fn switch(entry: &Entry, errors: &mut Errors) -> Option<bool> {
    match entry.value {
        EntryValue::Missing => Some(true),
        _ => value::flag(entry, errors),
    }
}
