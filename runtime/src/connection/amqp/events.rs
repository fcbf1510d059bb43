use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use springhare_amqp::AmqpError;
use springhare_broker::{ChannelEvent, Multiple};
use tokio::sync::Notify;

/// The most events that wait to be read: as many publishes may be on their way on a channel whose
/// user reads none.
const EVENTS_MAX: usize = 10_000;

/// The returns, confirms and the closure of a channel that its user has not read yet.
#[derive(Debug, Default)]
pub(super) struct Events {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<ChannelEvent>,
    is_closed: bool,
}

/// As many events as are kept wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

impl Events {
    /// Adds an event. Confirms that follow each other and mean all up to a number melt into one.
    pub(super) fn tell(&self, event: ChannelEvent) -> Result<(), TooMany> {
        {
            let mut state = self.lock();
            if state.is_closed {
                return Ok(());
            }
            if !melts(&mut state.events, &event) {
                if state.events.len() >= EVENTS_MAX {
                    return Err(TooMany);
                }
                state.events.push_back(event);
            }
        }
        self.arrived.notify_waiters();
        Ok(())
    }

    /// The channel is closed: what came before is still read.
    pub(super) fn close(&self, reason: Option<AmqpError>) {
        {
            let mut state = self.lock();
            if state.is_closed {
                return;
            }
            state.is_closed = true;
            state.events.extend(reason.map(ChannelEvent::Closed));
        }
        self.arrived.notify_waiters();
    }

    /// The next event; none when the channel is closed and all were read.
    pub(super) async fn next(&self) -> Option<ChannelEvent> {
        loop {
            let mut arrived = std::pin::pin!(self.arrived.notified());
            arrived.as_mut().enable();
            {
                let mut state = self.lock();
                if let Some(event) = state.events.pop_front() {
                    return Some(event);
                }
                if state.is_closed {
                    return None;
                }
            }
            arrived.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `event` is told by the last one, which then means it too.
fn melts(events: &mut VecDeque<ChannelEvent>, event: &ChannelEvent) -> bool {
    let ChannelEvent::Confirmed { delivery_tag: up_to, multiple: Multiple::UpTo, outcome } = event
    else {
        return false;
    };
    match events.back_mut() {
        Some(ChannelEvent::Confirmed { delivery_tag, multiple, outcome: last })
            if last == outcome =>
        {
            *delivery_tag = *up_to;
            *multiple = Multiple::UpTo;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use springhare_broker::ConfirmOutcome;

    use super::*;

    fn confirmed(delivery_tag: u64, multiple: Multiple) -> ChannelEvent {
        ChannelEvent::Confirmed { delivery_tag, multiple, outcome: ConfirmOutcome::Ack }
    }

    #[tokio::test]
    async fn confirms_that_mean_all_before_them_melt() {
        let events = Events::default();
        for event in [
            confirmed(2, Multiple::One),
            confirmed(1, Multiple::One),
            confirmed(4, Multiple::UpTo),
            confirmed(9, Multiple::UpTo),
        ] {
            events.tell(event).unwrap();
        }
        events.close(None);
        assert_eq!(events.next().await, Some(confirmed(2, Multiple::One)));
        assert_eq!(events.next().await, Some(confirmed(9, Multiple::UpTo)));
        assert_eq!(events.next().await, None);
    }

    #[test]
    fn events_that_nobody_reads_have_a_limit() {
        let events = Events::default();
        for number in 0..EVENTS_MAX {
            events.tell(confirmed(u64::try_from(number).unwrap(), Multiple::One)).unwrap();
        }
        assert_eq!(events.tell(confirmed(0, Multiple::One)), Err(TooMany));
    }
}
