use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::ApplicationEvent;

/// How many events are kept for who has not read them yet.
pub const EVENTS_MAX: usize = 1024;

/// Where events are told.
#[derive(Clone)]
pub(crate) struct EventBus(Arc<Mutex<Told>>);

/// Who is told: nobody any more once the application has stopped.
#[derive(Debug)]
enum Told {
    /// Nobody has listened yet: no room is kept for anything.
    Nobody,
    To(broadcast::Sender<ApplicationEvent>),
    Closed,
}

impl EventBus {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Told::Nobody)))
    }

    /// Tells all who listen what `event` makes, which is not called where nobody does.
    pub(crate) fn tell(&self, event: impl FnOnce() -> ApplicationEvent) {
        let sender = match &*self.lock() {
            Told::To(sender) if sender.receiver_count() > 0 => sender.clone(),
            _ => return,
        };
        // Who listened may have left meanwhile.
        drop(sender.send(event()));
    }

    /// What is told from now on.
    pub(crate) fn listen(&self) -> Events {
        let mut told = self.lock();
        let receiver = match &*told {
            Told::To(sender) => Some(sender.subscribe()),
            Told::Nobody => {
                let (sender, receiver) = broadcast::channel(EVENTS_MAX);
                *told = Told::To(sender);
                Some(receiver)
            }
            Told::Closed => None,
        };
        Events(receiver)
    }

    /// There is nothing more to tell.
    pub(crate) fn close(&self) {
        *self.lock() = Told::Closed;
    }

    /// Who is told is known between any two statements, so a panic elsewhere leaves nothing half
    /// done.
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for EventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBus").finish_non_exhaustive()
    }
}

/// What happens in an application from now on:
/// [`Springhare::events`](crate::Springhare::events), or, so that the start is seen as well,
/// [`SpringhareBuilder::events`](crate::SpringhareBuilder::events).
///
/// The last [`EVENTS_MAX`] events are kept for it. Who reads more slowly than they come is told how
/// many it missed, and holds up nobody.
#[must_use = "events are told to who reads them"]
pub struct Events(Option<broadcast::Receiver<ApplicationEvent>>);

impl Events {
    /// The next event; none once the application has stopped and all was read.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<ApplicationEvent> {
        match self.0.as_mut()?.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(events)) => Some(ApplicationEvent::Missed { events }),
            Err(RecvError::Closed) => {
                self.0 = None;
                None
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paused(number: usize) -> ApplicationEvent {
        ApplicationEvent::Paused { listener: number.to_string() }
    }

    #[tokio::test]
    async fn who_reads_too_slowly_is_told_how_much_it_missed() {
        let bus = EventBus::new();
        let mut slow = bus.listen();
        for number in 0..EVENTS_MAX + 3 {
            bus.tell(|| paused(number));
        }
        assert_eq!(slow.next().await, Some(ApplicationEvent::Missed { events: 3 }));
        for number in 3..EVENTS_MAX + 3 {
            assert_eq!(slow.next().await, Some(paused(number)));
        }
        bus.close();
        assert_eq!(slow.next().await, None);
    }

    #[tokio::test]
    async fn what_was_told_before_the_end_is_read_after_it() {
        let bus = EventBus::new();
        let (mut one, mut other) = (bus.listen(), bus.listen());
        bus.tell(|| paused(1));
        bus.close();
        bus.tell(|| unreachable!("nobody is told any more"));
        for events in [&mut one, &mut other] {
            assert_eq!(events.next().await, Some(paused(1)));
            assert_eq!(events.next().await, None);
        }
        assert_eq!(bus.listen().next().await, None);
    }

    #[test]
    fn an_event_that_nobody_reads_is_not_even_made() {
        let bus = EventBus::new();
        bus.tell(|| unreachable!("nobody has listened"));
        drop(bus.listen());
        bus.tell(|| unreachable!("nobody listens any more"));
    }
}
