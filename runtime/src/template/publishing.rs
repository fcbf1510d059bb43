//! The template's own connections, opened again when they were lost: the publishing path, and one
//! for all else.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use springhare_broker::{Clock, Publish};
use tokio::sync::Mutex;

use crate::connection::{
    Confirmation, DeliveryCounting, Link, LinkChannel, LinkConnection, LinkError, LinkPublisher,
    PublishCall, PublishError,
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
    /// Opened with the first channel. A broker that takes no messages reads nothing at all from a
    /// connection that publishes: what is received, and thereby makes room, must not wait for it.
    channels: Mutex<Option<Arc<dyn LinkConnection>>>,
    channels_link: Arc<dyn Link>,
    stopped: AtomicBool,
}

/// The template's ways to the broker.
#[derive(Debug, Clone)]
pub(crate) struct TemplateLinks {
    /// For what is published; its connections come with everything declared.
    pub(crate) publishing: Arc<dyn Link>,
    /// For all else.
    pub(crate) channels: Arc<dyn Link>,
}

/// An open path to the broker.
#[derive(Debug)]
pub(crate) struct PublishingPath {
    connection: Arc<dyn LinkConnection>,
    pub(crate) publisher: Arc<dyn LinkPublisher>,
}

impl Publishing {
    pub(crate) fn new(links: TemplateLinks) -> Self {
        Self {
            link: links.publishing,
            channels: Mutex::new(None),
            channels_link: links.channels,
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

    pub(crate) fn delivery_counting(&self) -> DeliveryCounting {
        self.link.delivery_counting()
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

    /// A channel, on a connection that is not the publishing one.
    pub(crate) async fn open_channel(&self) -> Result<Arc<dyn LinkChannel>, Error> {
        let mut channels = self.channels.lock().await;
        if self.stopped.load(Ordering::Acquire) {
            return Err(Error::Stopped);
        }
        let connection = match channels.take_if(|open| open.closed().is_none()) {
            Some(open) => open,
            None => self.channels_link.connect("springhare template").await?,
        };
        *channels = Some(Arc::clone(&connection));
        drop(channels);
        Ok(connection.open_channel().await?)
    }

    /// Closes both for good.
    pub(crate) async fn stop(&self) -> Result<(), LinkError> {
        let _one_opens = self.opening.lock().await;
        self.stopped.store(true, Ordering::Release);
        let channels = match self.channels.lock().await.take() {
            Some(connection) => connection.close().await,
            None => Ok(()),
        };
        match self.path.swap(None) {
            Some(path) => path.connection.close().await.and(channels),
            None => channels,
        }
    }
}
