//! What is known of a segment while the broker runs.

/// What a settled reference takes in a record of many, about.
const SETTLED_BYTES: u64 = 2;

/// One segment: what is in it, and how far it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) number: u32,
    /// Which frames are its own, and where they end; known once it is sealed.
    pub(super) generation: u32,
    pub(super) end: u32,
    /// The references of all records in it, alive or not.
    pub(super) references: u64,
    /// The bytes of these records.
    pub(super) bytes: u64,
    /// References in it that are alive and were first given in another segment.
    pub(super) copies: u32,
    /// The first and the last reference that were copied into it.
    pub(super) copied: Option<(u64, u64)>,
    /// References that records in it settle.
    pub(super) settled: u64,
    /// Records in it of messages that were returned.
    pub(super) returned: u64,
    /// Whether all of it is synced and nothing more comes.
    pub(super) is_sealed: bool,
    /// Whether a record says that its file is removed.
    pub(super) is_going: bool,
    /// Whether something in it is damaged.
    pub(super) is_left: bool,
    /// Whether the disk did not give something of it in this round of maintenance.
    pub(super) is_unread: bool,
    /// Whether its file is in quarantine too.
    pub(super) is_quarantined: bool,
    /// It was looked through and had too much that is alive: not before so few are.
    pub(super) worth_below: u32,
}

impl Segment {
    pub(super) fn new(number: u32) -> Self {
        Self {
            number,
            generation: 0,
            end: 0,
            references: 0,
            bytes: 0,
            copies: 0,
            copied: None,
            settled: 0,
            returned: 0,
            is_sealed: false,
            is_going: false,
            is_left: false,
            is_unread: false,
            is_quarantined: false,
            worth_below: u32::MAX,
        }
    }

    /// A record with so many new references was appended.
    pub(super) fn add(&mut self, references: u32, bytes: u32) {
        self.references += u64::from(references);
        self.bytes += u64::from(bytes);
    }

    /// This reference was copied into it.
    pub(super) fn add_copy(&mut self, reference: u64) {
        self.references += 1;
        self.copies += 1;
        let (first, last) = self.copied.unwrap_or((reference, reference));
        self.copied = Some((first.min(reference), last.max(reference)));
    }

    /// Whether a copy of this reference may be in it.
    pub(super) fn may_have_copied(&self, reference: u64) -> bool {
        self.copied.is_some_and(|(first, last)| (first..=last).contains(&reference))
    }

    /// What would have to be written again if it were given up now, about, in bytes.
    pub(super) fn needed_bytes(&self, alive: u64, is_oldest: bool) -> u64 {
        let share = self.bytes.saturating_mul(alive).checked_div(self.references).unwrap_or(0);
        let settled = if is_oldest { 0 } else { self.settled.saturating_mul(SETTLED_BYTES) };
        share.saturating_add(settled)
    }
}
