//! The one place where the programs of this package read the time and wait for it: real time is
//! what they measure.
#![expect(clippy::disallowed_methods, reason = "real time is what is measured here")]

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since this process asked first.
pub fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    nanoseconds(START.get_or_init(Instant::now).elapsed())
}

/// Nanoseconds since 1970-01-01 UTC, to compare with another process.
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanoseconds)
}

/// Sleeps until [`now`] is `at`; the kernel adds its slack of about 50 us.
pub fn wait_until(at: u64) {
    thread::sleep(Duration::from_nanos(at.saturating_sub(now())));
}

/// Sleeps for so long: to let a broker come to rest, or between two looks at a condition.
pub fn pause(duration: Duration) {
    thread::sleep(duration);
}

/// A length of time; those of a run fit by far.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
