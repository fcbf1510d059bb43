//! A connection that can be lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Faults;
use super::channel::FaultChannel;
use super::publisher::FaultPublisher;
use crate::connection::{
    BlockedWatcher, LinkChannel, LinkConnection, LinkError, LinkFuture, LinkPublisher, Product,
};

/// A connection on which faults happen.
#[derive(Debug)]
pub(super) struct FaultConnection {
    inner: Arc<dyn LinkConnection>,
    faults: Faults,
    is_lost: Arc<AtomicBool>,
}

/// What whoever uses a lost connection is told.
pub(super) fn lost() -> LinkError {
    LinkError::Closed { what: "connection", reason: None }
}

impl FaultConnection {
    pub(super) fn new(inner: Arc<dyn LinkConnection>, faults: Faults) -> Self {
        Self { inner, faults, is_lost: Arc::default() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.closed().is_none()
    }

    pub(super) async fn kill(&self) {
        self.is_lost.store(true, Ordering::Release);
        // However it ends, it is lost.
        let _ = self.inner.close().await;
    }
}

impl LinkConnection for FaultConnection {
    fn open_channel(&self) -> LinkFuture<'_, Arc<dyn LinkChannel>> {
        Box::pin(async move {
            let inner = self.inner.open_channel().await?;
            let channel: Arc<dyn LinkChannel> =
                Arc::new(FaultChannel { inner, faults: self.faults.clone() });
            Ok(channel)
        })
    }

    fn publisher(&self) -> LinkFuture<'_, Arc<dyn LinkPublisher>> {
        Box::pin(async move {
            let inner = self.inner.publisher().await?;
            let (faults, is_lost) = (self.faults.clone(), Arc::clone(&self.is_lost));
            let publisher: Arc<dyn LinkPublisher> =
                Arc::new(FaultPublisher { inner, faults, is_lost });
            Ok(publisher)
        })
    }

    fn product(&self) -> Product {
        self.inner.product()
    }

    fn when_blocked(&self, tell: BlockedWatcher) {
        self.inner.when_blocked(tell);
    }

    fn close(&self) -> LinkFuture<'_, ()> {
        self.inner.close()
    }

    fn closed(&self) -> Option<LinkError> {
        let is_lost = self.is_lost.load(Ordering::Acquire);
        self.inner.closed().or_else(|| is_lost.then(lost))
    }
}
