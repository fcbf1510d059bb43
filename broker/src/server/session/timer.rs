use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock::{Clock, Sleep};

/// The one wait of a session.
///
/// It is set anew only to end earlier: one that ends too early costs a look at what is due, and a
/// busy connection never moves it.
#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<(Duration, Sleep)>,
}

impl Timer {
    /// Ready when it is time to look again, at `until` at the latest.
    pub(super) fn poll(
        &mut self,
        clock: &Clock,
        until: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(until) = until else { return Poll::Pending };
        if self.sleep.as_ref().is_none_or(|(due, _)| *due > until) {
            let sleep = clock.sleep(until.saturating_sub(clock.now()));
            self.sleep = Some((until, sleep));
        }
        let Some((_, sleep)) = &mut self.sleep else { return Poll::Pending };
        if Pin::new(sleep).poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.sleep = None;
        Poll::Ready(())
    }
}
