use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use springhare_broker::Clock;

/// What `future` comes to; none if it takes longer than this.
pub(super) async fn in_time<F: Future>(
    clock: &Clock,
    limit: Duration,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut deadline = pin!(clock.sleep(limit));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        deadline.as_mut().poll(cx).map(|()| None)
    })
    .await
}
