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
    /// Another consumer has the queue for itself, and this one takes over when that is gone.
    StandingBy(String),
    /// One more than there must be, which does not consume yet: nobody misses it.
    Joining,
    /// One too many: told to stop.
    Leaving,
    /// There is no such consumer any more; the next one may have its number.
    Gone,
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

    /// One consumer more than there must be, which does not consume yet.
    pub(crate) fn join(&self) -> usize {
        let mut states = self.lock();
        let free = states.consumers.iter().position(|state| matches!(state, ConsumerState::Gone));
        let number = free.unwrap_or(states.consumers.len());
        match states.consumers.get_mut(number) {
            Some(slot) => *slot = ConsumerState::Joining,
            None => states.consumers.push(ConsumerState::Joining),
        }
        number
    }

    /// The consumer is one too many, and stops.
    pub(crate) fn leave(&self, consumer: usize) {
        self.lock().set(consumer, ConsumerState::Leaving);
    }

    /// The consumer's task has ended; that is trouble unless it was to.
    pub(crate) fn ended(&self, consumer: usize) {
        let mut states = self.lock();
        let leaves = matches!(states.consumers.get(consumer), Some(ConsumerState::Leaving));
        let state = if leaves {
            ConsumerState::Gone
        } else {
            ConsumerState::Lost("its task has ended".to_owned())
        };
        if let Some(slot) = states.consumers.get_mut(consumer) {
            *slot = state;
        }
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

    /// The consumer waits until the one is gone that has the queue for itself.
    pub(crate) fn stands_by(&self, consumer: usize, reason: &str) {
        self.lock().set(consumer, ConsumerState::StandingBy(reason.to_owned()));
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
            // Without a connection it could not take over.
            ConsumerState::StandingBy(_) => trouble.map(str::to_owned),
            ConsumerState::Joining | ConsumerState::Leaving | ConsumerState::Gone => None,
        });
        let Some(reason) = reason else { return states.without_trouble() };
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
    /// The status of a listener that nothing is wrong with.
    fn without_trouble(&self) -> ListenerStatus {
        let reason = self.consumers.iter().find_map(|consumer| match consumer {
            ConsumerState::StandingBy(reason) => Some(reason.clone()),
            _ => None,
        });
        reason.map_or(ListenerStatus::Consuming, |reason| ListenerStatus::StandingBy { reason })
    }

    fn set(&mut self, consumer: usize, state: ConsumerState) {
        match self.consumers.get_mut(consumer) {
            None | Some(ConsumerState::Leaving | ConsumerState::Gone) => {}
            Some(slot) => *slot = state,
        }
    }
}

impl ConsumerState {
    /// Or nobody expects it to.
    fn is_consuming(&self) -> bool {
        matches!(
            self,
            Self::Consuming(_) | Self::StandingBy(_) | Self::Joining | Self::Leaving | Self::Gone
        )
    }
}

fn is_open(channel: &Weak<dyn LinkChannel>) -> bool {
    channel.upgrade().is_some_and(|channel| channel.close_reason().is_none())
}

fn why_closed(channel: &Weak<dyn LinkChannel>) -> String {
    let reason = channel.upgrade().and_then(|channel| channel.close_reason());
    reason.map_or_else(|| "its channel is closed".to_owned(), |reason| reason.to_string())
}
