use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What a confirm promises of a persistent message in a durable queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// It is in memory, and gone with the broker: nothing is written.
    Memory,
    /// The operating system has it: it survives the end of the broker, not a power cut. RabbitMQ's classic
    /// queues promise as much.
    Os,
    /// It is on the disk: `fdatasync` has returned.
    #[default]
    Disk,
}

/// A text that names no [`Durability`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no durability; there are 'memory', 'os' and 'disk'")]
pub struct UnknownDurability(String);

/// As in addresses and configuration files: `memory`, `os`, `disk`.
impl FromStr for Durability {
    type Err = UnknownDurability;

    fn from_str(text: &str) -> Result<Self, UnknownDurability> {
        let known = [Self::Memory, Self::Os, Self::Disk];
        let found = known.into_iter().find(|known| known.to_string() == text);
        found.ok_or_else(|| UnknownDurability(text.to_owned()))
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Os => "os",
            Self::Disk => "disk",
        })
    }
}

/// The limits of a broker.
///
/// Every limit has a name here; the defaults are RabbitMQ's where RabbitMQ has one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerConfig {
    /// Bytes of messages in all queues above which publishers wait; 1 GiB.
    pub memory_high_watermark: u64,
    /// Bytes of messages in memory above which those that wait in durable queues are kept on the disk
    /// alone; 64 MiB. Without a data folder it means nothing.
    pub memory_paging_watermark: u64,
    /// Free bytes on the disk below which publishers wait; 50 MB, as in RabbitMQ.
    pub disk_free_limit: u64,
    /// Free bytes on the disk below which no message is taken any more, so that what is left is for
    /// acknowledgements; 16 MiB.
    pub disk_free_hard_limit: u64,
    /// Bytes that wait to be written to the disk above which publishers wait; 32 MiB. At twice as many
    /// messages are refused.
    pub journal_backlog_max_bytes: usize,
    /// Confirms of a connection that wait until their messages are on the disk, above which nothing
    /// more is read from it; 4,096. One stands for all messages that came in one go.
    pub confirms_max: usize,
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
    /// Bytes of messages that a transaction holds until its commit; 128 MiB. A message more
    /// closes the channel.
    pub transaction_max_bytes: usize,
    /// Bytes of memory that messages take which wait at delayed exchanges; 512 MiB. One more is
    /// refused, as by a full queue. What is on the disk alone takes 80.
    pub delayed_max_bytes: u64,
    /// Bytes of messages that are not published yet, contents that are not whole and transactions
    /// that are not committed, above which one connection after the other goes on; 512 MiB.
    pub unfinished_max_bytes: u64,
    /// The same of one connection, above which it is closed with 506 `RESOURCE_ERROR`; 256 MiB, and
    /// at least `max_message_size`.
    pub connection_unfinished_max_bytes: u64,
    /// How long a connection that others wait for, since the limit is reached, may send nothing;
    /// 30 s. It is closed then.
    pub unfinished_timeout: Duration,
    /// Bytes that wait for a connection to read them, above which nothing more is read from it;
    /// 8 MiB.
    pub output_max_bytes: usize,
    /// Bytes of deliveries that wait for a connection to read them, above which its consumers
    /// are served no more; 256 KiB.
    pub deliveries_max_bytes: usize,
    /// Connections whose handshake is not done; 1,024. For one more, the oldest is dropped.
    pub handshakes_max: usize,
    /// How long a connection may take to log in and open; 10 s.
    pub handshake_timeout: Duration,
    /// How long who can't log in waits for the answer; 1 s.
    pub login_failure_delay: Duration,
    /// How long a peer may take to answer that its connection is closed; 5 s.
    pub close_timeout: Duration,
    /// The heartbeat that clients are offered, in seconds; 60. 0 is none. A client's wish wins.
    pub heartbeat: u16,
    /// How many deliveries of a message may fail in a quorum queue that says nothing itself
    /// (`x-delivery-limit`); 20, as RabbitMQ from 4.0 on. Below zero is no limit, as RabbitMQ 3 has
    /// none.
    pub quorum_delivery_limit: i64,
    /// The product that clients are told: `springhare`.
    pub product: String,
    /// The version that clients are told. It has the form of RabbitMQ's, and says whose
    /// behaviour they can expect, since some look at it: `3.13.0`.
    pub version: String,
    /// The name of the cluster that clients are told: `springhare`.
    pub cluster_name: String,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            memory_high_watermark: 1 << 30,
            memory_paging_watermark: 64 << 20,
            disk_free_limit: 50_000_000,
            disk_free_hard_limit: 16 << 20,
            journal_backlog_max_bytes: 32 << 20,
            confirms_max: 4096,
            max_message_size: 128 << 20,
            frame_max: 128 << 10,
            channel_max: 2047,
            connection_max: 1 << 16,
            outbox_max_bytes: 8 << 20,
            returned_messages_max: 1024,
            transaction_max_bytes: 128 << 20,
            delayed_max_bytes: 512 << 20,
            unfinished_max_bytes: 512 << 20,
            connection_unfinished_max_bytes: 256 << 20,
            unfinished_timeout: Duration::from_secs(30),
            output_max_bytes: 8 << 20,
            deliveries_max_bytes: 256 << 10,
            handshakes_max: 1024,
            handshake_timeout: Duration::from_secs(10),
            login_failure_delay: Duration::from_secs(1),
            close_timeout: Duration::from_secs(5),
            heartbeat: 60,
            quorum_delivery_limit: 20,
            product: "springhare".to_owned(),
            version: "3.13.0".to_owned(),
            cluster_name: "springhare".to_owned(),
        }
    }
}

/// What of a message or a transaction a data folder keeps in one piece: 2 GiB. Places in its files have
/// 32 bits, and there is more beside the bodies.
pub(crate) const STORED_MAX_BYTES: usize = 2 << 30;

impl BrokerConfig {
    /// The name of a limit above [`STORED_MAX_BYTES`]; none if there is none.
    pub(crate) fn unstorable_limit(&self) -> Option<&'static str> {
        let limits = [
            ("max_message_size", self.max_message_size),
            ("transaction_max_bytes", self.transaction_max_bytes),
        ];
        limits.into_iter().find(|(_, bytes)| *bytes > STORED_MAX_BYTES).map(|(name, _)| name)
    }

    /// The name of a limit that stops everything; none if there is none.
    pub(crate) fn zero_limit(&self) -> Option<&'static str> {
        let limits = [
            ("memory_high_watermark", self.memory_high_watermark == 0),
            ("journal_backlog_max_bytes", self.journal_backlog_max_bytes == 0),
            ("confirms_max", self.confirms_max == 0),
            ("max_message_size", self.max_message_size == 0),
            ("frame_max", self.frame_max == 0),
            ("channel_max", self.channel_max == 0),
            ("connection_max", self.connection_max == 0),
            ("outbox_max_bytes", self.outbox_max_bytes == 0),
            ("returned_messages_max", self.returned_messages_max == 0),
            ("transaction_max_bytes", self.transaction_max_bytes == 0),
            ("delayed_max_bytes", self.delayed_max_bytes == 0),
            ("unfinished_max_bytes", self.unfinished_max_bytes == 0),
            ("connection_unfinished_max_bytes", self.connection_unfinished_max_bytes == 0),
            ("unfinished_timeout", self.unfinished_timeout.is_zero()),
            ("output_max_bytes", self.output_max_bytes == 0),
            ("deliveries_max_bytes", self.deliveries_max_bytes == 0),
            ("handshakes_max", self.handshakes_max == 0),
            ("handshake_timeout", self.handshake_timeout.is_zero()),
            ("close_timeout", self.close_timeout.is_zero()),
        ];
        limits.into_iter().find_map(|(name, is_zero)| is_zero.then_some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_durability_is_read_as_it_is_written() {
        for durability in [Durability::Memory, Durability::Os, Durability::Disk] {
            assert_eq!(durability.to_string().parse(), Ok(durability));
        }
        let unknown = "fsync".parse::<Durability>().unwrap_err().to_string();
        assert_eq!(unknown, "'fsync' is no durability; there are 'memory', 'os' and 'disk'");
    }

    #[test]
    fn a_limit_of_zero_is_named() {
        assert_eq!(BrokerConfig::default().zero_limit(), None);
        let config = BrokerConfig { channel_max: 0, ..BrokerConfig::default() };
        assert_eq!(config.zero_limit(), Some("channel_max"));
    }
}
