//! The numbers that tell connections, channels, consumers and queues apart.
//!
//! They are given out by the engine, count up and are never used twice, so that a number that
//! outlives what it stood for finds nothing instead of something else. Names, which come from
//! the peers and are used again, are [`ShortString`](springhare_amqp::ShortString)s.

use std::fmt;

macro_rules! ids {
    ($( $(#[$doc:meta])* $name:ident; )+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(pub(crate) u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// One declared queue: a queue that is deleted and declared again gets another number.
    QueueId;
    /// One connection, from its opening to its close.
    ConnectionId;
    /// One channel, whatever connection it belongs to.
    ChannelId;
    /// One consumer, whatever queue and channel it belongs to.
    ConsumerId;
}
