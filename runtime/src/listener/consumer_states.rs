//! What the consumers of one listener do, as each of them tells it: the ground of its health, and
//! of one line in the log where fifty consumers have the same to say.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::health::ListenerStatus;
use crate::connection::LinkChannel;

/// The consumers of one listener, by number.
#[derive(Debug, Default)]
pub(crate) struct ConsumerStates {
    states: Mutex<States>,
}

#[derive(Debug, Default)]
struct States {
    consumers: Vec<ConsumerState>,
    /// The last trouble that was told; none once all is well.
    told: Option<String>,
    /// Whether all of them have consumed before.
    have_consumed: bool,
}

#[derive(Debug)]
enum ConsumerState {
    Starting,
    /// On this channel. The handler may be busy and not know yet that it is closed.
    Consuming(Weak<dyn LinkChannel>),
    Lost(String),
}

/// Whether something is worth a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// It is, nobody has told it.
    Yes,
    /// Another consumer of the listener told the same, or it told it before.
    No,
}

impl ConsumerStates {
    /// One more consumer, which does not consume yet.
    pub(crate) fn add(&self) -> usize {
        let mut states = self.lock();
        states.consumers.push(ConsumerState::Starting);
        states.consumers.len() - 1
    }

    /// The consumer consumes on this channel; news if with it all of a listener in trouble do.
    pub(crate) fn consuming(&self, consumer: usize, channel: &Arc<dyn LinkChannel>) -> News {
        let mut states = self.lock();
        states.set(consumer, ConsumerState::Consuming(Arc::downgrade(channel)));
        let all = states.consumers.iter().all(ConsumerState::is_consuming);
        states.have_consumed |= all;
        if all && states.told.take().is_some() { News::Yes } else { News::No }
    }

    /// The consumer was lost, or could not be started again.
    pub(crate) fn lost(&self, consumer: usize, reason: &str) -> News {
        let mut states = self.lock();
        states.set(consumer, ConsumerState::Lost(reason.to_owned()));
        if states.told.as_deref() == Some(reason) {
            return News::No;
        }
        states.told = Some(reason.to_owned());
        News::Yes
    }

    /// The consumer was lost with its connection, which tells that itself.
    pub(crate) fn lost_with_connection(&self, consumer: usize, reason: &str) {
        self.lock().set(consumer, ConsumerState::Lost(reason.to_owned()));
    }

    /// The status of the listener; `trouble` is what its connection is in.
    pub(crate) fn status(&self, trouble: Option<&str>) -> ListenerStatus {
        let states = self.lock();
        let reason = states.consumers.iter().find_map(|consumer| match consumer {
            ConsumerState::Consuming(channel) if is_open(channel) => None,
            ConsumerState::Consuming(channel) => Some(why_closed(channel)),
            ConsumerState::Starting => Some("it waits for its turn".to_owned()),
            ConsumerState::Lost(reason) => Some(reason.clone()),
        });
        let Some(reason) = reason else { return ListenerStatus::Consuming };
        let reason = trouble.map_or(reason, str::to_owned);
        if states.have_consumed {
            ListenerStatus::Recovering { reason }
        } else {
            ListenerStatus::Starting { reason }
        }
    }

    /// The states are whole between any two statements, so a panic elsewhere leaves nothing half
    /// done.
    fn lock(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl States {
    fn set(&mut self, consumer: usize, state: ConsumerState) {
        if let Some(slot) = self.consumers.get_mut(consumer) {
            *slot = state;
        }
    }
}

impl ConsumerState {
    fn is_consuming(&self) -> bool {
        matches!(self, Self::Consuming(_))
    }
}

fn is_open(channel: &Weak<dyn LinkChannel>) -> bool {
    channel.upgrade().is_some_and(|channel| channel.close_reason().is_none())
}

fn why_closed(channel: &Weak<dyn LinkChannel>) -> String {
    let reason = channel.upgrade().and_then(|channel| channel.close_reason());
    reason.map_or_else(|| "its channel is closed".to_owned(), |reason| reason.to_string())
}
