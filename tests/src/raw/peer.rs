//! A client that speaks in bytes and waits within bounds.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::bytes::PROTOCOL_HEADER;
use super::frame::{Close, RawFrame};
use super::methods::{
    channel_close_ok, channel_open, connection_close, connection_close_ok, flow, open, start_ok,
    tune_ok,
};
use crate::within_limit;

/// How long a broker takes nothing before it counts as one that waits for its answers to be read.
const STALLED: Duration = Duration::from_secs(1);

/// What came from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A whole frame.
    Frame(RawFrame),
    /// A protocol header instead of a frame.
    ProtocolHeader([u8; 8]),
    /// The broker ended the connection, in whatever way.
    Dropped,
}

/// What a client answers to `connection.tune`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tune {
    /// Channels; 2047 unless said otherwise.
    pub channel_max: u16,
    /// Bytes of a frame; 131,072.
    pub frame_max: u32,
    /// Seconds; 0, so that a test may take its time.
    pub heartbeat: u16,
}

impl Default for Tune {
    fn default() -> Self {
        Self { channel_max: 2047, frame_max: 131_072, heartbeat: 0 }
    }
}

/// A connection to a broker, below everything that a client library would check.
#[derive(Debug)]
pub struct RawPeer {
    stream: TcpStream,
    /// Read, and not yet looked at from `taken` on.
    buffer: Vec<u8>,
    taken: usize,
}

impl RawPeer {
    /// Connects, and sends nothing.
    ///
    /// # Panics
    ///
    /// When nobody listens there.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = within_limit("a TCP connection", TcpStream::connect(address)).await;
        let stream = stream.unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
        stream.set_nodelay(true).expect("a TCP socket takes TCP_NODELAY");
        Self { stream, buffer: Vec::new(), taken: 0 }
    }

    /// Connects as guest to the virtual host `/`.
    ///
    /// # Panics
    ///
    /// When the broker does not let it in.
    pub async fn guest(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address).await;
        let answer = peer.handshake("guest", "guest", "/", Tune::default()).await;
        assert!(is_open_ok(&answer), "guest is let in: {answer:?}");
        peer
    }

    /// Connects as guest and opens these channels.
    ///
    /// # Panics
    ///
    /// When the broker refuses.
    pub async fn with_channels(address: SocketAddr, channels: &[u16]) -> Self {
        let mut peer = Self::guest(address).await;
        for channel in channels {
            peer.open_channel(*channel).await;
        }
        peer
    }

    /// Sends. That the broker has already dropped the connection is no error here: reading
    /// tells, and what it said before can still be read.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let write = self.stream.write_all(bytes.as_ref());
        let _ = within_limit("the broker to read", write).await;
    }

    /// Ends this side of the connection only.
    pub async fn end(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Sends as much of these bytes as the broker takes while nobody reads what it answers;
    /// returns how much that was. It ends when the broker has taken nothing for a second.
    pub async fn send_until_stalled(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while let Some(rest @ [_, ..]) = bytes.get(sent..) {
            match tokio::time::timeout(STALLED, self.stream.write(rest)).await {
                Ok(Ok(written @ 1..)) => sent += written,
                Ok(_) | Err(_) => break,
            }
        }
        sent
    }

    /// The next that comes.
    pub async fn next(&mut self) -> Received {
        self.next_for("something from the broker").await
    }

    /// The next that comes; `what` names what is waited for.
    pub async fn next_for(&mut self, what: &str) -> Received {
        within_limit(what, self.receive()).await
    }

    async fn receive(&mut self) -> Received {
        loop {
            if let Some(received) = self.take() {
                return received;
            }
            if self.taken > 0 {
                self.buffer.drain(..self.taken);
                self.taken = 0;
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(1..) => {}
                // What is cut in the middle is as good as nothing.
                Ok(0) | Err(_) => return Received::Dropped,
            }
        }
    }

    /// What is whole in the buffer.
    fn take(&mut self) -> Option<Received> {
        let bytes = self.buffer.get(self.taken..)?;
        if bytes.starts_with(b"AMQP") {
            let header = bytes.first_chunk::<8>()?;
            self.taken += header.len();
            return Some(Received::ProtocolHeader(*header));
        }
        let [kind, channel_high, channel_low, size @ ..] = bytes.first_chunk::<7>()?;
        let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
        let payload = bytes.get(7..7 + size)?.to_vec();
        let end = bytes.get(7 + size)?;
        assert_eq!(*end, super::bytes::FRAME_END, "the broker's frames end as they must");
        self.taken += size + 8;
        let channel = u16::from_be_bytes([*channel_high, *channel_low]);
        Some(Received::Frame(RawFrame { kind: *kind, channel, payload }))
    }

    /// The next frame.
    ///
    /// # Panics
    ///
    /// When the connection ends instead; `what` names what was waited for.
    pub async fn expect_frame(&mut self, what: &str) -> RawFrame {
        match self.next_for(what).await {
            Received::Frame(frame) => frame,
            other => panic!("instead of {what}: {other:?}"),
        }
    }

    /// The arguments of the next frame, which must be this method.
    ///
    /// # Panics
    ///
    /// When it is another.
    pub async fn expect_method(&mut self, channel: u16, class: u16, id: u16) -> Vec<u8> {
        let frame = self.expect_frame(&format!("method {class}.{id}")).await;
        match frame.method() {
            Some((found, arguments)) if (frame.channel, found) == (channel, (class, id)) => {
                arguments.to_vec()
            }
            _ => panic!("instead of method {class}.{id} on channel {channel}: {frame:?}"),
        }
    }

    /// The close that the next frame must be.
    ///
    /// # Panics
    ///
    /// When it is something else.
    pub async fn expect_close(&mut self) -> Close {
        let frame = self.expect_frame("a close").await;
        frame.close().unwrap_or_else(|| panic!("instead of a close: {frame:?}"))
    }

    /// Reads until the broker ends the connection; returns the frames that came before.
    pub async fn until_dropped(&mut self) -> Vec<RawFrame> {
        let mut frames = Vec::new();
        loop {
            match self.next().await {
                Received::Frame(frame) => frames.push(frame),
                Received::ProtocolHeader(header) => panic!("a protocol header late: {header:?}"),
                Received::Dropped => return frames,
            }
        }
    }

    /// Sends the protocol header and reads `connection.start`; returns its arguments.
    pub async fn greet(&mut self) -> Vec<u8> {
        self.send(PROTOCOL_HEADER).await;
        self.expect_method(0, 10, 10).await
    }

    /// The whole handshake by PLAIN, with the capabilities that make a broker say why it
    /// refuses; returns what came instead of `connection.tune`, or after `connection.open`.
    pub async fn handshake(
        &mut self,
        user: &str,
        password: &str,
        virtual_host: &str,
        tune: Tune,
    ) -> Received {
        self.greet().await;
        let response = format!("\0{user}\0{password}");
        let capabilities = ["authentication_failure_close", "consumer_cancel_notify"];
        self.send(start_ok("PLAIN", response, &capabilities)).await;
        let answer = self.next().await;
        if !matches!(&answer, Received::Frame(frame) if is_method(frame, (10, 30))) {
            return answer;
        }
        let tune_ok = tune_ok(tune.channel_max, tune.frame_max, tune.heartbeat);
        self.send([tune_ok, open(virtual_host)].concat()).await;
        self.next().await
    }

    /// Opens a channel.
    pub async fn open_channel(&mut self, channel: u16) {
        self.send(channel_open(channel)).await;
        self.expect_method(channel, 20, 11).await;
    }

    /// Has the broker answer on this channel: everything before is done, and the channel lives.
    pub async fn expect_alive(&mut self, channel: u16) {
        self.send(flow(channel)).await;
        self.expect_method(channel, 20, 21).await;
    }

    /// Answers to a close, so that the broker need not wait.
    pub async fn confirm_close(&mut self, close: &Close) {
        match close.channel {
            0 => self.send(connection_close_ok()).await,
            channel => self.send(channel_close_ok(channel)).await,
        }
    }

    /// Closes the connection as a client should.
    pub async fn close(mut self) {
        self.send(connection_close()).await;
        self.expect_method(0, 10, 51).await;
    }
}

/// Whether this is `connection.open-ok`.
#[must_use]
pub fn is_open_ok(received: &Received) -> bool {
    matches!(received, Received::Frame(frame) if is_method(frame, (10, 41)))
}

fn is_method(frame: &RawFrame, id: (u16, u16)) -> bool {
    frame.method().is_some_and(|(found, _)| found == id)
}
