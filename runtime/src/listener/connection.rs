//! The connection that all listeners of an application share; each consumer has its own channel
//! on it.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::connection::{Link, LinkConnection, LinkError};

/// The listeners' connection, opened again when it was lost.
#[derive(Debug)]
pub(crate) struct ListenerConnection {
    link: Arc<dyn Link>,
    /// Held while it is opened, so that one supervisor does it for all.
    current: Mutex<Option<Arc<dyn LinkConnection>>>,
}

impl ListenerConnection {
    pub(crate) fn new(link: Arc<dyn Link>) -> Self {
        Self { link, current: Mutex::new(None) }
    }

    pub(crate) fn link(&self) -> &Arc<dyn Link> {
        &self.link
    }

    /// The open connection; opened if there is none.
    pub(crate) async fn open(&self) -> Result<Arc<dyn LinkConnection>, LinkError> {
        let mut current = self.current.lock().await;
        if let Some(connection) = current.take_if(|connection| connection.closed().is_none()) {
            *current = Some(Arc::clone(&connection));
            return Ok(connection);
        }
        let connection = self.link.connect("springhare listeners").await?;
        *current = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Closes it, and with it all its channels.
    pub(crate) async fn close(&self) -> Result<(), LinkError> {
        match self.current.lock().await.take() {
            Some(connection) => connection.close().await,
            None => Ok(()),
        }
    }
}
