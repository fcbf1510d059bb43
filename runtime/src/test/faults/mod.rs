//! Faults at will: a link between an application and its broker that loses connections, cancels
//! consumers, refuses publishes and holds them up.

mod channel;
mod connection;
mod publisher;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use futures_util::future::join_all;
use springhare_broker::Clock;

use crate::connection::{DeliveryCounting, Link, LinkConnection, LinkError, LinkFuture};
use channel::Cancelling;
use connection::FaultConnection;

/// A link over another one, on which [`Faults`] happen.
///
/// ```
/// use springhare::broker::Broker;
/// use springhare::connection::EmbeddedLink;
/// use springhare::prelude::*;
/// use springhare::test::FaultLink;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let (link, faults) = FaultLink::over(EmbeddedLink::new(Broker::builder().start()?));
/// let app = Springhare::builder()
///     .listeners(listeners![])
///     .declare(Queue::durable("orders"))
///     .link(link)
///     .start()
///     .await?;
/// faults.refuse_publishes(1);
/// assert!(app.rabbit_template().convert_and_send("orders", "tea").await.is_err());
/// app.rabbit_template().convert_and_send("orders", "tea").await?;
/// app.stop().await
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct FaultLink {
    inner: Arc<dyn Link>,
    faults: Faults,
}

/// Makes faults on a [`FaultLink`]. A clone makes them on the same link.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    connections: Vec<Weak<FaultConnection>>,
    consumers: Vec<Weak<Cancelling>>,
    /// How many publishes are to be refused.
    refusals: usize,
    /// Who waits while publishes are blocked; none while they are not.
    blocked: Option<Vec<Waker>>,
    is_cut_off: bool,
}

impl FaultLink {
    /// A link over `inner`, and what makes faults on it.
    pub fn over(inner: impl Link) -> (Self, Faults) {
        Self::over_shared(Arc::new(inner))
    }

    pub(super) fn over_shared(inner: Arc<dyn Link>) -> (Self, Faults) {
        let faults = Faults::default();
        (Self { inner, faults: faults.clone() }, faults)
    }
}

impl Link for FaultLink {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn clock(&self) -> &Clock {
        self.inner.clock()
    }

    fn virtual_host(&self) -> &str {
        self.inner.virtual_host()
    }

    fn delivery_counting(&self) -> DeliveryCounting {
        self.inner.delivery_counting()
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        Box::pin(async move {
            if self.faults.lock().is_cut_off {
                let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
                let (address, source) = (self.describe(), Arc::new(refused));
                return Err(LinkError::Connect { address, source });
            }
            let inner = self.inner.connect(name).await?;
            let connection = Arc::new(FaultConnection::new(inner, self.faults.clone()));
            self.faults.lock().connections.push(Arc::downgrade(&connection));
            Ok(connection as Arc<dyn LinkConnection>)
        })
    }
}

impl Faults {
    /// Loses all connections, those of the listeners and of the template, and says how many.
    ///
    /// What was not settled on them the broker delivers again. The application gets its connections
    /// back after a pause, for which time has to pass.
    pub async fn kill_connections(&self) -> usize {
        let connections = std::mem::take(&mut self.lock().connections);
        let open = connections.iter().filter_map(Weak::upgrade).filter(|one| one.is_open());
        let killed = join_all(open.map(async |connection| connection.kill().await)).await.len();
        // Who waits on one that is lost waits in vain.
        let waiting = self.lock().blocked.as_mut().map(std::mem::take);
        waiting.into_iter().flatten().for_each(Waker::wake);
        killed
    }

    /// Loses all connections and lets nobody connect, until [`restore`](Self::restore): the broker
    /// is away.
    pub async fn cut_off(&self) {
        self.lock().is_cut_off = true;
        self.kill_connections().await;
    }

    /// Ends what [`cut_off`](Self::cut_off) began.
    pub fn restore(&self) {
        self.lock().is_cut_off = false;
    }

    /// Cancels the consumers of this queue, as a broker does whose queue is gone, and says how
    /// many. They come back after a pause, for which time has to pass.
    pub fn cancel_consumers(&self, queue: &str) -> usize {
        let mut state = self.lock();
        state.consumers.retain(|consumer| consumer.strong_count() > 0);
        let consumers: Vec<_> = state.consumers.iter().filter_map(Weak::upgrade).collect();
        drop(state);
        consumers.iter().filter(|consumer| consumer.cancel(queue)).count()
    }

    /// Refuses the next so many publishes, as a broker does by `basic.nack`; those of the
    /// application itself, parked messages for one, count too. Not those of a handler's channel, and
    /// no requests.
    pub fn refuse_publishes(&self, count: usize) {
        self.lock().refusals = count;
    }

    /// Lets all publishes wait, as a broker does that is short of memory, until
    /// [`unblock`](Self::unblock).
    pub fn block(&self) {
        self.lock().blocked.get_or_insert_default();
    }

    /// Lets those on that [`block`](Self::block) held up.
    pub fn unblock(&self) {
        let waiting = self.lock().blocked.take();
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    /// Whether a publish waits; who does is woken once it may go on.
    fn is_blocked(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        let Some(waiting) = &mut state.blocked else { return false };
        if !waiting.iter().any(|other| other.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        true
    }

    /// Whether the next publish is refused; it counts as one.
    fn refuses(&self) -> bool {
        let mut state = self.lock();
        let left = state.refusals.checked_sub(1);
        state.refusals = left.unwrap_or_default();
        left.is_some()
    }

    fn consumer(&self, consumer: &Arc<Cancelling>) {
        let mut state = self.lock();
        state.consumers.retain(|consumer| consumer.strong_count() > 0);
        state.consumers.push(Arc::downgrade(consumer));
    }

    /// It is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
