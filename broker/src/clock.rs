//! Time, as the broker sees it: the system's, or driven by hand in tests.
//!
//! The clock counts from its own start; nothing in the model reads it, time is handed in.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The broker's clock. A clone shows the same time.
///
/// ```
/// use std::time::Duration;
/// use springhare_broker::Clock;
///
/// let (clock, hand) = Clock::manual();
/// hand.advance(Duration::from_secs(5));
/// assert_eq!(clock.now(), Duration::from_secs(5));
/// ```
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System { start: tokio::time::Instant, start_since_epoch: Duration },
    Manual(Arc<Mutex<Hand>>),
}

/// Where the wall-clock time of a manual clock starts: 2026-01-01 UTC.
const MANUAL_START: Duration = Duration::from_secs(1_767_225_600);

/// The bit in the number of a sleeper that only watches.
const WATCHES: u64 = 1 << 63;

/// Moves a [manual clock](Clock::manual) forward.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Hand>>);

#[derive(Debug, Default)]
struct Hand {
    now: Duration,
    /// Who sleeps, by the time they wake and the order they came in.
    sleepers: BTreeMap<(Duration, u64), Waker>,
    next_sleeper: u64,
    /// What happens while the hand is moved, in the same order.
    alarms: BTreeMap<(Duration, u64), Weak<dyn Alarm>>,
}

/// What is done while the hand of a clock is moved.
pub(crate) trait Alarm: std::fmt::Debug + Send + Sync {
    /// It is the time that was asked for.
    fn ring(self: Arc<Self>);
}

impl Clock {
    /// The system's monotonic clock.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the clock is where time comes from")]
    pub fn system() -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self(Source::System {
            start: std::time::Instant::now().into(),
            start_since_epoch: since_epoch.unwrap_or_default(),
        })
    }

    /// A clock that stands still until its hand moves it.
    #[must_use]
    pub fn manual() -> (Self, ManualClock) {
        let hand = Arc::new(Mutex::new(Hand::default()));
        (Self(Source::Manual(Arc::clone(&hand))), ManualClock(hand))
    }

    /// The time since the clock's start.
    #[must_use]
    pub fn now(&self) -> Duration {
        match &self.0 {
            Source::System { start, .. } => start.elapsed(),
            Source::Manual(hand) => lock(hand).now,
        }
    }

    /// The wall-clock time since 1970-01-01 UTC; a manual clock starts at 2026-01-01.
    #[must_use]
    pub fn unix_time(&self) -> Duration {
        self.epoch().saturating_add(self.now())
    }

    /// The wall-clock time at the clock's start.
    pub(crate) fn epoch(&self) -> Duration {
        match &self.0 {
            Source::System { start_since_epoch, .. } => *start_since_epoch,
            Source::Manual(_) => MANUAL_START,
        }
    }

    /// Waits until `duration` has passed on this clock.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the wait up and leaves nothing behind.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_as(0, duration)
    }

    /// Waits until this time of the clock.
    ///
    /// # Cancel safety
    ///
    /// As [`sleep`](Self::sleep).
    pub fn sleep_until(&self, at: Duration) -> Sleep {
        match &self.0 {
            Source::System { .. } => self.sleep(at.saturating_sub(self.now())),
            Source::Manual(hand) => Sleep { state: SleepState::at(hand, &mut lock(hand), at, 0) },
        }
    }

    /// As [`sleep`](Self::sleep), for who looks after others now and then and does nothing by itself:
    /// it is not among the [`sleepers`](ManualClock::sleepers) that a test waits for.
    ///
    /// # Cancel safety
    ///
    /// As [`sleep`](Self::sleep).
    pub fn watch(&self, duration: Duration) -> Sleep {
        self.sleep_as(WATCHES, duration)
    }

    fn sleep_as(&self, kind: u64, duration: Duration) -> Sleep {
        let state = match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the clock is where waiting is done")]
            Source::System { .. } => SleepState::System(Box::pin(tokio::time::sleep(duration))),
            Source::Manual(hand) => {
                let mut guard = lock(hand);
                let at = guard.now.saturating_add(duration);
                SleepState::at(hand, &mut guard, at, kind)
            }
        };
        Sleep { state }
    }
}

impl Clock {
    /// Lets `alarm` ring at this time, if this clock is driven by hand; whether it is.
    pub(crate) fn set_alarm(&self, at: Duration, alarm: Weak<dyn Alarm>) -> bool {
        let Source::Manual(hand) = &self.0 else { return false };
        let mut hand = lock(hand);
        let key = (at, hand.next_sleeper);
        hand.next_sleeper += 1;
        hand.alarms.insert(key, alarm);
        true
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl ManualClock {
    /// Moves the clock forward and wakes everyone whose time has come.
    ///
    /// What the broker does at a time (messages and queues expire, delays end) it does meanwhile,
    /// each at its time: it is done when this returns.
    pub fn advance(&self, duration: Duration) {
        let end = lock(&self.0).now.saturating_add(duration);
        loop {
            let next = lock(&self.0).next_alarm(end);
            let Some(alarm) = next else { break };
            if let Some(alarm) = alarm.upgrade() {
                alarm.ring();
            }
        }
        let due = {
            let mut hand = lock(&self.0);
            let now = hand.now.max(end);
            hand.now = now;
            let later = hand.sleepers.split_off(&(now, u64::MAX));
            std::mem::replace(&mut hand.sleepers, later)
        };
        for waker in due.into_values() {
            waker.wake();
        }
    }

    /// How many sleepers wait: a test waits for one before it moves the clock.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        lock(&self.0).sleepers.keys().filter(|(_, number)| number & WATCHES == 0).count()
    }
}

impl Hand {
    /// Moves to the next alarm that rings until then, and takes it out.
    fn next_alarm(&mut self, end: Duration) -> Option<Weak<dyn Alarm>> {
        let first = self.alarms.first_entry().filter(|first| first.key().0 <= end)?;
        self.now = self.now.max(first.key().0);
        Some(first.remove())
    }
}

/// A wait on a [`Clock`].
#[derive(Debug)]
#[must_use = "a sleep does nothing unless awaited"]
pub struct Sleep {
    state: SleepState,
}

#[derive(Debug)]
enum SleepState {
    System(Pin<Box<tokio::time::Sleep>>),
    Manual { hand: Arc<Mutex<Hand>>, key: (Duration, u64) },
}

impl SleepState {
    fn at(hand: &Arc<Mutex<Hand>>, guard: &mut Hand, at: Duration, kind: u64) -> Self {
        let key = (at, guard.next_sleeper | kind);
        guard.next_sleeper += 1;
        Self::Manual { hand: Arc::clone(hand), key }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            SleepState::System(sleep) => sleep.as_mut().poll(cx),
            SleepState::Manual { hand, key } => {
                let mut hand = lock(hand);
                if hand.now >= key.0 {
                    hand.sleepers.remove(key);
                    return Poll::Ready(());
                }
                hand.sleepers.insert(*key, cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let SleepState::Manual { hand, key } = &self.state {
            lock(hand).sleepers.remove(key);
        }
    }
}

/// The hand is whole between any two statements, so a panic elsewhere leaves nothing half done.
fn lock(hand: &Mutex<Hand>) -> MutexGuard<'_, Hand> {
    hand.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn a_sleeper_wakes_when_its_time_has_come_and_not_before() {
        let (clock, hand) = Clock::manual();
        let mut sleep = Box::pin(clock.sleep(Duration::from_secs(10)));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        hand.advance(Duration::from_secs(9));
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        assert_eq!(hand.sleepers(), 1);
        hand.advance(Duration::from_secs(1));
        assert!(sleep.as_mut().poll(&mut cx).is_ready());
        assert_eq!(hand.sleepers(), 0);
    }

    #[test]
    fn a_dropped_sleep_leaves_nothing_behind() {
        let (clock, hand) = Clock::manual();
        let mut sleep = Box::pin(clock.sleep(Duration::from_secs(10)));
        assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(sleep);
        assert_eq!(hand.sleepers(), 0);
    }

    #[test]
    fn who_watches_is_woken_and_not_counted() {
        let (clock, hand) = Clock::manual();
        let mut watch = Box::pin(clock.watch(Duration::from_secs(10)));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(watch.as_mut().poll(&mut cx).is_pending());
        assert_eq!(hand.sleepers(), 0);
        hand.advance(Duration::from_secs(10));
        assert!(watch.as_mut().poll(&mut cx).is_ready());
    }

    #[test]
    fn the_system_clock_goes_forward() {
        let clock = Clock::system();
        let first = clock.now();
        assert!(clock.now() >= first);
    }
}
