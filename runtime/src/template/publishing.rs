//! The template's own connections, opened again when they were lost: the publishing path, and one
//! for all else.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use springhare_amqp::ShortString;
use springhare_broker::{Clock, Publish, ReturnedMessage};
use tokio::sync::Notify;

use crate::connection::{
    Confirmation, DeliveryCounting, Link, LinkChannel, LinkConnection, LinkError, LinkPublisher,
    Product, PublishCall, PublishError,
};
use crate::error::Error;
use crate::events::{ApplicationEvent, BrokerEvents};
use crate::template::shared_attempts::SharedAttempts;
use crate::template::{Fate, TemplateObserver};

/// What the broker shows it as, behind the application's name.
const NAME: &str = "publisher";

/// The connection that the template publishes on, apart from the listeners' one: a broker that
/// holds publishers back must not hold back acks.
#[derive(Debug)]
pub(crate) struct Publishing {
    link: Arc<dyn Link>,
    path: ArcSwapOption<PublishingPath>,
    path_attempts: SharedAttempts<Arc<PublishingPath>>,
    /// Ends an attempt that is under way.
    stopping: Notify,
    /// Opened with the first channel. A broker that takes no messages reads nothing at all from a
    /// connection that publishes: what is received, and thereby makes room, must not wait for it.
    channels: Mutex<Option<Arc<dyn LinkConnection>>>,
    channels_attempts: SharedAttempts<Arc<dyn LinkConnection>>,
    channels_link: Arc<dyn Link>,
    observer: Option<Arc<dyn TemplateObserver>>,
    events: BrokerEvents,
    stopped: AtomicBool,
}

/// The template's ways to the broker.
#[derive(Debug, Clone)]
pub(crate) struct TemplateLinks {
    /// For what is published; its connections come with everything declared.
    pub(crate) publishing: Arc<dyn Link>,
    /// For all else.
    pub(crate) channels: Arc<dyn Link>,
    /// Who is told what is done over them.
    pub(crate) observer: Option<Arc<dyn TemplateObserver>>,
    pub(crate) events: BrokerEvents,
}

/// An open path to the broker.
#[derive(Debug)]
pub(crate) struct PublishingPath {
    connection: Arc<dyn LinkConnection>,
    pub(crate) publisher: Arc<dyn LinkPublisher>,
    /// The queues that delayed messages are known to come back to.
    pub(super) leads_back: Mutex<BTreeSet<ShortString>>,
}

impl PublishingPath {
    /// Which broker it leads to.
    pub(crate) fn product(&self) -> Product {
        self.connection.product()
    }

    /// A channel on the publishing connection.
    pub(super) async fn open_channel(&self) -> Result<Arc<dyn LinkChannel>, LinkError> {
        self.connection.open_channel().await
    }
}

impl Publishing {
    pub(crate) fn new(links: TemplateLinks) -> Self {
        Self {
            link: links.publishing,
            channels: Mutex::new(None),
            channels_attempts: SharedAttempts::default(),
            channels_link: links.channels,
            observer: links.observer,
            events: links.events,
            path: ArcSwapOption::empty(),
            path_attempts: SharedAttempts::default(),
            stopping: Notify::new(),
            stopped: AtomicBool::new(false),
        }
    }

    /// The path, if one is open.
    pub(crate) fn current(&self) -> Option<Arc<PublishingPath>> {
        self.path.load_full()
    }

    /// The path, and another one where it is closed.
    pub(crate) async fn usable(self: &Arc<Self>) -> Result<Arc<PublishingPath>, Error> {
        if let Some(path) = self.current() {
            if path.connection.closed().is_none() {
                return Ok(path);
            }
            self.lost(&path);
        }
        self.open().await
    }

    /// Tells what became of a message, once.
    pub(super) fn tell(&self, result: &Result<(), Error>, confirmation: Confirmation) {
        self.count(Fate::of(result, confirmation));
        if let Err(Error::Unroutable(returned)) = result {
            self.tell_returned(returned);
        }
    }

    /// Tells that a request that was counted as sent came back.
    pub(super) fn tell_request_returned(&self, returned: &ReturnedMessage) {
        if let Some(observer) = &self.observer {
            observer.request_returned();
        }
        self.tell_returned(returned);
    }

    /// Tells that a message came back, once.
    fn tell_returned(&self, returned: &ReturnedMessage) {
        self.events.tell(|broker| ApplicationEvent::Returned {
            broker,
            exchange: returned.exchange.to_string(),
            routing_key: returned.routing_key.to_string(),
            reason: returned.reply_text.to_string(),
        });
    }

    /// Tells what became of a message to who counts them.
    pub(super) fn count(&self, fate: Fate) {
        if let Some(observer) = &self.observer {
            observer.published(fate);
        }
    }

    /// Tells that a message was given up.
    pub(super) fn tell_parked(&self, queue: &str, reason: &'static str) {
        if let Some(observer) = &self.observer {
            observer.parked(queue, reason);
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.link.clock()
    }

    pub(crate) fn delivery_counting(&self) -> DeliveryCounting {
        self.link.delivery_counting()
    }

    /// The path; opened if there is none. Who comes while it is tried shares the outcome.
    pub(crate) async fn open(self: &Arc<Self>) -> Result<Arc<PublishingPath>, Error> {
        let publishing = Arc::clone(self);
        let attempt = async move {
            let opened = publishing.unless_stopped(publishing.attempt()).await;
            if let Err(error) = &opened
                && !publishing.is_stopped()
            {
                publishing.events.tell_failed(NAME, &publishing.link.describe(), error);
            }
            opened
        };
        let opening = self.path_attempts.open(self.clock(), || self.current(), attempt);
        // It is rare, and whoever publishes would be larger by it.
        self.stopped_or(Box::pin(opening).await)
    }

    /// What an attempt opens, unless the application stops before. The stop comes first where both are
    /// ready: after it nothing is opened.
    async fn unless_stopped<T>(
        &self,
        attempt: impl Future<Output = Result<T, LinkError>>,
    ) -> Result<T, LinkError> {
        tokio::select! {
            biased;
            () = self.until_stopped() => Err(LinkError::Closed { what: "connection", reason: None }),
            opened = attempt => opened,
        }
    }

    /// What an attempt came to; what ended with the application says so.
    fn stopped_or<T>(&self, opened: Result<T, LinkError>) -> Result<T, Error> {
        if self.is_stopped() { Err(Error::Stopped) } else { Ok(opened?) }
    }

    async fn attempt(&self) -> Result<Arc<PublishingPath>, LinkError> {
        let connection = self.link.connect(NAME).await?;
        let publisher = connection.publisher().await?;
        let path = Arc::new(PublishingPath { connection, publisher, leads_back: Mutex::default() });
        self.path.store(Some(Arc::clone(&path)));
        if let Some(observer) = &self.observer {
            observer.connected(NAME);
        }
        self.events.tell_opened(NAME, &path.connection, &*self.link);
        Ok(path)
    }

    /// Forgets a path whose connection turned out to be closed; the next call opens another.
    pub(crate) fn lost(&self, path: &Arc<PublishingPath>) {
        let Some(reason) = path.connection.closed() else { return };
        // Of several who notice, the first takes it away, and nobody the one that is opened after it.
        let before = self.path.compare_and_swap(path, None);
        if before.as_ref().is_some_and(|before| Arc::ptr_eq(before, path)) {
            self.count_closed();
            self.events.tell_lost(NAME, &self.link.describe(), &reason);
        }
    }

    fn count_closed(&self) {
        if let Some(observer) = &self.observer {
            observer.disconnected(NAME);
        }
    }

    /// Publishes what replaces a message that is settled right after: it does not wait for room
    /// that only the settling makes.
    pub(crate) async fn publish_replacement(
        self: &Arc<Self>,
        publish: Publish,
        confirmation: Confirmation,
    ) -> Result<(), Error> {
        let published = self.publish_beyond_the_memory_mark(publish, confirmation).await;
        // Whose queue is not there yet makes it: what is returned then is nobody's news.
        self.count(Fate::of(&published, confirmation));
        published
    }

    async fn publish_beyond_the_memory_mark(
        self: &Arc<Self>,
        publish: Publish,
        confirmation: Confirmation,
    ) -> Result<(), Error> {
        let mut call = PublishCall::new(publish, confirmation);
        let mut is_second = false;
        loop {
            let path = self.usable().await?;
            let publishing =
                poll_fn(|cx| path.publisher.poll_publish_beyond_the_memory_mark(cx, &mut call));
            let result = publishing.await;
            if matches!(result, Err(PublishError::NotSent(_) | PublishError::Unknown(_))) {
                self.lost(&path);
            }
            // The connection was lost while nobody sent: nothing is lost yet.
            let is_whole = call.publish.is_some();
            if !(matches!(result, Err(PublishError::NotSent(_))) && is_whole && !is_second) {
                return Ok(result?);
            }
            is_second = true;
        }
    }

    /// Whether nothing is sent any more.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Ready once the application stops.
    pub(super) async fn until_stopped(&self) {
        let mut stopping = std::pin::pin!(self.stopping.notified());
        stopping.as_mut().enable();
        if !self.stopped.load(Ordering::Acquire) {
            stopping.await;
        }
    }

    /// A channel, on a connection that is not the publishing one.
    pub(crate) async fn open_channel(self: &Arc<Self>) -> Result<Arc<dyn LinkChannel>, Error> {
        Ok(self.channels_connected().await?.open_channel().await?)
    }

    /// The connection of channels, opened if there is none. Whoever opens a channel under a lock of its
    /// own asks for this before: behind the lock each would make an attempt of its own.
    pub(super) async fn channels_connected(
        self: &Arc<Self>,
    ) -> Result<Arc<dyn LinkConnection>, Error> {
        match self.connection_of_channels() {
            Some(connection) => Ok(connection),
            None => self.open_connection_of_channels().await,
        }
    }

    /// The connection, if it is open.
    fn connection_of_channels(&self) -> Option<Arc<dyn LinkConnection>> {
        self.channels().clone().filter(|open| open.closed().is_none())
    }

    /// The connection, opened if there is none. The stop closes what it finds there.
    async fn open_connection_of_channels(
        self: &Arc<Self>,
    ) -> Result<Arc<dyn LinkConnection>, Error> {
        let publishing = Arc::clone(self);
        let attempt = async move {
            let connecting = publishing.channels_link.connect("template");
            let connection = publishing.unless_stopped(connecting).await?;
            *publishing.channels() = Some(Arc::clone(&connection));
            Ok(connection)
        };
        let current = || self.connection_of_channels();
        let opening = self.channels_attempts.open(self.clock(), current, attempt);
        self.stopped_or(Box::pin(opening).await)
    }

    /// It is whole between any two statements.
    fn channels(&self) -> MutexGuard<'_, Option<Arc<dyn LinkConnection>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes both for good.
    pub(crate) async fn stop(&self) -> Result<(), LinkError> {
        self.stopped.store(true, Ordering::Release);
        self.stopping.notify_waiters();
        self.path_attempts.stop().await;
        let channels = async {
            self.channels_attempts.stop().await;
            let connection = self.channels().take();
            match connection {
                Some(connection) => connection.close().await,
                None => Ok(()),
            }
        };
        let path = async {
            match self.path.swap(None) {
                Some(path) => {
                    self.count_closed();
                    path.connection.close().await
                }
                None => Ok(()),
            }
        };
        // The one is not held up by the other.
        let (path, channels) = tokio::join!(path, channels);
        path.and(channels)
    }
}
