use crate::Error;

/// The limits of a broker.
///
/// Every limit has a name here; the defaults are RabbitMQ's where RabbitMQ has one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerConfig {
    /// Bytes of messages in all queues above which publishers wait; 1 GiB.
    pub memory_high_watermark: u64,
    /// The largest message body, in bytes; 128 MiB, as RabbitMQ 3.10.
    pub max_message_size: usize,
    /// The largest content header, in bytes: RabbitMQ's `frame_max` of 128 KiB.
    pub frame_max: usize,
    /// Channels of one connection; 2047.
    pub channel_max: usize,
    /// Connections of the broker; 65,536.
    pub connection_max: usize,
    /// Bytes of deliveries that wait for one consumer to read them, above which it gets no more
    /// until it has read; 8 MiB.
    pub outbox_max_bytes: usize,
    /// Returned messages that wait for a channel's user to read them; 1,024. One more closes
    /// the channel.
    pub returned_messages_max: usize,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            memory_high_watermark: 1 << 30,
            max_message_size: 128 << 20,
            frame_max: 128 << 10,
            channel_max: 2047,
            connection_max: 1 << 16,
            outbox_max_bytes: 8 << 20,
            returned_messages_max: 1024,
        }
    }
}

impl BrokerConfig {
    /// Checks that no limit stops everything.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let limits = [
            ("memory_high_watermark", self.memory_high_watermark == 0),
            ("max_message_size", self.max_message_size == 0),
            ("frame_max", self.frame_max == 0),
            ("channel_max", self.channel_max == 0),
            ("connection_max", self.connection_max == 0),
            ("outbox_max_bytes", self.outbox_max_bytes == 0),
            ("returned_messages_max", self.returned_messages_max == 0),
        ];
        match limits.into_iter().find(|(_, is_zero)| *is_zero) {
            Some((name, _)) => Err(Error::ZeroLimit { name }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_zero_is_named() {
        assert_eq!(BrokerConfig::default().check(), Ok(()));
        let config = BrokerConfig { channel_max: 0, ..BrokerConfig::default() };
        assert_eq!(config.check(), Err(Error::ZeroLimit { name: "channel_max" }));
    }
}
