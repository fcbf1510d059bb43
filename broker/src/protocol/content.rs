use bytes::Bytes;
use smallvec::SmallVec;
use springhare_amqp::wire::method::basic;
use springhare_amqp::wire::{ContentHeader, DecodeError, Frame, FrameKind};
use springhare_amqp::{AmqpError, Message, MessageProperties, MethodId, ReplyCode};

use super::faults;
use super::request::Incoming;

/// What a body that comes in several frames gets at first; it grows with what arrives, never with
/// what its header says.
const BODY_FIRST_CAPACITY: usize = 64 << 10;

/// Properties of more bytes are not remembered: a connection may have many channels.
const PROPERTIES_REMEMBERED_MAX: usize = 256;

/// What one channel is in the middle of: a content comes as a method, a header and body frames.
///
/// It remembers the last publish and the last properties: publishers mostly send the same again,
/// and then nothing is decoded or allocated for them.
#[derive(Debug, Default)]
pub(super) struct ContentAssembler {
    state: ContentState,
    last_publish: Option<KnownPublish>,
    last_properties: MessageProperties,
    /// What they were read from; nothing at first.
    last_encoded: SmallVec<[u8; 32]>,
}

/// What comes next.
#[derive(Debug, Default)]
enum ContentState {
    #[default]
    Method,
    Header,
    Body {
        properties: MessageProperties,
        body: Vec<u8>,
        missing: usize,
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
                body.capacity() + properties.encoded_len()
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
        let is_same = header.class == MethodId::BASIC_PUBLISH.class
            && header.weight == 0
            && !header.properties.is_empty()
            && *header.properties == *self.last_encoded;
        if !is_same {
            return None;
        }
        let properties = self.last_properties.clone();
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
        let properties = self.properties(header.properties);
        let properties = properties.map_err(|error| faults::properties(&error, payload))?;
        if missing == 0 {
            return Ok(self.complete(properties, Bytes::new()));
        }
        self.state = ContentState::Body { properties, body: Vec::new(), missing };
        Ok(None)
    }

    /// Takes a body frame; the message, if it is whole.
    ///
    /// # Errors
    ///
    /// 505 out of order, 501 for more than the header announced.
    pub(super) fn body(&mut self, payload: &[u8]) -> Result<Option<Incoming>, AmqpError> {
        let ContentState::Body { body, missing, .. } = &mut self.state else {
            return Err(self.unexpected());
        };
        let Some(left) = missing.checked_sub(payload.len()) else {
            return Err(faults::body_over_size(body.len() + *missing));
        };
        *missing = left;
        // Copied once, from where it was read: in place it would keep a buffer alive that is many
        // times its own size, and the next frames would need another one.
        let whole = if left == 0 && body.is_empty() {
            Bytes::copy_from_slice(payload)
        } else {
            if body.capacity() - body.len() < payload.len() {
                let wanted = body.len().max(BODY_FIRST_CAPACITY).max(payload.len());
                body.reserve_exact(wanted.min(payload.len().saturating_add(left)));
            }
            body.extend_from_slice(payload);
            if left > 0 {
                return Ok(None);
            }
            Bytes::from(std::mem::take(body))
        };
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

    fn properties(&mut self, encoded: &[u8]) -> Result<MessageProperties, DecodeError> {
        if encoded.len() > PROPERTIES_REMEMBERED_MAX {
            return MessageProperties::parse(encoded);
        }
        if *self.last_encoded != *encoded || encoded.is_empty() {
            self.last_properties = MessageProperties::parse(encoded)?;
            self.last_encoded = SmallVec::from_slice(encoded);
        }
        Ok(self.last_properties.clone())
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
