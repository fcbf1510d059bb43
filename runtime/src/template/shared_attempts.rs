//! Attempts to open what several callers wait for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use springhare_broker::Clock;
use tokio::sync::{Mutex, MutexGuard};

use crate::backoff::REFUSED_LOGIN_PAUSE;
use crate::connection::LinkError;

/// One attempt at a time, made by one caller for all: who comes while it is made shares its outcome.
/// Where the broker is away nobody waits for more than one attempt after the one that is under way.
#[derive(Debug, Default)]
pub(super) struct SharedAttempts {
    /// Held while an attempt is made; how the last one failed.
    under_way: Mutex<Option<Failure>>,
    /// The attempts that have ended.
    ended: AtomicU64,
}

/// An attempt that failed.
#[derive(Debug)]
struct Failure {
    /// Its number, from 1.
    attempt: u64,
    /// No other is made before: a login that is refused is not tried again at once.
    again_at: Duration,
    error: LinkError,
}

impl SharedAttempts {
    /// What is open once it is this caller's turn, or else what the attempt opens.
    ///
    /// Dropped midway, the attempt is dropped, too, and the next caller makes its own.
    pub(super) async fn open<T>(
        &self,
        clock: &Clock,
        current: impl Fn() -> Option<T>,
        attempt: impl Future<Output = Result<T, LinkError>>,
    ) -> Result<T, LinkError> {
        let asked = self.ended.load(Ordering::Acquire);
        let mut failure = self.under_way.lock().await;
        if let Some(open) = current() {
            return Ok(open);
        }
        if let Some(Failure { attempt, again_at, error }) = &*failure
            && (*attempt > asked || clock.now() < *again_at)
        {
            return Err(error.clone());
        }
        let opened = attempt.await;
        let attempt = self.ended.fetch_add(1, Ordering::AcqRel) + 1;
        *failure = opened.as_ref().err().map(|error| {
            let refused = error.is_login_refused();
            let pause = if refused { REFUSED_LOGIN_PAUSE } else { Duration::ZERO };
            let again_at = clock.now().saturating_add(pause);
            Failure { attempt, again_at, error: error.clone() }
        });
        opened
    }

    /// Waits for the end of the attempt that is under way. None begins while the guard is held.
    pub(super) async fn none_begins(&self) -> NoneBegins<'_> {
        NoneBegins { _under_way: self.under_way.lock().await }
    }
}

/// While it is there no attempt begins.
#[must_use]
pub(super) struct NoneBegins<'a> {
    _under_way: MutexGuard<'a, Option<Failure>>,
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};
    use std::pin::pin;

    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    fn refused() -> LinkError {
        LinkError::Closed { what: "connection", reason: None }
    }

    #[test]
    fn who_comes_while_an_attempt_is_made_shares_its_failure_and_the_next_one_tries() {
        let (attempts, (clock, _hand)) = (SharedAttempts::default(), Clock::manual());
        let made = Cell::new(0);
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let first = attempts.open(&clock, || None::<u32>, async {
            made.set(made.get() + 1);
            ended.await.unwrap();
            Err(refused())
        });
        let mut first = pin!(first);
        assert!(first.as_mut().now_or_never().is_none());
        let others = (0..5).map(|_| {
            attempts.open(&clock, || None::<u32>, async {
                made.set(made.get() + 1);
                Err(refused())
            })
        });
        let mut others = pin!(join_all(others));
        assert!(others.as_mut().now_or_never().is_none());
        end.send(()).unwrap();
        assert!(first.now_or_never().unwrap().is_err());
        let failed = others.now_or_never().expect("nobody waits once more");
        assert!(failed.iter().all(Result::is_err));
        assert_eq!(made.get(), 1);
        let next = attempts.open(&clock, || None, ready(Ok(7))).now_or_never();
        assert_eq!(next.unwrap().unwrap(), 7);
    }

    #[test]
    fn an_attempt_that_is_dropped_leaves_its_turn_to_the_next() {
        let (attempts, (clock, _hand)) = (SharedAttempts::default(), Clock::manual());
        {
            let mut dropped = pin!(attempts.open(&clock, || None::<u32>, pending()));
            assert!(dropped.as_mut().now_or_never().is_none());
        }
        let next = attempts.open(&clock, || None, ready(Ok(7))).now_or_never();
        assert_eq!(next.unwrap().unwrap(), 7);
        // What is open is not opened again.
        let open = attempts.open(&clock, || Some(8), pending()).now_or_never();
        assert_eq!(open.unwrap().unwrap(), 8);
    }
}
