use super::{CHECKSUM_BYTES, Expected, HAS_GAP, INDEX_VERSION, MAGIC, at_distance, bits};
use crate::model::stored::Reference;
use crate::store::format::frame::Flags;
use crate::store::format::message::Queues;
use crate::store::format::record::{Kind, ReturnedRecord};
use crate::store::format::references::Runs;
use crate::store::format::varint::Fields;

/// An index that is whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Index<'a> {
    pub(crate) number: u32,
    pub(crate) generation: u32,
    /// Where the segment's last record ends.
    pub(crate) end: u32,
    entries: &'a [u8],
}

/// A record, and where it is in the segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) offset: u32,
    pub(crate) length: u32,
    pub(crate) record: EntryRecord<'a>,
}

/// A record without contents of messages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EntryRecord<'a> {
    Message(MessageEntry<'a>),
    Delayed { reference: Reference, is_moved: bool },
    Definition { reference: Reference, is_moved: bool, content: &'a [u8] },
    Settle(Runs<'a>),
    Returned(ReturnedRecord),
    Removed { segment: u32 },
    Clean,
}

/// A message without its content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageEntry<'a> {
    /// Whether it is a copy of one in an older segment.
    pub(crate) is_moved: bool,
    /// In milliseconds since 1970.
    pub(crate) published_at: u64,
    pub(crate) queues: Queues<'a>,
    pub(crate) replaces: Runs<'a>,
    pub(crate) body_len: u32,
    /// What the message says of how long it lives, in milliseconds.
    pub(crate) expiration: Option<u64>,
    /// What the message says of its priority, if it does.
    pub(crate) priority: Option<u8>,
}

impl<'a> Index<'a> {
    /// The index in a file; none if its checksum is wrong.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (summed, checksum) =
            bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
        if crc32c::crc32c(summed).to_le_bytes() != *checksum {
            return None;
        }
        Self::decode_unchecked(bytes)
    }

    /// The index in a file that [`Self::decode`] has found whole, or that was just made.
    pub(crate) fn decode_unchecked(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes.get(..bytes.len().checked_sub(CHECKSUM_BYTES)?)?);
        if fields.take(MAGIC.len())? != MAGIC || fields.u32()? != INDEX_VERSION {
            return None;
        }
        let (number, generation, end) = (fields.u32()?, fields.u32()?, fields.u32()?);
        Some(Self { number, generation, end, entries: fields.rest() })
    }

    /// All entries, in the order of the segment.
    pub(crate) fn entries(self) -> Entries<'a> {
        Entries {
            fields: Fields::new(self.entries),
            expected: Expected::default(),
            queues: None,
            is_wrong: false,
        }
    }
}

/// The entries of an index.
#[derive(Debug, Clone)]
pub(crate) struct Entries<'a> {
    fields: Fields<'a>,
    expected: Expected,
    /// Those of the last message.
    queues: Option<Queues<'a>>,
    is_wrong: bool,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.is_wrong || self.fields.is_empty() {
            return None;
        }
        let entry = self.read();
        self.is_wrong = entry.is_none();
        entry
    }
}

impl<'a> Entries<'a> {
    /// Whether there is nothing left that can't be read.
    pub(crate) fn is_whole(&self) -> bool {
        !self.is_wrong && self.fields.is_empty()
    }

    fn read(&mut self) -> Option<Entry<'a>> {
        let first = self.fields.byte()?;
        let gap = if first & HAS_GAP == 0 { 0 } else { self.fields.varint_u32()? };
        let offset = self.expected.offset.checked_add(gap)?;
        let length = self.fields.varint_u32()?;
        self.expected.offset = offset.checked_add(length)?;
        let record = match Kind::from_number(first & !HAS_GAP)? {
            Kind::Message => EntryRecord::Message(self.message(length)?),
            Kind::Delayed => {
                let (is_moved, reference) = (self.is_moved()?, self.reference()?);
                EntryRecord::Delayed { reference, is_moved }
            }
            Kind::Definition => {
                let (is_moved, reference) = (self.is_moved()?, self.reference()?);
                EntryRecord::Definition { reference, is_moved, content: self.fields.bytes()? }
            }
            Kind::Settle => EntryRecord::Settle(self.runs()?),
            Kind::Returned => {
                let reference = self.reference()?;
                let delivery_count = self.fields.varint_u32()?;
                let retry_at = self.fields.varint()?.checked_sub(1);
                let record = ReturnedRecord { reference, delivery_count, retry_at };
                EntryRecord::Returned(record)
            }
            Kind::Removed => EntryRecord::Removed { segment: self.fields.varint_u32()? },
            Kind::Clean => EntryRecord::Clean,
            Kind::SyncedTo => return None,
        };
        Some(Entry { offset, length, record })
    }

    fn is_moved(&mut self) -> Option<bool> {
        Some(Flags::from_bits(self.fields.byte()?).has(Flags::MOVED))
    }

    fn reference(&mut self) -> Option<Reference> {
        self.expected.at_distance(self.fields.varint()?)
    }

    fn runs(&mut self) -> Option<Runs<'a>> {
        let runs = Runs::new(self.expected.reference, self.fields.bytes()?);
        runs.is_whole().then_some(runs)
    }

    fn message(&mut self, length: u32) -> Option<MessageEntry<'a>> {
        let said = self.fields.byte()?;
        let has = |bit: u8| said & bit != 0;
        let first = match has(bits::NEXT) {
            true => Reference::new(self.expected.reference)?,
            false => self.reference()?,
        };
        let published_at = at_distance(self.expected.published_at, self.fields.varint()?);
        let flags = if has(bits::SPARSE) { Flags::SPARSE } else { Flags::NONE };
        let queues = match has(bits::SAME_QUEUES) {
            true => self.queues?.from(first),
            false => Queues::decode(first, flags, &mut self.fields)?,
        };
        self.queues = (!has(bits::SPARSE)).then_some(queues);
        let overhead = match has(bits::SAME_OVERHEAD) {
            true => self.expected.overhead,
            false => self.fields.varint_u32()?,
        };
        let expiration = if has(bits::EXPIRES) { Some(self.fields.varint()?) } else { None };
        let priority = if has(bits::PRIORITY) { Some(self.fields.byte()?) } else { None };
        self.expected.published_at = published_at;
        self.expected.overhead = overhead;
        self.expected.reference = queues.end(first)?;
        let replaces = match has(bits::REPLACES) {
            true => self.runs()?,
            false => Runs::new(self.expected.reference, &[]),
        };
        let body_len = length.checked_sub(overhead)?;
        let is_moved = has(bits::MOVED);
        let entry = MessageEntry {
            is_moved,
            published_at,
            queues,
            replaces,
            body_len,
            expiration,
            priority,
        };
        Some(entry)
    }
}
