use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use springhare_amqp::ShortString;
use springhare_broker::{ConsumerEnd, Delivery};

use super::mailbox::Mailbox;
use super::opened::OpenedChannel;
use crate::connection::LinkConsumer;

/// A started consumer.
pub(super) struct AmqpConsumer {
    pub(super) opened: Arc<OpenedChannel>,
    pub(super) mailbox: Arc<Mailbox>,
}

impl fmt::Debug for AmqpConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpConsumer")
            .field("channel", &self.opened.number)
            .field("tag", self.mailbox.tag())
            .finish_non_exhaustive()
    }
}

impl LinkConsumer for AmqpConsumer {
    fn tag(&self) -> &ShortString {
        self.mailbox.tag()
    }

    fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut VecDeque<Delivery>,
        max: usize,
    ) -> Poll<usize> {
        let budget = ready!(tokio::task::coop::poll_proceed(cx));
        let (taken, made_room) = ready!(self.mailbox.poll_take(cx, buffer, max.max(1)));
        budget.made_progress();
        if made_room {
            self.opened.connection.shared.wake_driver();
        }
        Poll::Ready(taken)
    }

    fn end(&self) -> Option<ConsumerEnd> {
        self.mailbox.ended()
    }
}

impl Drop for AmqpConsumer {
    fn drop(&mut self) {
        self.opened.abandon(&self.mailbox);
    }
}
