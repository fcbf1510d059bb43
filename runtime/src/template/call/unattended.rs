//! Calls to an application's own listeners while it stops: once the listener has stopped, nobody
//! answers any more, unless another program consumes from its queue, too.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use springhare_amqp::ShortString;
use springhare_broker::Clock;
use tokio::sync::Notify;

/// How long a call waits for another program's answer then.
pub(super) const UNATTENDED_WAIT: Duration = Duration::from_secs(1);

/// The queues that the application does not consume from any more.
#[derive(Debug, Default)]
pub(super) struct Unattended {
    queues: Mutex<BTreeSet<ShortString>>,
    changed: Notify,
}

impl Unattended {
    /// The listener of these queues has stopped for good.
    pub(super) fn add<'q>(&self, queues: impl Iterator<Item = &'q ShortString>) {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).extend(queues.cloned());
        self.changed.notify_waiters();
    }

    fn has(&self, queue: &ShortString) -> bool {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).contains(queue)
    }

    /// Waits until a request to this queue has waited long enough.
    pub(super) async fn given_up(&self, queue: &ShortString, clock: &Clock) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.has(queue) {
                return clock.sleep(UNATTENDED_WAIT).await;
            }
            changed.await;
        }
    }
}
