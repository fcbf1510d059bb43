//! Which deliveries of a channel are settled, so that it is known how many an ack of several is of.

use std::collections::BTreeMap;

use springhare_broker::Multiple;

/// The delivery tags of a channel that are settled, as runs that neither overlap nor touch.
///
/// Between two runs something is open: there is at most one run more than open deliveries, which the
/// prefetch bounds.
#[derive(Debug, Default)]
pub(super) struct SettledTags {
    /// The last tag of each run, by its first.
    runs: BTreeMap<u64, u64>,
}

impl SettledTags {
    /// This one is settled now, or all up to it: how many were not before.
    pub(super) fn settle(&mut self, delivery_tag: u64, multiple: Multiple) -> u64 {
        let first = match multiple {
            Multiple::One => delivery_tag,
            Multiple::UpTo => 1,
        };
        let (mut start, mut end, mut before) = (first, delivery_tag, 0);
        while let Some((run_start, run_end)) = self.last_beside(first, delivery_tag) {
            self.runs.remove(&run_start);
            let beyond = run_end.min(delivery_tag).saturating_add(1);
            before += beyond.saturating_sub(run_start.max(first));
            (start, end) = (start.min(run_start), end.max(run_end));
        }
        self.runs.insert(start, end);
        delivery_tag.saturating_add(1).saturating_sub(first).saturating_sub(before)
    }

    /// The last run that overlaps these tags, or touches them.
    fn last_beside(&self, first: u64, last: u64) -> Option<(u64, u64)> {
        let (start, end) = self.runs.range(..=last.saturating_add(1)).next_back()?;
        (end.saturating_add(1) >= first).then_some((*start, *end))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_ack_of_several_is_of_those_that_were_open() {
        let mut settled = SettledTags::default();
        assert_eq!(settled.settle(3, Multiple::UpTo), 3);
        assert_eq!(settled.settle(5, Multiple::One), 1);
        assert_eq!(settled.settle(7, Multiple::UpTo), 3, "4, 6 and 7");
        assert_eq!(settled.settle(8, Multiple::One), 1);
        assert_eq!(settled.runs.len(), 1);
        assert_eq!(settled.settle(8, Multiple::One), 0, "it is settled already");
    }

    proptest! {
        #[test]
        fn it_counts_as_a_set_of_tags_does(
            steps in prop::collection::vec((1_u64..40, any::<bool>()), 0..100),
        ) {
            let (mut settled, mut all) = (SettledTags::default(), BTreeSet::new());
            for (tag, several) in steps {
                let before = all.len();
                let multiple = if several { Multiple::UpTo } else { Multiple::One };
                all.extend(if several { 1..=tag } else { tag..=tag });
                let more = u64::try_from(all.len() - before).unwrap_or(u64::MAX);
                prop_assert_eq!(settled.settle(tag, multiple), more);
                let gaps = all.iter().filter(|tag| !all.contains(&(**tag + 1))).count();
                prop_assert_eq!(settled.runs.len(), gaps);
            }
        }
    }
}
