use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;

use super::channel::{Channel, Outcome};
use super::content::BODY_MAX_BYTES;
use super::error::{PeerFault, Refused, closed_by};
use super::event::Event;
use super::handshake::Agreed;
use crate::wire::method::{basic, channel, connection};
use crate::wire::{
    EncodeMethod, FRAME_OVERHEAD, Frame, FrameKind, Method, encode_body_frame, encode_header_frame,
    encode_heartbeat, encode_method_frame,
};
use crate::{AmqpError, Heartbeat, HeartbeatStep, Message, MethodId, ShortString};

/// 200: nothing is wrong (AMQP 0-9-1 section 1.2, `reply-success`).
const REPLY_SUCCESS: u16 = 200;

/// How many events [`Connection::handle`] makes at a time.
const EVENTS_MAX: usize = 512;

/// An open connection, seen from the client.
///
/// A, what comes in: [`handle`](Self::handle) takes bytes, [`tick`](Self::tick) the time. B,
/// commands: each adds frames to the output, and a [`call`](Self::call) is answered by an event.
/// C, what goes out: [`output`](Self::output) is to be sent, [`poll_event`](Self::poll_event) to
/// be told. Nothing waits.
#[derive(Debug)]
pub struct Connection {
    agreed: Agreed,
    /// The largest body that is taken, in bytes.
    body_max: u64,
    /// By number; the first is not used: 0 is the connection itself.
    channels: Vec<Option<Channel>>,
    /// Numbers below the length of `channels` that are free.
    free: Vec<u16>,
    state: State,
    heartbeat: Heartbeat,
    output: BytesMut,
    events: VecDeque<Event>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// A `connection.close` was sent.
    Closing,
    Closed,
}

impl Connection {
    /// A connection whose handshake is done; `now` on the caller's clock.
    #[must_use]
    pub fn new(agreed: Agreed, now: Duration) -> Self {
        Self {
            agreed,
            body_max: BODY_MAX_BYTES,
            channels: vec![None],
            free: Vec::new(),
            state: State::Open,
            heartbeat: Heartbeat::every(agreed.heartbeat, now),
            output: BytesMut::new(),
            events: VecDeque::new(),
        }
    }

    /// The same, which ends when a body is announced that is larger than this, in bytes;
    /// [`BODY_MAX_BYTES`] by itself.
    #[must_use]
    pub fn with_body_max(self, bytes: u64) -> Self {
        Self { body_max: bytes, ..self }
    }

    /// What both sides keep to.
    #[must_use]
    pub fn agreed(&self) -> Agreed {
        self.agreed
    }

    /// Whether commands are taken.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// The bytes to send; whoever sends some takes them off the front, and tells
    /// [`sent`](Self::sent).
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// The number of bytes that are not sent.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.output.len()
    }

    /// Something was sent.
    pub fn sent(&mut self, now: Duration) {
        self.heartbeat.sent(now);
    }

    /// Something was received, or could have been: a client that does not read for a while can't
    /// blame the broker for its silence.
    pub fn received(&mut self, now: Duration) {
        self.heartbeat.received(now);
    }

    /// What happened next, if anything did.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Does what the time asks for: sends a heartbeat, or says that the broker has missed two
    /// ([`HeartbeatStep::Dead`]); otherwise, when to look again.
    pub fn tick(&mut self, now: Duration) -> HeartbeatStep {
        match self.heartbeat.step(now) {
            HeartbeatStep::Beat => {
                encode_heartbeat(&mut self.output);
                self.heartbeat.sent(now);
                self.heartbeat.step(now)
            }
            step => step,
        }
    }

    /// Takes what was received, and says how many bytes of it are done with: there may be more
    /// frames in the rest when there are events to be told.
    ///
    /// # Errors
    ///
    /// [`PeerFault`] when the broker breaks the protocol. The output then ends with a
    /// `connection.close` that says so, and nothing more is taken.
    pub fn handle(&mut self, bytes: &[u8]) -> Result<usize, PeerFault> {
        let mut done = 0;
        while self.state != State::Closed
            && self.events.len() < EVENTS_MAX
            && let Some(rest) = bytes.get(done..)
        {
            // RabbitMQ keeps to what was agreed on; 8 bytes more are taken, as it takes them.
            let frame = match Frame::decode(rest, self.agreed.frame_max + FRAME_OVERHEAD) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return Err(self.fail(error.into())),
            };
            done += frame.encoded_len();
            if let Err(fault) = self.frame(frame) {
                return Err(self.fail(fault));
            }
        }
        Ok(done)
    }

    fn frame(&mut self, frame: Frame<'_>) -> Result<(), PeerFault> {
        if frame.kind == FrameKind::Heartbeat {
            return Ok(());
        }
        if frame.channel == 0 {
            return self.connection_method(frame);
        }
        if self.state != State::Open {
            return Ok(());
        }
        let number = frame.channel;
        let slot = self.channels.get_mut(usize::from(number)).and_then(Option::as_mut);
        let Some(channel) = slot else {
            return Err(PeerFault::UnknownChannel { channel: number });
        };
        let event = match frame.kind {
            FrameKind::Method if channel.content.is_under_way() => {
                return Err(PeerFault::Content { channel: number, what: "cut off by a method" });
            }
            FrameKind::Method => {
                if channel.content.deliver_as_before(frame.payload) {
                    return Ok(());
                }
                let method = Method::decode(frame.payload)?;
                match channel.head(number, frame.payload, method)? {
                    Some(method) => return self.channel_method(number, method),
                    None => return Ok(()),
                }
            }
            FrameKind::Header => channel.content.header(number, frame.payload, self.body_max)?,
            FrameKind::Body => channel.content.body(number, frame.payload)?,
            FrameKind::Heartbeat => None,
        };
        if channel.is_open() {
            self.events.extend(event);
        }
        Ok(())
    }

    fn channel_method(&mut self, number: u16, method: Method) -> Result<(), PeerFault> {
        let Some(Some(channel)) = self.channels.get_mut(usize::from(number)) else {
            return Ok(());
        };
        match channel.method(number, method)? {
            Outcome::Nothing => {}
            Outcome::Event(event) => self.events.push_back(event),
            Outcome::Flow(flow_ok) => encode_method_frame(number, &flow_ok, &mut self.output),
            Outcome::ClosedByBroker(error) => {
                encode_method_frame(number, &channel::CloseOk, &mut self.output);
                let was_open = channel.is_open();
                // A close of its own that is on its way is answered by a close-ok still.
                if was_open {
                    self.release(number);
                    self.events.push_back(Event::ChannelClosed { channel: number, error });
                }
            }
            Outcome::CloseOk => {
                self.release(number);
                self.events.push_back(Event::ChannelCloseOk { channel: number });
            }
        }
        Ok(())
    }

    fn release(&mut self, number: u16) {
        if let Some(slot) = self.channels.get_mut(usize::from(number)) {
            *slot = None;
            self.free.push(number);
        }
    }

    fn connection_method(&mut self, frame: Frame<'_>) -> Result<(), PeerFault> {
        if frame.kind != FrameKind::Method {
            return Err(PeerFault::UnknownChannel { channel: 0 });
        }
        let method = match Method::decode(frame.payload)? {
            Method::Connection(method) => method,
            other => {
                return Err(PeerFault::UnexpectedMethod { channel: 0, method: other.id() });
            }
        };
        match method {
            connection::Method::Close(close) => {
                encode_method_frame(0, &connection::CloseOk, &mut self.output);
                let (code, text) = (close.reply_code, &close.reply_text);
                let error = closed_by(code, text, close.class_id, close.method_id)?;
                self.closed(Some(error));
            }
            connection::Method::CloseOk(_) if self.state == State::Closing => self.closed(None),
            connection::Method::Blocked(blocked) => {
                self.events.push_back(Event::Blocked { reason: blocked.reason });
            }
            connection::Method::Unblocked(_) => self.events.push_back(Event::Unblocked),
            other => return Err(PeerFault::UnexpectedMethod { channel: 0, method: other.id() }),
        }
        Ok(())
    }

    fn closed(&mut self, error: Option<AmqpError>) {
        self.state = State::Closed;
        self.events.push_back(Event::Closed(error));
    }

    fn fail(&mut self, fault: PeerFault) -> PeerFault {
        if self.state != State::Closed {
            let error = AmqpError::new(fault.code(), MethodId::NONE, &fault);
            self.send_close(&error);
            self.state = State::Closed;
        }
        fault
    }

    /// Opens a channel and says its number. Commands may follow at once; the answer is a
    /// [`Event::Reply`].
    ///
    /// # Errors
    ///
    /// [`Refused`] when the connection is closed, or all its channels are open.
    pub fn open_channel(&mut self) -> Result<u16, Refused> {
        if self.state != State::Open {
            return Err(Refused::ConnectionClosed);
        }
        let number = match self.free.pop() {
            Some(number) => number,
            None => match u16::try_from(self.channels.len()) {
                Ok(number) if number <= self.agreed.channel_max => {
                    self.channels.push(None);
                    number
                }
                _ => return Err(Refused::NoChannelLeft { max: self.agreed.channel_max }),
            },
        };
        if let Some(slot) = self.channels.get_mut(usize::from(number)) {
            *slot = Some(Channel::default());
        }
        self.call(number, &channel::Open)?;
        Ok(number)
    }

    /// Sends a method that the broker answers, with a [`Event::Reply`] or [`Event::Got`].
    ///
    /// # Errors
    ///
    /// [`Refused`] when the channel is closed or the method is larger than a frame.
    pub fn call<M: EncodeMethod>(&mut self, channel: u16, method: &M) -> Result<(), Refused> {
        self.send(channel, method)?;
        self.open_channel_mut(channel)?.called(M::ID);
        Ok(())
    }

    /// Sends a method that the broker does not answer.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn send<M: EncodeMethod>(&mut self, channel: u16, method: &M) -> Result<(), Refused> {
        self.open_channel_mut(channel)?;
        let start = self.output.len();
        encode_method_frame(channel, method, &mut self.output);
        let (size, max) = (self.output.len() - start, self.agreed.frame_max);
        if size > max {
            self.output.truncate(start);
            return Err(Refused::TooLargeForAFrame { size, max });
        }
        Ok(())
    }

    /// Publishes a message.
    ///
    /// # Errors
    ///
    /// [`Refused`] when the channel is closed or the properties are larger than a frame.
    pub fn publish(
        &mut self,
        channel: u16,
        publish: &basic::Publish,
        message: &Message,
    ) -> Result<(), Refused> {
        self.open_channel_mut(channel)?;
        let start = self.output.len();
        encode_method_frame(channel, publish, &mut self.output);
        let header_at = self.output.len();
        let length = u64::try_from(message.body.len()).unwrap_or(u64::MAX);
        encode_header_frame(channel, length, &message.properties, &mut self.output);
        let (size, max) = (self.output.len() - header_at, self.agreed.frame_max);
        if size > max {
            self.output.truncate(start);
            return Err(Refused::TooLargeForAFrame { size, max });
        }
        for part in message.body.chunks(self.agreed.frame_max - FRAME_OVERHEAD) {
            encode_body_frame(channel, part, &mut self.output);
        }
        Ok(())
    }

    /// Closes a channel; [`Event::ChannelCloseOk`] is the answer, and calls that are not answered
    /// by then will not be.
    ///
    /// # Errors
    ///
    /// [`Refused`] when it is closed already.
    pub fn close_channel(&mut self, channel: u16) -> Result<(), Refused> {
        let close = channel::Close {
            reply_code: REPLY_SUCCESS,
            reply_text: ShortString::from_static("Goodbye"),
            class_id: 0,
            method_id: 0,
        };
        self.send(channel, &close)?;
        self.open_channel_mut(channel)?.closes();
        Ok(())
    }

    /// Closes the connection and all its channels; [`Event::Closed`] is the answer.
    pub fn close(&mut self) {
        if self.state == State::Open {
            self.state = State::Closing;
            let goodbye = connection::Close {
                reply_code: REPLY_SUCCESS,
                reply_text: ShortString::from_static("Goodbye"),
                class_id: 0,
                method_id: 0,
            };
            encode_method_frame(0, &goodbye, &mut self.output);
        }
    }

    /// The socket is gone: no more commands are taken, and nothing is to be sent.
    pub fn abandon(&mut self) {
        self.state = State::Closed;
        self.output.clear();
    }

    fn send_close(&mut self, error: &AmqpError) {
        let close = connection::Close {
            reply_code: error.code().code(),
            reply_text: ShortString::truncated(error.text()),
            class_id: error.method().class,
            method_id: error.method().method,
        };
        encode_method_frame(0, &close, &mut self.output);
    }

    fn open_channel_mut(&mut self, number: u16) -> Result<&mut Channel, Refused> {
        if self.state != State::Open {
            return Err(Refused::ConnectionClosed);
        }
        let channel = self.channels.get_mut(usize::from(number)).and_then(Option::as_mut);
        channel.filter(|channel| channel.is_open()).ok_or(Refused::ChannelClosed)
    }
}

#[cfg(test)]
mod tests;
