//! Waiting for a condition: bounded, and a step at a time.

use std::io;
use std::time::Duration;

/// How long a node is left alone between two looks at it.
const STEP: Duration = Duration::from_millis(50);

/// How many looks a start may take: five minutes of [`STEP`]s. An idle machine needs five seconds
/// for a node, and fifteen for three at once on two cores; one that a dozen compilers share has
/// needed more than two minutes.
pub(crate) const START_LOOKS: u32 = 6000;

/// How long a process may take to be gone once it was killed.
pub(crate) const END_LIMIT: Duration = Duration::from_secs(20);

/// Looks again and again until there is something; None after [`START_LOOKS`] looks.
///
/// # Errors
///
/// What a look fails with.
pub(crate) fn eventually<T>(
    mut look: impl FnMut() -> io::Result<Option<T>>,
) -> io::Result<Option<T>> {
    for _ in 0..START_LOOKS {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        pause();
    }
    Ok(None)
}

#[expect(clippy::disallowed_methods, reason = "between two looks at a condition, not instead")]
fn pause() {
    std::thread::sleep(STEP);
}
