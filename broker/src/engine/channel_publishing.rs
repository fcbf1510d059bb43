use smallvec::SmallVec;
use springhare_amqp::{AmqpError, Message};

use super::channel_cell::ChannelCell;
use super::connection_cell::ConnectionCell;
use super::events::ConfirmOutcome;
use super::publish::{Destined, Finished, Publish, Published, Publishing, ReturnedMessage};
use crate::model::settling::Multiple;
use crate::model::stored::Lsn;

/// The messages that a peer sends one after the other on one channel: they are routed, counted
/// and confirmed together.
#[derive(Debug)]
pub(crate) struct ChannelPublishing<'c> {
    channel: &'c ChannelCell,
    publishing: Publishing<'c>,
    published: u64,
}

/// What became of messages that were published together, and is told once that is safe.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    /// In the order of their numbers.
    pub(crate) confirms: SmallVec<[Confirmed; 1]>,
    /// What has to be synced before.
    pub(crate) end: Lsn,
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
    pub(crate) fn finish(self) -> Confirms {
        let Finished { refused, end, .. } = self.publishing.finish();
        let numbers = self.channel.lock().channel.number_published(self.published);
        let Some((first, last)) = numbers else { return Confirms::default() };
        let refused = refused.into_iter().map(|place| first + u64::try_from(place).unwrap_or(0));
        Confirms { confirms: confirm(first, last, refused), end }
    }
}

impl ChannelCell {
    /// `basic.publish`: the publish sequence number, if the channel confirms. A returned message
    /// comes before its confirm, which is a refusal if a queue is full, and waits for the disk. In a
    /// transaction nothing is published before the commit.
    pub(crate) fn publish(&self, publish: Publish) -> Result<Option<u64>, AmqpError> {
        let mut publishing = Publishing::by(self);
        let published = publishing.publish(publish)?;
        let Finished { refused, end, .. } = publishing.finish();
        if let Published::Returned(message) = published {
            self.events().returned(message)?;
        }
        // Numbered and confirmed in one step, so that confirms come in order and one with
        // `multiple` covers what was published alone, whoever else publishes on this channel.
        let mut state = self.lock();
        let sequence = state.channel.next_publish();
        if let Some(sequence) = sequence {
            self.events().confirmed(sequence, ConfirmOutcome::of(refused.is_empty()), end);
        }
        drop(state);
        if sequence.is_some() {
            self.events().tell();
        }
        Ok(sequence)
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
