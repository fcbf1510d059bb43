use crate::wire::Method;
use crate::wire::method::basic;
use crate::{AmqpError, Message, MethodId, ShortString};

/// What a broker told, in its order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The answer to the oldest [`call`](super::Connection::call) of this kind on this channel.
    Reply {
        /// The channel.
        channel: u16,
        /// What was called.
        call: MethodId,
        /// The answer.
        method: Method,
    },
    /// The message that the oldest `basic.get` on this channel asked for.
    Got {
        /// The channel.
        channel: u16,
        /// Its delivery, and how many are left.
        got: basic::GetOk,
        /// Properties and body.
        message: Message,
    },
    /// A message for a consumer (`basic.deliver`).
    Delivered {
        /// The channel.
        channel: u16,
        /// For whom, and what.
        delivery: IncomingDelivery,
    },
    /// A mandatory message reached no queue (`basic.return`); its confirm comes after it.
    Returned {
        /// The channel.
        channel: u16,
        /// Why, and where it was sent.
        returned: basic::Return,
        /// The message as it was published.
        message: Message,
    },
    /// Publishes are confirmed (`basic.ack`).
    Acked {
        /// The channel.
        channel: u16,
        /// The confirm.
        ack: basic::Ack,
    },
    /// Publishes are refused (`basic.nack`).
    Nacked {
        /// The channel.
        channel: u16,
        /// The refusal.
        nack: basic::Nack,
    },
    /// The broker ended a consumer: its queue is gone (`basic.cancel`).
    Cancelled {
        /// The channel.
        channel: u16,
        /// The consumer.
        consumer_tag: ShortString,
    },
    /// The broker closed a channel. Calls on it that are not answered will not be.
    ChannelClosed {
        /// The channel, whose number is free again.
        channel: u16,
        /// Why.
        error: AmqpError,
    },
    /// The close of a channel is done; its number is free again.
    ChannelCloseOk {
        /// The channel.
        channel: u16,
    },
    /// The broker can't take publishes for now (`connection.blocked`).
    Blocked {
        /// Why: `low on memory`.
        reason: ShortString,
    },
    /// It can again.
    Unblocked,
    /// The connection is closed: by the broker with an error, or by the client with none. The
    /// last event; once the output is sent the socket can go.
    Closed(Option<AmqpError>),
}

/// A message for a consumer.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingDelivery {
    /// The consumer.
    pub consumer_tag: ShortString,
    /// What to settle it by.
    pub delivery_tag: u64,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// The exchange that it was published to.
    pub exchange: ShortString,
    /// The routing key that it was published with.
    pub routing_key: ShortString,
    /// Properties and body.
    pub message: Message,
}
