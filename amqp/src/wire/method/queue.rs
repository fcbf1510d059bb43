//! Class 50 `queue`: queues and their bindings (AMQP 0-9-1 section 1.7).

methods! {
    class Queue = 50;

    /// Creates a queue, or checks that it is there.
    QUEUE_DECLARE "queue.declare" Declare = 10 reserved(short) {
        /// The queue; empty for a name that the server chooses.
        queue: shortstr,
        /// Whether only to check that it is there.
        passive: bit,
        /// Whether it outlives the broker.
        durable: bit,
        /// Whether it is the connection's own, and goes with it.
        exclusive: bit,
        /// Whether it goes with its last consumer.
        auto_delete: bit,
        /// Whether no answer is wanted.
        no_wait: bit,
        /// Arguments: `x-message-ttl` and others.
        arguments: table,
    };

    /// The queue is there.
    QUEUE_DECLARE_OK "queue.declare-ok" DeclareOk = 11 {
        /// The queue.
        queue: shortstr,
        /// The messages that are ready for delivery.
        message_count: long,
        /// The consumers.
        consumer_count: long,
    };

    /// Binds a queue to an exchange.
    QUEUE_BIND "queue.bind" Bind = 20 reserved(short) {
        /// The queue; empty for the one that the channel declared last.
        queue: shortstr,
        /// The exchange.
        exchange: shortstr,
        /// The binding key.
        routing_key: shortstr,
        /// Whether no answer is wanted.
        no_wait: bit,
        /// Arguments: the headers to match.
        arguments: table,
    };

    /// The binding is there.
    QUEUE_BIND_OK "queue.bind-ok" BindOk = 21 {};

    /// Drops the messages that are ready.
    QUEUE_PURGE "queue.purge" Purge = 30 reserved(short) {
        /// The queue; empty for the one that the channel declared last.
        queue: shortstr,
        /// Whether no answer is wanted.
        no_wait: bit,
    };

    /// The messages are gone.
    QUEUE_PURGE_OK "queue.purge-ok" PurgeOk = 31 {
        /// How many there were.
        message_count: long,
    };

    /// Deletes a queue.
    QUEUE_DELETE "queue.delete" Delete = 40 reserved(short) {
        /// The queue; empty for the one that the channel declared last.
        queue: shortstr,
        /// Whether only when it has no consumers.
        if_unused: bit,
        /// Whether only when it has no messages.
        if_empty: bit,
        /// Whether no answer is wanted.
        no_wait: bit,
    };

    /// The queue is gone.
    QUEUE_DELETE_OK "queue.delete-ok" DeleteOk = 41 {
        /// The messages that went with it.
        message_count: long,
    };

    /// Removes a binding; it always has an answer.
    QUEUE_UNBIND "queue.unbind" Unbind = 50 reserved(short) {
        /// The queue; empty for the one that the channel declared last.
        queue: shortstr,
        /// The exchange.
        exchange: shortstr,
        /// The binding key.
        routing_key: shortstr,
        /// The arguments of the binding.
        arguments: table,
    };

    /// The binding is gone.
    QUEUE_UNBIND_OK "queue.unbind-ok" UnbindOk = 51 {};
}
