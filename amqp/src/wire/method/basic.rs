//! Class 60 `basic`: publishing, delivering and acknowledging messages (AMQP 0-9-1 section 1.8).

methods! {
    class Basic = 60;

    /// Limits what is delivered and not acknowledged.
    BASIC_QOS "basic.qos" Qos = 10 {
        /// A limit in bytes; RabbitMQ takes 0, none, alone.
        prefetch_size: long,
        /// A limit in messages; 0 is none.
        prefetch_count: short,
        /// RabbitMQ: whether the channel's consumers share the limit.
        global: bit,
    };

    /// The limit is set.
    BASIC_QOS_OK "basic.qos-ok" QosOk = 11 {};

    /// Starts a consumer.
    BASIC_CONSUME "basic.consume" Consume = 20 reserved(short) {
        /// The queue; empty for the one that the channel declared last.
        queue: shortstr,
        /// The consumer's tag; empty for one that the server chooses.
        consumer_tag: shortstr,
        /// Whether not to get what its own connection published; RabbitMQ ignores it.
        no_local: bit,
        /// Whether deliveries count as acknowledged at once.
        no_ack: bit,
        /// Whether nobody else may consume.
        exclusive: bit,
        /// Whether no answer is wanted.
        no_wait: bit,
        /// Arguments: `x-priority`.
        arguments: table,
    };

    /// The consumer is there.
    BASIC_CONSUME_OK "basic.consume-ok" ConsumeOk = 21 {
        /// Its tag.
        consumer_tag: shortstr,
    };

    /// Ends a consumer; RabbitMQ: sent by the server as well, when the queue is gone.
    BASIC_CANCEL "basic.cancel" Cancel = 30 {
        /// The consumer.
        consumer_tag: shortstr,
        /// Whether no answer is wanted.
        no_wait: bit,
    };

    /// The consumer is gone.
    BASIC_CANCEL_OK "basic.cancel-ok" CancelOk = 31 {
        /// The consumer.
        consumer_tag: shortstr,
    };

    /// Publishes the content that follows.
    BASIC_PUBLISH "basic.publish" Publish = 40 reserved(short) {
        /// The exchange; empty for the default exchange.
        exchange: shortstr,
        /// The routing key.
        routing_key: shortstr,
        /// Whether to return the message when no queue gets it.
        mandatory: bit,
        /// Whether to return it when no consumer gets it at once; RabbitMQ refuses this.
        immediate: bit,
    };

    /// Gives a mandatory message back; its content follows.
    BASIC_RETURN "basic.return" Return = 50 {
        /// Why: 312.
        reply_code: short,
        /// Why, in words: `NO_ROUTE`.
        reply_text: shortstr,
        /// The exchange that it was published to.
        exchange: shortstr,
        /// The routing key that it was published with.
        routing_key: shortstr,
    };

    /// Delivers a message to a consumer; its content follows.
    BASIC_DELIVER "basic.deliver" Deliver = 60 {
        /// The consumer.
        consumer_tag: shortstr,
        /// What to acknowledge it by.
        delivery_tag: longlong,
        /// Whether it may have been delivered before.
        redelivered: bit,
        /// The exchange that it was published to.
        exchange: shortstr,
        /// The routing key that it was published with.
        routing_key: shortstr,
    };

    /// Asks for one message.
    BASIC_GET "basic.get" Get = 70 reserved(short) {
        /// The queue; empty for the one that the channel declared last.
        queue: shortstr,
        /// Whether it counts as acknowledged at once.
        no_ack: bit,
    };

    /// The message that was asked for; its content follows.
    BASIC_GET_OK "basic.get-ok" GetOk = 71 {
        /// What to acknowledge it by.
        delivery_tag: longlong,
        /// Whether it may have been delivered before.
        redelivered: bit,
        /// The exchange that it was published to.
        exchange: shortstr,
        /// The routing key that it was published with.
        routing_key: shortstr,
        /// The messages that are left in the queue.
        message_count: long,
    };

    /// There is no message.
    BASIC_GET_EMPTY "basic.get-empty" GetEmpty = 72 {} reserved(shortstr);

    /// Deliveries were processed; from a server: publishes are confirmed.
    BASIC_ACK "basic.ack" Ack = 80 {
        /// The delivery or the publish; 0 with `multiple` is all.
        delivery_tag: longlong,
        /// Whether all up to this one are meant.
        multiple: bit,
    };

    /// A delivery was not processed.
    BASIC_REJECT "basic.reject" Reject = 90 {
        /// The delivery.
        delivery_tag: longlong,
        /// Whether it goes back to its queue.
        requeue: bit,
    };

    /// Like [`Recover`], without an answer.
    BASIC_RECOVER_ASYNC "basic.recover-async" RecoverAsync = 100 {
        /// Whether the deliveries go back to their queues; RabbitMQ wants true.
        requeue: bit,
    };

    /// Gives back all of the channel that is not acknowledged.
    BASIC_RECOVER "basic.recover" Recover = 110 {
        /// Whether the deliveries go back to their queues; RabbitMQ wants true.
        requeue: bit,
    };

    /// The deliveries are back.
    BASIC_RECOVER_OK "basic.recover-ok" RecoverOk = 111 {};

    /// RabbitMQ: deliveries were not processed; from a server: publishes were refused.
    BASIC_NACK "basic.nack" Nack = 120 {
        /// The delivery or the publish; 0 with `multiple` is all.
        delivery_tag: longlong,
        /// Whether all up to this one are meant.
        multiple: bit,
        /// Whether they go back to their queues.
        requeue: bit,
    };
}
