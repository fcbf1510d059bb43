//! The broker's API in this process: AMQP's operations without a socket.

mod admin;
mod broker;
mod channel;
mod connection;
mod consumer;
mod data;
mod listen;
mod options;
mod publisher;
mod setup;
#[cfg(test)]
mod tests;

use springhare_amqp::{AmqpError, MethodId, ReplyCode, ShortString};

pub use broker::{Broker, BrokerBuilder};
pub use channel::Channel;
pub use connection::Connection;
pub use consumer::Consumer;
pub use options::{
    BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, IfUnused, NoAck, QosScope,
    QueueDeclareOptions, QueueDeleteOptions,
};
pub use publisher::{PublishError, PublishResult, Publisher, Unconfirmed};

/// Takes a name or key that a user gave: on the wire it is a short string.
fn name(text: &str, method: MethodId) -> Result<ShortString, AmqpError> {
    ShortString::new(text)
        .map_err(|too_long| AmqpError::new(ReplyCode::SyntaxError, method, too_long))
}
