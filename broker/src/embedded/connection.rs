use std::sync::Arc;

use springhare_amqp::{AmqpError, ShortString};

use super::Channel;
use crate::engine::connection_cell::ConnectionCell;

/// A connection to the broker in this process.
///
/// It owns the exclusive queues that are declared on its channels. It is closed by
/// [`close`](Self::close), by an error that RabbitMQ closes connections for, and when it and all
/// its channels and consumers are dropped.
#[derive(Debug, Clone)]
pub struct Connection {
    handle: Arc<ConnectionHandle>,
}

#[derive(Debug)]
pub(super) struct ConnectionHandle {
    cell: Arc<ConnectionCell>,
}

impl Connection {
    pub(super) fn new(cell: Arc<ConnectionCell>) -> Self {
        Self { handle: Arc::new(ConnectionHandle { cell }) }
    }

    /// The name it was opened with.
    #[must_use]
    pub fn name(&self) -> &ShortString {
        self.handle.cell.name()
    }

    /// Opens a channel.
    ///
    /// # Errors
    ///
    /// 530 `number of channels opened (N) has reached the negotiated channel_max (N)`, which
    /// closes the connection; the reason of the close when it is closed already.
    pub fn open_channel(&self) -> Result<Channel, AmqpError> {
        let cell = self.handle.cell.open_channel()?;
        Ok(Channel::new(cell, Arc::clone(&self.handle)))
    }

    /// Closes the connection with all its channels. What was unsettled goes back to its queues,
    /// and exclusive queues are deleted.
    pub fn close(&self) {
        self.handle.cell.close(None);
    }

    /// Whether channels can be opened.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.handle.cell.is_open()
    }

    /// The error that closed it; none while it is open, and when its user closed it.
    #[must_use]
    pub fn closed(&self) -> Option<AmqpError> {
        self.handle.cell.close_reason()
    }
}

impl Drop for ConnectionHandle {
    fn drop(&mut self) {
        self.cell.close(None);
    }
}

impl ConnectionHandle {
    pub(super) fn cell(&self) -> &Arc<ConnectionCell> {
        &self.cell
    }
}
