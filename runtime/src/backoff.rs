//! The pauses between attempts to get back what was lost.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The pause after the first attempt that failed; the first attempt itself is made at once.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The pause that the doubling ends at.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// The least pause after a refused login. It helps nobody to be refused more often, and the broker
/// may lock out who tries.
pub(crate) const REFUSED_LOGIN_PAUSE: Duration = Duration::from_secs(30);

/// Grows with every attempt that fails. Each pause is changed at random, by half at most, so
/// that those that were lost together do not come back together.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The pause after a loss: none, unless losses follow one another.
    pub(crate) fn after_loss(&mut self) -> Duration {
        self.next_pause_by(random())
    }

    /// The pause after an attempt that failed.
    pub(crate) fn after_failure(&mut self) -> Duration {
        self.attempts = self.attempts.max(1);
        self.next_pause_by(random())
    }

    /// The pause after a login that was refused: [`REFUSED_LOGIN_PAUSE`] or more.
    pub(crate) fn after_refused_login(&mut self) -> Duration {
        self.attempts = self.attempts.max(1).saturating_add(1);
        REFUSED_LOGIN_PAUSE + REFUSED_LOGIN_PAUSE / 1000 * thousandths_of_a_half(random())
    }

    fn next_pause_by(&mut self, random: u64) -> Duration {
        let doublings = self.attempts.checked_sub(1);
        self.attempts = self.attempts.saturating_add(1);
        let Some(doublings) = doublings else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let pause = PAUSE_MIN.saturating_mul(factor).min(PAUSE_MAX);
        pause - pause / 1000 * thousandths_of_a_half(random)
    }

    /// How many attempts have failed, or were lost soon, since all was well.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts.saturating_sub(1)
    }

    /// Whether this failure is told aloud: of many in a row the first, second, fourth, eighth
    /// and so on are.
    pub(crate) fn is_told(&self) -> bool {
        self.attempts().is_power_of_two()
    }

    /// All is well: the next loss begins anew.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }
}

/// Any number.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn thousandths_of_a_half(random: u64) -> u32 {
    u32::try_from(random % 501).unwrap_or_default()
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
        assert_eq!(backoff.after_loss(), Duration::ZERO);
    }

    #[test]
    fn an_attempt_that_fails_is_never_followed_by_the_next_at_once() {
        let mut backoff = Backoff::default();
        assert!(backoff.after_failure() >= PAUSE_MIN / 2);
        assert_eq!(backoff.attempts(), 1);
        assert!(backoff.is_told());
        backoff.after_failure();
        backoff.after_failure();
        assert_eq!((backoff.attempts(), backoff.is_told()), (3, false));
    }

    #[test]
    fn jitter_changes_a_pause_by_half_at_most() {
        for random in [0, 500, 501, 77_777, u64::MAX] {
            let mut backoff = Backoff { attempts: 20 };
            let pause = backoff.next_pause_by(random);
            assert!(pause >= PAUSE_MAX / 2 && pause <= PAUSE_MAX, "{pause:?}");
        }
        for _ in 0..100 {
            let pause = Backoff::default().after_refused_login();
            assert!(pause >= REFUSED_LOGIN_PAUSE && pause <= REFUSED_LOGIN_PAUSE * 3 / 2);
        }
    }
}
