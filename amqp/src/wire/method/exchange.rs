//! Class 40 `exchange`: exchanges and, RabbitMQ's extension, their bindings to one another
//! (AMQP 0-9-1 section 1.6).

methods! {
    class Exchange = 40;

    /// Creates an exchange, or checks that it is there.
    EXCHANGE_DECLARE "exchange.declare" Declare = 10 reserved(short) {
        /// The exchange.
        exchange: shortstr,
        /// Its type (the field `type`): `direct`, `topic`.
        kind: shortstr,
        /// Whether only to check that it is there.
        passive: bit,
        /// Whether it outlives the broker.
        durable: bit,
        /// RabbitMQ: whether it goes with its last binding.
        auto_delete: bit,
        /// RabbitMQ: whether clients may not publish to it.
        internal: bit,
        /// Whether no answer is wanted.
        no_wait: bit,
        /// Arguments: `alternate-exchange`.
        arguments: table,
    };

    /// The exchange is there.
    EXCHANGE_DECLARE_OK "exchange.declare-ok" DeclareOk = 11 {};

    /// Deletes an exchange.
    EXCHANGE_DELETE "exchange.delete" Delete = 20 reserved(short) {
        /// The exchange.
        exchange: shortstr,
        /// Whether only when it has no bindings.
        if_unused: bit,
        /// Whether no answer is wanted.
        no_wait: bit,
    };

    /// The exchange is gone.
    EXCHANGE_DELETE_OK "exchange.delete-ok" DeleteOk = 21 {};

    /// RabbitMQ: binds an exchange to an exchange.
    EXCHANGE_BIND "exchange.bind" Bind = 30 reserved(short) {
        /// The exchange that messages go to.
        destination: shortstr,
        /// The exchange that they come from.
        source: shortstr,
        /// The binding key.
        routing_key: shortstr,
        /// Whether no answer is wanted.
        no_wait: bit,
        /// Arguments: the headers to match.
        arguments: table,
    };

    /// RabbitMQ: the binding is there.
    EXCHANGE_BIND_OK "exchange.bind-ok" BindOk = 31 {};

    /// RabbitMQ: removes a binding of an exchange to an exchange.
    EXCHANGE_UNBIND "exchange.unbind" Unbind = 40 reserved(short) {
        /// The exchange that messages go to.
        destination: shortstr,
        /// The exchange that they come from.
        source: shortstr,
        /// The binding key.
        routing_key: shortstr,
        /// Whether no answer is wanted.
        no_wait: bit,
        /// The arguments of the binding.
        arguments: table,
    };

    /// RabbitMQ: the binding is gone. Its number is 51, not 41.
    EXCHANGE_UNBIND_OK "exchange.unbind-ok" UnbindOk = 51 {};
}
