//! When a handler is called again with the same delivery. Pure: chance is handed in.

use std::time::Duration;

use crate::listener::pacing::{PAUSE_MAX, PAUSE_MIN};

/// How often a handler is called with one delivery, and the pauses between.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Calls {
    /// At least one.
    max: u32,
    first: Duration,
    last: Duration,
    /// How much longer each pause is than the one before: at least 1.
    multiplier: f64,
    /// The part of a pause by which it is longer or shorter, at random: 0 to 1.
    jitter: f64,
}

impl Calls {
    /// One call, and no other.
    pub(crate) const ONE: Self =
        Self { max: 1, first: PAUSE_MIN, last: PAUSE_MAX, multiplier: 2.0, jitter: 0.0 };

    /// Pauses that begin with the first of `backoff` and double up to its second.
    pub(crate) fn new(
        max: u32,
        backoff: Option<(Duration, Duration)>,
        jitter: Option<f64>,
    ) -> Self {
        let (first, last) = backoff.unwrap_or((PAUSE_MIN, PAUSE_MAX));
        let jitter = jitter.unwrap_or_default().clamp(0.0, 1.0);
        Self { max: max.max(1), first, last, jitter, ..Self::ONE }
    }

    /// With pauses of which each is so many times as long as the one before.
    pub(crate) fn growing_by(mut self, multiplier: f64) -> Self {
        self.multiplier = multiplier.max(1.0);
        self
    }

    /// How many there are at the most.
    #[cfg(test)]
    pub(crate) fn max(self) -> u32 {
        self.max
    }

    /// How long all pauses are together at the most.
    pub(crate) fn pauses_max(self) -> Duration {
        let pauses = f64::from(self.max - 1);
        let (first, last) = (self.first.as_secs_f64(), self.last.as_secs_f64());
        let seconds = if first >= last {
            pauses * last
        } else if self.multiplier <= 1.0 || first == 0.0 {
            pauses * first
        } else {
            let growing = ((last / first).ln() / self.multiplier.ln()).ceil().min(pauses);
            let grown = first * (self.multiplier.powf(growing) - 1.0) / (self.multiplier - 1.0);
            grown + (pauses - growing) * last
        };
        Duration::try_from_secs_f64(seconds * (1.0 + self.jitter)).unwrap_or(Duration::MAX)
    }

    /// Whether there is more than one.
    pub(crate) fn are_several(self) -> bool {
        self.max > 1
    }

    /// Whether there is no other after so many.
    pub(crate) fn are_used_up_after(self, calls: u32) -> bool {
        calls >= self.max
    }

    /// The pause before the next call, after `failed` of them; none if there is no other.
    pub(crate) fn pause_after(self, failed: u32, random: u64) -> Option<Duration> {
        if failed >= self.max {
            return None;
        }
        let growths = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.first.as_secs_f64() * self.multiplier.powi(growths);
        let pause = Duration::try_from_secs_f64(seconds).unwrap_or(self.last).min(self.last);
        Some(pause.mul_f64(1.0 + self.jitter * between_minus_one_and_one(random)))
    }
}

fn between_minus_one_and_one(random: u64) -> f64 {
    let thousandths = u32::try_from(random % 2001).unwrap_or_default();
    f64::from(thousandths) / 1000.0 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis(calls: Calls, random: u64) -> Vec<u128> {
        let pauses = (1..).map_while(|failed| calls.pause_after(failed, random));
        pauses.map(|pause| pause.as_millis()).collect()
    }

    #[test]
    fn the_pauses_double_up_to_the_last() {
        let backoff = Some((Duration::from_millis(100), Duration::from_millis(500)));
        assert_eq!(millis(Calls::new(6, backoff, None), 7), [100, 200, 400, 500, 500]);
        assert!(millis(Calls::ONE, 0).is_empty());
        assert_eq!(Calls::new(0, None, None).max(), 1);
    }

    #[test]
    fn the_pauses_grow_by_another_factor_where_one_is_given() {
        let backoff = Some((Duration::from_millis(100), Duration::from_secs(1)));
        let calls = Calls::new(5, backoff, None);
        assert_eq!(millis(calls.growing_by(3.0), 7), [100, 300, 900, 1000]);
        assert_eq!(millis(calls.growing_by(1.0), 7), [100, 100, 100, 100]);
        assert_eq!(millis(calls.growing_by(1.5), 7), [100, 150, 225, 337]);
    }

    #[test]
    fn all_pauses_together_are_known_without_counting_them() {
        let second = Duration::from_secs(1);
        let calls = |max, first, last| Calls::new(max, Some((first, last)), None);
        let some = calls(6, second / 10, second / 2);
        assert_eq!(some.pauses_max(), Duration::from_millis(100 + 200 + 400 + 500 + 500));
        assert_eq!(calls(4, second, 9 * second).pauses_max(), 7 * second);
        assert_eq!(calls(4, second, 9 * second).growing_by(1.0).pauses_max(), 3 * second);
        assert_eq!(calls(u32::MAX, second, second).pauses_max(), (u32::MAX - 1) * second);
        assert_eq!(calls(u32::MAX, Duration::ZERO, second).pauses_max(), Duration::ZERO);
        assert_eq!(calls(3, 9 * second, second).pauses_max(), 2 * second);
        assert_eq!(Calls::ONE.pauses_max(), Duration::ZERO);
        let jitter = Calls::new(3, Some((second, second)), Some(0.5));
        assert_eq!(jitter.pauses_max(), 3 * second);
    }

    #[test]
    fn jitter_makes_pauses_longer_and_shorter_by_its_part() {
        let second = Duration::from_secs(1);
        let calls = Calls::new(2, Some((second, second)), Some(0.2));
        assert_eq!(millis(calls, 0), [800]);
        assert_eq!(millis(calls, 1000), [1000]);
        assert_eq!(millis(calls, 2000), [1200]);
    }

    proptest! {
        #[test]
        fn the_pauses_are_no_longer_than_all_of_them_may_be(
            max in 1..100_u32, first in 0..10_000_u64, more in 0..10_000_u64,
            multiplier in 1.0..4.0, jitter in 0.0..=1.0,
        ) {
            let (first, last) = (Duration::from_millis(first), Duration::from_millis(first + more));
            let calls = Calls::new(max, Some((first, last)), Some(jitter)).growing_by(multiplier);
            // The longest that chance makes of each.
            let pauses = (1..).map_while(|failed| calls.pause_after(failed, 2000));
            let sum = pauses.sum::<Duration>();
            let most = calls.pauses_max() + Duration::from_millis(1);
            prop_assert!(sum <= most, "{sum:?} {most:?}");
            // The last of those that grow may be less than it would have grown to.
            prop_assert!(most <= sum + last * 2 + Duration::from_millis(2), "{sum:?} {most:?}");
        }

        #[test]
        fn no_pause_is_out_of_its_bounds(
            max in 1..100_u32, first in 0..10_000_u64, more in 0..10_000_u64,
            jitter in 0.0..=1.0, failed in 1..200_u32, random: u64,
        ) {
            let (first, last) = (Duration::from_millis(first), Duration::from_millis(first + more));
            let calls = Calls::new(max, Some((first, last)), Some(jitter));
            let pause = calls.pause_after(failed, random);
            prop_assert_eq!(pause.is_some(), failed < max);
            if let Some(pause) = pause {
                prop_assert!(pause <= last * 2);
                prop_assert!(pause + Duration::from_nanos(9) >= first.mul_f64(1.0 - jitter));
            }
        }
    }
}
