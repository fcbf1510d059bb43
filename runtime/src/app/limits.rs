//! The builder's words for what connections keep to.

use std::time::Duration;

use super::SpringhareBuilder;
use crate::settings::{DataSize, LongerThanZero, Source, Sourced};

fn by_builder<T>(value: T) -> Option<Sourced<T>> {
    Some(Sourced { value, source: Source::Builder })
}

impl SpringhareBuilder {
    /// The most channels of each connection to a broker on the network; without it, and with 0, as
    /// many as the broker allows.
    ///
    /// ```
    /// let builder = springhare::Springhare::builder()
    ///     .url("amqp://rabbit.example")
    ///     .requested_channel_max(500);
    /// # drop(builder);
    /// ```
    pub fn requested_channel_max(mut self, channels: u16) -> Self {
        self.settings.rabbitmq.requested_channel_max = by_builder(channels);
        self
    }

    /// The largest body that is taken from a broker on the network, in bytes; without it 512 MiB. A
    /// larger one ends the connection before it is read.
    ///
    /// ```
    /// let builder = springhare::Springhare::builder()
    ///     .url("amqp://rabbit.example")
    ///     .max_inbound_message_body_size(64 << 20);
    /// # drop(builder);
    /// ```
    pub fn max_inbound_message_body_size(mut self, bytes: u64) -> Self {
        self.settings.rabbitmq.max_inbound_message_body_size = by_builder(DataSize(bytes));
        self
    }

    /// How long a broker on the network may take for an answer; without it 30 s.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let builder = springhare::Springhare::builder()
    ///     .url("amqp://rabbit.example")
    ///     .channel_rpc_timeout(Duration::from_secs(10));
    /// # drop(builder);
    /// ```
    pub fn channel_rpc_timeout(mut self, timeout: Duration) -> Self {
        self.settings.rabbitmq.channel_rpc_timeout = by_builder(LongerThanZero(timeout));
        self
    }
}
