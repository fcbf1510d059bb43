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
#[derive(Debug)]
pub(crate) struct Run {
    segment: u32,
    delivery_count: u32,
    redelivered: bool,
    priority: u8,
    first_position: u64,
    first_reference: Reference,
    positions: Positions,
    entries: Vec<Entry>,
    expiries: Option<Vec<Expires>>,
    /// How many of them can expire.
    mortal: usize,
    /// How many were taken off the front.
    taken: usize,
    /// The bytes of the bodies of the others.
    body_bytes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: u32,
    /// How far its reference is from the first one.
    reference: i32,
}

/// How far the positions are from the first one.
#[derive(Debug)]
enum Positions {
    /// As far as the messages.
    Consecutive,
    /// As far as their references.
    AsReferences,
    Listed(Vec<u32>),
}

impl Run {
    /// A run that begins with this message.
    pub(super) fn starting_with(first: &ColdMessage) -> Self {
        let mut run = Self {
            segment: first.segment,
            delivery_count: first.delivery_count,
            redelivered: first.redelivered,
            priority: first.priority,
            first_position: first.position,
            first_reference: first.reference,
            positions: Positions::Consecutive,
            entries: Vec::new(),
            expiries: None,
            mortal: 0,
            taken: 0,
            body_bytes: 0,
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
        let Self { entries, expiries, .. } = self;
        let is_mortal = message.expires != Expires::NEVER;
        if is_mortal && expiries.is_none() {
            *expiries = Some(vec![Expires::NEVER; entries.len()]);
        }
        if let Some(expiries) = expiries {
            expiries.push(message.expires);
        }
        entries.push(Entry { offset: message.offset, reference });
        self.mortal += usize::from(is_mortal);
        self.body_bytes += message.body_len;
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
        match &mut self.positions {
            Positions::Consecutive if is_next => return true,
            Positions::AsReferences if is_as_far => return true,
            Positions::Listed(positions) => {
                positions.push(listed);
                return true;
            }
            Positions::Consecutive | Positions::AsReferences => {}
        }
        let was_consecutive = matches!(self.positions, Positions::Consecutive);
        if was_consecutive && is_as_far && self.references_are_consecutive() {
            self.positions = Positions::AsReferences;
            return true;
        }
        let known = 0..self.entries.len();
        let known = known.filter_map(|at| u32::try_from(self.distance(at)?).ok());
        let mut positions: Vec<u32> = known.collect();
        positions.push(listed);
        self.positions = Positions::Listed(positions);
        true
    }

    fn references_are_consecutive(&self) -> bool {
        (0..).zip(&self.entries).all(|(at, entry)| at == entry.reference)
    }

    /// How far the position of a message is from the first one's.
    fn distance(&self, at: usize) -> Option<u64> {
        match &self.positions {
            Positions::Consecutive => u64::try_from(at).ok(),
            Positions::AsReferences => u64::try_from(self.entries.get(at)?.reference).ok(),
            Positions::Listed(positions) => positions.get(at).copied().map(u64::from),
        }
    }

    fn position(&self, at: usize) -> Option<u64> {
        Some(self.first_position.saturating_add(self.distance(at)?))
    }

    fn expires(&self, at: usize) -> Expires {
        let expiries = self.expiries.as_ref();
        expiries.and_then(|expiries| expiries.get(at).copied()).unwrap_or(Expires::NEVER)
    }

    fn reference(&self, entry: Entry) -> Option<Reference> {
        let number = self.first_reference.number();
        Reference::new(number.checked_add_signed(i64::from(entry.reference))?)
    }

    /// No more will be put to the end.
    pub(super) fn seal(&mut self) {
        self.entries.shrink_to_fit();
        if let Some(expiries) = &mut self.expiries {
            expiries.shrink_to_fit();
        }
        if let Positions::Listed(positions) = &mut self.positions {
            positions.shrink_to_fit();
        }
    }

    /// The segment that all of them lie in.
    pub(super) fn segment(&self) -> u32 {
        self.segment
    }

    /// How many messages are left.
    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.taken
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
    pub(super) fn mortal(&self) -> usize {
        self.mortal
    }

    pub(super) fn first_position(&self) -> Option<u64> {
        self.position(self.taken)
    }

    pub(super) fn last_position(&self) -> Option<u64> {
        self.position(self.entries.len().checked_sub(1)?)
    }

    /// When the first one expires.
    pub(super) fn first_expires(&self) -> Expires {
        self.expires(self.taken)
    }

    /// Those that are left. What is known of their bodies is shared out evenly.
    pub(super) fn messages(&self) -> impl Iterator<Item = ColdMessage> {
        let count = u64::try_from(self.len()).unwrap_or(u64::MAX).max(1);
        let (each, rest) = (self.body_bytes / count, self.body_bytes % count);
        let entries = self.entries.iter().enumerate().skip(self.taken);
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
                body_len: if at == self.taken { each + rest } else { each },
            })
        })
    }

    /// The references of those that are left.
    pub(super) fn references(&self) -> impl Iterator<Item = Reference> {
        self.entries.iter().skip(self.taken).filter_map(|entry| self.reference(*entry))
    }

    /// So many are taken off the front, whose bodies have so many bytes together. Returns how much
    /// more or less than that was counted for them.
    pub(super) fn take(&mut self, count: usize, body_bytes: u64) -> Taken {
        let count = count.min(self.len());
        let mortal =
            (self.taken..self.taken + count).filter(|at| self.expires(*at) != Expires::NEVER);
        let mortal = mortal.count();
        self.taken += count;
        self.mortal -= mortal;
        // At the end all that was counted goes.
        let counted =
            if self.is_empty() { self.body_bytes } else { self.body_bytes.min(body_bytes) };
        self.body_bytes -= counted;
        Taken { mortal, body_bytes: counted }
    }

    /// The memory that it takes for its messages, in bytes.
    #[cfg(test)]
    pub(super) fn index_bytes(&self) -> usize {
        let positions = match &self.positions {
            Positions::Listed(positions) => positions.capacity() * size_of::<u32>(),
            Positions::Consecutive | Positions::AsReferences => 0,
        };
        let expiries = self.expiries.as_ref().map_or(0, Vec::capacity) * size_of::<Expires>();
        size_of::<Self>() + self.entries.capacity() * size_of::<Entry>() + positions + expiries
    }
}

/// What was counted for messages that were taken off the front of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) mortal: usize,
    pub(super) body_bytes: u64,
}
