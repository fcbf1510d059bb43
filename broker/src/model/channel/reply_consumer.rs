use springhare_amqp::{AmqpError, MethodId, ReplyCode, ShortString};

use super::Channel;
use crate::model::ids::ConsumerId;
use crate::model::queue::SettlementMode;

/// The consumer of a channel's direct replies: it consumes from `amq.rabbitmq.reply-to`, and no
/// queue knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplyConsumer {
    pub(crate) id: ConsumerId,
    pub(crate) tag: ShortString,
    /// Where replies are sent to: the name that the messages of this channel carry as
    /// `reply_to`.
    pub(crate) address: ShortString,
}

impl<Q: Clone> Channel<Q> {
    /// Checks that the channel may have a consumer of direct replies.
    ///
    /// # Errors
    ///
    /// 406 `reply consumer cannot acknowledge` unless it settles by itself, and 406
    /// `reply consumer already set` beside another.
    pub(crate) fn ensure_no_reply_consumer(
        &self,
        settlement: SettlementMode,
    ) -> Result<(), AmqpError> {
        let explanation = match (settlement, &self.reply_consumer) {
            (SettlementMode::Explicit, _) => "reply consumer cannot acknowledge",
            (SettlementMode::Automatic, Some(_)) => "reply consumer already set",
            (SettlementMode::Automatic, None) => return Ok(()),
        };
        Err(AmqpError::new(ReplyCode::PreconditionFailed, MethodId::BASIC_CONSUME, explanation))
    }

    /// Sets the consumer of direct replies. Its tag is not among those of the other consumers:
    /// one of them may take the same.
    pub(crate) fn set_reply_consumer(&mut self, consumer: ReplyConsumer) {
        self.reply_consumer = Some(consumer);
    }

    /// Where replies to this channel's messages are sent to.
    ///
    /// # Errors
    ///
    /// 406 `fast reply consumer does not exist`.
    pub(crate) fn reply_address(&self) -> Result<ShortString, AmqpError> {
        let consumer = self.reply_consumer.as_ref().ok_or_else(no_reply_consumer)?;
        Ok(consumer.address.clone())
    }

    /// Removes the consumer of direct replies, if it has this tag.
    pub(crate) fn remove_reply_consumer(&mut self, tag: &str) -> Option<ReplyConsumer> {
        self.reply_consumer.take_if(|consumer| consumer.tag == *tag)
    }

    /// Removes the consumer of direct replies, if it has this id.
    pub(crate) fn remove_reply_consumer_by_id(&mut self, id: ConsumerId) -> Option<ReplyConsumer> {
        self.reply_consumer.take_if(|consumer| consumer.id == id)
    }
}

/// Nobody waits for the replies that a message asks for.
pub(crate) fn no_reply_consumer() -> AmqpError {
    let explanation = "fast reply consumer does not exist";
    AmqpError::new(ReplyCode::PreconditionFailed, MethodId::BASIC_PUBLISH, explanation)
}
