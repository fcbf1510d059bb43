//! A broker that does what it is told: logs everyone in, and then answers as the test says.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use springhare::connection::{Link, LinkConnection};
use springhare_amqp::wire::method::basic;
use springhare_amqp::wire::method::connection::{OpenOk, Start, Tune};
use springhare_amqp::wire::{Frame, FrameKind, Method, PROTOCOL_HEADER, encode_method_frame};
use springhare_amqp::{FieldTable, ShortString};
use springhare_tests::{amqp_link, within_limit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const FRAME_MAX: u32 = 8192;

/// So often everyone else has had a turn before a peer that takes nothing counts as stuck.
const TURNS: usize = 10_000;

/// A connection of our client to a broker that is played by the test.
pub(crate) async fn logged_in(heartbeat: u16) -> (Arc<dyn LinkConnection>, Peer) {
    let broker = FakeBroker::start().await;
    let link = amqp_link(broker.address());
    let (connection, peer) = within_limit("the login", async {
        tokio::join!(link.connect("test"), broker.log_in(heartbeat))
    })
    .await;
    (connection.unwrap(), peer)
}

/// The method before a message to this consumer.
pub(crate) fn deliver(tag: &str, number: u64) -> basic::Deliver {
    basic::Deliver {
        consumer_tag: ShortString::new(tag).unwrap(),
        delivery_tag: number,
        redelivered: false,
        exchange: ShortString::EMPTY,
        routing_key: ShortString::from_static("q"),
    }
}

pub(crate) struct FakeBroker {
    listener: TcpListener,
}

impl FakeBroker {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next connection, before anything was said on it.
    pub(crate) async fn accept(&self) -> Peer {
        let (socket, _) = self.listener.accept().await.unwrap();
        Peer { socket, received: BytesMut::new() }
    }

    /// The next connection, logged in.
    pub(crate) async fn log_in(&self, heartbeat: u16) -> Peer {
        let mut peer = self.accept().await;
        let start = Start {
            version_major: 0,
            version_minor: 9,
            server_properties: FieldTable::new(),
            mechanisms: Bytes::from_static(b"PLAIN"),
            locales: Bytes::from_static(b"en_US"),
        };
        peer.header().await;
        peer.send(0, start).await;
        peer.method().await;
        peer.send(0, Tune { channel_max: 100, frame_max: FRAME_MAX, heartbeat }).await;
        peer.method().await;
        peer.method().await;
        peer.send(0, OpenOk).await;
        peer
    }
}

/// The broker's end of one connection.
pub(crate) struct Peer {
    socket: TcpStream,
    received: BytesMut,
}

impl Peer {
    pub(crate) async fn header(&mut self) {
        let mut header = [0; 8];
        self.socket.read_exact(&mut header).await.unwrap();
        assert_eq!(header, PROTOCOL_HEADER);
    }

    pub(crate) async fn send(&mut self, channel: u16, method: impl Into<Method>) {
        let mut bytes = BytesMut::new();
        method.into().encode_frame(channel, &mut bytes);
        self.bytes(&bytes).await;
    }

    pub(crate) async fn bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// The next method from the client.
    pub(crate) async fn method(&mut self) -> (u16, Method) {
        loop {
            let frame = Frame::decode(&self.received, usize::MAX).unwrap();
            let taken = frame.map(|frame| {
                let method = (frame.kind == FrameKind::Method)
                    .then(|| (frame.channel, Method::decode(frame.payload).unwrap()));
                (frame.encoded_len(), method)
            });
            match taken {
                Some((length, method)) => {
                    self.received.advance(length);
                    if let Some(method) = method {
                        return method;
                    }
                }
                None => assert_ne!(self.socket.read_buf(&mut self.received).await.unwrap(), 0),
            }
        }
    }

    /// Answers `channel.open`.
    pub(crate) async fn open_channel(&mut self) -> u16 {
        let (channel, _) = self.method().await;
        let mut bytes = BytesMut::new();
        encode_method_frame(channel, &springhare_amqp::wire::method::channel::OpenOk, &mut bytes);
        self.bytes(&bytes).await;
        channel
    }

    /// Answers `basic.consume`.
    pub(crate) async fn start_consumer(&mut self, tag: &str) {
        let (channel, _) = self.method().await;
        let consumer_tag = ShortString::new(tag).unwrap();
        self.send(channel, basic::ConsumeOk { consumer_tag }).await;
    }

    /// Sends until the client takes no more, and returns how much it took. Only for a test on one
    /// thread: there, whoever could read has done so after its turn.
    pub(crate) async fn send_until_stuck(&mut self, bytes: &[u8]) -> usize {
        let (mut sent, mut turns) = (0, 0);
        while sent < bytes.len() && turns < TURNS {
            match self.socket.try_write(&bytes[sent..]) {
                Ok(count) => (sent, turns) = (sent + count, 0),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
                    turns += 1;
                    tokio::task::yield_now().await;
                }
            }
        }
        sent
    }
}
