use springhare_amqp::wire::method::{access, basic, confirm, exchange, queue, tx};
use springhare_amqp::{AmqpError, Message, MethodId, ShortString};

use super::sasl::Credentials;

/// What a peer asks for.
#[derive(Debug)]
pub(crate) enum Request {
    /// To be let in: answered by [`Connection::log_in`](super::Connection::log_in) or
    /// [`Connection::fail`](super::Connection::fail).
    LogIn(Credentials),
    /// To use a virtual host: answered by [`Connection::opened`](super::Connection::opened).
    Open {
        virtual_host: ShortString,
    },
    /// To end the connection; the answer is on its way.
    Close,
    OpenChannel {
        channel: u16,
    },
    /// To end a channel: answered by
    /// [`Connection::channel_closed`](super::Connection::channel_closed).
    CloseChannel {
        channel: u16,
    },
    /// A message, complete.
    Publish {
        channel: u16,
        publish: Incoming,
    },
    Method {
        channel: u16,
        method: ChannelMethod,
    },
}

impl Request {
    /// Whether it is one of this channel's.
    pub(crate) fn is_of(&self, number: u16) -> bool {
        match self {
            Self::LogIn(_) | Self::Open { .. } | Self::Close => false,
            Self::OpenChannel { channel }
            | Self::CloseChannel { channel }
            | Self::Publish { channel, .. }
            | Self::Method { channel, .. } => *channel == number,
        }
    }
}

/// A message as a peer publishes it.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    pub(crate) mandatory: bool,
    pub(crate) message: Message,
}

/// A method of an open channel, without those that the machine sees to itself.
#[derive(Debug)]
pub(crate) enum ChannelMethod {
    Access(access::Method),
    Exchange(exchange::Method),
    Queue(queue::Method),
    Basic(basic::Method),
    Confirm(confirm::Method),
    Tx(tx::Method),
    /// `channel.flow`: whether the client wants to be delivered to.
    Flow {
        active: bool,
    },
}

impl ChannelMethod {
    pub(crate) fn id(&self) -> MethodId {
        match self {
            Self::Access(method) => method.id(),
            Self::Exchange(method) => method.id(),
            Self::Queue(method) => method.id(),
            Self::Basic(method) => method.id(),
            Self::Confirm(method) => method.id(),
            Self::Tx(method) => method.id(),
            Self::Flow { .. } => MethodId::CHANNEL_FLOW,
        }
    }
}

/// A request that can't be met, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The channel at fault; 0 is the connection.
    pub(crate) channel: u16,
    pub(crate) error: AmqpError,
}
