//! A listener as it will run: its attributes resolved, its defaults filled in.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use springhare_amqp::{FieldTable, ShortString};

use crate::convert::MessageConverters;
use crate::graph::Origin;
use crate::listener::dispatch::Dispatch;
use crate::listener::endpoint::{AcknowledgeMode, PartitionBy};
use crate::listener::function::Function;
use crate::listener::key_path::KeyPath;
use crate::listener::retry::FailurePlan;
use crate::listener::stream_offset::StreamOffset;

/// The deliveries that a consumer holds unsettled where its attribute does not say, as in
/// Spring.
pub(crate) const DEFAULT_PREFETCH: u16 = 250;

/// A listener as it will run.
#[derive(Debug, Clone)]
pub(crate) struct ListenerPlan {
    pub(crate) id: Arc<str>,
    pub(crate) function: Function,
    pub(crate) origin: Origin,
    /// The name of the broker that it consumes from.
    pub(crate) broker: Arc<str>,
    pub(crate) queues: Vec<ShortString>,
    /// The queue has no name of the user's: it goes with the application.
    pub(crate) anonymous: bool,
    pub(crate) acknowledge: AcknowledgeMode,
    pub(crate) prefetch: u16,
    /// How many consumers each queue has at the least.
    pub(crate) concurrency: u16,
    /// How many each queue may have while there is much to do.
    pub(crate) concurrency_max: u16,
    /// Higher ones start later and stop first.
    pub(crate) phase: i32,
    pub(crate) batch: Option<BatchPlan>,
    pub(crate) partition: Option<PartitionPlan>,
    pub(crate) priority: Option<i32>,
    pub(crate) stream_offset: Option<StreamOffset>,
    /// The consumer is the only one of its queue, or stands by until it can be.
    pub(crate) exclusive_consumer: bool,
    /// What its consumers are started with, beside priority and offset.
    pub(crate) consumer_arguments: FieldTable,
    /// After how long without a message that is told, and after which multiples of it.
    pub(crate) idle_event: Option<Duration>,
    pub(crate) auto_startup: bool,
    pub(crate) group: Option<String>,
    /// Whether it takes its queue's messages whatever their keys, as those beside it do.
    pub(crate) competing: bool,
    /// Whether its queues are the application's to declare.
    pub(crate) declare: bool,
    /// Whether the start fails where a queue is not there that somebody else declares.
    pub(crate) missing_queues_fatal: bool,
    pub(crate) requeue_rejected: bool,
    /// Whether it gets what a producer has sent several in one as the parts that it is made of.
    pub(crate) de_batching: bool,
    pub(crate) reply: ReplyPlan,
    /// Those of its keys that have words in braces.
    pub(crate) key_paths: Arc<[KeyPath]>,
    pub(crate) failure: FailurePlan,
    pub(crate) converter: ConverterPlan,
    /// How long the broker lets it hold a message; none if it holds none, or nobody asks.
    pub(crate) consumer_timeout: Option<Duration>,
}

/// How a listener's bodies become values, and its replies bodies.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConverterPlan {
    /// The converter's name in the attribute; none for the application's own.
    pub(crate) name: Option<String>,
    /// All that it reads with, once the names are known.
    pub(crate) chosen: MessageConverters,
}

/// How many messages make a batch, and how long one that is not full waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchPlan {
    pub(crate) size: u16,
    pub(crate) timeout: Duration,
}

impl BatchPlan {
    /// How long a batch that is not full waits where the attribute does not say, as in Spring.
    pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);
}

/// One consumer, and several handlers that keep the order of each key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PartitionPlan {
    pub(crate) by: PartitionBy,
    /// How many messages are handled at a time.
    pub(crate) handlers: u16,
}

impl ListenerPlan {
    /// Whether a failure is looked at, or tried again in memory, before anything is done about it.
    pub(crate) fn looks_after_failures(&self) -> bool {
        self.failure.calls.are_several() || self.function.error_handler.is_some()
    }
}

/// What a listener's attribute says of replies.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReplyPlan {
    /// Exchange and key that replies go to where the request names no queue for them.
    pub(crate) send_to: Option<(ShortString, ShortString)>,
    /// Whether callers are told of failures; by default those that ask for it.
    pub(crate) return_errors: Option<bool>,
    /// Whether it was said that a reply had nowhere to go.
    pub(crate) is_told: Arc<AtomicBool>,
}

/// What shares consumers: one listener, or several that a queue's messages are divided among.
#[derive(Debug, Clone)]
pub(crate) struct ContainerPlan {
    /// The first of them by id.
    pub(crate) lead: Arc<ListenerPlan>,
    /// The others. Whatever concerns the consumers, they say as the first does.
    pub(crate) others: Vec<Arc<ListenerPlan>>,
    /// The queues, each with who gets its messages.
    pub(crate) queues: Vec<(ShortString, Dispatch)>,
}

impl ContainerPlan {
    /// A listener that shares its consumers with no other.
    pub(crate) fn alone(listener: Arc<ListenerPlan>) -> Self {
        let queues = listener.queues.iter().map(|queue| (queue.clone(), Dispatch::One(0)));
        Self { queues: queues.collect(), lead: listener, others: Vec::new() }
    }

    /// Its listeners.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = &Arc<ListenerPlan>> {
        std::iter::once(&self.lead).chain(&self.others)
    }
}
