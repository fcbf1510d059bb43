use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use springhare_amqp::{AmqpError, MethodId, ReplyCode};
use tokio::sync::Notify;

use super::publish::ReturnedMessage;
use crate::model::settling::Multiple;

/// What the broker tells a channel on its own account, in its order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChannelEvent {
    /// A mandatory message reached no queue; its confirm comes after it.
    Returned(Box<ReturnedMessage>),
    /// What became of the message with this publish sequence number, and with
    /// [`Multiple::UpTo`] of all before it that were not confirmed yet.
    Confirmed {
        /// The publish sequence number.
        delivery_tag: u64,
        /// Whether it stands for earlier ones too.
        multiple: Multiple,
        /// Whether the broker has it.
        outcome: ConfirmOutcome,
    },
    /// An error closed the channel or its connection; the last event.
    Closed(AmqpError),
}

/// What a publisher confirm says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfirmOutcome {
    /// `basic.ack`: the broker has the message, in all queues that it was routed to.
    Ack,
    /// `basic.nack`: the broker could not take it. A queue that it was routed to is full, and
    /// refuses messages then (`x-overflow`); others have it.
    Nack,
}

impl ConfirmOutcome {
    pub(crate) fn of(is_taken: bool) -> Self {
        if is_taken { Self::Ack } else { Self::Nack }
    }
}

/// The events of a channel that its user has not read yet.
///
/// Bounded: confirms that nobody reads melt into one with `multiple`, and returned messages have
/// a limit.
#[derive(Debug)]
pub(crate) struct ChannelEvents {
    returned_max: usize,
    state: Mutex<EventsState>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct EventsState {
    events: VecDeque<ChannelEvent>,
    returned: usize,
    closed: bool,
}

impl ChannelEvents {
    pub(crate) fn new(returned_max: usize) -> Self {
        Self { returned_max, state: Mutex::default(), arrived: Notify::new() }
    }

    /// Adds a returned message.
    ///
    /// # Errors
    ///
    /// 406 when as many as are allowed wait already.
    pub(crate) fn returned(&self, message: Box<ReturnedMessage>) -> Result<(), AmqpError> {
        let mut state = self.lock();
        if state.closed {
            return Ok(());
        }
        if state.returned >= self.returned_max {
            let max = self.returned_max;
            return Err(AmqpError::new(
                ReplyCode::PreconditionFailed,
                MethodId::BASIC_PUBLISH,
                format_args!("{max} returned messages wait to be read: read the channel's events"),
            ));
        }
        state.returned += 1;
        state.events.push_back(ChannelEvent::Returned(message));
        drop(state);
        self.tell();
        Ok(())
    }

    /// What became of the message with this sequence number; they come in order. Whoever waits is
    /// [told](Self::tell) once no lock is held.
    pub(crate) fn confirmed(&self, sequence: u64, outcome: ConfirmOutcome) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        if let Some(ChannelEvent::Confirmed { delivery_tag, multiple, outcome: last }) =
            state.events.back_mut()
            && *last == outcome
        {
            *delivery_tag = sequence;
            *multiple = Multiple::UpTo;
        } else {
            state.events.push_back(ChannelEvent::Confirmed {
                delivery_tag: sequence,
                multiple: Multiple::One,
                outcome,
            });
        }
    }

    /// Wakes who waits for an event.
    pub(crate) fn tell(&self) {
        self.arrived.notify_waiters();
    }

    /// The channel is closed: what came before is still read.
    pub(crate) fn close(&self, reason: Option<AmqpError>) {
        {
            let mut state = self.lock();
            state.closed = true;
            state.events.extend(reason.map(ChannelEvent::Closed));
        }
        self.tell();
    }

    /// The next event; none when the channel is closed and all were read.
    pub(crate) async fn next(&self) -> Option<ChannelEvent> {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            {
                let mut state = self.lock();
                if let Some(event) = state.events.pop_front() {
                    if matches!(event, ChannelEvent::Returned(_)) {
                        state.returned -= 1;
                    }
                    return Some(event);
                }
                if state.closed {
                    return None;
                }
            }
            arrived.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, EventsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
