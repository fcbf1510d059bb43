use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::handshakes::{Handshake, Handshakes};
use super::session::{Peer, Session};
use crate::engine::broker_cell::BrokerCell;

/// How long accepting rests after it failed, for want of file descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An address to listen at, and how.
#[derive(Debug, Clone)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    pub(crate) transport: Transport,
}

/// What a listener's connections are made of.
#[derive(Debug, Clone)]
pub(crate) enum Transport {
    Tcp,
    #[cfg(feature = "tls")]
    Tls(super::tls::TlsConfig),
}

/// A broker's listeners and the sessions of their connections.
///
/// Dropping it ends the listeners; the sessions end as their connections are closed.
#[derive(Debug)]
pub(crate) struct Server {
    addresses: Vec<SocketAddr>,
    handshakes: Arc<Handshakes>,
    stop_accepting: CancellationToken,
    stop_sessions: CancellationToken,
    tasks: TaskTracker,
}

/// What a listener needs for the connections that it accepts.
#[derive(Debug, Clone)]
struct Door {
    broker: Arc<BrokerCell>,
    transport: Transport,
    handshakes: Arc<Handshakes>,
    stop_accepting: CancellationToken,
    stop_sessions: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    /// Binds all addresses, and serves what connects to them.
    ///
    /// # Errors
    ///
    /// The first address that can't be bound, and why; nothing listens then.
    pub(crate) fn start(
        broker: &Arc<BrokerCell>,
        listenings: &[Listening],
    ) -> Result<Self, (SocketAddr, io::Error)> {
        let mut listeners = Vec::new();
        for Listening { address, transport } in listenings {
            let listener = bind(*address).map_err(|error| (*address, error))?;
            listeners.push((listener, transport.clone()));
        }
        let stop_accepting = CancellationToken::new();
        let stop_sessions = CancellationToken::new();
        let tasks = TaskTracker::new();
        let handshakes = Arc::new(Handshakes::new(broker.shared().config().handshakes_max));
        let mut addresses = Vec::new();
        for (listener, transport) in listeners {
            addresses.extend(listener.local_addr());
            let door = Door {
                broker: Arc::clone(broker),
                transport,
                handshakes: Arc::clone(&handshakes),
                stop_accepting: stop_accepting.clone(),
                stop_sessions: stop_sessions.clone(),
                tasks: tasks.clone(),
            };
            tasks.spawn(door.serve(listener));
        }
        tasks.close();
        Ok(Self { addresses, handshakes, stop_accepting, stop_sessions, tasks })
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Accepts nothing more, and drops who has not got through the handshake.
    pub(crate) fn stop_accepting(&self) {
        self.stop_accepting.cancel();
        self.handshakes.drop_all();
    }

    /// Waits until all sessions have ended.
    pub(crate) async fn drained(&self) {
        self.tasks.wait().await;
    }

    /// Drops the connections that are left.
    pub(crate) fn drop_sessions(&self) {
        self.stop_sessions.cancel();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop_accepting();
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

impl Door {
    async fn serve(self, listener: TcpListener) {
        let stop = self.stop_accepting.clone();
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((socket, address)) => self.welcome(socket, address),
                Err(error) => {
                    tracing::error!(%error, "can't accept a connection");
                    let pause = self.broker.shared().clock().sleep(ACCEPT_PAUSE);
                    stop.run_until_cancelled(pause).await;
                }
            }
        }
    }

    fn welcome(&self, socket: TcpStream, address: SocketAddr) {
        let handshake = self.handshakes.begin();
        let number = handshake.number();
        let Ok(local) = socket.local_addr() else { return };
        // Answers are small, and gathered by the session: they don't wait for more.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%address, %error, "the connection is gone");
            return;
        }
        let door = self.clone();
        let peer = Peer { address, local };
        let task = self.tasks.spawn(async move {
            let stop = door.stop_sessions.clone();
            stop.run_until_cancelled(door.session(socket, peer, handshake)).await;
        });
        self.handshakes.started(number, task.abort_handle());
    }

    async fn session(self, socket: TcpStream, peer: Peer, handshake: Handshake) {
        match self.transport {
            Transport::Tcp => Session::new(socket, peer, self.broker, handshake).await,
            #[cfg(feature = "tls")]
            Transport::Tls(tls) => {
                let limit = self
                    .broker
                    .shared()
                    .clock()
                    .sleep(self.broker.shared().config().handshake_timeout);
                let accepted = tokio::select! {
                    accepted = tls.acceptor().accept(socket) => accepted,
                    () = limit => Err(io::ErrorKind::TimedOut.into()),
                };
                match accepted {
                    Ok(socket) => Session::new(socket, peer, self.broker, handshake).await,
                    Err(error) => tracing::warn!(%peer, %error, "no TLS handshake"),
                }
            }
        }
    }
}
