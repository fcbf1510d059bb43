use springhare_amqp::FieldTable;

/// How an exchange is declared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExchangeDeclareOptions {
    /// Outlives a restart of the broker.
    pub durable: bool,
    /// Goes when its last binding is removed.
    pub auto_delete: bool,
    /// Takes messages from other exchanges only.
    pub internal: bool,
    /// `alternate-exchange` and the like.
    pub arguments: FieldTable,
}

/// How a queue is declared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueueDeclareOptions {
    /// Outlives a restart of the broker.
    pub durable: bool,
    /// Belongs to the connection that declares it, and goes with it.
    pub exclusive: bool,
    /// Goes when its last consumer is cancelled.
    pub auto_delete: bool,
    /// `x-message-ttl` and the like.
    pub arguments: FieldTable,
}

/// When a queue may be deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueDeleteOptions {
    /// Only without consumers.
    pub if_unused: bool,
    /// Only without ready messages.
    pub if_empty: bool,
}

/// How a consumer is started.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BasicConsumeOptions {
    /// Deliveries are settled as they are sent: nothing to ack, and prefetch does not apply.
    pub no_ack: bool,
    /// The only consumer of the queue.
    pub exclusive: bool,
    /// `x-priority` and the like.
    pub arguments: FieldTable,
}

/// How a message is published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BasicPublishOptions {
    /// Comes back as a [`ReturnedMessage`](crate::ReturnedMessage) when it reaches no queue.
    pub mandatory: bool,
}

/// Which scope a prefetch count has: `basic.qos`, `global`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QosScope {
    /// Each consumer that is started from now on (RabbitMQ's reading of `global=false`).
    #[default]
    Consumer,
    /// All consumers of the channel together (RabbitMQ's reading of `global=true`).
    Channel,
}

/// Whether an exchange that has bindings is deleted all the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IfUnused {
    /// Only without bindings.
    Yes,
    /// In any case.
    #[default]
    No,
}

/// Who settles what `basic.get` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAck {
    /// Nobody has to: it is settled as it is taken.
    Yes,
    /// The one who gets it.
    No,
}
