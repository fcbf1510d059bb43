//! A broker that listens: other processes connect to it as to RabbitMQ.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Broker, BrokerBuilder};
use crate::server::{Listening, Transport};

impl BrokerBuilder {
    /// Listens at this address for AMQP 0-9-1 on TCP, as RabbitMQ does at port 5672; port 0 is
    /// any free one. May be called for several addresses.
    ///
    /// The broker is then to be started on a tokio runtime with I/O and time enabled.
    ///
    /// ```
    /// use std::time::Duration;
    /// use springhare_broker::Broker;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let broker = Broker::builder().listen("127.0.0.1:0".parse()?).start()?;
    /// for address in broker.local_addrs() {
    ///     println!("amqp://guest:guest@{address}");
    /// }
    /// broker.shutdown(Duration::from_secs(5)).await;
    /// # Ok(()) }
    /// ```
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listenings.push(Listening { address, transport: Transport::Tcp });
        self
    }

    /// As [`listen`](Self::listen), with TLS on the connections, as RabbitMQ does at port 5671.
    #[cfg(feature = "tls")]
    pub fn listen_tls(mut self, address: SocketAddr, tls: crate::TlsConfig) -> Self {
        self.listenings.push(Listening { address, transport: Transport::Tls(tls) });
        self
    }
}

impl Broker {
    /// Where it listens, with the ports that were found free, in the order of the calls of
    /// [`BrokerBuilder::listen`].
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.server().map(|server| server.addresses().to_vec()).unwrap_or_default()
    }

    /// Stops, as [`stop`](Self::stop) does: accepts nothing more, closes all connections with 320 `CONNECTION_FORCED`, and waits
    /// until the peers on sockets have answered and read what they were owed; after `deadline`
    /// they are dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the broker stopped, and the rest to the connections.
    pub async fn shutdown(&self, deadline: Duration) {
        if let Some(server) = self.server() {
            server.stop_accepting();
        }
        self.stop();
        let Some(server) = self.server() else { return };
        tokio::select! {
            () = server.drained() => {}
            () = self.clock().sleep(deadline) => {
                server.drop_sessions();
                server.drained().await;
            }
        }
    }
}
