//! When a listener with `concurrency = "2-8"` gets one consumer more, and when one less.
//!
//! Pure: the consumers are looked at once a second, and the time is handed in. The numbers are
//! Spring's: more after ten seconds in which all were busy, less after one was idle for ten, and
//! never two within ten seconds and a minute.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use springhare_broker::Clock;

/// The time between two looks.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many looks in a row must find all consumers busy, or one idle.
const LOOKS: u32 = 10;
/// The least time between two starts.
const START_INTERVAL: Duration = Duration::from_secs(10);
/// The least time between two stops.
const STOP_INTERVAL: Duration = Duration::from_secs(60);

/// Who rests for less than one part in so many of the time is busy: a consumer with
/// `prefetch = 1` waits for the broker after each message.
const REST_SHARE_OF_BUSY: u32 = 4;

/// Whether one consumer has work to do, as it tells and its scaler looks.
#[derive(Debug, Default)]
pub(crate) struct Load {
    rest: Mutex<Rest>,
    /// How many messages it holds while it stops.
    held: AtomicUsize,
}

/// When a consumer had nothing to do, since the last look.
#[derive(Debug, Default)]
struct Rest {
    /// It has work.
    works: bool,
    /// Since when it does, or does not.
    since: Duration,
    rested: Duration,
    looked: Duration,
}

impl Rest {
    /// Counts what has passed since the last change.
    fn pass(&mut self, now: Duration) {
        if !self.works {
            self.rested = self.rested.saturating_add(now.saturating_sub(self.since));
        }
        self.since = now;
    }
}

impl Load {
    /// It has handled all that was delivered, and waits.
    pub(crate) fn waits(&self, clock: &Clock) {
        self.change(clock, false);
    }

    /// It waits no longer.
    pub(crate) fn works(&self, clock: &Clock) {
        self.change(clock, true);
    }

    fn change(&self, clock: &Clock, works: bool) {
        let mut rest = self.rest();
        rest.pass(clock.now());
        rest.works = works;
    }

    /// Whether there was work for it most of the time since the last look.
    pub(crate) fn was_busy(&self, now: Duration) -> bool {
        let mut rest = self.rest();
        rest.pass(now);
        let passed = now.saturating_sub(std::mem::replace(&mut rest.looked, now));
        let rested = std::mem::take(&mut rest.rested);
        rested.saturating_mul(REST_SHARE_OF_BUSY) < passed
    }

    /// It is whole between any two statements.
    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It stops, and so many messages are not finished.
    pub(crate) fn holds(&self, messages: usize) {
        self.held.store(messages, Ordering::Relaxed);
    }

    /// The messages that it holds, if it stops.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// What the look asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    More,
    Less,
}

/// The number of one listener's consumers of one queue.
#[derive(Debug)]
pub(crate) struct Scaling {
    min: u16,
    max: u16,
    busy_looks: u32,
    idle_looks: u32,
    changed_up: Duration,
    changed_down: Duration,
}

impl Scaling {
    /// Between `min` and `max` consumers, of which `min` have been started now.
    pub(crate) fn new(min: u16, max: u16, now: Duration) -> Self {
        Self { min, max, busy_looks: 0, idle_looks: 0, changed_up: now, changed_down: now }
    }

    /// `consumers` run, and so many of them were busy since the last look.
    pub(crate) fn look(&mut self, now: Duration, consumers: u16, busy: u16) -> Change {
        if busy >= consumers {
            self.busy_looks = self.busy_looks.saturating_add(1);
            self.idle_looks = 0;
        } else {
            self.idle_looks = self.idle_looks.saturating_add(1);
            self.busy_looks = 0;
        }
        let since = |then: Duration| now.saturating_sub(then);
        if self.busy_looks >= LOOKS
            && consumers < self.max
            && since(self.changed_up) >= START_INTERVAL
        {
            self.busy_looks = 0;
            self.changed_up = now;
            // One that was just started is not to be taken away at once.
            self.changed_down = now;
            return Change::More;
        }
        if self.idle_looks >= LOOKS
            && consumers > self.min
            && since(self.changed_down) >= STOP_INTERVAL
        {
            self.idle_looks = 0;
            self.changed_down = now;
            return Change::Less;
        }
        Change::Nothing
    }

    /// Other bounds from now on.
    pub(crate) fn set(&mut self, min: u16, max: u16) {
        (self.min, self.max) = (min, max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks once a second for so long, with this share of busy consumers; returns how many there
    /// are at which second.
    struct Watch {
        scaling: Scaling,
        second: u64,
        consumers: u16,
    }

    impl Watch {
        fn of(min: u16, max: u16) -> Self {
            Self { scaling: Scaling::new(min, max, Duration::ZERO), second: 0, consumers: min }
        }

        fn run(&mut self, seconds: u64, idle: u16) -> Vec<(u64, u16)> {
            let mut changes = Vec::new();
            for _ in 0..seconds {
                self.second += 1;
                let now = Duration::from_secs(self.second);
                let busy = self.consumers.saturating_sub(idle);
                match self.scaling.look(now, self.consumers, busy) {
                    Change::Nothing => continue,
                    Change::More => self.consumers += 1,
                    Change::Less => self.consumers -= 1,
                }
                changes.push((self.second, self.consumers));
            }
            changes
        }
    }

    #[test]
    fn there_is_one_more_for_each_ten_seconds_of_work_up_to_the_most() {
        let mut watch = Watch::of(2, 4);
        assert_eq!(watch.run(60, 0), [(10, 3), (20, 4)]);
    }

    #[test]
    fn there_is_one_less_a_minute_while_one_is_idle_down_to_the_least() {
        let mut watch = Watch::of(2, 4);
        watch.run(20, 0);
        assert_eq!(watch.run(200, 1), [(80, 3), (140, 2)]);
    }

    #[test]
    fn a_second_of_rest_begins_the_count_anew() {
        let mut watch = Watch::of(1, 8);
        for _ in 0..5 {
            assert_eq!(watch.run(9, 0), []);
            assert_eq!(watch.run(1, 1), []);
        }
    }

    #[test]
    fn other_bounds_hold_from_the_next_look_on() {
        let mut watch = Watch::of(1, 2);
        assert_eq!(watch.run(30, 0), [(10, 2)]);
        watch.scaling.set(1, 3);
        assert_eq!(watch.run(1, 0), [(31, 3)]);
    }

    #[test]
    fn who_waits_for_the_broker_after_each_message_is_busy_and_who_rests_is_not() {
        let (clock, hand) = Clock::manual();
        let load = Load::default();
        let second = |works: u64, waits: u64| {
            for _ in 0..1000 / (works + waits) {
                load.works(&clock);
                hand.advance(Duration::from_millis(works));
                load.waits(&clock);
                hand.advance(Duration::from_millis(waits));
            }
            load.was_busy(clock.now())
        };
        assert!(second(1000, 0));
        assert!(second(20, 5));
        assert!(!second(20, 20));
        assert!(!second(1, 99));
        assert!(second(20, 5), "each look is about the time since the last");
    }

    #[test]
    fn a_consumer_that_has_not_begun_is_idle_and_one_that_handles_a_long_message_is_busy() {
        let (clock, hand) = Clock::manual();
        let load = Load::default();
        let second = || {
            hand.advance(Duration::from_secs(1));
            load.was_busy(clock.now())
        };
        assert!(!second());
        load.works(&clock);
        assert!(second() && second());
        load.waits(&clock);
        assert!(!second() && !second());
    }
}
