use bytes::Bytes;
use springhare_amqp::wire::method::basic;
use springhare_amqp::wire::{BodyAssembly, ContentHeader, Frame, FrameKind, LastProperties};
use springhare_amqp::{AmqpError, Message, MessageProperties, MethodId, ReplyCode};

use super::faults;
use super::request::Incoming;

/// What one channel is in the middle of: a content comes as a method, a header and body frames.
///
/// It remembers the last publish and the last properties: publishers mostly send the same again,
/// and then nothing is decoded or allocated for them.
#[derive(Debug, Default)]
pub(super) struct ContentAssembler {
    state: ContentState,
    last_publish: Option<KnownPublish>,
    last_properties: LastProperties,
}

/// What comes next.
#[derive(Debug, Default)]
enum ContentState {
    #[default]
    Method,
    Header,
    Body {
        properties: MessageProperties,
        body: BodyAssembly,
    },
}

/// A `basic.publish`, with the bytes that it was decoded from.
#[derive(Debug)]
struct KnownPublish {
    payload: Box<[u8]>,
    method: basic::Publish,
}

impl ContentAssembler {
    /// Whether a content is under way, so that no other method may come.
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(self.state, ContentState::Method)
    }

    /// The bytes that are kept of a body that is not whole yet.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.state {
            ContentState::Body { body, properties, .. } => {
                body.held_bytes() + properties.encoded_len()
            }
            ContentState::Method | ContentState::Header => 0,
        }
    }

    /// Takes the method frame of a publish, if it is the same as the last one.
    pub(super) fn start_as_before(&mut self, payload: &[u8]) -> bool {
        let known = self.last_publish.as_ref().is_some_and(|known| *known.payload == *payload);
        if known {
            self.state = ContentState::Header;
        }
        known
    }

    /// The next message in `bytes` and how many of them it takes, if it is whole, published just as
    /// the last one, and in one frame: of such a one nothing is decoded but its size.
    pub(super) fn again(
        &self,
        bytes: &[u8],
        number: u16,
        frame_limit: usize,
    ) -> Option<(Message, usize)> {
        if self.is_under_way() {
            return None;
        }
        let known = self.last_publish.as_ref()?;
        let next = |at: usize, kind| {
            let frame = Frame::decode(bytes.get(at..)?, frame_limit).ok()??;
            (frame.kind == kind && frame.channel == number).then_some(frame)
        };
        let method = next(0, FrameKind::Method).filter(|frame| *frame.payload == *known.payload)?;
        let at = method.encoded_len();
        let header = next(at, FrameKind::Header)?;
        let at = at + header.encoded_len();
        let header = ContentHeader::decode(header.payload).ok()?;
        if header.class != MethodId::BASIC_PUBLISH.class || header.weight != 0 {
            return None;
        }
        let properties = self.last_properties.again(header.properties)?;
        if header.body_size == 0 {
            return Some((Message { properties, body: Bytes::new() }, at));
        }
        let body = next(at, FrameKind::Body)?;
        if u64::try_from(body.payload.len()) != Ok(header.body_size) {
            return None;
        }
        let at = at + body.encoded_len();
        Some((Message { properties, body: Bytes::copy_from_slice(body.payload) }, at))
    }

    /// Takes a publish that is another than the last.
    ///
    /// # Errors
    ///
    /// 540 for `immediate`, as RabbitMQ.
    pub(super) fn start(
        &mut self,
        payload: &[u8],
        method: basic::Publish,
    ) -> Result<(), AmqpError> {
        if method.immediate {
            let explanation = "immediate=true";
            let code = ReplyCode::NotImplemented;
            return Err(AmqpError::new(code, MethodId::BASIC_PUBLISH, explanation));
        }
        self.last_publish = Some(KnownPublish { payload: payload.into(), method });
        self.state = ContentState::Header;
        Ok(())
    }

    /// Takes a content header; the message, if its body is empty.
    ///
    /// # Errors
    ///
    /// 505 out of order, 501 for a header that can't be read, 406 for one that announces more
    /// than `max_message_size`, before any of it is kept.
    pub(super) fn header(
        &mut self,
        payload: &[u8],
        max_message_size: usize,
    ) -> Result<Option<Incoming>, AmqpError> {
        if !matches!(self.state, ContentState::Header) {
            return Err(self.unexpected());
        }
        let header = ContentHeader::decode(payload).map_err(|_| faults::content_header(payload))?;
        if header.class != MethodId::BASIC_PUBLISH.class {
            return Err(faults::other_class(header.class));
        }
        if header.weight != 0 {
            return Err(self.unexpected());
        }
        let size = usize::try_from(header.body_size).ok().filter(|size| *size <= max_message_size);
        let Some(missing) = size else {
            self.state = ContentState::Method;
            return Err(faults::too_large(header.body_size, max_message_size));
        };
        let properties = self.last_properties.read(header.properties);
        let properties = properties.map_err(|error| faults::properties(&error, payload))?;
        if missing == 0 {
            return Ok(self.complete(properties, Bytes::new()));
        }
        self.state = ContentState::Body { properties, body: BodyAssembly::expecting(missing) };
        Ok(None)
    }

    /// Takes a body frame; the message, if it is whole.
    ///
    /// # Errors
    ///
    /// 505 out of order, 501 for more than the header announced.
    pub(super) fn body(&mut self, payload: &[u8]) -> Result<Option<Incoming>, AmqpError> {
        let ContentState::Body { body, .. } = &mut self.state else {
            return Err(self.unexpected());
        };
        let added = body.add(payload).map_err(|over| faults::body_over_size(over.announced))?;
        let Some(whole) = added else { return Ok(None) };
        let state = std::mem::take(&mut self.state);
        let ContentState::Body { properties, .. } = state else { return Ok(None) };
        Ok(self.complete(properties, whole))
    }

    fn complete(&mut self, properties: MessageProperties, body: Bytes) -> Option<Incoming> {
        self.state = ContentState::Method;
        let publish = &self.last_publish.as_ref()?.method;
        Some(Incoming {
            exchange: publish.exchange.clone(),
            routing_key: publish.routing_key.clone(),
            mandatory: publish.mandatory,
            message: Message { properties, body },
        })
    }

    /// 505 for a frame that is not the next.
    pub(super) fn unexpected(&self) -> AmqpError {
        faults::out_of_order(self.expected())
    }

    fn expected(&self) -> Expected {
        match self.state {
            ContentState::Method => Expected::Method,
            ContentState::Header => Expected::Header,
            ContentState::Body { .. } => Expected::Body,
        }
    }
}

/// The frame that a channel waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Method,
    Header,
    Body,
}
