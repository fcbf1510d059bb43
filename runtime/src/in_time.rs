use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use springhare_broker::Clock;

/// What `future` comes to; none if it takes longer than this. The time begins once it has to wait, and one
/// that is ready at once asks no clock.
pub(crate) async fn in_time<F: Future>(
    clock: &Clock,
    limit: Duration,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut deadline = None;
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        let deadline = deadline.get_or_insert_with(|| clock.sleep(limit));
        Pin::new(deadline).poll(cx).map(|()| None)
    })
    .await
}
