//! A way to a broker that can be cut, and that can lose what is said: stands between a client and a
//! broker on TCP.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How much is carried at a time, in bytes.
const CARRIED_MAX_BYTES: usize = 64 << 10;

/// Carries connections to a broker, until they are cut. Ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: Arc<watch::Sender<Line>>,
    swallowed: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

/// The state of the line, and how often it was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    cuts: u64,
    cut: Cut,
    door: Door,
    /// What is said that way gets lost.
    swallows: Option<Way>,
}

/// Which way something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    ToTheBroker,
    ToTheClient,
}

/// Which ends learn of a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Both,
    ClientOnly,
    /// Nothing is carried any more, and both stay open.
    Neither,
}

/// What happens to who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    /// It is hung up on.
    Shut,
}

impl Proxy {
    /// A proxy on a free port of this machine to the broker at `broker`.
    ///
    /// # Errors
    ///
    /// That no port is free.
    pub async fn start(broker: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let line = Line { cuts: 0, cut: Cut::Both, door: Door::Open, swallows: None };
        let line = Arc::new(watch::Sender::new(line));
        let swallowed = Arc::<AtomicU64>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, broker, Arc::clone(&line), Arc::clone(&swallowed)));
        Ok(Self { address, line, swallowed, _tasks: tasks })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections. New ones are carried as before.
    pub fn cut(&self) {
        self.cut_as(Cut::Both);
    }

    /// Cuts all connections so that the broker does not see it: to it, the client is still there,
    /// until the next [`cut`](Self::cut).
    pub fn cut_clients(&self) {
        self.cut_as(Cut::ClientOnly);
    }

    /// Carries nothing more on all connections, and neither end sees it: each waits for the other,
    /// until the next [`cut`](Self::cut).
    pub fn freeze(&self) {
        self.cut_as(Cut::Neither);
    }

    /// What clients say from now on gets lost, until the next [`cut`](Self::cut).
    pub fn swallow_requests(&self) {
        self.line.send_modify(|line| line.swallows = Some(Way::ToTheBroker));
    }

    /// What the broker says from now on gets lost, until the next [`cut`](Self::cut).
    pub fn swallow_answers(&self) {
        self.line.send_modify(|line| line.swallows = Some(Way::ToTheClient));
    }

    /// How many bytes got lost.
    #[must_use]
    pub fn swallowed(&self) -> u64 {
        self.swallowed.load(Ordering::Acquire)
    }

    /// Hangs up on who connects from now on.
    pub fn refuse(&self) {
        self.line.send_modify(|line| line.door = Door::Shut);
    }

    /// Carries new connections again.
    pub fn resume(&self) {
        self.line.send_modify(|line| line.door = Door::Open);
    }

    fn cut_as(&self, cut: Cut) {
        self.line.send_modify(|line| {
            line.cuts += 1;
            line.cut = cut;
            line.swallows = None;
        });
    }
}

async fn accept(
    listener: TcpListener,
    broker: SocketAddr,
    line: Arc<watch::Sender<Line>>,
    swallowed: Arc<AtomicU64>,
) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let now = *line.borrow();
        if now.door == Door::Open {
            let carrier = Carrier {
                cuts: now.cuts,
                line: line.subscribe(),
                swallowed: Arc::clone(&swallowed),
            };
            connections.spawn(carrier.carry(client, broker));
        }
    }
}

/// Carries a connection that was accepted after this many cuts, until the next.
#[derive(Clone)]
struct Carrier {
    cuts: u64,
    line: watch::Receiver<Line>,
    swallowed: Arc<AtomicU64>,
}

impl Carrier {
    async fn carry(self, mut client: TcpStream, broker: SocketAddr) {
        let Ok(mut upstream) = TcpStream::connect(broker).await else { return };
        let mut line = self.line.clone();
        {
            let (from_client, to_client) = client.split();
            let (from_broker, to_broker) = upstream.split();
            let there = self.clone().copy(from_client, to_broker, Way::ToTheBroker);
            let back = self.clone().copy(from_broker, to_client, Way::ToTheClient);
            tokio::select! {
                // Either end has ended: so does the other.
                _ = async { tokio::try_join!(there, back) } => return,
                cut = line.wait_for(|line| line.cuts > self.cuts) => drop(cut),
            }
        }
        let is_frozen = line.borrow().cut == Cut::Neither;
        let _client = is_frozen.then_some(client);
        // Where the client's end alone is cut, the broker's stays open.
        drop(line.wait_for(|line| line.cut == Cut::Both).await);
    }

    async fn copy(self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, way: Way) -> io::Result<()> {
        let mut buffer = vec![0; CARRIED_MAX_BYTES];
        loop {
            let read = from.read(&mut buffer).await?;
            if read == 0 {
                return to.shutdown().await;
            }
            let now = *self.line.borrow();
            if now.cuts > self.cuts {
                // It is cut, which is about to be seen.
                return pending().await;
            }
            if now.swallows == Some(way) {
                self.swallowed.fetch_add(read as u64, Ordering::AcqRel);
                continue;
            }
            to.write_all(buffer.get(..read).unwrap_or_default()).await?;
        }
    }
}
