//! The template's own connection: a publishing path that is opened again when it was lost.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use springhare_broker::{Clock, Publish};
use tokio::sync::Mutex;

use crate::connection::{
    Confirmation, Link, LinkChannel, LinkConnection, LinkError, LinkPublisher, PublishCall,
    PublishError,
};
use crate::error::Error;

/// The connection that the template publishes on, apart from the listeners' one: a broker that
/// holds publishers back must not hold back acks.
#[derive(Debug)]
pub(crate) struct Publishing {
    link: Arc<dyn Link>,
    path: ArcSwapOption<PublishingPath>,
    /// Held while a path is opened, so that one caller does it for all.
    opening: Mutex<()>,
    stopped: AtomicBool,
}

/// An open path to the broker.
#[derive(Debug)]
pub(crate) struct PublishingPath {
    connection: Arc<dyn LinkConnection>,
    pub(crate) publisher: Arc<dyn LinkPublisher>,
}

impl Publishing {
    pub(crate) fn new(link: Arc<dyn Link>) -> Self {
        Self {
            link,
            path: ArcSwapOption::empty(),
            opening: Mutex::new(()),
            stopped: AtomicBool::new(false),
        }
    }

    /// The path, if one is open.
    pub(crate) fn current(&self) -> Option<Arc<PublishingPath>> {
        self.path.load_full()
    }

    /// The path, and another one where it is closed.
    pub(crate) async fn usable(&self) -> Result<Arc<PublishingPath>, Error> {
        if let Some(path) = self.current() {
            if path.connection.closed().is_none() {
                return Ok(path);
            }
            self.lost(&path);
        }
        self.open().await
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.link.clock()
    }

    /// The path; opened if there is none.
    pub(crate) async fn open(&self) -> Result<Arc<PublishingPath>, Error> {
        let _one_opens = self.opening.lock().await;
        if self.stopped.load(Ordering::Acquire) {
            return Err(Error::Stopped);
        }
        if let Some(path) = self.current() {
            return Ok(path);
        }
        let connection = self.link.connect("springhare publisher").await?;
        let publisher = connection.publisher().await?;
        let path = Arc::new(PublishingPath { connection, publisher });
        self.path.store(Some(Arc::clone(&path)));
        Ok(path)
    }

    /// Forgets a path that turned out to be closed; the next call opens another.
    pub(crate) fn lost(&self, path: &Arc<PublishingPath>) {
        let unchanged = self.current().is_some_and(|current| Arc::ptr_eq(&current, path));
        if unchanged {
            self.path.store(None);
        }
    }

    /// Publishes what replaces a message that is settled right after: it does not wait for room
    /// that only the settling makes.
    pub(crate) async fn publish_replacement(&self, publish: Publish) -> Result<(), Error> {
        let path = self.usable().await?;
        let mut call = PublishCall::new(publish, Confirmation::Awaited);
        let publishing =
            poll_fn(|cx| path.publisher.poll_publish_beyond_the_memory_mark(cx, &mut call));
        let result = publishing.await;
        if matches!(result, Err(PublishError::NotSent(_) | PublishError::Unknown(_))) {
            self.lost(&path);
        }
        Ok(result?)
    }

    /// A channel on the publishing connection.
    pub(crate) async fn open_channel(&self) -> Result<Arc<dyn LinkChannel>, Error> {
        let path = self.usable().await?;
        Ok(path.connection.open_channel().await?)
    }

    /// Closes the path for good.
    pub(crate) async fn stop(&self) -> Result<(), LinkError> {
        let _one_opens = self.opening.lock().await;
        self.stopped.store(true, Ordering::Release);
        match self.path.swap(None) {
            Some(path) => path.connection.close().await,
            None => Ok(()),
        }
    }
}
