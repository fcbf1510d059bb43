use bytes::Bytes;

use super::error::PeerFault;
use super::event::{Event, IncomingDelivery};
use crate::wire::method::basic;
use crate::wire::{BodyAssembly, ContentHeader, LastProperties};
use crate::{Message, MessageProperties, MethodId};

/// The contents of one channel: each comes as a method, a header and body frames.
///
/// It remembers the last delivery: a consumer mostly gets messages that went the same way, and
/// then only their number is decoded.
#[derive(Debug, Default)]
pub(super) struct ContentReader {
    state: State,
    last_delivery: Option<KnownDelivery>,
    last_properties: LastProperties,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Method,
    Header(Head),
    Body {
        head: Head,
        properties: MessageProperties,
        body: BodyAssembly,
    },
}

/// The method that a content follows.
#[derive(Debug)]
pub(super) enum Head {
    Deliver(basic::Deliver),
    Return(basic::Return),
    GetOk(basic::GetOk),
}

/// A `basic.deliver`, with the bytes that it was decoded from.
#[derive(Debug)]
struct KnownDelivery {
    payload: Vec<u8>,
    /// Where the delivery tag stands in the payload.
    tag_at: usize,
    method: basic::Deliver,
}

/// The largest body that is taken where nobody says otherwise, in bytes: the most that RabbitMQ can
/// be set to.
pub const BODY_MAX_BYTES: u64 = 512 << 20;
/// Class, method and the length of the consumer tag.
const BEFORE_CONSUMER_TAG: usize = 5;
/// The delivery tag, and the bit `redelivered`.
const NUMBER_BYTES: usize = 9;

impl KnownDelivery {
    fn of(payload: &[u8], method: basic::Deliver) -> Self {
        let tag_at = BEFORE_CONSUMER_TAG + method.consumer_tag.len();
        Self { payload: payload.to_vec(), tag_at, method }
    }

    /// The delivery in `payload`, if it is the same as this one but for its number.
    fn again(&self, payload: &[u8]) -> Option<basic::Deliver> {
        let (before, rest) = payload.split_at_checked(self.tag_at)?;
        let (known_before, known_rest) = self.payload.split_at_checked(self.tag_at)?;
        let (number, after) = rest.split_first_chunk::<NUMBER_BYTES>()?;
        let (_, known_after) = known_rest.split_first_chunk::<NUMBER_BYTES>()?;
        if before != known_before || after != known_after {
            return None;
        }
        let [tag @ .., bits] = number;
        Some(basic::Deliver {
            delivery_tag: u64::from_be_bytes(*tag),
            redelivered: bits & 1 == 1,
            ..self.method.clone()
        })
    }
}

impl ContentReader {
    /// Whether a content is under way, so that no method may come.
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(self.state, State::Method)
    }

    /// Takes the method frame of a delivery, if it goes the same way as the last one.
    pub(super) fn deliver_as_before(&mut self, payload: &[u8]) -> bool {
        let known = self.last_delivery.as_ref().and_then(|known| known.again(payload));
        let is_known = known.is_some();
        if let Some(deliver) = known {
            self.state = State::Header(Head::Deliver(deliver));
        }
        is_known
    }

    pub(super) fn deliver(&mut self, payload: &[u8], deliver: basic::Deliver) {
        self.last_delivery = Some(KnownDelivery::of(payload, deliver.clone()));
        self.start(Head::Deliver(deliver));
    }

    pub(super) fn start(&mut self, head: Head) {
        self.state = State::Header(head);
    }

    /// Takes a content header; what it is, if its body is empty. A larger body than this is
    /// refused.
    pub(super) fn header(
        &mut self,
        channel: u16,
        payload: &[u8],
        body_max: u64,
    ) -> Result<Option<Event>, PeerFault> {
        let State::Header(head) = std::mem::take(&mut self.state) else {
            return Err(PeerFault::Content { channel, what: "without its method" });
        };
        let header = ContentHeader::decode(payload)?;
        if header.class != MethodId::BASIC_DELIVER.class {
            return Err(PeerFault::Content { channel, what: "of another class than basic" });
        }
        let size = usize::try_from(header.body_size).ok();
        let Some(size) = size.filter(|_| header.body_size <= body_max) else {
            return Err(PeerFault::TooLarge { channel, size: header.body_size, max: body_max });
        };
        let properties = self.last_properties.read(header.properties)?;
        if size == 0 {
            return Ok(Some(head.complete(channel, Message { properties, body: Bytes::new() })));
        }
        self.state = State::Body { head, properties, body: BodyAssembly::expecting(size) };
        Ok(None)
    }

    /// Takes a body frame; what the content is, if it is whole.
    pub(super) fn body(
        &mut self,
        channel: u16,
        payload: &[u8],
    ) -> Result<Option<Event>, PeerFault> {
        let State::Body { body, .. } = &mut self.state else {
            return Err(PeerFault::Content { channel, what: "without its header" });
        };
        let larger = |_| PeerFault::Content { channel, what: "larger than its header says" };
        let Some(body) = body.add(payload).map_err(larger)? else { return Ok(None) };
        let State::Body { head, properties, .. } = std::mem::take(&mut self.state) else {
            return Ok(None);
        };
        Ok(Some(head.complete(channel, Message { properties, body })))
    }
}

impl Head {
    fn complete(self, channel: u16, message: Message) -> Event {
        match self {
            Self::Deliver(deliver) => Event::Delivered {
                channel,
                delivery: IncomingDelivery {
                    consumer_tag: deliver.consumer_tag,
                    delivery_tag: deliver.delivery_tag,
                    redelivered: deliver.redelivered,
                    exchange: deliver.exchange,
                    routing_key: deliver.routing_key,
                    message,
                },
            },
            Self::Return(returned) => Event::Returned { channel, returned, message },
            Self::GetOk(got) => Event::Got { channel, got, message },
        }
    }
}
