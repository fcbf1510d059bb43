//! Where the messages of one segment are that were moved out of it.

/// The places of moved references, by their distance from their segment's first: 12 bytes each.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// In the order of the distances. Those that were removed stay until they are half of all.
    list: Vec<Move>,
    alive: usize,
}

#[derive(Debug, Clone, Copy)]
struct Move {
    delta: u32,
    /// 0 if it was removed.
    segment: u32,
    offset: u32,
}

impl Moves {
    pub(super) fn is_empty(&self) -> bool {
        self.alive == 0
    }

    /// Puts one in, or elsewhere; the segment that it was in.
    pub(super) fn insert(&mut self, delta: u32, segment: u32, offset: u32) -> Option<u32> {
        let new = Move { delta, segment, offset };
        match self.position(delta) {
            Ok(at) => {
                let old = self.list.get_mut(at).map(|old| std::mem::replace(old, new).segment);
                let old = old.filter(|segment| *segment != 0);
                self.alive += usize::from(old.is_none());
                old
            }
            Err(at) => {
                self.list.insert(at, new);
                self.alive += 1;
                None
            }
        }
    }

    /// Puts one in that is not there, at the end; [`sort`](Self::sort) has to come before all else.
    pub(super) fn push_unsorted(&mut self, delta: u32, segment: u32, offset: u32) {
        self.list.push(Move { delta, segment, offset });
        self.alive += 1;
    }

    pub(super) fn sort(&mut self) {
        self.list.sort_unstable_by_key(|moved| moved.delta);
        self.list.shrink_to_fit();
    }

    /// Segment and offset.
    pub(super) fn place(&self, delta: u32) -> Option<(u32, u32)> {
        let moved = self.list.get(self.position(delta).ok()?)?;
        (moved.segment != 0).then_some((moved.segment, moved.offset))
    }

    /// Takes one out; the segment that it was in.
    pub(super) fn remove(&mut self, delta: u32) -> Option<u32> {
        let at = self.position(delta).ok()?;
        let moved = self.list.get_mut(at).filter(|moved| moved.segment != 0)?;
        let segment = std::mem::take(&mut moved.segment);
        self.alive -= 1;
        if self.alive <= self.list.len() / 2 {
            self.shrink();
        }
        Some(segment)
    }

    /// Gives up what it needs no more.
    pub(super) fn shrink(&mut self) {
        self.list.retain(|moved| moved.segment != 0);
        self.list.shrink_to_fit();
    }

    fn position(&self, delta: u32) -> Result<usize, usize> {
        // Mostly they come in order.
        match self.list.last() {
            Some(last) if last.delta < delta => Err(self.list.len()),
            None => Err(0),
            Some(_) => self.list.binary_search_by_key(&delta, |moved| moved.delta),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_are_found_in_any_order_and_shrink() {
        let mut moves = Moves::default();
        assert_eq!(moves.place(1), None);
        for delta in [5, 9, 1, 7] {
            assert_eq!(moves.insert(delta, 2, delta * 10), None);
        }
        assert_eq!(moves.insert(7, 3, 1), Some(2));
        assert_eq!(moves.place(7), Some((3, 1)));
        assert_eq!(moves.place(6), None);
        assert_eq!((moves.remove(5), moves.remove(5), moves.remove(6)), (Some(2), None, None));
        assert_eq!(moves.insert(5, 4, 4), None);
        assert_eq!(
            (moves.remove(9), moves.remove(1), moves.remove(5)),
            (Some(2), Some(2), Some(4))
        );
        assert_eq!((moves.list.len(), moves.alive), (1, 1));
        assert_eq!(moves.remove(7), Some(3));
        assert!(moves.is_empty() && moves.list.is_empty());
    }

    #[test]
    fn what_is_pushed_is_found_when_sorted() {
        let mut moves = Moves::default();
        for delta in [8, 3, 5] {
            moves.push_unsorted(delta, 1, delta);
        }
        moves.sort();
        for delta in [8, 3, 5] {
            assert_eq!(moves.place(delta), Some((1, delta)));
        }
    }
}
