//! What the journal keeps, record by record: the payload of each [frame](super::frame).

use super::frame::{Flags, Frame};
use super::message::{MessageContent, Queues};
use super::references::{REFERENCE_END, Runs};
use super::varint::Fields;
use crate::model::stored::Reference;

/// What a record is; the number is what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Message = 1,
    Delayed = 2,
    Definition = 3,
    Settle = 4,
    Returned = 5,
    SyncedTo = 6,
    Removed = 7,
    Clean = 8,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Message,
        Self::Delayed,
        Self::Definition,
        Self::Settle,
        Self::Returned,
        Self::SyncedTo,
        Self::Removed,
        Self::Clean,
    ];

    /// The kind with this number.
    #[inline]
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    #[inline]
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }
}

/// A record as it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Record<'a> {
    Message(MessageRecord<'a>),
    Delayed(DelayedRecord<'a>),
    Definition {
        reference: Reference,
        content: &'a [u8],
    },
    /// These are done with.
    Settle(Runs<'a>),
    Returned(ReturnedRecord),
    /// When this was written, all of the segment up to there was synced.
    SyncedTo {
        offset: u32,
    },
    /// The segment is not needed any more: its file is removed once this is synced.
    Removed {
        segment: u32,
    },
    /// All before was synced, and nothing comes after it: the broker was stopped in order. What has a
    /// reference below may have been delivered before, though nothing else says so.
    Clean {
        delivered_below: u64,
    },
}

/// A message for queues.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageRecord<'a> {
    /// The reference from which those in the queues are counted.
    pub(crate) first: Reference,
    /// In milliseconds since 1970.
    pub(crate) published_at: u64,
    pub(crate) queues: Queues<'a>,
    /// What it settles.
    pub(crate) replaces: Runs<'a>,
    pub(crate) content: MessageContent<'a>,
}

/// A message at a delayed exchange.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DelayedRecord<'a> {
    pub(crate) reference: Reference,
    /// In milliseconds since 1970.
    pub(crate) due: u64,
    pub(crate) virtual_host: &'a str,
    /// The delayed exchange.
    pub(crate) exchange: &'a str,
    pub(crate) content: MessageContent<'a>,
}

/// A message has come back to its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReturnedRecord {
    pub(crate) reference: Reference,
    pub(crate) delivery_count: u32,
    /// In milliseconds since 1970.
    pub(crate) retry_at: Option<u64>,
}

impl<'a> Record<'a> {
    /// The record in a frame; none if a frame that is whole makes no sense.
    pub(crate) fn decode(frame: &Frame<'a>) -> Option<Self> {
        let mut fields = Fields::new(frame.payload);
        let record = match Kind::from_number(frame.kind)? {
            Kind::Message => Self::Message(MessageRecord::decode(frame.flags, fields)?),
            Kind::Delayed => Self::Delayed(DelayedRecord::decode(frame.flags, fields)?),
            Kind::Definition => {
                Self::Definition { reference: reference(&mut fields)?, content: fields.rest() }
            }
            Kind::Settle => {
                let base = fields.u64()?;
                let runs = Runs::new(base, fields.rest());
                Self::Settle(runs.is_whole().then_some(runs)?)
            }
            Kind::Returned => {
                let reference = reference(&mut fields)?;
                let delivery_count = fields.varint_u32()?;
                let retry_at = fields.varint()?.checked_sub(1);
                let record = ReturnedRecord { reference, delivery_count, retry_at };
                Self::Returned(fields.is_empty().then_some(record)?)
            }
            Kind::SyncedTo => {
                let offset = fields.u32()?;
                fields.is_empty().then_some(Self::SyncedTo { offset })?
            }
            Kind::Removed => {
                let segment = fields.u32()?;
                fields.is_empty().then_some(Self::Removed { segment })?
            }
            Kind::Clean => {
                // The first ones said nothing.
                let is_said = !fields.is_empty();
                let delivered_below =
                    if is_said { fields.u64()? } else { Reference::FIRST.number() };
                fields.is_empty().then_some(Self::Clean { delivered_below })?
            }
        };
        Some(record)
    }
}

impl<'a> MessageRecord<'a> {
    fn decode(flags: Flags, mut fields: Fields<'a>) -> Option<Self> {
        let first = reference(&mut fields)?;
        let published_at = fields.varint()?;
        let queues = Queues::decode(first, flags, &mut fields)?;
        let replaces = if flags.has(Flags::REPLACES) { fields.bytes()? } else { &[] };
        let replaces = Runs::new(first.number(), replaces);
        if !replaces.is_whole() {
            return None;
        }
        let content = MessageContent::decode(flags, fields)?;
        Some(Self { first, published_at, queues, replaces, content })
    }
}

impl<'a> DelayedRecord<'a> {
    fn decode(flags: Flags, mut fields: Fields<'a>) -> Option<Self> {
        let reference = reference(&mut fields)?;
        let due = fields.varint()?;
        let virtual_host = fields.text()?;
        let exchange = fields.text()?;
        let content = MessageContent::decode(flags, fields)?;
        Some(Self { reference, due, virtual_host, exchange, content })
    }
}

#[inline]
fn reference(fields: &mut Fields<'_>) -> Option<Reference> {
    Reference::new(fields.u64().filter(|number| *number < REFERENCE_END)?)
}
