use std::sync::Arc;
use std::time::Duration;

use springhare_amqp::ShortString;
use springhare_broker::{Multiple, PublishedMessage, Requeue};

use super::DeadLetters;
use crate::channel::Verdict;
use crate::error::Error;
use crate::listener::discarded::{DiscardReason, DiscardedTo, Discarding};
use crate::template::{ParkReason, ParkedFrom, RabbitTemplate, Republished};

/// How the original of a retry copy is to be settled; the copy's error if there is none.
pub(in crate::listener) type RetryResult = Result<Verdict, Error>;

/// A failed message that goes to its queue once more as a copy, once its pause has ended.
#[derive(Debug)]
pub(in crate::listener) struct Retry {
    pub(super) template: RabbitTemplate,
    pub(super) queue: ShortString,
    pub(super) message: Arc<PublishedMessage>,
    /// How many of its deliveries failed.
    pub(super) attempts: u32,
    /// How long it is to wait at the broker.
    pub(super) delay: Option<Duration>,
    /// Why the last one did.
    pub(super) exception: String,
    pub(super) dead_letters: DeadLetters,
    pub(super) error_queue: ShortString,
    /// What is told if it is given up.
    pub(super) discarding: Option<Discarding>,
}

impl Retry {
    /// Makes the copy and waits until it is confirmed. A message whose headers leave no room for
    /// the count would be tried for ever: it is given up in place of that.
    pub(in crate::listener) async fn republish(self) -> RetryResult {
        let Self { template, queue, message, attempts, delay, .. } = self;
        let (exception, dead_letters, error_queue) =
            (self.exception, self.dead_letters, self.error_queue);
        let tell = |to| {
            if let Some(discarding) = self.discarding {
                discarding.tell(DiscardReason::NoRoomToCount, to);
            }
        };
        let republished = match delay {
            Some(delay) => template.delay(&queue, &message, attempts, delay).await?,
            None => template.republish(&queue, &message, attempts).await?,
        };
        match (republished, dead_letters) {
            (Republished::Confirmed, _) => {}
            // It is no copy: what is one has room.
            (Republished::NoRoom, DeadLetters::UnderItsKey | DeadLetters::ToExchange(_)) => {
                tell(DiscardedTo::DeadLetterExchange);
                return Ok(Verdict::Reject(Requeue::No));
            }
            (Republished::NoRoom, DeadLetters::Nowhere) => {
                let reason = ParkReason::NoRoomToCount { exception };
                let from = ParkedFrom { queue: &queue, attempts };
                template.park(&error_queue, &message, &reason, from).await?;
                tell(DiscardedTo::ErrorQueue);
            }
        }
        Ok(Verdict::Ack(Multiple::One))
    }
}
