//! Waiting for a condition, never for a time.

use std::future::Future;
use std::time::Duration;

/// How long a condition may take before a test is given up. Far more than any needs: it is only
/// there so that a broken test ends.
pub const LIMIT: Duration = Duration::from_secs(20);

/// How long [`eventually`] leaves the other side alone between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Asks again and again until the answer is `Some`, and returns what is in it.
///
/// # Panics
///
/// When [`LIMIT`] is over; the message names what was waited for.
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let waited = tokio::time::timeout(LIMIT, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            pause().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited {LIMIT:?} in vain until {what}"))
}

/// Waits for `future`, but no longer than [`LIMIT`].
///
/// # Panics
///
/// When [`LIMIT`] is over; the message names what was waited for.
pub async fn within_limit<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future)
        .await
        .unwrap_or_else(|_| panic!("waited {LIMIT:?} in vain for {what}"))
}

#[expect(clippy::disallowed_methods, reason = "between two looks at a condition, not instead")]
async fn pause() {
    tokio::time::sleep(PAUSE).await;
}
