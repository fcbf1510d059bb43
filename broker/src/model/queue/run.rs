use super::message::Expires;
use crate::model::stored::Reference;

/// A message that its queue does not have in memory: where to find it, and all that matters before
/// it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColdMessage {
    pub(crate) position: u64,
    pub(crate) reference: Reference,
    /// The segment of the journal, and the place in it.
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    pub(crate) expires: Expires,
    pub(crate) delivery_count: u32,
    pub(crate) redelivered: bool,
    pub(crate) priority: u8,
    pub(crate) body_len: u64,
}

/// Messages that follow each other in a queue and lie in one segment of the journal, by position.
///
/// There may be tens of millions, so what they have in common is kept once, and eight bytes for each:
/// the offset, and how far its reference is from the first one's. Positions mostly count up with
/// the messages or with their references; they take four bytes more where they do not, and
/// expiries take eight where a message has one.
///
/// Of short ones there may be many, one for each queue and segment: what few need is in a box.
#[derive(Debug)]
pub(crate) struct Run {
    first_position: u64,
    first_reference: Reference,
    entries: Vec<Entry>,
    lists: Option<Box<Lists>>,
    /// The bytes of the bodies of those that are left.
    body_bytes: u64,
    segment: u32,
    delivery_count: u32,
    /// How many were taken off the front.
    taken: u32,
    /// How many of the others can expire.
    mortal: u32,
    redelivered: bool,
    priority: u8,
    positions: Positions,
}

/// What a run has for each of its messages where it has it for any.
#[derive(Debug, Default)]
struct Lists {
    /// How far the positions are from the first one.
    positions: Vec<u32>,
    expiries: Vec<Expires>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: u32,
    /// How far its reference is from the first one.
    reference: i32,
}

/// How far the positions are from the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Positions {
    /// As far as the messages.
    Consecutive,
    /// As far as their references.
    AsReferences,
    /// As far as is listed.
    Listed,
}

impl Run {
    /// A run that begins with this message.
    pub(super) fn starting_with(first: &ColdMessage) -> Self {
        let mut run = Self {
            first_position: first.position,
            first_reference: first.reference,
            entries: Vec::new(),
            lists: None,
            body_bytes: 0,
            segment: first.segment,
            delivery_count: first.delivery_count,
            taken: 0,
            mortal: 0,
            redelivered: first.redelivered,
            priority: first.priority,
            positions: Positions::Consecutive,
        };
        run.add(first, 0);
        run
    }

    /// Puts a message to the end, if it belongs there; whether it does.
    pub(super) fn push(&mut self, message: &ColdMessage) -> bool {
        let is_alike = message.segment == self.segment
            && message.delivery_count == self.delivery_count
            && message.redelivered == self.redelivered
            && message.priority == self.priority;
        let is_next = self.last_position().is_none_or(|last| message.position > last);
        let Some(reference) = self.reference_distance(message.reference) else { return false };
        let Some(position) = message.position.checked_sub(self.first_position) else {
            return false;
        };
        if !is_alike || !is_next || !self.make_room_for(position, reference) {
            return false;
        }
        self.add(message, reference);
        true
    }

    fn add(&mut self, message: &ColdMessage, reference: i32) {
        let is_mortal = message.expires != Expires::NEVER;
        if is_mortal || self.expiries().is_some() {
            let before = self.entries.len();
            let expiries = &mut self.lists.get_or_insert_default().expiries;
            expiries.resize(before, Expires::NEVER);
            expiries.push(message.expires);
        }
        self.entries.push(Entry { offset: message.offset, reference });
        self.mortal += u32::from(is_mortal);
        self.body_bytes += message.body_len;
    }

    /// When they expire, if any of them does.
    fn expiries(&self) -> Option<&[Expires]> {
        let expiries = self.lists.as_ref().map(|lists| &*lists.expiries);
        expiries.filter(|expiries| !expiries.is_empty())
    }

    fn reference_distance(&self, reference: Reference) -> Option<i32> {
        let (from, to) = (self.first_reference.number(), reference.number());
        i32::try_from(i128::from(to) - i128::from(from)).ok()
    }

    /// Sees that the next message can be so far from the first one; whether it can.
    fn make_room_for(&mut self, position: u64, reference: i32) -> bool {
        let is_next = u64::try_from(self.entries.len()).is_ok_and(|next| next == position);
        let is_as_far = i64::try_from(position).is_ok_and(|far| far == i64::from(reference));
        let Ok(listed) = u32::try_from(position) else { return false };
        match self.positions {
            Positions::Consecutive if is_next => return true,
            Positions::AsReferences if is_as_far => return true,
            Positions::Consecutive if is_as_far && self.references_are_consecutive() => {
                self.positions = Positions::AsReferences;
                return true;
            }
            Positions::Consecutive | Positions::AsReferences => {
                let known = 0..self.entries.len();
                let known = known.filter_map(|at| u32::try_from(self.distance(at)?).ok());
                let known = known.collect();
                self.lists.get_or_insert_default().positions = known;
                self.positions = Positions::Listed;
            }
            Positions::Listed => {}
        }
        self.lists.get_or_insert_default().positions.push(listed);
        true
    }

    fn references_are_consecutive(&self) -> bool {
        (0..).zip(&self.entries).all(|(at, entry)| at == entry.reference)
    }

    /// How far the position of a message is from the first one's.
    fn distance(&self, at: usize) -> Option<u64> {
        match self.positions {
            Positions::Consecutive => u64::try_from(at).ok(),
            Positions::AsReferences => u64::try_from(self.entries.get(at)?.reference).ok(),
            Positions::Listed => self.lists.as_ref()?.positions.get(at).copied().map(u64::from),
        }
    }

    fn position(&self, at: usize) -> Option<u64> {
        Some(self.first_position.saturating_add(self.distance(at)?))
    }

    fn expires(&self, at: usize) -> Expires {
        let expires = self.expiries().and_then(|expiries| expiries.get(at).copied());
        expires.unwrap_or(Expires::NEVER)
    }

    fn reference(&self, entry: Entry) -> Option<Reference> {
        let number = self.first_reference.number();
        Reference::new(number.checked_add_signed(i64::from(entry.reference))?)
    }

    /// No more will be put to the end.
    pub(super) fn seal(&mut self) {
        self.entries.shrink_to_fit();
        if let Some(lists) = &mut self.lists {
            lists.positions.shrink_to_fit();
            lists.expiries.shrink_to_fit();
        }
    }

    /// The segment that all of them lie in.
    pub(super) fn segment(&self) -> u32 {
        self.segment
    }

    /// How many messages are left.
    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.first()
    }

    /// The place of the first one that is left.
    fn first(&self) -> usize {
        usize::try_from(self.taken).unwrap_or(usize::MAX)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of the bodies of those that are left.
    pub(super) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// How many of those that are left can expire.
    #[cfg(test)]
    pub(super) fn mortal(&self) -> u32 {
        self.mortal
    }

    pub(super) fn first_position(&self) -> Option<u64> {
        self.position(self.first())
    }

    pub(super) fn last_position(&self) -> Option<u64> {
        self.position(self.entries.len().checked_sub(1)?)
    }

    /// When the first one expires.
    pub(super) fn first_expires(&self) -> Expires {
        self.expires(self.first())
    }

    /// Those that are left. What is known of their bodies is shared out evenly.
    pub(super) fn messages(&self) -> impl Iterator<Item = ColdMessage> {
        let count = u64::try_from(self.len()).unwrap_or(u64::MAX).max(1);
        let (each, rest) = (self.body_bytes / count, self.body_bytes % count);
        let first = self.first();
        let entries = self.entries.iter().enumerate().skip(first);
        entries.filter_map(move |(at, entry)| {
            Some(ColdMessage {
                position: self.position(at)?,
                reference: self.reference(*entry)?,
                segment: self.segment,
                offset: entry.offset,
                expires: self.expires(at),
                delivery_count: self.delivery_count,
                redelivered: self.redelivered,
                priority: self.priority,
                body_len: if at == first { each + rest } else { each },
            })
        })
    }

    /// The references of those that are left.
    pub(super) fn references(&self) -> impl Iterator<Item = Reference> {
        self.entries.iter().skip(self.first()).filter_map(|entry| self.reference(*entry))
    }

    /// So many are taken off the front, whose bodies have so many bytes together. Returns how much
    /// more or less than that was counted for them.
    pub(super) fn take(&mut self, count: usize, body_bytes: u64) -> Taken {
        let count = count.min(self.len());
        let first = self.first();
        let mortal = (first..first + count).filter(|at| self.expires(*at) != Expires::NEVER);
        let mortal = mortal.count();
        self.taken += u32::try_from(count).unwrap_or(u32::MAX);
        self.mortal -= u32::try_from(mortal).unwrap_or(u32::MAX);
        // At the end all that was counted goes.
        let counted =
            if self.is_empty() { self.body_bytes } else { self.body_bytes.min(body_bytes) };
        self.body_bytes -= counted;
        Taken { mortal, body_bytes: counted }
    }

    /// The memory that it takes for its messages, in bytes.
    #[cfg(test)]
    pub(super) fn index_bytes(&self) -> usize {
        let lists = self.lists.as_ref().map_or(0, |lists| {
            size_of::<Lists>()
                + lists.positions.capacity() * size_of::<u32>()
                + lists.expiries.capacity() * size_of::<Expires>()
        });
        size_of::<Self>() + self.entries.capacity() * size_of::<Entry>() + lists
    }
}

/// What was counted for messages that were taken off the front of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) mortal: usize,
    pub(super) body_bytes: u64,
}
