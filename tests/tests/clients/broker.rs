//! Where the brokers are, and what both clients send them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use springhare_broker::Broker;
use springhare_tests::{MAX_MESSAGE_SIZE, RabbitMq};

/// What both sides agree on as the largest frame.
pub(crate) const FRAME_MAX: usize = 131_072;

/// Seconds, the least that can be asked for.
pub(crate) const HEARTBEAT: u16 = 1;

/// Longer than the time after which either side gives up a silent peer.
pub(crate) const IDLE: Duration = Duration::from_millis(3500);

pub(crate) const CHANNELS: u16 = 1000;

/// A broker on the network. Ours ends when this is dropped.
#[derive(Debug)]
pub(crate) struct TestBroker {
    address: SocketAddr,
    largest_body: usize,
    _own: Option<Broker>,
}

/// A broker of ours that listens on a free port.
pub(crate) fn springhare() -> TestBroker {
    let listening = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let broker = Broker::builder().listen(listening).start().unwrap();
    let address = broker.local_addrs()[0];
    TestBroker { address, largest_body: 64 << 20, _own: Some(broker) }
}

/// The RabbitMQ that all cases share. None when this run does without it.
pub(crate) fn rabbitmq() -> Option<TestBroker> {
    let node = RabbitMq::shared()?;
    Some(TestBroker { address: node.address(), largest_body: MAX_MESSAGE_SIZE, _own: None })
}

impl TestBroker {
    /// The broker's URL with this password, and this many seconds between heartbeats.
    pub(crate) fn url(&self, password: &str, heartbeat: u16) -> String {
        format!("amqp://guest:{password}@{}/%2f?heartbeat={heartbeat}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lengths of bodies: around the edge of one frame, which carries `FRAME_MAX` - 8 bytes of
    /// it, up to the largest that this broker takes here.
    pub(crate) fn body_sizes(&self) -> [usize; 7] {
        [0, 1, FRAME_MAX - 8, FRAME_MAX - 7, FRAME_MAX, 1 << 20, self.largest_body]
    }
}

/// A name that no other case uses.
pub(crate) fn unique(name: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    format!("clients.{name}.{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// As many bytes that do not repeat soon, the same ones at every call.
pub(crate) fn body(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..size).map(|_| next()).collect()
}

/// Both bodies are the same; they are too long to be printed.
pub(crate) fn assert_same_body(actual: &[u8], expected: &[u8]) {
    assert_eq!(actual.len(), expected.len());
    assert!(actual == expected, "a body of {} bytes came back changed", expected.len());
}

pub(crate) fn no_queue(name: &str) -> String {
    format!("NOT_FOUND - no queue '{name}' in vhost '/'")
}

pub(crate) fn inequivalent_durable(name: &str) -> String {
    format!(
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{name}' in vhost '/': \
         received 'true' but current is 'false'"
    )
}

pub(crate) const LOGIN_REFUSED: &str = "ACCESS_REFUSED - Login was refused using authentication \
                                        mechanism PLAIN. For details see the broker logfile.";
