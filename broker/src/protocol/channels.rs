//! The channels of a connection: which methods may come on each, and what is made of them.

use springhare_amqp::wire::method::{basic, channel};
use springhare_amqp::wire::{Frame, FrameKind, Method};
use springhare_amqp::{AmqpError, Message, MethodId, ReplyCode, ShortString};

use super::connection::{Connection, Stage};
use super::content::{ContentAssembler, Expected};
use super::faults;
use super::request::{ChannelMethod, Request};

/// How many channels that their peer closed are remembered: what it sent on them before is ignored.
const RECENTLY_CLOSED_MAX: usize = 32;

/// How one channel stands; one that is closed, or was never opened, has none.
#[derive(Debug)]
pub(super) enum ChannelStage {
    Open(Box<ContentAssembler>),
    /// A close was sent; all but its close-ok is ignored.
    Closing,
}

impl Connection {
    pub(super) fn channel_frame(
        &mut self,
        number: u16,
        frame: &Frame<'_>,
    ) -> Result<Option<Request>, AmqpError> {
        if self.stage == Stage::Closing {
            return Ok(None);
        }
        if frame.kind == FrameKind::Heartbeat || self.stage != Stage::Running {
            return Err(faults::unexpected_frame(frame));
        }
        let max_message_size = self.max_message_size;
        match self.channels.get_mut(&number) {
            Some(ChannelStage::Open(content)) => {
                let before = content.held_bytes();
                let incoming = match frame.kind {
                    FrameKind::Header => content.header(frame.payload, max_message_size)?,
                    FrameKind::Body => content.body(frame.payload)?,
                    _ if content.is_under_way() => return Err(content.unexpected()),
                    _ if content.start_as_before(frame.payload) => None,
                    _ => return self.channel_method(number, frame.payload),
                };
                self.held_bytes = self.held_bytes - before + content.held_bytes();
                Ok(incoming.map(|publish| Request::Publish { channel: number, publish }))
            }
            Some(ChannelStage::Closing) => self.closing_channel(number, frame),
            None => self.unknown_channel(number, frame),
        }
    }

    /// The next message in `bytes`, if it is whole and published just as the last one on this
    /// channel: to the same exchange, with the same key, flags and properties.
    ///
    /// Publishers mostly send so; anything else comes from [`receive`](Self::receive).
    pub(crate) fn receive_again(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        number: u16,
    ) -> Option<Message> {
        if self.stage != Stage::Running {
            return None;
        }
        let frame_limit = self.frame_limit();
        let Some(ChannelStage::Open(content)) = self.channels.get(&number) else { return None };
        let (message, length) = content.again(bytes.get(*at..)?, number, frame_limit)?;
        if message.body.len() > self.max_message_size {
            return None;
        }
        *at += length;
        Some(message)
    }

    fn channel_method(
        &mut self,
        number: u16,
        payload: &[u8],
    ) -> Result<Option<Request>, AmqpError> {
        let method = Method::decode(payload).map_err(|error| faults::method(&error, payload))?;
        let id = method.id();
        let method = match method {
            Method::Basic(basic::Method::Publish(publish)) => {
                if let Some(ChannelStage::Open(content)) = self.channels.get_mut(&number) {
                    content.start(payload, publish)?;
                }
                return Ok(None);
            }
            Method::Channel(channel::Method::Open(_)) => return Err(second_open()),
            Method::Channel(channel::Method::Close(_)) => {
                return Ok(Some(Request::CloseChannel { channel: number }));
            }
            Method::Channel(channel::Method::Flow(flow)) => {
                ChannelMethod::Flow { active: flow.active }
            }
            Method::Access(method) => ChannelMethod::Access(method),
            Method::Exchange(method) => ChannelMethod::Exchange(method),
            Method::Queue(method) => ChannelMethod::Queue(method),
            Method::Basic(method) => ChannelMethod::Basic(method),
            Method::Confirm(method) => ChannelMethod::Confirm(method),
            Method::Tx(method) => ChannelMethod::Tx(method),
            Method::Connection(_) | Method::Channel(_) => return Err(unimplemented(id)),
        };
        Ok(Some(Request::Method { channel: number, method }))
    }

    fn closing_channel(
        &mut self,
        number: u16,
        frame: &Frame<'_>,
    ) -> Result<Option<Request>, AmqpError> {
        if frame.kind != FrameKind::Method {
            return Ok(None);
        }
        let method = Method::decode(frame.payload);
        match method.map_err(|error| faults::method(&error, frame.payload))? {
            Method::Channel(channel::Method::CloseOk(_)) => {
                self.channels.remove(&number);
            }
            // Both closed it at once: the peer gets its answer, and still owes ours.
            Method::Channel(channel::Method::Close(_)) => {
                self.output.method(number, &channel::CloseOk {});
            }
            Method::Channel(channel::Method::Open(_)) => return Err(second_open()),
            _ => {}
        }
        Ok(None)
    }

    fn unknown_channel(
        &mut self,
        number: u16,
        frame: &Frame<'_>,
    ) -> Result<Option<Request>, AmqpError> {
        let max = self.negotiated.channel_max;
        if self.recently_closed.contains(&number) && !is_open_method(frame) {
            // It was on its way when the peer closed the channel.
            return Ok(None);
        }
        if self.channels.len() >= usize::from(max) {
            return Err(AmqpError::new(
                ReplyCode::NotAllowed,
                MethodId::NONE,
                format_args!(
                    "number of channels opened ({max}) has reached the negotiated \
                     channel_max ({max})"
                ),
            ));
        }
        if frame.kind != FrameKind::Method {
            return Err(faults::out_of_order(Expected::Method));
        }
        let method = Method::decode(frame.payload);
        let method = method.map_err(|error| faults::method(&error, frame.payload))?;
        if !matches!(method, Method::Channel(channel::Method::Open(_))) {
            let explanation = "expected 'channel.open'";
            return Err(AmqpError::new(ReplyCode::ChannelError, method.id(), explanation));
        }
        Ok(Some(Request::OpenChannel { channel: number }))
    }

    pub(crate) fn channel_opened(&mut self, number: u16) {
        self.channels.insert(number, ChannelStage::Open(Box::default()));
        self.recently_closed.retain(|closed| *closed != number);
        self.output.method(number, &channel::OpenOk {});
    }

    /// The channel that the client closed is closed.
    pub(crate) fn channel_closed(&mut self, number: u16) {
        if let Some(ChannelStage::Open(content)) = self.channels.remove(&number) {
            self.held_bytes -= content.held_bytes();
        }
        if self.recently_closed.len() >= RECENTLY_CLOSED_MAX {
            self.recently_closed.pop_front();
        }
        self.recently_closed.push_back(number);
        self.output.method(number, &channel::CloseOk {});
    }

    pub(super) fn close_channel(&mut self, number: u16, error: &AmqpError) {
        let stage = self.channels.get_mut(&number);
        if let Some(stage) = stage
            && let ChannelStage::Open(content) = &*stage
        {
            self.held_bytes -= content.held_bytes();
            *stage = ChannelStage::Closing;
            self.output.method(
                number,
                &channel::Close {
                    reply_code: error.code().code(),
                    reply_text: ShortString::truncated(error.text()),
                    class_id: error.method().class,
                    method_id: error.method().method,
                },
            );
        }
    }
}

fn is_open_method(frame: &Frame<'_>) -> bool {
    const OPEN: [u8; 4] = [0, 20, 0, 10];
    frame.kind == FrameKind::Method && frame.payload.starts_with(&OPEN)
}

fn second_open() -> AmqpError {
    let explanation = "second 'channel.open' seen";
    AmqpError::new(ReplyCode::ChannelError, MethodId::CHANNEL_OPEN, explanation)
}

/// 503 for a method that no client sends.
pub(crate) fn unimplemented(id: MethodId) -> AmqpError {
    AmqpError::new(ReplyCode::CommandInvalid, id, "unimplemented method")
}
