//! Messages in records: which queues they are for, and what is published.

use std::sync::Arc;

use bytes::Bytes;
use springhare_amqp::{Message, MessageProperties, ShortString};

use super::frame::Flags;
use super::references::REFERENCE_END;
use super::varint::{Fields, put_bytes, put_varint};
use crate::model::carbon_copies::CarbonCopies;
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::stored::Reference;

/// The queues of a message, with its reference in each: they count up in the order of the queues.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queues<'a> {
    fields: Fields<'a>,
    left: u64,
    next: u64,
    is_sparse: bool,
}

impl<'a> Queues<'a> {
    /// Takes them off the fields; none if any of them can't be read.
    pub(crate) fn decode(first: Reference, flags: Flags, fields: &mut Fields<'a>) -> Option<Self> {
        let left = fields.varint()?;
        let is_sparse = flags.has(Flags::SPARSE);
        let queues = Self { fields: *fields, left, next: first.number(), is_sparse };
        let mut walked = queues;
        while walked.left > 0 {
            walked.read()?;
        }
        *fields = walked.fields;
        Some(queues)
    }

    /// The same queues, with references from there on.
    pub(super) fn from(self, first: Reference) -> Self {
        Self { next: first.number(), ..self }
    }

    /// The number behind the last reference, if `first` is the first one.
    pub(super) fn end(self, first: Reference) -> Option<u64> {
        match self.is_sparse {
            true => Some(self.last().map_or(first, |(_, last)| last).number() + 1),
            false => {
                let end = first.number().checked_add(self.left.max(1));
                end.filter(|end| *end <= REFERENCE_END)
            }
        }
    }

    /// How many there are still.
    pub(crate) fn len(self) -> u64 {
        self.left
    }

    fn read(&mut self) -> Option<(QueueId, Reference)> {
        self.left = self.left.checked_sub(1)?;
        let queue = QueueId(self.fields.varint()?);
        let gap = if self.is_sparse { self.fields.varint()? } else { 0 };
        let number = self.next.checked_add(gap).filter(|number| *number < REFERENCE_END)?;
        self.next = number + 1;
        Some((queue, Reference::new(number)?))
    }
}

impl Iterator for Queues<'_> {
    type Item = (QueueId, Reference);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.read()
    }
}

/// Appends the queues of a message, whose references count up in their order from no less than
/// `first`; with [`Flags::SPARSE`] not by ones.
pub(super) fn put_queues(
    out: &mut Vec<u8>,
    first: Reference,
    flags: Flags,
    count: u64,
    queues: impl Iterator<Item = (QueueId, Reference)>,
) {
    put_varint(out, count);
    let mut next = first.number();
    for (queue, reference) in queues {
        put_varint(out, queue.0);
        if flags.has(Flags::SPARSE) {
            put_varint(out, reference.number().saturating_sub(next));
            next = reference.number() + 1;
        }
    }
}

/// What was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MessageContent<'a> {
    pub(crate) exchange: &'a str,
    pub(crate) routing_key: &'a str,
    pub(crate) copies: Copies<'a>,
    /// Property flags and the list of properties, as they were sent.
    pub(crate) properties: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl<'a> MessageContent<'a> {
    /// What the rest of the fields are.
    pub(super) fn decode(flags: Flags, mut fields: Fields<'a>) -> Option<Self> {
        let exchange = fields.text()?;
        let routing_key = fields.text()?;
        let copies = match flags.has(Flags::COPIES) {
            true => Copies::decode(&mut fields)?,
            false => Copies::default(),
        };
        let properties = fields.bytes()?;
        Some(Self { exchange, routing_key, copies, properties, body: fields.rest() })
    }

    /// The message, with a copy of the body; none if its names are longer than names are, or its
    /// properties can't be read.
    pub(crate) fn to_message(self) -> Option<PublishedMessage> {
        let properties = MessageProperties::parse(self.properties).ok()?;
        let body = Bytes::copy_from_slice(self.body);
        let message = Message { properties, body };
        let exchange = ShortString::new(self.exchange).ok()?;
        let routing_key = ShortString::new(self.routing_key).ok()?;
        let copies = self.copies.to_copies();
        Some(PublishedMessage::new(exchange, routing_key, message).with_copies(copies))
    }
}

/// Whether the message has the flag [`Flags::COPIES`].
pub(super) fn copies_flag(message: &PublishedMessage) -> Flags {
    if message.copies().is_empty() { Flags::NONE } else { Flags::COPIES }
}

/// Appends what was published, from a record that has it.
pub(super) fn put_read_content(out: &mut Vec<u8>, content: MessageContent<'_>) {
    put_bytes(out, content.exchange.as_bytes());
    put_bytes(out, content.routing_key.as_bytes());
    if content.copies.count > 0 {
        put_varint(out, content.copies.count);
        put_varint(out, content.copies.open);
        out.extend_from_slice(content.copies.keys);
    }
    put_bytes(out, content.properties);
    out.extend_from_slice(content.body);
}

/// Appends what was published.
pub(super) fn put_content(out: &mut Vec<u8>, message: &PublishedMessage) {
    put_bytes(out, message.exchange.as_str().as_bytes());
    put_bytes(out, message.routing_key.as_str().as_bytes());
    let copies = message.copies();
    if !copies.is_empty() {
        let open = message.open_routing_keys().count() - 1;
        put_varint(out, copies.len() as u64);
        put_varint(out, open as u64);
        copies.iter().for_each(|key| put_bytes(out, key.as_bytes()));
    }
    put_bytes(out, &message.message.properties.encoded());
    out.extend_from_slice(&message.message.body);
}

/// The keys of `CC` and `BCC`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Copies<'a> {
    /// As many fields as there are keys.
    keys: &'a [u8],
    count: u64,
    open: u64,
}

impl<'a> Copies<'a> {
    fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        let (count, open) = (fields.varint()?, fields.varint()?);
        let start = fields.rest();
        for _ in 0..count {
            fields.text()?;
        }
        let keys = start.get(..start.len() - fields.rest().len())?;
        (open <= count && count > 0).then_some(Self { keys, count, open })
    }

    /// Those of `CC`, then those of `BCC`.
    pub(crate) fn keys(self) -> impl Iterator<Item = &'a str> + Clone {
        let mut fields = Fields::new(self.keys);
        std::iter::from_fn(move || fields.text())
    }

    fn to_copies(self) -> Option<Arc<CarbonCopies>> {
        let keys: Vec<Box<str>> = self.keys().map(Box::from).collect();
        let open = usize::try_from(self.open).unwrap_or(usize::MAX);
        (!keys.is_empty()).then(|| Arc::new(CarbonCopies::new(keys, open)))
    }
}
