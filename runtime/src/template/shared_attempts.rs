//! Attempts to open what several callers wait for.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, WeakShared};
use springhare_broker::Clock;

use crate::backoff::REFUSED_LOGIN_PAUSE;
use crate::connection::LinkError;

/// An attempt: whoever waits for it carries it on.
type Attempt<T> = BoxFuture<'static, Result<T, LinkError>>;

/// One attempt at a time, and all who want what it opens share its outcome.
///
/// It is carried on by any of them that is polled, and dropped with the last.
pub(super) struct SharedAttempts<T: Clone>(Arc<Mutex<State<T>>>);

struct State<T: Clone> {
    under_way: Option<WeakShared<Attempt<T>>>,
    refused: Option<LoginRefused>,
    is_stopped: bool,
}

/// A login that was refused is not tried again at once.
struct LoginRefused {
    error: LinkError,
    again_at: Duration,
}

impl<T: Clone + Send + Sync + 'static> SharedAttempts<T> {
    /// What is open by now, or else what an attempt opens: the one that is under way, or this one.
    ///
    /// # Errors
    ///
    /// Those of the attempt, and of the last one if it was refused the login just before.
    pub(super) async fn open(
        &self,
        clock: &Clock,
        current: impl Fn() -> Option<T>,
        attempt: impl Future<Output = Result<T, LinkError>> + Send + 'static,
    ) -> Result<T, LinkError> {
        let attempt = {
            let mut state = self.lock();
            match state.under_way.as_ref().and_then(WeakShared::upgrade) {
                Some(under_way) if under_way.peek().is_none() => under_way,
                _ => {
                    if let Some(open) = current() {
                        return Ok(open);
                    }
                    if let Some(why) = state.why_none_begins(clock) {
                        return Err(why);
                    }
                    let attempt = self.noting_refusals(clock.clone(), attempt).boxed().shared();
                    state.under_way = attempt.downgrade();
                    attempt
                }
            }
        };
        attempt.await
    }

    /// Ends what is under way, which is to be over at its next poll, and lets none begin.
    pub(super) async fn stop(&self) {
        let under_way = {
            let mut state = self.lock();
            state.is_stopped = true;
            state.under_way.take().and_then(|attempt| attempt.upgrade())
        };
        if let Some(attempt) = under_way {
            let _ = attempt.await;
        }
    }

    fn noting_refusals(
        &self,
        clock: Clock,
        attempt: impl Future<Output = Result<T, LinkError>> + Send + 'static,
    ) -> impl Future<Output = Result<T, LinkError>> + Send + 'static {
        let attempts = Self(Arc::clone(&self.0));
        async move {
            let opened = attempt.await;
            let error = opened.as_ref().err().filter(|error| error.is_login_refused());
            attempts.lock().refused = error.map(|error| LoginRefused {
                error: error.clone(),
                again_at: clock.now().saturating_add(REFUSED_LOGIN_PAUSE),
            });
            opened
        }
    }

    /// It is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> State<T> {
    fn why_none_begins(&self, clock: &Clock) -> Option<LinkError> {
        if self.is_stopped {
            return Some(LinkError::Closed { what: "connection", reason: None });
        }
        let refused = self.refused.as_ref().filter(|refused| clock.now() < refused.again_at);
        refused.map(|refused| refused.error.clone())
    }
}

impl<T: Clone> Default for SharedAttempts<T> {
    fn default() -> Self {
        let state = State { under_way: None, refused: None, is_stopped: false };
        Self(Arc::new(Mutex::new(state)))
    }
}

impl<T: Clone> fmt::Debug for SharedAttempts<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedAttempts").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, pending, ready};
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    const REFUSED: LinkError = LinkError::Closed { what: "connection", reason: None };

    /// Attempts that are counted, and end when they are told.
    #[derive(Default, Clone)]
    struct Counted {
        begun: Arc<AtomicUsize>,
        end: Arc<Notify>,
    }

    impl Counted {
        fn attempt(
            &self,
            outcome: Result<u32, LinkError>,
        ) -> impl Future<Output = Result<u32, LinkError>> + Send + 'static {
            let Self { begun, end } = self.clone();
            async move {
                begun.fetch_add(1, Ordering::Relaxed);
                end.notified().await;
                outcome
            }
        }

        fn begun(&self) -> usize {
            self.begun.load(Ordering::Relaxed)
        }
    }

    fn opened(number: u32) -> Ready<Result<u32, LinkError>> {
        ready(Ok(number))
    }

    #[test]
    fn who_comes_while_an_attempt_is_made_shares_its_failure_and_the_next_one_tries() {
        let (attempts, (clock, _hand)) = (SharedAttempts::default(), Clock::manual());
        let counted = Counted::default();
        let calls = (0..6).map(|_| attempts.open(&clock, || None, counted.attempt(Err(REFUSED))));
        let mut calls = pin!(join_all(calls));
        assert!(calls.as_mut().now_or_never().is_none());
        counted.end.notify_one();
        let failed = calls.now_or_never().expect("nobody waits once more");
        assert!(failed.iter().all(Result::is_err));
        assert_eq!(counted.begun(), 1);
        let next = attempts.open(&clock, || None, opened(7)).now_or_never();
        assert_eq!(next.unwrap().unwrap(), 7);
    }

    #[test]
    fn who_began_an_attempt_and_is_not_polled_holds_nobody_up() {
        let (attempts, (clock, _hand)) = (SharedAttempts::default(), Clock::manual());
        let counted = Counted::default();
        let mut first = pin!(attempts.open(&clock, || None, counted.attempt(Ok(7))));
        assert!(first.as_mut().now_or_never().is_none());
        let mut second = pin!(attempts.open(&clock, || None, opened(8)));
        assert!(second.as_mut().now_or_never().is_none());
        counted.end.notify_one();
        assert_eq!(second.now_or_never().unwrap().unwrap(), 7);
        // Its outcome is kept for the first, and is nobody else's.
        let third = attempts.open(&clock, || None, opened(9)).now_or_never();
        assert_eq!(third.unwrap().unwrap(), 9);
        assert_eq!(first.now_or_never().unwrap().unwrap(), 7);
    }

    #[test]
    fn callers_that_give_up_one_after_the_other_share_the_attempt_that_the_first_began() {
        let (attempts, (clock, _hand)) = (SharedAttempts::default(), Clock::manual());
        let counted = Counted::default();
        let open = || Box::pin(attempts.open(&clock, || None, counted.attempt(Ok(7))));
        let mut before = open();
        assert!((&mut before).now_or_never().is_none());
        for _ in 0..5 {
            let mut next = open();
            assert!((&mut next).now_or_never().is_none());
            before = next;
        }
        counted.end.notify_one();
        assert_eq!(before.now_or_never().unwrap().unwrap(), 7);
        assert_eq!(counted.begun(), 1);
    }

    #[test]
    fn an_attempt_is_dropped_with_the_last_who_waits_for_it() {
        let (attempts, (clock, _hand)) = (SharedAttempts::default(), Clock::manual());
        {
            let mut dropped = pin!(attempts.open(&clock, || None::<u32>, pending()));
            assert!(dropped.as_mut().now_or_never().is_none());
        }
        let next = attempts.open(&clock, || None, opened(7)).now_or_never();
        assert_eq!(next.unwrap().unwrap(), 7);
        // What is open is not opened again.
        let open = attempts.open(&clock, || Some(8), pending()).now_or_never();
        assert_eq!(open.unwrap().unwrap(), 8);
    }

    #[test]
    fn the_stop_ends_an_attempt_whose_caller_is_not_polled() {
        let (attempts, (clock, _hand)) = (SharedAttempts::default(), Clock::manual());
        let counted = Counted::default();
        let mut kept = pin!(attempts.open(&clock, || None, counted.attempt(Ok(7))));
        assert!(kept.as_mut().now_or_never().is_none());
        let mut stop = pin!(attempts.stop());
        assert!(stop.as_mut().now_or_never().is_none(), "it waits for what is under way");
        counted.end.notify_one();
        stop.now_or_never().unwrap();
        let refused = attempts.open(&clock, || None, opened(8)).now_or_never();
        assert!(matches!(refused, Some(Err(_))), "{refused:?}");
    }
}
