//! The connection that all listeners of an application share; each consumer has its own channel
//! on it. When it is lost, one of those who need it opens another and declares the whole graph on
//! it, for all of them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration;

use springhare_broker::Clock;
use tokio::sync::{Mutex, watch};

use crate::backoff::Backoff;
use crate::connection::{Link, LinkConnection, LinkError};
use crate::events::{ApplicationEvent, BrokerEvents};
use crate::graph::{Generation, Graph, Refused, SharedGraph, redeclare};
use crate::listener::health::BrokerStatus;
use crate::template::TemplateObserver;

/// What the broker shows the connection as, behind the application's name.
const NAME: &str = "listeners";
/// What was open for this long was well: the next loss begins with the shortest pause.
pub(crate) const WELL_AFTER: Duration = Duration::from_secs(10);

/// How long who asks for a connection once the application has stopped waits until it asks again:
/// its task is about to be ended.
const AFTER_THE_END: Duration = Duration::from_secs(3600);

/// The listeners' connection, opened again when it was lost.
#[derive(Debug)]
pub(crate) struct ListenerConnection {
    /// Who is told of it.
    observer: Option<Arc<dyn TemplateObserver>>,
    events: BrokerEvents,
    link: Arc<dyn Link>,
    graph: Arc<SharedGraph>,
    /// Held while a connection is opened, so that one does it for all; never during a pause.
    recovery: Mutex<Recovery>,
    /// The connection that was opened last.
    latest: watch::Sender<Option<Generation>>,
    /// Why there is no connection; none while there is one.
    trouble: StdMutex<Option<String>>,
    /// The faults that were told, so that they are told once.
    told: StdMutex<BTreeSet<String>>,
}

/// What is known of past attempts.
#[derive(Debug, Default)]
struct Recovery {
    current: Option<Opened>,
    next_generation: Generation,
    backoff: Backoff,
    /// When the next attempt is made, on the link's clock.
    next_attempt: Duration,
    /// Why the last attempt failed; none since one did not.
    failure: Option<LinkError>,
    /// The application has stopped: there will be no other.
    is_closed: bool,
}

/// A connection that is open, or was.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) link: Arc<dyn LinkConnection>,
    pub(crate) generation: Generation,
    pub(crate) extent: Extent,
    since: Duration,
}

/// How much of the graph the broker took when the connection was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// Something was refused. It may be any listener's.
    InPart,
}

impl ListenerConnection {
    pub(crate) fn new(
        link: Arc<dyn Link>,
        graph: Arc<SharedGraph>,
        observer: Option<Arc<dyn TemplateObserver>>,
        events: BrokerEvents,
    ) -> Self {
        Self {
            link,
            observer,
            events,
            graph,
            recovery: Mutex::default(),
            latest: watch::Sender::new(None),
            trouble: StdMutex::default(),
            told: StdMutex::default(),
        }
    }

    pub(crate) fn link(&self) -> &Arc<dyn Link> {
        &self.link
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.link.clock()
    }

    /// The graph as it is now.
    pub(crate) fn graph(&self) -> Arc<Graph> {
        self.graph.load()
    }

    /// The graph, for who declares or changes it.
    pub(crate) fn shared_graph(&self) -> &SharedGraph {
        &self.graph
    }

    /// What the broker is to the application right now.
    pub(crate) fn status(&self) -> BrokerStatus {
        match self.trouble() {
            Some(reason) => BrokerStatus::Away { reason },
            None if self.latest.borrow().is_some() => BrokerStatus::Connected,
            None => BrokerStatus::Away { reason: "there is no connection to it yet".to_owned() },
        }
    }

    /// Which of its connections is open; none before the first.
    pub(super) fn generation(&self) -> Option<Generation> {
        *self.latest.borrow()
    }

    /// Why there is no connection, while it is known that there is none.
    pub(crate) fn trouble(&self) -> Option<String> {
        locked(&self.trouble).clone()
    }

    /// As [`open`](Self::open), but no attempt is made before its turn, which the last one's
    /// failure has put off.
    pub(crate) async fn open_in_turn(&self) -> Result<Opened, LinkError> {
        {
            let recovery = self.recovery.lock().await;
            if let Some(failure) = &recovery.failure
                && recovery.current.is_none()
                && self.clock().now() < recovery.next_attempt
            {
                return Err(failure.clone());
            }
        }
        self.open().await
    }

    /// Makes one attempt to open the first connection, on which the caller declares.
    pub(crate) async fn connect(&self) -> Result<Arc<dyn LinkConnection>, LinkError> {
        let mut recovery = self.recovery.lock().await;
        let connected = self.link.connect(NAME).await;
        let link = connected.inspect_err(|error| {
            self.events.tell_failed(NAME, &self.link.describe(), error);
        })?;
        recovery.backoff.reset();
        let generation = recovery.take_generation();
        self.open_is(&mut recovery, Arc::clone(&link), generation, Extent::Whole);
        Ok(link)
    }

    /// The open connection, with the graph declared on it. If there is none, it is opened as often
    /// as it takes, with a pause after each attempt that fails.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, it leaves an attempt to the next caller.
    pub(crate) async fn ready(&self) -> Opened {
        loop {
            let pause = {
                let mut recovery = self.recovery.lock().await;
                if let Some(opened) = self.still_open(&mut recovery) {
                    return opened;
                }
                if recovery.next_attempt <= self.clock().now()
                    && let Ok(opened) = Box::pin(self.reopen(&mut recovery)).await
                {
                    return opened;
                }
                recovery.next_attempt.saturating_sub(self.clock().now())
            };
            self.clock().sleep(pause).await;
        }
    }

    /// The open connection, with the graph declared on it. If there is none, one attempt is made.
    pub(crate) async fn open(&self) -> Result<Opened, LinkError> {
        let mut recovery = self.recovery.lock().await;
        match self.still_open(&mut recovery) {
            Some(opened) => Ok(opened),
            None => Box::pin(self.reopen(&mut recovery)).await,
        }
    }

    /// Waits until this connection is lost, or another has replaced it.
    pub(crate) async fn until_lost(&self, opened: &Opened) {
        let mut latest = self.latest.subscribe();
        let replaced = latest.wait_for(|latest| *latest != Some(opened.generation));
        let closed = async {
            let Ok(channel) = opened.link.open_channel().await else { return };
            // Nothing happens on the channel but its end.
            while channel.next_event().await.is_some() {}
        };
        tokio::select! {
            _ = replaced => {}
            () = closed => {}
        }
    }

    /// Tells what the broker refused, if it was not told before.
    pub(crate) fn tell(&self, all_refused: &[Refused]) {
        let faults = all_refused.iter().map(|refused| refused.fault.to_string()).collect();
        let told = std::mem::replace(&mut *locked(&self.told), faults);
        for Refused { fault } in all_refused {
            if !told.contains(&fault.to_string()) {
                let address = self.link.describe();
                tracing::error!(address, %fault, "not all could be declared; it is tried again");
                let fault = fault.to_string();
                self.events.tell(|broker| ApplicationEvent::DeclarationRefused { broker, fault });
            }
        }
    }

    /// Closes it for good, and with it all its channels.
    pub(crate) async fn close(&self) -> Result<(), LinkError> {
        let mut recovery = self.recovery.lock().await;
        recovery.is_closed = true;
        match recovery.current.take() {
            Some(opened) => {
                self.count_closed();
                opened.link.close().await
            }
            None => Ok(()),
        }
    }

    /// The connection, if it is open. That it is lost is found out and told here.
    fn still_open(&self, recovery: &mut Recovery) -> Option<Opened> {
        let opened = recovery.current.take()?;
        let Some(reason) = opened.link.closed() else {
            recovery.current = Some(opened.clone());
            return Some(opened);
        };
        let now = self.clock().now();
        if now.saturating_sub(opened.since) >= WELL_AFTER {
            recovery.backoff.reset();
        }
        let pause = recovery.backoff.after_loss();
        recovery.next_attempt = now.saturating_add(pause);
        let address = self.link.describe();
        tracing::warn!(address, %reason, next_attempt_in = ?pause, "the listeners' connection is lost");
        *locked(&self.trouble) = Some(format!("the connection to {address} is lost: {reason}"));
        self.count_closed();
        self.events.tell_lost(NAME, &address, &reason);
        None
    }

    fn count_closed(&self) {
        if let Some(observer) = &self.observer {
            observer.disconnected(NAME);
        }
    }

    async fn reopen(&self, recovery: &mut Recovery) -> Result<Opened, LinkError> {
        if recovery.is_closed {
            recovery.next_attempt = self.clock().now().saturating_add(AFTER_THE_END);
            return Err(LinkError::Closed { what: "connection", reason: None });
        }
        let error = match self.connect_and_declare(recovery).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        let address = self.link.describe();
        let backoff = &mut recovery.backoff;
        let pause = if error.is_login_refused() {
            let pause = backoff.after_refused_login();
            tracing::error!(address, %error, next_attempt_in = ?pause, "the broker refuses the login");
            pause
        } else {
            let pause = backoff.after_failure();
            let attempt = backoff.attempts();
            if backoff.is_told() {
                tracing::warn!(
                    address, %error, attempt, next_attempt_in = ?pause,
                    "the listeners' connection can't be opened"
                );
            }
            pause
        };
        recovery.next_attempt = self.clock().now().saturating_add(pause);
        *locked(&self.trouble) = Some(error.to_string());
        self.events.tell_failed(NAME, &address, &error);
        recovery.failure = Some(error.clone());
        Err(error)
    }

    async fn connect_and_declare(&self, recovery: &mut Recovery) -> Result<Opened, LinkError> {
        let link = self.link.connect(NAME).await?;
        let generation = recovery.take_generation();
        let graph = self.graph.declaring().await;
        let all_refused = redeclare(&link, &graph, graph.nodes(), generation).await;
        drop(graph);
        if let Some(reason) = link.closed() {
            return Err(reason);
        }
        self.tell(&all_refused);
        let extent = if all_refused.is_empty() { Extent::Whole } else { Extent::InPart };
        tracing::info!(address = self.link.describe(), "the listeners' connection is open");
        Ok(self.open_is(recovery, link, generation, extent))
    }

    fn open_is(
        &self,
        recovery: &mut Recovery,
        link: Arc<dyn LinkConnection>,
        generation: Generation,
        extent: Extent,
    ) -> Opened {
        let opened = Opened { link, generation, extent, since: self.clock().now() };
        recovery.current = Some(opened.clone());
        recovery.failure = None;
        self.latest.send_replace(Some(generation));
        *locked(&self.trouble) = None;
        if let Some(observer) = &self.observer {
            observer.connected(NAME);
        }
        self.events.tell_opened(NAME, &opened.link, &*self.link);
        opened
    }
}

impl Recovery {
    /// A generation that nobody had before, even if its connection never gets ready.
    fn take_generation(&mut self) -> Generation {
        let generation = self.next_generation;
        self.next_generation = generation.next();
        generation
    }
}

/// What is inside is whole between any two statements, so a panic elsewhere leaves nothing half
/// done.
fn locked<T>(mutex: &StdMutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use springhare_broker::Broker;

    use super::*;
    use crate::connection::EmbeddedLink;

    #[tokio::test]
    async fn nobody_opens_a_connection_that_was_closed_for_good() {
        let broker = Broker::builder().start().unwrap();
        let graph = Arc::new(SharedGraph::new(Graph::default()));
        let connection = ListenerConnection::new(
            Arc::new(EmbeddedLink::new(broker)),
            graph,
            None,
            BrokerEvents::for_test(),
        );
        connection.connect().await.unwrap();
        connection.open_in_turn().await.unwrap();
        connection.close().await.unwrap();
        for opened in [connection.open_in_turn().await, connection.open().await] {
            let error = opened.unwrap_err();
            assert!(matches!(error, LinkError::Closed { .. }), "{error}");
        }
    }
}
