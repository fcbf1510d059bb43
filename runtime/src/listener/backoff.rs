//! The pauses between attempts to get a lost consumer back.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The pause after the first attempt that failed; the first attempt itself is made at once.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The pause that the doubling ends at.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Grows with every attempt that fails. Each pause is shortened at random, by half at most, so
/// that consumers that were lost together do not come back together.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The pause before the next attempt.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let random = RandomState::new().build_hasher().finish();
        self.next_pause_by(random)
    }

    fn next_pause_by(&mut self, random: u64) -> Duration {
        let doublings = self.attempts.checked_sub(1);
        self.attempts = self.attempts.saturating_add(1);
        let Some(doublings) = doublings else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let pause = PAUSE_MIN.saturating_mul(factor).min(PAUSE_MAX);
        let thousandths = u32::try_from(random % 501).unwrap_or_default();
        pause - pause / 1000 * thousandths
    }

    /// The consumer is back: the next loss begins anew.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_is_at_once_and_the_pauses_double_up_to_five_seconds() {
        let mut backoff = Backoff::default();
        let millis: Vec<u128> = (0..9).map(|_| backoff.next_pause_by(0).as_millis()).collect();
        assert_eq!(millis, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        backoff.reset();
        assert_eq!(backoff.next_pause(), Duration::ZERO);
    }

    #[test]
    fn jitter_shortens_a_pause_by_half_at_most() {
        for random in [0, 500, 501, 77_777, u64::MAX] {
            let mut backoff = Backoff { attempts: 20 };
            let pause = backoff.next_pause_by(random);
            assert!(pause >= PAUSE_MAX / 2 && pause <= PAUSE_MAX, "{pause:?}");
        }
    }
}
