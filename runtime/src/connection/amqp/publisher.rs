use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use springhare_broker::Publish;
use tokio::sync::oneshot;

use super::opened::OpenedConnection;
use super::publishing::HandOver;

use crate::connection::{
    Confirmation, LinkError, LinkPublisher, PublishBatch, PublishCall, PublishError, PublishResult,
    PublishWait,
};

/// The publishing path of a connection.
pub(super) struct AmqpPublisher {
    pub(super) connection: Arc<OpenedConnection>,
}

impl fmt::Debug for AmqpPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpPublisher").finish_non_exhaustive()
    }
}

impl AmqpPublisher {
    /// Hands a publish over; who finds no room is woken once there may be some.
    fn hand_over(
        &self,
        cx: &mut Context<'_>,
        publish: Publish,
        waiter: Option<oneshot::Sender<PublishResult>>,
    ) -> HandOver {
        let taken = {
            let mut guard = self.connection.shared.lock();
            let state = &mut *guard;
            if !state.client.is_open() {
                let closing = LinkError::Closed { what: "connection", reason: None };
                let error = state.closed().cloned().unwrap_or(closing);
                return HandOver::NotSent(publish, error);
            }
            let taken = if state.is_blocked() {
                HandOver::NoRoom(publish)
            } else {
                state.publishing.publish(&mut state.client, publish, waiter)
            };
            if let HandOver::NoRoom(_) = &taken {
                state.wait_for_room(cx.waker());
            }
            taken
        };
        self.connection.shared.wake_driver();
        taken
    }

    /// The channel that a publish would go on, if one is open for it.
    fn path(&self, publish: &Publish) -> Option<u16> {
        self.connection.shared.lock().publishing.path(publish)
    }
}

impl LinkPublisher for AmqpPublisher {
    fn poll_publish(&self, cx: &mut Context<'_>, call: &mut PublishCall) -> Poll<PublishResult> {
        let budget = ready!(tokio::task::coop::poll_proceed(cx));
        if let Some(publish) = call.publish.take() {
            let (waiter, waiting) = oneshot::channel();
            let waiter = (call.confirmation == Confirmation::Awaited).then_some(waiter);
            match self.hand_over(cx, publish, waiter) {
                HandOver::Sent(_) => budget.made_progress(),
                HandOver::NoRoom(publish) => {
                    call.publish = Some(publish);
                    return Poll::Pending;
                }
                HandOver::NotSent(publish, error) => {
                    call.publish = Some(publish);
                    return Poll::Ready(Err(PublishError::NotSent(error)));
                }
                HandOver::Failed(error) => return Poll::Ready(Err(error)),
            }
            if call.confirmation == Confirmation::Unconfirmed {
                return Poll::Ready(Ok(()));
            }
            call.waiting = Some(PublishWait::Answer(waiting));
        }
        match &mut call.waiting {
            Some(waiting) => poll_result(cx, waiting),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_publish_many(&self, cx: &mut Context<'_>, batch: &mut PublishBatch) -> Poll<()> {
        loop {
            while let Some(waiting) = batch.waiting.front_mut()
                && let Poll::Ready(result) = poll_result(cx, waiting)
            {
                batch.results.push_back(result);
                batch.waiting.pop_front();
            }
            let Some(publish) = batch.publishes.pop_front() else {
                let is_done = batch.waiting.len() <= batch.open_max;
                return if is_done { Poll::Ready(()) } else { Poll::Pending };
            };
            // The broker works its channels off beside each other: what goes on another one has to
            // wait, or it could come first.
            let path = self.path(&publish);
            if !batch.waiting.is_empty() && (path.is_none() || path != batch.path) {
                batch.publishes.push_front(publish);
                return Poll::Pending;
            }
            let (waiter, waiting) = oneshot::channel();
            match self.hand_over(cx, publish, Some(waiter)) {
                HandOver::Sent(channel) => {
                    batch.path = Some(channel);
                    batch.waiting.push_back(PublishWait::Answer(waiting));
                }
                HandOver::NoRoom(publish) => {
                    batch.publishes.push_front(publish);
                    return Poll::Pending;
                }
                HandOver::NotSent(_, error) => {
                    let error = PublishError::NotSent(error);
                    batch.waiting.push_back(PublishWait::Known(Err(error)));
                }
                HandOver::Failed(error) => batch.waiting.push_back(PublishWait::Known(Err(error))),
            }
        }
    }
}

fn poll_result(cx: &mut Context<'_>, waiting: &mut PublishWait) -> Poll<PublishResult> {
    let lost = || PublishError::Unknown(LinkError::Closed { what: "connection", reason: None });
    match waiting {
        PublishWait::Answer(answer) => {
            let result = ready!(Pin::new(answer).poll(cx));
            Poll::Ready(result.unwrap_or_else(|_| Err(lost())))
        }
        PublishWait::Known(result) => Poll::Ready(std::mem::replace(result, Ok(()))),
        // Another link has it.
        PublishWait::Disk(_) => Poll::Ready(Err(lost())),
    }
}
