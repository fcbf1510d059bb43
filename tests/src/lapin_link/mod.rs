//! The runtime's link over `lapin`, an AMQP client that is not ours: how the tests speak to a
//! real RabbitMQ.
//!
//! Made for tests, not for speed. Where AMQP has no answer (publish, ack, nack, reject) each call
//! waits for a passive declaration behind it, so that an error is returned by the call that
//! caused it, as the embedded broker does. Confirms are awaited one by one.

mod channel;
mod channel_state;
mod consumer;
mod convert;
mod publisher;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use futures_util::StreamExt;
use lapin::ConnectionProperties;
use springhare::connection::{
    Link, LinkChannel, LinkConnection, LinkError, LinkFuture, LinkPublisher,
};
use springhare_amqp::{AmqpError, ErrorScope, MethodId};
use springhare_broker::Clock;
use tokio::sync::Notify;

use crate::LIMIT;
use channel::LapinChannel;
use channel_state::ChannelState;
use publisher::LapinPublisher;

/// A link to an AMQP broker on the network, through `lapin`.
#[derive(Debug)]
pub struct LapinLink {
    address: SocketAddr,
    clock: Clock,
}

impl LapinLink {
    /// A link to the broker at `address`, virtual host `/`, user guest.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, clock: Clock::system() }
    }
}

impl Link for LapinLink {
    fn describe(&self) -> String {
        format!("amqp://{}", self.address)
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        Box::pin(async move {
            let url = format!("amqp://guest:guest@{}/%2f?heartbeat=0", self.address);
            let properties = ConnectionProperties::default().with_connection_name(name.into());
            let connection =
                lapin::Connection::connect(&url, properties).await.map_err(|source| {
                    LinkError::Connect { address: self.describe(), source: Arc::new(source) }
                })?;
            let state = Arc::new(ConnectionState::default());
            state.watch(&connection);
            let connection: Arc<dyn LinkConnection> =
                Arc::new(LapinConnection { connection: Arc::new(connection), state });
            Ok(connection)
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the channels of a connection share: why it was closed, and each other.
#[derive(Debug, Default)]
struct ConnectionState {
    reason: OnceLock<AmqpError>,
    channels: Mutex<Vec<Weak<ChannelState>>>,
    /// Errors that closed channels, until those learn of them: `lapin` tells a call that comes
    /// too late only that the channel is closed, and the connection only what closed a channel.
    channel_errors: Mutex<Vec<AmqpError>>,
    told: Notify,
}

impl ConnectionState {
    /// Records the error that closes the connection, which may be none of a running call's.
    fn watch(self: &Arc<Self>, connection: &lapin::Connection) {
        let mut events = connection.events_listener().boxed();
        let state = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let lapin::Event::Error(error) = event else { continue };
                let Some(state) = state.upgrade() else { return };
                match convert::amqp_error(&error, MethodId::NONE) {
                    Some(error) if error.scope() == ErrorScope::Connection => state.close(&error),
                    Some(error) => locked(&state.channel_errors).push(error),
                    None => {}
                }
                state.told.notify_waiters();
            }
        });
    }

    /// Waits for the error that closed `channel`, and takes it off the list; the `known` one
    /// where the call learned of it.
    async fn claim(&self, channel: &ChannelState, known: Option<&AmqpError>) -> Option<AmqpError> {
        let claim = async {
            loop {
                let told = self.told.notified();
                if let Some(reason) = self.take(known).or_else(|| channel.reason()) {
                    return reason;
                }
                told.await;
            }
        };
        tokio::time::timeout(LIMIT, claim).await.ok()
    }

    fn take(&self, known: Option<&AmqpError>) -> Option<AmqpError> {
        let mut errors = locked(&self.channel_errors);
        let is_it = |error: &AmqpError| known.is_none_or(|known| known.text() == error.text());
        let index = errors.iter().position(is_it)?;
        Some(errors.remove(index))
    }

    fn add(&self, channel: &Arc<ChannelState>) {
        locked(&self.channels).push(Arc::downgrade(channel));
    }

    fn close(&self, reason: &AmqpError) {
        if self.reason.set(reason.clone()).is_err() {
            return;
        }
        let channels = locked(&self.channels).clone();
        for channel in channels.iter().filter_map(Weak::upgrade) {
            channel.close(reason.clone());
        }
    }
}

struct LapinConnection {
    connection: Arc<lapin::Connection>,
    state: Arc<ConnectionState>,
}

impl fmt::Debug for LapinConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LapinConnection").field("state", &self.state).finish_non_exhaustive()
    }
}

impl LapinConnection {
    async fn create_channel(&self) -> Result<lapin::Channel, LinkError> {
        self.connection.create_channel().await.map_err(|error| {
            match convert::amqp_error(&error, MethodId::CHANNEL_OPEN) {
                Some(error) => LinkError::Amqp(error),
                None => self.closed().unwrap_or_else(|| LinkError::Transport(Arc::new(error))),
            }
        })
    }
}

impl LinkConnection for LapinConnection {
    fn open_channel(&self) -> LinkFuture<'_, Arc<dyn LinkChannel>> {
        Box::pin(async move {
            let channel = LapinChannel::new(self.create_channel().await?, &self.state);
            let channel: Arc<dyn LinkChannel> = Arc::new(channel);
            Ok(channel)
        })
    }

    fn publisher(&self) -> LinkFuture<'_, Arc<dyn LinkPublisher>> {
        Box::pin(async move {
            let publisher: Arc<dyn LinkPublisher> =
                Arc::new(LapinPublisher::new(Arc::clone(&self.connection)));
            Ok(publisher)
        })
    }

    fn close(&self) -> LinkFuture<'_, ()> {
        Box::pin(async move {
            match self.connection.close(200, "OK".into()).await {
                Err(error) if self.connection.status().connected() => {
                    Err(LinkError::Transport(Arc::new(error)))
                }
                _ => Ok(()),
            }
        })
    }

    fn closed(&self) -> Option<LinkError> {
        let reason = self.state.reason.get().cloned();
        if reason.is_none() && self.connection.status().connected() {
            return None;
        }
        Some(LinkError::Closed { what: "connection", reason })
    }
}
