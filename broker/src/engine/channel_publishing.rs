use springhare_amqp::{AmqpError, Message};

use super::channel_cell::ChannelCell;
use super::connection_cell::ConnectionCell;
use super::publish::{Destined, Publish, Published, Publishing, ReturnedMessage};
use crate::model::settling::Multiple;

/// The messages that a peer sends one after the other on one channel: they are routed, counted
/// and confirmed together.
#[derive(Debug)]
pub(crate) struct ChannelPublishing<'c> {
    channel: &'c ChannelCell,
    publishing: Publishing<'c>,
    published: u64,
}

/// Messages that the broker has, up to this publish sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Confirmed {
    pub(crate) delivery_tag: u64,
    pub(crate) multiple: Multiple,
}

impl<'c> ChannelPublishing<'c> {
    pub(crate) fn new(connection: &'c ConnectionCell, channel: &'c ChannelCell) -> Self {
        Self { channel, publishing: Publishing::of(connection, channel), published: 0 }
    }

    /// Publishes a message; the same again, if it was mandatory and reached no queue, to be told
    /// before its confirm.
    ///
    /// # Errors
    ///
    /// As [`Publishing::publish`], and 403 and 406 for what the user may not. It closes the
    /// channel, after what was published before it is [finished](Self::finish).
    pub(crate) fn publish(
        &mut self,
        publish: Publish,
    ) -> Result<Option<Box<ReturnedMessage>>, AmqpError> {
        let published = self.publishing.publish(publish)?;
        Ok(self.count(published))
    }

    /// As [`publish`](Self::publish), for a message that goes where the last one went.
    ///
    /// # Errors
    ///
    /// The same.
    pub(crate) fn publish_again(
        &mut self,
        message: Message,
        again: &Destined,
    ) -> Result<Option<Box<ReturnedMessage>>, AmqpError> {
        let published = self.publishing.publish_again(message, again)?;
        Ok(self.count(published))
    }

    fn count(&mut self, published: Published) -> Option<Box<ReturnedMessage>> {
        self.published += 1;
        match published {
            Published::Returned(message) => Some(message),
            Published::Routed | Published::Deferred => None,
        }
    }

    /// Hands over what was gathered; what is confirmed then, if the channel confirms.
    pub(crate) fn finish(mut self) -> Option<Confirmed> {
        self.publishing.flush();
        let (first, last) = self.channel.lock().channel.number_published(self.published)?;
        let multiple = if first == last { Multiple::One } else { Multiple::UpTo };
        Some(Confirmed { delivery_tag: last, multiple })
    }
}
