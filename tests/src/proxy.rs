//! A way to a broker that can be cut: stands between a client and a broker on TCP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Carries connections to a broker, until they are cut. Ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: Arc<watch::Sender<Line>>,
    _tasks: JoinSet<()>,
}

/// The state of the line, and how often it was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    cuts: u64,
    cut: Cut,
    door: Door,
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
        let line = Line { cuts: 0, cut: Cut::Both, door: Door::Open };
        let line = Arc::new(watch::Sender::new(line));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, broker, Arc::clone(&line)));
        Ok(Self { address, line, _tasks: tasks })
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
        });
    }
}

async fn accept(listener: TcpListener, broker: SocketAddr, line: Arc<watch::Sender<Line>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let now = *line.borrow();
        if now.door == Door::Open {
            connections.spawn(carry(client, broker, now.cuts, line.subscribe()));
        }
    }
}

/// Carries a connection that was accepted after this many cuts, until the next.
async fn carry(
    mut client: TcpStream,
    broker: SocketAddr,
    cuts: u64,
    mut line: watch::Receiver<Line>,
) {
    let Ok(mut upstream) = TcpStream::connect(broker).await else { return };
    tokio::select! {
        // Either end has ended: so does the other.
        _ = copy_bidirectional(&mut client, &mut upstream) => return,
        cut = line.wait_for(|line| line.cuts > cuts) => drop(cut),
    }
    let is_frozen = line.borrow().cut == Cut::Neither;
    let _client = is_frozen.then_some(client);
    // Where the client's end alone is cut, the broker's stays open.
    drop(line.wait_for(|line| line.cut == Cut::Both).await);
}
