//! When a listener with `concurrency = "2-8"` gets one consumer more, and when one less.
//!
//! Pure: the consumers are looked at once a second, and the time is handed in. The numbers are
//! Spring's: more after ten seconds in which all were busy, less after one was idle for ten, and
//! never two within ten seconds and a minute.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// The time between two looks.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many looks in a row must find all consumers busy, or one idle.
const LOOKS: u32 = 10;
/// The least time between two starts.
const START_INTERVAL: Duration = Duration::from_secs(10);
/// The least time between two stops.
const STOP_INTERVAL: Duration = Duration::from_secs(60);

/// Whether one consumer has work to do, as it tells and its scaler looks.
#[derive(Debug, Default)]
pub(crate) struct Load {
    works: AtomicBool,
    /// It was idle at some time since the last look.
    was_idle: AtomicBool,
    /// How many messages it holds while it stops.
    held: AtomicUsize,
}

impl Load {
    /// It has handled all that was delivered, and waits.
    pub(crate) fn waits(&self) {
        self.works.store(false, Ordering::Relaxed);
        self.was_idle.store(true, Ordering::Relaxed);
    }

    /// It waits no longer.
    pub(crate) fn works(&self) {
        self.works.store(true, Ordering::Relaxed);
    }

    /// Whether there was always work for it since the last look.
    pub(crate) fn was_busy(&self) -> bool {
        let works = self.works.load(Ordering::Relaxed);
        !self.was_idle.swap(!works, Ordering::Relaxed) && works
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
    fn a_consumer_that_waits_is_idle_until_it_works_again_and_was_so_at_the_next_look() {
        let load = Load::default();
        assert!(!load.was_busy(), "it has not begun");
        load.works();
        load.was_busy();
        assert!(load.was_busy());
        load.waits();
        assert!(!load.was_busy());
        assert!(!load.was_busy(), "it still waits");
        load.works();
        assert!(!load.was_busy(), "it waited since the last look");
        assert!(load.was_busy());
    }
}
