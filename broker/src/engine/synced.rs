//! What was promised: it is told once it is on the disk.

use std::task::{Poll, Waker};

use springhare_amqp::{AmqpError, MethodId, ReplyCode};

use super::channel_cell::ChannelCell;
use super::shared::Shared;
use crate::model::stored::Lsn;
use crate::store::Failure;

impl Shared {
    /// Whether everything up to there is safe, as far as the broker promises that; otherwise the
    /// waker is called when it is, or can't be any more. Without a journal nothing is waited for.
    pub(crate) fn poll_synced(&self, end: Lsn, waker: &Waker) -> Poll<Result<(), Failure>> {
        match self.journal() {
            Some(journal) if end != Lsn::NONE => journal.poll_synced(end, waker),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Whether everything up to there is safe by now.
    pub(crate) fn is_synced(&self, end: Lsn) -> bool {
        end == Lsn::NONE || self.journal().is_none_or(|journal| journal.is_synced(end))
    }

    /// Waits until everything up to there is safe.
    ///
    /// # Errors
    ///
    /// The store has failed before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn synced(&self, end: Lsn) -> Result<(), Failure> {
        std::future::poll_fn(|cx| self.poll_synced(end, cx.waker())).await
    }
}

impl ChannelCell {
    /// Waits until everything up to there is safe, before a method is answered.
    ///
    /// # Errors
    ///
    /// 541 with the store's text when it has failed before, which closes the connection.
    pub(crate) async fn synced(&self, end: Lsn, method: MethodId) -> Result<(), AmqpError> {
        let synced = self.virtual_host().shared().synced(end).await;
        synced.map_err(|failure| {
            let error = not_stored(method, &failure);
            self.fail(&error);
            error
        })
    }
}

/// A method that declares something meets a store that takes nothing.
impl From<Failure> for AmqpError {
    fn from(failure: Failure) -> Self {
        not_stored(MethodId::NONE, &failure)
    }
}

/// The store has failed: nothing more can be promised.
pub(crate) fn not_stored(method: MethodId, failure: &Failure) -> AmqpError {
    AmqpError::new(ReplyCode::InternalError, method, failure)
}
