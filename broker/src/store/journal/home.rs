//! Which references of one segment are alive, and where those are that were moved.

use super::moved::Moves;
use crate::model::stored::Reference;

/// The references that were first given in one segment.
#[derive(Debug)]
pub(super) struct Home {
    segment: u32,
    /// The first reference, and the one after the last.
    first: u64,
    end: u64,
    /// How many that are alive are still in the segment itself.
    alive: u32,
    dead: Dead,
    moves: Moves,
}

/// What is known of those that are not alive.
#[derive(Debug)]
enum Dead {
    /// The segment's file is there: a bit each. What is beyond the last word is alive.
    Bits(Vec<u64>),
    /// It is gone: what was not moved is dead.
    NotMoved,
}

/// What became of a reference that was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// It was dead before.
    Before,
    /// It was in the segment that it was given in.
    InPlace,
    /// It had been moved to this segment.
    Moved(u32),
}

const WORD: u64 = u64::BITS as u64;

impl Home {
    /// Of a segment that begins: nothing was given yet.
    pub(super) fn new(segment: u32, first: u64) -> Self {
        let dead = Dead::Bits(Vec::new());
        Self { segment, first, end: first, alive: 0, dead, moves: Moves::default() }
    }

    /// Of a segment that was found, where nothing is alive until that is [said](Self::restore).
    pub(super) fn all_dead(segment: u32, first: u64, end: u64) -> Self {
        let words = usize::try_from((end - first).div_ceil(WORD)).unwrap_or(0);
        let dead = Dead::Bits(vec![u64::MAX; words]);
        Self { segment, first, end, alive: 0, dead, moves: Moves::default() }
    }

    /// Of references whose segments are gone.
    pub(super) fn of_moved(first: u64, end: u64) -> Self {
        Self { segment: 0, first, end, alive: 0, dead: Dead::NotMoved, moves: Moves::default() }
    }

    pub(super) fn segment(&self) -> u32 {
        self.segment
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The reference after the last one.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// How many that are alive are still in the segment itself.
    pub(super) fn alive_in_place(&self) -> u32 {
        self.alive
    }

    /// Whether the segment's file is there.
    pub(super) fn has_file(&self) -> bool {
        matches!(self.dead, Dead::Bits(_))
    }

    /// Whether nothing needs to be known of it any more.
    pub(super) fn is_over(&self) -> bool {
        !self.has_file() && self.moves.is_empty()
    }

    /// So many references more were given; the first of them.
    pub(super) fn give(&mut self, count: u32) -> u64 {
        let first = self.end;
        self.end += u64::from(count);
        self.alive += count;
        first
    }

    pub(super) fn is_alive(&self, reference: Reference) -> bool {
        match &self.dead {
            Dead::Bits(words) => self.contains(reference) && !is_set(words, self.bit(reference)),
            Dead::NotMoved => self.moves.place(self.delta(reference)).is_some(),
        }
    }

    /// This one is done with.
    pub(super) fn settle(&mut self, reference: Reference) -> Settled {
        if !self.contains(reference) {
            return Settled::Before;
        }
        let bit = self.bit(reference);
        if let Dead::Bits(words) = &mut self.dead
            && !set(words, bit)
        {
            return Settled::Before;
        }
        match self.moves.remove(self.delta(reference)) {
            Some(segment) => Settled::Moved(segment),
            None if self.has_file() => {
                self.alive = self.alive.saturating_sub(1);
                Settled::InPlace
            }
            None => Settled::Before,
        }
    }

    /// One that is alive lies there now; where it was if not in the segment itself.
    pub(super) fn move_to(
        &mut self,
        reference: Reference,
        segment: u32,
        offset: u32,
    ) -> Option<u32> {
        let before = self.moves.insert(self.delta(reference), segment, offset);
        if before.is_none() {
            self.alive = self.alive.saturating_sub(1);
        }
        before
    }

    /// Segment and offset of one that was moved.
    pub(super) fn moved(&self, reference: Reference) -> Option<(u32, u32)> {
        self.moves.place(self.delta(reference))
    }

    /// One that was found alive, in this segment. Those that are elsewhere are
    /// [sorted](Self::restored) once all are known.
    pub(super) fn restore(&mut self, reference: Reference, segment: u32, offset: u32) {
        let bit = self.bit(reference);
        if let Dead::Bits(words) = &mut self.dead {
            clear(words, bit);
        }
        if segment == self.segment {
            self.alive += 1;
        } else {
            self.moves.push_unsorted(self.delta(reference), segment, offset);
        }
    }

    /// All that are alive were restored.
    pub(super) fn restored(&mut self) {
        self.moves.sort();
    }

    /// The segment's file is gone: what is alive was moved.
    pub(super) fn forget_file(&mut self) {
        self.dead = Dead::NotMoved;
        self.alive = 0;
        self.moves.shrink();
    }

    pub(super) fn contains(&self, reference: Reference) -> bool {
        (self.first..self.end).contains(&reference.number())
    }

    fn bit(&self, reference: Reference) -> u64 {
        reference.number().saturating_sub(self.first)
    }

    /// A segment gives fewer references than this has room for; homes of moved ones are cut so.
    fn delta(&self, reference: Reference) -> u32 {
        u32::try_from(self.bit(reference)).unwrap_or(u32::MAX)
    }
}

fn is_set(words: &[u64], bit: u64) -> bool {
    let word = usize::try_from(bit / WORD).ok().and_then(|word| words.get(word));
    word.is_some_and(|word| word & (1 << (bit % WORD)) != 0)
}

/// Sets a bit, and says whether it was not set.
fn set(words: &mut Vec<u64>, bit: u64) -> bool {
    let Ok(at) = usize::try_from(bit / WORD) else { return false };
    if at >= words.len() {
        words.resize(at + 1, 0);
    }
    let Some(word) = words.get_mut(at) else { return false };
    let mask = 1 << (bit % WORD);
    let is_news = *word & mask == 0;
    *word |= mask;
    is_news
}

fn clear(words: &mut [u64], bit: u64) {
    let word = usize::try_from(bit / WORD).ok().and_then(|word| words.get_mut(word));
    if let Some(word) = word {
        *word &= !(1 << (bit % WORD));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(number: u64) -> Reference {
        Reference::new(number).unwrap()
    }

    #[test]
    fn a_reference_is_alive_from_its_giving_to_its_settlement() {
        let mut home = Home::new(3, 100);
        assert_eq!(home.give(70), 100);
        assert_eq!(home.give(2), 170);
        assert_eq!(home.alive_in_place(), 72);
        assert!(home.is_alive(reference(100)) && home.is_alive(reference(171)));
        assert!(!home.is_alive(reference(99)) && !home.is_alive(reference(172)));
        assert_eq!(home.settle(reference(165)), Settled::InPlace);
        assert_eq!(home.settle(reference(165)), Settled::Before);
        assert_eq!(home.settle(reference(172)), Settled::Before);
        assert!(!home.is_alive(reference(165)) && home.is_alive(reference(164)));
        assert_eq!(home.alive_in_place(), 71);
    }

    #[test]
    fn what_is_moved_stays_alive_when_the_file_goes() {
        let mut home = Home::new(3, 100);
        home.give(10);
        assert_eq!(home.move_to(reference(102), 7, 40), None);
        assert_eq!(home.move_to(reference(105), 7, 80), None);
        assert_eq!(home.move_to(reference(105), 8, 20), Some(7));
        assert_eq!((home.moved(reference(105)), home.moved(reference(104))), (Some((8, 20)), None));
        assert_eq!(home.alive_in_place(), 8);
        home.forget_file();
        assert!(home.is_alive(reference(102)) && !home.is_alive(reference(103)));
        assert_eq!(home.settle(reference(103)), Settled::Before);
        assert_eq!(home.settle(reference(105)), Settled::Moved(8));
        assert_eq!(home.settle(reference(105)), Settled::Before);
        assert!(!home.is_over());
        assert_eq!(home.settle(reference(102)), Settled::Moved(7));
        assert!(home.is_over());
    }

    #[test]
    fn what_is_found_is_alive() {
        let mut home = Home::all_dead(3, 100, 200);
        assert!(!home.is_alive(reference(150)));
        home.restore(reference(150), 3, 64);
        home.restore(reference(140), 9, 64);
        home.restore(reference(120), 9, 128);
        home.restored();
        assert_eq!(home.alive_in_place(), 1);
        assert!(home.is_alive(reference(120)) && home.is_alive(reference(150)));
        assert_eq!(home.settle(reference(140)), Settled::Moved(9));
        assert_eq!(home.settle(reference(199)), Settled::Before);
        assert_eq!(home.settle(reference(150)), Settled::InPlace);
    }
}
