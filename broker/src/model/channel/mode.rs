use springhare_amqp::{AmqpError, MethodId, ReplyCode};

use super::Channel;
use super::transaction::{Committed, RoutedPublish, Transaction};

/// What publishing and settling on a channel come to; it is chosen once.
#[derive(Debug)]
pub(super) enum ChannelMode {
    /// They take effect at once.
    Plain,
    /// `confirm.select`: the same, and the broker says of each message when it has it.
    Confirm {
        /// The publish sequence number of the last message.
        last: u64,
    },
    /// `tx.select`: they take effect at the next commit.
    Transaction(Transaction),
}

impl<Q: Clone> Channel<Q> {
    /// Turns publisher confirms on; a second time changes nothing.
    ///
    /// # Errors
    ///
    /// 406 `cannot switch from tx to confirm mode`.
    pub(crate) fn select_confirms(&mut self) -> Result<(), AmqpError> {
        match self.mode {
            ChannelMode::Plain => self.mode = ChannelMode::Confirm { last: 0 },
            ChannelMode::Confirm { .. } => {}
            ChannelMode::Transaction(_) => {
                let explanation = "cannot switch from tx to confirm mode";
                return Err(refused(MethodId::CONFIRM_SELECT, explanation));
            }
        }
        Ok(())
    }

    /// Turns transactions on; a second time changes nothing.
    ///
    /// # Errors
    ///
    /// 406 `cannot switch from confirm to tx mode`.
    pub(crate) fn select_transactions(&mut self) -> Result<(), AmqpError> {
        match self.mode {
            ChannelMode::Plain => self.mode = ChannelMode::Transaction(Transaction::default()),
            ChannelMode::Transaction(_) => {}
            ChannelMode::Confirm { .. } => {
                let explanation = "cannot switch from confirm to tx mode";
                return Err(refused(MethodId::TX_SELECT, explanation));
            }
        }
        Ok(())
    }

    /// The sequence numbers, first and last, of `count` messages that were published; none
    /// without confirms, and without messages.
    pub(crate) fn number_published(&mut self, count: u64) -> Option<(u64, u64)> {
        let ChannelMode::Confirm { last } = &mut self.mode else { return None };
        let first = *last + 1;
        *last += count;
        (count > 0).then_some((first, *last))
    }

    /// The sequence number of the message that is published now; none without confirms.
    pub(crate) fn next_publish(&mut self) -> Option<u64> {
        let ChannelMode::Confirm { last } = &mut self.mode else { return None };
        *last += 1;
        Some(*last)
    }

    /// Keeps a message until the commit, and says what it is charged with, in bytes.
    ///
    /// # Errors
    ///
    /// 406 when the transaction would hold more than `max_bytes`, and without a transaction.
    pub(crate) fn defer_publish(
        &mut self,
        publish: RoutedPublish,
        max_bytes: usize,
    ) -> Result<usize, AmqpError> {
        self.transaction(MethodId::BASIC_PUBLISH)?.defer_publish(publish, max_bytes)
    }

    /// Ends the transaction and begins the next: what it has deferred is to be done now.
    ///
    /// # Errors
    ///
    /// 406 `channel is not transactional`.
    pub(crate) fn commit(&mut self) -> Result<Committed<Q>, AmqpError> {
        let transaction = std::mem::take(self.transaction(MethodId::TX_COMMIT)?);
        Ok(transaction.commit(|deliveries| self.group(deliveries)))
    }

    /// Ends the transaction and begins the next: its messages are dropped, and what it has
    /// settled is unsettled again. Says what the messages were charged with, in bytes.
    ///
    /// # Errors
    ///
    /// 406 `channel is not transactional`.
    pub(crate) fn rollback(&mut self) -> Result<usize, AmqpError> {
        let transaction = std::mem::take(self.transaction(MethodId::TX_ROLLBACK)?);
        let (deliveries, bytes) = transaction.roll_back();
        self.unsettled.put_back(deliveries);
        Ok(bytes)
    }

    /// Rolls back for good: the channel is closed, and must hold nothing more.
    pub(super) fn abandon_transaction(&mut self) -> usize {
        let bytes = self.rollback().unwrap_or(0);
        self.mode = ChannelMode::Plain;
        bytes
    }

    fn transaction(&mut self, method: MethodId) -> Result<&mut Transaction, AmqpError> {
        match &mut self.mode {
            ChannelMode::Transaction(transaction) => Ok(transaction),
            ChannelMode::Plain | ChannelMode::Confirm { .. } => {
                Err(refused(method, "channel is not transactional"))
            }
        }
    }
}

fn refused(method: MethodId, explanation: &'static str) -> AmqpError {
    AmqpError::new(ReplyCode::PreconditionFailed, method, explanation)
}
