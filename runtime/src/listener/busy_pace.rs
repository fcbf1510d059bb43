//! When a consumer that handlers keep busy looks at the clock, and what it does about the time.
//!
//! Pure: the time is handed in. A look costs about as much as handling a small message, so while
//! handlers are quick only every 32nd message is followed by one.

use std::time::Duration;

/// The longest that a done message waits for its ack while handlers keep the consumer busy, and
/// that a consumer runs without letting other tasks run.
const BUSY_MAX: Duration = Duration::from_millis(1);
/// A handler that takes longer than this is timed message by message.
const QUICK: Duration = Duration::from_micros(20);
/// How many messages pass between two looks at most.
const LOOK_EVERY_MAX: u32 = 32;

/// The pace of a busy consumer.
#[derive(Debug)]
pub(crate) struct BusyPace {
    until_look: u32,
    look_every: u32,
    /// The last look since the consumer was idle.
    looked_at: Option<Duration>,
    /// When it last acknowledged for the time's sake, or became busy.
    busy_since: Duration,
}

/// What the time asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    ToGoOn,
    /// To acknowledge what is done, and to let other tasks run.
    ForABreath,
}

impl Default for BusyPace {
    fn default() -> Self {
        Self { until_look: 1, look_every: 1, looked_at: None, busy_since: Duration::ZERO }
    }
}

impl BusyPace {
    /// A message is done. Whether this one is followed by a look at the clock.
    pub(crate) fn message_done(&mut self) -> bool {
        self.until_look = self.until_look.saturating_sub(1);
        self.until_look == 0
    }

    /// What the clock shows asks for.
    pub(crate) fn look(&mut self, now: Duration) -> Time {
        let messages = self.look_every;
        let Some(looked_at) = self.looked_at.replace(now) else {
            self.busy_since = now;
            self.until_look = self.look_every;
            return Time::ToGoOn;
        };
        let quick = now.saturating_sub(looked_at) < QUICK.saturating_mul(messages);
        self.look_every = if quick { (messages * 2).min(LOOK_EVERY_MAX) } else { 1 };
        self.until_look = self.look_every;
        if now.saturating_sub(self.busy_since) < BUSY_MAX {
            return Time::ToGoOn;
        }
        self.busy_since = now;
        Time::ForABreath
    }

    /// The consumer waits: whatever comes next is a new run.
    pub(crate) fn idle(&mut self) {
        self.looked_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `messages`, each of which takes `each`; returns the looks and the breaths.
    fn run(pace: &mut BusyPace, now: &mut Duration, messages: u32, each: Duration) -> (u32, u32) {
        let (mut looks, mut breaths) = (0, 0);
        for _ in 0..messages {
            *now += each;
            if pace.message_done() {
                looks += 1;
                breaths += u32::from(pace.look(*now) == Time::ForABreath);
            }
        }
        (looks, breaths)
    }

    #[test]
    fn quick_handlers_are_seldom_timed_and_still_take_a_breath_each_millisecond() {
        let mut pace = BusyPace::default();
        let mut now = Duration::from_secs(5);
        let (looks, breaths) = run(&mut pace, &mut now, 100_000, Duration::from_nanos(200));
        assert!(looks < 100_000 / 30, "{looks}");
        assert!((15..=20).contains(&breaths), "20 ms: {breaths}");
    }

    #[test]
    fn slow_handlers_are_timed_each() {
        let mut pace = BusyPace::default();
        let mut now = Duration::ZERO;
        assert_eq!(run(&mut pace, &mut now, 10, Duration::from_millis(2)), (10, 9));
    }

    #[test]
    fn the_time_that_a_consumer_waits_does_not_count() {
        let mut pace = BusyPace::default();
        let mut now = Duration::ZERO;
        for _ in 0..10 {
            now += Duration::from_secs(1);
            let (_, breaths) = run(&mut pace, &mut now, 1, Duration::from_micros(1));
            assert_eq!(breaths, 0);
            pace.idle();
        }
    }
}
