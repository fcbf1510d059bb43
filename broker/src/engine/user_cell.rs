use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::{ArcSwap, Guard};

use crate::model::access::AuthenticatedUser;
use crate::model::limits::reached;

/// A user as its connections know it: what it may do now, and how much it has.
#[derive(Debug)]
pub(crate) struct UserCell {
    current: ArcSwap<AuthenticatedUser>,
    connections: AtomicUsize,
    channels: AtomicUsize,
}

impl UserCell {
    pub(super) fn new(user: AuthenticatedUser) -> Self {
        Self {
            current: ArcSwap::from_pointee(user),
            connections: AtomicUsize::new(0),
            channels: AtomicUsize::new(0),
        }
    }

    /// Who it is and what it may do, at this moment.
    pub(crate) fn current(&self) -> Guard<Arc<AuthenticatedUser>> {
        self.current.load()
    }

    /// From now on this is what it may do; for connections that are open too.
    pub(super) fn replace(&self, user: AuthenticatedUser) {
        self.current.store(Arc::new(user));
    }

    /// The limit of connections, if there are as many as it allows.
    pub(super) fn connections_reached(&self) -> Option<u64> {
        let limit = self.current.load().limits().max_connections;
        reached(limit, self.connections.load(Ordering::Relaxed))
    }

    pub(super) fn connection_opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts one channel more.
    ///
    /// # Errors
    ///
    /// The limit, if there are as many as it allows.
    pub(super) fn channel_opened(&self) -> Result<(), u64> {
        let limit = self.current.load().limits().max_channels;
        let one_more = |channels| reached(limit, channels).is_none().then_some(channels + 1);
        let counted = self.channels.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        match counted.map_err(|channels| reached(limit, channels)) {
            Ok(_) | Err(None) => Ok(()),
            Err(Some(limit)) => Err(limit),
        }
    }

    pub(super) fn channels_closed(&self, count: usize) {
        self.channels.fetch_sub(count, Ordering::Relaxed);
    }
}
