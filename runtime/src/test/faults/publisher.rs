//! A publishing path that refuses and waits at will.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use springhare_amqp::{AmqpError, MethodId, ReplyCode};

use super::Faults;
use super::connection::lost;
use crate::connection::{
    LinkPublisher, PublishBatch, PublishCall, PublishError, PublishResult, PublishWait,
};

/// A publisher on which faults happen.
#[derive(Debug)]
pub(super) struct FaultPublisher {
    pub(super) inner: Arc<dyn LinkPublisher>,
    pub(super) faults: Faults,
    /// Whether its connection is.
    pub(super) is_lost: Arc<AtomicBool>,
}

impl FaultPublisher {
    fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    /// Whether publishes wait; on a lost connection none does.
    fn is_blocked(&self, cx: &Context<'_>) -> bool {
        !self.is_lost() && self.faults.is_blocked(cx.waker())
    }

    /// Why the next publish does not even begin.
    fn fault(&self) -> Option<PublishError> {
        if self.is_lost() {
            return Some(PublishError::NotSent(lost()));
        }
        self.faults.refuses().then(|| {
            let text = "a fault of the test refuses it";
            let error = AmqpError::new(ReplyCode::InternalError, MethodId::BASIC_NACK, text);
            PublishError::Refused(error)
        })
    }

    /// The fault of a publish that has not begun; what is sent again has it still.
    fn fault_of(&self, call: &mut PublishCall) -> Option<PublishError> {
        let fault = call.publish.as_ref().and_then(|_| self.fault())?;
        if !matches!(fault, PublishError::NotSent(_)) {
            call.publish = None;
        }
        Some(fault)
    }
}

impl LinkPublisher for FaultPublisher {
    fn poll_publish(&self, cx: &mut Context<'_>, call: &mut PublishCall) -> Poll<PublishResult> {
        if call.publish.is_some() && self.is_blocked(cx) {
            return Poll::Pending;
        }
        match self.fault_of(call) {
            Some(fault) => Poll::Ready(Err(fault)),
            None => self.inner.poll_publish(cx, call),
        }
    }

    fn poll_publish_beyond_the_memory_mark(
        &self,
        cx: &mut Context<'_>,
        call: &mut PublishCall,
    ) -> Poll<PublishResult> {
        match self.fault_of(call) {
            Some(fault) => Poll::Ready(Err(fault)),
            None => self.inner.poll_publish_beyond_the_memory_mark(cx, call),
        }
    }

    fn poll_publish_many(&self, cx: &mut Context<'_>, batch: &mut PublishBatch) -> Poll<()> {
        if !batch.publishes.is_empty() && self.is_blocked(cx) {
            return Poll::Pending;
        }
        while !batch.publishes.is_empty()
            && let Some(fault) = self.fault()
        {
            batch.publishes.pop_front();
            batch.waiting.push_back(PublishWait::Known(Err(fault)));
        }
        self.inner.poll_publish_many(cx, batch)
    }
}
