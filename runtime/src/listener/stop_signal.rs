//! How a consumer's task is told to stop.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Poll, Waker};

use futures_util::task::AtomicWaker;

/// How far a stop has come. It only ever goes forward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum StopPhase {
    /// Not at all.
    #[default]
    Running = 0,
    /// Take nothing new, finish what was prefetched.
    Draining = 1,
    /// Finish the message in hand and hand the others back by closing the channel.
    Returning = 2,
    /// End now; what is not settled is requeued.
    Forced = 3,
}

/// Tells one task to stop. Only that task may wait on it.
#[derive(Debug, Default)]
pub(crate) struct StopSignal {
    phase: AtomicU8,
    waker: AtomicWaker,
}

impl StopSignal {
    pub(crate) fn phase(&self) -> StopPhase {
        match self.phase.load(Ordering::Acquire) {
            0 => StopPhase::Running,
            1 => StopPhase::Draining,
            2 => StopPhase::Returning,
            _ => StopPhase::Forced,
        }
    }

    /// Whether the task is to stop at all.
    pub(crate) fn is_raised(&self) -> bool {
        self.phase() != StopPhase::Running
    }

    /// Raises the phase to at least this one, and wakes the task.
    pub(crate) fn raise(&self, phase: StopPhase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        self.waker.wake();
    }

    /// The phase now; the task is woken when it rises.
    pub(crate) fn watch(&self, waker: &Waker) -> StopPhase {
        self.waker.register(waker);
        self.phase()
    }

    /// Carries `future` on until it is done, or until the stop comes to `phase`: then none.
    pub(crate) async fn unless<F: Future>(&self, phase: StopPhase, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            if self.watch(cx.waker()) >= phase { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    /// Carries `future` on until it is done or the stop is forced.
    pub(crate) async fn unless_forced<F: Future>(&self, future: F) -> Option<F::Output> {
        self.unless(StopPhase::Forced, future).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_only_goes_forward() {
        let stop = StopSignal::default();
        assert_eq!(stop.watch(Waker::noop()), StopPhase::Running);
        stop.raise(StopPhase::Forced);
        stop.raise(StopPhase::Draining);
        assert_eq!(stop.phase(), StopPhase::Forced);
    }
}
