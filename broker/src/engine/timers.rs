use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::clock::{Alarm, Clock};

/// What has something to do at a time.
pub(crate) trait Timed: fmt::Debug + Send + Sync {
    /// The time has come that was asked for. Called without any lock; who needs another time asks
    /// for it again.
    fn due(self: Arc<Self>);
}

/// Who has a timer, and which: a number that nothing else in the broker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TimerId(u64);

/// What happens in a broker at its time: messages expire, queues do, delays end.
///
/// One list for all, in order, and each has at most one time in it, so that what is not due costs
/// nothing, however much of it there is. A thread sleeps until the first is due; it is not there
/// before the first is asked for. A clock that is driven by hand needs no thread: what is due
/// happens while the hand is moved.
#[derive(Debug)]
pub(crate) struct Timers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    last_id: AtomicU64,
    state: Mutex<TimersState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct TimersState {
    due: BTreeMap<(Duration, TimerId), Weak<dyn Timed>>,
    driver: Driver,
}

/// Who looks at the clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Driver {
    /// Nobody yet.
    #[default]
    None,
    /// The clock itself calls, at this time.
    Hand(Duration),
    /// A thread of its own.
    Thread,
    Stopped,
}

impl Timers {
    pub(crate) fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            clock,
            last_id: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    /// A number for somebody who wants to have times.
    pub(crate) fn new_id(&self) -> TimerId {
        TimerId(self.0.last_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Puts the time of `id` to `due`, from `before` if it had one.
    pub(crate) fn set(
        &self,
        id: TimerId,
        before: Option<Duration>,
        due: Duration,
        timed: impl FnOnce() -> Weak<dyn Timed>,
    ) {
        let mut state = self.0.lock();
        if let Some(before) = before {
            state.due.remove(&(before, id));
        }
        state.due.insert((due, id), timed());
        let first = state.due.first_key_value();
        if first.is_some_and(|((_, first), _)| *first == id) {
            Inner::drive(&self.0, &mut state, due);
        }
    }

    /// Takes the time of `id` out, if it had one.
    pub(crate) fn clear(&self, id: TimerId, due: Option<Duration>) {
        if let Some(due) = due {
            self.0.lock().due.remove(&(due, id));
        }
    }

    /// Nothing is done any more.
    pub(crate) fn stop(&self) {
        let mut state = self.0.lock();
        state.due.clear();
        state.driver = Driver::Stopped;
        drop(state);
        self.0.changed.notify_all();
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Inner {
    /// Sees to it that somebody looks at `due`, the first of all times.
    fn drive(this: &Arc<Self>, state: &mut TimersState, due: Duration) {
        match state.driver {
            Driver::Stopped => {}
            Driver::Thread => this.changed.notify_one(),
            Driver::Hand(at) if at <= due => {}
            Driver::Hand(_) | Driver::None => {
                let alarm: Weak<dyn Alarm> = Arc::<Self>::downgrade(this);
                if this.clock.set_alarm(due, alarm) {
                    state.driver = Driver::Hand(due);
                    return;
                }
                let inner = Arc::clone(this);
                let thread = std::thread::Builder::new().name("springhare-timers".to_owned());
                match thread.spawn(move || inner.run()) {
                    Ok(_) => state.driver = Driver::Thread,
                    // Tried again with the next time that is asked for.
                    Err(error) => {
                        tracing::error!(%error, "no thread for timers: nothing expires by itself");
                    }
                }
            }
        }
    }

    /// The thread's life.
    fn run(&self) {
        let mut state = self.lock();
        while state.driver != Driver::Stopped {
            let now = self.clock.now();
            if let Some(timed) = state.take_due(now) {
                drop(state);
                ring(&timed);
                state = self.lock();
                continue;
            }
            let first = state.due.first_key_value().map(|((due, _), _)| *due);
            let waited = match first {
                Some(due) => self
                    .changed
                    .wait_timeout(state, due.saturating_sub(now))
                    .map(|(state, _)| state)
                    .map_err(|poisoned| poisoned.into_inner().0),
                None => self.changed.wait(state).map_err(PoisonError::into_inner),
            };
            state = waited.unwrap_or_else(|state| state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, TimersState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TimersState {
    /// The first that is due, if any is, taken out.
    fn take_due(&mut self, now: Duration) -> Option<Weak<dyn Timed>> {
        let first = self.due.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }
}

/// The hand was moved to the time that was asked for.
impl Alarm for Inner {
    fn ring(self: Arc<Self>) {
        let mut state = self.lock();
        if let Driver::Hand(_) = state.driver {
            state.driver = Driver::None;
        }
        while let Some(timed) = state.take_due(self.clock.now()) {
            drop(state);
            ring(&timed);
            state = self.lock();
        }
        let first = state.due.first_key_value().map(|((due, _), _)| *due);
        if let Some(due) = first {
            Self::drive(&self, &mut state, due);
        }
    }
}

/// A panic there would be a defect, and must not end all other times.
fn ring(timed: &Weak<dyn Timed>) {
    let Some(timed) = timed.upgrade() else { return };
    if catch_unwind(AssertUnwindSafe(|| timed.due())).is_err() {
        tracing::error!("what was due at its time has panicked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Noted {
        clock: Clock,
        at: Mutex<Vec<Duration>>,
    }

    impl Timed for Noted {
        fn due(self: Arc<Self>) {
            self.at.lock().unwrap().push(self.clock.now());
        }
    }

    fn noted(clock: &Clock) -> Arc<Noted> {
        Arc::new(Noted { clock: clock.clone(), at: Mutex::default() })
    }

    #[test]
    fn each_happens_at_its_time_while_the_hand_moves_beyond() {
        let (clock, hand) = Clock::manual();
        let timers = Timers::new(clock.clone());
        let noted = noted(&clock);
        let weak = || Arc::downgrade(&noted) as Weak<dyn Timed>;
        let seconds = Duration::from_secs;
        let ids = [timers.new_id(), timers.new_id(), timers.new_id()];
        timers.set(ids[0], None, seconds(3), weak);
        timers.set(ids[1], None, seconds(1), weak);
        timers.set(ids[2], None, seconds(2), weak);
        timers.clear(ids[2], Some(seconds(2)));
        hand.advance(seconds(10));
        assert_eq!(*noted.at.lock().unwrap(), [seconds(1), seconds(3)]);
        timers.set(ids[0], None, seconds(11), weak);
        timers.stop();
        hand.advance(seconds(10));
        assert_eq!(noted.at.lock().unwrap().len(), 2);
    }

    #[test]
    fn the_systems_clock_has_a_thread() {
        let clock = Clock::system();
        let timers = Timers::new(clock.clone());
        let (tell, told) = std::sync::mpsc::channel();
        #[derive(Debug)]
        struct Tell(std::sync::mpsc::Sender<()>);
        impl Timed for Tell {
            fn due(self: Arc<Self>) {
                self.0.send(()).unwrap();
            }
        }
        let tell = Arc::new(Tell(tell));
        let weak = || Arc::downgrade(&tell) as Weak<dyn Timed>;
        timers.set(timers.new_id(), None, clock.now() + Duration::from_secs(3600), weak);
        timers.set(timers.new_id(), None, clock.now(), weak);
        assert_eq!(told.recv_timeout(Duration::from_secs(30)), Ok(()));
        assert!(told.try_recv().is_err());
    }
}
