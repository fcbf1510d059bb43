use smallvec::SmallVec;
use springhare_amqp::{AmqpError, Message};

use super::channel_cell::ChannelCell;
use super::connection_cell::ConnectionCell;
use super::events::ConfirmOutcome;
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

/// What became of messages, up to this publish sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Confirmed {
    pub(crate) delivery_tag: u64,
    pub(crate) multiple: Multiple,
    pub(crate) outcome: ConfirmOutcome,
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
    pub(crate) fn finish(self) -> SmallVec<[Confirmed; 1]> {
        let refused = self.publishing.finish().refused;
        let numbers = self.channel.lock().channel.number_published(self.published);
        let Some((first, last)) = numbers else { return SmallVec::new() };
        let refused = refused.into_iter().map(|place| first + u64::try_from(place).unwrap_or(0));
        confirm(first, last, refused)
    }
}

/// The fewest confirms for the messages from `first` to `last`, of which some were refused.
fn confirm(
    first: u64,
    last: u64,
    refused: impl IntoIterator<Item = u64>,
) -> SmallVec<[Confirmed; 1]> {
    let mut confirms = SmallVec::new();
    let mut next = first;
    let mut up_to = |tag: u64, outcome, next: &mut u64| {
        if tag >= *next {
            let multiple = if tag == *next { Multiple::One } else { Multiple::UpTo };
            confirms.push(Confirmed { delivery_tag: tag, multiple, outcome });
            *next = tag + 1;
        }
    };
    let mut refused = refused.into_iter().peekable();
    while let Some(from) = refused.next() {
        let mut to = from;
        while refused.next_if_eq(&(to + 1)).is_some() {
            to += 1;
        }
        if from > next {
            up_to(from - 1, ConfirmOutcome::Ack, &mut next);
        }
        up_to(to, ConfirmOutcome::Nack, &mut next);
    }
    up_to(last, ConfirmOutcome::Ack, &mut next);
    confirms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_confirmed_together_and_none_twice() {
        let confirms = |first, last, refused: &[u64]| -> Vec<(u64, bool, bool)> {
            let confirmed = confirm(first, last, refused.iter().copied());
            let parts = confirmed.iter().map(|confirmed| {
                let taken = confirmed.outcome == ConfirmOutcome::Ack;
                (confirmed.delivery_tag, confirmed.multiple.bit(), taken)
            });
            parts.collect()
        };
        assert_eq!(confirms(1, 1, &[]), [(1, false, true)]);
        assert_eq!(confirms(3, 9, &[]), [(9, true, true)]);
        assert_eq!(
            confirms(3, 9, &[3, 4, 9]),
            [(4, true, false), (8, true, true), (9, false, false)]
        );
        assert_eq!(confirms(3, 5, &[4]), [(3, false, true), (4, false, false), (5, false, true)]);
        assert_eq!(confirms(3, 4, &[3, 4]), [(4, true, false)]);
        assert_eq!(confirms(1, 0, &[]), []);
    }
}
