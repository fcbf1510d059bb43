//! Which deliveries are done and not yet acknowledged, so that one `basic.ack` can cover many.
//!
//! Pure. A `multiple` ack covers every earlier delivery of the channel, so it may only be sent
//! when none of those is still open: paused, being settled by hand, or in its handler.

use std::collections::BTreeSet;

use springhare_broker::Multiple;

/// Whether one ack may cover several deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Covering {
    /// The listener's deliveries are the only ones on the channel.
    Allowed,
    /// The handler consumes on the channel too; its deliveries are not known here.
    Forbidden,
}

/// The deliveries of one channel that are done or stay open.
#[derive(Debug, Default)]
pub(crate) struct AckGather {
    /// Done, in the order of their tags.
    done: Vec<u64>,
    /// Neither settled nor done: they must not be covered.
    open: BTreeSet<u64>,
}

impl AckGather {
    /// The handler is done with it; it is acknowledged with the next flush.
    pub(crate) fn done(&mut self, delivery_tag: u64) {
        self.done.push(delivery_tag);
    }

    /// It stays unsettled for now.
    pub(crate) fn stays_open(&mut self, delivery_tag: u64) {
        self.open.insert(delivery_tag);
    }

    /// It is settled by other means.
    pub(crate) fn closed(&mut self, delivery_tag: u64) {
        self.open.remove(&delivery_tag);
    }

    /// How many are done and not yet acknowledged.
    pub(crate) fn len(&self) -> usize {
        self.done.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    /// Calls `ack` for as few acks as cover what is done, and forgets it.
    pub(crate) fn take(&mut self, covering: Covering, acks: &mut Vec<(u64, Multiple)>) {
        let first_open = match covering {
            Covering::Allowed => self.open.first().copied().unwrap_or(u64::MAX),
            Covering::Forbidden => 0,
        };
        let covered = self.done.partition_point(|tag| *tag < first_open);
        let mut done = self.done.drain(..);
        let mut last_covered = None;
        for _ in 0..covered {
            last_covered = done.next();
        }
        if let Some(tag) = last_covered {
            acks.push((tag, if covered == 1 { Multiple::One } else { Multiple::UpTo }));
        }
        acks.extend(done.map(|tag| (tag, Multiple::One)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks(gather: &mut AckGather, covering: Covering) -> Vec<(u64, Multiple)> {
        let mut acks = Vec::new();
        gather.take(covering, &mut acks);
        assert!(gather.is_empty());
        acks
    }

    fn gathered(done: &[u64], open: &[u64]) -> AckGather {
        let mut gather = AckGather::default();
        done.iter().for_each(|tag| gather.done(*tag));
        open.iter().for_each(|tag| gather.stays_open(*tag));
        gather
    }

    #[test]
    fn one_ack_covers_all_that_are_done() {
        let mut gather = gathered(&[1, 2, 3], &[]);
        assert_eq!(acks(&mut gather, Covering::Allowed), [(3, Multiple::UpTo)]);
        assert_eq!(acks(&mut gather, Covering::Allowed), []);
        assert_eq!(acks(&mut gathered(&[7], &[]), Covering::Allowed), [(7, Multiple::One)]);
    }

    #[test]
    fn what_stays_open_is_never_covered() {
        let mut gather = gathered(&[1, 2, 4, 5], &[3]);
        assert_eq!(
            acks(&mut gather, Covering::Allowed),
            [(2, Multiple::UpTo), (4, Multiple::One), (5, Multiple::One)]
        );
        gather.closed(3);
        gather.done(6);
        gather.done(7);
        assert_eq!(acks(&mut gather, Covering::Allowed), [(7, Multiple::UpTo)]);
    }

    #[test]
    fn a_channel_that_the_handler_consumes_on_is_acknowledged_one_by_one() {
        let mut gather = gathered(&[1, 3], &[]);
        assert_eq!(
            acks(&mut gather, Covering::Forbidden),
            [(1, Multiple::One), (3, Multiple::One)]
        );
    }
}
