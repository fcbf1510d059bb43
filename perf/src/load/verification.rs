use serde::Serialize;
use springhare_perf::stamp::Stamp;

/// Messages of one producer that a run can have; what claims to be a later one is corrupt.
const SEQUENCES_MAX: u64 = 1 << 32;

/// What may not be: all of it is 0 when every message arrived once and in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Faults {
    /// Deliveries that never came.
    pub(crate) missing: u64,
    /// Deliveries that came again.
    pub(crate) duplicates: u64,
    /// Deliveries that came after a later one of their producer and queue.
    pub(crate) reordered: u64,
    /// Deliveries whose body is not what was sent.
    pub(crate) corrupt: u64,
    /// Deliveries that say that they were delivered before.
    pub(crate) redelivered: u64,
    /// Messages that were still in the queues at the end.
    pub(crate) left: u64,
    /// Confirms that are missing, came again, were for nothing or were refusals.
    pub(crate) confirms: u64,
}

impl Faults {
    /// Whether there are none.
    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }

    /// How many there are of all kinds.
    pub(crate) fn total(self) -> u64 {
        let Self { missing, duplicates, reordered, corrupt, redelivered, left, confirms } = self;
        missing + duplicates + reordered + corrupt + redelivered + left + confirms
    }
}

impl std::ops::AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.missing += other.missing;
        self.duplicates += other.duplicates;
        self.reordered += other.reordered;
        self.corrupt += other.corrupt;
        self.redelivered += other.redelivered;
        self.left += other.left;
        self.confirms += other.confirms;
    }
}

/// Checks what one consumer gets, which is every message once.
#[derive(Debug)]
pub(super) struct Verification {
    producers: Vec<Arrived>,
    /// The sequence number after the latest one, for each queue and each producer of it.
    latest: Vec<u64>,
    faults: Faults,
}

/// Which messages of a producer have arrived: a bit each.
#[derive(Debug, Clone, Default)]
struct Arrived {
    bits: Vec<u64>,
    count: u64,
}

impl Verification {
    /// For a consumer of so many queues.
    pub(super) fn new(queues: usize, producers: u16) -> Self {
        let producers = usize::from(producers);
        Self {
            producers: vec![Arrived::default(); producers],
            latest: vec![0; queues * producers],
            faults: Faults::default(),
        }
    }

    /// Takes a delivery from the queue of this number.
    #[inline]
    pub(super) fn delivered(&mut self, queue: usize, stamp: Stamp) {
        let producer = usize::from(stamp.producer);
        let slot = queue * self.producers.len() + producer;
        let (Some(arrived), Some(latest)) =
            (self.producers.get_mut(producer), self.latest.get_mut(slot))
        else {
            self.faults.corrupt += 1;
            return;
        };
        if stamp.sequence >= SEQUENCES_MAX {
            self.faults.corrupt += 1;
            return;
        }
        if !arrived.insert(stamp.sequence) {
            self.faults.duplicates += 1;
        } else if stamp.sequence < *latest {
            self.faults.reordered += 1;
        } else {
            *latest = stamp.sequence + 1;
        }
    }

    /// Takes a delivery whose body can't be told.
    pub(super) fn corrupt(&mut self) {
        self.faults.corrupt += 1;
    }

    /// Takes note that a delivery says that it is not the first of its message.
    pub(super) fn redelivered(&mut self) {
        self.faults.redelivered += 1;
    }

    /// What was wrong, given how many messages all producers have sent.
    pub(super) fn into_faults(self, sent: u64) -> Faults {
        let arrived: u64 = self.producers.iter().map(|arrived| arrived.count).sum();
        Faults { missing: sent.saturating_sub(arrived), ..self.faults }
    }
}

impl Arrived {
    /// Whether it is new.
    #[inline]
    fn insert(&mut self, sequence: u64) -> bool {
        let word = usize::try_from(sequence / 64).unwrap_or(usize::MAX);
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        let Some(word) = self.bits.get_mut(word) else { return false };
        let bit = 1 << (sequence % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        self.count += u64::from(is_new);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(producer: u16, sequence: u64) -> Stamp {
        Stamp { producer, sequence, at: 0 }
    }

    #[test]
    fn once_and_in_order_is_without_fault() {
        let mut verification = Verification::new(1, 2);
        for sequence in 0..1000 {
            verification.delivered(0, stamp(1, sequence));
            verification.delivered(0, stamp(0, sequence));
        }
        assert!(verification.into_faults(2000).is_none());
    }

    #[test]
    fn what_is_lost_is_missing() {
        let mut verification = Verification::new(1, 1);
        for sequence in (0..100).filter(|sequence| sequence % 10 != 3) {
            verification.delivered(0, stamp(0, sequence));
        }
        let faults = verification.into_faults(100);
        assert_eq!(faults, Faults { missing: 10, ..Faults::default() });
    }

    #[test]
    fn what_comes_again_is_a_duplicate_and_does_not_fill_a_gap() {
        let mut verification = Verification::new(1, 1);
        for sequence in [0, 1, 1, 3, 0] {
            verification.delivered(0, stamp(0, sequence));
        }
        let faults = verification.into_faults(4);
        assert_eq!(faults, Faults { duplicates: 2, missing: 1, ..Faults::default() });
    }

    #[test]
    fn order_is_that_of_a_producer_in_a_queue() {
        let mut verification = Verification::new(2, 1);
        for (queue, sequence) in [(0, 1), (1, 0), (1, 3), (0, 2)] {
            verification.delivered(queue, stamp(0, sequence));
        }
        assert!(verification.into_faults(4).is_none());
        let mut verification = Verification::new(2, 1);
        for (queue, sequence) in [(0, 1), (0, 0), (0, 3), (0, 2)] {
            verification.delivered(queue, stamp(0, sequence));
        }
        let faults = verification.into_faults(4);
        assert_eq!(faults, Faults { reordered: 2, ..Faults::default() });
    }

    #[test]
    fn what_nobody_sent_is_corrupt() {
        let mut verification = Verification::new(1, 1);
        verification.delivered(0, stamp(1, 0));
        verification.delivered(1, stamp(0, 0));
        verification.delivered(0, stamp(0, SEQUENCES_MAX));
        verification.corrupt();
        verification.redelivered();
        let faults = verification.into_faults(0);
        assert_eq!(faults, Faults { corrupt: 4, redelivered: 1, ..Faults::default() });
    }
}
