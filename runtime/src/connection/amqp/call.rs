use std::sync::Arc;

use springhare_amqp::wire::Method;
use springhare_amqp::wire::method::basic;
use springhare_amqp::{Message, MethodId};
use springhare_broker::NoAck;
use tokio::sync::oneshot;

use super::mailbox::Mailbox;
use crate::connection::LinkError;

/// What a broker answers.
#[derive(Debug)]
pub(super) enum Reply {
    Method(Method),
    Got(basic::GetOk, Message),
}

/// A call that is not answered yet.
#[derive(Debug)]
pub(super) struct PendingCall {
    pub(super) method: MethodId,
    pub(super) waiter: Waiter,
}

/// Who waits for an answer.
#[derive(Debug)]
pub(super) enum Waiter {
    Caller(oneshot::Sender<Result<Reply, LinkError>>),
    /// Who asks for one message, and whether it is to be settled.
    Getter(oneshot::Sender<Result<Reply, LinkError>>, NoAck),
    /// Who starts a consumer, and what is delivered to it from the answer on.
    Consumer(oneshot::Sender<Result<Reply, LinkError>>, Arc<Mailbox>),
}

impl PendingCall {
    /// Whether somebody waits for the answer still.
    pub(super) fn is_awaited(&self) -> bool {
        match &self.waiter {
            Waiter::Caller(caller) | Waiter::Getter(caller, _) | Waiter::Consumer(caller, _) => {
                !caller.is_closed()
            }
        }
    }

    /// There will be no answer.
    pub(super) fn fail(self, error: LinkError) {
        match self.waiter {
            // Who gave the wait up does not miss it.
            Waiter::Caller(caller) | Waiter::Getter(caller, _) | Waiter::Consumer(caller, _) => {
                drop(caller.send(Err(error)));
            }
        }
    }
}
