//! The link to a broker on the network: AMQP 0-9-1 on a socket.
//!
//! The protocol is [`springhare_amqp::client`]'s; here are the socket, the waiting and the sharing.
//! A connection is one task, the `driver`, and a `state` that its handles share: a call adds its
//! frames to the output and wakes the driver, which sends all that gathered with one write.
//!
//! # Layout
//!
//! `tls` → `connect`; `mailbox`, `events`, `call` → `user_channel`, `publishing` → `state` →
//! `opened` → `channel`, `consumer`, `publisher`; `driver` runs a connection.

mod call;
mod channel;
mod connect;
mod consumer;
mod driver;
mod events;
mod limits;
mod mailbox;
mod opened;
mod publisher;
mod publishing;
mod state;
mod tls;
mod user_channel;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use springhare_amqp::client::Connection;
use springhare_broker::Clock;

use super::{
    AddressOrder, AmqpAddresses, BlockedWatcher, Link, LinkChannel, LinkConnection, LinkError,
    LinkFuture, LinkPublisher, Product,
};
use channel::AmqpChannel;
pub use connect::ConnectError;
use driver::Driver;
pub use limits::AmqpLimits;
use opened::OpenedConnection;
use publisher::AmqpPublisher;
use state::Shared;
pub use tls::TlsOptionsError;

/// The link to a broker on the network: RabbitMQ, or any other that speaks AMQP 0-9-1.
///
/// ```
/// use springhare::connection::{Address, AmqpLink, Link};
///
/// let address: Address = "amqp://guest:guest@localhost".parse()?;
/// if let Address::Amqp(addresses) = address {
///     let link = AmqpLink::new(addresses);
///     assert_eq!(link.describe(), "amqp://localhost:5672/%2F");
/// }
/// # Ok::<(), springhare::connection::AddressError>(())
/// ```
#[derive(Debug)]
pub struct AmqpLink {
    addresses: AmqpAddresses,
    order: AddressOrder,
    limits: AmqpLimits,
    /// How many connections were asked for.
    turns: AtomicUsize,
    clock: Clock,
}

impl AmqpLink {
    /// A link to the first of these brokers that can be reached.
    #[must_use]
    pub fn new(addresses: AmqpAddresses) -> Self {
        Self {
            addresses,
            order: AddressOrder::default(),
            limits: AmqpLimits::default(),
            turns: AtomicUsize::new(0),
            clock: Clock::system(),
        }
    }

    /// The same on another clock, for a test that drives it by hand: heartbeats and the deadlines
    /// of answers are counted on it.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The same, with its brokers tried in this order.
    #[must_use]
    pub fn with_order(self, order: AddressOrder) -> Self {
        Self { order, ..self }
    }

    /// The same, whose connections keep to these limits.
    #[must_use]
    pub fn with_limits(self, limits: AmqpLimits) -> Self {
        Self { limits, ..self }
    }
}

impl Link for AmqpLink {
    fn describe(&self) -> String {
        self.addresses.to_string()
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn virtual_host(&self) -> &str {
        self.addresses.first().virtual_host()
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        Box::pin(async move {
            let mut failed = None;
            let turn = self.turns.fetch_add(1, Ordering::Relaxed);
            for address in self.addresses.in_order(self.order, turn) {
                match connect::open(address, name, self.limits.channels, &self.clock).await {
                    Ok(opened) => {
                        let client = Connection::new(opened.agreed, self.clock.now())
                            .with_body_max(self.limits.body_bytes);
                        let answer_timeout = self.limits.answer_timeout;
                        let shared = Shared::new(address.to_string(), client, answer_timeout);
                        let shared = Arc::new(shared);
                        let product = opened.product;
                        let driver = Driver::new(Arc::clone(&shared), opened, self.clock.clone());
                        tokio::spawn(driver.run());
                        let opened = Arc::new(OpenedConnection { shared });
                        let connection: Arc<dyn LinkConnection> =
                            Arc::new(AmqpConnection { opened, clock: self.clock.clone(), product });
                        return Ok(connection);
                    }
                    Err(error) => {
                        let address = address.to_string();
                        let error = LinkError::Connect { address, source: Arc::new(error) };
                        // Of several failures a refusal says most: the others may pass.
                        if !failed.as_ref().is_some_and(LinkError::is_login_refused) {
                            failed = Some(error);
                        }
                    }
                }
            }
            Err(failed.unwrap_or(LinkError::Closed { what: "connection", reason: None }))
        })
    }
}

/// An open connection, as its user holds it.
struct AmqpConnection {
    opened: Arc<OpenedConnection>,
    clock: Clock,
    product: Product,
}

impl fmt::Debug for AmqpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpConnection")
            .field("address", &self.opened.shared.address)
            .finish_non_exhaustive()
    }
}

impl LinkConnection for AmqpConnection {
    fn open_channel(&self) -> LinkFuture<'_, Arc<dyn LinkChannel>> {
        Box::pin(async move {
            let channel: Arc<dyn LinkChannel> =
                Arc::new(AmqpChannel::open(&self.opened, &self.clock).await?);
            Ok(channel)
        })
    }

    fn publisher(&self) -> LinkFuture<'_, Arc<dyn LinkPublisher>> {
        Box::pin(async move {
            let publisher: Arc<dyn LinkPublisher> =
                Arc::new(AmqpPublisher { connection: Arc::clone(&self.opened) });
            Ok(publisher)
        })
    }

    fn product(&self) -> Product {
        self.product
    }

    fn when_blocked(&self, tell: BlockedWatcher) {
        self.opened.shared.lock().when_blocked(tell);
    }

    fn close(&self) -> LinkFuture<'_, ()> {
        Box::pin(async move {
            let closed = {
                let mut state = self.opened.shared.lock();
                state.client.close();
                state.when_closed()
            };
            self.opened.shared.wake_driver();
            // However it ended, it is closed; the driver bounds the wait.
            let _ = closed.await;
            Ok(())
        })
    }

    fn closed(&self) -> Option<LinkError> {
        self.opened.shared.lock().closed().cloned()
    }
}
