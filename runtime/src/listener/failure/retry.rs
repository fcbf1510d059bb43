use std::sync::Arc;
use std::time::Duration;

use springhare_amqp::ShortString;
use springhare_broker::{Multiple, PublishedMessage, Requeue};

use super::DeadLetters;
use crate::channel::Verdict;
use crate::error::Error;
use crate::listener::discarded::{DiscardReason, DiscardedTo, Discarding};
use crate::template::{ParkReason, ParkedFrom, RabbitTemplate, Republished};

/// What becomes of the original of a retry copy; the copy's error if there is none.
pub(in crate::listener) type RetryResult = Result<Retried, Error>;

/// How the original of a retry copy is to be settled.
#[derive(Debug)]
pub(in crate::listener) struct Retried {
    pub(in crate::listener) verdict: Verdict,
    /// It was given up, and went there; somebody hears of that once it is settled.
    given_up: Option<(Discarding, DiscardedTo)>,
}

impl Retried {
    /// Its copy is confirmed.
    pub(in crate::listener) fn confirmed() -> Self {
        Self { verdict: Verdict::Ack(Multiple::One), given_up: None }
    }

    /// It is settled: who wants to hear of it is told.
    pub(in crate::listener) fn settled(self) {
        if let Some((discarding, to)) = self.given_up {
            discarding.tell(DiscardReason::NoRoomToCount, to);
        }
    }
}

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
        let republished = match delay {
            Some(delay) => template.delay(&queue, &message, attempts, delay).await?,
            None => template.republish(&queue, &message, attempts).await?,
        };
        let (verdict, to) = match (republished, dead_letters) {
            (Republished::Confirmed, _) => return Ok(Retried::confirmed()),
            // It is no copy: what is one has room.
            (Republished::NoRoom, DeadLetters::UnderItsKey | DeadLetters::ToExchange(_)) => {
                (Verdict::Reject(Requeue::No), DiscardedTo::DeadLetterExchange)
            }
            (Republished::NoRoom, DeadLetters::Nowhere) => {
                let reason = ParkReason::NoRoomToCount { exception };
                let from = ParkedFrom { queue: &queue, attempts };
                template.park(&error_queue, &message, &reason, from).await?;
                (Verdict::Ack(Multiple::One), DiscardedTo::ErrorQueue)
            }
        };
        Ok(Retried { verdict, given_up: self.discarding.map(|discarding| (discarding, to)) })
    }
}
