use std::collections::BTreeSet;

/// Which publishes of a channel are confirmed.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    /// All up to this one are.
    settled: u64,
    /// Those after it that are.
    single: BTreeSet<u64>,
}

impl Confirms {
    /// Takes a confirm of one publish, or of all up to it; returns how many it confirms.
    pub(crate) fn take(&mut self, tag: u64, multiple: bool) -> usize {
        let mut count = 0;
        if multiple {
            let after = self.single.split_off(&(tag + 1));
            let known = std::mem::replace(&mut self.single, after).len();
            count += usize::try_from(tag.saturating_sub(self.settled)).unwrap_or(0);
            count = count.saturating_sub(known);
            self.settled = self.settled.max(tag);
        } else if tag == self.settled + 1 {
            self.settled = tag;
            count += 1;
        } else {
            count += usize::from(self.single.insert(tag));
        }
        while self.single.first() == Some(&(self.settled + 1)) {
            self.single.pop_first();
            self.settled += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_publish_is_confirmed_once() {
        let mut confirms = Confirms::default();
        assert_eq!(confirms.take(1, false), 1);
        assert_eq!(confirms.take(3, false), 1);
        assert_eq!(confirms.take(6, false), 1);
        assert_eq!(confirms.take(2, false), 1);
        assert_eq!(confirms.settled, 3);
        assert_eq!(confirms.take(5, true), 2);
        assert_eq!(confirms.settled, 6);
        assert_eq!(confirms.take(9, true), 3);
        assert!(confirms.single.is_empty());
    }
}
