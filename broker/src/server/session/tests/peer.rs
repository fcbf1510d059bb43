//! A client whose session a test turns by hand, over a disk that it moves by hand.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Buf, Bytes, BytesMut};
use springhare_amqp::client::{Handshake, Login, Progress};
use springhare_amqp::wire::method::{basic, channel, confirm, connection};
use springhare_amqp::wire::{
    EncodeMethod, Frame, FrameKind, Method, encode_body_frame, encode_header_frame,
    encode_method_frame,
};
use springhare_amqp::{BasicProperties, DeliveryMode, MessageProperties, ShortString};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

use crate::clock::{Clock, ManualClock};
use crate::config::BrokerConfig;
use crate::engine::broker_cell::BrokerCell;
use crate::engine::shared::Shared;
use crate::engine::users::Users;
use crate::model::access::{Permissions, User};
use crate::model::ids::QueueId;
use crate::server::handshakes::Handshakes;
use crate::server::session::{Peer, Session};
use crate::store::Journal;

/// More than a test sends or is sent before it looks.
const SOCKET_BYTES: usize = 1 << 20;
const FRAME_MAX: usize = 131_072;

/// A broker with a journal, and its time.
pub(super) struct Host {
    pub(super) broker: Arc<BrokerCell>,
    pub(super) journal: Arc<Journal>,
    pub(super) hand: ManualClock,
    handshakes: Arc<Handshakes>,
}

impl Host {
    pub(super) fn new(config: BrokerConfig) -> Self {
        let (clock, hand) = Clock::manual();
        let journal = Arc::new(Journal::in_memory());
        let shared = Shared::new(config, clock).with_journal(Arc::clone(&journal), QueueId(0));
        let guest = User::new("guest", "guest").permissions("/", Permissions::all());
        let users = Users::new([guest], BTreeSet::new()).unwrap();
        let broker = Arc::new(BrokerCell::new(shared, [], users));
        Self { broker, journal, hand, handshakes: Arc::new(Handshakes::new(10)) }
    }

    /// A client with these channels, which confirm.
    pub(super) fn connect(&self, channels: &[u16]) -> Client {
        let (socket, other) = duplex(SOCKET_BYTES);
        let peer =
            Peer { address: "127.0.0.1:1".parse().unwrap(), local: "127.0.0.1:2".parse().unwrap() };
        let broker = Arc::clone(&self.broker);
        let session = Session::new(other, peer, broker, self.handshakes.begin());
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let mut client =
            Client { session: Some(Box::pin(session)), socket, received: BytesMut::new(), woken };
        client.log_in();
        for channel in channels {
            client.open_confirming(*channel);
        }
        client
    }
}

#[derive(Debug)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// One end of a connection, and the session at the other.
pub(super) struct Client {
    /// None once it has ended.
    session: Option<Pin<Box<Session<DuplexStream>>>>,
    socket: DuplexStream,
    received: BytesMut,
    woken: Arc<Woken>,
}

impl Client {
    fn log_in(&mut self) {
        let login = Login {
            user: "guest".to_owned(),
            password: "guest".to_owned(),
            virtual_host: ShortString::from_static("/"),
            connection_name: "test".to_owned(),
            channel_max: 2047,
            frame_max: 131_072,
            heartbeat: 60,
        };
        let mut out = BytesMut::new();
        let mut handshake = Handshake::new(login, &mut out);
        loop {
            self.send(&std::mem::take(&mut out));
            self.turn();
            let (done, progress) = handshake.handle(&self.received, &mut out).unwrap();
            self.received.advance(done);
            if let Progress::Open(_) = progress {
                return;
            }
        }
    }

    /// Opens a channel that confirms.
    pub(super) fn open_confirming(&mut self, channel: u16) {
        self.say(channel, &channel::Open {});
        self.say(channel, &confirm::Select { no_wait: false });
        let answers = ["channel.open-ok", "confirm.select-ok"];
        assert_eq!(self.hear(), answers.map(|answer| format!("{channel} {answer}")));
    }

    pub(super) fn say<M: EncodeMethod>(&mut self, channel: u16, method: &M) {
        let mut frame = BytesMut::new();
        encode_method_frame(channel, method, &mut frame);
        self.send(&frame);
    }

    /// Publishes to a queue.
    pub(super) fn publish(&mut self, channel: u16, queue: &str, mode: DeliveryMode, body: &str) {
        let publish = basic::Publish {
            exchange: ShortString::EMPTY,
            routing_key: ShortString::truncated(queue),
            mandatory: false,
            immediate: false,
        };
        let properties = BasicProperties { delivery_mode: Some(mode), ..Default::default() };
        let properties = MessageProperties::from(properties);
        let mut frames = BytesMut::new();
        encode_method_frame(channel, &publish, &mut frames);
        encode_header_frame(channel, body.len() as u64, &properties, &mut frames);
        encode_body_frame(channel, body.as_bytes(), &mut frames);
        self.send(&frames);
    }

    /// The same, persistent, and waits for nothing.
    pub(super) fn publish_persistent(&mut self, channel: u16, queue: &str, body: &str) {
        self.publish(channel, queue, DeliveryMode::Persistent, body);
    }

    fn send(&mut self, bytes: &[u8]) {
        let mut cx = Context::from_waker(Waker::noop());
        let written = Pin::new(&mut self.socket).poll_write(&mut cx, bytes);
        assert!(matches!(written, Poll::Ready(Ok(count)) if count == bytes.len()), "{written:?}");
        self.woken.0.store(true, Ordering::SeqCst);
    }

    /// Lets the session do all that it can.
    pub(super) fn turn(&mut self) {
        let waker = Waker::from(Arc::clone(&self.woken));
        while self.woken.0.swap(false, Ordering::SeqCst)
            && let Some(session) = &mut self.session
        {
            if session.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                self.session = None;
            }
        }
        let mut chunk = vec![0; SOCKET_BYTES];
        let mut chunk = ReadBuf::new(&mut chunk);
        let mut cx = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut self.socket).poll_read(&mut cx, &mut chunk);
        self.received.extend_from_slice(chunk.filled());
    }

    /// Whether somebody wants the session to look.
    pub(super) fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::SeqCst)
    }

    /// All that came, once the session has done all that it can: `1 basic.ack 3 multiple`.
    pub(super) fn hear(&mut self) -> Vec<String> {
        self.turn();
        let received = std::mem::take(&mut self.received).freeze();
        let mut rest: Bytes = received;
        let mut heard = Vec::new();
        while let Some(frame) = Frame::decode(&rest, FRAME_MAX).unwrap() {
            let what = match frame.kind {
                FrameKind::Method => said(&Method::decode(frame.payload).unwrap()),
                FrameKind::Heartbeat => "heartbeat".to_owned(),
                FrameKind::Body => String::from_utf8_lossy(frame.payload).into_owned(),
                FrameKind::Header => String::new(),
            };
            if !what.is_empty() {
                heard.push(format!("{} {what}", frame.channel));
            }
            let length = frame.encoded_len();
            rest.advance(length);
        }
        assert!(rest.is_empty(), "whole frames");
        heard
    }
}

/// A method by its name, with what a test asks for.
fn said(method: &Method) -> String {
    let name = method.id().name().unwrap_or_default();
    let multiple = |multiple| if multiple { " multiple" } else { "" };
    match method {
        Method::Basic(basic::Method::Ack(ack)) => {
            format!("{name} {}{}", ack.delivery_tag, multiple(ack.multiple))
        }
        Method::Basic(basic::Method::Nack(nack)) => {
            format!("{name} {}{}", nack.delivery_tag, multiple(nack.multiple))
        }
        Method::Connection(connection::Method::Blocked(blocked)) => {
            format!("{name}: {}", blocked.reason)
        }
        Method::Connection(connection::Method::Close(close)) => {
            format!("{name} {} {}", close.reply_code, close.reply_text)
        }
        Method::Channel(channel::Method::Close(close)) => {
            format!("{name} {} {}", close.reply_code, close.reply_text)
        }
        _ => name.to_owned(),
    }
}
