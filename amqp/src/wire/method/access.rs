//! Class 30 `access`: tickets of AMQP 0-8. RabbitMQ answers the request and wants no ticket.

methods! {
    class Access = 30;

    /// Asks for a ticket.
    ACCESS_REQUEST "access.request" Request = 10 {
        /// The realm that is asked for.
        realm: shortstr,
        /// Whether nobody else may have access meanwhile.
        exclusive: bit,
        /// Whether to look at what is there.
        passive: bit,
        /// Whether to change what is there.
        active: bit,
        /// Whether to write.
        write: bit,
        /// Whether to read.
        read: bit,
    };

    /// The ticket; RabbitMQ always gives 1.
    ACCESS_REQUEST_OK "access.request-ok" RequestOk = 11 {
        /// The ticket.
        ticket: short,
    };
}
