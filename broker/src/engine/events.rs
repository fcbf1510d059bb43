use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use springhare_amqp::{AmqpError, MethodId, ReplyCode};
use tokio::sync::Notify;

use super::publish::ReturnedMessage;
use super::shared::Shared;
use crate::model::settling::Multiple;
use crate::model::stored::Lsn;

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
    /// `basic.ack`: the broker has the message, in all queues that it was routed to. A persistent
    /// one is on the disk where its queue is durable and the broker has a data folder.
    Ack,
    /// `basic.nack`: the broker could not take it. A queue that it was routed to is full, and
    /// refuses messages then (`x-overflow`); others have it. Or the disk is full or has failed, and
    /// whether it survives the broker is not known.
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
/// a limit. A confirm is read once what it confirms is on the disk, and what came after it after it.
#[derive(Debug)]
pub(crate) struct ChannelEvents {
    shared: Arc<Shared>,
    state: Mutex<EventsState>,
    arrived: Notify,
}

/// How many confirms wait one by one, each for its own part of the journal; those after them wait
/// together.
const CONFIRMS_MAX: usize = 1024;

#[derive(Debug, Default)]
struct EventsState {
    events: VecDeque<WaitingEvent>,
    returned: usize,
    closed: bool,
}

#[derive(Debug)]
struct WaitingEvent {
    event: ChannelEvent,
    /// What has to be synced before it is read.
    end: Lsn,
}

/// What there is to read.
enum Front {
    Event(ChannelEvent),
    /// One that has to be synced that far.
    Unsynced(Lsn),
    Nothing,
    End,
}

/// What a reader knows of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    Works,
    /// What is not synced never will be.
    HasFailed,
}

impl ChannelEvents {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, state: Mutex::default(), arrived: Notify::new() }
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
        let max = self.shared.config().returned_messages_max;
        if state.returned >= max {
            return Err(AmqpError::new(
                ReplyCode::PreconditionFailed,
                MethodId::BASIC_PUBLISH,
                format_args!("{max} returned messages wait to be read: read the channel's events"),
            ));
        }
        state.returned += 1;
        state.push(ChannelEvent::Returned(message), Lsn::NONE);
        drop(state);
        self.tell();
        Ok(())
    }

    /// What became of the message with this sequence number, to be read once `end` is synced; they
    /// come in order. Whoever waits is [told](Self::tell) once no lock is held.
    pub(crate) fn confirmed(&self, sequence: u64, outcome: ConfirmOutcome, end: Lsn) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        let is_full = state.events.len() >= CONFIRMS_MAX;
        if let Some(WaitingEvent { event, end: last_end }) = state.events.back_mut()
            && let ChannelEvent::Confirmed { delivery_tag, multiple, outcome: last } = event
            && *last == outcome
            && (is_full || end <= *last_end)
        {
            *delivery_tag = sequence;
            *multiple = Multiple::UpTo;
            *last_end = end.max(*last_end);
        } else {
            let multiple = Multiple::One;
            state.push(ChannelEvent::Confirmed { delivery_tag: sequence, multiple, outcome }, end);
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
            if let Some(reason) = reason {
                state.push(ChannelEvent::Closed(reason), Lsn::NONE);
            }
        }
        self.tell();
    }

    /// The next event; none when the channel is closed and all were read.
    pub(crate) async fn next(&self) -> Option<ChannelEvent> {
        let mut store = Store::Works;
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            // The lock is let go before anything is waited for.
            let front = self.lock().front(&self.shared, store);
            match front {
                Front::Event(event) => return Some(event),
                Front::End => return None,
                Front::Nothing => arrived.await,
                Front::Unsynced(end) => {
                    if self.shared.synced(end).await.is_err() {
                        store = Store::HasFailed;
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, EventsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventsState {
    fn push(&mut self, event: ChannelEvent, end: Lsn) {
        self.events.push_back(WaitingEvent { event, end });
    }

    /// The first event, if it may be read.
    fn front(&mut self, shared: &Shared, store: Store) -> Front {
        let Some(first) = self.events.front() else {
            return if self.closed { Front::End } else { Front::Nothing };
        };
        if let ChannelEvent::Confirmed { .. } = first.event {
            return self.confirms(shared, store);
        }
        let Some(WaitingEvent { event, .. }) = self.events.pop_front() else {
            return Front::Nothing;
        };
        if matches!(event, ChannelEvent::Returned(_)) {
            self.returned -= 1;
        }
        Front::Event(event)
    }

    /// The first confirm, if it is safe, with those after it that say the same. What can't be safe any
    /// more is refused.
    fn confirms(&mut self, shared: &Shared, store: Store) -> Front {
        let mut read: Option<(u64, Multiple, ConfirmOutcome)> = None;
        while let Some(WaitingEvent { event, end }) = self.events.front()
            && let ChannelEvent::Confirmed { delivery_tag, multiple, outcome } = *event
        {
            let outcome = match store {
                _ if shared.is_synced(*end) => outcome,
                Store::HasFailed => ConfirmOutcome::Nack,
                Store::Works if read.is_none() => return Front::Unsynced(*end),
                Store::Works => break,
            };
            match &mut read {
                None => read = Some((delivery_tag, multiple, outcome)),
                Some((last, multiple, same)) if *same == outcome => {
                    (*last, *multiple) = (delivery_tag, Multiple::UpTo);
                }
                Some(_) => break,
            }
            self.events.pop_front();
        }
        match read {
            Some((delivery_tag, multiple, outcome)) => {
                Front::Event(ChannelEvent::Confirmed { delivery_tag, multiple, outcome })
            }
            None => Front::Nothing,
        }
    }
}
