//! What `#[rabbit_listener]` leaves behind for one listener: a constant record.
//!
//! All behaviour is in the runtime; the macro writes down what stands in the attribute, and two
//! functions: one says what the arguments need, the other calls the handler.

use std::fmt;
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::time::Duration;

use crate::listener::context::{BatchContext, DeliveryContext};
use crate::listener::outcome::{ListenerError, Outcome};
pub use crate::listener::partition::{PartitionBy, PartitionKey};
use crate::state::Requirements;

/// The call of a handler with one delivery, or one batch of them.
pub type Invocation<'d> = Pin<Box<dyn Future<Output = Outcome> + Send + 'd>>;

/// Extracts the arguments from one message, and calls the function.
pub(crate) type InvokeOne = for<'d> fn(&'d DeliveryContext) -> Invocation<'d>;
/// Extracts the arguments from the messages of a batch, and calls the function.
pub(crate) type InvokeBatch = for<'d> fn(&'d BatchContext) -> Invocation<'d>;

/// How the function is called.
#[derive(Debug, Clone, Copy)]
pub enum Invoke {
    /// With one message.
    One(InvokeOne),
    /// With the messages of a batch.
    Batch(InvokeBatch),
}

/// What looks at a handler's failure before anything is done about it.
pub type ErrorHandler = for<'d> fn(&'d DeliveryContext, ListenerError) -> Invocation<'d>;

/// One `#[rabbit_listener]`: which function, where it stands, what its attribute says.
pub struct RabbitListenerEndpoint {
    /// The function's name.
    pub function: &'static str,
    /// The module it stands in: `module_path!()`.
    pub module: &'static str,
    /// The source file, as `file!()` gives it.
    pub file: &'static str,
    /// The line of the attribute.
    pub line: u32,
    /// The function's doc comment.
    pub docs: &'static str,
    /// Which of the attributes stacked on the function, from 1.
    pub ordinal: u32,
    /// What the attribute says.
    pub attributes: ListenerAttributes<'static>,
    /// Collects what the arguments need of the application.
    pub require: fn(&mut Requirements),
    /// Extracts the arguments and calls the function.
    pub invoke: Invoke,
    /// `error_handler`: looks at its failures.
    pub error_handler: Option<ErrorHandler>,
}

impl RabbitListenerEndpoint {
    /// The id: the attribute's, or `module::function`; the second of several stacked attributes
    /// gets `#2`, the third `#3`.
    #[must_use]
    pub fn id(&self) -> String {
        match (self.attributes.id, self.ordinal) {
            (Some(id), _) => id.to_owned(),
            (None, 0 | 1) => format!("{}::{}", self.module, self.function),
            (None, n) => format!("{}::{}#{n}", self.module, self.function),
        }
    }

    /// Where it stands, as an editor understands it: `src/orders.rs:12`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

impl fmt::Debug for RabbitListenerEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitListenerEndpoint")
            .field("id", &self.id())
            .field("place", &self.place())
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}

/// The attribute's keys, parsed and checked by the macro. Texts may hold `${name:default}`
/// placeholders, which are resolved at start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ListenerAttributes<'a> {
    /// `id`: the listener's name, in place of `module::function`.
    pub id: Option<&'a str>,
    /// `queue`, `queues`: empty for an anonymous queue.
    pub queues: &'a [&'a str],
    /// `fault_of`: the queue whose messages that were given up are consumed.
    pub fault_of: Option<&'a str>,
    /// `exchange`: what the queues are bound to.
    pub exchange: Option<&'a str>,
    /// `kind`: the exchange's type.
    pub kind: Option<&'a str>,
    /// `key`, `keys`: the binding keys.
    pub keys: &'a [&'a str],
    /// `binding_arguments(..)`: for headers exchanges.
    pub binding_arguments: &'a [(&'a str, Argument<'a>)],
    /// `bindings(..)`: further bindings, in place of the four above.
    pub bindings: &'a [BindingAttributes<'a>],
    /// `arguments(..)`: of the queues.
    pub arguments: &'a [(&'a str, Argument<'a>)],
    /// `durable`: of the queues; exchanges are durable.
    pub durable: Option<bool>,
    /// `exclusive`: of the queues.
    pub exclusive: Option<bool>,
    /// `auto_delete`: of the queues.
    pub auto_delete: Option<bool>,
    /// `ack`: who settles, and when.
    pub ack: Option<AcknowledgeMode>,
    /// `prefetch`: how many unsettled deliveries a consumer holds at most.
    pub prefetch: Option<u16>,
    /// `concurrency`: how many consumers.
    pub concurrency: Option<Concurrency>,
    /// `batch`: how many messages the handler gets at a time; without it one.
    pub batch: Option<u16>,
    /// `batch_timeout`: how long a batch that is not full waits for more.
    pub batch_timeout: Option<Duration>,
    /// `partition_by`: messages with the same key are handled one after the other, others side by
    /// side.
    pub partition_by: Option<PartitionBy>,
    /// `idle_event`: after how long without a message it is told that the listener is idle.
    pub idle_event: Option<Duration>,
    /// `priority`: the consumers' priority.
    pub priority: Option<i32>,
    /// `stream_offset`: where the consumers of a stream begin.
    pub stream_offset: Option<&'a str>,
    /// `exclusive_consumer`: the consumer is the only one of its queue, or stands by.
    pub exclusive_consumer: bool,
    /// `consumer_arguments(..)`: of the consumers.
    pub consumer_arguments: &'a [(&'a str, Argument<'a>)],
    /// `auto_startup`: whether the application's start starts the listener.
    pub auto_startup: Option<bool>,
    /// `phase`: higher ones start later and stop first.
    pub phase: i32,
    /// `group`: listeners to start and stop together.
    pub group: Option<&'a str>,
    /// `competing`: whether listeners of one queue with different keys take each other's messages.
    pub competing: bool,
    /// `declare`: whether queue, exchange and bindings are declared, or are somebody else's.
    pub declare: Option<bool>,
    /// `blocking`: its function runs on a thread for blocking work, and can't be stopped.
    pub blocking: bool,
    /// `lenient`: that the broker refuses to declare them is logged, and no more.
    pub lenient: bool,
    /// `requeue_rejected`: whether a failed message is delivered again.
    pub requeue_rejected: Option<bool>,
    /// `retry(..)`: how often the handler is called, and when.
    pub retry: Option<RetryAttributes<'a>>,
    /// `max_attempts`: how many deliveries of a message may fail.
    pub max_attempts: Option<u32>,
    /// `timeout`: how long the handler may take.
    pub timeout: Option<Duration>,
    /// `circuit(..)`: when the listener is left alone for a while.
    pub circuit: Option<CircuitAttributes>,
    /// `recover`: where a message goes that is given up.
    pub recover: Option<Recover<&'a str>>,
    /// `send_to`: where replies go to requests that name no queue for them.
    pub send_to: Option<&'a str>,
    /// `return_errors`: whether callers are told of failures; by default those that ask for it.
    pub return_errors: Option<bool>,
    /// `profile`: whose settings are meant where the attribute says nothing.
    pub profile: Option<&'a str>,
    /// `broker`: which of the application's brokers it consumes from.
    pub broker: Option<&'a str>,
    /// `converter`: what reads bodies that don't say what they are, and writes replies.
    pub converter: Option<&'a str>,
}

impl ListenerAttributes<'_> {
    /// What holds where the attribute says nothing.
    pub const DEFAULT: Self = Self {
        id: None,
        queues: &[],
        fault_of: None,
        exchange: None,
        kind: None,
        keys: &[],
        binding_arguments: &[],
        bindings: &[],
        arguments: &[],
        durable: None,
        exclusive: None,
        auto_delete: None,
        ack: None,
        prefetch: None,
        concurrency: None,
        batch: None,
        batch_timeout: None,
        partition_by: None,
        idle_event: None,
        priority: None,
        stream_offset: None,
        exclusive_consumer: false,
        consumer_arguments: &[],
        auto_startup: None,
        phase: 0,
        group: None,
        competing: false,
        declare: None,
        blocking: false,
        lenient: false,
        requeue_rejected: None,
        retry: None,
        max_attempts: None,
        timeout: None,
        circuit: None,
        recover: None,
        send_to: None,
        return_errors: None,
        profile: None,
        broker: None,
        converter: None,
    };
}

/// One of several bindings: `(exchange = "logs", kind = "topic", key = "*.error")`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BindingAttributes<'a> {
    /// `exchange`: what the queues are bound to.
    pub exchange: &'a str,
    /// `kind`: the exchange's type.
    pub kind: Option<&'a str>,
    /// `key`, `keys`: the binding keys.
    pub keys: &'a [&'a str],
    /// `binding_arguments(..)`: for headers exchanges.
    pub arguments: &'a [(&'a str, Argument<'a>)],
}

impl<'a> ListenerAttributes<'a> {
    /// All bindings, those that stand alone and those in a list.
    pub(crate) fn all_bindings(&self) -> impl Iterator<Item = BindingAttributes<'a>> {
        let Self { kind, keys, binding_arguments: arguments, .. } = *self;
        let alone =
            self.exchange.map(|exchange| BindingAttributes { exchange, kind, keys, arguments });
        alone.into_iter().chain(self.bindings.iter().copied())
    }
}

impl Default for ListenerAttributes<'_> {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// `retry(..)`: what is done before a message is given up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryAttributes<'a> {
    /// How often the handler is called with one delivery.
    pub max_attempts: Option<u32>,
    /// The first and the longest pause between two of these calls.
    pub backoff: Option<(Duration, Duration)>,
    /// The part of a pause that chance may add or take: 0 to 1.
    pub jitter: Option<f64>,
    /// The times after which the message is delivered again, one after the other.
    pub delays: &'a [Duration],
}

/// `circuit(..)`: when a listener is left alone for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitAttributes {
    /// After so many failures one after the other.
    pub failures: u32,
    /// For how long.
    pub pause: Duration,
}

/// `recover = ".."`, `recover(..)`: where a message goes that is given up, Spring's
/// `MessageRecoverer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recover<T = String> {
    /// `"park"`: to `<queue>.error`.
    Park,
    /// `"reject"`: to its queue's dead-letter exchange, if it has one.
    Reject,
    /// `"requeue"`: back to its queue, unless it can never be handled.
    Requeue,
    /// `(exchange = "..", key = "..")`: to this exchange, under this key or its own.
    Republish {
        /// `exchange`.
        exchange: T,
        /// `key`.
        key: Option<T>,
    },
}

impl Recover {
    /// The same with borrowed texts.
    pub(crate) fn borrowed(&self) -> Recover<&str> {
        match self {
            Self::Park => Recover::Park,
            Self::Reject => Recover::Reject,
            Self::Requeue => Recover::Requeue,
            Self::Republish { exchange, key } => {
                Recover::Republish { exchange, key: key.as_deref() }
            }
        }
    }
}

/// Who settles a delivery, and when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum AcknowledgeMode {
    /// The listener, by what the handler returns.
    #[default]
    Auto,
    /// The handler itself, with a [`Channel`](crate::Channel) and a
    /// [`DeliveryTag`](crate::DeliveryTag).
    Manual,
    /// The listener, before the handler is called: a message is handled once at most, and what fails
    /// does not come again. The prefetch holds for what is not begun.
    First,
    /// Nobody: the broker forgets a message as it sends it, and prefetch does not apply.
    None,
}

impl AcknowledgeMode {
    /// Whether the broker still has a message that its handler fails on.
    pub(crate) fn comes_again(self) -> bool {
        matches!(self, Self::Auto | Self::Manual)
    }
}

/// The number of consumers of one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Concurrency {
    /// How many are started.
    pub min: u16,
    /// How many there are at most.
    pub max: u16,
}

impl From<u16> for Concurrency {
    fn from(number: u16) -> Self {
        Self { min: number, max: number }
    }
}

impl From<RangeInclusive<u16>> for Concurrency {
    fn from(range: RangeInclusive<u16>) -> Self {
        Self { min: *range.start(), max: *range.end() }
    }
}

/// The value of an argument in an attribute, for queues and bindings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Argument<'a> {
    /// `true`
    Bool(bool),
    /// `60_000`
    Int(i64),
    /// `0.5`
    Float(f64),
    /// `"dead-letters"`
    Text(&'a str),
    /// No value: a headers binding that asks only whether the header is there.
    Void,
}

/// An endpoint on its way from the attribute to the application: what `inventory` collects.
#[derive(Debug, Clone, Copy)]
pub struct Registration(pub &'static RabbitListenerEndpoint);

inventory::collect!(Registration);

/// A function with `#[rabbit_listener]`, for [`listeners!`](crate::listeners).
///
/// The macro implements it for a hidden type with the function's name.
pub trait ListenerItem {
    /// One endpoint for each attribute, in their order.
    const ENDPOINTS: &'static [&'static RabbitListenerEndpoint];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(id: Option<&'static str>, ordinal: u32) -> RabbitListenerEndpoint {
        RabbitListenerEndpoint {
            function: "fulfil",
            module: "shop::orders",
            file: "src/orders.rs",
            line: 12,
            docs: "",
            ordinal,
            attributes: ListenerAttributes { id, ..ListenerAttributes::DEFAULT },
            require: |_| {},
            error_handler: None,
            invoke: Invoke::One(|_| Box::pin(async { Outcome::Ack })),
        }
    }

    #[test]
    fn an_id_is_the_functions_path_numbered_from_the_second() {
        assert_eq!(endpoint(None, 1).id(), "shop::orders::fulfil");
        assert_eq!(endpoint(None, 2).id(), "shop::orders::fulfil#2");
        assert_eq!(endpoint(Some("mine"), 2).id(), "mine");
        assert_eq!(endpoint(None, 1).place(), "src/orders.rs:12");
    }
}
