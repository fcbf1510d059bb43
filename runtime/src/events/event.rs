use std::time::Duration;

/// Something that has happened in an application: what [`Events`](crate::Events) gives.
///
/// Listeners are named by their ids. Those that share a queue share its consumers, and each of them
/// is told of what happens to one. Which broker it is about is told by its name, as
/// [`Springhare::broker`](crate::Springhare::broker) knows it.
///
/// What an event tells may grow: match it with `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApplicationEvent {
    /// A listener has one consumer more: it is started, goes on after a pause, or has grown.
    #[non_exhaustive]
    ConsumerStarted {
        /// The listener's id.
        listener: String,
        /// The broker of its queue, by its name: `rabbitmq` for the application's own.
        broker: String,
        /// The queue that it consumes from.
        queue: String,
        /// The consumer's tag.
        consumer_tag: String,
    },
    /// A consumer that was lost is back.
    #[non_exhaustive]
    ConsumerRestarted {
        /// The listener's id.
        listener: String,
        /// The broker of its queue, by its name: `rabbitmq` for the application's own.
        broker: String,
        /// The queue that it consumes from.
        queue: String,
        /// The consumer's tag, another than before.
        consumer_tag: String,
    },
    /// A consumer is lost, with its queue, its channel or its connection; it is started again.
    #[non_exhaustive]
    ConsumerLost {
        /// The listener's id.
        listener: String,
        /// The broker of its queue, by its name: `rabbitmq` for the application's own.
        broker: String,
        /// The queue that it consumed from.
        queue: String,
        /// Why.
        reason: String,
    },
    /// The broker refused to start a consumer; it is tried again.
    #[non_exhaustive]
    ConsumerFailed {
        /// The listener's id.
        listener: String,
        /// The broker of its queue, by its name: `rabbitmq` for the application's own.
        broker: String,
        /// The queue that it is to consume from.
        queue: String,
        /// Why.
        reason: String,
    },
    /// A consumer could not be started since its queue is not there; it is tried again.
    #[non_exhaustive]
    QueueMissing {
        /// The listener's id.
        listener: String,
        /// The broker of its queue, by its name: `rabbitmq` for the application's own.
        broker: String,
        /// The queue.
        queue: String,
    },
    /// A consumer has ended as it was told to: its listener stops, pauses or has shrunk, or its circuit
    /// has changed.
    #[non_exhaustive]
    ConsumerStopped {
        /// The listener's id.
        listener: String,
        /// The broker of its queue, by its name: `rabbitmq` for the application's own.
        broker: String,
        /// The queue that it consumed from.
        queue: String,
    },
    /// No message has come to a listener for as long as its `idle_event` says, or for a multiple of
    /// that.
    #[non_exhaustive]
    Idle {
        /// The listener's id.
        listener: String,
        /// The broker of its queues, by its name: `rabbitmq` for the application's own.
        broker: String,
        /// The queues that it consumes from.
        queues: Vec<String>,
        /// The time since its last message was done, or since it was started.
        idle_time: Duration,
    },
    /// A listener was paused: it takes nothing new from now on.
    #[non_exhaustive]
    Paused {
        /// The listener's id.
        listener: String,
    },
    /// A listener that was paused goes on.
    #[non_exhaustive]
    Resumed {
        /// The listener's id.
        listener: String,
    },
    /// Failures one after the other have opened a listener's circuit: it is left alone for a while.
    #[non_exhaustive]
    CircuitOpened {
        /// The listener's id.
        listener: String,
        /// For how long.
        pause: Duration,
    },
    /// A circuit was open for its time: the listener is tried with one message.
    #[non_exhaustive]
    CircuitHalfOpened {
        /// The listener's id.
        listener: String,
    },
    /// That message was handled: the listener works as before.
    #[non_exhaustive]
    CircuitClosed {
        /// The listener's id.
        listener: String,
    },
    /// A connection is open: the first, or one in place of a lost one.
    #[non_exhaustive]
    ConnectionOpened {
        /// The broker's name: `rabbitmq` for the application's own.
        broker: String,
        /// What it is for: `listeners` or `publisher`.
        connection: String,
        /// The broker's address, without a password.
        address: String,
    },
    /// A connection is lost; another is opened. That of the publisher is found to be lost by the
    /// next message, and opened by it.
    #[non_exhaustive]
    ConnectionLost {
        /// The broker's name: `rabbitmq` for the application's own.
        broker: String,
        /// What it was for: `listeners` or `publisher`.
        connection: String,
        /// The broker's address, without a password.
        address: String,
        /// Why.
        reason: String,
    },
    /// A connection could not be opened; it is tried again.
    #[non_exhaustive]
    ConnectionFailed {
        /// The broker's name: `rabbitmq` for the application's own.
        broker: String,
        /// What it is to be for: `listeners` or `publisher`.
        connection: String,
        /// The broker's address, without a password.
        address: String,
        /// Why.
        reason: String,
    },
    /// The broker takes no messages on a connection for now, since it is short of memory or disk
    /// space. The broker in the box does not say so: there publishing waits.
    #[non_exhaustive]
    Blocked {
        /// The broker's name: `rabbitmq` for the application's own.
        broker: String,
        /// What it is for: `listeners` or `publisher`.
        connection: String,
        /// Why, in the broker's words.
        reason: String,
    },
    /// It takes messages again.
    #[non_exhaustive]
    Unblocked {
        /// The broker's name: `rabbitmq` for the application's own.
        broker: String,
        /// What it is for: `listeners` or `publisher`.
        connection: String,
    },
    /// The broker returned a message that reached no queue. Who sent it has the error, too.
    #[non_exhaustive]
    Returned {
        /// The broker's name: `rabbitmq` for the application's own.
        broker: String,
        /// The exchange that it was published to.
        exchange: String,
        /// The routing key that it was published with.
        routing_key: String,
        /// Why, in the broker's words.
        reason: String,
    },
    /// The broker refused a queue, an exchange or a binding after the connection was lost; it is
    /// tried again.
    #[non_exhaustive]
    DeclarationRefused {
        /// The broker's name: `rabbitmq` for the application's own.
        broker: String,
        /// What was refused, where it stands in the program, and why.
        fault: String,
    },
    /// Who reads has been too slow: so many events were dropped, the oldest first.
    #[non_exhaustive]
    Missed {
        /// How many.
        events: u64,
    },
}
