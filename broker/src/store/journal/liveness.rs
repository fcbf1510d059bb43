//! What is alive, and in which segments: what can be removed, and what is worth writing again.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::home::{Home, Settled};
use super::segment::Segment;
use crate::model::stored::Reference;

/// All segments and all references that are alive.
#[derive(Debug)]
pub(super) struct Liveness {
    /// In the order of their references.
    homes: VecDeque<Home>,
    /// The home that was asked for last: mostly it is the next one too.
    hint: usize,
    segments: BTreeMap<u32, Segment>,
    /// The segment that is filled.
    current: Segment,
    /// What was settled before all that are alive were restored; none once they are.
    early: Option<HashSet<Reference>>,
}

/// A segment that a recovery found, and what is in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) segment: Segment,
    /// The references that were first given in it: the first, and the one after the last.
    pub(super) first: u64,
    pub(super) end: u64,
}

/// What is to be done with a segment that is mostly dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing in it is needed: its file can be removed unread.
    Remove(u32),
    /// What is still needed is written again, and then the file is removed.
    Compact(u32),
}

impl Liveness {
    /// Of the segments that were found, without any that is alive until that is
    /// [said](Self::restore), and of one that begins.
    pub(super) fn new(found: impl IntoIterator<Item = Found>, number: u32, next: u64) -> Self {
        let mut homes = VecDeque::new();
        let mut segments = BTreeMap::new();
        for Found { segment, first, end } in found {
            homes.push_back(Home::all_dead(segment.number, first, end));
            segments.insert(segment.number, segment);
        }
        homes.push_back(Home::new(number, next));
        let early = (!segments.is_empty()).then(HashSet::new);
        Self { homes, hint: 0, segments, current: Segment::new(number), early }
    }

    /// Another segment is filled from now on.
    pub(super) fn begin(&mut self, number: u32) {
        let next = self.next_reference();
        let full = std::mem::replace(&mut self.current, Segment::new(number));
        self.segments.insert(full.number, full);
        self.homes.push_back(Home::new(number, next));
    }

    /// The reference that is given next.
    pub(super) fn next_reference(&self) -> u64 {
        self.homes.back().map_or(Reference::FIRST.number(), Home::end)
    }

    /// The segments whose files are there and stay, in order, the one that is filled included.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        let staying = self.segments.values().filter(|segment| !segment.is_going);
        staying.map(|segment| segment.number).chain([self.current.number])
    }

    /// A segment's file is going to be removed, and a record says so: a later start must not miss it.
    pub(super) fn going(&mut self, number: u32) {
        if let Some(segment) = self.segment(number) {
            segment.is_going = true;
        }
    }

    /// Gives so many references to a record of so many bytes; the first of them.
    pub(super) fn give(&mut self, count: u32, bytes: u32) -> u64 {
        self.current.add(count, bytes);
        match self.homes.back_mut() {
            Some(home) => home.give(count),
            None => Reference::FIRST.number(),
        }
    }

    /// A record that settles so many was appended.
    pub(super) fn add_settled(&mut self, count: u64) {
        self.current.settled += count;
    }

    /// A record of a message that was returned was appended.
    pub(super) fn add_returned(&mut self) {
        self.current.returned += 1;
    }

    pub(super) fn is_alive(&mut self, reference: Reference) -> bool {
        self.home(reference).is_some_and(|home| home.is_alive(reference))
    }

    /// This one is done with; whether it may have been the last that was alive in a full segment.
    pub(super) fn settle(&mut self, reference: Reference) -> WasLast {
        let current = self.current.number;
        if let Some(early) = &mut self.early {
            early.insert(reference);
        }
        let Some(home) = self.home(reference) else { return WasLast::No };
        match home.settle(reference) {
            Settled::Before => WasLast::No,
            Settled::InPlace if home.alive_in_place() == 0 && home.segment() != current => {
                WasLast::Maybe
            }
            Settled::InPlace => WasLast::No,
            Settled::Moved(segment) => {
                let is_over = home.is_over();
                let left = self.segment(segment).map(|segment| {
                    segment.copies = segment.copies.saturating_sub(1);
                    segment.copies
                });
                if is_over {
                    self.homes.retain(|home| !home.is_over());
                }
                if left == Some(0) && segment != current { WasLast::Maybe } else { WasLast::No }
            }
        }
    }

    /// A copy of one that is alive was appended there.
    pub(super) fn copied(&mut self, reference: Reference, offset: u32) {
        let number = self.current.number;
        let Some(home) = self.home(reference) else { return };
        let before = home.move_to(reference, number, offset);
        self.current.add_copy(reference.number());
        if let Some(before) = before.and_then(|before| self.segment(before)) {
            before.copies = before.copies.saturating_sub(1);
        }
    }

    /// The bytes of copies were appended.
    pub(super) fn add_copied_bytes(&mut self, bytes: u32) {
        self.current.bytes += u64::from(bytes);
    }

    /// Whether it is alive, and in this segment.
    pub(super) fn is_in(&mut self, reference: Reference, number: u32) -> bool {
        self.home(reference).is_some_and(|home| {
            let segment = home.moved(reference).map_or(home.segment(), |(segment, _)| segment);
            segment == number && home.is_alive(reference)
        })
    }

    /// Segment and offset of one that was moved.
    pub(super) fn moved(&mut self, reference: Reference) -> Option<(u32, u32)> {
        self.home(reference)?.moved(reference)
    }

    /// Whether a segment's file is there.
    pub(super) fn has_file(&self, number: u32) -> bool {
        number == self.current.number || self.segments.contains_key(&number)
    }

    /// One that a recovery found alive, there; whether it still is.
    pub(super) fn restore(&mut self, reference: Reference, segment: u32, offset: u32) -> bool {
        if self.early.as_ref().is_some_and(|early| early.contains(&reference)) {
            return false;
        }
        let is_hint = self.homes.get(self.hint).is_some_and(|home| home.contains(reference));
        if !is_hint {
            let known = self.position(reference);
            self.hint = known.unwrap_or_else(|| self.insert_gap(reference));
        }
        let Some(home) = self.homes.get_mut(self.hint) else { return false };
        let is_copy = home.segment() != segment;
        home.restore(reference, segment, offset);
        if is_copy && let Some(segment) = self.segment(segment) {
            segment.copies += 1;
        }
        true
    }

    /// All that are alive were restored: segments may be given up from now on.
    pub(super) fn restored(&mut self) {
        self.early = None;
        for home in &mut self.homes {
            home.restored();
        }
    }

    /// All of a segment is synced, and nothing more comes.
    pub(super) fn sealed(&mut self, number: u32, generation: u32, end: u32) {
        if let Some(segment) = self.segment(number) {
            *segment = Segment { is_sealed: true, generation, end, ..*segment };
        }
    }

    /// Generation and end of a sealed segment.
    pub(super) fn generation_and_end(&self, number: u32) -> Option<(u32, u32)> {
        self.segments.get(&number).map(|segment| (segment.generation, segment.end))
    }

    /// It was not worth compacting a segment with what is alive in it now.
    pub(super) fn not_worth(&mut self, number: u32) {
        let alive = self.homes.iter().find(|home| home.has_file() && home.segment() == number);
        let alive = alive.map_or(0, Home::alive_in_place);
        if let Some(segment) = self.segment(number) {
            segment.worth_below = alive.saturating_add(segment.copies).div_ceil(2);
        }
    }

    /// A segment is not compacted any more.
    pub(super) fn leave(&mut self, number: u32) {
        if let Some(segment) = self.segment(number) {
            segment.is_left = true;
        }
    }

    /// The disk does not give something of a segment: the next round tries it again.
    pub(super) fn not_read(&mut self, number: u32) {
        if let Some(segment) = self.segment(number) {
            segment.is_unread = true;
        }
    }

    /// Something in a segment is damaged, and its file is in quarantine too.
    pub(super) fn quarantined(&mut self, number: u32) {
        if let Some(segment) = self.segment(number) {
            segment.is_quarantined = true;
        }
    }

    /// Whether its file is in quarantine too.
    pub(super) fn is_quarantined(&self, number: u32) -> bool {
        self.segments.get(&number).is_some_and(|segment| segment.is_quarantined)
    }

    /// The next segment that can be removed, or of which so few bytes are needed that it is worth
    /// writing them again; none ends a round.
    pub(super) fn due(&mut self, worth_bytes: u64) -> Option<Due> {
        let due = self.find_due(worth_bytes);
        if due.is_none() {
            self.segments.values_mut().for_each(|segment| segment.is_unread = false);
        }
        due
    }

    fn find_due(&self, worth_bytes: u64) -> Option<Due> {
        if self.early.is_some() {
            return None;
        }
        let oldest = self.segments.keys().next().copied()?;
        for home in self.homes.iter().filter(|home| home.has_file()) {
            let Some(segment) = self.segments.get(&home.segment()) else { continue };
            let alive = home.alive_in_place().saturating_add(segment.copies);
            let is_oldest = segment.number == oldest;
            if !segment.is_sealed || segment.is_unread {
                continue;
            }
            if is_oldest && alive == 0 && segment.returned == 0 {
                return Some(Due::Remove(segment.number));
            }
            let is_tried = !segment.is_left && (alive == 0 || alive < segment.worth_below);
            if is_tried && segment.needed_bytes(u64::from(alive), is_oldest) < worth_bytes {
                return Some(Due::Compact(segment.number));
            }
        }
        None
    }

    /// Whether a settlement in this segment has to be kept when the segment goes: there may be a
    /// record of the reference in an older one.
    pub(super) fn needs_settled(&mut self, reference: Reference, number: u32) -> bool {
        let is_home_older =
            self.home(reference).is_some_and(|home| home.has_file() && home.segment() < number);
        let mut older = self.segments.range(..number).map(|(_, segment)| segment);
        is_home_older || older.any(|segment| segment.may_have_copied(reference.number()))
    }

    /// A segment's file is gone for good; what was alive in it was copied.
    pub(super) fn removed(&mut self, number: u32) {
        self.segments.remove(&number);
        for home in self.homes.iter_mut().filter(|home| home.segment() == number) {
            home.forget_file();
        }
        // The last one gives the next references.
        let last = self.homes.pop_back();
        self.homes.retain(|home| !home.is_over());
        self.homes.extend(last);
    }

    fn segment(&mut self, number: u32) -> Option<&mut Segment> {
        if number == self.current.number {
            return Some(&mut self.current);
        }
        self.segments.get_mut(&number)
    }

    fn home(&mut self, reference: Reference) -> Option<&mut Home> {
        let is_hint = self.homes.get(self.hint).is_some_and(|home| home.contains(reference));
        if !is_hint {
            self.hint = self.position(reference)?;
        }
        self.homes.get_mut(self.hint)
    }

    fn position(&self, reference: Reference) -> Option<usize> {
        let after = self.homes.partition_point(|home| home.first() <= reference.number());
        let at = after.checked_sub(1)?;
        self.homes.get(at).is_some_and(|home| home.contains(reference)).then_some(at)
    }

    /// Makes a home for references whose segment is gone, between those that are there.
    fn insert_gap(&mut self, reference: Reference) -> usize {
        let number = reference.number();
        let after = self.homes.partition_point(|home| home.first() <= number);
        let before = after.checked_sub(1).and_then(|at| self.homes.get(at)).map_or(0, Home::end);
        let next = self.homes.get(after).map_or(u64::MAX, Home::first);
        // A home has room for 2^32 references.
        let first = before.max(number & !u64::from(u32::MAX));
        let end = next.min((number | u64::from(u32::MAX)).saturating_add(1));
        self.homes.insert(after, Home::of_moved(first, end));
        after
    }
}

/// Whether a reference that was settled was the last that was alive in a full segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WasLast {
    Maybe,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(number: u64) -> Reference {
        Reference::new(number).unwrap()
    }

    /// Two full segments of ten references in 1,000 bytes each, and a third that is filled.
    fn three() -> Liveness {
        let mut liveness = Liveness::new([], 1, 1);
        for next in 2..=3 {
            liveness.give(10, 1_000);
            liveness.begin(next);
            liveness.sealed(next - 1, 1, 1);
        }
        liveness
    }

    fn settle(liveness: &mut Liveness, range: std::ops::RangeInclusive<u64>) {
        for number in range {
            liveness.settle(reference(number));
            liveness.add_settled(1);
        }
    }

    #[test]
    fn the_oldest_is_removed_unread_once_all_in_it_is_settled() {
        let mut liveness = three();
        assert_eq!(liveness.numbers().collect::<Vec<_>>(), [1, 2, 3]);
        settle(&mut liveness, 1..=9);
        assert_eq!(liveness.due(50), None);
        assert_eq!(liveness.due(150), Some(Due::Compact(1)));
        assert_eq!(liveness.settle(reference(10)), WasLast::Maybe);
        assert_eq!(liveness.due(0), Some(Due::Remove(1)));
        liveness.removed(1);
        assert!(!liveness.has_file(1) && liveness.has_file(2));
        assert_eq!(liveness.due(0), None);
        assert_eq!(liveness.settle(reference(10)), WasLast::No);
    }

    #[test]
    fn one_with_returned_messages_is_read_first() {
        let mut liveness = Liveness::new([], 1, 1);
        liveness.give(1, 100);
        liveness.add_returned();
        liveness.begin(2);
        liveness.sealed(1, 1, 1);
        settle(&mut liveness, 1..=1);
        assert_eq!(liveness.due(1), Some(Due::Compact(1)));
    }

    #[test]
    fn a_dead_one_that_is_not_the_oldest_keeps_what_it_settles() {
        let mut liveness = Liveness::new([], 1, 1);
        liveness.give(10, 1_000);
        liveness.begin(2);
        liveness.give(1, 100);
        settle(&mut liveness, 1..=4);
        settle(&mut liveness, 11..=11);
        liveness.begin(3);
        liveness.sealed(1, 1, 1);
        liveness.sealed(2, 1, 1);
        assert_eq!(liveness.due(10), None, "five that are settled take ten bytes");
        assert_eq!(liveness.due(11), Some(Due::Compact(2)));
        assert!(liveness.needs_settled(reference(4), 2));
        assert!(!liveness.needs_settled(reference(11), 2), "its record goes with the segment");
        liveness.removed(2);
        settle(&mut liveness, 5..=10);
        assert_eq!(liveness.due(1), Some(Due::Remove(1)));
    }

    #[test]
    fn what_is_copied_counts_where_it_is() {
        let mut liveness = three();
        settle(&mut liveness, 1..=8);
        for (number, offset) in [(9, 64), (10, 128)] {
            liveness.copied(reference(number), offset);
            liveness.add_copied_bytes(100);
        }
        assert_eq!(liveness.due(0), Some(Due::Remove(1)));
        liveness.removed(1);
        assert_eq!(liveness.moved(reference(10)), Some((3, 128)));
        liveness.begin(4);
        liveness.sealed(3, 1, 1);
        assert!(
            liveness.needs_settled(reference(9), 4) && !liveness.needs_settled(reference(9), 3)
        );
        settle(&mut liveness, 9..=9);
        assert!(!liveness.is_alive(reference(9)) && liveness.is_alive(reference(10)));
        assert_eq!(liveness.due(116), None, "one copy, and eight that it settles");
        assert_eq!(liveness.due(117), Some(Due::Compact(3)));
        liveness.copied(reference(10), 70);
        liveness.removed(3);
        assert_eq!(liveness.moved(reference(10)), Some((4, 70)));
        settle(&mut liveness, 10..=10);
        assert!(liveness.needs_settled(reference(12), 4), "the second segment is there");
        assert!(!liveness.needs_settled(reference(10), 4));
    }

    #[test]
    fn what_was_not_worth_it_is_tried_again_with_half_of_it() {
        let mut liveness = three();
        assert_eq!(liveness.due(5_000), Some(Due::Compact(1)));
        liveness.not_worth(1);
        liveness.not_worth(2);
        assert_eq!(liveness.due(5_000), None);
        settle(&mut liveness, 11..=16);
        assert_eq!(liveness.due(5_000), Some(Due::Compact(2)));
    }

    #[test]
    fn a_recovery_finds_homes_and_copies() {
        let found = |number, first, end| {
            let segment =
                Segment { is_sealed: true, references: end - first, ..Segment::new(number) };
            Found { segment, first, end }
        };
        let mut liveness = Liveness::new([found(4, 100, 110), found(7, 500, 505)], 8, 505);
        let far = 499 + (1 << 33);
        for (number, segment) in [(105, 4), (106, 7), (501, 7), (300, 7), (20, 4), (299, 7)] {
            liveness.restore(reference(number), segment, 64);
        }
        liveness.restored();
        assert_eq!(liveness.give(1, 1), 505);
        for number in [105, 106, 501, 300, 20, 299, 505] {
            assert!(liveness.is_alive(reference(number)), "{number}");
        }
        for number in [1, 99, 107, 298, 301, 502, far] {
            assert!(!liveness.is_alive(reference(number)), "{number}");
        }
        assert_eq!(liveness.moved(reference(106)), Some((7, 64)));
        assert_eq!(liveness.moved(reference(105)), None);
        settle(&mut liveness, 105..=106);
        settle(&mut liveness, 20..=20);
        assert_eq!(liveness.due(0), Some(Due::Remove(4)));
    }
}
